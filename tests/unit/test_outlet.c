/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who fetches gets what may be given and where it ends, in bursts; a snapshot comes whole,
 *         also to one that asks again for what was lost, and is let go when nobody asks.
 * Method: FETCHes by hand, answers put together and compared with the store's own snapshot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/outlet.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/entry_fixture.h"

enum {
	PEER = 2,
	FILES = 12,
	FILE_SIZE = 30000, /* all together more than two windows */
};

static const struct paxos_ballot ballot = {.configuration = 1, .round = 3};

static struct paxos_core core;
static struct paxos_outlet outlet;
static uint8_t whole[FILES * FILE_SIZE * 2], got[FILES * FILE_SIZE * 2];

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	assert_int_equal(paxos_outlet_init(&outlet), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_outlet_deinit(&outlet, core.store);
	core_end(&core);
	return 0;
}

static struct paxos_msg fetch(uint64_t index, uint32_t offset)
{
	return (struct paxos_msg){.kind = PAXOS_MSG_FETCH,
	                          .node = PEER,
	                          .transfer = 9,
	                          .index = index,
	                          .offset = offset};
}

static void give(uint64_t index, uint32_t offset, uint64_t last)
{
	const struct paxos_msg msg = fetch(index, offset);

	paxos_outlet_entries(&core, &msg, ballot, last, 4, 5);
}

/* The one answer is that there is nothing. */
static void expect_nothing(uint64_t last)
{
	const struct paxos_msg msg = core_expect(&core, PEER, PAXOS_MSG_ENTRIES);

	assert_int_equal(msg.body.size, 0);
	assert_int_equal(msg.flags & PAXOS_FLAG_LAST, PAXOS_FLAG_LAST);
	assert_int_equal(msg.base, core.log.base);
	assert_int_equal(msg.length, last);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
}

static void test_entries_up_to_the_last_that_may_be_given(void **state)
{
	struct paxos_msg msg;
	struct paxos_log log;

	(void)state;
	assert_int_equal(paxos_log_init(&log, 16, 1 << 18), 0);
	for (uint32_t tag = 1; tag <= 6; tag++) {
		assert_true(paxos_log_append(&core.log, slice_make("entry", 5)));
	}
	give(2, 0, 5);
	msg = core_expect(&core, PEER, PAXOS_MSG_ENTRIES);
	assert_true(paxos_ballot_equal(msg.ballot, ballot));
	assert_int_equal(msg.transfer, 9);
	assert_int_equal(msg.decided, 4);
	assert_int_equal(msg.proof, 5);
	assert_int_equal(msg.flags, 0);
	paxos_log_reset(&log, 1);
	assert_int_equal(paxos_stream_unpack(&log, (struct paxos_place){.index = 2}, msg.body),
	                 PAXOS_UNPACK_TAKEN);
	assert_int_equal(log.length, 5);
	expect_nothing(5);
	paxos_log_deinit(&log);
}

static void test_nothing_beyond_the_borders(void **state)
{
	(void)state;
	for (uint32_t tag = 1; tag <= 6; tag++) {
		assert_true(paxos_log_append(&core.log, slice_make("entry", 5)));
	}
	give(6, 0, 5); /* not yet */
	expect_nothing(5);
	give(UINT64_MAX, UINT32_MAX, 6);
	expect_nothing(6);
	give(3, 5, 6); /* the entry has five bytes */
	expect_nothing(6);
	give(0, 0, 6);
	expect_nothing(6);
	paxos_log_reset(&core.log, 7);
	give(7, 0, 7); /* only a snapshot has it */
	expect_nothing(7);
}

static void test_burst_ends_and_says_so(void **state)
{
	struct paxos_msg msg;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(paxos_log_append(&core.log, entry_of(17)));
	}
	give(1, 0, 3);
	for (unsigned i = 1; i <= PAXOS_BURST; i++) {
		msg = core_expect(&core, PEER, PAXOS_MSG_ENTRIES);
		assert_int_equal(msg.flags, i == PAXOS_BURST ? PAXOS_FLAG_LAST : 0);
		assert_true(msg.body.size > 1000);
	}
	core_expect_none(&core, PAXOS_EFFECT_SEND);
}

/* --- snapshots ------------------------------------------------------------------------------ */

