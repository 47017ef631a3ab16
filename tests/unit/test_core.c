/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what must be durable is recorded in an order that can be redone, votes wait for it, and
 *         the atomic step cuts and adds exactly what it says.
 * Method: mode disk with a journal that gets further by hand; records read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/core.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/entry_fixture.h"

static const struct paxos_ballot low = {.configuration = 1, .round = 3, .node = 1};
static const struct paxos_ballot high = {.configuration = 1, .round = 4, .node = 2};

static struct paxos_core core;
static struct paxos_log stage;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.config.durability = PAXOS_DISK;
	assert_int_equal(paxos_log_init(&stage, 16, 1 << 18), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_log_deinit(&stage);
	core_end(&core);
	return 0;
}

/* The next record, its kind; the body is not looked at. */
static struct paxos_record expect(enum paxos_record_kind kind)
{
	struct paxos_effect effect;
	struct paxos_record record;

	assert_true(core_takes(&core, PAXOS_EFFECT_PERSIST, &effect));
	assert_true(paxos_record_decode(effect.bytes, &record));
	assert_int_equal(record.kind, kind);
	return record;
}

static void test_entries_are_recorded_before_a_promise(void **state)
{
	(void)state;
	core_append_nops(&core, 2);
	paxos_core_promise(&core, low);
	assert_int_equal(expect(PAXOS_RECORD_ENTRIES).place.index, 1);
	assert_true(paxos_ballot_equal(expect(PAXOS_RECORD_PROMISE).ballot, low));
	core_append_nops(&core, 1);
	paxos_core_flush(&core);
	assert_int_equal(expect(PAXOS_RECORD_ENTRIES).place.index, 3);
	paxos_core_flush(&core);
	core_expect_none(&core, PAXOS_EFFECT_PERSIST);
}

static void test_vote_is_what_is_durable_of_what_was_accepted(void **state)
{
	uint64_t entries, adoption;

	(void)state;
	core_append_nops(&core, 2);
	paxos_core_flush(&core);
	entries = core.outbox.record_last;
	assert_int_equal(paxos_core_own_vote(&core), 0);
	paxos_core_promise(&core, low);
	paxos_log_reset(&stage, 2);
	assert_true(paxos_log_append(&stage, slice_make("entry", 5)));
	paxos_core_adopt(&core, low, 2, &stage, false);
	adoption = core.outbox.record_last;
	paxos_core_durable(&core, entries);
	assert_int_equal(core.durable_length, 2);
	assert_int_equal(paxos_core_own_vote(&core), 0); /* not in this ballot */
	paxos_core_durable(&core, adoption - 1);
	assert_false(paxos_core_is_accepted(&core));
	paxos_core_durable(&core, adoption);
	assert_int_equal(paxos_core_own_vote(&core), 3);
	core.config.durability = PAXOS_MEMORY;
	core_append_nops(&core, 1);
	assert_int_equal(paxos_core_own_vote(&core), 4);
}

static void test_what_was_cut_is_durable_no_more(void **state)
{
	uint64_t entries;

	(void)state;
	core_append_nops(&core, 3);
	paxos_core_flush(&core);
	entries = core.outbox.record_last;
	paxos_core_promise(&core, high);
	paxos_log_reset(&stage, 1);
	paxos_core_adopt(&core, high, 1, &stage, false);
	assert_int_equal(core.log.length, 1);
	assert_int_equal(core.counted.traces[PAXOS_TRACE_CUT], 1);
	paxos_core_durable(&core, entries); /* of entries 2 and 3 as they were */
	assert_int_equal(core.durable_length, 1);
	core_append_nops(&core, 2);
	paxos_core_durable(&core, core.outbox.record_last);
	assert_int_equal(paxos_core_own_vote(&core), 1); /* the new ones were not recorded */
}

static void test_many_records_wait_and_none_is_forgotten(void **state)
{
	uint64_t first = 0;

	(void)state;
	for (unsigned i = 0; i < PAXOS_DURABLE_MARKS + 50; i++) {
		core_append_nops(&core, 1);
		paxos_core_flush(&core);
		first = first == 0 ? core.outbox.record_last : first;
		core.log.trim_to = core.log.length;
	}
	paxos_core_durable(&core, first);
	assert_int_equal(core.durable_length, 1);
	paxos_core_durable(&core, core.outbox.record_last - 1);
	assert_true(core.durable_length < core.log.length);
	paxos_core_durable(&core, core.outbox.record_last);
	assert_int_equal(core.durable_length, core.log.length);
}

