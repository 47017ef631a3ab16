/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever a disk does, nothing acknowledged is lost, what is unknown is never taken for
 *         empty, and the cluster goes on as long as a majority can: torn, half written, rotten,
 *         stale and misdirected frames, rotten snapshots and superblocks, every folder damaged at
 *         once, an older copy, a full, slow, failing, missing disk, a state that differs.
 * Method: three servers in mode disk that write; one thing happens to a folder; restart.
 */
#include "tests/scenario/story.h"
#include "tests/sim/harm.h"

/* Three servers that have written; snapshots every `snapshot_bytes` of the log (0: none). */
static struct world *begin_beside(unsigned spares, uint64_t snapshot_bytes, unsigned *ret_leader)
{
	struct world_options options;
	struct world *world;

	world_options_default(&options);
	options.spares = spares;
	options.clients = 2;
	options.server.paxos.durability = PAXOS_DISK;
	options.server.paxos.snapshot_bytes = snapshot_bytes;
	world = story_start(&options, ret_leader);
	story_write(world, 30);
	return world;
}

static struct world *begin(uint64_t snapshot_bytes, unsigned *ret_leader)
{
	return begin_beside(0, snapshot_bytes, ret_leader);
}

static struct folder *folder_of(struct world *world, unsigned node)
{
	return &world->servers[node].folder;
}

static void restart(struct world *world, unsigned node)
{
	world_crash(world, node);
	world_restart(world, node);
}

/* A frame that holds entries: its number. */
static size_t frame_with_entries(const struct disk *disk)
{
	for (size_t i = disk->frame_count / 2; i < disk->frame_count; i++) {
		const struct disk_frame *frame = &disk->frames[i];

		if (frame->mark.low < frame->mark.length && frame->last <= disk->durable) {
			return i;
		}
	}
	fail_msg("no frame of entries");
	return 0;
}

static void spoil(struct world *world, unsigned node, size_t frame, bool copy_too)
{
	struct folder *folder = folder_of(world, node);

	folder->disk.frames[frame].is_bad = true;
	folder->disk.frames[frame].copy_is_bad = copy_too;
	folder->disk.is_hurt = true;
	folder->is_hurt = true;
}

static void test_rotten_frame_is_unknown_until_peers_tell(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const unsigned node = (leader + 1) % 3;

	(void)state;
	spoil(world, node, frame_with_entries(&folder_of(world, node)->disk), false);
	world_isolate(world, node);
	restart(world, node);
	world_run(world, MS(1000));
	/* Alone it knows that it does not know: it neither votes nor serves, and drops nothing. */
	assert_true(world_status(world, node).holes >= 1);
	assert_int_equal(world_status(world, node).role, PAXOS_OUTSIDER);
	assert_true(world_status(world, node).length >= 30);
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, node).holes, 0);
	assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_REPAIRED], 1);
	assert_int_equal(folder_of(world, node)->counts.set_aside, 0);
	/* The frame is as bad as it was; what was mended is durable beside it. */
	world_isolate(world, node);
	restart(world, node);
	world_run(world, MS(100));
	assert_int_equal(world_status(world, node).holes, 0);
	story_end(world);
}

static void test_rotten_copy_of_a_header_is_harmless(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const unsigned node = (leader + 1) % 3;

	(void)state;
	assert_true(server_hurt(&world->servers[node], &world->stage, FOLDER_ROT_COPY));
	world_isolate(world, node);
	restart(world, node);
	world_run(world, MS(100));
	/* Nobody had to tell it anything. */
	assert_int_equal(world_status(world, node).holes, 0);
	assert_int_equal(world_status(world, node).role, PAXOS_FOLLOWER);
	story_end(world);
}

static void test_stale_and_misdirected_writes_are_mended(void **state)
{
	static const enum folder_hurt hurts[] = {FOLDER_STALE, FOLDER_MISDIRECTED};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned leader;
		struct world *world = begin(0, &leader);
		const unsigned node = (leader + 1) % 3;

		while (!server_hurt(&world->servers[node], &world->stage, hurts[i])) {
			story_write(world, 1);
		}
		restart(world, node);
		story_end(world);
	}
}

