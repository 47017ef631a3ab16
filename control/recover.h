/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * recover.h - brings a replica back from what its data folder holds (mode disk)
 *
 *      newest good snapshot -> store        journal, first reading: what is whole, what is not
 *                                            second: records, and marks in the place of lost ones
 *
 * A folder that cannot be mended by that is set aside, not thrown away:
 *
 *      journal, snapshots  -->  damaged-<start>.<n>/    the server rejoins as a new one
 *
 * Threads: any one, before the replica starts.
 */

#include <stdint.h>

#include "consensus/replica.h"
#include "control/journal.h"
#include "control/reason.h"

/* What was found. */
struct ctl_recovered {
	uint64_t snapshot;           /* its index; 0: none */
	uint64_t snapshots_damaged;  /* newer ones, which were passed over */
	uint64_t records;            /* redone */
	uint64_t records_lost;       /* whose frames are damaged */
	uint64_t frames, frames_bad; /* in all, and those that are corrupt */
	bool torn;                   /* the last write had not ended */
	uint64_t took_ns;
};

/*
 * Opens the journal and redoes what there is; `cluster` is what snapshots must be of. Returns 0
 * and the journal, to be started; -EBADMSG and the sentence: it cannot be mended in place; the
 * replica and its store are of no use then. Or another negative errno and the sentence.
 */
int ctl_recover(struct ctl_journal **ret_journal, const struct ctl_journal_config *config,
                uint64_t cluster, struct paxos_replica *replica, struct store *store,
                struct ctl_recovered *ret_recovered, struct ctl_reason *ret_reason);

/*
 * The same for a folder that nobody uses, and changes nothing there; the replica is for looking at
 * only (status.h, `holes`).
 */
int ctl_recover_look(const struct ctl_journal_config *config, uint64_t cluster,
                     struct paxos_replica *replica, struct store *store,
                     struct ctl_recovered *ret_recovered, struct ctl_reason *ret_reason);

/*
 * Sets journal and snapshots aside, under the number of this start; may be called again after it
 * was cut short. 0, or a negative errno and the sentence.
 */
int ctl_set_aside(const struct ctl_journal_config *config, uint32_t start,
                  struct ctl_reason *ret_reason);
