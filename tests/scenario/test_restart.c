/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a server that was away comes back level: from its disk, from a peer's log, from a
 *         peer's snapshot; in mode memory it votes only after its REJOIN was decided (4.1 i).
 * Method: crash, go on without it, restart.
 */
#include "consensus/msg.h"
#include "tests/scenario/story.h"

static void test_disk_all_at_once_and_nothing_is_lost(void **state)
{
	unsigned leader;
	struct world *world = story_begin(3, PAXOS_DISK, &leader);

	(void)state;
	story_write(world, 10);
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
	story_write(world, 3);
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
	story_write(world, 20);
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
	story_write(world, 60);
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world_status(world, node).traces[PAXOS_TRACE_SNAPSHOT_IN] >= 1);
	story_end(world);
}

/* SIGTERM, and a start, of one after the other. A client that asks one who is gone asks again. */
static void restart_in_turn(enum paxos_durability durability)
{
	unsigned leader;
	struct world *world = story_begin(3, durability, &leader);

	for (unsigned turn = 0; turn < 12; turn++) {
		const unsigned node = turn / 2 % 3;

		if (turn % 2 == 0) {
			server_resign(&world->servers[node], &world->stage);
		} else {
			world_restart(world, node);
		}
		for (unsigned i = 0; i < 8; i++) {
			assert_true(world_does(world, 0, "set 4", MS(500)));
			assert_true(world_does(world, 1, "get 4", MS(500)));
		}
		assert_true(turn % 2 == 0 || world_until(world, world_agrees, MS(PATIENCE_MS)));
	}
	for (unsigned node = 0; node < 3; node++) {
		assert_int_equal(world->servers[node].start, 3);
	}
	story_end(world);
}

static void test_all_restarted_in_turn_under_load(void **state)
{
	(void)state;
	restart_in_turn(PAXOS_MEMORY);
	restart_in_turn(PAXOS_DISK);
}

/* Who is who in the story of the void promise. */
struct void_promise {
	unsigned leader, candidate, restarted, helper, behind;
	bool was_asked;
};

/*
 * Only the candidate learns that others are unhappy, so only it stands. One PREPARE reaches the
 * one that will restart; that to the one behind is kept; nobody tells the old leader of it.
 */
static enum net_verdict only_candidate_stands(void *context, uint32_t source, uint32_t target,
                                              struct slice bytes)
{
	struct void_promise *story = context;
	struct paxos_msg msg;

	if (source >= NET_CLIENT || target >= NET_CLIENT ||
	    !paxos_msg_decode(slice_make(bytes.data + STORE_DATAGRAM_HEADER,
	                                 bytes.size - STORE_DATAGRAM_HEADER),
	                      &msg)) {
		return NET_PASS;
	}
	if (msg.kind == PAXOS_MSG_PREPARE && source == story->candidate) {
		if (target == story->restarted && !story->was_asked) {
			story->was_asked = true;
			return NET_PASS;
		}
		return target == story->behind ? NET_KEEP : NET_DROP;
	}
	if (msg.kind == PAXOS_MSG_NACK ||
	    ((msg.flags & PAXOS_FLAG_UNHAPPY) != 0 && target != story->candidate)) {
		return NET_DROP;
	}
	return NET_PASS;
}

static struct void_promise *void_promise;

static bool has_promised(const struct world *world)
{
	return world_status(world, void_promise->restarted).promised.node ==
	       void_promise->candidate;
}

static bool has_rejoined(const struct world *world)
{
	const struct paxos_status leader = world_status(world, void_promise->leader);

	return world_status(world, void_promise->restarted).traces[PAXOS_TRACE_REJOINED] != 0 &&
	       world_status(world, void_promise->restarted).decided == leader.decided &&
	       world_status(world, void_promise->behind).decided == leader.decided;
}

/* "Promises of incarnations older than that log names are void" (4.1 i). */
static void test_memory_promise_of_a_former_life_is_void(void **state)
{
	struct void_promise story = {0};
	struct world_options options;
	struct world *world;

	(void)state;
	world_options_default(&options);
	options.servers = 5;
	options.server.paxos.suspicion_ns = MS(300);
	world = world_new(&options);
	assert_true(world_until(world, world_has_leader, MS(PATIENCE_MS)));
	story.leader = (unsigned)world_leader(world);
	story.candidate = (story.leader + 1) % 5;
	story.restarted = (story.leader + 2) % 5;
	story.helper = (story.leader + 3) % 5;
	story.behind = (story.leader + 4) % 5;
	void_promise = &story;
	story_write(world, 3);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));

	world->stage.net.filter = only_candidate_stands;
	world->stage.net.filter_context = &story;
	world_pause(world, story.leader, MS(340));
	assert_true(world_until(world, has_promised, MS(340)));
	world_crash(world, story.restarted);
	world_restart(world, story.restarted);
	assert_true(world_until(world, has_rejoined, MS(150)));
	assert_int_equal(world_leader(world), story.leader);
	world_cut(world, WORLD_SERVER(story.behind),
	          WORLD_SERVER(story.leader) | WORLD_SERVER(story.restarted) |
	                  WORLD_SERVER(story.helper));
	story_write(world, 1); /* chosen with the new life of the one that promised */
	assert_int_equal(world_status(world, story.candidate).role, PAXOS_CANDIDATE);

	assert_true(net_release(&world->stage.net, &world->stage.queue, world->stage.now_ns, 1) >
	            0);
	world_run(world, MS(20));
	assert_int_equal(world_status(world, story.candidate).role, PAXOS_CANDIDATE);
	assert_int_equal(world_status(world, story.behind).promised.node, story.candidate);
	world->stage.net.filter = NULL;
	net_forget(&world->stage.net);
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disk_all_at_once_and_nothing_is_lost),
		cmocka_unit_test(test_all_restarted_in_turn_under_load),
		cmocka_unit_test(test_memory_votes_only_after_rejoin),
		cmocka_unit_test(test_memory_restarted_leader_does_not_lead_again_by_itself),
		cmocka_unit_test(test_memory_promise_of_a_former_life_is_void),
		cmocka_unit_test(test_follower_catches_up_from_the_log),
		cmocka_unit_test(test_follower_catches_up_from_a_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
