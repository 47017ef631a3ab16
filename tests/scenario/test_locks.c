/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a lock is given once, in turn, and never while somebody may still count on it, whatever
 *         comes over its holder, those who wait, the leader and the network.
 * Method: three servers and three lockers (tests/sim/locker.h) that do what the story says. Who
 *         holds and waits is held against the plain model after each entry, and what lockers count
 *         on against who holds; here is only what is special to a story.
 */
#include "tests/scenario/story.h"

enum {
	LOCKERS = 3,
	TTL_MS = 300,
	ROUNDS = 30,
};

static struct world *begin_with(unsigned lockers, unsigned *ret_leader,
                                const struct net_options *net)
{
	struct world_options options;

	world_options_default(&options);
	options.locker.lockers = lockers;
	options.locker.client.ttl_ms = TTL_MS;
	options.locker.work_ns = MS(2);
	if (net != NULL) {
		options.net = *net;
	}
	return story_start(&options, ret_leader);
}

static struct world *begin(unsigned *ret_leader, const struct net_options *net)
{
	return begin_with(LOCKERS, ret_leader, net);
}

static struct locker *locker_of(struct world *world, unsigned i)
{
	return &world->lockers[i];
}

static void until(struct world *world, unsigned i, enum locker_state state)
{
	const uint64_t end_ns = world->stage.now_ns + MS(PATIENCE_MS);

	while (locker_of(world, i)->state != state) {
		assert_true(world->stage.now_ns < end_ns);
		assert_true(world_step(world));
	}
}

static void take_of(struct world *world, unsigned i, unsigned lock, uint32_t delay_ms,
                    enum locker_state state)
{
	locker_take(locker_of(world, i), &world->stage, lock, delay_ms);
	until(world, i, state);
}

static void take(struct world *world, unsigned i, uint32_t delay_ms, enum locker_state state)
{
	take_of(world, i, 0, delay_ms, state);
}

static void give(struct world *world, unsigned i)
{
	locker_give(locker_of(world, i), &world->stage);
	until(world, i, LOCKER_IDLE);
}

static void end(struct world *world)
{
	const struct oracle_claim *claims;

	assert_int_equal(oracle_claims(world->stage.checker.oracle, &claims), 0);
	story_end(world);
}

static uint32_t end_point(const struct world *world, unsigned i)
{
	return WORLD_CLIENT(world->options.locker.first + i);
}

/* Another server leads and decides. */
static void crash_leader(struct world *world, unsigned leader)
{
	world_crash(world, leader);
	while (world_leader(world) < 0 || world_leader(world) == (int)leader) {
		assert_true(world_step(world));
	}
}

