/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what an acceptor acknowledges as taken it keeps, also when its log is full.
 * Method: datagrams of one-byte entries, told one by one to an acceptor with the smallest log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/acceptor.h"
#include "tests/unit/core_fixture.h"

static const struct paxos_ballot ballot = {.configuration = 1, .round = 1, .node = 1};

static struct paxos_core core;
static struct paxos_acceptor acceptor;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.promised = ballot;
	core.accepted = ballot;
	paxos_acceptor_init(&acceptor);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

/* A datagram with entries first .. last. */
static void say(uint64_t number, uint64_t first, uint64_t last)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct wire_writer body = wire_writer_make(bytes, sizeof(bytes));
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_ACCEPT, .node = 1, .ballot = ballot, .number = number};

	for (uint64_t index = first; index <= last; index++) {
		wire_put_u32(&body, 1);
		wire_put_u8(&body, 'e');
	}
	msg.index = first;
	msg.body = wire_written(&body);
	paxos_acceptor_accept(&core, &acceptor, &msg);
}

static void test_gap_is_filled_in_any_order(void **state)
{
	(void)state;
	say(3, 5, 6);
	say(2, 3, 4);
	assert_int_equal(core.log.length, 0);
	say(1, 1, 2);
	assert_int_equal(core.log.length, 6);
	assert_int_equal(acceptor.highest, 3);
	assert_int_equal(acceptor.mask, 3);
}

static void test_what_was_taken_early_outlives_a_full_log(void **state)
{
	(void)state;
	say(1, 1, 14);
	say(3, 16, 17);
	say(2, 15, 15);
	assert_int_equal(core.log.length, 15);
	assert_int_equal(acceptor.highest, 3);
	paxos_acceptor_take_early(&core, &acceptor);
	assert_int_equal(core.log.length, 15);
	core.log.trim_to = 1; /* room for one of the two: the other stays in the buffer */
	paxos_acceptor_take_early(&core, &acceptor);
	assert_int_equal(core.log.length, 16);
	acceptor.ack_due = false;
	core.log.trim_to = 4;
	paxos_acceptor_take_early(&core, &acceptor);
	assert_int_equal(core.log.length, 17);
	assert_true(acceptor.ack_due);
	assert_int_equal(acceptor.early_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gap_is_filled_in_any_order, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_taken_early_outlives_a_full_log,
	                                        begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
