/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * echo_replica.h - a replica that agrees on nothing: it sends back what it gets
 *
 * Stands in for consensus/replica.c, with the same symbols, so that the shell can be tested alone:
 * a client's datagram is answered with the same bytes, one of a peer is counted, and each peer gets
 * a datagram every 10 ms.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "consensus/replica.h"

struct echo_counts {
	_Atomic uint64_t from_clients;
	_Atomic uint64_t from_peers[STORE_NODES_MAX];
	_Atomic uint64_t resigned;
	_Atomic uint64_t ticks;
};

/* Of the one echo replica of this process. */
extern struct echo_counts echo_counts;

/* Member `node` of `count`. */
struct paxos_replica *echo_replica(uint8_t node, uint8_t count);
