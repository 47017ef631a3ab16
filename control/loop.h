/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * loop.h - the control thread: everything slow, in one libuv loop
 *
 *      management socket  \                        / PAXOS_MAIL_CLIENT, PASS_ON, STATUS_ASK, GRACE,
 *      slow UDP socket     \                      /  RESIGN, TRANSFER, CHANGE, SNAPSHOT_ASK, _DONE
 *      gateway, web (TCP)   >--- control thread  <
 *      /ctl, name cluster  /                      \  <--- REPLY, ANSWERED, STATUS, TRACE, TOLD,
 *      signals, log       /                        \ <--- TRANSFERRED, SNAPSHOT, END
 *
 * It is the one producer of mail to the worker. Mail from the worker is taken in batches before
 * the loop sleeps and whenever the bell wakes it.
 *
 * SIGTERM, SIGINT: the replica resigns, its last datagrams get CTL_LOOP_RESIGN_MS to leave, and
 * run returns; a second one returns at once. SIGHUP: the log file is opened again, and
 * the gateway's certificate read again.
 *
 * Threads: the one that opens, runs and closes it.
 */

#include <jansson.h>
#include <stdbool.h>

#include "consensus/mailbox.h"
#include "control/config.h"
#include "control/logger.h"
#include "control/reason.h"
#include "control/secret.h"

enum {
	CTL_LOOP_RESIGN_MS = 50
};

struct ctl_loop_config {
	const struct ctl_config *config;
	struct paxos_mailbox *mailbox;
	struct store *store; /* for the snapshots that are open at the close, and /ctl */
	int folder;          /* the data folder, for snapshots */
	const struct ctl_secrets *secrets; /* what clients have to know */
	uint64_t incarnation;
	bool is_member; /* it has been let in before */
	struct ctl_logger *logger;
	const char *version;
	/* A worker's PAXOS_MAIL_STATUS as an object; NULL if it makes no sense. */
	json_t *(*status)(void *context, struct slice bytes);
	void (*note)(void *context, const struct paxos_trace *trace); /* each of the worker's */
	void *context;
};

struct ctl_loop;

/*
 * Opens the management socket and what else the configuration wants; sets mailbox->control_bell.
 * Before the worker starts. Everything is borrowed until close.
 * 0, or a negative errno and the sentence.
 */
int ctl_loop_open(struct ctl_loop **ret_loop, const struct ctl_loop_config *config,
                  struct ctl_reason *ret_reason);

/*
 * Starts the grace thread and turns the loop until a signal or the replica (PAXOS_EFFECT_END) ends
 * it: *ret_end says why, 0 if it was a signal. 0 or as above.
 */
int ctl_loop_run(struct ctl_loop *loop, enum paxos_end *ret_end, struct ctl_reason *ret_reason);

/* Adds what was counted to a status: by slow path, gateway and clients inside, if there are any. */
void ctl_loop_add_counters(const struct ctl_loop *loop, json_t *status);

/* After the worker was stopped. NULL is fine. */
void ctl_loop_close(struct ctl_loop *loop);
