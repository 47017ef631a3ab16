/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a change is taken one step at a time, only by voters that are live and level, and asking
 *         again has one effect.
 * Method: a leader of three asked for changes, right and each wrong in one way; learners that
 *         follow or do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/changer.h"
#include "tests/unit/body_fixture.h"

enum {
	LEARNER = 3 /* index of the server that is added */
};

/* It leads, the founders are written down, all three are level. */
static int begin(void **state)
{
	(void)body_begin(state);
	body_lead();
	body_connect(2);
	body_level(2);
	body_settle();
	body_level(2);
	body_tick();
	return 0;
}

static enum paxos_verdict ask(struct paxos_change change, const char *text)
{
	struct paxos_told told;

	paxos_changer_step(replica, &change, &told);
	if (strstr(told.text, text) == NULL) {
		fail_msg("told \"%s\", not \"%s\"", told.text, text);
	}
	return told.verdict;
}

/* Server 4 became a learner, and is named. */
static void add_learner(void)
{
	const struct paxos_change change = {.add = paxos_bit(LEARNER), .as_learners = true};
	struct store_entry name = {.kind = STORE_ENTRY_REJOIN,
	                           .node = LEARNER,
	                           .incarnation = body_incarnation(LEARNER)};

	assert_int_equal(ask(change, "becomes a learner"), PAXOS_CHANGE_WAITS);
	body_settle();
	assert_int_equal(store_members(core->store)->learners, paxos_bit(LEARNER));
	core_append(core, &name);
	body_settle();
}

static void learner_is_level(void)
{
	core->peers[LEARNER].incarnation = body_incarnation(LEARNER);
	paxos_changer_learned(replica, LEARNER, core->decided);
}

static void test_founders_are_written_down(void **state)
{
	(void)state;
	assert_int_equal(store_members(core->store)->configuration, 1);
	assert_int_equal(store_members(core->store)->voters, 7);
	assert_int_equal(ask((struct paxos_change){.remove = 8}, "servers 1 2 3 vote"),
	                 PAXOS_CHANGE_DONE);
}

static void test_leader_that_has_only_begun_waits(void **state)
{
	const struct paxos_change change = {.remove = 4, .is_even = true};

	(void)state;
	replica->leader.deciding = false;
	assert_int_equal(ask(change, "only begun"), PAXOS_CHANGE_WAITS);
	replica->leader.deciding = true;
	replica->leader.adopted = core->decided + 1;
	assert_int_equal(ask(change, "only begun"), PAXOS_CHANGE_WAITS);
	replica->leader.adopted = core->decided;
	assert_int_equal(ask(change, "configuration 2"), PAXOS_CHANGE_WAITS);
}

static void test_one_change_at_a_time(void **state)
{
	const struct paxos_change change = {.remove = 4, .is_even = true};
	uint64_t length;

	(void)state;
	assert_int_equal(ask(change, "configuration 2"), PAXOS_CHANGE_WAITS);
	assert_true(paxos_core_is_stopped(core));
	length = core->log.length;
	assert_int_equal(ask(change, "is being decided"), PAXOS_CHANGE_WAITS);
	replica->turnover.change_index = 0; /* proposed by an earlier leader */
	assert_int_equal(ask(change, "is being decided"), PAXOS_CHANGE_WAITS);
	paxos_changer_tick(replica);
	assert_int_equal(core->log.length, length);
}

static void test_numbers_that_may_not_be_are_refused(void **state)
{
	(void)state;
	assert_int_equal(ask((struct paxos_change){.remove = 4}, "say --even"),
	                 PAXOS_CHANGE_REFUSED);
	assert_int_equal(ask((struct paxos_change){.remove = 7}, "no server would be left"),
	                 PAXOS_CHANGE_REFUSED);
	assert_int_equal(ask((struct paxos_change){.add = 0xf8}, "8 servers would vote"),
	                 PAXOS_CHANGE_REFUSED);
	assert_int_equal(
		ask((struct paxos_change){.add = 2, .as_learners = true}, "is not made a learner"),
		PAXOS_CHANGE_REFUSED);
	assert_int_equal(core->log.length, core->decided);
}

static void test_no_majority_live_and_level_is_refused(void **state)
{
	const struct paxos_change change = {.remove = 4, .is_even = true};

	(void)state;
	replica->leader.followers[1].state = PAXOS_UNEVEN;
	replica->leader.began_ns = core->now_ns + 1 - core->config.suspicion_ns;
	assert_int_equal(ask(change, "only begun"), PAXOS_CHANGE_WAITS);
	replica->leader.began_ns--;
	assert_int_equal(ask(change, "1 (1) are live and level"), PAXOS_CHANGE_REFUSED);
	replica->leader.followers[1].state = PAXOS_LEVEL;
	core->peers[1].answered_ns = 0;
	assert_int_equal(ask(change, "1 (1) are live and level"), PAXOS_CHANGE_REFUSED);
	core->peers[1].answered_ns = core->now_ns;
	core_append_nops(core, 5);
	body_settle();
	replica->leader.followers[1].link.length = core->decided - 5; /* a quarter is four */
	assert_int_equal(ask(change, "1 (1) are live and level"), PAXOS_CHANGE_REFUSED);
	replica->leader.followers[1].link.length = core->decided - 4;
	assert_int_equal(ask(change, "configuration 2"), PAXOS_CHANGE_WAITS);
}

