/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   nobody stands who hears no majority, nor against a leader that others hear; silence is
 *         told from slowness and from sleep; a ballot is above all that was shown, whatever was
 *         shown.
 * Method: a clock, answers and notes moved to each border by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/election.h"
#include "consensus/quorum.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

static const struct paxos_ballot ballot = {.configuration = 1, .round = 5, .node = 1};

static struct paxos_core core;
static struct paxos_election election;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	core.promised = ballot;
	paxos_election_start(&core, &election);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

/* Turns every millisecond for so long. */
static void run(uint64_t ms)
{
	for (; ms != 0; ms--) {
		core.now_ns += MS;
		paxos_election_tick(&core, &election);
	}
}

static void answers(unsigned node, bool unhappy)
{
	core.peers[node].answered_ns = core.now_ns;
	core.peers[node].unhappy = unhappy;
}

static void test_connected_is_who_answered_lately(void **state)
{
	(void)state;
	answers(1, false);
	core.peers[4].answered_ns = core.now_ns; /* does not vote */
	assert_int_equal(paxos_election_connected(&core), 3);
	core.now_ns += 3 * core.config.heartbeat_ns - 1;
	assert_int_equal(paxos_election_connected(&core), 3);
	core.now_ns++;
	assert_int_equal(paxos_election_connected(&core), 1);
}

static void test_silence_makes_unhappy_after_suspicion(void **state)
{
	(void)state;
	core.leader = 1;
	run(79);
	assert_false(election.unhappy);
	run(1);
	assert_true(election.unhappy);
	assert_int_equal(core.leader, PAXOS_NOBODY);
	assert_true(election.next_round_ns <= core.now_ns); /* the others are asked now */
	run(10);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_UNHAPPY], 1);
	paxos_election_heard(&core, &election, 0);
	assert_false(election.unhappy);
}

static void test_slow_leader_is_waited_for_but_not_for_ever(void **state)
{
	(void)state;
	core.poll_gap_ns = 20 * MS;
	paxos_election_heard(&core, &election, 60 * MS);
	run(20 + 60 + 3 * 10 - 1); /* both gaps and three heartbeats */
	assert_false(election.unhappy);
	run(1);
	assert_true(election.unhappy);
	paxos_election_heard(&core, &election, UINT64_MAX / 2); /* it says anything */
	run(4 * 80 - 1);
	assert_false(election.unhappy);
	run(1);
	assert_true(election.unhappy);
}

static void test_sleep_counts_as_half_of_suspicion(void **state)
{
	(void)state;
	core.now_ns += 3 * core.config.heartbeat_ns;
	paxos_election_tick(&core, &election);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SLEPT], 0);
	core.now_ns += 500 * MS;
	paxos_election_tick(&core, &election);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SLEPT], 1);
	run(9); /* 30 and 40 and 9 */
	assert_false(election.unhappy);
	run(1);
	assert_true(election.unhappy);
}

static void test_starved_server_misses_a_leader_all_the_same(void **state)
{
	(void)state;
	core.now_ns += 500 * MS;
	paxos_election_tick(&core, &election);
	assert_false(election.unhappy);
	core.now_ns += 500 * MS;
	paxos_election_tick(&core, &election);
	assert_true(election.unhappy);
	answers(1, true); /* its answer is as late as the turn that takes it */
	election.may_stand_ns = 0;
	core.poll_gap_ns = 20 * MS;
	core.peers[1].poll_gap_ns = 30 * MS;
	core.now_ns += (20 + 30 + 3 * 10) * MS - 1;
	assert_int_equal(paxos_election_connected(&core), 1);
	assert_true(paxos_election_may_stand(&core, &election));
	core.now_ns++;
	assert_false(paxos_election_may_stand(&core, &election));
}

static void test_stands_only_with_an_unhappy_majority(void **state)
{
	(void)state;
	run(100);
	assert_true(election.unhappy);
	assert_false(paxos_election_may_stand(&core, &election)); /* hears nobody */
	answers(1, false);
	assert_false(paxos_election_may_stand(&core, &election));
	core.peers[2].unhappy = true; /* said long ago */
	assert_false(paxos_election_may_stand(&core, &election));
	answers(1, true);
	assert_true(paxos_election_may_stand(&core, &election));
	election.may_stand_ns = core.now_ns + 1;
	assert_false(paxos_election_may_stand(&core, &election));
	election.may_stand_ns = core.now_ns;
	core.takes_part = false;
	assert_false(paxos_election_may_stand(&core, &election));
	core.takes_part = true;
	core.role = PAXOS_CANDIDATE;
	assert_false(paxos_election_may_stand(&core, &election));
	core.role = PAXOS_FOLLOWER;
	election.unhappy = false;
	assert_false(paxos_election_may_stand(&core, &election));
}

static void test_bereaved_need_not_ask_but_be_connected(void **state)
{
	(void)state;
	core.config.priority = 9; /* nobody comes before it */
	paxos_election_bereaved(&core, &election, 1);
	assert_int_equal(election.may_stand_ns, core.now_ns);
	assert_false(paxos_election_may_stand(&core, &election));
	answers(2, false);
	assert_true(paxos_election_may_stand(&core, &election));
	paxos_election_back_off(&core, &election);
	assert_true(election.may_stand_ns > core.now_ns);
	election.may_stand_ns = core.now_ns;
	assert_false(paxos_election_may_stand(&core, &election));
}

