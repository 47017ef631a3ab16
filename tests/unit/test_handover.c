/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a leader goes only to one that can lead at once, tells it until it does, and goes on
 *         itself if it does not; a command or a wish of another ballot has no effect.
 * Method: a leader with two followers whose states are set by hand; HANDOVERs right and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/handover.h"
#include "tests/unit/body_fixture.h"

/* It leads, and both others are level. */
static void lead(void)
{
	body_lead();
	body_connect(2);
	body_level(2);
	body_settle();
	body_level(2);
	body_tick();
	core_empty_outbox(core);
}

static void test_heir_is_level_and_connected(void **state)
{
	struct paxos_follower *follower;

	(void)state;
	lead();
	follower = &replica->leader.followers[2];
	assert_int_equal(paxos_handover_heir(replica, 2), 2);
	follower->behind = true;
	assert_int_equal(paxos_handover_heir(replica, 2), PAXOS_NOBODY);
	follower->behind = false;
	follower->state = PAXOS_UNEVEN;
	assert_int_equal(paxos_handover_heir(replica, 2), PAXOS_NOBODY);
	follower->state = PAXOS_LEVEL;
	follower->link.next.index = core->decided;
	assert_int_equal(paxos_handover_heir(replica, 2), PAXOS_NOBODY);
	follower->link.next.index = core->decided + 1;
	assert_int_equal(paxos_handover_heir(replica, 2), 2);
	core->peers[2].answered_ns = 0;
	assert_int_equal(paxos_handover_heir(replica, 2), PAXOS_NOBODY);
	replica->leader.followers[0] = replica->leader.followers[1];
	assert_int_equal(paxos_handover_heir(replica, 0), PAXOS_NOBODY);
	assert_int_equal(paxos_handover_heir(replica, 3), PAXOS_NOBODY);
	assert_int_equal(paxos_handover_heir(replica, STORE_NODES_MAX), PAXOS_NOBODY);
	assert_int_equal(paxos_handover_heir(replica, 254), PAXOS_NOBODY);
}

static void test_best_heir_is_chosen(void **state)
{
	(void)state;
	lead();
	core->peers[1].priority = core->peers[2].priority = 5;
	replica->leader.followers[1].link.length = core->decided - 1;
	assert_int_equal(paxos_handover_heir(replica, PAXOS_NOBODY), 2);
	core->peers[1].priority = 6;
	assert_int_equal(paxos_handover_heir(replica, PAXOS_NOBODY), 1);
	core->peers[1].disk_late = true; /* worse than any priority */
	assert_int_equal(paxos_handover_heir(replica, PAXOS_NOBODY), 2);
	core->peers[1].answered_ns = core->peers[2].answered_ns = 0;
	assert_int_equal(paxos_handover_heir(replica, PAXOS_NOBODY), PAXOS_NOBODY);
}

static void test_is_told_until_somebody_stands(void **state)
{
	const struct paxos_ballot ballot = body_ballot(0, 1);
	struct paxos_msg msg;

	(void)state;
	lead();
	paxos_handover_begin(replica, 1);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(core->leader, 1);
	assert_true(atomic_load(&replica->desk.view.lease_end_ns) == 0);
	for (unsigned peer = 1; peer <= 2; peer++) {
		msg = core_expect(core, peer, PAXOS_MSG_HANDOVER);
		assert_true(paxos_ballot_equal(msg.ballot, ballot));
		assert_int_equal(msg.target, 1);
	}
	assert_false(paxos_handover_tick(replica));
	core_expect_none(core, PAXOS_EFFECT_SEND);
	core->now_ns = paxos_handover_deadline_ns(replica);
	assert_false(paxos_handover_tick(replica));
	(void)core_expect(core, 1, PAXOS_MSG_HANDOVER);
	paxos_core_promise(core, body_ballot(1, 2));
	assert_false(paxos_handover_tick(replica));
	assert_true(paxos_handover_deadline_ns(replica) == UINT64_MAX);
}

