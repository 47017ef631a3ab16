/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who is connected to a majority comes to lead, whatever its log, and nobody else; a
 *         cluster that has a leader keeps it (Omni-Paxos, EuroSys '23, section 2).
 * Method: the three cuts of that paper, two candidates at once, and cores that hardly run.
 */
#include "consensus/quorum.h"
#include "tests/scenario/story.h"

enum {
	STARVED_TURNS = 40
};

static void test_quorum_loss_star_leads_from_its_centre(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	const unsigned centre = (leader + 1) % 5;
	const uint32_t rim = story_servers(world) & ~WORLD_SERVER(centre);

	(void)state;
	for (unsigned node = 0; node < 5; node++) {
		if (node != centre) {
			world_cut(world, WORLD_SERVER(node), rim & ~WORLD_SERVER(node));
		}
	}
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_equal(world_leader(world), centre);
	story_end(world);
}

static void test_constrained_election_is_won_with_an_old_log(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	const unsigned old = (leader + 1) % 5;
	const uint32_t rim = story_servers(world) & ~WORLD_SERVER(old);

	(void)state;
	world_isolate(world, old);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_true(world_does(world, 0, "set 4", MS(PATIENCE_MS)));
	world_heal(world);
	/* Now the one that missed those writes is the only one that hears a majority. */
	for (unsigned node = 0; node < 5; node++) {
		if (node != old) {
			world_cut(world, WORLD_SERVER(node), rim & ~WORLD_SERVER(node));
		}
	}
	assert_true(world_does(world, 0, "set 5", MS(PATIENCE_MS)));
	assert_int_equal(world_leader(world), old);
	story_end(world);
}

static void test_chain_keeps_its_leader(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned end = (leader + 1) % 3;
	const uint64_t round = world_status(world, leader).promised.round;

	(void)state;
	world_cut(world, WORLD_SERVER(leader), WORLD_SERVER(end));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	world_run(world, MS(3000));
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	story_end(world);
}

static void test_duel_of_candidates_ends(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	uint64_t stands = 0;

	(void)state;
	for (unsigned node = 0; node < 5; node++) {
		stands += world_status(world, node).traces[PAXOS_TRACE_STANDS];
	}
	world_crash(world, leader);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	for (unsigned node = 0; node < 5; node++) {
		if (node != leader) {
			stands -= world_status(world, node).traces[PAXOS_TRACE_STANDS];
		}
	}
	/* Counted downwards: at least one candidacy, and no storm of them. */
	assert_in_range((uint64_t)0 - stands, 0, 12);
	world_restart(world, leader);
	story_end(world);
}

static void test_lost_promise_is_asked_for_again(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);
	const unsigned a = (leader + 1) % 3, b = (leader + 2) % 3;

	(void)state;
	world_crash(world, leader);
	/* Neither can answer the other for a while: promises are given, and lost. */
	world_cut_one_way(world, WORLD_SERVER(a), WORLD_SERVER(b));
	world_run(world, MS(400));
	world_open(world, WORLD_SERVER(a), WORLD_SERVER(b));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	world_restart(world, leader);
	story_end(world);
}

/* Their cores are starved: each time they run once, then not for more than three heartbeats. */
static bool starve_until_a_leader(struct world *world, uint32_t nodes)
{
	const uint64_t gap_ns = world->options.server.paxos.heartbeat_ns * 31 / 10;

	for (unsigned turns = 0; turns < STARVED_TURNS && !world_has_leader(world); turns++) {
		for (unsigned node = 0; paxos_each(nodes, &node); node++) {
			world_pause(world, node, gap_ns);
		}
		world_run(world, gap_ns + US(1));
	}
	return world_has_leader(world);
}

static void test_starved_core_misses_its_leader(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);

	(void)state;
	world_crash(world, leader);
	assert_true(starve_until_a_leader(world, WORLD_SERVER((leader + 1) % 3)));
	world_restart(world, leader);
	story_end(world);
}

static void test_starved_cores_elect_one_of_them(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);

	(void)state;
	world_crash(world, leader);
	assert_true(starve_until_a_leader(world, story_servers(world) & ~WORLD_SERVER(leader)));
	world_restart(world, leader);
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quorum_loss_star_leads_from_its_centre),
		cmocka_unit_test(test_constrained_election_is_won_with_an_old_log),
		cmocka_unit_test(test_chain_keeps_its_leader),
		cmocka_unit_test(test_duel_of_candidates_ends),
		cmocka_unit_test(test_lost_promise_is_asked_for_again),
		cmocka_unit_test(test_starved_core_misses_its_leader),
		cmocka_unit_test(test_starved_cores_elect_one_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