/* Files, and their snapshot as it should come. Returns its size. */
static size_t fill(void)
{
	static uint8_t value[FILE_SIZE];
	struct store_snapshot *snapshot;
	size_t size;

	core_append(&core,
	            &(struct store_entry){.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = 1});
	core_apply(&core, 1);
	for (unsigned i = 1; i <= FILES; i++) {
		const char path[] = {'/', (char)('a' + i), 0};

		memset(value, (int)i, sizeof(value));
		core_append_set(&core, i, path, slice_make(value, sizeof(value)));
		core_apply(&core, core.log.length);
	}
	assert_int_equal(store_snapshot_open(core.store, &snapshot), 0);
	size = store_snapshot_read(snapshot, whole, sizeof(whole));
	store_snapshot_close(core.store, snapshot);
	assert_true(size > 2 * PAXOS_STATE_WINDOW && size < sizeof(whole));
	return size;
}

static void ask_state(uint64_t base, uint64_t position)
{
	struct paxos_msg msg = fetch(core.decided + 1, 0);

	msg.flags = PAXOS_FLAG_STATE;
	msg.base = base;
	msg.position = position;
	paxos_outlet_state(&core, &outlet, &msg);
}

/* Takes a burst that begins at `position`. Returns where it ends. */
static uint64_t take_burst(uint64_t position, bool *ret_ends)
{
	struct paxos_msg msg;
	unsigned count = 0;

	do {
		msg = core_expect(&core, PEER, PAXOS_MSG_STATE);
		assert_int_equal(msg.base, core.decided);
		assert_int_equal(msg.position, position);
		memcpy(got + position, msg.body.data, msg.body.size);
		position += msg.body.size;
		count++;
	} while ((msg.flags & PAXOS_FLAG_LAST) == 0);
	assert_true(count <= PAXOS_BURST);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	*ret_ends = (msg.flags & PAXOS_FLAG_END) != 0;
	return position;
}

static void test_snapshot_comes_whole_though_bursts_are_lost(void **state)
{
	const size_t size = fill();
	uint64_t position = 0, lost_at = 0;
	bool ends = false;

	(void)state;
	for (unsigned turn = 0; !ends; turn++) {
		const uint64_t from = turn % 3 == 1 ? lost_at : position;

		assert_true(turn < 100);
		ask_state(turn == 0 ? 0 : core.decided, from);
		lost_at = from;
		position = take_burst(from, &ends);
	}
	assert_int_equal(position, size);
	assert_memory_equal(got, whole, size);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SNAPSHOT_OUT], 1);
	ask_state(core.decided, size); /* its last datagram was lost but for its end */
	assert_int_equal(take_burst(size, &ends), size);
	assert_true(ends);
}

static void test_place_that_is_gone_begins_anew(void **state)
{
	uint64_t position = 0;
	bool ends = false;

	(void)state;
	fill();
	while (position < PAXOS_STATE_WINDOW) {
		ask_state(position == 0 ? 0 : core.decided, position);
		position = take_burst(position, &ends);
	}
	ask_state(core.decided, 1); /* the window has gone by */
	assert_true(take_burst(0, &ends) > 0);
	ask_state(core.decided, UINT64_MAX); /* of no snapshot */
	assert_true(take_burst(0, &ends) > 0);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SNAPSHOT_OUT], 3);
}

static void test_any_snapshot_must_be_new_enough(void **state)
{
	const struct store_snapshot *first;
	bool ends;

	(void)state;
	core_append_nops(&core, 3);
	core_apply(&core, 3);
	ask_state(0, 0);
	(void)take_burst(0, &ends);
	first = outlet.snapshot;
	assert_int_equal(store_snapshot_index(first), 3);
	ask_state(0, 0); /* asked twice */
	(void)take_burst(0, &ends);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SNAPSHOT_OUT], 1);
	core_append_nops(&core, 3);
	core_apply(&core, 6);
	ask_state(0, 0); /* who asks holds more than it */
	assert_int_equal(store_snapshot_index(outlet.snapshot), 6);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_SNAPSHOT_OUT], 2);
}

static void test_nobody_asks_so_it_is_let_go(void **state)
{
	const uint64_t idle_ns = 10000000000;

	(void)state;
	ask_state(0, 0);
	core.now_ns += idle_ns;
	paxos_outlet_tick(&core, &outlet);
	assert_non_null(outlet.snapshot);
	core.now_ns++;
	paxos_outlet_tick(&core, &outlet);
	assert_null(outlet.snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entries_up_to_the_last_that_may_be_given,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_beyond_the_borders, begin, end),
		cmocka_unit_test_setup_teardown(test_burst_ends_and_says_so, begin, end),
		cmocka_unit_test_setup_teardown(test_snapshot_comes_whole_though_bursts_are_lost,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_place_that_is_gone_begins_anew, begin, end),
		cmocka_unit_test_setup_teardown(test_any_snapshot_must_be_new_enough, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_asks_so_it_is_let_go, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
