/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.h - what a replica is told at its start; immutable afterwards
 *
 * Times are nanoseconds.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/entry.h"
#include "store/rights.h"

enum {
	PAXOS_WINDOW_MAX = 64,         /* ACCEPT datagrams in flight to one follower */
	PAXOS_UNDURABLE_MAX = 9 << 20, /* bytes of records given to the journal, and not durable */
};

enum paxos_disk_trouble {
	PAXOS_DISK_FULL = 1,
	PAXOS_DISK_FAILED = 2,
};

enum paxos_durability {
	PAXOS_MEMORY = 1, /* acknowledged = in the memory of a majority */
	PAXOS_DISK = 2,   /* acknowledged = on the stable storage of a majority */
};

enum paxos_role {
	PAXOS_FOLLOWER = 1,
	PAXOS_CANDIDATE = 2,
	PAXOS_LEADER = 3,   /* adopted; decides only when the old grants have run out */
	PAXOS_OUTSIDER = 4, /* not yet rejoined, or being mended: neither votes nor stands */
};

struct paxos_config {
	uint8_t node;         /* own index, from 0 */
	uint32_t founders;    /* set: the voters of configuration 1; 0: it joins one that runs */
	uint64_t cluster;     /* id; datagrams of another one are refused */
	uint64_t incarnation; /* memory: of this start of the process; disk: of the data folder */
	uint32_t start;       /* number of this start of the process; it only grows */
	bool founding;        /* first start of a new cluster: takes part at once */
	/* Disk: the folder lost what it knew (replica.h). May stay set: records tell who joined. */
	bool rejoining;
	enum paxos_durability durability;
	uint8_t priority;       /* in elections; higher stands earlier */
	struct store_keys keys; /* that clients have to know: none, rw, or both */
	uint64_t secret; /* of this start, shared with its supervisor (note.h); 0: has none */

	uint64_t heartbeat_ns; /* between two heartbeats; 10 ms where cores are shared */
	uint64_t lease_ns;     /* constant of the cluster; 0 = off: every read is a quorum round */
	uint64_t suspicion_ns; /* silence after which a leader is suspected, at least lease_ns */
	uint32_t drift_ppm;    /* bound on the ratio of two clocks' rates, above 1 */
	uint64_t resend_ns;    /* first time-out of a lost datagram; adapts to the round trip */

	uint32_t log_entries;        /* entries kept at most; a power of two */
	uint64_t log_bytes;          /* bytes of entries kept at most */
	uint64_t undurable_bytes;    /* disk: of records given out and not durable, at most */
	uint64_t snapshot_bytes;     /* of the log between two snapshots; equal on all; 0 = none */
	uint32_t window;             /* ACCEPT datagrams in flight to one peer at most, up to 64 */
	uint32_t assemblies;         /* requests of several segments under way at most */
	uint32_t watches_max;        /* kept by one worker at most */
	uint32_t session_ttl_ms_min; /* granted at least; the leader may raise it (admit.h) */
	uint32_t session_ttl_ms_max;
	uint64_t promote_ns; /* a voter silent for so long is replaced by a learner; 0 = never */
	struct store_address addresses[STORE_NODES_MAX]; /* of the founders; ip 0: not known */
	uint64_t seed; /* of the replica's chance: election back-off */
};

#define PAXOS_NOBODY (-1) /* in place of the index of a member */

/*
 * Fills in the defaults; node, founders, cluster, incarnation, start, founding, secret and seed are
 * left.
 */
void paxos_config_default(struct paxos_config *config);

/* False if the numbers contradict each other. */
bool paxos_config_is_good(const struct paxos_config *config);
