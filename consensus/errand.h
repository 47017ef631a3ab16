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
#include "consensus/replica.h"
#include "store/store.h"

/* TRANSFER: asks the replica, and says what became of it as TRANSFERRED. */
void paxos_errand_transfer(struct paxos_replica *replica, uint64_t now_ns,
                           struct paxos_mailbox *mailbox, const struct paxos_mail *mail);

/* CHANGE: asks the replica, which answers by PAXOS_EFFECT_TOLD. */
void paxos_errand_change(struct paxos_replica *replica, uint64_t now_ns,
                         const struct paxos_mail *mail);

/* PAXOS_EFFECT_TOLD: gives it out as TOLD. */
void paxos_errand_told(struct paxos_mailbox *mailbox, const struct paxos_effect *effect);

/* SNAPSHOT_ASK: opens a snapshot of what is published, and gives it out as SNAPSHOT. */
void paxos_errand_snapshot(struct store *store, struct paxos_mailbox *mailbox,
                           const struct paxos_mail *mail);

/* PAXOS_EFFECT_SNAPSHOT: gives it out as SNAPSHOT, a point. */
void paxos_errand_point(struct paxos_replica *replica, uint64_t now_ns,
                        struct paxos_mailbox *mailbox, struct store_snapshot *snapshot);

/* SNAPSHOT_DONE: a point goes back to the replica, a copy is closed. */
void paxos_errand_snapshot_done(struct paxos_replica *replica, uint64_t now_ns, struct store *store,
                                const struct paxos_mail *mail);

/* PAXOS_EFFECT_END: says so to the slow path, which ends the process. */
void paxos_errand_end(struct paxos_mailbox *mailbox, enum paxos_end end);

/*
 * Tells the replica what the journal has made durable, and its troubles. Returns 1 if there was
 * something, else 0. Nothing to do in mode memory.
 */
unsigned paxos_errand_journal(struct paxos_replica *replica, uint64_t now_ns,
                              struct paxos_mailbox *mailbox);

/*
 * A datagram that came: true, and given out as ANSWERED, if it is a server's answer to what was
 * PASSED_ON. Everything else is the replica's.
 */
bool paxos_errand_answered(struct paxos_mailbox *mailbox, const struct paxos_source *source,
                           struct slice bytes);

/* Closes what is still on its way in either direction. When both threads are gone. */
void paxos_errand_close(struct store *store, struct paxos_mailbox *mailbox);
