/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a leader counts only what was acknowledged of its own log, decides nothing before old
 *         grants have run out, and brings each follower level from where 4.1 c says.
 * Method: promises and acknowledgements by hand, at each border.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/leader.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	L0 = 5
};

static const struct paxos_ballot former = {.configuration = 1, .round = 3, .node = 1};
static const struct paxos_ballot other = {.configuration = 1, .round = 2, .node = 2};
static const struct paxos_ballot own = {
	.configuration = 1, .round = 9, .incarnation = 1, .start = 1};

static struct paxos_core core;
static struct paxos_leader leader;

/* It adopted five entries of `former`, two decided, by the promise of server 1. */
static int begin(void **state)
{
	struct paxos_candidate candidate = {.ballot = own};
	const struct paxos_adoption adoption = {
		.rank = former, .decided = 2, .defer_until_ns = 1050 * MS};

	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	core_append_nops(&core, L0);
	core_apply(&core, 2);
	core.promised = core.accepted = own;
	core.role = PAXOS_CANDIDATE;
	candidate.vows[1] =
		(struct paxos_vow){.have = true, .accepted = former, .length = 3, .decided = 2};
	memset(&leader, 0, sizeof(leader));
	paxos_leader_begin(&core, &leader, &candidate, &adoption);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

static void acknowledge(unsigned node, uint64_t length)
{
	const struct paxos_msg msg = {.kind = PAXOS_MSG_ACCEPTED,
	                              .node = (uint8_t)node,
	                              .incarnation = 1,
	                              .start = 1,
	                              .ballot = own,
	                              .length = length};

	paxos_leader_accepted(&core, &leader, &msg);
}

static void promise(unsigned node, struct paxos_ballot accepted, uint64_t length, uint64_t decided,
                    uint32_t start)
{
	const struct paxos_msg msg = {.kind = PAXOS_MSG_PROMISE,
	                              .node = (uint8_t)node,
	                              .incarnation = 1,
	                              .start = start,
	                              .ballot = own,
	                              .accepted = accepted,
	                              .length = length,
	                              .decided = decided};

	paxos_leader_promise(&core, &leader, &msg);
}

static void test_decides_by_a_majority_when_grants_have_run_out(void **state)
{
	(void)state;
	acknowledge(1, L0);
	assert_int_equal(paxos_leader_decided(&core, &leader), 2); /* what it was told */
	core.now_ns = 1050 * MS - 1;
	assert_int_equal(paxos_leader_decided(&core, &leader), 2);
	assert_int_equal(paxos_leader_deadline_ns(&core, &leader), 0); /* PREPARE to server 2 */
	core.now_ns++;
	assert_int_equal(paxos_leader_decided(&core, &leader), L0);
	core_append_nops(&core, 1);
	assert_int_equal(paxos_leader_decided(&core, &leader), L0);
	acknowledge(2, L0 + 1);
	assert_int_equal(paxos_leader_decided(&core, &leader), L0 + 1);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_LEADS], 1);
}

static void test_own_vote_counts_when_it_is_durable(void **state)
{
	(void)state;
	core.now_ns = 2000 * MS;
	core.config.durability = PAXOS_DISK;
	core.durable_length = 3;
	acknowledge(1, L0);
	acknowledge(2, L0);
	assert_int_equal(paxos_leader_decided(&core, &leader), 3);
	core.durable_length = L0;
	assert_int_equal(paxos_leader_decided(&core, &leader), L0);
}

static void test_impossible_acknowledgements_are_dropped(void **state)
{
	(void)state;
	acknowledge(1, L0 + 1);
	acknowledge(1, L0 - 1);
	acknowledge(2, UINT64_MAX);
	assert_int_equal(core.counted.drops[PAXOS_DROP_MESSAGE], 3);
	assert_int_equal(leader.followers[1].state, PAXOS_UNEVEN);
	acknowledge(1, L0);
	assert_int_equal(leader.followers[1].state, PAXOS_LEVEL);
}

static void test_late_promise_changes_no_log(void **state)
{
	(void)state;
	promise(2, former, 90, 90, 1); /* it cannot have decided what was not adopted */
	assert_int_equal(leader.known_decided, 2);
	promise(2, former, 90, L0, 2);
	assert_int_equal(leader.known_decided, L0);
	promise(2, former, 90, 1, 3);
	assert_int_equal(leader.known_decided, L0);
	assert_int_equal(leader.adopted, L0);
}

static void test_level_follower_stays_so_while_it_lives(void **state)
{
	(void)state;
	acknowledge(1, L0);
	promise(1, former, 3, 2, 1); /* sent before */
	assert_int_equal(leader.followers[1].state, PAXOS_LEVEL);
	promise(1, former, 3, 2, 2); /* a later start: it may have lost what it had */
	assert_int_equal(leader.followers[1].state, PAXOS_UNEVEN);
	acknowledge(1, L0);
	paxos_leader_asked(&core, &leader, 1);
	assert_int_equal(leader.followers[1].state, PAXOS_UNPREPARED);
	paxos_leader_tick(&core, &leader);
	assert_true(paxos_ballot_equal(core_expect(&core, 1, PAXOS_MSG_PREPARE).ballot, own));
}

