/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshot_desk.h - writes snapshots while the loop and the worker go on
 *
 *      operator -- save(path) --> desk --SNAPSHOT_ASK--> worker: pins the state
 *                                  | <--SNAPSHOT-------
 *                                  v
 *                   a thread of libuv's pool: file, sync, rename
 *                                  |
 *      operator <-- saved() -------+ --SNAPSHOT_DONE--> worker: unpins it
 *
 * The worker gives *points* out by itself: all servers cut them at the same indexes, for their
 * data folders. The two newest are kept there: should the newest be damaged, the one before it and
 * a longer piece of the journal may do. kept() tells each.
 *
 * Threads: the control thread's.
 */

#include <uv.h>

#include "consensus/mailbox.h"
#include "control/logger.h"
#include "control/snapshot_file.h"

struct ctl_snapshot_desk;

/* What came of a writing. */
struct ctl_snapshot_saved {
	int r; /* 0, or a negative errno and the reason */
	uint64_t index;
	uint64_t took_ns;
	struct store_digest digest;
	struct ctl_reason reason;
};

struct ctl_snapshot_desk_config {
	struct paxos_mailbox *mailbox; /* both borrowed until close */
	struct store *store;           /* touched only at the close */
	uint64_t cluster;
	uint8_t node; /* number from 1 */
	int folder;   /* the data folder, for points; borrowed until close */
	void (*saved)(void *context, const struct paxos_address *address,
	              const struct ctl_snapshot_saved *saved);
	void (*kept)(void *context, const struct ctl_snapshot_saved *saved);
	void *context;
};

/* Returns 0 or -ENOMEM. */
int ctl_snapshot_desk_open(struct ctl_snapshot_desk **ret_desk, uv_loop_t *loop,
                           const struct ctl_snapshot_desk_config *config);

/*
 * Begins to save the present state as a new file at `path` (copied; an absolute path). saved()
 * tells the end, with the same address. Returns NULL, or a sentence (static) that refuses it.
 */
const char *ctl_snapshot_desk_save(struct ctl_snapshot_desk *desk,
                                   const struct paxos_address *address, const char *path);

/* A PAXOS_MAIL_SNAPSHOT of the worker. False: not now, the mail has to wait. */
bool ctl_snapshot_desk_mail(struct ctl_snapshot_desk *desk, const struct paxos_mail *mail);

/* Gives back to the worker what was written. False: the mailbox is full, try again. */
bool ctl_snapshot_desk_tell(struct ctl_snapshot_desk *desk);

/*
 * Ends what is under way early, and unpins it: the worker is gone. The loop has to run until
 * nothing is left in it; the memory is freed then. NULL is fine.
 */
void ctl_snapshot_desk_close(struct ctl_snapshot_desk *desk);

/* Logs a copy, and writes its digest as text. */
void ctl_snapshot_log(struct ctl_logger *logger, const char *event,
                      const struct ctl_snapshot_saved *saved, char ret_digest[33]);
