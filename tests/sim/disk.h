/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * disk.h - a folder with a journal and snapshots: late, torn by a crash, rotten, forgetful
 *
 *      | forgotten | frame frame frame ... durable | being written | gathers |
 *
 * A write is a few frames of records, one write at a time (group commit). Each frame has a header
 * with a mark, and a copy of the header elsewhere:
 *
 *      frame    copy     what the one who reads it back knows
 *      good     any      its records
 *      bad      good     that there were records, and their mark: lost (replica.h)
 *      bad      bad      nothing: at the end a torn tail, never acknowledged; else the folder is
 *                        of no use
 *
 * A crash keeps what is durable, and of the frames being written a prefix that chance draws. The
 * next one is torn: gone, or (it was written in any order) bad while its copy is good.
 *
 * With the last record of a turn the disk keeps what the server stood by when the turn ended, so
 * that a restart can be held to it.
 *
 * Pure but for malloc. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/effect.h"
#include "store/base/prng.h"
#include "store/base/slice.h"
#include "store/store.h"

enum {
	DISK_SNAPSHOTS_MAX = 4
};

/* What a server stands by once a record is durable. */
struct disk_word {
	bool is_given;
	struct paxos_ballot promised, accepted;
	uint64_t length;
};

struct disk_record {
	size_t offset, size; /* in bytes */
	struct paxos_mark mark;
	struct disk_word word;
};

struct disk_frame {
	uint64_t first, last; /* numbers of records */
	struct paxos_mark mark;
	bool is_bad, copy_is_bad;
};

struct disk_snapshot {
	uint64_t index;
	struct store_digest digest;
	uint8_t *bytes; /* owned */
	size_t size;
	bool is_bad;
};

struct disk {
	struct disk_record *records; /* owned; the first is number `base` */
	size_t count, room;
	uint8_t *bytes; /* owned */
	size_t size, bytes_room;
	struct disk_frame *frames; /* owned; all that was ever begun to be written */
	size_t frame_count, frame_room;
	uint64_t base;    /* number of the first record kept */
	uint64_t durable; /* number of the last durable record; 0: none */
	uint64_t writing; /* number of the last record of the write under way; 0: none */
	uint64_t held;    /* full: bytes that may still be written; UINT64_MAX: not full */
	struct disk_snapshot snapshots[DISK_SNAPSHOTS_MAX]; /* oldest first */
	unsigned snapshot_count;
	bool is_hurt;                               /* something in it was made bad */
	uint64_t lost, torn, half, writes, forgets; /* counts */
};

void disk_init(struct disk *disk);
void disk_deinit(struct disk *disk);

/* Another folder with what is durable in this one. Given back to disk_deinit(). */
void disk_copy(const struct disk *disk, struct disk *ret_copy);

/* An empty folder; counts go on. */
void disk_format(struct disk *disk);

/* Takes a record (copied). False: its number does not follow on the last one's. */
bool disk_append(struct disk *disk, uint64_t number, struct slice bytes,
                 const struct paxos_mark *mark);
uint64_t disk_last(const struct disk *disk);

/* What the server stands by when the last record is durable. */
void disk_give_word(struct disk *disk, const struct disk_word *word);

/* True if a write begins; then somebody calls disk_end_write() later. */
bool disk_begin_write(struct disk *disk, struct prng *prng);
void disk_end_write(struct disk *disk);

/* Forgets the records below `number`, and the snapshots below `index`. */
void disk_forget(struct disk *disk, uint64_t number, uint64_t index);

/* Keeps a snapshot (copied). */
void disk_keep(struct disk *disk, uint64_t index, struct slice bytes,
               const struct store_digest *digest);
/* The newest good one, or NULL. */
const struct disk_snapshot *disk_newest(const struct disk *disk);

/* Records behind `last`, the last of a frame, are gone without a trace. */
void disk_cut(struct disk *disk, uint64_t last);

/* `may_hurt`: a torn frame may leave its header's copy behind. */
void disk_crash(struct disk *disk, struct prng *prng, bool may_hurt);

struct slice disk_record(const struct disk *disk, uint64_t number);

/* The word of the last durable record, else what its mark says; not given if there is none. */
struct disk_word disk_word(const struct disk *disk);
