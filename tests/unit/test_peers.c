/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is not of a living member, in its ballot and its configuration, has no effect but
 *         to be counted or answered; heard is only what may be.
 * Method: one message after the other, each wrong in one way, and then right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/peers.h"
#include "tests/unit/body_fixture.h"

static int begin(void **state)
{
	(void)body_begin(state);
	core_empty_outbox(core);
	return 0;
}

static uint64_t drops(enum paxos_drop drop)
{
	return core->counted.drops[drop];
}

static struct paxos_msg heartbeat(unsigned node, uint64_t round)
{
	struct paxos_msg msg = body_msg(node, PAXOS_MSG_HEARTBEAT);

	msg.mask = 7;
	msg.round = 5;
	if (round != 0) {
		msg.flags = PAXOS_FLAG_LEADER;
		msg.ballot = body_ballot(node, round);
	}
	return msg;
}

static void test_only_members_of_this_cluster_are_heard(void **state)
{
	struct paxos_msg msg = heartbeat(1, 0);

	(void)state;
	body_hear_from(PAXOS_NOBODY, &msg, 7);
	assert_int_equal(drops(PAXOS_DROP_NOT_A_PEER), 1);
	body_hear_from(1, &msg, 8);
	assert_int_equal(drops(PAXOS_DROP_CLUSTER), 1);
	body_hear_from(2, &msg, 7);
	msg.node = 0; /* this server itself */
	body_hear_from(0, &msg, 7);
	assert_int_equal(drops(PAXOS_DROP_IMPOSTOR), 2);
	core_expect_none(core, PAXOS_EFFECT_SEND);
	assert_int_equal(core->peers[1].heard_ns, 0);
	msg = heartbeat(1, 0);
	body_hear(&msg);
	assert_int_equal(core_expect(core, 1, PAXOS_MSG_HEARTBEAT_ACK).round, 5);
	assert_int_equal(core->peers[1].heard_ns, core->now_ns);
}

static void test_earlier_lives_are_over(void **state)
{
	struct paxos_msg msg = heartbeat(1, 0);

	(void)state;
	msg.start = 3;
	body_hear(&msg);
	msg.start = 2;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 1);
	msg.start = 3;
	msg.incarnation++;
	body_hear(&msg);
	msg.incarnation--;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 2);
	/* What was only heard is forgotten; it may never have been. */
	core->now_ns += 10 * core->config.suspicion_ns - 1;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 3);
	core->now_ns++;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 3);
}

static void test_named_incarnation_binds(void **state)
{
	struct paxos_msg msg = heartbeat(1, 0);

	(void)state;
	core_append(core, &(struct store_entry){.kind = STORE_ENTRY_REJOIN,
	                                        .node = 1,
	                                        .incarnation = body_incarnation(1)});
	core_apply(core, 1);
	msg.incarnation--; /* below it, and of the same number of starts */
	body_hear(&msg);
	msg.incarnation += 2; /* somebody else under this name */
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 2);
	msg.incarnation = (uint64_t)2 << 32; /* a later life */
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_INCARNATION), 2);
}

static void test_otherwise_founded_is_not_followed(void **state)
{
	struct paxos_msg msg = heartbeat(1, 3);

	(void)state;
	msg.mask = 3;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_CONFIGURATION), 1);
	core_expect_none(core, PAXOS_EFFECT_SEND);
	assert_int_equal(core->leader, PAXOS_NOBODY);
}

