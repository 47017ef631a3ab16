/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * supply.h - who may be given what: FETCH, and the ENTRIES that answer it
 *
 *      FETCH(ballot b)     while promised = b: the own log (4.1 b, c)
 *      FETCH(no ballot)    what is decided: to members, and to who was one (4.1 i, j); from a
 *                          leader it says more, and names the incarnation of who asks
 *
 *      outsider                           leader
 *      FETCH ---------------------------->
 *      <------------------ ENTRIES(proof)   of this leadership, node, incarnation and start
 *      FETCH(proof) --------------------->  it hears what it is told: it is there. REJOIN
 *
 * What a log names binds for ever, so it is not enough that somebody says an incarnation.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

void paxos_supply_fetch(struct paxos_replica *replica, const struct paxos_msg *msg);
void paxos_supply_entries(struct paxos_replica *replica, const struct paxos_msg *msg);
