/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the members can be changed by one, by two, by a majority, the leader too, in both modes,
 *         while servers are cut off and crash; who was away learns what he missed; who is removed
 *         is told and ends; what would leave the cluster without a majority is refused (4.1 j).
 * Method: three servers and empty ones beside them; a change is asked of one of them.
 */
#include <string.h>

#include "consensus/quorum.h"
#include "tests/scenario/story.h"

static struct world *begin(unsigned servers, unsigned spares, enum paxos_durability durability,
                           uint64_t promote_ns, unsigned *ret_leader)
{
	struct world_options options;

	world_options_default(&options);
	options.servers = servers;
	options.spares = spares;
	options.clients = 2;
	options.server.paxos.durability = durability;
	options.server.paxos.promote_ns = promote_ns;
	return story_start(&options, ret_leader);
}

static uint32_t learners(const struct world *world)
{
	return store_members(world->stage.checker.store)->learners;
}

static enum paxos_verdict ask_sets(struct world *world, unsigned node, uint32_t add,
                                   uint32_t remove)
{
	const struct paxos_change change = {.add = add, .remove = remove};

	return story_ask(world, node, &change);
}

static unsigned follower_of(unsigned leader)
{
	return (leader + 1) % 3;
}

static void grow_and_shrink(enum paxos_durability durability)
{
	unsigned leader;
	struct world *world = begin(3, 2, durability, 0, &leader);

	assert_int_equal(ask_sets(world, follower_of(leader), 0x18, 0), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0x1f);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(ask_sets(world, 4, 0, 0x3), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0x1c);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world->servers[0].is_removed && world->servers[1].is_removed);
	assert_false(world->servers[0].is_up || world->servers[1].is_up);
	story_end(world);
}

static void test_three_to_five_to_three_in_memory(void **state)
{
	(void)state;
	grow_and_shrink(PAXOS_MEMORY);
}

static void test_three_to_five_to_three_on_disk(void **state)
{
	(void)state;
	grow_and_shrink(PAXOS_DISK);
}

static void test_leader_is_replaced_by_an_empty_machine(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_DISK, 0, &leader);

	(void)state;
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(leader)), PAXOS_CHANGE_DONE);
	assert_non_null(strstr(world->servers[leader].told.text, "no member any more"));
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world->servers[leader].is_removed);
	assert_int_not_equal(world_leader(world), leader);
	story_end(world);
}

static void test_old_leader_leads_on_at_once(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_MEMORY, 0, &leader);
	const unsigned other = follower_of(leader);
	const uint64_t stands = world_status(world, leader).traces[PAXOS_TRACE_STANDS];
	uint64_t unhappy[3];

	(void)state;
	for (unsigned node = 0; node < 3; node++) {
		unhappy[node] = world_status(world, node).traces[PAXOS_TRACE_UNHAPPY];
	}
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(other)), PAXOS_CHANGE_DONE);
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).configuration, 2);
	assert_int_equal(world_status(world, leader).traces[PAXOS_TRACE_STANDS], stands + 1);
	for (unsigned node = 0; node < 3; node++) {
		if (node != other) {
			assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_UNHAPPY],
			                 unhappy[node]);
		}
	}
	story_end(world);
}

static void test_majority_is_replaced(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 2, PAXOS_MEMORY, 0, &leader);
	const uint32_t others = 0x7 & ~paxos_bit(leader);

	(void)state;
	assert_int_equal(ask_sets(world, leader, 0x18, others), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0x18 | paxos_bit(leader));
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	story_end(world);
}

static void test_all_are_replaced(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 3, PAXOS_DISK, 0, &leader);

	(void)state;
	assert_int_equal(ask_sets(world, follower_of(leader), 0x38, 0x7), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0x38);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	story_end(world);
}

static void test_dead_member_is_replaced_and_hears_of_it_when_it_is_back(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_MEMORY, 0, &leader);
	const unsigned dead = follower_of(leader);

	(void)state;
	world_crash(world, dead);
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(dead)), PAXOS_CHANGE_DONE);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	world_restart(world, dead);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world->servers[dead].is_removed);
	story_end(world);
}

