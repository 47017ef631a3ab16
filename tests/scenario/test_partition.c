/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a minority never moves, a majority always does, a leader that cannot speak or cannot
 *         hear is replaced, and after the cut is healed all tell the same story.
 * Method: five servers with a leader; cuts that keep clients connected to everybody.
 */
#include "tests/scenario/story.h"

static void test_minority_waits_and_catches_up(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	const uint32_t minority = WORLD_SERVER(leader) | WORLD_SERVER((leader + 1) % 5);
	const uint64_t decided = world_status(world, leader).decided;

	(void)state;
	world_cut(world, minority, story_servers(world) & ~minority);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_true(world_status(world, leader).decided < decided + 8);
	assert_int_not_equal(world_leader(world), leader);
	assert_true((WORLD_SERVER(world_leader(world)) & minority) == 0);
	assert_int_not_equal(world_status(world, leader).role, PAXOS_LEADER);
	story_end(world);
}

static void test_old_leader_serves_no_read_once_another_may_decide(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);

	(void)state;
	world_isolate(world, leader);
	world_open(world, WORLD_SERVER(leader), WORLD_CLIENT(1));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	/* The client that reaches only the old leader gets no answer, rather than an old one. */
	world_cut(world, WORLD_CLIENT(1), story_servers(world) & ~WORLD_SERVER(leader));
	assert_false(world_does(world, 1, "get 3", MS(1000)));
	assert_int_equal(world_status(world, leader).lease_end_ns, 0);
	story_end(world);
}

static void test_leader_that_cannot_hear_is_replaced(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const uint32_t others = story_servers(world) & ~WORLD_SERVER(leader);

	(void)state;
	world_cut_one_way(world, others, WORLD_SERVER(leader));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_not_equal(world_leader(world), leader);
	story_end(world);
}

static void test_leader_that_cannot_speak_is_replaced(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const uint32_t others = story_servers(world) & ~WORLD_SERVER(leader);

	(void)state;
	world_cut_one_way(world, WORLD_SERVER(leader), others);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_not_equal(world_leader(world), leader);
	story_end(world);
}

static void test_follower_that_cannot_speak_disturbs_nobody(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned follower = (leader + 1) % 3;
	const uint64_t round = world_status(world, leader).promised.round;

	(void)state;
	world_cut_one_way(world, WORLD_SERVER(follower),
	                  story_servers(world) & ~WORLD_SERVER(follower));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	world_run(world, MS(2000));
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	story_end(world);
}

static void write_until(struct world *world, uint64_t decided)
{
	assert_true(world_until(world, world_has_leader, MS(PATIENCE_MS)));
	while (world_status(world, (unsigned)world_leader(world)).decided < decided) {
		assert_true(world_does(world, 0, "set 1", MS(PATIENCE_MS)));
	}
}

static bool third_has_snapshot(const struct world *world)
{
	return world_status(world, 2).traces[PAXOS_TRACE_SNAPSHOT_IN] != 0;
}

/* A log full of what is decided, but was not recorded as such when it came, makes room. */
static void test_burst_that_fills_a_small_log_is_not_its_end(void **state)
{
	struct world_options options;
	struct world *world;

	(void)state;
	world_options_default(&options);
	options.server.paxos.durability = PAXOS_DISK;
	options.server.paxos.log_entries = 16;
	world = world_new(&options);
	write_until(world, 8);
	world_isolate(world, 2);
	write_until(world, 32);
	world_heal(world);
	assert_true(world_until(world, third_has_snapshot, MS(PATIENCE_MS)));
	/* The next it hears is all that its log can hold. */
	world_pause(world, 2, MS(40));
	write_until(world, world_status(world, 2).decided + 15);
	world_run(world, MS(100));
	assert_true(world_does(world, 0, "set 1", MS(PATIENCE_MS)));
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minority_waits_and_catches_up),
		cmocka_unit_test(test_old_leader_serves_no_read_once_another_may_decide),
		cmocka_unit_test(test_leader_that_cannot_hear_is_replaced),
		cmocka_unit_test(test_leader_that_cannot_speak_is_replaced),
		cmocka_unit_test(test_follower_that_cannot_speak_disturbs_nobody),
		cmocka_unit_test(test_burst_that_fills_a_small_log_is_not_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
