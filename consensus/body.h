/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * body.h - what a replica is made of
 *
 * Private to consensus/: replica.c turns it, peers.c and note.c hear the members, handover.c gives
 * its leadership away, recovery.c redoes records, view.c shows it.
 */

#include "consensus/acceptor.h"
#include "consensus/asks.h"
#include "consensus/candidate.h"
#include "consensus/core.h"
#include "consensus/desk.h"
#include "consensus/election.h"
#include "consensus/intake.h"
#include "consensus/leader.h"
#include "consensus/outlet.h"
#include "consensus/snapshots.h"
#include "consensus/upkeep.h"

/* What the leader told an outsider last (4.1 i). */
struct paxos_catchup {
	struct paxos_ballot ballot; /* none: nothing yet */
	uint64_t adopted;           /* its L0 */
	uint64_t decided;
};

/* A handover under way, at the one who goes. */
struct paxos_handover {
	struct paxos_ballot ballot; /* it is over; none: no handover */
	unsigned heir;
	uint64_t again_ns, until_ns;
};

/* What is known of the folder while its records are redone. */
struct paxos_recovery {
	uint64_t loaded; /* index of the snapshot that recovery began with */
	bool is_sure;    /* promised, accepted and the log are what the journal says from here on */
	bool has_losses; /* records were lost; what they began is unknown, too */
};

/* Changes of the members, see turnover.c and changer.c. */
struct paxos_turnover {
	uint32_t later;      /* number of the latest configuration heard of */
	unsigned later_node; /* who told */
	uint32_t entered;    /* the configuration that was told so, last */
	uint32_t stand_in;   /* the configuration in which to stand at once */
	unsigned probed;     /* outsider: whom it asked last, hearing no leader */
	uint64_t probe_ns;
	uint64_t change_index;   /* leader: of the last MEMBERS or LEARNER proposed */
	uint64_t next_change_ns; /* leader: when to look for dead voters again */
	struct store_address told[STORE_NODES_MAX]; /* to the shell */
};

struct paxos_replica {
	struct paxos_core core;
	struct paxos_recovery recovery;
	struct paxos_snapshots snapshots;
	struct paxos_acceptor acceptor;
	struct paxos_intake intake;
	struct paxos_candidate candidate;
	struct paxos_leader leader;
	struct paxos_election election;
	struct paxos_handover handover;
	struct paxos_desk desk;
	struct paxos_upkeep upkeep;
	struct paxos_outlet outlets[STORE_NODES_MAX];
	struct paxos_catchup catchup;
	struct paxos_turnover turnover;
	struct paxos_asks asks;
	uint64_t learned[STORE_NODES_MAX];    /* leader: how far learners have followed */
	uint64_t learned_ns[STORE_NODES_MAX]; /* when they told; 0: never */
	uint64_t naming[STORE_NODES_MAX];     /* leader: incarnations proposed in a REJOIN */
	bool more;                            /* decided, and not yet applied for want of time */
	bool resigned;
	bool removed; /* a leader has said that this server is no member any more */
};

/*
 * A candidate or leader becomes a follower; its lease ends before anything else. Who waits for an
 * answer is referred to `heir`, who may be PAXOS_NOBODY.
 */
void paxos_replica_step_down(struct paxos_replica *replica, int heir);

/* More grants may be void than at the adoption: a leader that defers looks again (4.1 g). */
void paxos_replica_relieve(struct paxos_replica *replica);

/* Steps down and says so, so that another can stand without waiting for the lease. */
void paxos_replica_hand_over(struct paxos_replica *replica);

/* Stands with a new ballot. A follower that takes part. */
void paxos_replica_stand(struct paxos_replica *replica);

/* A member has promised a higher ballot than the one this server stands or leads with. */
void paxos_replica_nacked(struct paxos_replica *replica);

/* Until when this server may answer reads alone; 0: not at all. */
uint64_t paxos_replica_lease_end_ns(const struct paxos_replica *replica);