static void test_heirs_stand_in_turn(void **state)
{
	(void)state;
	answers(2, false);
	/* Equals take turns by number behind the dead: 2, then 0. */
	core.peers[2].priority = core.config.priority;
	paxos_election_bereaved(&core, &election, 1);
	assert_true(election.may_stand_ns >= core.now_ns + core.config.heartbeat_ns);
	core.peers[2].priority--;
	paxos_election_bereaved(&core, &election, 1);
	assert_int_equal(election.may_stand_ns, core.now_ns);
	core.peers[2].priority += 2;
	paxos_election_bereaved(&core, &election, 1);
	assert_true(election.may_stand_ns >= core.now_ns + core.config.heartbeat_ns);
	core.peers[2].answered_ns = 0; /* it is not there */
	paxos_election_bereaved(&core, &election, 1);
	assert_int_equal(election.may_stand_ns, core.now_ns);
}

static void test_call_of_the_promised_ballot_counts_once(void **state)
{
	(void)state;
	answers(1, false);
	election.called = ballot;
	assert_true(paxos_election_may_stand(&core, &election));
	assert_false(paxos_election_may_stand(&core, &election));
	election.called = ballot;
	core.promised.round++;
	assert_false(paxos_election_may_stand(&core, &election));
	core.promised = ballot;
	assert_false(paxos_election_may_stand(&core, &election));
	election.called = ballot;
	core.peers[1].answered_ns = 0;
	assert_false(paxos_election_may_stand(&core, &election));
}

static void test_ballot_is_above_all_that_was_shown(void **state)
{
	struct paxos_ballot own;

	(void)state;
	own = paxos_election_ballot(&core, &election, 3);
	assert_int_equal(own.round, 6);
	assert_int_equal(own.priority, 3);
	assert_int_equal(own.incarnation, core.config.incarnation);
	assert_int_equal(own.start, core.config.start);
	paxos_election_seen(&election, 40);
	paxos_election_seen(&election, 30);
	assert_int_equal(paxos_election_ballot(&core, &election, 3).round, 41);
	paxos_election_seen(&election, UINT64_MAX); /* so that ours can be higher */
	paxos_election_seen(&election, (uint64_t)1 << 62);
	assert_int_equal(paxos_election_ballot(&core, &election, 3).round, 41);
}

static void test_leader_without_a_majority_abdicates(void **state)
{
	const uint64_t led_ns = core.now_ns;

	(void)state;
	core.now_ns += core.config.suspicion_ns;
	assert_false(paxos_election_must_abdicate(&core, &election, led_ns));
	core.now_ns++;
	assert_true(paxos_election_must_abdicate(&core, &election, led_ns));
	election.rounds.majority_sent_ns = led_ns + 1;
	assert_false(paxos_election_must_abdicate(&core, &election, led_ns));
}

static void test_round_tells_the_rank_when_it_is_durable(void **state)
{
	struct paxos_msg msg;

	(void)state;
	core.config.durability = PAXOS_DISK;
	paxos_core_adopt(&core, ballot, 0, NULL, false);
	paxos_election_round(&core, &election, (struct paxos_ballot){0}, 0);
	msg = core_expect(&core, 1, PAXOS_MSG_HEARTBEAT);
	assert_int_equal(msg.flags & PAXOS_FLAG_RANK, 0);
	assert_true(paxos_ballot_is_none(msg.accepted));
	assert_int_equal(msg.mask, 7);
	(void)core_expect(&core, 2, PAXOS_MSG_HEARTBEAT);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	paxos_core_durable(&core, core.outbox.record_last);
	election.unhappy = true;
	paxos_election_round(&core, &election, (struct paxos_ballot){0}, 0);
	msg = core_expect(&core, 1, PAXOS_MSG_HEARTBEAT);
	assert_int_equal(msg.flags, PAXOS_FLAG_RANK | PAXOS_FLAG_UNHAPPY);
	assert_true(paxos_ballot_equal(msg.accepted, ballot));
	core_empty_outbox(&core);
	core.takes_part = false;
	paxos_election_round(&core, &election, (struct paxos_ballot){0}, 0);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
}

static void test_learners_hear_only_a_leader(void **state)
{
	(void)state;
	core_append(&core, &(struct store_entry){.kind = STORE_ENTRY_MEMBERS,
	                                         .configuration = 1,
	                                         .voters = 7,
	                                         .learners = 1 << 5});
	core_apply(&core, 1);
	paxos_election_round(&core, &election, (struct paxos_ballot){0}, 0);
	(void)core_expect(&core, 1, PAXOS_MSG_HEARTBEAT);
	(void)core_expect(&core, 2, PAXOS_MSG_HEARTBEAT);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	paxos_election_round(&core, &election, ballot, PAXOS_FLAG_LEADER);
	(void)core_expect(&core, 1, PAXOS_MSG_HEARTBEAT);
	(void)core_expect(&core, 2, PAXOS_MSG_HEARTBEAT);
	(void)core_expect(&core, 5, PAXOS_MSG_HEARTBEAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_connected_is_who_answered_lately, begin, end),
		cmocka_unit_test_setup_teardown(test_silence_makes_unhappy_after_suspicion, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_slow_leader_is_waited_for_but_not_for_ever,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_sleep_counts_as_half_of_suspicion, begin, end),
		cmocka_unit_test_setup_teardown(test_starved_server_misses_a_leader_all_the_same,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_stands_only_with_an_unhappy_majority, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_bereaved_need_not_ask_but_be_connected, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_heirs_stand_in_turn, begin, end),
		cmocka_unit_test_setup_teardown(test_call_of_the_promised_ballot_counts_once, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_ballot_is_above_all_that_was_shown, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_leader_without_a_majority_abdicates, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_round_tells_the_rank_when_it_is_durable, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_learners_hear_only_a_leader, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
