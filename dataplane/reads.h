/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reads.h - what a worker beyond 0 answers: reads from the published root, and watches
 *
 * Each worker keeps the watches of the clients whose datagrams come to it (consensus/watches.h).
 *
 * What is not a whole, well-formed read of this cluster that the lease allows, is left to the
 * replica: it knows what to refuse, and how.
 *
 * Threads: one for each worker, a registered liburcu-qsbr reader.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/reader.h"
#include "consensus/replica.h"
#include "consensus/watches.h"
#include "dataplane/rx.h"
#include "store/store.h"

struct dp_reads {
	const struct paxos_lease_view *view; /* borrowed, as the store */
	const struct store *store;
	const struct store_keys *keys; /* borrowed */
	uint64_t cluster;
	uint8_t node, durability;
	struct paxos_looks looks;
	struct paxos_watches *watches; /* owned; NULL at worker 0, whose replica has its own */
	uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
};

/*
 * True if the datagram was a read or a watch and its answer is on its way; now_ns is read after the
 * burst.
 */
bool dp_reads_answer(struct dp_reads *reads, uint64_t now_ns, const struct dp_packet *packet,
                     struct dp_tx *tx);

/* What watches are owed, once a turn; when to turn at the latest, see consensus/watches.h. */
void dp_reads_turn(struct dp_reads *reads, uint64_t now_ns, struct dp_tx *tx);
uint64_t dp_reads_deadline_ns(const struct dp_reads *reads);
