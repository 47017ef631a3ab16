/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tally.h - how much happened in a run, so that nobody takes quiet runs for a proof
 */

#include <stdint.h>
#include <stdio.h>

#include "tests/sim/world.h"

enum tally_kind {
	TALLY_RUNS = 0,
	TALLY_EVENTS,
	TALLY_SIMULATED_MS,
	TALLY_ENTRIES,
	TALLY_OPERATIONS,
	TALLY_DONE,
	TALLY_REFUSED,
	TALLY_UNREACHED,
	TALLY_UNKNOWN,
	TALLY_LEADER_CHANGES,
	TALLY_STANDS,
	TALLY_GAVE_UP,
	TALLY_ABDICATED,
	TALLY_HANDOVERS,
	TALLY_NOTES,
	TALLY_NOTES_REFUSED,
	TALLY_RESTARTS,
	TALLY_CUTS,
	TALLY_LEASE_REFUSALS,
	TALLY_READS_LEASE,
	TALLY_READS_QUORUM,
	TALLY_READS_STALE,
	TALLY_READS_ASIDE,
	TALLY_DUPLICATES,
	TALLY_SNAPSHOTS,
	TALLY_REJOINS,
	TALLY_EXPIRED,
	TALLY_DIGESTS,
	TALLY_PACKETS,
	TALLY_LOST,
	TALLY_CUT_OFF,
	TALLY_DOUBLED,
	TALLY_DAMAGED,
	TALLY_BAD_CRC,
	TALLY_LATE,
	TALLY_OVERRUNS,
	TALLY_OLD_INCARNATIONS,
	TALLY_RESENT,
	TALLY_TORN_TAILS,
	TALLY_LOST_RECORDS,
	TALLY_CHECKPOINTS,
	TALLY_KEPT,
	TALLY_FORGOT,
	TALLY_SNAPSHOT_STARTS,
	TALLY_HALF_FRAMES,
	TALLY_LOST_FRAMES,
	TALLY_MENDED,
	TALLY_BEYOND_REPAIR,
	TALLY_SET_ASIDE,
	TALLY_DISK_REFUSALS,
	TALLY_DISK_STALLS,
	TALLY_DISK_FAILURES,
	TALLY_ROLLED_BACK,
	TALLY_FOUND_OUT,
	TALLY_HELIXES,
	TALLY_DISK_REJOINS,
	TALLY_COUNT
};

struct tally {
	uint64_t counts[TALLY_COUNT];
};

/* What happened in one world. */
void tally_world(const struct world *world, struct tally *ret_tally);

void tally_add(struct tally *sum, const struct tally *tally);
void tally_print(const struct tally *tally, FILE *file);
const char *tally_name(enum tally_kind kind);
