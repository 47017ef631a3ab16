/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who takes no part follows whoever leads, and takes part again exactly when 4.1 i says
 *         so; it knows itself removed only from a leader.
 * Method: what a leader told is set by hand, each condition missing once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/outsider.h"
#include "tests/unit/body_fixture.h"

enum {
	REJOIN = 2 /* index of the entry */
};

/* Its REJOIN and one more entry are applied; leader 1 has told so. */
static int begin(void **state)
{
	(void)body_begin(state);
	core->takes_part = false;
	core->role = PAXOS_OUTSIDER;
	core_append_nops(core, 1);
	core_append(core, &(struct store_entry){.kind = STORE_ENTRY_REJOIN,
	                                        .node = 0,
	                                        .incarnation = body_incarnation(0)});
	core_append_nops(core, 1);
	core_apply(core, 3);
	core->leader = 1;
	core->peers[1].heard_ns = core->now_ns;
	paxos_outsider_tick(replica); /* asks it */
	replica->catchup =
		(struct paxos_catchup){.ballot = body_ballot(1, 4), .adopted = 3, .decided = 3};
	return 0;
}

static bool joins(void)
{
	paxos_outsider_tick(replica);
	return core->takes_part;
}

static void test_joins_with_the_leaders_ballot(void **state)
{
	(void)state;
	assert_true(joins());
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_true(paxos_ballot_equal(core->promised, body_ballot(1, 4)));
	assert_true(paxos_ballot_equal(core->accepted, body_ballot(1, 4)));
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	assert_true(replica->acceptor.ack_due);
}

static void test_not_before_the_leaders_log_is_applied(void **state)
{
	(void)state;
	replica->catchup.adopted = 4;
	assert_false(joins());
	replica->catchup.adopted = 3;
	replica->catchup.decided = 2; /* what was applied here it has not told */
	assert_false(joins());
	replica->catchup.decided = 3;
	replica->catchup.ballot.configuration = 2;
	assert_false(joins());
	replica->catchup.ballot.configuration = 1;
	core_append_nops(core, 1); /* a part of the log is not decided */
	assert_false(joins());
	core_apply(core, 4);
	replica->catchup.decided = 4;
	assert_true(joins());
}

static void test_not_under_another_incarnation(void **state)
{
	(void)state;
	core->config.incarnation++;
	assert_false(joins());
	core->config.incarnation--;
	core->voters = 6;
	assert_false(joins());
	core->voters = 7;
	replica->catchup.ballot = (struct paxos_ballot){0};
	assert_false(joins());
}

static void test_asks_the_leader_or_one_after_the_other(void **state)
{
	uint32_t asked = 0;

	(void)state;
	replica->catchup.adopted = 99;
	assert_int_equal(replica->intake.peer, 1);
	core->leader = 2;
	core->peers[2].heard_ns = core->now_ns;
	paxos_outsider_tick(replica);
	assert_int_equal(replica->intake.peer, 2);
	assert_true(paxos_ballot_is_none(replica->catchup.ballot)); /* it was another's word */
	core->now_ns += core->config.suspicion_ns - 1;
	paxos_outsider_tick(replica);
	assert_int_equal(core->leader, 2);
	core->now_ns++;
	paxos_outsider_tick(replica);
	assert_int_equal(core->leader, PAXOS_NOBODY);
	for (unsigned i = 0; i < 40; i++) {
		paxos_outsider_tick(replica);
		asked |= paxos_bit(replica->intake.peer);
		core->now_ns += 4 * core->config.heartbeat_ns;
	}
	assert_int_equal(asked, 0xfffe); /* whoever has a number */
}

static void test_one_that_gives_is_not_left(void **state)
{
	(void)state;
	core->leader = PAXOS_NOBODY;
	core->now_ns += 4 * core->config.heartbeat_ns;
	replica->catchup.decided = replica->catchup.adopted = 50; /* there is more to come */
	replica->intake.peer = 7;
	replica->intake.progress_ns = core->now_ns;
	paxos_outsider_tick(replica);
	assert_int_equal(replica->intake.peer, 7);
	core->now_ns += 4 * core->config.heartbeat_ns;
	paxos_outsider_tick(replica);
	assert_int_not_equal(replica->intake.peer, 7);
}

/* --- removed -------------------------------------------------------------------------------- */

/* Configuration 2 goes on without it; `more` entries of it are applied. */
static void remove_it(unsigned more)
{
	for (uint32_t number = 1; number <= 2; number++) {
		core_append(core, &(struct store_entry){.kind = STORE_ENTRY_MEMBERS,
		                                        .configuration = number,
		                                        .voters = number == 1 ? 7 : 6});
	}
	core_append_nops(core, more);
	core_apply(core, core->log.length);
	paxos_core_follow(core);
	replica->catchup =
		(struct paxos_catchup){.ballot = body_ballot(1, 4), .decided = core->decided};
	replica->catchup.ballot.configuration = 2;
}

static void test_removed_is_who_hears_all_of_it_from_a_leader(void **state)
{
	const struct paxos_change change = {.remove = 1};
	const struct paxos_change other = {.remove = 2};
	struct paxos_effect effect;
	struct paxos_told told;

	(void)state;
	paxos_asks_put(core, &replica->asks, &(struct paxos_address){{1}}, &change, UINT64_MAX);
	paxos_asks_put(core, &replica->asks, &(struct paxos_address){{2}}, &other, UINT64_MAX);
	remove_it(1);
	replica->catchup.decided++; /* it may be in again */
	paxos_outsider_tick(replica);
	assert_false(replica->removed);
	replica->catchup.decided--;
	paxos_outsider_tick(replica);
	assert_true(replica->removed);
	assert_true(core_takes(core, PAXOS_EFFECT_TOLD, &effect));
	assert_true(paxos_told_decode(effect.bytes, &told));
	assert_int_equal(told.verdict, PAXOS_CHANGE_DONE);
	assert_true(core_takes(core, PAXOS_EFFECT_TOLD, &effect));
	assert_true(paxos_told_decode(effect.bytes, &told));
	assert_int_equal(told.verdict, PAXOS_CHANGE_REFUSED);
	paxos_outsider_tick(replica);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_REMOVED], 1);
}

static void test_stop_sign_alone_removes_nobody(void **state)
{
	(void)state;
	remove_it(0); /* no leader of the new configuration has decided anything */
	paxos_outsider_tick(replica);
	assert_false(replica->removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_joins_with_the_leaders_ballot, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_not_before_the_leaders_log_is_applied, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_not_under_another_incarnation, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_asks_the_leader_or_one_after_the_other, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_one_that_gives_is_not_left, begin, body_end),
		cmocka_unit_test_setup_teardown(test_removed_is_who_hears_all_of_it_from_a_leader,
	                                        begin, body_end),
		cmocka_unit_test_setup_teardown(test_stop_sign_alone_removes_nobody, begin,
	                                        body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