static void test_new_voter_must_follow_and_be_named(void **state)
{
	const struct paxos_change change = {.add = paxos_bit(LEARNER), .is_even = true};

	(void)state;
	add_learner();
	assert_int_equal(ask(change, "was not heard of"), PAXOS_CHANGE_WAITS);
	paxos_changer_learned(replica, LEARNER, core->log.length + 1); /* it cannot */
	assert_int_equal(ask(change, "was not heard of"), PAXOS_CHANGE_WAITS);
	learner_is_level();
	core->peers[LEARNER].incarnation++; /* it has started again since */
	assert_int_equal(ask(change, "is brought level"), PAXOS_CHANGE_WAITS);
	learner_is_level();
	core->now_ns += 4 * core->config.heartbeat_ns; /* silent */
	assert_int_equal(ask(change, "was not heard of"), PAXOS_CHANGE_WAITS);
	core->now_ns--;
	core->peers[1].answered_ns = core->now_ns;
	core->peers[2].answered_ns = core->now_ns;
	assert_int_equal(core->log.length, core->decided);
	assert_int_equal(ask(change, "configuration 2"), PAXOS_CHANGE_WAITS);
	assert_true(paxos_core_is_stopped(core));
}

static void test_learner_is_asked_for_once_and_dropped(void **state)
{
	struct paxos_change change = {.add = paxos_bit(LEARNER), .as_learners = true};

	(void)state;
	add_learner();
	assert_int_equal(ask(change, "vote, 4 learns"), PAXOS_CHANGE_DONE);
	change.addresses[LEARNER] = (struct store_address){0x0a000004, 80};
	assert_int_equal(ask(change, "becomes a learner"), PAXOS_CHANGE_WAITS); /* elsewhere */
	body_settle();
	assert_int_equal(store_members(core->store)->member[LEARNER].address.port, 80);
	assert_int_equal(store_member_incarnation(core->store, LEARNER), 0);
	change = (struct paxos_change){.remove = paxos_bit(LEARNER)};
	assert_int_equal(ask(change, "is dropped"), PAXOS_CHANGE_WAITS);
	body_settle();
	assert_int_equal(ask(change, "none learn"), PAXOS_CHANGE_DONE);
}

static void test_ask_is_answered_by_who_leads(void **state)
{
	const struct paxos_change change = {.remove = 8};
	uint8_t bytes[PAXOS_CHANGE_SIZE_MAX];
	struct paxos_msg msg = body_msg(2, PAXOS_MSG_ASK), answer;
	struct paxos_told told;

	(void)state;
	core_empty_outbox(core);
	msg.round = 77;
	msg.body = slice_make("nonsense", 8);
	paxos_changer_asked(replica, &msg);
	assert_int_equal(core->counted.drops[PAXOS_DROP_MESSAGE], 1);
	msg.body = slice_make(bytes, paxos_change_encode(&change, bytes));
	core->role = PAXOS_FOLLOWER;
	paxos_changer_asked(replica, &msg);
	core_expect_none(core, PAXOS_EFFECT_SEND);
	core->role = PAXOS_LEADER;
	paxos_changer_asked(replica, &msg);
	answer = core_expect(core, 2, PAXOS_MSG_TOLD);
	assert_int_equal(answer.round, 77);
	assert_true(paxos_told_decode(answer.body, &told));
	assert_int_equal(told.verdict, PAXOS_CHANGE_DONE);
}

static void test_spare_takes_the_place_of_a_dead_voter(void **state)
{
	struct store_entry entry;

	(void)state;
	add_learner();
	core->config.promote_ns = 1000 * MS;
	core->now_ns += 1000 * MS;
	replica->leader.began_ns = core->now_ns; /* whom it has not heard yet is not dead */
	core->peers[1].answered_ns = core->now_ns;
	learner_is_level();
	paxos_changer_tick(replica);
	assert_int_equal(core->log.length, core->decided);
	replica->leader.began_ns = 0;
	replica->turnover.next_change_ns = 0;
	core->now_ns--;
	core->peers[1].heard_ns = core->now_ns;
	core->peers[1].answered_ns = core->now_ns;
	learner_is_level();
	paxos_changer_tick(replica);
	assert_int_equal(core->log.length, core->decided); /* 2 is silent, but for so long */
	core->now_ns++;
	replica->turnover.next_change_ns = core->now_ns;
	core->peers[LEARNER].incarnation++; /* no spare is ready */
	paxos_changer_tick(replica);
	assert_int_equal(core->log.length, core->decided);
	core->peers[LEARNER].incarnation--;
	replica->turnover.next_change_ns = core->now_ns;
	core->config.promote_ns = 0; /* never */
	paxos_changer_tick(replica);
	assert_int_equal(core->log.length, core->decided);
	core->config.promote_ns = 1000 * MS;
	paxos_changer_tick(replica);
	assert_true(
		paxos_core_is_stop(core, paxos_log_entry(&core->log, core->log.length), &entry));
	assert_int_equal(entry.voters, 1 | 2 | 8);
	assert_int_equal(entry.learners, 4); /* it may come back so */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_founders_are_written_down, begin, body_end),
		cmocka_unit_test_setup_teardown(test_leader_that_has_only_begun_waits, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_one_change_at_a_time, begin, body_end),
		cmocka_unit_test_setup_teardown(test_numbers_that_may_not_be_are_refused, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_no_majority_live_and_level_is_refused, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_new_voter_must_follow_and_be_named, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_learner_is_asked_for_once_and_dropped, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_ask_is_answered_by_who_leads, begin, body_end),
		cmocka_unit_test_setup_teardown(test_spare_takes_the_place_of_a_dead_voter, begin,
	                                        body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
