/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   each server goes from one configuration into the next once, with nothing of the former;
 *         who may vote there does, and one stands at once.
 * Method: a stop-sign applied, or fetched, with the server in each role.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/turnover.h"
#include "tests/unit/body_fixture.h"

static void append_members(uint32_t number, uint32_t voters, uint32_t learners)
{
	core_append(core, &(struct store_entry){.kind = STORE_ENTRY_MEMBERS,
	                                        .configuration = number,
	                                        .voters = voters,
	                                        .learners = learners});
}

/* Founders are written down, and the stop-sign that ends their configuration is applied. */
static void end_configuration(uint32_t voters)
{
	append_members(1, 7, 0);
	append_members(2, voters, 0);
	core_apply(core, core->log.length);
}

static void test_follower_goes_on_with_nothing_promised(void **state)
{
	(void)state;
	body_follow(body_ballot(1, 6));
	assert_false(paxos_turnover_is_due(replica));
	end_configuration(7 | 8);
	assert_true(paxos_turnover_is_due(replica));
	core_append_nops(core, 1); /* "nothing is appended after it" by its leader: cut */
	core->peers[5].heard_ns = 1;
	core->peers[1].heard_ns = 1;
	replica->election.called = body_ballot(1, 6);
	replica->handover.ballot = body_ballot(0, 5);
	paxos_turnover_enter(replica);
	assert_false(paxos_turnover_is_due(replica));
	assert_int_equal(core->configuration, 2);
	assert_int_equal(core->voters, 15);
	assert_true(paxos_ballot_is_none(core->promised));
	assert_int_equal(core->promised.configuration, 2);
	assert_int_equal(core->log.length, 2);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_true(core->takes_part);
	assert_int_equal(core->leader, PAXOS_NOBODY);
	assert_int_equal(core->peers[5].heard_ns, 0);
	assert_int_equal(core->peers[1].heard_ns, 1);
	assert_true(paxos_ballot_is_none(replica->election.called));
	assert_true(paxos_ballot_is_none(replica->handover.ballot));
	assert_int_equal(paxos_election_ballot(core, &replica->election, 0).round, 7);
}

static void test_who_is_in_it_no_more_is_an_outsider(void **state)
{
	(void)state;
	body_follow(body_ballot(1, 6));
	end_configuration(6);
	paxos_turnover_enter(replica);
	assert_int_equal(core->role, PAXOS_OUTSIDER);
	assert_false(core->takes_part);
}

static void test_leader_that_stays_stands_at_once(void **state)
{
	struct paxos_msg msg;

	(void)state;
	body_lead();
	body_settle();
	append_members(2, 7, 0);
	core_apply(core, core->log.length);
	core_empty_outbox(core);
	paxos_turnover_enter(replica);
	assert_int_equal(core->role, PAXOS_CANDIDATE);
	assert_int_equal(core->promised.configuration, 2);
	msg = core_expect(core, 1, PAXOS_MSG_HEARTBEAT); /* the last word of the former */
	assert_int_equal(msg.configuration, 1);
	assert_int_equal(msg.decided, core->decided);
	(void)core_expect(core, 2, PAXOS_MSG_HEARTBEAT);
	assert_int_equal(core_expect(core, 1, PAXOS_MSG_PREPARE).configuration, 2);
}

static void test_leader_that_leaves_has_the_most_level_stand(void **state)
{
	struct paxos_msg msg;

	(void)state;
	body_lead();
	body_settle();
	append_members(2, 2 | 4 | 8, 0);
	core_apply(core, core->log.length);
	core_empty_outbox(core);
	replica->learned[3] = core->log.length - 1; /* a learner until now */
	replica->leader.followers[1].link.length = core->log.length - 2;
	replica->leader.followers[2].link.length = core->log.length; /* but is not level */
	paxos_turnover_enter(replica);
	assert_int_equal(core->role, PAXOS_OUTSIDER);
	(void)core_expect(core, 1, PAXOS_MSG_HEARTBEAT);
	(void)core_expect(core, 2, PAXOS_MSG_HEARTBEAT);
	msg = core_expect(core, 3, PAXOS_MSG_STOPPED);
	assert_int_equal(msg.flags & PAXOS_FLAG_STAND, PAXOS_FLAG_STAND);
	assert_int_equal(msg.mask, 14);
	core_expect_none(core, PAXOS_EFFECT_SEND);
}

