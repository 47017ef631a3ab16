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

#include "consensus/ballot.h"
#include "consensus/effect.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/store.h"

enum paxos_durability {
	PAXOS_MEMORY = 1, /* acknowledged = in the memory of a majority */
	PAXOS_DISK = 2,   /* acknowledged = on the stable storage of a majority */
};

enum paxos_role {
	PAXOS_FOLLOWER = 1,
	PAXOS_CANDIDATE = 2,
	PAXOS_LEADER = 3, /* adopted; decides only when the old grants have run out */
	PAXOS_OUTSIDER =
		4, /* restarted in mode memory, not yet rejoined: neither votes nor stands */
};

struct paxos_config {
	uint8_t node;           /* own index, from 0 */
	uint8_t count;          /* members: 3, 5 or 7 (1 is taken, too) */
	uint64_t cluster;       /* id; datagrams of another one are refused */
	uint32_t configuration; /* number of the configuration, from 1 */
	uint64_t incarnation;   /* memory: of this start of the process; disk: of the data folder */
	uint32_t start;         /* number of this start of the process; it only grows */
	bool founding;          /* first start of a new cluster: takes part at once */
	enum paxos_durability durability;
	uint8_t priority; /* in elections; higher stands earlier */

	uint64_t heartbeat_ns; /* between two heartbeats; 10 ms where cores are shared */
	uint64_t lease_ns;     /* constant of the cluster; 0 = off: every read is a quorum round */
	uint64_t suspicion_ns; /* silence after which a leader is suspected, at least lease_ns */
	uint32_t drift_ppm;    /* bound on the ratio of two clocks' rates, above 1 */
	uint64_t resend_ns;    /* first time-out of a lost datagram; adapts to the round trip */

	uint32_t log_entries; /* entries kept at most; a power of two */
	uint64_t log_bytes;   /* bytes of entries kept at most */
	uint32_t window;      /* ACCEPT datagrams in flight to one peer at most, up to 64 */
	uint32_t assemblies;  /* requests of several segments under way at most */
	uint32_t session_ttl_ms_min, session_ttl_ms_max;
	uint64_t seed; /* of the replica's chance: election back-off */
};

/* Fills in the defaults; node, count, cluster, incarnation, start, founding, seed are left. */
void paxos_config_default(struct paxos_config *config);

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

#define PAXOS_NOBODY (-1)

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

enum paxos_drop {
	PAXOS_DROP_FAULT = 0,     /* + enum store_datagram_fault, see faults[] */
	PAXOS_DROP_CLUSTER,       /* of another cluster */
	PAXOS_DROP_CONFIGURATION, /* of another configuration */
	PAXOS_DROP_NOT_A_PEER,    /* a peer message from an address that is no peer */
	PAXOS_DROP_IMPOSTOR,      /* a peer message that names another node than its address */
	PAXOS_DROP_INCARNATION,   /* of an incarnation that does not take part any more */
	PAXOS_DROP_MESSAGE,       /* a peer message that makes no sense */
	PAXOS_DROP_REQUEST,       /* a request that makes no sense (answered if it could be) */
	PAXOS_DROP_ANSWER,        /* an answer, sent to a server */
	PAXOS_DROP_OUTBOX,        /* our own, because the outbox was full; will be sent again */
	PAXOS_DROP_COUNT
};

struct paxos_peer_status {
	bool connected; /* answered our heartbeat of the last full round */
	bool unhappy;   /* hears no leader, as far as it told */
	uint64_t incarnation;
	uint64_t accepted;      /* leader: highest length acknowledged in this ballot */
	uint64_t round_trip_ns; /* smoothed; 0 = not known */
	uint64_t poll_gap_ns;   /* as told by the peer */
	uint64_t heard_ns;      /* when the last datagram came; 0 = never */
	uint64_t resent;        /* datagrams sent again to it */
};

struct paxos_status {
	enum paxos_role role;
	enum paxos_durability durability;
	uint8_t node, count;
	int leader; /* index as far as known, or PAXOS_NOBODY */
	struct paxos_ballot promised;
	struct paxos_ballot accepted;
	uint64_t log_start, length, durable, decided, applied; /* indexes; the first entry is 1 */
	uint64_t adopted_length; /* L0 of the ballot accepted, leader only */
	bool deciding;           /* leader: the old grants have run out */
	uint64_t lease_end_ns;   /* 0: none */
	uint64_t now_ns;         /* of the last turn */
	struct paxos_peer_status peers[STORE_NODES_MAX];
	uint64_t faults[STORE_DATAGRAM_FAULT_COUNT];
	uint64_t drops[PAXOS_DROP_COUNT];
	uint64_t traces[PAXOS_TRACE_COUNT]; /* how often each thing happened */
	uint64_t requests, reads_lease, reads_quorum, reads_stale, lease_refusals, duplicates;
	uint64_t datagrams_in, datagrams_out, resent;
};

void paxos_replica_status(const struct paxos_replica *replica, struct paxos_status *ret_status);

/* An entry still in the log, for checkers; empty if it is not. Borrowed until the next call. */
struct slice paxos_replica_entry(const struct paxos_replica *replica, uint64_t index);

const char *paxos_trace_text(enum paxos_trace_kind kind);
const char *paxos_drop_text(enum paxos_drop drop);
const char *paxos_role_text(enum paxos_role role);

struct paxos_lease_view;

/* What workers beyond 0 load to answer reads (consensus/reader.h). Lives as long as the replica. */
const struct paxos_lease_view *paxos_replica_lease_view(const struct paxos_replica *replica);
