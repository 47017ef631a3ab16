/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/harm.h"

#include "consensus/quorum.h"
#include "consensus/record.h"
#include "store/base/check.h"
#include "tests/sim/chance.h"

static bool is_disk(const struct world *world)
{
	return world->options.server.paxos.durability == PAXOS_DISK;
}

static void fault(struct world *world, unsigned node, enum scroll_fault kind)
{
	scroll_put(&world->stage.scroll, world->stage.now_ns, SCROLL_FAULT, node, kind, 0, 0);
}

bool harm_forbids_crash(const struct world *world)
{
	for (unsigned i = 0; i < world_servers(world); i++) {
		if (world->servers[i].folder.is_rolled_back) {
			return true;
		}
	}
	return false;
}

bool harm_is_hidden(const struct world *world)
{
	for (unsigned i = 0; i < world_servers(world); i++) {
		const struct folder *folder = &world->servers[i].folder;

		if (folder->is_rolled_back && !folder->is_retold) {
			return true;
		}
	}
	return false;
}

static bool may_impair(const struct world *world, unsigned node)
{
	return is_disk(world) && stage_may_impair(&world->stage, node) &&
	       !harm_forbids_crash(world);
}

static uint32_t voters(const struct world *world)
{
	return checker_voters(&world->stage.checker);
}

/* No change is under way, and all who vote are there. Who joins lacks what others have heard. */
static bool is_steady(const struct world *world)
{
	const struct stage *stage = &world->stage;
	const struct store_members *members = store_members(stage->checker.store);
	const uint32_t number = members->configuration == 0 ? 1 : members->configuration;

	for (unsigned i = 0; i < world_servers(world); i++) {
		const struct server *server = &world->servers[i];

		if (stage->checker.server[i].next_voters != 0 ||
		    (paxos_has(voters(world), i) &&
		     (!server->is_up || server_status(server).configuration != number))) {
			return false;
		}
	}
	return stage->now_ns >= stage->changing_ns;
}

bool harm_hurt(struct world *world, struct prng *prng, unsigned node)
{
	const enum folder_hurt hurt = (enum folder_hurt)prng_below(prng, FOLDER_HURT_COUNT);

	return (hurt == FOLDER_ROT_COPY ? is_disk(world) : may_impair(world, node)) &&
	       server_hurt(&world->servers[node], &world->stage, hurt);
}

bool harm_format(struct world *world, unsigned node)
{
	struct server *server = &world->servers[node];

	if (!may_impair(world, node)) {
		return false;
	}
	if (server->is_up) {
		server_crash(server, &world->stage);
	}
	return server_hurt(server, &world->stage, FOLDER_ROT_SUPERBLOCK);
}

bool harm_save(struct world *world, unsigned node)
{
	struct server *server = &world->servers[node];

	if (!is_disk(world) || !server->is_up || server->folder.disk.durable == 0 ||
	    folder_is_impaired(&server->folder)) {
		return false;
	}
	folder_save(&server->folder, server->start);
	return true;
}

/* What a folder holds for sure, as its last frame tells; false if it has none. */
static bool last_mark(const struct disk *disk, struct paxos_mark *ret_mark)
{
	for (size_t i = disk->frame_count; i > 0; i--) {
		if (disk->frames[i - 1].last <= disk->durable) {
			*ret_mark = disk->frames[i - 1].mark;
			return true;
		}
	}
	return false;
}

/* All others that vote live, and heard more of it than `mark` tells. */
static bool would_be_found_out(const struct world *world, unsigned node,
                               const struct paxos_mark *mark)
{
	const struct server *server = &world->servers[node];

	for (unsigned i = 0; paxos_each(voters(world), &i); i++) {
		const struct server *other = &world->servers[i];
		struct paxos_peer_status told;
		int order;

		if (!other->is_up || other->crash_after >= 0 || other->folder.fails_next) {
			return false;
		}
		told = server_status(other).peers[node];
		order = paxos_ballot_compare(told.rank_accepted, mark->accepted);
		if (i != node && (told.incarnation != server->incarnation || order < 0 ||
		                  (order == 0 && told.rank_length <= mark->length))) {
			return false;
		}
	}
	return true;
}

static bool may_lie(const struct world *world, unsigned node)
{
	return is_disk(world) && world->stage.harms && world->stage.impaired == 0 &&
	       paxos_has(voters(world), node) && is_steady(world) &&
	       !world->servers[node].folder.disk.is_hurt;
}

bool harm_lose_tail(struct world *world, unsigned node)
{
	struct server *server = &world->servers[node];
	const struct disk *disk = &server->folder.disk;
	size_t last = disk->frame_count;
	uint64_t record;

	while (last > 0 && disk->frames[last - 1].last > disk->durable) {
		last--;
	}
	if (!may_lie(world, node) || last < 2 ||
	    !would_be_found_out(world, node, &disk->frames[last - 2].mark)) {
		return false;
	}
	record = disk->frames[last - 2].last;
	server_crash(server, &world->stage);
	server_lose_tail(server, &world->stage, record);
	server_start(server, &world->stage, false);
	return true;
}