static void test_leader_that_resigned_does_not_stand(void **state)
{
	(void)state;
	body_lead();
	body_settle();
	append_members(2, 7, 0);
	core_apply(core, core->log.length);
	replica->resigned = true;
	paxos_turnover_enter(replica);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
}

/* --- a learner becomes a voter --------------------------------------------------------------- */

/* Server 0 learned in configuration 1 of others, and is named there in time or not. */
static void learner_enters(uint64_t incarnation, bool in_time)
{
	const struct store_entry name = {
		.kind = STORE_ENTRY_REJOIN, .node = 0, .incarnation = incarnation};

	core->takes_part = false;
	core->role = PAXOS_OUTSIDER;
	core->voters = 14;
	append_members(1, 14, 1);
	if (in_time) {
		core_append(core, &name);
	}
	append_members(2, 15, 0);
	if (!in_time) {
		core_append(core, &name);
	}
	core_apply(core, core->log.length);
	paxos_turnover_enter(replica);
}

static void test_learner_votes_if_it_was_named_before(void **state)
{
	(void)state;
	learner_enters(body_incarnation(0), true);
	assert_true(core->takes_part);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(core->configuration, 2);
}

static void test_learner_named_too_late_joins_again(void **state)
{
	(void)state;
	learner_enters(body_incarnation(0), false);
	assert_false(core->takes_part);
	assert_int_equal(core->configuration, 2);
	assert_int_equal(core->voters, 15);
}

static void test_learner_of_another_life_joins_again(void **state)
{
	(void)state;
	learner_enters(body_incarnation(0) - 1, true);
	assert_false(core->takes_part);
}

/* --- a later configuration is heard of ------------------------------------------------------- */

static struct paxos_msg stopped(unsigned node, uint32_t configuration, uint16_t flags)
{
	struct paxos_msg msg = body_msg(node, PAXOS_MSG_STOPPED);

	msg.configuration = configuration;
	msg.flags = flags;
	return msg;
}

static void hear(struct paxos_msg msg)
{
	paxos_turnover_heard(replica, &msg);
	paxos_turnover_learn(replica);
}

static void test_later_configuration_is_fetched_whoever_leads_here(void **state)
{
	uint32_t transfer;

	(void)state;
	body_follow(body_ballot(1, 6));
	core_append_nops(core, 2);
	core_apply(core, 1);
	hear(stopped(2, 1, 0));
	replica->turnover.later = 1; /* heard of before this server was in it */
	paxos_turnover_learn(replica);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	hear(stopped(2, 2, 0));
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_LEARN);
	assert_int_equal(replica->intake.peer, 2);
	assert_int_equal(replica->intake.cut, 1);
	transfer = replica->intake.transfer;
	hear(stopped(1, 2, 0)); /* it is under way */
	assert_int_equal(replica->intake.transfer, transfer);
	core->now_ns += 4 * core->config.heartbeat_ns; /* nothing comes */
	hear(stopped(1, 2, 0));
	assert_int_equal(replica->intake.peer, 1);
}

/* It lacks entries, so it takes no part; what it lacks may be forgotten where it is told. */
static void test_who_lacks_entries_fetches_a_later_state(void **state)
{
	(void)state;
	body_follow(body_ballot(1, 6));
	core_append_nops(core, 4);
	core_apply(core, 1);
	core->takes_part = false;
	core->role = PAXOS_OUTSIDER;
	core->holes_first = 3;
	core->holes = 1;
	core->promised.configuration = 2; /* its word there binds it still */
	hear(stopped(2, 2, 0));
	assert_false(paxos_turnover_learns(replica));
	hear(stopped(2, 3, 0));
	assert_true(paxos_turnover_learns(replica));
	assert_true(replica->intake.wants_state);
	core->now_ns += 4 * core->config.heartbeat_ns; /* nothing comes: it asks all again */
	paxos_turnover_learn(replica);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	paxos_turnover_learn(replica);
	assert_false(paxos_turnover_learns(replica));
	hear(stopped(1, 3, 0));
	assert_true(paxos_turnover_learns(replica));
	assert_int_equal(replica->intake.peer, 1);
}

