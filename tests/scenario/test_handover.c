/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a leader that goes in peace, or whose supervisor tells that it died, is replaced in a
 *         few round trips, without a time-out, without waiting for a lease, and without a request
 *         that fails; and who says something false about a leader that lives changes nothing.
 * Method: three or five servers with a leader, all leases granted; the time until somebody else
 *         decides is compared with the lease and the suspicion, which are far longer than a round
 *         trip. That no lease is broken is seen by the checkers.
 */
#include <stdio.h>

#include "tests/scenario/story.h"

enum {
	LOAD = 40
};

/* Until somebody but `former` decides: ns. */
static uint64_t until_other_leads(struct world *world, unsigned former)
{
	const uint64_t from_ns = world->stage.now_ns;

	while (world_leader(world) < 0 || world_leader(world) == (int)former) {
		assert_true(world->stage.now_ns < from_ns + MS(PATIENCE_MS));
		assert_true(world_step(world));
	}
	return world->stage.now_ns - from_ns;
}

static uint64_t heartbeat_ns(const struct world *world)
{
	return world->options.server.paxos.heartbeat_ns;
}

static void transfer(struct world *world, unsigned at, int to)
{
	(void)server_transfer(&world->servers[at], &world->stage, to);
}

static void test_handover_under_load_fails_no_request(void **state)
{
	unsigned leader;
	struct world *world = story_begin(5, PAXOS_MEMORY, &leader);
	uint64_t numbers[LOAD];

	(void)state;
	for (unsigned i = 0; i < LOAD; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "%s %u", i % 4 == 3 ? "get" : "set", i % 8);
		numbers[i] = world_say(world, i % 2, text);
		world_run(world, MS(1) / 4);
		if (i % 8 == 7) {
			transfer(world, (unsigned)world_leader(world), PAXOS_NOBODY);
			(void)until_other_leads(world, (unsigned)world_leader(world));
		}
	}
	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	for (unsigned i = 0; i < LOAD; i++) {
		/* Refused is an answer, too: another client was faster. */
		assert_in_range(world_operation(world, numbers[i])->outcome, CLIENT_DONE,
		                CLIENT_REFUSED);
	}
	story_end(world);
}

static void test_handover_waits_for_no_lease_again_and_again(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);

	(void)state;
	for (unsigned i = 1; i <= 4; i++) {
		const unsigned to = (leader + 1 + i % 2) % 3;

		world_run(world, heartbeat_ns(world));
		transfer(world, leader, (int)to);
		assert_int_equal(world_status(world, leader).lease_end_ns, 0);
		assert_true(until_other_leads(world, leader) < heartbeat_ns(world));
		assert_int_equal(world_leader(world), to);
		leader = to;
	}
	story_end(world);
}

static void test_handover_may_be_asked_for_at_any_server(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned to = (leader + 2) % 3;

	(void)state;
	assert_int_equal(server_transfer(&world->servers[(leader + 1) % 3], &world->stage, (int)to),
	                 PAXOS_TRANSFER_PASSED_ON);
	assert_true(until_other_leads(world, leader) < heartbeat_ns(world));
	assert_int_equal(world_leader(world), to);
	assert_int_equal(server_transfer(&world->servers[leader], &world->stage, (int)to),
	                 PAXOS_TRANSFER_LEADS);
	assert_int_equal(server_transfer(&world->servers[to], &world->stage, 3),
	                 PAXOS_TRANSFER_NO_MEMBER);
	story_end(world);
}

static void test_lost_handover_leaves_the_leader_with_a_higher_ballot(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned to = (leader + 1) % 3;
	const uint64_t round = world_status(world, leader).promised.round;

	(void)state;
	world_isolate(world, to);
	/* So fresh that it still counts as connected. */
	assert_int_equal(server_transfer(&world->servers[leader], &world->stage, (int)to),
	                 PAXOS_TRANSFER_BEGUN);
	assert_true(world_does(world, 0, "set 3", world->options.server.paxos.suspicion_ns));
	assert_int_equal(world_leader(world), leader);
	assert_true(world_status(world, leader).promised.round > round);
	/* By now it is known to be away. */
	assert_int_equal(server_transfer(&world->servers[leader], &world->stage, (int)to),
	                 PAXOS_TRANSFER_NOT_LEVEL);
	story_end(world);
}

