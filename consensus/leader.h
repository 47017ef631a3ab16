/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * leader.h - brings followers level, pipelines accepts, decides
 *
 *      follower:   UNPREPARED --PROMISE--> UNEVEN --ACCEPTED--> LEVEL
 *                  (PREPARE)               (SYNC)               (ACCEPT, link.h)
 *
 * A LEVEL follower that needs what the log has forgotten is sent SYNC with a snapshot, and stays
 * LEVEL. DESIGN 4.1 c, e, g, k. Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/candidate.h"
#include "consensus/core.h"
#include "consensus/link.h"

enum paxos_follower_state {
	PAXOS_UNPREPARED = 0,
	PAXOS_UNEVEN,
	PAXOS_LEVEL,
};

struct paxos_follower {
	enum paxos_follower_state state;
	struct paxos_vow vow;
	uint64_t incarnation; /* of the process that is LEVEL */
	uint32_t start;
	bool behind;       /* LEVEL, but needs a snapshot */
	uint64_t again_ns; /* when PREPARE or SYNC goes out again */
	uint64_t wait_ns;
	uint64_t told;       /* LEVEL: decided, as last sent */
	uint64_t told_at_ns; /* when to tell more, if nothing else does; 0: all is told */
	struct paxos_link link;
};

struct paxos_leader {
	struct paxos_ballot ballot;
	struct paxos_ballot rank; /* former accepted ballot of the adopted log */
	uint64_t adopted;         /* L0 */
	uint64_t known_decided;
	uint64_t defer_until_ns;
	bool deciding; /* the deferral is over */
	uint64_t began_ns;
	uint64_t secret;       /* of this leadership: what the proofs of supply.h are made of */
	uint64_t time_base_ns; /* 4.1 k */
	struct paxos_follower followers[STORE_NODES_MAX];
};

/* Begins to lead with the log that was adopted just now. */
void paxos_leader_begin(struct paxos_core *core, struct paxos_leader *leader,
                        const struct paxos_candidate *candidate,
                        const struct paxos_adoption *adoption);

/* A promise that came late, or again. */
void paxos_leader_promise(struct paxos_core *core, struct paxos_leader *leader,
                          const struct paxos_msg *msg);
void paxos_leader_accepted(struct paxos_core *core, struct paxos_leader *leader,
                           const struct paxos_msg *msg);
/* PREPARE_ASK: the follower has never heard of the ballot, or has lost it. */
void paxos_leader_asked(struct paxos_core *core, struct paxos_leader *leader, unsigned peer);

/* How far the log is decided, by what was told, counted and may be counted (e, g). */
uint64_t paxos_leader_decided(struct paxos_core *core, struct paxos_leader *leader);

/* The time of an entry appended now (k). */
uint64_t paxos_leader_time_ns(const struct paxos_core *core, const struct paxos_leader *leader);

/* Sends what is due to every follower. */
void paxos_leader_tick(struct paxos_core *core, struct paxos_leader *leader);
uint64_t paxos_leader_deadline_ns(const struct paxos_core *core, const struct paxos_leader *leader);