/* A machine that was away while two configurations went by. */
static void slept(enum paxos_durability durability, bool crashes)
{
	unsigned leader;
	struct world *world = begin(3, 3, durability, 0, &leader);
	const unsigned node = follower_of(leader);
	const uint32_t others = 0x7 & ~paxos_bit(node);

	if (crashes) {
		world_crash(world, node);
	} else {
		world_isolate(world, node);
	}
	assert_int_equal(ask_sets(world, leader, 0x18, 0), PAXOS_CHANGE_DONE);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_equal(ask_sets(world, 4, 0x20, paxos_bit(3)), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), others | paxos_bit(node) | 0x30);
	if (crashes) {
		world_restart(world, node);
	}
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, node).configuration, 3);
	assert_int_equal(world_status(world, node).role, PAXOS_FOLLOWER);
	story_end(world);
}

static void test_who_slept_through_two_changes_comes_back(void **state)
{
	(void)state;
	slept(PAXOS_DISK, false);
	slept(PAXOS_DISK, true);
	slept(PAXOS_MEMORY, false);
	slept(PAXOS_MEMORY, true);
}

static void test_isolated_leader_serves_nothing_of_the_old_configuration(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 2, PAXOS_MEMORY, 0, &leader);
	const unsigned other = follower_of(leader);

	(void)state;
	assert_int_equal(ask_sets(world, leader, 0x18, 0), PAXOS_CHANGE_DONE);
	world_isolate(world, leader);
	assert_int_equal(ask_sets(world, other, 0, paxos_bit(leader) | 0x10), PAXOS_CHANGE_DONE);
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, leader).configuration, 2);
	assert_true(world_status(world, leader).role != PAXOS_LEADER);
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world->servers[leader].is_removed);
	story_end(world);
}

static void test_change_without_a_live_majority_is_refused_with_the_numbers(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 2, PAXOS_MEMORY, 0, &leader);
	const struct server *server = &world->servers[leader];
	const unsigned dead = follower_of(leader), other = (leader + 2) % 3;

	(void)state;
	world_crash(world, dead);
	world_run(world, MS(50)); /* until the leader knows */
	assert_int_equal(ask_sets(world, leader, 0, paxos_bit(leader) | paxos_bit(other)),
	                 PAXOS_CHANGE_REFUSED);
	assert_non_null(strstr(server->told.text, "1 servers"));
	assert_non_null(strstr(server->told.text, "0 (none) are live and level, and 1 are needed"));
	assert_int_equal(ask_sets(world, leader, 0x8, 0), PAXOS_CHANGE_REFUSED);
	assert_non_null(strstr(server->told.text, "4 servers"));
	assert_non_null(strstr(server->told.text, "--even"));
	assert_int_equal(ask_sets(world, leader, 0, 0x7), PAXOS_CHANGE_REFUSED);
	/* Nothing of it was done but that 4 follows. */
	assert_int_equal(story_voters(world), 0x7);
	world_restart(world, dead);
	story_end(world);
}

static void test_server_that_is_not_there_is_waited_for(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 2, PAXOS_MEMORY, 0, &leader);

	(void)state;
	world_crash(world, 4);
	assert_int_equal(ask_sets(world, leader, 0x18, 0), PAXOS_CHANGE_WAITS);
	assert_non_null(strstr(world->servers[leader].told.text, "server 5 was not heard of"));
	assert_int_equal(story_voters(world), 0x7);
	assert_int_equal(learners(world), 0x18);
	world_restart(world, 4);
	assert_int_equal(ask_sets(world, leader, 0x18, 0), PAXOS_CHANGE_DONE);
	story_end(world);
}

static void test_even_number_if_it_is_wanted(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_DISK, 0, &leader);
	const struct paxos_change grow = {.add = 0x8, .is_even = true};
	const struct paxos_change alone = {.remove = 0xf & ~paxos_bit(leader)};

	(void)state;
	assert_int_equal(story_ask(world, leader, &grow), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0xf);
	assert_int_equal(story_ask(world, leader, &alone), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), paxos_bit(leader));
	assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
	story_end(world);
}

