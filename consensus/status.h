/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * status.h - what can be seen of a replica, and the names of things
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"
#include "consensus/config.h"
#include "consensus/effect.h"
#include "consensus/watches.h"
#include "store/datagram.h"
#include "store/limits.h"

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
	PAXOS_DROP_NOTE,          /* a death note of another start, or with a wrong secret */
	PAXOS_DROP_OUTBOX,        /* our own, because the outbox was full; will be sent again */
	PAXOS_DROP_ROLLED_BACK,   /* of a server that has less than it acknowledged before */
	PAXOS_DROP_DENIED,        /* a request without the right tag (answered) */
	PAXOS_DROP_COUNT
};

/* What became of an operator's wish that another server leads (replica.h). */
enum paxos_transfer {
	PAXOS_TRANSFER_BEGUN = 1, /* it leads no more, and the heir was told */
	PAXOS_TRANSFER_PASSED_ON, /* the leader was asked to */
	PAXOS_TRANSFER_LEADS,     /* that member leads already */
	PAXOS_TRANSFER_NO_LEADER,
	PAXOS_TRANSFER_NOT_LEVEL, /* it is not connected, or lacks what was decided long ago */
	PAXOS_TRANSFER_NO_MEMBER, /* there is none of that index */
	PAXOS_TRANSFER_COUNT
};

struct paxos_peer_status {
	bool connected; /* answered our heartbeat of the last full round */
	bool unhappy;   /* hears no leader, as far as it told */
	uint64_t incarnation;
	uint64_t accepted;       /* leader: highest length acknowledged in this ballot */
	uint64_t round_trip_ns;  /* smoothed; 0 = not known */
	uint64_t poll_gap_ns;    /* as told by the peer */
	uint64_t heard_ns;       /* when the last datagram came; 0 = never */
	uint64_t resent;         /* datagrams sent again to it */
	uint64_t snapshot_index; /* as told by the peer */
	bool disk_full, rolled_back;
	struct paxos_ballot rank_accepted; /* of the log it acknowledged last, as far as heard */
	uint64_t rank_length;
	struct store_address address; /* as replicated; ip 0: not known */
	uint64_t named;               /* incarnation, as replicated; 0: not named yet */
	uint64_t learned;             /* leader: how far a learner has followed */
};

struct paxos_status {
	enum paxos_role role;
	enum paxos_durability durability;
	uint8_t node;
	uint32_t configuration; /* its number, from 1 */
	uint32_t voters;        /* set */
	int leader;             /* index as far as known, or PAXOS_NOBODY */
	struct paxos_ballot promised;
	struct paxos_ballot accepted;
	uint64_t log_start, length, durable, decided, applied; /* indexes; the first entry is 1 */
	uint64_t adopted_length; /* L0 of the ballot accepted, leader only */
	bool deciding;           /* leader: the old grants have run out */
	uint64_t holes;          /* entries that are unknown here, and asked for */
	uint64_t snapshot_index; /* of the newest durable snapshot; 0: none */
	uint64_t base_record;    /* records below it are not needed any more */
	unsigned disk;           /* PAXOS_DISK_FULL, _FAILED, as the journal told */
	bool disk_stalled;
	uint32_t learners;     /* set */
	bool is_removed;       /* no member any more; the process may end */
	uint64_t since;        /* index of the entry that began the configuration; 0: founders */
	uint64_t lease_end_ns; /* 0: none */
	uint64_t now_ns;       /* of the last turn */
	struct paxos_peer_status peers[STORE_NODES_MAX];
	uint64_t faults[STORE_DATAGRAM_FAULT_COUNT];
	uint64_t drops[PAXOS_DROP_COUNT];
	uint64_t traces[PAXOS_TRACE_COUNT]; /* how often each thing happened */
	uint64_t requests, reads_lease, reads_quorum, reads_stale, lease_refusals, duplicates;
	uint64_t expiry_late_ns; /* longest after a session was due that it was ended */
	uint32_t ttl_floor_ms;   /* the least time to live that it would grant now */
	uint64_t disk_refusals;  /* writes refused because disks are full */
	uint64_t datagrams_in, datagrams_out, resent;
	struct paxos_watch_counters watches;
};

const char *paxos_trace_text(enum paxos_trace_kind kind);
const char *paxos_drop_text(enum paxos_drop drop);
const char *paxos_role_text(enum paxos_role role);
