/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a record comes back as it was; bytes that are none are refused.
 * Method: each kind with every field set to something of its own, there and back; then every
 *         shorter piece of it, and kinds that do not exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/record.h"

static struct paxos_record full(enum paxos_record_kind kind)
{
	return (struct paxos_record){
		.kind = kind,
		.flags = PAXOS_RECORD_HAS_STATE | PAXOS_RECORD_JOINS,
		.ballot = {.configuration = 1,
	                   .round = UINT64_MAX,
	                   .priority = 3,
	                   .node = 4,
	                   .incarnation = 5,
	                   .start = 6},
		.accepted = {.configuration = 7,
	                     .round = 8,
	                     .priority = 9,
	                     .node = 10,
	                     .incarnation = UINT64_MAX,
	                     .start = 12},
		.decided = 13,
		.place = {.index = 14, .offset = 15},
		.length = 16,
		.from = 17,
	};
}

static void test_every_kind_comes_back(void **state)
{
	uint8_t bytes[PAXOS_RECORD_HEADER + 4], again[PAXOS_RECORD_HEADER];

	(void)state;
	for (int kind = PAXOS_RECORD_PROMISE; kind < PAXOS_RECORD_COUNT; kind++) {
		const struct paxos_record record = full((enum paxos_record_kind)kind);
		struct paxos_record back;

		paxos_record_encode(&record, bytes);
		memcpy(bytes + PAXOS_RECORD_HEADER, "body", 4);
		assert_true(paxos_record_decode(slice_make(bytes, sizeof(bytes)), &back));
		assert_int_equal(back.kind, kind);
		assert_int_equal(back.flags, record.flags);
		assert_true(paxos_ballot_equal(back.ballot, record.ballot));
		assert_true(paxos_ballot_equal(back.accepted, record.accepted));
		assert_int_equal(back.decided, record.decided);
		assert_int_equal(back.place.index, record.place.index);
		assert_int_equal(back.place.offset, record.place.offset);
		assert_int_equal(back.length, record.length);
		assert_int_equal(back.from, record.from);
		assert_true(slice_equal(back.body, slice_text("body")));
		paxos_record_encode(&back, again);
		assert_memory_equal(bytes, again, PAXOS_RECORD_HEADER);
	}
}

static void test_what_is_none_is_refused(void **state)
{
	const struct paxos_record record = full(PAXOS_RECORD_ADOPT);
	uint8_t bytes[PAXOS_RECORD_HEADER];
	struct paxos_record back;

	(void)state;
	paxos_record_encode(&record, bytes);
	for (size_t size = 0; size < sizeof(bytes); size++) {
		assert_false(paxos_record_decode(slice_make(bytes, size), &back));
	}
	assert_true(paxos_record_decode(slice_make(bytes, sizeof(bytes)), &back));
	assert_int_equal(back.body.size, 0);
	bytes[0] = 0;
	assert_false(paxos_record_decode(slice_make(bytes, sizeof(bytes)), &back));
	for (int kind = PAXOS_RECORD_COUNT; kind <= UINT8_MAX; kind++) {
		bytes[0] = (uint8_t)kind;
		assert_false(paxos_record_decode(slice_make(bytes, sizeof(bytes)), &back));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
