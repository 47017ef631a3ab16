/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a frame comes back as it was written, no changed bit passes, and a write that did not
 *         end is told from damage.
 * Method: frames in memory, over zeros or over an older frame; then sectors of the one are put in
 *         the place of the other's, or bits are changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/journal_format.h"

enum {
	FOLDER = 77,
	SEGMENT = 5,
	BLOCK = 9,
	SEGMENT_SIZE = 512, /* in blocks */
	RECORDS = 20,
	RECORD_SIZE = 700,
};

static _Alignas(4096) uint8_t newer[CTL_FRAME_SIZE_MAX], older[CTL_FRAME_SIZE_MAX],
	mixed[CTL_FRAME_SIZE_MAX];

static void fill_record(uint8_t bytes[RECORD_SIZE], uint64_t number)
{
	for (unsigned i = 0; i < RECORD_SIZE; i++) {
		bytes[i] = (uint8_t)(number * 31 + i);
	}
}

static struct ctl_frame_head make(uint8_t *memory, uint64_t number, uint32_t count)
{
	struct ctl_frame frame = {.memory = memory};
	struct ctl_frame_head before[CTL_FRAME_HEADS - 1] = {{.segment = SEGMENT,
	                                                      .block = BLOCK - 1,
	                                                      .blocks = 1,
	                                                      .segment_size = SEGMENT_SIZE,
	                                                      .number = number - 1,
	                                                      .first = 99,
	                                                      .mark = {.length = 7}}};

	ctl_frame_begin(&frame, 100);
	for (uint32_t i = 0; i < count; i++) {
		struct paxos_mark mark = {.length = 1000 + i, .decided = 900, .low = 500 + i % 3};
		uint8_t bytes[RECORD_SIZE];

		mark.promised.round = 11;
		mark.accepted.incarnation = 12;
		fill_record(bytes, 100 + i + (memory == older ? 1 : 0));
		assert_true(ctl_frame_add(&frame, &mark, slice_make(bytes, sizeof(bytes))));
	}
	frame.head.segment = SEGMENT;
	frame.head.block = BLOCK;
	frame.head.segment_size = SEGMENT_SIZE;
	frame.head.number = number;
	ctl_frame_end(&frame, FOLDER, before);
	return frame.head;
}

static size_t size_of(const struct ctl_frame_head *head)
{
	return (size_t)head->blocks * CTL_BLOCK_SIZE;
}

static void test_frame_comes_back(void **state)
{
	const struct ctl_frame_head head = make(newer, 40, RECORDS);
	struct ctl_frame_head heads[CTL_FRAME_HEADS];
	struct slice records, record;
	uint8_t bytes[RECORD_SIZE];

	(void)state;
	assert_int_equal(ctl_frame_heads(newer, FOLDER, SEGMENT, BLOCK, heads), 2);
	assert_int_equal(heads[0].number, 40);
	assert_int_equal(heads[0].first, 100);
	assert_int_equal(heads[0].count, RECORDS);
	assert_int_equal(heads[0].mark.length, 1000 + RECORDS - 1);
	assert_int_equal(heads[0].mark.low, 500);
	assert_int_equal(heads[0].mark.promised.round, 11);
	assert_int_equal(heads[0].mark.accepted.incarnation, 12);
	assert_int_equal(heads[1].number, 39);
	assert_int_equal(heads[1].mark.length, 7);
	assert_int_equal(ctl_frame_check(newer, FOLDER, &head), CTL_FRAME_WHOLE);
	records = ctl_frame_records(newer, &head);
	for (unsigned i = 0; i < RECORDS; i++) {
		fill_record(bytes, 100 + i);
		assert_true(ctl_frame_next(&records, &record));
		assert_true(slice_equal(record, slice_make(bytes, sizeof(bytes))));
	}
	assert_false(ctl_frame_next(&records, &record));
}

static void test_frame_is_full_at_its_bound(void **state)
{
	static const uint8_t bytes[PAXOS_RECORD_SIZE_MAX];
	const struct paxos_mark mark = {0};
	struct ctl_frame frame = {.memory = newer};
	uint32_t size;

	(void)state;
	ctl_frame_begin(&frame, 1);
	while (ctl_frame_add(&frame, &mark, slice_make(bytes, sizeof(bytes)))) {
	}
	size = CTL_FRAME_RECORDS_MAX - frame.head.size - 4;
	assert_false(ctl_frame_add(&frame, &mark, slice_make(bytes, size + 1)));
	assert_true(ctl_frame_add(&frame, &mark, slice_make(bytes, size)));
	assert_int_equal(ctl_frame_blocks(&frame), CTL_FRAME_SIZE_MAX / CTL_BLOCK_SIZE);
	assert_false(ctl_frame_add(&frame, &mark, slice_make(bytes, 0)));
}

static void test_frame_of_another_place_or_folder_is_none(void **state)
{
	struct ctl_frame_head heads[CTL_FRAME_HEADS];

	(void)state;
	(void)make(newer, 40, RECORDS);
	assert_int_equal(ctl_frame_heads(newer, FOLDER + 1, SEGMENT, BLOCK, heads), 0);
	assert_int_equal(ctl_frame_heads(newer, FOLDER, SEGMENT + 1, BLOCK, heads), 0);
	assert_int_equal(ctl_frame_heads(newer, FOLDER, SEGMENT, BLOCK + 1, heads), 0);
}

