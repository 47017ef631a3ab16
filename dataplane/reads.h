/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reads.h - a read answered by a worker beyond 0, from the published root
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
#include "dataplane/rx.h"
#include "store/store.h"

struct dp_reads {
	const struct paxos_lease_view *view; /* borrowed, as the store */
	const struct store *store;
	uint64_t cluster;
	uint8_t node, durability;
	uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
};

/* True if the datagram was a read and its answer is on its way; now_ns is read after the burst. */
bool dp_reads_answer(struct dp_reads *reads, uint64_t now_ns, const struct dp_packet *packet,
                     struct dp_tx *tx);
