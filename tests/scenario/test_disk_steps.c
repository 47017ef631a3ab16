/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   at whatever step of a write the power of all goes, disks are full, or one fails and works
 *         again: nothing acknowledged is lost, and what was asked ends.
 * Method: three servers in mode disk that cut snapshots. One world for each event of a write; for
 *         each number of bytes that a full disk still takes; for each write of a server.
 */
#include "consensus/record.h"
#include "tests/scenario/story.h"
#include "tests/sim/harm.h"

enum {
	STEPS_MAX = 400
};

static struct world *begin(uint64_t seed, unsigned *ret_leader)
{
	struct world_options options;
	struct world *world;

	world_options_default(&options);
	options.seed = seed;
	options.clients = 2;
	options.server.paxos.durability = PAXOS_DISK;
	options.server.paxos.snapshot_bytes = 600;
	options.server.paxos.log_entries = 16;
	world = story_start(&options, ret_leader);
	story_write(world, 3);
	return world;
}

/* Torn, written in another order than asked, or not at all: what was in flight. */
static void test_power_of_all_goes_at_each_step_of_writes(void **state)
{
	uint64_t torn = 0, half = 0, lost = 0, acknowledged = 0;
	unsigned steps = 0;

	(void)state;
	for (bool is_over = false; !is_over; steps++) {
		unsigned leader;
		struct world *world = begin(steps + 1, &leader);
		const uint64_t one = world_say(world, 0, "set 3");
		const uint64_t other = world_say(world, 1, "count 10");

		assert_true(steps < STEPS_MAX);
		world->stage.harms = true;
		for (unsigned i = 0; i < steps; i++) {
			assert_true(world_step(world));
		}
		is_over = world_is_quiet(world);
		acknowledged += world_operation(world, one)->is_returned;
		for (unsigned node = 0; node < 3; node++) {
			world_crash(world, node);
			torn += world->servers[node].folder.disk.torn;
			half += world->servers[node].folder.disk.half;
			lost += world->servers[node].folder.disk.lost;
		}
		for (unsigned node = 0; node < 3; node++) {
			world_restart(world, node);
		}
		assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
		assert_int_equal(world_operation(world, one)->outcome, CLIENT_DONE);
		assert_int_equal(world_operation(world, other)->outcome, CLIENT_DONE);
		assert_true(world_does(world, 0, "get 3", MS(PATIENCE_MS)));
		assert_true(world_does(world, 1, "count 10", MS(PATIENCE_MS)));
		story_end(world);
	}
	assert_true(steps > 20 && torn > 5 && half > 5 && lost > 5 && acknowledged > 5);
}

/* What a full disk keeps from being written: a set of kinds of records. */
static unsigned stuck_kinds(const struct world *world)
{
	unsigned kinds = 0;

	for (unsigned node = 0; node < 3; node++) {
		const struct disk *disk = &world->servers[node].folder.disk;
		struct paxos_record record;

		if (disk->writing == 0 && disk->durable < disk_last(disk) &&
		    paxos_record_decode(disk_record(disk, disk->durable + 1), &record)) {
			kinds |= 1u << record.kind;
		}
	}
	return kinds;
}

static void fill(struct world *world, uint32_t set, uint64_t spare)
{
	for (unsigned node = 0; node < 3; node++) {
		if ((set & WORLD_SERVER(node)) != 0) {
			server_fill_disk(&world->servers[node], &world->stage, spare);
		}
	}
}

/*
 * Writes, a leader that dies, and one that comes back, while the disks of those at `places`, by
 * their distance from the leader, take `spare` bytes more. The last of them missed a snapshot.
 */
static unsigned fill_up(uint32_t places, uint64_t spare)
{
	unsigned leader, kinds = 0;
	struct world *world = begin(spare + 1, &leader);
	uint32_t set = 0;

	for (unsigned i = 0; i < 3; i++) {
		set |= (places & 1u << i) != 0 ? WORLD_SERVER((leader + i) % 3) : 0;
	}
	world_isolate(world, (leader + 2) % 3);
	story_write(world, 20);
	fill(world, set, spare);
	world_heal(world);
	(void)world_say(world, 0, "set 3");
	(void)world_say(world, 1, "count 10");
	(void)world_say(world, 0, "del 1");
	world_run(world, MS(10));
	kinds |= stuck_kinds(world);
	world_crash(world, leader);
	(void)world_say(world, 0, "set 5");
	for (unsigned i = 0; i < 20; i++) {
		world_run(world, MS(10));
		kinds |= stuck_kinds(world);
		if (i == 10) {
			world_restart(world, leader);
		}
	}
	fill(world, set, UINT64_MAX);
	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	world_run(world, MS(50)); /* until the leader knows */
	story_write(world, 3);
	for (unsigned node = 0; node < 3; node++) {
		assert_int_equal(world->servers[node].folder.counts.set_aside, 0);
	}
	story_end(world);
	return kinds;
}

static void test_disks_are_full_at_each_record(void **state)
{
	static const uint32_t places[] = {0x1, 0x2, 0x4, 0x7};
	unsigned kinds = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (uint64_t spare = 0; spare < 6000; spare += 60) {
			kinds |= fill_up(places[i], spare);
		}
	}
	/* Each kind of record was the one for which there was no room. */
	assert_int_equal(kinds, (1u << PAXOS_RECORD_COUNT) - (1u << PAXOS_RECORD_PROMISE));
}

/* False if the writes were over before the server began so many. */
static bool fails_at(unsigned place, uint64_t writes)
{
	unsigned leader;
	struct world *world = begin(writes + 1, &leader);
	const unsigned node = (leader + place) % 3;
	struct folder *folder = &world->servers[node].folder;
	const uint64_t at = folder->disk.writes + writes;
	bool fails;

	(void)world_say(world, 0, "set 3");
	(void)world_say(world, 1, "count 10");
	while (folder->disk.writes < at && !world_is_quiet(world)) {
		assert_true(world_step(world));
	}
	fails = !world_is_quiet(world) && harm_fail_write(world, node);
	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	story_write(world, 3);
	assert_int_equal(folder->counts.ends[PAXOS_END_DISK_FAILED], fails);
	assert_int_equal(folder->counts.set_aside, 0);
	story_end(world);
	return fails;
}

/* The device works again for the next process. */
static void test_each_write_fails_once(void **state)
{
	(void)state;
	for (unsigned place = 0; place < 2; place++) {
		uint64_t writes = 0;

		while (fails_at(place, writes)) {
			writes++;
			assert_true(writes < STEPS_MAX);
		}
		assert_true(writes >= 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_of_all_goes_at_each_step_of_writes),
		cmocka_unit_test(test_disks_are_full_at_each_record),
		cmocka_unit_test(test_each_write_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