static void test_lease_is_granted_to_the_promised_ballot(void **state)
{
	struct paxos_msg msg = heartbeat(1, 3), ack;

	(void)state;
	body_hear(&msg);
	(void)core_expect(core, 1, PAXOS_MSG_PREPARE_ASK); /* not promised yet */
	ack = core_expect(core, 1, PAXOS_MSG_HEARTBEAT_ACK);
	assert_int_equal(ack.flags & PAXOS_FLAG_GRANTED, 0);
	body_follow(body_ballot(1, 3));
	body_hear(&msg);
	ack = core_expect(core, 1, PAXOS_MSG_HEARTBEAT_ACK);
	assert_int_equal(ack.flags & PAXOS_FLAG_GRANTED, PAXOS_FLAG_GRANTED);
	assert_true(paxos_grant_left_ns(&core->grant, core->now_ns) > core->config.lease_ns);
	msg = heartbeat(1, 2); /* late: of a lower ballot */
	body_hear(&msg);
	assert_true(paxos_ballot_equal(core_expect(core, 1, PAXOS_MSG_NACK).accepted,
	                               body_ballot(1, 3)));
	ack = core_expect(core, 1, PAXOS_MSG_HEARTBEAT_ACK);
	assert_int_equal(ack.flags & PAXOS_FLAG_GRANTED, 0);
	msg = heartbeat(1, 3);
	msg.flags |= PAXOS_FLAG_RESIGNED;
	body_hear(&msg);
	ack = core_expect(core, 1, PAXOS_MSG_HEARTBEAT_ACK);
	assert_int_equal(ack.flags & PAXOS_FLAG_GRANTED, 0);
	assert_int_equal(paxos_grant_left_ns(&core->grant, core->now_ns), 0);
	assert_true(replica->election.unhappy);
}

static void test_answers_to_another_process_do_not_count(void **state)
{
	struct paxos_msg ack = body_msg(1, PAXOS_MSG_HEARTBEAT_ACK);
	struct paxos_effect effect;

	(void)state;
	paxos_election_round(core, &replica->election, (struct paxos_ballot){0}, 0);
	ack.round = replica->election.rounds.number;
	ack.round_incarnation = core->config.incarnation;
	ack.round_start = 2;
	ack.flags = PAXOS_FLAG_ROLLED_BACK;
	body_hear(&ack);
	ack.round_start = 1;
	ack.round_incarnation++;
	body_hear(&ack);
	assert_int_equal(core->peers[1].answered_ns, 0);
	core_expect_none(core, PAXOS_EFFECT_END);
	ack.round_incarnation--;
	ack.flags = 0;
	body_hear(&ack);
	assert_int_equal(core->peers[1].answered_ns, core->now_ns);
	ack.flags = PAXOS_FLAG_ROLLED_BACK;
	body_hear(&ack);
	assert_true(core_takes(core, PAXOS_EFFECT_END, &effect));
	assert_int_equal(effect.end, PAXOS_END_ROLLED_BACK);
}

/* --- prepare --------------------------------------------------------------------------------- */

static struct paxos_msg prepare(unsigned node, uint64_t round)
{
	struct paxos_msg msg = body_msg(node, PAXOS_MSG_PREPARE);

	msg.mask = 7;
	msg.ballot = body_ballot(node, round);
	return msg;
}

static void test_prepare_of_ones_own_ballot_alone(void **state)
{
	struct paxos_msg msg = prepare(1, 4);

	(void)state;
	msg.ballot.node = 2;
	body_hear(&msg);
	msg = prepare(1, 4);
	msg.ballot.start = 2;
	body_hear(&msg);
	msg = prepare(1, 4);
	msg.ballot.incarnation++;
	body_hear(&msg);
	msg = prepare(1, 4);
	msg.ballot.configuration = 2;
	body_hear(&msg);
	msg = prepare(1, 0);
	body_hear(&msg);
	msg = prepare(1, (uint64_t)1 << 62);
	body_hear(&msg);
	msg = prepare(1, 4);
	msg.mask = 15;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_MESSAGE), 7);
	assert_true(paxos_ballot_is_none(core->promised));
	msg = prepare(1, 4);
	body_hear(&msg);
	assert_true(paxos_ballot_equal(core->promised, body_ballot(1, 4)));
	(void)core_expect(core, 1, PAXOS_MSG_PROMISE);
	body_hear(&msg); /* again */
	(void)core_expect(core, 1, PAXOS_MSG_PROMISE);
	msg = prepare(1, 3);
	body_hear(&msg);
	(void)core_expect(core, 1, PAXOS_MSG_NACK);
	assert_true(paxos_ballot_equal(core->promised, body_ballot(1, 4)));
}