static void test_every_folder_damaged_and_no_entry_on_all(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	struct prng prng;

	(void)state;
	prng_init(&prng, 1);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	for (unsigned tries = 0; !harm_helix(world, &prng); tries++) {
		assert_true(tries < 1000);
	}
	for (unsigned node = 0; node < 3; node++) {
		assert_true(world_status(world, node).holes >= 1);
	}
	assert_true(world_does(world, 0, "get 3", MS(PATIENCE_MS)));
	for (unsigned node = 0; node < 3; node++) {
		assert_int_equal(folder_of(world, node)->counts.set_aside, 0);
	}
	story_end(world);
}

/* In flight when the power goes: nobody was told of it, and nobody may count on it. */
static void test_half_written_frame_that_nobody_else_has(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	struct folder *folder = folder_of(world, leader);

	(void)state;
	world_isolate(world, leader);
	world_open(world, WORLD_SERVER(leader), WORLD_CLIENTS);
	(void)world_say(world, 1, "set 5");
	while (folder->disk.writing == 0) {
		assert_true(world_step(world));
	}
	world_crash(world, leader);
	/* However chance tore it: as if its header's copy had been written. */
	if (folder->disk.torn != 0 && !folder->is_hurt) {
		story_write(world, 3);
	} else {
		spoil(world, leader, folder->disk.frame_count - 1, false);
		story_write(world, 3);
	}
	world_restart(world, leader);
	story_end(world);
}

static void test_frame_and_copy_rotten_sets_the_folder_aside(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const unsigned node = (leader + 1) % 3;
	const uint64_t incarnation = world->servers[node].incarnation;

	(void)state;
	spoil(world, node, frame_with_entries(&folder_of(world, node)->disk) - 1, true);
	restart(world, node);
	assert_int_equal(folder_of(world, node)->counts.set_aside, 1);
	assert_int_equal(world_status(world, node).role, PAXOS_OUTSIDER);
	assert_true(world->servers[node].incarnation > incarnation);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world_status(world, node).traces[PAXOS_TRACE_REJOINED], 1);
	story_end(world);
}

static void test_start_from_a_snapshot_and_a_shortened_journal(void **state)
{
	unsigned leader;
	struct world *world = begin(1000, &leader);

	(void)state;
	story_write(world, 60);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	for (unsigned node = 0; node < 3; node++) {
		assert_true(folder_of(world, node)->disk.base > 1);
		world_crash(world, node);
	}
	for (unsigned node = 0; node < 3; node++) {
		world_restart(world, node);
		assert_int_equal(folder_of(world, node)->counts.snapshot_starts, 1);
	}
	assert_true(world_does(world, 0, "get 3", MS(PATIENCE_MS)));
	story_end(world);
}

static void test_rotten_snapshot_and_rotten_superblock(void **state)
{
	static const enum folder_hurt hurts[] = {FOLDER_ROT_SNAPSHOT, FOLDER_ROT_SUPERBLOCK};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned leader;
		struct world *world = begin(1000, &leader);
		const unsigned node = (leader + 1) % 3;

		story_write(world, 60);
		assert_true(server_hurt(&world->servers[node], &world->stage, hurts[i]));
		restart(world, node);
		story_end(world);
	}
}

static uint64_t duplicates(const struct world *world)
{
	uint64_t sum = 0;

	for (unsigned node = 0; node < 3; node++) {
		sum += world_status(world, node).duplicates;
	}
	return sum;
}

