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

#include "consensus/change.h"
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
void paxos_replica_free(struct paxos_replica *replica); /* nobody may still read a snapshot */

/* The memory taken by paxos_replica_new(): nothing is taken later. */
uint64_t paxos_replica_bytes(const struct paxos_replica *replica);

/*
 * Mode disk, before start. The shell brings back what its folder holds, in this order:
 *
 *      1  the newest good snapshot file, if there is one: first into the store (store_restore_...),
 *         then paxos_replica_recover_snapshot(), with the digest that the file ends with
 *      2  each record that the journal still holds, in the order of their numbers, as PERSIST gave
 *         them: paxos_replica_recover(); in the place of a damaged frame whose header copy is
 *         whole: paxos_replica_recover_lost() with its first and last record and its mark
 *      3  paxos_replica_recover_end(), then paxos_replica_start()
 *
 * A torn tail was never acknowledged and is left out; what follows takes its numbers again.
 *
 * Each returns 0, -EBADMSG (not a record, not one that may follow, or something needed is missing)
 * or -ENOSPC (more was lost than memory can keep open). Then this folder cannot be mended in
 * place: the shell sets journal and snapshots aside, takes a new incarnation, and starts a new
 * replica with `rejoining` (4.1 i).
 */
int paxos_replica_recover_snapshot(struct paxos_replica *replica,
                                   const struct store_digest *digest);
int paxos_replica_recover(struct paxos_replica *replica, uint64_t number, struct slice record);
int paxos_replica_recover_lost(struct paxos_replica *replica, uint64_t first, uint64_t last,
                               const struct paxos_mark *mark);
int paxos_replica_recover_end(struct paxos_replica *replica);

/*
 * The first call after recovery. From here on the replica behaves as restarted at now_ns. The next
 * record is numbered one above the last that was recovered. With entries unknown (status.h,
 * `holes`) it takes no part until its peers have filled them.
 */
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

/*
 * The journal has made every record up to `record` durable (mode disk only). At most
 * PAXOS_UNDURABLE_MAX bytes of records are given out that were not reported so.
 */
void paxos_replica_durable(struct paxos_replica *replica, uint64_t now_ns, uint64_t record);

/*
 * What the journal says of its device, whenever it changes: a set of (config.h)
 *   PAXOS_DISK_FULL    no room ahead: writes that grow are refused with STORE_DISK_FULL, deletes
 *                      and sessions go on in what is spared for them; ends when it is taken back
 *   PAXOS_DISK_FAILED  a write failed: nothing is durable any more, for this process; the replica
 *                      steps down, acknowledges nothing, and gives PAXOS_EFFECT_END
 * That it is slow the replica sees by itself: a leader whose oldest record waits for longer than
 * `suspicion` hands over.
 */
void paxos_replica_disk(struct paxos_replica *replica, uint64_t now_ns, unsigned troubles);

/*
 * Ends PAXOS_EFFECT_SNAPSHOT: the file is durable, its last bytes are `digest`; or it could not be
 * written: NULL, and the next one is tried at its own index. The snapshot is given back.
 */
void paxos_replica_snapshot_done(struct paxos_replica *replica, uint64_t now_ns,
                                 struct store_snapshot *snapshot,
                                 const struct store_digest *digest);

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

/*
 * SIGTERM: a leader hands over at once (handover.h) and never stands again. Call on turning for a
 * moment: it promises, and refers clients.
 */
void paxos_replica_resign(struct paxos_replica *replica, uint64_t now_ns);

/*
 * An operator wants `to` to lead; PAXOS_NOBODY: anybody else than who leads now. Works at every
 * member; whether it came about is seen in the status.
 */
enum paxos_transfer paxos_replica_transfer(struct paxos_replica *replica, uint64_t now_ns, int to);

/*
 * Asks for a change of the members (change.h), of whichever server. It is asked on, until the
 * leader says that it is so, or will not be, or until the deadline; then PAXOS_EFFECT_TOLD comes
 * out for `address`, with the last that was heard.
 */
void paxos_replica_change(struct paxos_replica *replica, uint64_t now_ns,
                          const struct paxos_address *address, const struct paxos_change *change,
                          uint64_t deadline_ns);

/* --- what can be seen -------------------------------------------------------------------- */

void paxos_replica_status(const struct paxos_replica *replica, struct paxos_status *ret_status);

/* An entry still in the log, for checkers; empty if it is not. Borrowed until the next call. */
struct slice paxos_replica_entry(const struct paxos_replica *replica, uint64_t index);

struct paxos_lease_view;

/* What workers beyond 0 load to answer reads (consensus/reader.h). Lives as long as the replica. */
const struct paxos_lease_view *paxos_replica_lease_view(const struct paxos_replica *replica);

/* What clients have to know. Never changes. */
const struct store_keys *paxos_replica_keys(const struct paxos_replica *replica);

/* Of the watches that the replica's own thread keeps. Lives as long as the replica. */
const struct paxos_watch_counters *paxos_replica_watches(const struct paxos_replica *replica);