static void test_higher_prepare_ends_a_leadership(void **state)
{
	struct paxos_msg msg = prepare(2, 9);

	(void)state;
	body_lead();
	body_settle();
	body_tick();
	assert_true(atomic_load(&replica->desk.view.lease_end_ns) != 0);
	msg.ballot.round = 1; /* equal round: the higher node */
	msg.accepted = core->accepted;
	body_hear(&msg);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_true(atomic_load(&replica->desk.view.lease_end_ns) == 0);
	assert_true(paxos_ballot_equal(core->promised, body_ballot(2, 1)));
}

static void test_promise_that_cannot_be_is_dropped(void **state)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_PROMISE);
	struct paxos_msg good;

	(void)state;
	paxos_replica_stand(replica);
	msg.flags = PAXOS_FLAG_REVOKED;
	msg.ballot = core->promised;
	msg.length = 4;
	msg.decided = 3;
	msg.base = 2;
	good = msg;
	msg.ballot.round++; /* was not asked for */
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_MESSAGE), 0);
	msg = good;
	msg.flags = 0;
	body_hear(&msg);
	msg = good;
	msg.decided = 5;
	body_hear(&msg);
	msg = good;
	msg.base = 4;
	body_hear(&msg);
	msg = good;
	msg.accepted = msg.ballot;
	body_hear(&msg);
	msg.accepted.round++;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_MESSAGE), 5);
	assert_false(replica->candidate.vows[1].have);
	good.lease_left_ns = UINT64_MAX; /* it says anything */
	body_hear(&good);
	assert_true(replica->candidate.vows[1].have);
	assert_int_equal(replica->candidate.vows[1].lease_left_ns, 60000 * MS);
}

static void test_nack_counts_if_it_names_a_higher_ballot(void **state)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_NACK);

	(void)state;
	paxos_replica_stand(replica);
	msg.ballot = core->promised;
	msg.accepted = msg.ballot;
	body_hear(&msg);
	assert_int_equal(core->role, PAXOS_CANDIDATE);
	msg.accepted = body_ballot(2, 30);
	msg.ballot.round++;
	body_hear(&msg);
	assert_int_equal(core->role, PAXOS_CANDIDATE);
	msg.ballot.round--;
	body_hear(&msg);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(replica->election.highest_round, 30);
}

/* --- sync and accept ------------------------------------------------------------------------- */

static struct paxos_msg accept_one(unsigned node, struct paxos_ballot ballot)
{
	struct paxos_msg msg = body_msg(node, PAXOS_MSG_ACCEPT);

	msg.ballot = ballot;
	msg.number = 1;
	msg.index = core->log.length + 1;
	msg.body = slice_make("\1\0\0\0e", 5);
	return msg;
}

static void test_accept_is_of_the_promised_and_accepted_ballot(void **state)
{
	const struct paxos_ballot ballot = body_ballot(1, 4);
	struct paxos_msg msg = accept_one(1, body_ballot(1, 3));

	(void)state;
	body_follow(ballot);
	core_empty_outbox(core);
	body_hear(&msg);
	(void)core_expect(core, 1, PAXOS_MSG_NACK);
	msg = accept_one(2, body_ballot(2, 5));
	body_hear(&msg);
	(void)core_expect(core, 2, PAXOS_MSG_PREPARE_ASK);
	msg = accept_one(2, ballot); /* another's */
	body_hear(&msg);
	msg = accept_one(1, ballot);
	core->accepted = body_ballot(1, 3); /* not level yet */
	body_hear(&msg);
	assert_int_equal(core->log.length, 0);
	core->accepted = ballot;
	body_hear(&msg);
	assert_int_equal(core->log.length, 1);
}

static void test_sync_never_cuts_what_is_decided(void **state)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_SYNC);

	(void)state;
	core_append_nops(core, 4);
	core_apply(core, 2);
	paxos_core_promise(core, body_ballot(1, 4));
	msg.ballot = core->promised;
	msg.base = 9; /* from beyond the log */
	msg.length = 12;
	msg.index = 10;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_MESSAGE), 1);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	msg.base = 1; /* from before decided */
	msg.length = 4;
	msg.index = 2;
	body_hear(&msg);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_SYNC);
	assert_int_equal(replica->intake.cut, 2);
	assert_int_equal(core->log.length, 4);
}