static void test_same_change_asked_of_all_has_one_effect(void **state)
{
	const struct paxos_change change = {.add = 0x18};
	unsigned leader;
	struct world *world = begin(3, 2, PAXOS_MEMORY, 0, &leader);

	(void)state;
	for (unsigned node = 0; node < 3; node++) {
		world_change(world, node, &change, MS(3000));
	}
	world_run(world, MS(1500));
	for (unsigned node = 0; node < 3; node++) {
		assert_int_equal(world->servers[node].told.verdict, PAXOS_CHANGE_DONE);
	}
	assert_int_equal(store_members(world->stage.checker.store)->configuration, 2);
	assert_int_equal(ask_sets(world, 0, 0x18, 0), PAXOS_CHANGE_DONE);
	assert_int_equal(store_members(world->stage.checker.store)->configuration, 2);
	story_end(world);
}

static void test_spare_replaces_the_dead_by_itself(void **state)
{
	const struct paxos_change spare = {.add = 0x8, .as_learners = true};
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_DISK, MS(500), &leader);
	const unsigned dead = follower_of(leader);

	(void)state;
	assert_int_equal(story_ask(world, leader, &spare), PAXOS_CHANGE_DONE);
	assert_int_equal(learners(world), 0x8);
	world_crash(world, dead);
	world_run(world, MS(400));
	assert_int_equal(story_voters(world), 0x7);
	world_run(world, MS(400));
	assert_int_equal(story_voters(world), 0xf & ~paxos_bit(dead));
	assert_int_equal(learners(world), paxos_bit(dead));
	world_restart(world, dead);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, dead).role, PAXOS_OUTSIDER);
	story_end(world);
}

static void test_emptied_machine_takes_the_place_of_its_former_self(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_DISK, 0, &leader);
	const unsigned node = follower_of(leader);

	(void)state;
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(node)), PAXOS_CHANGE_DONE);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	world_wipe(world, node);
	world_restart(world, node);
	assert_int_equal(ask_sets(world, 3, paxos_bit(node), 0x8), PAXOS_CHANGE_DONE);
	assert_int_equal(story_voters(world), 0x7);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	story_end(world);
}

/* Its number is given to another machine; then what it said as a member comes again. */
static bool late_words(uint64_t seed)
{
	struct story_ear ear = {0};
	struct world_options options;
	struct world *world;
	uint64_t former, dropped;
	unsigned leader;

	world_options_default(&options);
	options.seed = seed;
	options.spares = 1;
	options.clients = 2;
	options.server.paxos.durability = PAXOS_DISK;
	world = story_start(&options, &leader);
	ear.node = follower_of(leader);
	former = world->servers[ear.node].incarnation;
	story_listen(world, &ear);
	story_write(world, 3);
	world_run(world, MS(50));
	world->stage.net.filter = NULL;
	assert_true(ear.kept > 10);
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(ear.node)), PAXOS_CHANGE_DONE);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	world_wipe(world, ear.node);
	world_restart(world, ear.node);
	assert_int_equal(ask_sets(world, 3, paxos_bit(ear.node), 0x8), PAXOS_CHANGE_DONE);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world->servers[ear.node].start, 1); /* as the former one */
	dropped = story_drops(world, PAXOS_DROP_INCARNATION);
	(void)net_release(&world->stage.net, &world->stage.queue, world->stage.now_ns, 2);
	world_run(world, MS(100));
	dropped = story_drops(world, PAXOS_DROP_INCARNATION) - dropped;
	assert_int_equal(world->servers[ear.node].start, 1);
	dropped *= former < world->servers[ear.node].incarnation;
	story_end(world);
	return dropped > 0;
}

static void test_late_words_of_who_had_the_number_end_nobody(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		refused += late_words(seed);
	}
	/* Where the former incarnation is lower, it is known as one that is over, and told so. */
	assert_in_range(refused, 1, 7);
}

