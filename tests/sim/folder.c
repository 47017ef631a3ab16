/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/folder.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/snapshot.h"

void folder_init(struct folder *folder)
{
	memset(folder, 0, sizeof(*folder));
	disk_init(&folder->disk);
}

static void drop_saved(struct folder *folder)
{
	if (folder->has_saved) {
		disk_deinit(&folder->saved);
		folder->has_saved = false;
	}
}

void folder_deinit(struct folder *folder)
{
	drop_saved(folder);
	disk_deinit(&folder->disk);
}

void folder_run(struct folder *folder)
{
	folder->writing = NULL;
	folder->is_written = false;
	folder->durable_told = folder->disk.durable;
	folder->troubles = folder->disk.held == UINT64_MAX ? 0 : PAXOS_DISK_FULL;
	folder->troubles_told = 0;
	folder->fails_next = false;
	folder->end = 0;
	folder->hurt_since_start = false;
}

void folder_set_aside(struct folder *folder)
{
	disk_format(&folder->disk);
	drop_saved(folder);
	folder->is_rejoining = true;
	folder->is_lost = false;
	folder->is_rolled_back = false;
	folder->is_retold = false;
	folder->is_hurt = false;
	folder->counts.set_aside++;
}

/* --- reading back ---------------------------------------------------------------------------- */

static bool load_snapshot(struct folder *folder, struct paxos_replica *replica, struct store *store)
{
	const struct disk_snapshot *snapshot = disk_newest(&folder->disk);
	struct store_restore *restore;

	if (snapshot == NULL) {
		return true;
	}
	must(store_restore_begin(store, &restore) == 0);
	must(store_restore_feed(restore, slice_make(snapshot->bytes, snapshot->size)) == 0);
	must(store_restore_end(store, restore) == 0);
	must(store_applied(store) == snapshot->index);
	folder->counts.snapshot_starts++;
	return paxos_replica_recover_snapshot(replica, &snapshot->digest) == 0;
}

static bool read_frame(struct folder *folder, struct paxos_replica *replica,
                       const struct disk_frame *frame)
{
	if (frame->is_bad) {
		folder->counts.lost_frames++;
		return !frame->copy_is_bad &&
		       paxos_replica_recover_lost(replica, frame->first, frame->last,
		                                  &frame->mark) == 0;
	}
	for (uint64_t number = frame->first; number <= frame->last; number++) {
		if (paxos_replica_recover(replica, number, disk_record(&folder->disk, number)) !=
		    0) {
			return false;
		}
	}
	return true;
}

bool folder_recover(struct folder *folder, struct stage *stage, unsigned node,
                    struct paxos_replica *replica, struct store *store)
{
	bool is_good = load_snapshot(folder, replica, store);

	for (size_t i = 0; i < folder->disk.frame_count && is_good; i++) {
		is_good = read_frame(folder, replica, &folder->disk.frames[i]);
	}
	is_good = is_good && paxos_replica_recover_end(replica) == 0;
	if (!is_good && !folder->disk.is_hurt) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u does not understand its disk, records from %llu on", node,
		            (unsigned long long)folder->disk.base);
	}
	return is_good;
}

/* --- a turn ---------------------------------------------------------------------------------- */

/* All of it, as a file has it. */
static void write_snapshot(struct folder *folder, struct stage *stage, unsigned node,
                           struct paxos_replica *replica, uint64_t local_ns)
{
	const uint64_t index = store_snapshot_index(folder->writing);
	struct store_digest digest;
	uint8_t *bytes = NULL;
	size_t size = 0, room = 0;

	do {
		room += 256 * 1024;
		bytes = realloc(bytes, room);
		must(bytes != NULL);
		size += store_snapshot_read(folder->writing, bytes + size, room - size);
	} while (size == room);
	memcpy(&digest, bytes + size - sizeof(digest), sizeof(digest));
	checker_snapshot(&stage->checker, stage->now_ns, node, index, &digest);
	digest.low ^= folder->lies;
	if (folder->disk.held == UINT64_MAX) {
		disk_keep(&folder->disk, index, slice_make(bytes, size), &digest);
		paxos_replica_snapshot_done(replica, local_ns, folder->writing, &digest);
	} else {
		paxos_replica_snapshot_done(replica, local_ns, folder->writing, NULL);
	}
	free(bytes);
	folder->writing = NULL;
	folder->is_written = false;
}