static void test_candidate_stops_to_learn(void **state)
{
	(void)state;
	paxos_replica_stand(replica);
	hear(stopped(2, 2, 0));
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_LEARN);
}

static void test_call_to_stand_counts_in_its_configuration(void **state)
{
	(void)state;
	hear(stopped(1, 2, PAXOS_FLAG_STAND));
	assert_int_equal(core->role, PAXOS_FOLLOWER); /* not before it is there */
	end_configuration(7);
	paxos_turnover_enter(replica);
	paxos_turnover_learn(replica);
	assert_int_equal(core->role, PAXOS_CANDIDATE);
	assert_int_equal(replica->turnover.stand_in, 0);
}

static void test_call_to_stand_is_over_once_somebody_stands(void **state)
{
	struct paxos_ballot ballot = body_ballot(1, 9);

	(void)state;
	hear(stopped(1, 2, PAXOS_FLAG_STAND));
	end_configuration(7);
	paxos_turnover_enter(replica);
	ballot.configuration = 2;
	paxos_core_promise(core, ballot);
	paxos_turnover_learn(replica);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
}

static void test_shell_is_told_where_members_are_when_it_changes(void **state)
{
	struct store_entry learner = {.kind = STORE_ENTRY_LEARNER, .node = 4, .is_added = true};
	struct paxos_effect effect;

	(void)state;
	append_members(1, 7, 0);
	learner.address = (struct store_address){0x0a000001, 80};
	core_append(core, &learner);
	core_apply(core, 2);
	paxos_turnover_tell(replica);
	assert_true(core_takes(core, PAXOS_EFFECT_PEER, &effect));
	assert_int_equal(effect.peer, 4);
	assert_int_equal(effect.at.ip, 0x0a000001);
	paxos_turnover_tell(replica);
	core_expect_none(core, PAXOS_EFFECT_PEER);
	learner.address.port++;
	core_append(core, &learner);
	core_apply(core, 3);
	paxos_turnover_tell(replica);
	assert_true(core_takes(core, PAXOS_EFFECT_PEER, &effect));
	assert_int_equal(effect.at.port, 81);
}

/* What the superblock says must not be ahead of what the journal holds. */
static void test_shell_is_told_of_an_entry_once_it_is_durable(void **state)
{
	struct paxos_effect effect;

	(void)state;
	body_follow(body_ballot(1, 6));
	paxos_turnover_tell(replica);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_ENTERED], 1); /* the first one */
	end_configuration(7 | 8);
	core->config.durability = PAXOS_DISK;
	core_empty_outbox(core);
	paxos_turnover_enter(replica);
	paxos_turnover_tell(replica);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_ENTERED], 1);
	core_empty_outbox(core);
	paxos_core_durable(core, core->outbox.record_last);
	paxos_turnover_tell(replica);
	paxos_turnover_tell(replica);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_ENTERED], 2);
	assert_true(core_takes(core, PAXOS_EFFECT_TRACE, &effect));
	assert_int_equal(effect.trace.kind, PAXOS_TRACE_ENTERED);
	assert_int_equal(effect.trace.a, 2);
	assert_int_equal(effect.trace.b, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_follower_goes_on_with_nothing_promised,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_who_is_in_it_no_more_is_an_outsider,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_leader_that_stays_stands_at_once, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_leader_that_leaves_has_the_most_level_stand,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_leader_that_resigned_does_not_stand,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_learner_votes_if_it_was_named_before,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_learner_named_too_late_joins_again, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_learner_of_another_life_joins_again,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(
			test_later_configuration_is_fetched_whoever_leads_here, body_begin,
			body_end),
		cmocka_unit_test_setup_teardown(test_who_lacks_entries_fetches_a_later_state,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_candidate_stops_to_learn, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_call_to_stand_counts_in_its_configuration,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_call_to_stand_is_over_once_somebody_stands,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(
			test_shell_is_told_where_members_are_when_it_changes, body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_shell_is_told_of_an_entry_once_it_is_durable,
	                                        body_begin, body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
