/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * errand.h - what a worker does for the slow path, alike in every shell
 *
 * A shell's worker hands mail of these kinds on. What it says back goes into the mailbox; where
 * that is full, whoever waits asks again.
 *
 * Pure. Threads: the replica's, while it lives.
 */

#include "consensus/mailbox.h"
#include "store/store.h"

/* SNAPSHOT_ASK: opens a snapshot of what is published, and gives it out as SNAPSHOT. */
void paxos_errand_snapshot(struct store *store, struct paxos_mailbox *mailbox,
                           const struct paxos_mail *mail);

/* SNAPSHOT_DONE: closes it. */
void paxos_errand_snapshot_done(struct store *store, const struct paxos_mail *mail);

/* Closes what is still on its way in either direction. When both threads are gone. */
void paxos_errand_end(struct store *store, struct paxos_mailbox *mailbox);
