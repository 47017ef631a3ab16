/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a lock's rest is ended when its time has come, each once, sixteen a turn and no scan when
 *         nothing can have changed; sessions end beside it; a lock is passed on step by step;
 *         nobody spins while the log has no room.
 * Method: holders that die, the clock moved to each border by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "consensus/propose.h"
#include "consensus/upkeep.h"
#include "store/txn.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	TTL_MS = 1000,
};

static struct paxos_core core;
static struct paxos_leader leader;
static struct paxos_alive alive;
static struct paxos_upkeep upkeep;

/* Decides and applies all that was proposed. Returns how many of them were UNDELAYs. */
static unsigned decide(void)
{
	struct store_result result;
	struct store_entry entry;
	unsigned undelays = 0;

	while (core.decided < core.log.length) {
		paxos_core_apply(&core, &entry, &result);
		paxos_upkeep_applied(&core, &upkeep);
		for (unsigned i = 0; i < entry.expired_count; i++) {
			paxos_alive_forget(&alive, entry.expired[i]);
		}
		undelays += entry.kind == STORE_ENTRY_UNDELAY;
	}
	core_empty_outbox(&core);
	return undelays;
}

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.role = PAXOS_LEADER;
	core.now_ns = 1000 * MS;
	leader = (struct paxos_leader){.began_ns = 900 * MS, .time_base_ns = 5000 * MS};
	assert_int_equal(paxos_alive_init(&alive), 0);
	paxos_alive_reset(&alive);
	paxos_upkeep_reset(&core, &upkeep);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_alive_deinit(&alive);
	core_end(&core);
	return 0;
}

static void propose(struct store_entry *entry)
{
	assert_true(paxos_propose(&core, &leader, entry));
}

static uint64_t open_session(void)
{
	struct store_entry entry = {.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = TTL_MS};

	propose(&entry);
	assert_int_equal(decide(), 0);
	return core.decided;
}

static void run(uint64_t session, uint64_t number, const struct store_op *op)
{
	uint8_t memory[256];
	struct store_txn_writer writer;
	struct store_entry entry = {.kind = STORE_ENTRY_TXN,
	                            .session = session,
	                            .number = number,
	                            .first_unanswered = number};

	store_txn_begin(&writer, memory, sizeof(memory));
	store_txn_then(&writer, op);
	entry.txn = store_txn_end(&writer);
	assert_true(entry.txn.size != 0);
	propose(&entry);
	assert_int_equal(decide(), 0);
}

static void lock(uint64_t session, uint64_t number, uint32_t delay_ms)
{
	struct store_op op = {.verb = STORE_VERB_LOCK, .limit = 1, .delay_ms = delay_ms};
	char name[32];

	(void)snprintf(name, sizeof(name), "/%u/%u", (unsigned)session, (unsigned)number);
	op.path = slice_text(name);
	run(session, number, &op);
}

static void kill_session(uint64_t session)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_EXPIRE, .expired_count = 1, .expired = {session}};

	propose(&entry);
	assert_int_equal(decide(), 0);
}

static void turn(void)
{
	paxos_upkeep_tick(&core, &upkeep, &alive, &leader);
}

/* As a replica turns: applies, then looks; as long as that brings something. The UNDELAYs of it. */
static unsigned turns(void)
{
	unsigned undelays = 0;

	for (unsigned i = 0; i < 1000; i++) {
		undelays += decide();
		turn();
		if (core.decided == core.log.length &&
		    paxos_upkeep_deadline_ns(&upkeep, &alive) > core.now_ns) {
			return undelays;
		}
	}
	fail_msg("it is always due");
	return 0;
}

static bool rests(void)
{
	uint64_t until_ns;
	struct slice path;

	return store_delayed_next(core.store, slice_make(NULL, 0), &path, &until_ns);
}

static void test_rest_ends_at_its_border(void **state)
{
	const uint64_t session = open_session();

	(void)state;
	lock(session, 1, 50);
	assert_int_equal(turns(), 0);
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) > core.now_ns + 900 * MS);
	kill_session(session);
	assert_true(rests());
	assert_int_equal(turns(), 0);
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == core.now_ns + 50 * MS);
	core.now_ns += 50 * MS - 1;
	assert_int_equal(turns(), 0);
	core.now_ns++;
	turn();
	turn(); /* once */
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == UINT64_MAX);
	assert_int_equal(decide(), 1);
	assert_false(rests());
	assert_int_equal(turns(), 0);
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == UINT64_MAX);
}

static void test_silent_holder_is_ended_and_rests(void **state)
{
	const uint64_t session = open_session();

	(void)state;
	lock(session, 1, 50);
	assert_int_equal(turns(), 0);
	core.now_ns += 2 * TTL_MS * MS;
	assert_int_equal(turns(), 0);
	assert_null(store_session(core.store, session));
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == core.now_ns + 50 * MS);
	core.now_ns += 50 * MS;
	assert_int_equal(turns(), 1);
}

