/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * home.h - the data folder of a server, from its first start on
 *
 *      first start    journal (disk), superblock, journal gets its name
 *      every other    superblock counts it
 *      rejoin (disk)  what is damaged set aside, new incarnation, empty journal
 *
 * Whatever these are cut short by, the next start goes on as if it had been before or after: an
 * empty journal is never taken for the one that the superblock's incarnation wrote.
 *
 * Threads: any one.
 */

#include <stdbool.h>

#include "consensus/effect.h"
#include "control/config.h"
#include "control/journal.h"
#include "control/reason.h"
#include "control/superblock.h"

/* How a server starts. */
enum ctl_start {
	CTL_START_AGAIN = 0,   /* as who it was */
	CTL_START_NEW_CLUSTER, /* for the first time, with others that do so, too */
	CTL_START_JOIN,        /* for the first time, into a cluster that runs */
};

struct ctl_home {
	int folder;   /* open and locked; below 0: not */
	bool begun;   /* by this very start */
	bool founded; /* likewise, and the cluster, too */
	struct ctl_superblock superblock;
	struct ctl_journal_config journal; /* disk */
};

/*
 * Opens the folder; at a first start it is made and founded. The config is borrowed until close.
 * 0, or a negative errno and the sentence; close it in either case.
 */
int ctl_home_open(struct ctl_home *home, const struct ctl_config *config, enum ctl_start start,
                  struct ctl_reason *ret_reason);

/*
 * For a first start that failed before its replica said a word: takes it back, so that it can be
 * tried again. Does nothing after any other start.
 */
void ctl_home_withdraw(struct ctl_home *home);

/* Disk: what is here is of no use any more. The server goes on as a new one. As open. */
int ctl_home_rejoin(struct ctl_home *home, struct ctl_reason *ret_reason);

/* Disk: the journal holds a promise of this incarnation, so it has rejoined. As open. */
int ctl_home_rejoined(struct ctl_home *home, struct ctl_reason *ret_reason);

/*
 * Something happened at the replica. CONFIGURATION: if it votes there, no later start may take it
 * for one that never was. ENTERED: the journal holds its word of that configuration. As open; 0
 * also where nothing was to be written.
 */
int ctl_home_note(struct ctl_home *home, const struct paxos_trace *trace,
                  struct ctl_reason *ret_reason);

void ctl_home_close(struct ctl_home *home);
