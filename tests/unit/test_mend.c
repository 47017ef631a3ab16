/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is unknown is asked of everybody, never taken for empty, and given only by who
 *         knows it of the same log, or as decided.
 * Method: a log with a hole, and FETCHes at the borders of what may be given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/mend.h"
#include "tests/unit/core_fixture.h"

static const struct paxos_ballot ballot = {.configuration = 1, .round = 3, .node = 1};
static const struct paxos_ballot other = {.configuration = 1, .round = 4, .node = 2};

static struct paxos_core core;
static struct paxos_intake intake;

/* 1 2 decided, ? ? unknown, 5 6 known. */
static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000000000;
	core.promised = core.accepted = ballot;
	core_append_nops(&core, 2);
	core_apply(&core, 2);
	assert_true(paxos_log_append_unknown(&core.log));
	assert_true(paxos_log_append_unknown(&core.log));
	core_append_nops(&core, 2);
	core.holes_first = 3;
	core.holes = 2;
	core.takes_part = false;
	assert_int_equal(paxos_intake_init(&intake, &core.config), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_intake_deinit(&intake);
	core_end(&core);
	return 0;
}

/* Tells entry `index` as `node` would. */
static void tell(unsigned node, uint64_t index)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct wire_writer body = wire_writer_make(bytes, sizeof(bytes));
	const struct slice entry = paxos_log_entry(&core.log, 1);
	struct paxos_msg msg = {.kind = PAXOS_MSG_ENTRIES,
	                        .flags = PAXOS_FLAG_REPAIR,
	                        .node = (uint8_t)node,
	                        .transfer = intake.transfer,
	                        .index = index};

	wire_put_u32(&body, (uint32_t)entry.size);
	wire_put(&body, entry);
	msg.body = wire_written(&body);
	(void)paxos_intake_entries(&core, &intake, &msg);
}

static void test_hole_is_filled_by_whoever_knows(void **state)
{
	struct paxos_msg msg;

	(void)state;
	assert_false(paxos_mend_tick(&core, &intake));
	paxos_intake_tick(&core, &intake);
	msg = core_expect(&core, 1, PAXOS_MSG_FETCH);
	assert_int_equal(msg.flags, PAXOS_FLAG_REPAIR | PAXOS_FLAG_OUTSIDER);
	assert_int_equal(msg.index, 3);
	assert_true(paxos_ballot_equal(msg.ballot, ballot));
	(void)core_expect(&core, 2, PAXOS_MSG_FETCH);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	tell(2, 3);
	assert_false(paxos_mend_tick(&core, &intake));
	assert_int_equal(intake.stage.length, 3);
	assert_int_equal(paxos_log_entry(&core.log, 3).size, 0);
	tell(1, 4);
	/* What it knows itself comes by itself. */
	assert_true(paxos_mend_tick(&core, &intake));
	assert_int_equal(core.holes, 0);
	assert_int_equal(core.log.length, 6);
	assert_int_equal(paxos_log_known(&core.log, 1, 6), 6);
	assert_true(paxos_ballot_equal(core.accepted, ballot));
}

/* A turn in which the leader was heard, or was not, and all were asked once more. */
static void turn(uint64_t gap_ns, bool is_heard)
{
	core.now_ns += gap_ns;
	core.peers[1].heard_ns = is_heard ? core.now_ns : core.peers[1].heard_ns;
	assert_false(paxos_mend_tick(&core, &intake));
	core_expect_none(&core, PAXOS_EFFECT_END);
	paxos_intake_tick(&core, &intake);
	core_empty_outbox(&core);
}

static void test_only_a_living_leader_makes_it_hopeless(void **state)
{
	const uint64_t patience_ns = 40 * core.config.suspicion_ns;
	struct paxos_effect effect;
	uint64_t moved_ns;

	(void)state;
	core.leader = 1;
	for (unsigned i = 0; i < 100; i++) {
		turn(patience_ns, false); /* nobody leads: the others may be as badly off */
	}
	/* It slept: nobody was asked meanwhile. */
	turn(0, true);
	turn(patience_ns + 1, true);
	turn(patience_ns + 1, true);
	core.leader = PAXOS_NOBODY;
	turn(core.config.heartbeat_ns, true);
	core.leader = 1;
	moved_ns = core.now_ns;
	while (core.now_ns + core.config.heartbeat_ns <= moved_ns + patience_ns) {
		turn(core.config.heartbeat_ns, true);
	}
	core.now_ns = moved_ns + patience_ns + 1;
	core.peers[1].heard_ns = core.now_ns;
	assert_false(paxos_mend_tick(&core, &intake));
	assert_true(core_takes(&core, PAXOS_EFFECT_END, &effect));
	assert_int_equal(effect.end, PAXOS_END_BEYOND_REPAIR);
}

/* Is asked for entry `index` of the log of `of`. Returns the last that comes; 0: nothing. */
static uint64_t ask(struct paxos_ballot of, uint64_t index)
{
	const struct paxos_msg fetch = {.kind = PAXOS_MSG_FETCH,
	                                .flags = PAXOS_FLAG_REPAIR,
	                                .node = 2,
	                                .ballot = of,
	                                .index = index};
	struct paxos_msg msg;

	if (!paxos_mend_give(&core, &fetch)) {
		assert_true(core.outbox.count == core.outbox.taken);
		return 0;
	}
	msg = core_expect(&core, 2, PAXOS_MSG_ENTRIES);
	assert_int_equal(msg.flags & PAXOS_FLAG_REPAIR, PAXOS_FLAG_REPAIR);
	assert_true(paxos_ballot_equal(msg.ballot, of));
	core_empty_outbox(&core);
	return msg.length;
}

static void test_gives_what_it_knows_of_the_same_log(void **state)
{
	(void)state;
	assert_int_equal(ask(ballot, 1), 2); /* up to its own hole */
	assert_int_equal(ask(ballot, 3), 0);
	assert_int_equal(ask(ballot, 5), 6);
	assert_int_equal(ask(ballot, 7), 0);
	assert_int_equal(ask(ballot, 0), 0);
	assert_int_equal(ask(ballot, UINT64_MAX), 0);
	paxos_log_reset(&core.log, 6);
	assert_int_equal(ask(ballot, 6), 0); /* only a snapshot has it */
}

static void test_gives_of_another_log_what_is_decided(void **state)
{
	(void)state;
	assert_int_equal(ask(other, 1), 2);
	assert_int_equal(ask(other, 3), 0);
	assert_int_equal(ask(other, 5), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hole_is_filled_by_whoever_knows, begin, end),
		cmocka_unit_test_setup_teardown(test_only_a_living_leader_makes_it_hopeless, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_gives_what_it_knows_of_the_same_log, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_gives_of_another_log_what_is_decided, begin,
	                                        end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
