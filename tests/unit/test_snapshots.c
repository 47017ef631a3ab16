/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   snapshots are cut at the same entries everywhere; a server whose state a majority
 *         contradicts ends; nothing is forgotten before a majority can do without it.
 * Method: digests told by hand, and a journal that gets further by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/snapshots.h"
#include "tests/unit/core_fixture.h"

static struct paxos_core core;
static struct paxos_snapshots snapshots;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.config.durability = PAXOS_DISK;
	snapshots = (struct paxos_snapshots){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (snapshots.open != NULL) {
		store_snapshot_close(core.store, snapshots.open);
	}
	core_end(&core);
	return 0;
}

static void kept(uint64_t index, uint64_t digest)
{
	paxos_snapshots_kept(&core, &snapshots, index, &(struct store_digest){digest, 1});
}

static void heard(unsigned node, uint64_t index, uint64_t digest)
{
	const struct paxos_msg msg = {.kind = PAXOS_MSG_HEARTBEAT,
	                              .node = (uint8_t)node,
	                              .snapshot = index,
	                              .digest_low = digest,
	                              .digest_high = 1};

	paxos_snapshots_heard(&core, &snapshots, &msg);
}

/* Appends, makes durable and applies. */
static void decide(unsigned count)
{
	core_append_nops(&core, count);
	paxos_core_flush(&core);
	paxos_core_durable(&core, core.outbox.record_last);
	core_apply(&core, core.log.length);
}

static void test_due_where_the_bytes_cross_a_step(void **state)
{
	uint64_t bytes;

	(void)state;
	decide(3);
	bytes = store_log_bytes(core.store);
	assert_true(bytes > 1);
	assert_false(paxos_snapshots_is_due(&core, &snapshots, 0)); /* none are wanted */
	core.config.snapshot_bytes = bytes;
	assert_true(paxos_snapshots_is_due(&core, &snapshots, bytes - 1));
	assert_false(paxos_snapshots_is_due(&core, &snapshots, bytes));
	core.config.snapshot_bytes = bytes + 1;
	assert_false(paxos_snapshots_is_due(&core, &snapshots, 0));
}

static void test_one_at_a_time(void **state)
{
	struct paxos_effect effect;

	(void)state;
	decide(3);
	core.config.snapshot_bytes = 1;
	assert_true(paxos_snapshots_is_due(&core, &snapshots, 0));
	paxos_snapshots_cut(&core, &snapshots);
	assert_true(core_takes(&core, PAXOS_EFFECT_SNAPSHOT, &effect));
	assert_ptr_equal(effect.snapshot, snapshots.open);
	assert_int_equal(store_snapshot_index(effect.snapshot), 3);
	assert_false(paxos_snapshots_is_due(&core, &snapshots, 0));
}

static void test_too_many_pinned_leaves_the_point_out(void **state)
{
	const struct store_root *pins[256];
	unsigned count = 0;

	(void)state;
	while (count < 256 && (pins[count] = store_pin(core.store)) != NULL) {
		count++;
	}
	assert_true(count < 256);
	paxos_snapshots_cut(&core, &snapshots);
	assert_null(snapshots.open);
	core_expect_none(&core, PAXOS_EFFECT_SNAPSHOT);
	while (count != 0) {
		store_unpin(core.store, pins[--count]);
	}
}

static void test_one_that_differs_is_told_of_once(void **state)
{
	(void)state;
	kept(10, 1);
	heard(1, 10, 2);
	heard(1, 10, 2);
	heard(2, 10, 1);
	kept(10, 1); /* after a restart of the file's writer */
	assert_int_equal(core.counted.traces[PAXOS_TRACE_DIFFERS], 1);
	assert_true(core.peers[1].differs);
	assert_false(core.peers[2].differs);
	core_expect_none(&core, PAXOS_EFFECT_END);
	heard(2, 9, 3); /* late: it speaks of the past */
	assert_int_equal(core.peers[2].snapshot_index, 10);
	kept(20, 1);
	heard(1, 20, 1);
	assert_false(core.peers[1].differs);
}

