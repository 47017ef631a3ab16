/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * keeper.h - keeps /ctl as tree.h says, from each server's control thread
 *
 *      walk /ctl --> values that changed --> status of the own replica --> plan --> writes
 *          ^                                                                |
 *          |                                                                '--> CHANGE, TOLD
 *          '-- a change there (watches), other members, another leader, a write of its own
 *
 * Every turn of this circle begins with what stands in the store, and remembers only what the
 * changer refused. A turn reads one revision; it never blocks, and one that fails is begun again.
 *
 * Nothing here is trusted by agreement: files are written by a client's conditional writes, and
 * members are changed by the mail that an operator's `member` command sends.
 *
 * Threads: the control thread.
 */

#include <uv.h>

#include "consensus/mailbox.h"
#include "control/config.h"
#include "control/inside.h"
#include "control/logger.h"
#include "control/names.h"
#include "control/reason.h"
#include "control/tree.h"
#include "store/store.h"

struct ctl_keeper_config {
	uv_loop_t *loop;
	struct paxos_mailbox *mailbox;
	struct ctl_insides *insides;
	const struct ctl_config *config;
	const struct store *store; /* only store_event_last() */
	struct ctl_logger *logger;
	const char *version;
	struct ctl_names *names; /* told of the members; NULL: nobody is */
};

struct ctl_keeper;

/* What config points to is borrowed until close. 0, or a negative errno and the sentence. */
int ctl_keeper_open(struct ctl_keeper **ret_keeper, const struct ctl_keeper_config *config,
                    struct ctl_reason *ret_reason);

/* The loop has to run until nothing is left in it. NULL is fine. */
void ctl_keeper_close(struct ctl_keeper *keeper);

/* STATUS or TOLD: true if it was the keeper's own, and is taken. NULL is fine: none is. */
bool ctl_keeper_mail(struct ctl_keeper *keeper, const struct paxos_mail *mail);

/* Something happened at the replica: looks soon if members or leader are others. NULL is fine. */
void ctl_keeper_stir(struct ctl_keeper *keeper, enum paxos_trace_kind kind);
