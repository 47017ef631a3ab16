/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshots.h - where snapshots are cut, whether they are alike, what they let the journal forget
 *
 *      applied bytes cross a multiple of config.snapshot_bytes at entry i
 *        -> the batch ends at i, its root is published and pinned -> PAXOS_EFFECT_SNAPSHOT
 *        -> snapshot_done(i, digest) -> told with each heartbeat
 *        -> a majority has one at i or later -> BASE -> durable -> PAXOS_EFFECT_FORGET
 *
 * The bytes are replicated state, so every server cuts at the same entries; one at a time: a point
 * that is reached while the last one is still being written is left out.
 *
 * Two digests of one index must be equal. A server whose digest a majority contradicts ends.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/snapshot.h"

enum {
	PAXOS_DIGESTS_MAX = 8
};

struct paxos_snapshots {
	struct store_snapshot *open; /* with the shell */
	struct {
		uint64_t index;
		struct store_digest digest;
	} digests[PAXOS_DIGESTS_MAX]; /* the last ones of ours, by turns */
	unsigned next;
	uint64_t base_index;                 /* that the last BASE speaks of */
	uint64_t forget_record, forget_from; /* FORGET is due when the record is durable */
	uint64_t forgot;                     /* told last */
};

/* True if the entry applied just now ends the batch here. `before`: store_log_bytes() before it. */
bool paxos_snapshots_is_due(const struct paxos_core *core, const struct paxos_snapshots *snapshots,
                            uint64_t before);

/* Cuts a snapshot of the published root. */
void paxos_snapshots_cut(struct paxos_core *core, struct paxos_snapshots *snapshots);

/* A snapshot of ours at `index` is durable. */
void paxos_snapshots_kept(struct paxos_core *core, struct paxos_snapshots *snapshots,
                          uint64_t index, const struct store_digest *digest);

/* A heartbeat told a member's newest one. */
void paxos_snapshots_heard(struct paxos_core *core, const struct paxos_snapshots *snapshots,
                           const struct paxos_msg *msg);

/* Records a BASE if one is due. `staging`: an intake is under way. */
void paxos_snapshots_tick(struct paxos_core *core, struct paxos_snapshots *snapshots, bool staging);

/* The journal has got further. */
void paxos_snapshots_durable(struct paxos_core *core, struct paxos_snapshots *snapshots);