/* Answers are kept in the table of sessions, and that in the snapshots, of which one rots. */
static void test_retry_after_all_start_from_snapshots_has_one_effect(void **state)
{
	unsigned leader;
	struct world *world = begin(1000, &leader);
	uint64_t number, length;

	(void)state;
	assert_true(world_does(world, 1, "count 10", MS(PATIENCE_MS)));
	world_cut_one_way(world, story_servers(world), WORLD_CLIENT(1));
	number = world_say(world, 1, "count 10");
	world_run(world, MS(50));
	length = world_status(world, leader).decided;
	story_write(world, 60);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	for (unsigned node = 0; node < 3; node++) {
		assert_true(disk_newest(&folder_of(world, node)->disk)->index > length);
	}
	assert_true(server_hurt(&world->servers[leader], &world->stage, FOLDER_ROT_SNAPSHOT));
	for (unsigned node = 0; node < 3; node++) {
		world_crash(world, node);
	}
	for (unsigned node = 0; node < 3; node++) {
		world_restart(world, node);
		assert_true(node == leader || folder_of(world, node)->counts.snapshot_starts == 1);
	}
	world_heal(world);
	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	assert_int_equal(world_operation(world, number)->outcome, CLIENT_DONE);
	assert_true(duplicates(world) >= 1);
	assert_true(world_does(world, 1, "count 10", MS(PATIENCE_MS)));
	story_end(world);
}

static void test_older_copy_is_found_out_and_never_counted(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const unsigned node = (leader + 1) % 3, third = (leader + 2) % 3;
	const uint64_t incarnation = world->servers[node].incarnation;

	(void)state;
	assert_true(harm_save(world, node));
	story_write(world, 20);
	world_run(world, MS(100));
	world->stage.harms = true;
	assert_true(harm_roll_back(world, node));
	/* It and the third would be a majority without what it acknowledged. */
	world_isolate(world, leader);
	world_run(world, MS(5));
	assert_true(folder_of(world, node)->is_rolled_back);
	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	world_run(world, MS(500));
	assert_int_equal(folder_of(world, node)->counts.ends[PAXOS_END_ROLLED_BACK], 1);
	assert_true(world->servers[node].incarnation > incarnation);
	assert_int_equal(world_status(world, node).role, PAXOS_OUTSIDER);
	assert_int_equal(world_leader(world), -1);
	assert_true(world_status(world, third).traces[PAXOS_TRACE_ROLLED_BACK] == 1);
	story_end(world);
}

/*
 * The folder is put back as it was `restarts` starts ago, while nobody heard of the server for
 * longer than what was only heard is remembered.
 */
static void older_copy(unsigned restarts, unsigned down_ms)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const unsigned node = (leader + 1) % 3;
	const uint64_t incarnation = world->servers[node].incarnation;

	assert_true(harm_save(world, node));
	for (unsigned i = 0; i < restarts; i++) {
		restart(world, node);
		assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
		story_write(world, 20);
	}
	story_write(world, 20);
	world_run(world, MS(100));
	world->stage.harms = true;
	world_crash(world, node);
	world_run(world, MS(down_ms));
	server_roll_back(&world->servers[node], &world->stage);
	world_isolate(world, leader);
	world_restart(world, node);
	world_run(world, MS(1500));
	assert_int_equal(folder_of(world, node)->counts.ends[PAXOS_END_ROLLED_BACK], 1);
	assert_int_equal(world_leader(world), -1);
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world->servers[node].incarnation > incarnation);
	story_end(world);
}

static void test_older_copy_after_a_long_silence(void **state)
{
	(void)state;
	older_copy(0, 10000);
}

/* Its start has the number of one that was heard. */
static void test_copy_from_before_the_last_start(void **state)
{
	(void)state;
	older_copy(1, 5);
	older_copy(1, 10000);
}

/* Its start has a lower number. */
static void test_copy_from_before_some_starts(void **state)
{
	(void)state;
	older_copy(3, 5);
	older_copy(3, 10000);
}

static enum store_answer answer_to(struct world *world, const char *text)
{
	const uint64_t number = world_say(world, 1, text);

	assert_true(world_until(world, world_is_quiet, MS(PATIENCE_MS)));
	return world_operation(world, number)->answer;
}

