/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * aside.h - a worker beyond the first, in the simulator
 *
 * Answers a read from the published root under the lease, as consensus/reader.h allows, beside
 * the replica. In the simulator both are one thread, so it comes between two steps of the replica.
 */

#include "consensus/replica.h"
#include "tests/sim/stage.h"

/*
 * Takes a client's datagram if it is a read that can be answered here; the answer is on its way
 * then. False: it is the replica's.
 */
bool aside_read(struct stage *stage, const struct paxos_replica *replica, const struct store *store,
                uint64_t local_ns, unsigned node, enum paxos_durability durability, uint32_t source,
                struct slice bytes);