/* Every bit of every kind of sector: the head's, a full one's, the last one's, its padding. */
static void test_no_changed_bit_passes(void **state)
{
	const struct ctl_frame_head head = make(newer, 40, RECORDS);
	struct ctl_frame_head heads[CTL_FRAME_HEADS];
	const size_t sectors = size_of(&head) / CTL_SECTOR_SIZE;

	(void)state;
	for (size_t bit = 0; bit < CTL_SECTOR_SIZE * 8; bit++) {
		newer[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(ctl_frame_heads(newer, FOLDER, SEGMENT, BLOCK, heads), 0);
		assert_int_equal(ctl_frame_check(newer, FOLDER, &head), CTL_FRAME_DAMAGED);
		newer[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t sector = 1; sector < sectors; sector += sectors - 2) {
		for (size_t bit = 0; bit < CTL_SECTOR_SIZE * 8; bit++) {
			uint8_t *byte = &newer[sector * CTL_SECTOR_SIZE + bit / 8];

			*byte ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(ctl_frame_check(newer, FOLDER, &head), CTL_FRAME_DAMAGED);
			*byte ^= (uint8_t)(1u << bit % 8);
		}
	}
	assert_int_equal(ctl_frame_check(newer, FOLDER, &head), CTL_FRAME_WHOLE);
}

/* Each sector but the first in its turn did not arrive: over zeros, over an older frame. */
static void test_write_that_did_not_end_is_torn(void **state)
{
	const struct ctl_frame_head head = make(newer, 40, RECORDS);
	const size_t size = size_of(&head);

	(void)state;
	(void)make(older, 30, RECORDS);
	for (size_t at = CTL_SECTOR_SIZE; at < size; at += CTL_SECTOR_SIZE) {
		memcpy(mixed, newer, size);
		memcpy(mixed + at, older + at, CTL_SECTOR_SIZE);
		assert_int_equal(ctl_frame_check(mixed, FOLDER, &head), CTL_FRAME_TORN);
		memset(mixed + at, 0, CTL_SECTOR_SIZE);
		assert_int_equal(ctl_frame_check(mixed, FOLDER, &head), CTL_FRAME_TORN);
		memset(mixed + at, 0x55, CTL_SECTOR_SIZE);
		assert_int_equal(ctl_frame_check(mixed, FOLDER, &head), CTL_FRAME_DAMAGED);
	}
}

/* Two starts wrote a frame of the same number; neither ended. */
static void test_mix_of_two_tries_is_torn(void **state)
{
	const struct ctl_frame_head head = make(newer, 40, RECORDS);
	const struct ctl_frame_head other = make(older, 40, RECORDS - 1);

	(void)state;
	memcpy(mixed, newer, size_of(&head));
	memcpy(mixed, older, size_of(&other) / 2);
	assert_int_equal(ctl_frame_check(mixed, FOLDER, &head), CTL_FRAME_TORN);
}

static void test_sector_of_another_place_is_bad(void **state)
{
	const struct ctl_frame_head head = make(newer, 40, RECORDS);
	const uint64_t place = (uint64_t)BLOCK * CTL_BLOCK_SECTORS;

	(void)state;
	assert_int_equal(ctl_sector_look(newer, FOLDER, place, 40), CTL_SECTOR_NEW);
	assert_int_equal(ctl_sector_look(newer, FOLDER, place, 41), CTL_SECTOR_OLD);
	assert_int_equal(ctl_sector_look(newer, FOLDER, place, 39), CTL_SECTOR_LATER);
	assert_int_equal(ctl_sector_look(newer, FOLDER, place + 1, 40), CTL_SECTOR_BAD);
	memcpy(mixed, newer, size_of(&head));
	memcpy(mixed + CTL_SECTOR_SIZE, newer + 2 * CTL_SECTOR_SIZE, CTL_SECTOR_SIZE);
	assert_int_equal(ctl_frame_check(mixed, FOLDER, &head), CTL_FRAME_DAMAGED);
}

static void test_records_that_make_no_sense_end_the_walk(void **state)
{
	static const uint8_t bytes[] = {2, 0, 0, 0, 'a', 'b', 200, 0, 0, 0, 'c'};
	struct slice records = slice_make(bytes, sizeof(bytes)), record;

	(void)state;
	assert_true(ctl_frame_next(&records, &record));
	assert_true(slice_equal(record, slice_text("ab")));
	assert_false(ctl_frame_next(&records, &record));
	records = slice_make(bytes, 3);
	assert_false(ctl_frame_next(&records, &record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_comes_back),
		cmocka_unit_test(test_frame_is_full_at_its_bound),
		cmocka_unit_test(test_frame_of_another_place_or_folder_is_none),
		cmocka_unit_test(test_no_changed_bit_passes),
		cmocka_unit_test(test_write_that_did_not_end_is_torn),
		cmocka_unit_test(test_mix_of_two_tries_is_torn),
		cmocka_unit_test(test_sector_of_another_place_is_bad),
		cmocka_unit_test(test_records_that_make_no_sense_end_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