static void test_full_disk_refuses_what_grows_and_heals(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);

	(void)state;
	for (unsigned node = 0; node < 3; node++) {
		if (node != leader) {
			server_fill_disk(&world->servers[node], &world->stage, 1 << 20);
		}
	}
	world_run(world, MS(50));
	/* A majority is full; the leader is not. */
	assert_int_equal(answer_to(world, "set 9"), STORE_DISK_FULL);
	assert_int_equal(answer_to(world, "del 3"), STORE_OK);
	server_fill_disk(&world->servers[(leader + 1) % 3], &world->stage, UINT64_MAX);
	world_run(world, MS(50));
	assert_int_equal(answer_to(world, "set 9"), STORE_OK);
	server_fill_disk(&world->servers[leader], &world->stage, 1 << 20);
	assert_int_equal(answer_to(world, "set 8"), STORE_DISK_FULL);
	assert_int_equal(answer_to(world, "get 9"), STORE_OK);
	for (unsigned node = 0; node < 3; node++) {
		server_fill_disk(&world->servers[node], &world->stage, UINT64_MAX);
	}
	assert_int_equal(answer_to(world, "set 8"), STORE_OK);
	story_end(world);
}

static void test_slow_disk_of_the_leader_costs_a_handover(void **state)
{
	static const uint64_t stalls_ms[] = {1000, 30000};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned leader;
		struct world *world = begin(0, &leader);

		world->servers[leader].disk_stall_ns = MS(stalls_ms[i]);
		/* Suspicion is 60 ms: far sooner than the disk, another leads. */
		assert_true(world_does(world, 0, "set 4", MS(500)));
		assert_int_not_equal(world_leader(world), leader);
		assert_true(world_status(world, leader).traces[PAXOS_TRACE_DISK_STALLED] == 1);
		story_write(world, 5);
		server_hurry_disk(&world->servers[leader], &world->stage);
		story_end(world);
	}
}

static void test_slow_disk_of_a_follower_costs_nothing(void **state)
{
	static const uint64_t stalls_ms[] = {1000, 30000};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		unsigned leader;
		struct world *world = begin(0, &leader);
		const unsigned node = (leader + 1) % 3;
		const uint64_t round = world_status(world, leader).promised.round;

		world->servers[node].disk_stall_ns = MS(stalls_ms[i]);
		for (unsigned j = 0; j < 50; j++) {
			assert_true(world_does(world, 0, "set 4", MS(20)));
		}
		world_run(world, MS(500));
		assert_true(folder_of(world, node)->disk.writing != 0);
		assert_int_equal(world_leader(world), leader);
		assert_int_equal(world_status(world, leader).promised.round, round);
		/* It ends by itself, and the server is level again. */
		world_run(world, MS(stalls_ms[i]));
		assert_true(world_until(world, world_agrees, MS(500)));
		story_end(world);
	}
}

/* As on machines that share one disk: to change the leader would help nobody. */
static void all_stall(uint64_t stall_ms)
{
	unsigned leader;
	struct world *world = begin(0, &leader);
	const uint64_t round = world_status(world, leader).promised.round;

	for (unsigned node = 0; node < 3; node++) {
		world->servers[node].disk_stall_ns = MS(stall_ms);
	}
	assert_true(world_does(world, 0, "set 4", MS(stall_ms + 100)));
	assert_int_equal(world_leader(world), leader);
	assert_int_equal(world_status(world, leader).promised.round, round);
	assert_true(world_status(world, leader).traces[PAXOS_TRACE_DISK_STALLED] == 1);
	story_write(world, 5);
	story_end(world);
}

static void test_stall_of_all_disks_changes_no_leader(void **state)
{
	(void)state;
	all_stall(1000);
	all_stall(30000);
}

static void test_failed_write_ends_the_process_and_not_the_cluster(void **state)
{
	unsigned leader;
	struct world *world = begin(0, &leader);

	(void)state;
	assert_true(harm_fail_write(world, leader));
	assert_true(world_does(world, 0, "set 4", MS(500)));
	assert_int_equal(folder_of(world, leader)->counts.ends[PAXOS_END_DISK_FAILED], 1);
	/* Its supervisor starts it again; what was durable still is. */
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(folder_of(world, leader)->counts.set_aside, 0);
	story_end(world);
}