/* It is a member of a configuration that is over, hears nothing, and calls for an election. */
static void test_removed_server_that_never_hears_of_it_disturbs_nobody(void **state)
{
	static const enum paxos_durability modes[] = {PAXOS_MEMORY, PAXOS_DISK};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct story_ear ear = {0};
		unsigned leader;
		struct world *world = begin(3, 1, modes[i], 0, &leader);
		uint64_t round, since;

		ear.node = follower_of(leader);
		world_cut_one_way(world, WORLD_ALL & ~paxos_bit(ear.node), paxos_bit(ear.node));
		assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(ear.node)),
		                 PAXOS_CHANGE_DONE);
		round = world_status(world, leader).promised.round;
		since = world_status(world, leader).drops[PAXOS_DROP_CONFIGURATION];
		story_listen(world, &ear);
		world_run(world, MS(3000));
		world->stage.net.filter = NULL;
		assert_true(world_status(world, ear.node).configuration == 1);
		assert_true(world_status(world, leader).drops[PAXOS_DROP_CONFIGURATION] > since);
		assert_true(ear.kept > 100);
		story_write(world, 8);
		/* It hears, is told, and ends; what it said comes again, twice. */
		world_heal(world);
		assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
		assert_true(world->servers[ear.node].is_removed);
		(void)net_release(&world->stage.net, &world->stage.queue, world->stage.now_ns, 2);
		world_run(world, MS(500));
		assert_int_equal(world_leader(world), leader);
		assert_int_equal(world_status(world, leader).promised.round, round);
		story_end(world);
	}
}

static struct {
	unsigned old_leader, new_leader;
} duel;

static bool has_new_leader(const struct world *world)
{
	const int leader = world_leader(world);

	if (leader >= 0 && (unsigned)leader != duel.old_leader) {
		duel.new_leader = (unsigned)leader;
		return true;
	}
	return false;
}

static bool both_are_told(const struct world *world)
{
	return world->servers[duel.old_leader].tellings != 0 &&
	       world->servers[duel.new_leader].tellings != 0;
}

/* Who hears the stop-sign of the old leader, beside himself. */
enum hearer {
	NOBODY,
	CUT_OFF, /* one who is cut off with him */
	TELLS,   /* one whose log the new leader takes, with the stop-sign */
};

static void two_leaders_propose(enum paxos_durability durability, enum hearer hearer)
{
	const struct paxos_change learn = {.add = 0x60, .as_learners = true};
	const struct paxos_change grow = {.add = 0x60, .is_even = true};
	struct paxos_change shrink = {.is_even = true};
	unsigned leader;
	struct world *world = begin(5, 2, durability, 0, &leader);
	const unsigned friend = (leader + 1) % 5;
	const uint32_t heard = hearer == NOBODY ? 0 : paxos_bit(friend);
	const uint32_t there = paxos_bit(leader) | heard;
	uint64_t length;

	duel.old_leader = leader;
	assert_int_equal(story_ask(world, leader, &learn), PAXOS_CHANGE_DONE);
	world_run(world, MS(100)); /* until the learners are named and heard */
	length = world_status(world, leader).length;
	world_cut(world, there, 0x7f & ~there);
	/* So fresh that all others still count as connected. */
	world_change(world, leader, &grow, MS(4000));
	world_run(world, MS(5));
	assert_int_equal(world_status(world, leader).length, length + 1);
	assert_int_equal(world_status(world, friend).length, length + (heard != 0));
	if (hearer == TELLS) {
		/* Of those that are left, a majority includes him. */
		world_heal(world);
		world_isolate(world, leader);
		world_isolate(world, (leader + 3) % 5);
	}
	assert_true(world_until(world, has_new_leader, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, leader).configuration, 1);
	shrink.remove = paxos_bit(duel.new_leader == friend ? (leader + 2) % 5 : friend);
	world->servers[leader].tellings = 0;
	world->servers[duel.new_leader].tellings = 0;
	world_change(world, duel.new_leader, &shrink, MS(4000));
	world_run(world, MS(1));
	world_heal(world);
	assert_true(world_until(world, both_are_told, MS(PATIENCE_MS)));
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	/* One is decided, and the other is done from what had become of that. */
	assert_int_equal(world->stage.checker.configurations[2].voters == 0x7f, hearer == TELLS);
	assert_int_equal(world->servers[duel.new_leader].told.verdict, PAXOS_CHANGE_DONE);
	assert_int_equal(world->servers[leader].told.verdict, PAXOS_CHANGE_DONE);
	assert_int_equal(store_members(world->stage.checker.store)->configuration, 3);
	assert_int_equal(story_voters(world), 0x7f & ~shrink.remove);
	story_end(world);
}