static void test_goes_on_itself_if_nobody_does(void **state)
{
	(void)state;
	lead();
	paxos_handover_begin(replica, 1);
	core->now_ns += core->config.suspicion_ns / 2 - 1;
	assert_false(paxos_handover_tick(replica));
	core->now_ns++;
	body_connect(2);
	assert_true(paxos_handover_tick(replica));
	assert_false(paxos_handover_tick(replica)); /* once */
	core->role = PAXOS_FOLLOWER;
}

static void test_does_not_go_on_alone(void **state)
{
	(void)state;
	lead();
	paxos_handover_begin(replica, 1);
	core->now_ns += core->config.suspicion_ns / 2;
	core->peers[1].answered_ns = core->peers[2].answered_ns = 0;
	assert_false(paxos_handover_tick(replica));
}

static void test_wish_is_answered(void **state)
{
	struct paxos_msg msg;

	(void)state;
	assert_int_equal(paxos_handover_wish(replica, 3), PAXOS_TRANSFER_NO_MEMBER);
	assert_int_equal(paxos_handover_wish(replica, 1), PAXOS_TRANSFER_NO_LEADER);
	body_follow(body_ballot(1, 1));
	core_empty_outbox(core);
	assert_int_equal(paxos_handover_wish(replica, 1), PAXOS_TRANSFER_LEADS);
	assert_int_equal(paxos_handover_wish(replica, PAXOS_NOBODY), PAXOS_TRANSFER_PASSED_ON);
	msg = core_expect(core, 1, PAXOS_MSG_HANDOVER);
	assert_int_equal(msg.target, PAXOS_ANYBODY);
	assert_true(paxos_ballot_equal(msg.ballot, body_ballot(1, 1)));
	core->now_ns += MS;
	lead();
	assert_int_equal(paxos_handover_wish(replica, 0), PAXOS_TRANSFER_LEADS);
	core->peers[1].answered_ns = 0;
	assert_int_equal(paxos_handover_wish(replica, 1), PAXOS_TRANSFER_NOT_LEVEL);
	assert_int_equal(paxos_handover_wish(replica, 2), PAXOS_TRANSFER_BEGUN);
	assert_int_equal(replica->handover.heir, 2);
}

static void test_wish_of_another_ballot_moves_no_leader(void **state)
{
	struct paxos_msg msg = body_msg(2, PAXOS_MSG_HANDOVER);

	(void)state;
	lead();
	msg.target = PAXOS_ANYBODY;
	msg.ballot = body_ballot(0, 2);
	paxos_handover_hear(replica, &msg);
	msg.ballot = replica->leader.ballot;
	msg.target = 254; /* no server */
	paxos_handover_hear(replica, &msg);
	assert_int_equal(core->role, PAXOS_LEADER);
	msg.target = 1;
	paxos_handover_hear(replica, &msg);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(replica->handover.heir, 1);
}

static void test_command_calls_only_the_heir_of_the_present_ballot(void **state)
{
	const struct paxos_ballot ballot = body_ballot(1, 3);
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_HANDOVER);

	(void)state;
	body_follow(ballot);
	msg.ballot = body_ballot(1, 2); /* late */
	paxos_handover_hear(replica, &msg);
	msg.ballot = ballot;
	msg.target = 2; /* another is meant */
	paxos_handover_hear(replica, &msg);
	msg.target = 0;
	msg.node = 2; /* not its own ballot */
	paxos_handover_hear(replica, &msg);
	assert_true(paxos_ballot_is_none(replica->election.called));
	msg.node = 1;
	core->accepted = body_ballot(1, 2); /* not level yet */
	paxos_handover_hear(replica, &msg);
	assert_true(paxos_ballot_is_none(replica->election.called));
	core->accepted = ballot;
	core->promised = body_ballot(2, 4); /* somebody stands already */
	paxos_handover_hear(replica, &msg);
	assert_true(paxos_ballot_is_none(replica->election.called));
	core->promised = ballot;
	paxos_handover_hear(replica, &msg);
	assert_true(paxos_ballot_equal(replica->election.called, ballot));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_heir_is_level_and_connected, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_best_heir_is_chosen, body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_is_told_until_somebody_stands, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_goes_on_itself_if_nobody_does, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_does_not_go_on_alone, body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_wish_is_answered, body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_wish_of_another_ballot_moves_no_leader,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(
			test_command_calls_only_the_heir_of_the_present_ballot, body_begin,
			body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