/* Each process finds out anew, and ends; nobody waits for it, and at last another has its place. */
static void test_device_that_is_gone_costs_its_server_alone(void **state)
{
	unsigned leader;
	struct world *world = begin_beside(1, 0, &leader);
	const unsigned node = (leader + 1) % 3;
	const struct paxos_change replace = {.add = 0x8, .remove = WORLD_SERVER(node)};
	const uint64_t round = world_status(world, leader).promised.round;

	(void)state;
	for (unsigned ends = 0; ends < 10; ends++) {
		assert_true(harm_fail_write(world, node));
		for (unsigned i = 0;
		     folder_of(world, node)->counts.ends[PAXOS_END_DISK_FAILED] == ends; i++) {
			assert_true(i < 100);
			assert_true(world_does(world, 0, "set 4", MS(20)));
		}
		world_run(world, MS(20)); /* its supervisor starts it again */
		assert_true(world->servers[node].is_up);
	}
	assert_int_equal(world_status(world, leader).promised.round, round);
	assert_true(harm_fail_write(world, node));
	assert_int_equal(story_ask(world, leader, &replace), PAXOS_CHANGE_DONE);
	assert_int_equal(folder_of(world, node)->counts.set_aside, 0);
	story_end(world);
}

/* Who was formatted, and joined again, is not held to what its former life said, nor that to it. */
static void test_words_of_the_former_life_of_a_new_disk_count_for_nothing(void **state)
{
	struct story_ear ear = {0};
	unsigned leader;
	struct world *world = begin(1000, &leader);
	uint64_t incarnation, dropped;

	(void)state;
	ear.node = (leader + 1) % 3;
	story_listen(world, &ear);
	story_write(world, 10);
	world_run(world, MS(50));
	world->stage.net.filter = NULL;
	assert_true(ear.kept > 10);
	world->stage.harms = true;
	assert_true(harm_format(world, ear.node));
	world_restart(world, ear.node);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	incarnation = world->servers[ear.node].incarnation;
	dropped = story_drops(world, PAXOS_DROP_INCARNATION);
	(void)net_release(&world->stage.net, &world->stage.queue, world->stage.now_ns, 2);
	world_run(world, MS(200));
	assert_true(story_drops(world, PAXOS_DROP_INCARNATION) >= dropped + 2 * ear.kept);
	assert_int_equal(world->servers[ear.node].incarnation, incarnation);
	assert_int_equal(world_leader(world), leader);
	story_end(world);
}

static void test_new_disk_joins_and_the_old_life_is_over(void **state)
{
	unsigned leader;
	struct world *world = begin(1000, &leader);
	const unsigned node = (leader + 1) % 3;

	(void)state;
	story_write(world, 60);
	world->stage.harms = true;
	assert_true(harm_format(world, node));
	story_write(world, 10);
	world_restart(world, node);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(store_member_incarnation(world->servers[node].store, node),
	                 world->servers[node].incarnation);
	/* What it learned it recorded: the next start needs nobody. */
	world_run(world, MS(100));
	world_isolate(world, node);
	restart(world, node);
	world_run(world, MS(100));
	assert_int_equal(world_status(world, node).role, PAXOS_FOLLOWER);
	story_end(world);
}

static void test_state_that_a_majority_contradicts_ends_its_server(void **state)
{
	unsigned leader;
	struct world *world = begin(1000, &leader);
	const unsigned node = (leader + 1) % 3;

	(void)state;
	folder_of(world, node)->lies = true;
	story_write(world, 60);
	world_run(world, MS(100));
	/* It comes back with a new folder, cuts the next snapshot, and ends again. */
	assert_in_range(folder_of(world, node)->counts.ends[PAXOS_END_DIFFERS], 1, 3);
	for (unsigned other = 0; other < 3; other++) {
		if (other != node) {
			assert_int_equal(folder_of(world, other)->counts.ends[PAXOS_END_DIFFERS],
			                 0);
		}
	}
	folder_of(world, node)->lies = false;
	story_end(world);
}

