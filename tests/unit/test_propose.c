/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an entry is appended with the leader's time; not above half of the log, not without room
 *         for its record, not behind a stop-sign.
 * Method: a log filled to each of these borders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/propose.h"
#include "tests/unit/core_fixture.h"

static struct paxos_core core;
static struct paxos_leader leader;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.role = PAXOS_LEADER;
	core.now_ns = 1000;
	leader = (struct paxos_leader){.began_ns = 900, .time_base_ns = 5000};
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

static bool propose_end(uint64_t session)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_EXPIRE, .expired_count = 1, .expired = {session}};

	return paxos_propose(&core, &leader, &entry);
}

static void test_entry_has_the_leaders_time(void **state)
{
	struct store_entry entry;

	(void)state;
	assert_true(propose_end(7));
	assert_int_equal(core.log.length, 1);
	assert_true(store_entry_decode(paxos_log_entry(&core.log, 1), &entry));
	assert_int_equal(entry.time_ns, 5100);
	assert_int_equal(entry.expired[0], 7);
}

static void test_half_of_the_log_may_be_undecided(void **state)
{
	const uint64_t half = core.log.slots_count / 2;

	(void)state;
	for (uint64_t i = 0; i < half; i++) {
		assert_true(paxos_propose_has_room(&core, 1000));
		assert_true(propose_end(i + 1));
	}
	assert_false(paxos_propose_has_room(&core, 1));
	assert_false(propose_end(1));
	core_apply(&core, 1);
	assert_true(propose_end(1));
	assert_int_equal(core.log.length, half + 1);
}

static void test_what_the_disk_cannot_take_waits(void **state)
{
	(void)state;
	core.config.durability = PAXOS_DISK;
	core.unpersisted_bytes = core.config.undurable_bytes;
	assert_false(propose_end(1));
	core.unpersisted_bytes = 0;
	assert_true(propose_end(1));
	assert_true(core.unpersisted_bytes != 0);
}

static void test_nothing_stands_behind_a_stop_sign(void **state)
{
	(void)state;
	core_append(&core, &(struct store_entry){.kind = STORE_ENTRY_MEMBERS,
	                                         .configuration = core.configuration + 1,
	                                         .voters = paxos_first(3)});
	assert_false(paxos_propose_has_room(&core, 1));
	assert_false(propose_end(1));
	assert_int_equal(core.log.length, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entry_has_the_leaders_time, begin, end),
		cmocka_unit_test_setup_teardown(test_half_of_the_log_may_be_undecided, begin, end),
		cmocka_unit_test_setup_teardown(test_what_the_disk_cannot_take_waits, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_stands_behind_a_stop_sign, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