static void test_old_and_new_leader_propose_a_change_each(void **state)
{
	(void)state;
	for (enum hearer hearer = NOBODY; hearer <= TELLS; hearer++) {
		two_leaders_propose(PAXOS_MEMORY, hearer);
		two_leaders_propose(PAXOS_DISK, hearer);
	}
}

/* It cannot know: an operator has to end it. */
static void test_who_was_away_while_all_were_replaced_serves_nobody(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 3, PAXOS_DISK, 0, &leader);
	const unsigned node = follower_of(leader);

	(void)state;
	world_crash(world, node);
	assert_int_equal(ask_sets(world, leader, 0x38, 0x7), PAXOS_CHANGE_DONE);
	world_run(world, MS(300));
	world_restart(world, node);
	world_run(world, MS(2000));
	assert_int_equal(world_status(world, node).configuration, 1);
	assert_int_equal(world_status(world, node).role, PAXOS_FOLLOWER);
	assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_STANDS], 0);
	story_end(world);
}

/* Who is behind knows the new members before it knows their names. */
static void test_emptied_machine_is_no_older_copy_to_who_is_behind(void **state)
{
	unsigned leader;
	struct world *world = begin(3, 1, PAXOS_DISK, 0, &leader);
	const unsigned node = follower_of(leader), late = 3 - leader - node;

	(void)state;
	/* Its second life in one place, so that the first one elsewhere has a lower number. */
	world_crash(world, node);
	assert_true(server_hurt(&world->servers[node], &world->stage, FOLDER_ROT_SUPERBLOCK));
	world_restart(world, node);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	world->servers[late].disk_stall_ns = MS(60000);
	assert_int_equal(ask_sets(world, leader, 0x8, paxos_bit(node)), PAXOS_CHANGE_DONE);
	world_run(world, MS(100));
	assert_true(world->servers[node].is_removed);
	world_wipe(world, node);
	world_restart(world, node);
	assert_int_equal(ask_sets(world, leader, paxos_bit(node), 0x8), PAXOS_CHANGE_DONE);
	world_run(world, MS(300));
	assert_false(world_failed(world));
	assert_int_equal(world_status(world, late).configuration, 3);
	assert_true(world_status(world, late).decided < world_status(world, node).decided);
	server_hurry_disk(&world->servers[late], &world->stage);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	story_end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_to_five_to_three_in_memory),
		cmocka_unit_test(test_three_to_five_to_three_on_disk),
		cmocka_unit_test(test_leader_is_replaced_by_an_empty_machine),
		cmocka_unit_test(test_old_leader_leads_on_at_once),
		cmocka_unit_test(test_majority_is_replaced),
		cmocka_unit_test(test_all_are_replaced),
		cmocka_unit_test(test_dead_member_is_replaced_and_hears_of_it_when_it_is_back),
		cmocka_unit_test(test_who_slept_through_two_changes_comes_back),
		cmocka_unit_test(test_isolated_leader_serves_nothing_of_the_old_configuration),
		cmocka_unit_test(test_change_without_a_live_majority_is_refused_with_the_numbers),
		cmocka_unit_test(test_server_that_is_not_there_is_waited_for),
		cmocka_unit_test(test_even_number_if_it_is_wanted),
		cmocka_unit_test(test_same_change_asked_of_all_has_one_effect),
		cmocka_unit_test(test_spare_replaces_the_dead_by_itself),
		cmocka_unit_test(test_emptied_machine_takes_the_place_of_its_former_self),
		cmocka_unit_test(test_late_words_of_who_had_the_number_end_nobody),
		cmocka_unit_test(test_removed_server_that_never_hears_of_it_disturbs_nobody),
		cmocka_unit_test(test_old_and_new_leader_propose_a_change_each),
		cmocka_unit_test(test_emptied_machine_is_no_older_copy_to_who_is_behind),
		cmocka_unit_test(test_who_was_away_while_all_were_replaced_serves_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
