/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * peers.h - hears what the members say; one function for each message of msg.h
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

/* An opened datagram of kind PEER that came from the address of `peer` (or PAXOS_NOBODY). */
void paxos_peers_hear(struct paxos_replica *replica, int peer,
                      const struct store_datagram *datagram);
