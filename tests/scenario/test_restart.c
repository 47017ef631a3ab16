/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a server that was away comes back level: from its disk, from a peer's log, from a
 *         peer's snapshot; in mode memory it votes only after its REJOIN was decided (4.1 i).
 * Method: crash, go on without it, restart.
 */
#include <stdio.h>

#include "tests/scenario/story.h"

static void write_some(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "set %u", i % 8);
		assert_true(world_does(world, 0, text, MS(PATIENCE_MS)));
	}
}

static void test_disk_all_at_once_and_nothing_is_lost(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);

	(void)state;
	write_some(world, 10);
	for (unsigned node = 0; node < 3; node++) {
		world_crash(world, node);
	}
	for (unsigned node = 0; node < 3; node++) {
		world_restart(world, node);
	}
	assert_true(world_does(world, 0, "get 7", MS(PATIENCE_MS)));
	story_end(world);
}

static void test_memory_votes_only_after_rejoin(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	const unsigned node = (leader + 1) % 5;

	(void)state;
	world_crash(world, node);
	write_some(world, 3);
	world_isolate(world, node);
	world_restart(world, node);
	world_run(world, MS(1000));
	assert_int_equal(world_status(world, node).role, PAXOS_OUTSIDER);
	assert_true(paxos_ballot_is_none(world_status(world, node).promised));
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_REJOINED], 1);
	story_end(world);
}

static void test_memory_restarted_leader_does_not_lead_again_by_itself(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);

	(void)state;
	world_crash(world, leader);
	world_restart(world, leader);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_not_equal(world_leader(world), leader);
	story_end(world);
}

static void test_follower_catches_up_from_the_log(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);
	const unsigned node = (leader + 1) % 3;

	(void)state;
	world_crash(world, node);
	write_some(world, 20);
	world_restart(world, node);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_SNAPSHOT_IN], 0);
	story_end(world);
}

static void test_follower_catches_up_from_a_snapshot(void **state)
{
	struct world_options options;
	struct world *world;
	unsigned node;

	(void)state;
	world_options_default(&options);
	options.server.paxos.log_entries = 16;
	world = world_new(&options);
	assert_true(world_until(world, world_has_leader, MS(PATIENCE_MS)));
	node = ((unsigned)world_leader(world) + 1) % 3;
	world_isolate(world, node);
	write_some(world, 60);
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world_status(world, node).traces[PAXOS_TRACE_SNAPSHOT_IN] >= 1);
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_all_at_once_and_nothing_is_lost),
		cmocka_unit_test(test_memory_votes_only_after_rejoin),
		cmocka_unit_test(test_memory_restarted_leader_does_not_lead_again_by_itself),
		cmocka_unit_test(test_follower_catches_up_from_the_log),
		cmocka_unit_test(test_follower_catches_up_from_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
