/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * aside.h - a worker beyond the first, in the simulator
 *
 * Answers a read from the published root under the lease, as consensus/reader.h allows, and keeps
 * watches of its own on the ring of events (consensus/watches.h), beside the replica. In the
 * simulator both are one thread, so it comes between two steps of the replica.
 */

#include "consensus/replica.h"
#include "consensus/watches.h"
#include "tests/sim/stage.h"

/* What it works with; borrowed for a call. */
struct aside {
	struct stage *stage;
	const struct paxos_replica *replica;
	const struct store *store;
	struct paxos_watches *watches;
	unsigned node;
	uint64_t cluster;
	enum paxos_durability durability;
	uint64_t local_ns,
		heard_ns; /* its clock; how long ago it took a packet of another server */
};

/*
 * Takes a client's datagram if it is a read that can be answered here; the answer is on its way
 * then. False: it is the replica's.
 */
bool aside_read(const struct aside *aside, uint32_t source, struct slice bytes);

/* The same of a WATCH. */
bool aside_watch(const struct aside *aside, uint32_t source, struct slice bytes);

/* What its watches are owed. */
void aside_turn(const struct aside *aside);
