/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal.h - makes records durable, on a thread of its own
 *
 *      worker --- records ---> writer: gathers all there is into a frame, writes it (io_uring,
 *             <-- durable ---          O_DIRECT, RWF_DSYNC), tells; one frame at a time
 *                                |  ^
 *                  full segments v  | the next one
 *                              keeper: makes segments ahead, takes forgotten ones back
 *
 * A group is whatever came while the frame before was written: there is no timer. When nothing
 * comes for CTL_JOURNAL_IDLE_NS the writer adds a frame without records, so that the heads of the
 * last ones stand in a second place (journal_format.h).
 *
 * After the first error of a write or a sync nothing is written any more by this process, and
 * nothing told durable: what the device did with it cannot be known (Rebello and others, "Can
 * Applications Recover from fsync Failures?", ATC'20).
 *
 * Threads: all but counters and failure belong to one; those two may be asked by any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/mailbox.h"
#include "control/journal_read.h"
#include "control/reason.h"

#define CTL_JOURNAL_NAME "journal"

enum {
	CTL_JOURNAL_IDLE_NS = 2000000,
};

struct ctl_journal_config {
	int folder;             /* the data folder, open; borrowed until close */
	const char *path;       /* its name, for sentences; borrowed */
	uint64_t incarnation;   /* of the folder */
	uint32_t configuration; /* that the superblock says was begun; 0: none */
	uint32_t segment_mb;
	uint64_t data_max_mb; /* bytes of the data folder, journal and all; 0: no bound */
};

struct ctl_journal_counters {
	uint64_t frames, groups, records, bytes; /* since the start; groups: frames with records */
	uint64_t flush_last_ns, flush_worst_ns;
	uint64_t flush_since_ns; /* when the write under way began (CLOCK_MONOTONIC); 0: none */
	uint64_t durable;        /* number of the last record that is */
	unsigned trouble;        /* as paxos_replica_disk() takes it */
};

struct ctl_journal;

/*
 * The very first start: makes an empty journal, under a name that ctl_journal_settle() makes the
 * right one when the superblock is written. 0, or a negative errno and the sentence.
 */
int ctl_journal_found(const struct ctl_journal_config *config, struct ctl_reason *ret_reason);
int ctl_journal_settle(const struct ctl_journal_config *config, struct ctl_reason *ret_reason);

/* Takes back what ctl_journal_found() made. What cannot be removed stays. */
void ctl_journal_withdraw(const struct ctl_journal_config *config);

/*
 * Opens the folder of the journal and reads it as ctl_journal_scan() does. Returns 0, what visit
 * returned, or a negative errno and the sentence; -ENOENT: there is no journal.
 */
int ctl_journal_open(struct ctl_journal **ret_journal, const struct ctl_journal_config *config,
                     const struct ctl_journal_reader *reader, struct ctl_reason *ret_reason);

/* Reads it again, before start. As above. */
int ctl_journal_read(struct ctl_journal *journal, const struct ctl_journal_reader *reader,
                     struct ctl_reason *ret_reason);

/* Number of the last record in it; 0: none. Before start. */
uint64_t ctl_journal_last(const struct ctl_journal *journal);

/*
 * Makes what is missing ahead and starts both threads. The mailbox (borrowed until stop) had
 * paxos_journal_init(); its journal's bell is set here. The journal must end TORN or BLANK.
 * 0, or a negative errno and the sentence.
 */
int ctl_journal_start(struct ctl_journal *journal, struct paxos_mailbox *mailbox,
                      struct ctl_reason *ret_reason);

/*
 * Writes what is in the ring and ends both threads, while the worker still runs: what it gives
 * later is not durable, and nobody is told that it is. NULL is fine.
 */
void ctl_journal_stop(struct ctl_journal *journal);

/* After the worker was stopped. NULL is fine. */
void ctl_journal_close(struct ctl_journal *journal);

/* All zero for NULL. */
void ctl_journal_counters(const struct ctl_journal *journal,
                          struct ctl_journal_counters *ret_counters);

/* If trouble is FAILED: what failed, in one sentence. */
void ctl_journal_failure(const struct ctl_journal *journal, struct ctl_reason *ret_reason);