static void test_room_ends_with_what_waits_for_the_disk(void **state)
{
	(void)state;
	core.config.undurable_bytes = 10000;
	assert_true(paxos_core_has_room(&core, 10000));
	assert_false(paxos_core_has_room(&core, 10001));
	core.unpersisted_bytes = 4000;
	assert_true(paxos_core_has_room(&core, 6000));
	assert_false(paxos_core_has_room(&core, 6001));
	core.unpersisted_bytes = 0;
	core_append_nops(&core, 1);
	paxos_core_flush(&core);
	assert_false(paxos_core_has_room(&core, 10000));
	paxos_core_durable(&core, core.outbox.record_last);
	assert_true(paxos_core_has_room(&core, 10000));
	core.config.undurable_bytes = UINT64_MAX;
	assert_false(paxos_core_has_room(&core, 512 * 1024 + 1));
	core.config.durability = PAXOS_MEMORY;
	assert_true(paxos_core_has_room(&core, SIZE_MAX / 2));
}

static void test_log_that_fits_is_adopted_and_one_entry_more_is_not(void **state)
{
	(void)state;
	core_append_nops(&core, 2);
	paxos_core_flush(&core);
	paxos_core_durable(&core, core.outbox.record_last);
	core_apply(&core, 2);
	paxos_log_reset(&stage, 2);
	while (stage.length < 2 + 14) { /* a slot stays free */
		assert_true(paxos_log_append(&stage, slice_make("entry", 5)));
	}
	assert_true(paxos_core_fits(&core, 2, &stage));
	stage.trim_to = 2;
	paxos_core_promise(&core, high);
	paxos_core_adopt(&core, high, 2, &stage, false);
	assert_int_equal(core.log.length, 16);
	stage.trim_to = 0;
	assert_true(paxos_log_append(&stage, slice_make("entry", 5)));
	assert_false(paxos_core_fits(&core, 2, &stage));
}

static void test_long_entries_do_not_fit_by_their_bytes(void **state)
{
	(void)state;
	while (paxos_core_fits(&core, 0, &stage)) {
		assert_true(stage.length < 14);
		assert_true(paxos_log_append(&stage, entry_of(17)));
	}
	assert_true(stage.length >= 4);
	assert_true(stage.length < 8);
}

static void test_join_takes_the_ballot_for_promise_and_vote(void **state)
{
	struct paxos_record record;

	(void)state;
	core.takes_part = false;
	core_append_nops(&core, 2);
	paxos_core_join(&core, high);
	(void)expect(PAXOS_RECORD_ENTRIES);
	record = expect(PAXOS_RECORD_ADOPT);
	assert_int_equal(record.flags, PAXOS_RECORD_JOINS);
	assert_int_equal(record.length, 2);
	assert_int_equal(record.place.index, 2);
	assert_true(paxos_ballot_equal(core.promised, high));
	assert_int_equal(paxos_core_own_vote(&core), 0);
	paxos_core_durable(&core, core.outbox.record_last);
	assert_int_equal(paxos_core_own_vote(&core), 2);
}

static void test_step_into_a_configuration_leaves_nothing_promised(void **state)
{
	(void)state;
	paxos_core_promise(&core, low);
	core_append_nops(&core, 3);
	paxos_core_adopt(&core, low, 3, NULL, false);
	paxos_grant_give(&core.grant, 1, 1000, low);
	core_empty_outbox(&core);
	paxos_core_enter(&core, 2, 6, 2, NULL, false);
	assert_int_equal(expect(PAXOS_RECORD_ADOPT).flags, PAXOS_RECORD_JOINS);
	assert_int_equal(core.configuration, 2);
	assert_int_equal(core.voters, 6);
	assert_int_equal(core.known, 2);
	assert_true(paxos_ballot_is_none(core.promised));
	assert_true(paxos_ballot_compare(core.promised, low) > 0);
	assert_int_equal(paxos_grant_left_ns(&core.grant, 1), 0);
}

