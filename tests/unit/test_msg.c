/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a message comes back as it was; bytes that are none are refused.
 * Method: every kind with every field set to something of its own, there and back; then short,
 *         long and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/msg.h"

static const struct paxos_ballot BALLOT = {
	.configuration = 1, .round = 2, .priority = 3, .node = 4, .incarnation = 5, .start = 6};

static struct paxos_msg full(enum paxos_msg_kind kind)
{
	return (struct paxos_msg){
		.kind = kind,
		.node = 6,
		.flags = PAXOS_FLAGS_ALL,
		.configuration = 0x11223344,
		.incarnation = 0x1122334455667788,
		.start = 9,
		.ballot = BALLOT,
		.accepted = BALLOT,
		.lease_ballot = BALLOT,
		.round = 10,
		.round_start = 11,
		.round_incarnation = 12,
		.number = 12,
		.mask = UINT64_MAX,
		.decided = 13,
		.length = 14,
		.base = 15,
		.index = 16,
		.offset = 17,
		.position = 18,
		.transfer = 19,
		.lease_left_ns = 20,
		.poll_gap_ns = 21,
		.secret = 22,
		.priority = 23,
		.target = 24,
	};
}

static void test_every_kind_comes_back(void **state)
{
	uint8_t once[PAXOS_MSG_HEADER_MAX + 8], again[PAXOS_MSG_HEADER_MAX];

	(void)state;
	for (int kind = PAXOS_MSG_HEARTBEAT; kind < PAXOS_MSG_COUNT; kind++) {
		const struct paxos_msg msg = full((enum paxos_msg_kind)kind);
		const size_t size = paxos_msg_encode(&msg, once);
		struct paxos_msg back;

		assert_true(size <= PAXOS_MSG_HEADER_MAX);
		assert_true(paxos_msg_decode(slice_make(once, size), &back));
		assert_int_equal(back.kind, kind);
		assert_true(paxos_ballot_is_none(back.ballot) ||
		            paxos_ballot_equal(back.ballot, BALLOT));
		assert_int_equal(paxos_msg_encode(&back, again), size);
		assert_memory_equal(once, again, size);
		assert_false(paxos_msg_decode(slice_make(once, size - 1), &back));
		assert_string_not_equal(paxos_msg_text((enum paxos_msg_kind)kind), "?");
	}
}

static void test_body_goes_to_the_end(void **state)
{
	uint8_t bytes[PAXOS_MSG_HEADER_MAX + 8];
	struct paxos_msg msg = full(PAXOS_MSG_ACCEPT), back;
	size_t size = paxos_msg_encode(&msg, bytes);

	(void)state;
	memcpy(bytes + size, "bodybody", 8);
	assert_true(paxos_msg_decode(slice_make(bytes, size + 8), &back));
	assert_true(slice_equal(back.body, slice_text("bodybody")));
	msg.kind = PAXOS_MSG_PREPARE;
	size = paxos_msg_encode(&msg, bytes);
	assert_false(paxos_msg_decode(slice_make(bytes, size + 8), &back));
}

static void test_nonsense_is_refused(void **state)
{
	uint8_t bytes[PAXOS_MSG_HEADER_MAX];
	struct paxos_msg msg = full(PAXOS_MSG_PREPARE), back;
	const size_t size = paxos_msg_encode(&msg, bytes);

	(void)state;
	bytes[0] = 0;
	assert_false(paxos_msg_decode(slice_make(bytes, size), &back));
	bytes[0] = PAXOS_MSG_COUNT;
	assert_false(paxos_msg_decode(slice_make(bytes, size), &back));
	bytes[0] = PAXOS_MSG_PREPARE;
	bytes[1] = STORE_NODES_MAX;
	assert_false(paxos_msg_decode(slice_make(bytes, size), &back));
	bytes[1] = 0;
	bytes[3] = 0x80;
	assert_false(paxos_msg_decode(slice_make(bytes, size), &back));
	assert_false(paxos_msg_decode((struct slice){0}, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_body_goes_to_the_end),
		cmocka_unit_test(test_nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
