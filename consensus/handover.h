/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * handover.h - a leader that goes in peace
 *
 *      leader                                    heir (LEVEL, connected)
 *      lease end 0, no answer counts any more
 *      who waits is referred to the heir
 *      HANDOVER(b is over, stand) -------------> stands at once: nobody need be unhappy
 *              `--> others: nothing is granted to b any more
 *      <--------------------------------- PREPARE
 *      PROMISE ("revoked") -------------------->  adopts, decides: no grant to b counts (4.1 g)
 *
 * A HANDOVER is sent again until a higher ballot was promised; if none was for half the time of
 * suspicion, the leader goes on with a higher ballot of its own, which defers nothing either.
 * That a ballot is over stays true for ever, so a HANDOVER may come late or twice; but it calls the
 * heir only while that ballot is the one promised.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

/*
 * Who may take over: `wanted`, or, if that is PAXOS_NOBODY, of all level members one of the highest
 * priority. PAXOS_NOBODY: none is level and connected. Leader only.
 */
int paxos_handover_heir(const struct paxos_replica *replica, int wanted);

/* Ends the leadership and tells the heir. */
void paxos_handover_begin(struct paxos_replica *replica, unsigned heir);

/* paxos_replica_transfer(). */
enum paxos_transfer paxos_handover_wish(struct paxos_replica *replica, int to);

/* HANDOVER: a command of the leader, or a wish of a member. */
void paxos_handover_hear(struct paxos_replica *replica, const struct paxos_msg *msg);

/* Once a turn of a follower. True: nobody took over, it is to stand again. */
bool paxos_handover_tick(struct paxos_replica *replica);
uint64_t paxos_handover_deadline_ns(const struct paxos_replica *replica);