static void test_stop_sign_is_the_next_configurations_alone(void **state)
{
	struct store_entry stop = {.kind = STORE_ENTRY_MEMBERS, .configuration = 3, .voters = 7};

	(void)state;
	core.config.durability = PAXOS_MEMORY;
	assert_false(paxos_core_is_stopped(&core));
	core_append(&core, &stop);
	assert_false(paxos_core_is_stopped(&core));
	stop.configuration = 2;
	core_append(&core, &stop);
	assert_true(paxos_core_is_stopped(&core));
	core_append_nops(&core, 1);
	assert_false(paxos_core_is_stopped(&core)); /* it is not the last */
	paxos_log_cut(&core.log, 2);
	core_apply(&core, 2);
	assert_false(paxos_core_is_stopped(&core)); /* it is decided */
}

static void test_nonsense_takes_its_index(void **state)
{
	struct store_result result;
	struct store_entry entry;

	(void)state;
	core.config.durability = PAXOS_MEMORY;
	assert_true(paxos_log_append(&core.log, slice_make("\377nonsense", 9)));
	paxos_core_apply(&core, &entry, &result);
	assert_int_equal(entry.kind, 0);
	assert_int_equal(core.decided, 1);
	assert_int_equal(store_applied(core.store), 1);
}

static void test_incarnation_is_the_last_one_named(void **state)
{
	struct store_entry name = {.kind = STORE_ENTRY_REJOIN, .node = 1, .incarnation = 7};
	uint8_t bytes[STORE_ENTRY_SIZE_MAX];

	(void)state;
	assert_int_equal(paxos_core_named(&core, 5, 0, NULL, 1), 5);
	core_append(&core, &name);
	name.node = 2;
	name.incarnation = 8;
	core_append(&core, &name);
	assert_int_equal(paxos_core_named(&core, 5, 2, NULL, 1), 7);
	assert_int_equal(paxos_core_named(&core, 5, 0, NULL, 1), 5);
	assert_int_equal(paxos_core_named(&core, 5, 1, NULL, 2), 5);
	assert_int_equal(paxos_core_named(&core, 5, 2, NULL, 2), 8);
	name.node = 1;
	paxos_log_reset(&stage, 2);
	assert_true(paxos_log_append(
		&stage, slice_make(bytes, store_entry_encode(&name, bytes, sizeof(bytes)))));
	assert_int_equal(paxos_core_named(&core, 5, 2, &stage, 1), 8);
}

static void test_full_outbox_loses_messages_and_counts_them(void **state)
{
	struct paxos_msg msg = {.kind = PAXOS_MSG_NACK, .ballot = low};

	(void)state;
	core_stuff_outbox(&core);
	paxos_core_send(&core, 1, &msg, false);
	assert_int_equal(core.counted.drops[PAXOS_DROP_OUTBOX], 1);
	core_empty_outbox(&core);
	core.takes_part = false;
	paxos_core_send(&core, 1, &msg, false);
	msg = core_expect(&core, 1, PAXOS_MSG_NACK);
	assert_int_equal(msg.flags, PAXOS_FLAG_OUTSIDER);
	assert_int_equal(msg.incarnation, core.config.incarnation);
	assert_int_equal(msg.configuration, 1);
}

static void test_end_is_said_once(void **state)
{
	struct paxos_effect effect;

	(void)state;
	paxos_core_end(&core, PAXOS_END_DIFFERS);
	paxos_core_end(&core, PAXOS_END_ROLLED_BACK);
	assert_true(core_takes(&core, PAXOS_EFFECT_END, &effect));
	assert_int_equal(effect.end, PAXOS_END_DIFFERS);
	core_expect_none(&core, PAXOS_EFFECT_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entries_are_recorded_before_a_promise, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_vote_is_what_is_durable_of_what_was_accepted,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_cut_is_durable_no_more, begin, end),
		cmocka_unit_test_setup_teardown(test_many_records_wait_and_none_is_forgotten, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_room_ends_with_what_waits_for_the_disk, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(
			test_log_that_fits_is_adopted_and_one_entry_more_is_not, begin, end),
		cmocka_unit_test_setup_teardown(test_long_entries_do_not_fit_by_their_bytes, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_join_takes_the_ballot_for_promise_and_vote,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(
			test_step_into_a_configuration_leaves_nothing_promised, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_sign_is_the_next_configurations_alone,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_nonsense_takes_its_index, begin, end),
		cmocka_unit_test_setup_teardown(test_incarnation_is_the_last_one_named, begin, end),
		cmocka_unit_test_setup_teardown(test_full_outbox_loses_messages_and_counts_them,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_end_is_said_once, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