bool harm_roll_back(struct world *world, unsigned node)
{
	struct server *server = &world->servers[node];
	struct paxos_mark mark;

	if (!may_lie(world, node) || !server->folder.has_saved ||
	    !last_mark(&server->folder.saved, &mark) || !would_be_found_out(world, node, &mark)) {
		return false;
	}
	server_crash(server, &world->stage);
	server_roll_back(server, &world->stage);
	server_start(server, &world->stage, false);
	return true;
}

/* --- the helix ------------------------------------------------------------------------------- */

/* Of what all servers have, the entries of which each may lose some. */
struct common {
	struct paxos_ballot accepted;
	uint64_t from, to;
};

static bool find_common(const struct world *world, struct common *ret_common)
{
	const struct paxos_config *paxos = &world->options.server.paxos;
	/* What led to the present configuration is needed to redo what came later. */
	struct common common = {.to = UINT64_MAX,
	                        .from = store_members(world->stage.checker.store)->since};
	uint64_t length = 0;

	bool is_first = true;

	for (unsigned i = 0; paxos_each(voters(world), &i); i++) {
		const struct server *server = &world->servers[i];
		const struct paxos_status status = server_status(server);
		const struct disk_snapshot *snapshot = disk_newest(&server->folder.disk);
		struct paxos_mark mark;

		if (!last_mark(&server->folder.disk, &mark) ||
		    (!is_first && !paxos_ballot_equal(mark.accepted, common.accepted))) {
			return false;
		}
		is_first = false;
		common.accepted = mark.accepted;
		common.to = status.decided < common.to ? status.decided : common.to;
		length = status.length > length ? status.length : length;
		if (snapshot != NULL && snapshot->index > common.from) {
			common.from = snapshot->index;
		}
	}
	/* What a log may have forgotten for want of room is no common good. */
	if (length > paxos->log_entries / 4 && length - paxos->log_entries / 4 > common.from) {
		common.from = length - paxos->log_entries / 4;
	}
	*ret_common = common;
	return common.from < common.to &&
	       (length - common.from) * (world->options.user.value_max + 256) <
	               paxos->log_bytes / 4;
}

/* A frame of entries alone, all of them in (from, to]. */
static bool is_loss(const struct disk *disk, const struct disk_frame *frame,
                    const struct common *common)
{
	struct paxos_record record;

	if (frame->is_bad || frame->copy_is_bad || frame->mark.low < common->from ||
	    frame->mark.length > common->to || frame->mark.low >= frame->mark.length ||
	    frame->last > disk->durable) {
		return false;
	}
	for (uint64_t number = frame->first; number <= frame->last; number++) {
		if (!paxos_record_decode(disk_record(disk, number), &record) ||
		    record.kind != PAXOS_RECORD_ENTRIES) {
			return false;
		}
	}
	return true;
}

static struct disk_frame *choose_loss(struct disk *disk, struct prng *prng,
                                      const struct common *common)
{
	struct disk_frame *chosen = NULL;
	unsigned seen = 0;

	for (size_t i = 0; i < disk->frame_count; i++) {
		if (is_loss(disk, &disk->frames[i], common) && prng_below(prng, ++seen) == 0) {
			chosen = &disk->frames[i];
		}
	}
	return chosen;
}

bool harm_helix(struct world *world, struct prng *prng)
{
	const uint32_t all = voters(world);
	struct disk_frame *losses[STORE_NODES_MAX];
	struct common common;

	if (!is_disk(world) || world->stage.impaired != 0 || harm_forbids_crash(world) ||
	    !is_steady(world) || !find_common(world, &common)) {
		return false;
	}
	for (unsigned i = 0; paxos_each(all, &i); i++) {
		losses[i] = choose_loss(&world->servers[i].folder.disk, prng, &common);
		if (losses[i] == NULL) {
			return false;
		}
		for (unsigned j = 0; paxos_each(all, &j) && j < i; j++) {
			if (losses[j]->mark.low < losses[i]->mark.length &&
			    losses[i]->mark.low < losses[j]->mark.length) {
				return false;
			}
		}
	}
	for (unsigned i = 0; paxos_each(all, &i); i++) {
		struct folder *folder = &world->servers[i].folder;

		losses[i]->is_bad = true;
		folder->disk.is_hurt = true;
		folder->is_hurt = true;
		world->stage.impaired |= WORLD_SERVER(i);
	}
	for (unsigned i = 0; paxos_each(all, &i); i++) {
		fault(world, i, SCROLL_HURT);
		server_crash(&world->servers[i], &world->stage);
		server_start(&world->servers[i], &world->stage, false);
	}
	world->stage.helixes++;
	return true;
}

/* --- full, and failing ----------------------------------------------------------------------- */

bool harm_fill(struct world *world, struct prng *prng, unsigned node, uint64_t ns)
{
	if (!is_disk(world)) {
		return false;
	}
	server_fill_disk(&world->servers[node], &world->stage, prng_below(prng, 64 << 10));
	queue_put(&world->stage.queue, (struct event){.time_ns = world->stage.now_ns + ns,
	                                              .kind = EVENT_ROOM,
	                                              .node = node});
	return true;
}

bool harm_fail_write(struct world *world, unsigned node)
{
	struct server *server = &world->servers[node];

	if (!is_disk(world) || !server->is_up || harm_forbids_crash(world)) {
		return false;
	}
	fault(world, node, SCROLL_FAIL);
	server->folder.fails_next = true;
	return true;
}