void folder_tell(struct folder *folder, struct stage *stage, unsigned node,
                 struct paxos_replica *replica, uint64_t local_ns)
{
	if (folder->troubles != folder->troubles_told) {
		folder->troubles_told = folder->troubles;
		paxos_replica_disk(replica, local_ns, folder->troubles);
	}
	if (folder->disk.durable != folder->durable_told) {
		folder->durable_told = folder->disk.durable;
		paxos_replica_durable(replica, local_ns, folder->durable_told);
	}
	if (folder->is_written) {
		write_snapshot(folder, stage, node, replica, local_ns);
	}
}

static void end(struct folder *folder, struct stage *stage, unsigned node, enum paxos_end why)
{
	folder->end = (int)why;
	folder->counts.ends[why]++;
	if (why == PAXOS_END_DIFFERS && !folder->lies) {
		scroll_fail(&stage->scroll, stage->now_ns, "server %u: a majority contradicts it",
		            node);
	}
	if (why == PAXOS_END_ROLLED_BACK && !folder->is_rolled_back) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u is taken for an older copy of itself", node);
	}
	if (why == PAXOS_END_BEYOND_REPAIR && !folder->disk.is_hurt) {
		scroll_fail(&stage->scroll, stage->now_ns,
		            "server %u was never hurt, and cannot be mended", node);
	}
	folder->is_lost = why != PAXOS_END_DISK_FAILED;
}

bool folder_obey(struct folder *folder, struct stage *stage, unsigned node,
                 const struct paxos_effect *effect)
{
	switch (effect->kind) {
	case PAXOS_EFFECT_PERSIST:
		if (!disk_append(&folder->disk, effect->record, effect->bytes, &effect->mark)) {
			scroll_fail(&stage->scroll, stage->now_ns,
			            "server %u: record number %llu does not follow", node,
			            (unsigned long long)effect->record);
		}
		return true;
	case PAXOS_EFFECT_FORGET:
		disk_forget(&folder->disk, effect->record, effect->index);
		return true;
	case PAXOS_EFFECT_SNAPSHOT:
		folder->writing = effect->snapshot;
		return true;
	case PAXOS_EFFECT_END:
		end(folder, stage, node, effect->end);
		return true;
	case PAXOS_EFFECT_SEND:
	case PAXOS_EFFECT_REPLY:
	case PAXOS_EFFECT_PEER:
	case PAXOS_EFFECT_TOLD:
	case PAXOS_EFFECT_TRACE:
	default:
		return false;
	}
}

/* Told again before anybody heard it: it has all that it had. */
static bool is_as_good(const struct folder *folder, const struct paxos_status *status)
{
	const int order = paxos_ballot_compare(status->accepted, folder->gone.accepted);

	return paxos_ballot_compare(status->promised, folder->gone.promised) >= 0 &&
	       (order > 0 || (order == 0 && status->length >= folder->gone.length));
}

void folder_turned(struct folder *folder, const struct paxos_status *status)
{
	const bool is_still = folder->disk.durable == disk_last(&folder->disk);

	if (status->role != PAXOS_OUTSIDER && status->holes == 0 && is_still) {
		folder->is_retold |= folder->is_rolled_back && is_as_good(folder, status);
		folder->is_rejoining = false;
		/* What is bad now was so when it started, and is known again. */
		folder->is_hurt = folder->is_hurt && folder->hurt_since_start;
	}
}

void folder_write_ends(struct folder *folder)
{
	if (folder->fails_next) {
		folder->fails_next = false;
		folder->troubles |= PAXOS_DISK_FAILED;
		folder->counts.failed++;
	} else if ((folder->troubles & PAXOS_DISK_FAILED) == 0) {
		disk_end_write(&folder->disk);
	}
}