static void test_majority_that_differs_ends_it(void **state)
{
	struct paxos_effect effect;

	(void)state;
	heard(1, 10, 2);
	heard(2, 10, 2);
	core_expect_none(&core, PAXOS_EFFECT_END);
	kept(10, 1); /* whoever is first */
	assert_true(core_takes(&core, PAXOS_EFFECT_END, &effect));
	assert_int_equal(effect.end, PAXOS_END_DIFFERS);
}

static void test_two_that_differ_from_each_other_end_nobody(void **state)
{
	(void)state;
	kept(10, 1);
	heard(1, 10, 2);
	heard(2, 10, 3);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_DIFFERS], 2);
	core_expect_none(&core, PAXOS_EFFECT_END);
}

static void test_digests_are_compared_of_the_last_ones(void **state)
{
	(void)state;
	for (uint64_t index = 1; index <= PAXOS_DIGESTS_MAX + 1; index++) {
		kept(index, 1);
	}
	heard(1, 1, 2); /* forgotten here */
	assert_false(core.peers[1].differs);
	heard(1, 2, 2);
	assert_true(core.peers[1].differs);
}

static void test_journal_forgets_when_a_majority_can(void **state)
{
	struct paxos_effect effect;
	struct paxos_record record;
	uint64_t base;

	(void)state;
	decide(4);
	decide(4);
	kept(4, 1);
	heard(1, 3, 1);
	core_empty_outbox(&core);
	paxos_snapshots_tick(&core, &snapshots, false);
	core_expect_none(&core, PAXOS_EFFECT_PERSIST);
	heard(2, 8, 1); /* a later one will do */
	paxos_snapshots_tick(&core, &snapshots, false);
	assert_true(core_takes(&core, PAXOS_EFFECT_PERSIST, &effect));
	base = effect.record;
	assert_true(paxos_record_decode(effect.bytes, &record));
	assert_int_equal(record.kind, PAXOS_RECORD_BASE);
	assert_int_equal(record.place.index, 4);
	assert_int_equal(record.from, 2); /* entries 5 to 8 */
	paxos_snapshots_durable(&core, &snapshots);
	paxos_snapshots_tick(&core, &snapshots, false); /* it is not said twice */
	assert_int_equal(core.outbox.record_last, base);
	core_expect_none(&core, PAXOS_EFFECT_FORGET);
	paxos_core_durable(&core, base);
	paxos_snapshots_durable(&core, &snapshots);
	assert_true(core_takes(&core, PAXOS_EFFECT_FORGET, &effect));
	assert_int_equal(effect.record, 2);
	assert_int_equal(effect.index, 4);
	paxos_snapshots_durable(&core, &snapshots);
	core_expect_none(&core, PAXOS_EFFECT_FORGET);
}

static void test_outsider_and_memory_have_no_base(void **state)
{
	(void)state;
	decide(4);
	kept(4, 1);
	heard(1, 4, 1);
	core_empty_outbox(&core);
	core.takes_part = false;
	paxos_snapshots_tick(&core, &snapshots, false);
	core.takes_part = true;
	core.config.durability = PAXOS_MEMORY;
	paxos_snapshots_tick(&core, &snapshots, false);
	core_expect_none(&core, PAXOS_EFFECT_PERSIST);
	core.config.durability = PAXOS_DISK;
	paxos_snapshots_tick(&core, &snapshots, false);
	assert_int_equal(snapshots.base_index, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_due_where_the_bytes_cross_a_step, begin, end),
		cmocka_unit_test_setup_teardown(test_one_at_a_time, begin, end),
		cmocka_unit_test_setup_teardown(test_too_many_pinned_leaves_the_point_out, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_one_that_differs_is_told_of_once, begin, end),
		cmocka_unit_test_setup_teardown(test_majority_that_differs_ends_it, begin, end),
		cmocka_unit_test_setup_teardown(test_two_that_differ_from_each_other_end_nobody,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_digests_are_compared_of_the_last_ones, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_journal_forgets_when_a_majority_can, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_outsider_and_memory_have_no_base, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
