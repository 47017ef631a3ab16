/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rx.h - ports to datagrams: burst, check, classify
 *
 *      dp_rx_burst   up to DP_BURST_MAX mbufs from the worker's ports and its inbox, ports in turn
 *      (the worker reads its clock)
 *      dp_rx_open    each: a datagram with its source; or ARP, ICMP echo, a drop: dealt with
 *      dp_rx_free    the burst's mbufs that nobody took
 *
 * A datagram borrows from its mbuf and is good until dp_rx_free(). Whoever keeps the mbuf says so
 * with dp_rx_keep().
 *
 * Who sent it: on a peer's link that member; on an ethdev the member whose address and UDP port
 * it has; everybody else is a client.
 *
 * Threads: one for each worker. ARP frames go to worker 0, which owns the tables.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/replica.h"
#include "dataplane/tx.h"

enum {
	DP_BURST_PORT = 32, /* mbufs from one port or inbox */
	DP_BURST_MAX = 64,  /* and from all of them, in one turn */
};

struct dp_packet {
	struct slice bytes; /* the Coffer datagram */
	struct paxos_source source;
};

struct dp_rx {
	unsigned worker;
	struct dp_tx *tx; /* borrowed; answers to ARP and ICMP go there */
	unsigned next;    /* the port that comes first in the next burst */
	unsigned count;
	struct rte_mbuf *mbufs[DP_BURST_MAX]; /* owned until taken: NULL */
	uint8_t ports[DP_BURST_MAX];          /* index, or DP_RX_INBOX */
};

enum {
	DP_RX_INBOX = 0xff
};

/* Fills the burst. Returns how many mbufs are in hand. */
unsigned dp_rx_burst(struct dp_rx *rx);

/* True, and a datagram, if mbuf `i` of the burst is one. */
bool dp_rx_open(struct dp_rx *rx, unsigned i, uint64_t now_ns, struct dp_packet *ret_packet);

/* The caller takes mbuf `i`. */
struct rte_mbuf *dp_rx_keep(struct dp_rx *rx, unsigned i);

void dp_rx_free(struct dp_rx *rx);

/* True if a link or the inbox has something; ethdevs cannot be asked. */
bool dp_rx_is_waiting(const struct dp_rx *rx);
