/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a leader whose disk stalls goes where another's does better, and only there; disks are
 *         full when the own one is, or a majority.
 * Method: records that grow old by a clock moved by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/storage.h"
#include "tests/unit/body_fixture.h"

/* A record waits since just before it is called a stall. */
static void stall(uint64_t more_ns)
{
	core->durable = (struct paxos_durable){0};
	paxos_durable_gave(&core->durable, 1, 100,
	                   core->now_ns - core->config.suspicion_ns - more_ns);
}

static void test_stalled_leader_goes_where_it_is_better(void **state)
{
	(void)state;
	body_lead();
	stall(0);
	paxos_storage_tick(replica);
	assert_false(core->stalled);
	stall(1);
	core->peers[1].disk_late = true;
	paxos_storage_tick(replica); /* all stall: it stays */
	assert_true(core->stalled);
	assert_int_equal(core->role, PAXOS_LEADER);
	core->peers[1].disk_late = false;
	paxos_storage_tick(replica);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
	assert_int_equal(replica->handover.heir, 1);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_DISK_STALLED], 1);
	paxos_durable_reached(&core->durable, 1);
	paxos_storage_tick(replica);
	assert_false(core->stalled);
}

static void test_stalled_candidate_gives_up(void **state)
{
	(void)state;
	paxos_replica_stand(replica);
	stall(1);
	paxos_storage_tick(replica);
	assert_int_equal(core->role, PAXOS_FOLLOWER);
}

static void test_full_is_the_own_disk_or_a_majority(void **state)
{
	(void)state;
	core->peers[1].disk_full = true;
	core->peers[3].disk_full = true; /* does not vote */
	paxos_storage_tick(replica);
	assert_false(core->is_full);
	core->peers[2].disk_full = true;
	paxos_storage_tick(replica);
	paxos_storage_tick(replica);
	assert_true(core->is_full);
	core->peers[1].disk_full = false;
	paxos_storage_tick(replica);
	assert_false(core->is_full);
	core->disk = PAXOS_DISK_FULL;
	paxos_storage_tick(replica);
	assert_true(core->is_full);
	assert_int_equal(core->counted.traces[PAXOS_TRACE_DISK_FULL], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stalled_leader_goes_where_it_is_better,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_stalled_candidate_gives_up, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_full_is_the_own_disk_or_a_majority, body_begin,
	                                        body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
