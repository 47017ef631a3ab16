/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * turnover.h - from one configuration to the next (DESIGN 4.1 j)
 *
 *      stop-sign applied, or a later configuration fetched whole
 *          lease end 0, no candidacy, no leadership -> the one atomic step -> a member of the next,
 *                                                                             or an outsider
 *      old leader, a member:     stands at once
 *      old leader, no member:    has the most level one stand
 *      a packet of an earlier configuration:  STOPPED; FETCH without a ballot: decided entries
 *      a packet of a later one:               FETCH there, beside the log, up to the stop-sign
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

/* True if the state applied so far is of a later configuration than this server's. */
bool paxos_turnover_is_due(const struct paxos_replica *replica);

/* Enters it. After the entry that made it so, before the next one is applied. */
void paxos_turnover_enter(struct paxos_replica *replica);

/*
 * Who takes part, or lacks entries, and has heard of a later configuration: fetches it, enters it.
 * Once a turn. Who lacks entries wants the state itself: what it lacks may be forgotten there.
 */
void paxos_turnover_learn(struct paxos_replica *replica);
bool paxos_turnover_learns(const struct paxos_replica *replica); /* it is at it */

/* Whom an outsider asks that hears no leader: the next server each time. */
unsigned paxos_turnover_probe(struct paxos_replica *replica);

/* Messages of another configuration than this server's. */
void paxos_turnover_stopped(struct paxos_replica *replica, unsigned peer, uint16_t flags);
void paxos_turnover_heard(struct paxos_replica *replica, const struct paxos_msg *msg);

/*
 * Tells the shell where members are reached, when that changed; and in which configuration this
 * server has durably accepted something, once for each, and for the present one after a start.
 * Once a turn.
 */
void paxos_turnover_tell(struct paxos_replica *replica);