static void test_sync_of_the_accepted_ballot_cuts_nothing(void **state)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_SYNC);

	(void)state;
	core_append_nops(core, 4);
	body_follow(body_ballot(1, 4));
	msg.ballot = core->promised;
	msg.base = 1;
	msg.length = 1;
	msg.index = 2;
	body_hear(&msg);
	assert_int_equal(replica->intake.purpose, PAXOS_INTAKE_NONE);
	assert_int_equal(core->log.length, 4);
	assert_true(replica->acceptor.ack_due);
}

static void test_accepted_of_another_ballot_is_no_vote(void **state)
{
	struct paxos_msg msg = body_msg(2, PAXOS_MSG_ACCEPTED);

	(void)state;
	body_lead();
	msg.ballot = replica->leader.ballot;
	msg.ballot.round--;
	msg.length = core->log.length;
	body_hear(&msg);
	assert_int_equal(replica->leader.followers[2].state, PAXOS_UNPREPARED);
	msg.ballot.round++;
	body_hear(&msg);
	assert_int_equal(replica->leader.followers[2].state, PAXOS_LEVEL);
}

/* --- who is heard ---------------------------------------------------------------------------- */

static void test_outsiders_are_heard_asking_alone(void **state)
{
	struct paxos_msg msg = prepare(1, 4);

	(void)state;
	msg.flags = PAXOS_FLAG_OUTSIDER;
	body_hear(&msg);
	msg = prepare(5, 4); /* does not vote */
	body_hear(&msg);
	assert_true(paxos_ballot_is_none(core->promised));
	core_expect_none(core, PAXOS_EFFECT_SEND);
	msg = body_msg(5, PAXOS_MSG_FETCH);
	msg.flags = PAXOS_FLAG_OUTSIDER;
	msg.index = 1;
	body_hear(&msg);
	(void)core_expect(core, 5, PAXOS_MSG_ENTRIES);
}

static void test_outsider_hears_heartbeats_and_promises_nothing(void **state)
{
	struct paxos_msg msg = prepare(1, 4);

	(void)state;
	core->takes_part = false;
	core->role = PAXOS_OUTSIDER;
	body_hear(&msg);
	assert_true(paxos_ballot_is_none(core->promised));
	msg = heartbeat(1, 4);
	body_hear(&msg);
	assert_int_equal(core->leader, 1);
	core_expect_none(core, PAXOS_EFFECT_SEND);
}

static void test_former_configuration_is_answered_stopped(void **state)
{
	struct paxos_msg msg = prepare(1, 4);

	(void)state;
	core->configuration = 2;
	body_hear(&msg);
	assert_int_equal(drops(PAXOS_DROP_CONFIGURATION), 1);
	assert_int_equal(core_expect(core, 1, PAXOS_MSG_STOPPED).mask, 7);
	assert_true(paxos_ballot_is_none(core->promised));
	msg.configuration = 3;
	msg.ballot.configuration = 3;
	body_hear(&msg);
	assert_true(paxos_ballot_is_none(core->promised));
	core_expect_none(core, PAXOS_EFFECT_SEND);
	assert_int_equal(replica->turnover.later, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_members_of_this_cluster_are_heard, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_earlier_lives_are_over, begin, body_end),
		cmocka_unit_test_setup_teardown(test_named_incarnation_binds, begin, body_end),
		cmocka_unit_test_setup_teardown(test_otherwise_founded_is_not_followed, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_lease_is_granted_to_the_promised_ballot, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_answers_to_another_process_do_not_count, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_prepare_of_ones_own_ballot_alone, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_higher_prepare_ends_a_leadership, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_promise_that_cannot_be_is_dropped, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_nack_counts_if_it_names_a_higher_ballot, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_accept_is_of_the_promised_and_accepted_ballot,
	                                        begin, body_end),
		cmocka_unit_test_setup_teardown(test_sync_never_cuts_what_is_decided, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_sync_of_the_accepted_ballot_cuts_nothing,
	                                        begin, body_end),
		cmocka_unit_test_setup_teardown(test_accepted_of_another_ballot_is_no_vote, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_outsiders_are_heard_asking_alone, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_outsider_hears_heartbeats_and_promises_nothing,
	                                        begin, body_end),
		cmocka_unit_test_setup_teardown(test_former_configuration_is_answered_stopped,
	                                        begin, body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