static void test_many_end_in_steps(void **state)
{
	enum {
		LOCKS = 3 * PAXOS_UNDELAY_LOOK + 5
	};
	const uint64_t session = open_session(), other = open_session();

	(void)state;
	for (unsigned i = 0; i < LOCKS; i++) {
		lock(session, i + 1, i % 2 == 0 ? 100 : 200);
	}
	lock(other, 1, 20);
	kill_session(session);
	assert_int_equal(turns(), 0);
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == core.now_ns + 100 * MS);
	kill_session(other); /* behind all others, and before them in time */
	assert_int_equal(turns(), 0);
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) == core.now_ns + 20 * MS);
	core.now_ns += 20 * MS;
	assert_int_equal(turns(), 1);
	core.now_ns += 80 * MS;
	for (unsigned left = (LOCKS + 1) / 2; left != 0;) {
		unsigned ended;

		turn();
		assert_true(core.decided != core.log.length ||
		            paxos_upkeep_deadline_ns(&upkeep, &alive) <= core.now_ns);
		ended = decide();
		assert_in_range(ended, 0, PAXOS_UNDELAY_MAX);
		left -= ended;
	}
	assert_int_equal(turns(), 0);
	core.now_ns += 100 * MS;
	assert_int_equal(turns(), LOCKS / 2);
	assert_false(rests());
}

static void test_without_room_it_waits(void **state)
{
	const uint64_t session = open_session();

	(void)state;
	lock(session, 1, 50);
	kill_session(session);
	assert_int_equal(turns(), 0);
	core.now_ns += 50 * MS;
	core_append_nops(&core, (unsigned)core.log.slots_count / 2); /* of somebody else */
	turn();
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) ==
	            core.now_ns + PAXOS_ALIVE_RETRY_NS);
	core.now_ns += PAXOS_ALIVE_RETRY_NS;
	assert_int_equal(turns(), 1);
}

static void test_new_leader_looks_for_rests(void **state)
{
	const uint64_t session = open_session();

	(void)state;
	lock(session, 1, 50);
	kill_session(session);
	paxos_alive_reset(&alive);
	paxos_upkeep_reset(&core, &upkeep);
	core.now_ns += 50 * MS;
	assert_int_equal(turns(), 1);
}

/* One that goes makes room for five; two are granted by its own entry, and by each after it. */
static void give_to_five(void)
{
	const uint64_t session = open_session();
	struct store_op op = {.verb = STORE_VERB_LOCK, .limit = 1, .path = slice_text("/a")};

	run(session, 1, &op);
	op.limit = 0;
	for (unsigned i = 0; i < 5; i++) {
		run(open_session(), 1, &op);
	}
	op = (struct store_op){.verb = STORE_VERB_UNLOCK, .path = slice_text("/a")};
	run(session, 2, &op);
}

static bool is_passing(void)
{
	struct slice path;

	return store_passing_next(core.store, &path);
}

static void test_lock_is_passed_on_step_by_step(void **state)
{
	(void)state;
	give_to_five();
	for (unsigned i = 0; i < 2; i++) {
		assert_true(is_passing());
		turn();
		turn(); /* once */
		assert_int_equal(decide(), 1);
	}
	assert_false(is_passing());
	assert_int_equal(turns(), 0);
}

static void test_new_leader_goes_on_passing(void **state)
{
	(void)state;
	give_to_five();
	turn();
	assert_int_equal(decide(), 1);
	paxos_alive_reset(&alive);
	paxos_upkeep_reset(&core, &upkeep);
	core_append_nops(&core, (unsigned)core.log.slots_count / 2); /* of somebody else */
	turn();
	assert_true(paxos_upkeep_deadline_ns(&upkeep, &alive) <=
	            core.now_ns + PAXOS_ALIVE_RETRY_NS);
	assert_int_equal(decide(), 0);
	core.now_ns += PAXOS_ALIVE_RETRY_NS;
	assert_int_equal(turns(), 1);
	assert_false(is_passing());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rest_ends_at_its_border, begin, end),
		cmocka_unit_test_setup_teardown(test_silent_holder_is_ended_and_rests, begin, end),
		cmocka_unit_test_setup_teardown(test_many_end_in_steps, begin, end),
		cmocka_unit_test_setup_teardown(test_without_room_it_waits, begin, end),
		cmocka_unit_test_setup_teardown(test_new_leader_looks_for_rests, begin, end),
		cmocka_unit_test_setup_teardown(test_lock_is_passed_on_step_by_step, begin, end),
		cmocka_unit_test_setup_teardown(test_new_leader_goes_on_passing, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