bool folder_is_impaired(const struct folder *folder)
{
	return folder->is_rejoining || folder->is_lost || folder->is_rolled_back || folder->is_hurt;
}

void folder_crash(struct folder *folder, struct prng *prng, bool may_hurt)
{
	const uint64_t half = folder->disk.half;

	disk_crash(&folder->disk, prng, may_hurt);
	folder->is_hurt |= folder->disk.half != half;
	folder->hurt_since_start = true;
}

void folder_fill(struct folder *folder, uint64_t spare)
{
	folder->disk.held = spare;
	folder->troubles &= ~(unsigned)PAXOS_DISK_FULL;
	folder->troubles |= spare == UINT64_MAX ? 0 : PAXOS_DISK_FULL;
}

/* --- harm ------------------------------------------------------------------------------------ */

/* A durable frame; not the last one unless it may be. */
static struct disk_frame *any_frame(struct folder *folder, struct prng *prng, bool may_be_last)
{
	struct disk *disk = &folder->disk;
	size_t count = 0;

	while (count < disk->frame_count && disk->frames[count].last <= disk->durable) {
		count++;
	}
	if (!may_be_last && count != 0) {
		count--;
	}
	return count == 0 ? NULL : &disk->frames[prng_below(prng, count)];
}

static bool hurt_frame(struct folder *folder, struct prng *prng, enum folder_hurt hurt)
{
	struct disk_frame *frame = any_frame(folder, prng, hurt != FOLDER_ROT_BOTH);
	struct disk_frame *last = NULL;

	if (frame == NULL) {
		return false;
	}
	if (hurt == FOLDER_STALE || hurt == FOLDER_MISDIRECTED) {
		for (size_t i = 0; i < folder->disk.frame_count; i++) {
			if (folder->disk.frames[i].last <= folder->disk.durable) {
				last = &folder->disk.frames[i];
			}
		}
		frame = hurt == FOLDER_STALE ? last : frame;
	}
	/* Both at once would be two faults in one place: a lie that nobody could tell. */
	if (frame->is_bad || (frame->copy_is_bad && hurt != FOLDER_ROT_COPY) ||
	    (last != NULL && (last->copy_is_bad || last->is_bad))) {
		return false;
	}
	frame->copy_is_bad = hurt == FOLDER_ROT_COPY || hurt == FOLDER_ROT_BOTH;
	frame->is_bad = hurt != FOLDER_ROT_COPY;
	if (last != NULL) {
		last->is_bad = true;
	}
	return true;
}

bool folder_hurt(struct folder *folder, struct prng *prng, enum folder_hurt hurt)
{
	struct disk *disk = &folder->disk;

	if (hurt == FOLDER_ROT_SUPERBLOCK) {
		folder->is_lost = true;
	} else if (hurt == FOLDER_ROT_SNAPSHOT) {
		if (disk->snapshot_count == 0) {
			return false;
		}
		disk->snapshots[disk->snapshot_count - 1].is_bad = true;
	} else if (!hurt_frame(folder, prng, hurt)) {
		return false;
	}
	folder->counts.hurts[hurt]++;
	if (hurt != FOLDER_ROT_COPY) {
		disk->is_hurt = true;
		folder->is_hurt = true;
		folder->hurt_since_start = true;
	}
	return true;
}

void folder_save(struct folder *folder, uint32_t start)
{
	drop_saved(folder);
	disk_copy(&folder->disk, &folder->saved);
	folder->saved_start = start;
	folder->has_saved = true;
}

void folder_roll_back(struct folder *folder)
{
	must(folder->has_saved);
	folder->gone = disk_word(&folder->disk);
	disk_deinit(&folder->disk);
	folder->disk = folder->saved;
	folder->has_saved = false;
	folder->is_rolled_back = true;
	folder->counts.rolled_back++;
}

void folder_lose_tail(struct folder *folder, uint64_t last)
{
	folder->gone = disk_word(&folder->disk);
	disk_cut(&folder->disk, last);
	folder->disk.is_hurt = true; /* what was forgotten may have needed what is gone */
	folder->is_rolled_back = true;
	folder->counts.rolled_back++;
}
