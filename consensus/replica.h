/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * replica.h - one server without its body
 *
 * A replica owns the log being agreed on and the store it feeds. It never reads a clock, a
 * socket or a file. Its shell does, and turns it:
 *
 *      paxos_replica_receive(r, now_ns, source, bytes)   a datagram that came in
 *      paxos_replica_durable(r, now_ns, record)          the journal has everything up to record
 *      paxos_replica_tick(r, now_ns)                     once a turn: what is due, what to batch
 *      paxos_replica_take(r, &effect)                    what to do now, in this order
 *      paxos_replica_deadline_ns(r)                      when to tick again at the latest
 *
 * A turn: burst in, one clock read after it, receive() for each, tick() once, take() until it
 * says false. Writes are batched by the turn: ACCEPTs leave at tick(). Four shells turn it:
 * dataplane/worker.c, control/udp_worker.c, tests/sim/world.c, bench/. None of them decides
 * anything. The same calls in the same order give the same effects, always.
 *
 * `now_ns` is a monotonic clock, read after the datagrams were taken (DESIGN 3, order of a read).
 *
 * Threads: one replica, one thread. Others reach it through consensus/mailbox.h, and answer
 * reads through consensus/reader.h. The thread must be a registered liburcu-qsbr reader.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/config.h"
#include "consensus/effect.h"
#include "consensus/status.h"
#include "store/store.h"

struct paxos_replica;

/*
 * Makes a replica over `store` (borrowed for its life, empty). All memory is taken here.
 * Returns 0, -EINVAL (config) or -ENOMEM. Given back to paxos_replica_free().
 */
int paxos_replica_new(struct paxos_replica **ret_replica, const struct paxos_config *config,
                      struct store *store);
void paxos_replica_free(struct paxos_replica *replica);

/*
 * Mode disk, before start: each durable record, in order, as PERSIST gave it.
 * Returns 0 or -EBADMSG (not a record, or not one that may follow).
 */
int paxos_replica_recover(struct paxos_replica *replica, struct slice record);

/* The first call after recovery. From here on the replica behaves as restarted at now_ns. */
void paxos_replica_start(struct paxos_replica *replica, uint64_t now_ns);

/* Who sent a datagram. The shell knows peers by address, link or port. */
struct paxos_source {
	int peer; /* index of the member whose address it is, or PAXOS_NOBODY */
	struct paxos_address address;
};

/*
 * Takes one datagram, of a peer or a client; borrowed for the call. Whatever it holds, the call
 * returns: what makes no sense is counted and dropped or refused.
 */
void paxos_replica_receive(struct paxos_replica *replica, uint64_t now_ns,
                           const struct paxos_source *source, struct slice bytes);

/* The journal has made every record up to `record` durable (mode disk only). */
void paxos_replica_durable(struct paxos_replica *replica, uint64_t now_ns, uint64_t record);

void paxos_replica_tick(struct paxos_replica *replica, uint64_t now_ns);

/* The next effect, or false if there is none. */
bool paxos_replica_take(struct paxos_replica *replica, struct paxos_effect *ret_effect);

/* When to tick at the latest, if nothing comes in. */
uint64_t paxos_replica_deadline_ns(const struct paxos_replica *replica);

/*
 * The largest gap between two turns that the shell measured lately. Told to the peers with each
 * heartbeat; no suspicion is faster than the gaps of both sides.
 */
void paxos_replica_poll_gap(struct paxos_replica *replica, uint64_t gap_ns);

/* SIGTERM: a leader stops at once, so that another can stand without waiting for the lease. */
void paxos_replica_resign(struct paxos_replica *replica, uint64_t now_ns);

/* --- what can be seen -------------------------------------------------------------------- */

void paxos_replica_status(const struct paxos_replica *replica, struct paxos_status *ret_status);

/* An entry still in the log, for checkers; empty if it is not. Borrowed until the next call. */
struct slice paxos_replica_entry(const struct paxos_replica *replica, uint64_t index);

struct paxos_lease_view;

/* What workers beyond 0 load to answer reads (consensus/reader.h). Lives as long as the replica. */
const struct paxos_lease_view *paxos_replica_lease_view(const struct paxos_replica *replica);
