/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   segments in any order make the message, parts of different messages never mix, and a
 *         flood of halves costs halves only.
 * Method: feed segments by hand; then a seeded shuffle with repeats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/assembly.h"
#include "store/base/prng.h"

enum {
	PIECE = PROTO_PIECE_SIZE,
	PLACES = 4
};

static uint8_t bytes[PROTO_MESSAGE_SIZE_MAX];
static struct slice message;
static uint32_t missing;

static enum assembly_result add(struct assembly *assembly, uint64_t now_ns, uint64_t who,
                                uint64_t number, uint64_t version, unsigned segment, size_t size)
{
	const struct proto_head head = {
		.number = number,
		.version = version,
		.segment = (uint16_t)segment,
		.segments = (uint16_t)proto_segments(size),
	};
	const size_t offset = (size_t)segment * PIECE;
	const size_t rest = size - offset;

	return assembly_add(assembly, now_ns, who, &head,
	                    slice_make(bytes + offset, rest < PIECE ? rest : PIECE), &message,
	                    &missing);
}

static int set_up(void **state)
{
	struct assembly *assembly;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(i * 31 + i / 256);
	}
	assert_int_equal(assembly_new(&assembly, PLACES), 0);
	*state = assembly;
	return 0;
}

static int tear_down(void **state)
{
	assembly_free(*state);
	return 0;
}

static void test_single_segment_takes_no_place(void **state)
{
	assert_int_equal(add(*state, 1, 0, 1, 0, 0, 10), ASSEMBLY_WHOLE);
	assert_ptr_equal(message.data, bytes);
	assert_int_equal(message.size, 10);
}

static void test_any_order_makes_the_message(void **state)
{
	const size_t size = 2 * PIECE + 5;

	assert_int_equal(add(*state, 1, 7, 1, 0, 2, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 3);
	assert_int_equal(add(*state, 1, 7, 1, 0, 2, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 3);
	assert_int_equal(add(*state, 1, 7, 1, 0, 0, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 2);
	assert_int_equal(add(*state, 1, 7, 1, 0, 1, size), ASSEMBLY_WHOLE);
	assert_int_equal(message.size, size);
	assert_memory_equal(message.data, bytes, size);
	/* The place is free: a late double begins a new half. */
	assert_int_equal(add(*state, 1, 7, 1, 0, 1, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 5);
}

static void test_names_keep_messages_apart(void **state)
{
	const size_t size = PIECE + 1;

	assert_int_equal(add(*state, 1, 7, 1, 0, 0, size), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 8, 1, 0, 1, size), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 7, 2, 0, 1, size), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 7, 1, 0, 1, size), ASSEMBLY_WHOLE);
}

static void test_other_version_begins_anew(void **state)
{
	const size_t size = PIECE + 1;

	assert_int_equal(add(*state, 1, 0, 1, 5, 0, size), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 0, 1, 6, 1, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 1);
	assert_int_equal(add(*state, 1, 0, 1, 6, 0, size), ASSEMBLY_WHOLE);
}

static void test_contradiction_is_dropped(void **state)
{
	assert_int_equal(add(*state, 1, 0, 1, 0, 0, PIECE + 1), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 0, 1, 0, 0, 2 * PIECE + 1), ASSEMBLY_BAD);
	assert_int_equal(add(*state, 1, 0, 1, 0, 1, 2 * PIECE + 1), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 0, 1, 0, 2, 2 * PIECE + 1), ASSEMBLY_PARTIAL);
	assert_int_equal(add(*state, 1, 0, 1, 0, 2, 2 * PIECE + 2), ASSEMBLY_BAD);
	/* Both halves were dropped with it. */
	assert_int_equal(add(*state, 1, 0, 1, 0, 0, 2 * PIECE + 1), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 6);
}

static void test_wrong_pieces_are_bad(void **state)
{
	struct proto_head head = {.number = 1, .segments = 2};

	assert_int_equal(
		assembly_add(*state, 1, 0, &head, slice_make(bytes, PIECE - 1), &message, &missing),
		ASSEMBLY_BAD);
	head.segment = 2;
	assert_int_equal(
		assembly_add(*state, 1, 0, &head, slice_make(bytes, PIECE), &message, &missing),
		ASSEMBLY_BAD);
	head.segment = 0;
	head.segments = PROTO_SEGMENTS_MAX + 1;
	assert_int_equal(
		assembly_add(*state, 1, 0, &head, slice_make(bytes, PIECE), &message, &missing),
		ASSEMBLY_BAD);
	head.segments = PROTO_SEGMENTS_MAX;
	head.segment = PROTO_SEGMENTS_MAX - 1;
	assert_int_equal(
		assembly_add(*state, 1, 0, &head, slice_make(bytes, PIECE), &message, &missing),
		ASSEMBLY_BAD);
	head.segments = 0;
	assert_int_equal(
		assembly_add(*state, 1, 0, &head, slice_make(bytes, PIECE), &message, &missing),
		ASSEMBLY_BAD);
}

static void test_oldest_half_gives_way(void **state)
{
	const size_t size = PIECE + 1;

	for (uint64_t number = 1; number <= PLACES + 1; number++) {
		assert_int_equal(add(*state, number, 0, number, 0, 0, size), ASSEMBLY_PARTIAL);
	}
	assert_int_equal(add(*state, 9, 0, 2, 0, 1, size), ASSEMBLY_WHOLE);
	assert_int_equal(add(*state, 9, 0, 1, 0, 1, size), ASSEMBLY_PARTIAL);
}

static void test_forgotten_half_is_gone(void **state)
{
	const size_t size = PIECE + 1;

	assert_int_equal(add(*state, 1, 0, 1, 0, 0, size), ASSEMBLY_PARTIAL);
	assembly_forget(*state, 0, 2);
	assembly_forget(*state, 0, 1);
	assembly_forget(*state, 0, 1);
	assert_int_equal(add(*state, 1, 0, 1, 0, 1, size), ASSEMBLY_PARTIAL);
	assert_int_equal(missing, 1);
}

static void test_shuffled_segments_with_repeats(void **state)
{
	struct prng prng;

	prng_init(&prng, 5);
	for (unsigned round = 1; round <= 300; round++) {
		const size_t size = PIECE + 1 + prng_below(&prng, sizeof(bytes) - PIECE - 1);
		const unsigned segments = proto_segments(size);
		uint32_t left = proto_segment_bits(segments);
		enum assembly_result result = ASSEMBLY_PARTIAL;

		while (left != 0) {
			const unsigned segment = (unsigned)prng_below(&prng, segments);

			left &= ~(1u << segment);
			result = add(*state, round, 3, round, 0, segment, size);
			assert_int_equal(result, left == 0 ? ASSEMBLY_WHOLE : ASSEMBLY_PARTIAL);
			assert_true(left == 0 || missing == left);
		}
		assert_int_equal(message.size, size);
		assert_memory_equal(message.data, bytes, size);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_single_segment_takes_no_place),  TEST(test_any_order_makes_the_message),
		TEST(test_names_keep_messages_apart),      TEST(test_other_version_begins_anew),
		TEST(test_contradiction_is_dropped),       TEST(test_wrong_pieces_are_bad),
		TEST(test_oldest_half_gives_way),          TEST(test_forgotten_half_is_gone),
		TEST(test_shuffled_segments_with_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
