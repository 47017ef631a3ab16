/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * election.h - who is heard, who is suspected, who may stand
 *
 *      every heartbeat, all to all:  HEARTBEAT(round) ->  <- HEARTBEAT_ACK(round, "unhappy?")
 *
 *      FOLLOWER --no leader heard--> unhappy --majority answers, and is unhappy too--> stands
 *               --leader reported dead--> unhappy --majority answers--> stands, one after another
 *               --leader hands over--> stands at once
 *      LEADER   --no majority grants a lease for the time of suspicion--> abdicates
 *
 * The answers are the pre-vote notes: a ballot is spent only when a majority of the members are
 * heard and no longer hear a leader. Nobody passes on another's ballot. Source: Omni-Paxos (Ng,
 * Haridi, Carbone, EuroSys '23), ballot leader election; DESIGN 4.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"

struct paxos_election {
	struct paxos_rounds rounds;
	uint64_t next_round_ns;
	uint64_t leader_heard_ns; /* or when hope of hearing one began */
	uint64_t leader_gap_ns;   /* poll gap it told */
	bool unhappy;
	uint64_t may_stand_ns;  /* back-off */
	uint64_t highest_round; /* of any ballot that was shown to us */
	uint64_t last_turn_ns;
	bool wants_higher;          /* leader: a member has promised higher and cannot follow */
	bool bereaved;              /* the leader is dead for sure: nobody need be asked about it */
	struct paxos_ballot called; /* its leader handed over to this server; or none */
};

void paxos_election_start(struct paxos_core *core, struct paxos_election *election);

/* A heartbeat of who leads in a ballot that is not below promised. */
void paxos_election_heard(struct paxos_core *core, struct paxos_election *election,
                          uint64_t poll_gap_ns);
/* The leader said that it goes. */
void paxos_election_resigned(struct paxos_core *core, struct paxos_election *election);
/* The leader is dead, its supervisor says. */
void paxos_election_bereaved(struct paxos_core *core, struct paxos_election *election,
                             unsigned dead);
/* A ballot of this round exists. */
void paxos_election_seen(struct paxos_election *election, uint64_t round);

/* Members that answered a heartbeat lately, itself included. */
uint32_t paxos_election_connected(const struct paxos_core *core);

/* Begins a round now and sends it. `ballot` is the own one of a leader, else none. */
void paxos_election_round(struct paxos_core *core, struct paxos_election *election,
                          struct paxos_ballot ballot, uint16_t flags);

/* Once a turn, before anything else is done in it: notices sleep, silence. */
void paxos_election_tick(struct paxos_core *core, struct paxos_election *election);

/* A follower: is it time to stand? */
bool paxos_election_may_stand(struct paxos_core *core, struct paxos_election *election);
/* A leader: has it lost its majority? */
bool paxos_election_must_abdicate(const struct paxos_core *core,
                                  const struct paxos_election *election, uint64_t led_since_ns);
/* A candidacy or leadership has ended: wait a while before the next. */
void paxos_election_back_off(struct paxos_core *core, struct paxos_election *election);

/* The next ballot of its own, above everything promised and seen. */
struct paxos_ballot paxos_election_ballot(const struct paxos_core *core,
                                          const struct paxos_election *election, uint8_t priority);
uint64_t paxos_election_deadline_ns(const struct paxos_core *core,
                                    const struct paxos_election *election);
