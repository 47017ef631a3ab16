/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * folder.h - a server's data folder, and the half of the shell that keeps it
 *
 *      PERSIST   -> disk_append, group commit            durable() at the next turn
 *      SNAPSHOT  -> a while later all of it is read      snapshot_done()
 *      FORGET    -> records and snapshots are gone       what is needed later is not there
 *      END       -> the process ends; by the reason the folder is set aside
 *
 * and what can become of it: full, late, failed, rotten, an older copy of itself. It knows whether
 * it has been hurt: a folder that was not and cannot be read back is a failure of the code.
 *
 * Threads: one.
 */

#include "consensus/replica.h"
#include "tests/sim/disk.h"
#include "tests/sim/stage.h"

enum folder_hurt {
	FOLDER_ROT_BODY = 0,   /* of a frame; its header's copy is good */
	FOLDER_ROT_BOTH,       /* of a frame that is not the last one */
	FOLDER_ROT_COPY,       /* harmless alone */
	FOLDER_STALE,          /* the last write never reached its place */
	FOLDER_MISDIRECTED,    /* the last write hit another frame */
	FOLDER_ROT_SNAPSHOT,   /* the newest */
	FOLDER_ROT_SUPERBLOCK, /* all copies */
	FOLDER_HURT_COUNT
};

struct folder_counts {
	uint64_t snapshot_starts; /* recoveries that began with a snapshot */
	uint64_t hurts[FOLDER_HURT_COUNT];
	uint64_t set_aside, lost_frames, rolled_back, failed, ends[PAXOS_END_DISK_FAILED + 1];
};

struct folder {
	struct disk disk;
	bool is_rejoining;   /* new to the cluster, and its joining is not durable */
	bool is_lost;        /* nothing of it is of use: the next start sets it aside */
	bool is_rolled_back; /* an older copy, and not yet found out */
	bool is_retold;      /* one that has all again; what it said before may yet find it out */
	bool is_hurt;        /* and no start has mended it */
	bool hurt_since_start;
	struct disk_word gone; /* what it stood by before it was an older copy */
	bool has_saved;
	struct disk saved; /* an older copy */
	uint32_t saved_start;

	/* of the present run */
	struct store_snapshot *writing; /* lent */
	bool is_written;
	uint64_t durable_told;
	unsigned troubles, troubles_told;
	bool fails_next; /* the next write fails */
	bool lies;       /* its snapshots come out other than they should: memory that fails */
	int end;         /* enum paxos_end; 0: goes on */
	struct folder_counts counts;
};

void folder_init(struct folder *folder);
void folder_deinit(struct folder *folder);

/* A run begins. */
void folder_run(struct folder *folder);

/* An empty folder in the place of one that is of no use. */
void folder_set_aside(struct folder *folder);

/* Reads everything back. False: it is of no use (or, if it was never hurt, the scroll says so). */
bool folder_recover(struct folder *folder, struct stage *stage, unsigned node,
                    struct paxos_replica *replica, struct store *store);

/* Before the tick of a turn: what the slow side has to say. */
void folder_tell(struct folder *folder, struct stage *stage, unsigned node,
                 struct paxos_replica *replica, uint64_t local_ns);

/* PERSIST, FORGET, SNAPSHOT, END. False: it is none of these. */
bool folder_obey(struct folder *folder, struct stage *stage, unsigned node,
                 const struct paxos_effect *effect);

/* After a turn. `status` is of now. */
void folder_turned(struct folder *folder, const struct paxos_status *status);

/* The write under way ends. */
void folder_write_ends(struct folder *folder);

/* The process is gone. `may_hurt`: half a frame may stay. */
void folder_crash(struct folder *folder, struct prng *prng, bool may_hurt);

/* It lacks something of what its server stood by. */
bool folder_is_impaired(const struct folder *folder);

/* The disk is full, but for `spare` bytes; UINT64_MAX: it is not. */
void folder_fill(struct folder *folder, uint64_t spare);

/* Makes something in it bad. False if there is nothing of the kind that could be. */
bool folder_hurt(struct folder *folder, struct prng *prng, enum folder_hurt hurt);

/* Keeps a copy of what is durable; puts it back (the process is down). */
void folder_save(struct folder *folder, uint32_t start);
void folder_roll_back(struct folder *folder);

/* The process is down: what is behind record `last` was durable, and looks torn. */
void folder_lose_tail(struct folder *folder, uint64_t last);