static void test_late_command_to_stand_disturbs_nobody(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned to = (leader + 1) % 3;
	uint64_t round;

	(void)state;
	world->stage.net.links[leader][to].slow_ns = MS(300);
	transfer(world, leader, (int)to);
	world_run(world, MS(250));
	assert_int_equal(world_leader(world), leader);
	round = world_status(world, leader).promised.round;
	world->stage.net.links[leader][to].slow_ns = 0;
	world_run(world, MS(500));
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	story_end(world);
}

static void test_resigned_leader_is_replaced_at_once(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);

	(void)state;
	server_resign(&world->servers[leader], &world->stage);
	assert_true(until_other_leads(world, leader) < heartbeat_ns(world));
	world_restart(world, leader);
	story_end(world);
}

static void test_crash_that_is_told_needs_no_time_out(void **state)
{
	for (unsigned servers = 3; servers <= 7; servers += 2) {
		unsigned leader;
		struct world *world = story_begin(servers, PAXOS_MEMORY, &leader);

		(void)state;
		world_crash(world, leader);
		server_report(&world->servers[leader], &world->stage);
		assert_true(until_other_leads(world, leader) < 2 * heartbeat_ns(world));
		world_restart(world, leader);
		story_end(world);
	}
}

static void test_crash_of_server_and_supervisor_is_found_out_by_silence(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);

	(void)state;
	world_crash(world, leader);
	assert_true(until_other_leads(world, leader) >= MS(60));
	world_restart(world, leader);
	story_end(world);
}

static void test_note_that_one_follower_alone_hears_is_enough(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const unsigned deaf = (leader + 1) % 3;

	(void)state;
	world_cut(world, WORLD_SERVER(leader), WORLD_SERVER(deaf));
	world_crash(world, leader);
	server_report(&world->servers[leader], &world->stage);
	/* It stands second, since the first should have heard it, too. */
	assert_true(until_other_leads(world, leader) < 3 * heartbeat_ns(world));
	assert_int_equal(world_leader(world), (leader + 2) % 3);
	world_restart(world, leader);
	story_end(world);
}

static void test_note_told_twice_or_late_does_no_harm(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);
	uint64_t round;

	(void)state;
	world_crash(world, leader);
	server_report(&world->servers[leader], &world->stage);
	server_report(&world->servers[leader], &world->stage);
	(void)until_other_leads(world, leader);
	server_report(&world->servers[leader], &world->stage);
	world_restart(world, leader);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	/* It leads again, in a new start: notes of the old one are nothing to it. */
	transfer(world, (unsigned)world_leader(world), (int)leader);
	(void)until_other_leads(world, (unsigned)world_leader(world));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_equal(world_leader(world), leader);
	round = world_status(world, leader).promised.round;
	server_report(&world->servers[leader], &world->stage);
	world_run(world, MS(500));
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	story_end(world);
}

static void test_false_note_changes_nothing(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_MEMORY, &leader);
	const uint64_t round = world_status(world, leader).promised.round;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		server_slander(&world->servers[leader], &world->stage);
		world_run(world, MS(20));
	}
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	assert_int_equal(world_status(world, (leader + 1) % 3).drops[PAXOS_DROP_NOTE], 10);
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handover_under_load_fails_no_request),
		cmocka_unit_test(test_handover_waits_for_no_lease_again_and_again),
		cmocka_unit_test(test_handover_may_be_asked_for_at_any_server),
		cmocka_unit_test(test_lost_handover_leaves_the_leader_with_a_higher_ballot),
		cmocka_unit_test(test_late_command_to_stand_disturbs_nobody),
		cmocka_unit_test(test_resigned_leader_is_replaced_at_once),
		cmocka_unit_test(test_crash_that_is_told_needs_no_time_out),
		cmocka_unit_test(test_crash_of_server_and_supervisor_is_found_out_by_silence),
		cmocka_unit_test(test_note_that_one_follower_alone_hears_is_enough),
		cmocka_unit_test(test_note_told_twice_or_late_does_no_harm),
		cmocka_unit_test(test_false_note_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