static void test_one_that_died_waiting_is_passed_over_or_passes_it_on(void **state)
{
	unsigned leader;
	struct world *world = begin(&leader, NULL);

	(void)state;
	take(world, 0, 0, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	take(world, 2, 0, LOCKER_WAITING);
	/* Given to one that is dead: the next has it when that session has ended. */
	locker_die(locker_of(world, 1), &world->stage);
	give(world, 0);
	until(world, 2, LOCKER_HOLDING);
	/* Dead for long: its place is gone. */
	take(world, 0, 0, LOCKER_WAITING);
	locker_die(locker_of(world, 0), &world->stage);
	world_run(world, MS(2 * TTL_MS));
	give(world, 2);
	end(world);
}

static void test_holder_that_was_frozen_is_fenced_off(void **state)
{
	unsigned leader;
	struct world *world = begin(&leader, NULL);
	struct vault *vault = &world->stage.checker.vault;
	store_rev_t token;

	(void)state;
	take(world, 0, 0, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	token = locker_of(world, 0)->token;
	assert_true(locker_is_sure(locker_of(world, 0), world->stage.now_ns));
	locker_freeze(locker_of(world, 0), &world->stage, MS(3 * TTL_MS));
	until(world, 1, LOCKER_HOLDING);
	/* It still thinks that it holds the lock; what it may count on is over. */
	assert_true(locker_of(world, 0)->token == token);
	assert_int_equal(locker_of(world, 0)->state, LOCKER_HOLDING);
	assert_false(locker_is_sure(locker_of(world, 0), world->stage.now_ns));
	locker_write(locker_of(world, 1), &world->stage);
	vault_act(vault, world->stage.now_ns, 0, locker_of(world, 1)->token);
	world_run(world, MS(4 * TTL_MS));
	assert_int_equal(vault->accepted, 1);
	assert_int_equal(vault->refused, 1);
	assert_int_equal(vault->guarded, 1);
	assert_int_equal(locker_of(world, 0)->lost, 1);
	give(world, 1);
	end(world);
}

static void test_write_under_a_token_of_the_past_has_no_effect(void **state)
{
	unsigned leader;
	struct world *world = begin(&leader, NULL);

	(void)state;
	take(world, 0, 0, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	/* The write is on its way, and comes when an operator has made the lock another's. */
	world_cut(world, end_point(world, 0), story_servers(world));
	locker_write(locker_of(world, 0), &world->stage);
	locker_break(locker_of(world, 2), &world->stage, 0);
	until(world, 1, LOCKER_HOLDING);
	world_heal(world);
	until(world, 0, LOCKER_IDLE);
	assert_int_equal(locker_of(world, 0)->lost, 0);
	assert_int_equal(world->stage.checker.vault.guarded, 0);
	give(world, 1);
	end(world);
}

static void test_new_leader_counts_the_times_to_live_afresh(void **state)
{
	unsigned leader;
	struct world *world = begin(&leader, NULL);
	uint64_t leads_ns;

	(void)state;
	take(world, 0, 0, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	/* The holder is cut off, and nearly over when the leader is gone. */
	world_cut(world, end_point(world, 0), story_servers(world));
	world_run(world, MS(TTL_MS * 3 / 4));
	crash_leader(world, leader);
	leads_ns = world->stage.now_ns;
	until(world, 1, LOCKER_HOLDING);
	assert_true(world->stage.now_ns >= leads_ns + MS(TTL_MS));
	assert_true(world->stage.now_ns < leads_ns + MS(2 * TTL_MS));
	world_restart(world, leader);
	world_heal(world);
	give(world, 1);
	end(world);
}

static void test_requests_that_the_network_doubles_lock_once(void **state)
{
	const struct net_options bad = {.delay_min_ns = US(5),
	                                .delay_mean_ns = US(200),
	                                .loss_ppm = 200000,
	                                .duplicate_ppm = 500000,
	                                .late_ppm = 100000,
	                                .late_ns = MS(40)};
	unsigned leader;
	struct world *world = begin(&leader, &bad);
	const struct vault *vault = &world->stage.checker.vault;
	store_rev_t token = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct oracle_claim *claims;

		take(world, i % LOCKERS, 0, LOCKER_HOLDING);
		assert_true(locker_of(world, i % LOCKERS)->token > token);
		token = locker_of(world, i % LOCKERS)->token;
		assert_int_equal(oracle_claims(world->stage.checker.oracle, &claims), 1);
		assert_int_equal(claims[0].count, 1);
		give(world, i % LOCKERS);
	}
	assert_int_equal(vault->granted, ROUNDS);
	assert_true(world_status(world, leader).duplicates > 0);
	end(world);
}

static void test_those_who_wait_are_not_forgotten_by_a_new_leader(void **state)
{
	unsigned leader;
	struct world *world = begin(&leader, NULL);

	(void)state;
	take(world, 0, 0, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	take(world, 2, 0, LOCKER_WAITING);
	for (unsigned i = 1; i < LOCKERS; i++) {
		crash_leader(world, leader);
		assert_int_equal(locker_of(world, i)->state, LOCKER_WAITING);
		give(world, i - 1);
		until(world, i, LOCKER_HOLDING);
		world_restart(world, leader);
		assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
		leader = (unsigned)world_leader(world);
	}
	give(world, 2);
	end(world);
}

static void test_lock_rests_for_its_delay_whoever_leads(void **state)
{
	enum {
		DELAY_MS = 800
	};
	unsigned leader;
	struct world *world = begin(&leader, NULL);
	const struct vault *vault = &world->stage.checker.vault;
	uint64_t death_ns;

	(void)state;
	take(world, 0, DELAY_MS, LOCKER_HOLDING);
	take(world, 1, 0, LOCKER_WAITING);
	locker_die(locker_of(world, 0), &world->stage);
	while (vault->died == 0) {
		assert_true(world_step(world));
	}
	death_ns = world->stage.now_ns;
	world_run(world, MS(DELAY_MS / 4));
	crash_leader(world, leader);
	assert_int_equal(locker_of(world, 1)->state, LOCKER_WAITING);
	until(world, 1, LOCKER_HOLDING);
	/* Clocks may go quicker than true time, by a thousandth; time stands while nobody leads. */
	assert_true(world->stage.now_ns >= death_ns + MS(DELAY_MS) - MS(DELAY_MS) / 900);
	assert_true(world->stage.now_ns < death_ns + MS(2 * DELAY_MS));
	assert_int_equal(vault->rested, 1);
	world_restart(world, leader);
	give(world, 1);
	end(world);
}

/* An entry grants two; the leader dies before it could go on. */
static void test_those_who_could_share_it_are_not_forgotten_by_a_new_leader(void **state)
{
	enum {
		MANY = 9,
		EXCLUSIVE = 0, /* and each fourth after it; the others share */
		SHARED = VAULT_LOCKS - 1,
	};
	unsigned leader;
	struct world *world = begin_with(MANY, &leader, NULL);
	const struct checker *checker = &world->stage.checker;
	struct slice path;

	(void)state;
	take_of(world, EXCLUSIVE, SHARED, 0, LOCKER_HOLDING);
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 4 != EXCLUSIVE) {
			take_of(world, i, SHARED, 0, LOCKER_WAITING);
		}
	}
	locker_give(locker_of(world, EXCLUSIVE), &world->stage);
	while (!store_passing_next(checker->store, &path)) {
		assert_true(world_step(world));
	}
	crash_leader(world, leader);
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 4 != EXCLUSIVE) {
			until(world, i, LOCKER_HOLDING);
		}
	}
	assert_false(store_passing_next(checker->store, &path));
	assert_int_equal(checker->vault.steps, 1);
	world_restart(world, leader);
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 4 != EXCLUSIVE) {
			give(world, i);
		}
	}
	end(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_died_waiting_is_passed_over_or_passes_it_on),
		cmocka_unit_test(test_holder_that_was_frozen_is_fenced_off),
		cmocka_unit_test(test_write_under_a_token_of_the_past_has_no_effect),
		cmocka_unit_test(test_new_leader_counts_the_times_to_live_afresh),
		cmocka_unit_test(test_requests_that_the_network_doubles_lock_once),
		cmocka_unit_test(test_those_who_wait_are_not_forgotten_by_a_new_leader),
		cmocka_unit_test(test_lock_rests_for_its_delay_whoever_leads),
		cmocka_unit_test(test_those_who_could_share_it_are_not_forgotten_by_a_new_leader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