/* The decision that no ACCEPT has told is told alone, and once, after a moment. */
static void test_what_is_decided_is_told_soon(void **state)
{
	struct paxos_msg msg;

	(void)state;
	acknowledge(1, L0);
	leader.followers[2].again_ns = UINT64_MAX;
	core.now_ns = 2000 * MS;
	core_append_nops(&core, 1);
	paxos_leader_tick(&core, &leader);
	assert_int_equal(core_expect(&core, 1, PAXOS_MSG_ACCEPT).decided, 2); /* told with it */
	core_empty_outbox(&core);
	core_apply(&core, L0);
	paxos_leader_tick(&core, &leader);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	assert_true(paxos_leader_deadline_ns(&core, &leader) <= core.now_ns + MS / 5);

	core.now_ns += MS / 5;
	paxos_leader_tick(&core, &leader);
	msg = core_expect(&core, 1, PAXOS_MSG_DECIDED);
	assert_int_equal(msg.decided, L0);
	assert_true(paxos_ballot_equal(msg.ballot, own));
	core_empty_outbox(&core);
	paxos_leader_tick(&core, &leader);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
}

/* Where the SYNC that answers server 2's promise begins. */
static uint64_t sync_after(struct paxos_ballot accepted, uint64_t length, uint64_t decided)
{
	static uint32_t start;
	struct paxos_effect effect;
	struct paxos_msg msg;

	promise(2, accepted, length, decided, ++start);
	core_empty_outbox(&core);
	leader.followers[1].again_ns = UINT64_MAX;
	paxos_leader_tick(&core, &leader);
	if (core.outbox.taken == core.outbox.count) {
		return UINT64_MAX;
	}
	msg = core_expect(&core, 2, PAXOS_MSG_SYNC);
	assert_int_equal(msg.length, L0);
	assert_int_equal(msg.flags, 0);
	assert_int_equal(msg.index, msg.base + 1);
	assert_false(core_takes(&core, PAXOS_EFFECT_SEND, &effect));
	return msg.base;
}

static void test_sync_begins_where_logs_are_alike(void **state)
{
	(void)state;
	assert_int_equal(sync_after(former, 3, 1), 3);
	assert_int_equal(sync_after(former, 90, 1), L0); /* more than was adopted is cut */
	assert_int_equal(sync_after(other, 4, 1), 1);
	assert_int_equal(sync_after(own, L0, 2), L0);
	/* What cannot be true waits for something better. */
	assert_true(sync_after(other, 90, L0 + 1) == UINT64_MAX);
	assert_true(sync_after(own, L0 + 1, 2) == UINT64_MAX);
}

static void test_sync_from_before_the_log_names_a_snapshot(void **state)
{
	struct paxos_msg msg;

	(void)state;
	paxos_log_reset(&core.log, L0);
	core_append_nops(&core, 1);
	assert_int_equal(sync_after(other, L0, L0), L0); /* which the log still follows */
	promise(2, other, 1, 1, 100);
	paxos_leader_tick(&core, &leader);
	msg = core_expect(&core, 2, PAXOS_MSG_SYNC);
	assert_int_equal(msg.flags, PAXOS_FLAG_STATE);
	assert_int_equal(msg.index, L0);
	assert_int_equal(msg.body.size, 0);
}

static void test_asks_again_in_growing_steps(void **state)
{
	uint64_t gap_ns = 0;

	(void)state;
	leader.followers[1].again_ns = UINT64_MAX;
	for (unsigned i = 0; i < 8; i++) {
		const uint64_t now_ns = core.now_ns;

		paxos_leader_tick(&core, &leader);
		(void)core_expect(&core, 2, PAXOS_MSG_PREPARE);
		paxos_leader_tick(&core, &leader);
		core_expect_none(&core, PAXOS_EFFECT_SEND);
		core.now_ns = leader.followers[2].again_ns;
		assert_true(core.now_ns - now_ns >= gap_ns);
		gap_ns = core.now_ns - now_ns;
	}
	assert_true(gap_ns >= core.config.heartbeat_ns);
	assert_true(gap_ns < 2 * core.config.heartbeat_ns);
}

static void test_time_goes_on_from_the_log(void **state)
{
	struct paxos_candidate candidate = {.ballot = own};
	const struct paxos_adoption adoption = {.rank = former, .decided = 2};
	struct store_entry entry = {.kind = STORE_ENTRY_CLOSE, .time_ns = 5000 * MS};

	(void)state;
	core_append(&core, &entry); /* undecided, by a leader whose clock was ahead */
	core.role = PAXOS_CANDIDATE;
	paxos_leader_begin(&core, &leader, &candidate, &adoption);
	assert_true(paxos_leader_time_ns(&core, &leader) == 5000 * MS);
	core.now_ns += 7;
	assert_true(paxos_leader_time_ns(&core, &leader) == 5000 * MS + 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_decides_by_a_majority_when_grants_have_run_out,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_own_vote_counts_when_it_is_durable, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_impossible_acknowledgements_are_dropped, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_late_promise_changes_no_log, begin, end),
		cmocka_unit_test_setup_teardown(test_level_follower_stays_so_while_it_lives, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_what_is_decided_is_told_soon, begin, end),
		cmocka_unit_test_setup_teardown(test_sync_begins_where_logs_are_alike, begin, end),
		cmocka_unit_test_setup_teardown(test_sync_from_before_the_log_names_a_snapshot,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_asks_again_in_growing_steps, begin, end),
		cmocka_unit_test_setup_teardown(test_time_goes_on_from_the_log, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