/*
 * A server that lacks entries and was down while the members changed; those who went on have its
 * entries in snapshots alone. It steps into the later configuration, or is told that it is removed.
 */
static void lack_through_a_change(bool is_removed)
{
	unsigned leader;
	struct world *world = begin_beside(1, 1000, &leader);
	const unsigned node = (leader + 1) % 3, other = (leader + 2) % 3;
	const unsigned gone = is_removed ? node : other;
	const struct paxos_change replace = {.add = 8, .remove = 1u << gone};

	while (!server_hurt(&world->servers[node], &world->stage, FOLDER_STALE)) {
		story_write(world, 1);
	}
	world_crash(world, node);
	assert_int_equal(story_ask(world, leader, &replace), PAXOS_CHANGE_DONE);
	story_write(world, 60);
	for (unsigned i = 0; i < 4; i++) {
		if (i != node && i != gone) {
			restart(world, i);
			assert_true(world_status(world, i).log_start > 30);
			assert_true(world_does(world, 0, "set 3", MS(PATIENCE_MS)));
		}
	}
	world_restart(world, node);
	assert_true(world_status(world, node).holes >= 1);
	assert_int_equal(world_status(world, node).configuration, 1);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_int_equal(world->servers[node].is_removed, is_removed);
	assert_int_equal(folder_of(world, node)->counts.set_aside, 0);
	story_end(world);
}

static void test_who_lacks_what_all_forgot_learns_that_it_was_removed(void **state)
{
	(void)state;
	lack_through_a_change(true);
}

static void test_who_lacks_what_all_forgot_goes_on_in_the_next_configuration(void **state)
{
	(void)state;
	lack_through_a_change(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotten_frame_is_unknown_until_peers_tell),
		cmocka_unit_test(test_rotten_copy_of_a_header_is_harmless),
		cmocka_unit_test(test_stale_and_misdirected_writes_are_mended),
		cmocka_unit_test(test_every_folder_damaged_and_no_entry_on_all),
		cmocka_unit_test(test_half_written_frame_that_nobody_else_has),
		cmocka_unit_test(test_frame_and_copy_rotten_sets_the_folder_aside),
		cmocka_unit_test(test_start_from_a_snapshot_and_a_shortened_journal),
		cmocka_unit_test(test_rotten_snapshot_and_rotten_superblock),
		cmocka_unit_test(test_retry_after_all_start_from_snapshots_has_one_effect),
		cmocka_unit_test(test_older_copy_is_found_out_and_never_counted),
		cmocka_unit_test(test_older_copy_after_a_long_silence),
		cmocka_unit_test(test_copy_from_before_the_last_start),
		cmocka_unit_test(test_copy_from_before_some_starts),
		cmocka_unit_test(test_full_disk_refuses_what_grows_and_heals),
		cmocka_unit_test(test_slow_disk_of_the_leader_costs_a_handover),
		cmocka_unit_test(test_slow_disk_of_a_follower_costs_nothing),
		cmocka_unit_test(test_stall_of_all_disks_changes_no_leader),
		cmocka_unit_test(test_failed_write_ends_the_process_and_not_the_cluster),
		cmocka_unit_test(test_device_that_is_gone_costs_its_server_alone),
		cmocka_unit_test(test_words_of_the_former_life_of_a_new_disk_count_for_nothing),
		cmocka_unit_test(test_new_disk_joins_and_the_old_life_is_over),
		cmocka_unit_test(test_state_that_a_majority_contradicts_ends_its_server),
		cmocka_unit_test(test_who_lacks_what_all_forgot_learns_that_it_was_removed),
		cmocka_unit_test(test_who_lacks_what_all_forgot_goes_on_in_the_next_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
