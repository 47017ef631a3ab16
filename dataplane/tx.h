/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tx.h - effects to ports: encode, burst, backlog
 *
 *      SEND, REPLY --> link:    a slot; shown to the other end once a turn
 *                 \--> ethdev:  an mbuf --> backlog --> burst, once a turn
 *                 \--> a link another worker owns: an mbuf to its inbox (pass.h)
 *
 * Nothing here waits: a backlog, ring or inbox that is full drops and counts, and the replica, or
 * the client, asks again. Bytes are copied at once.
 *
 * Threads: one for each worker.
 */

#include <stdint.h>

#include "consensus/effect.h"
#include "dataplane/counters.h"
#include "dataplane/pass.h"
#include "dataplane/port.h"

enum {
	DP_BACKLOG_MAX = 512,  /* frames that wait for a full port, each port and worker */
	DP_BACKLOG_BURST = 64, /* so many go at once, without waiting for the turn's end */
};

/* What a struct paxos_address holds when a worker made it. */
struct dp_address {
	uint8_t port; /* index */
	struct dp_mac mac;
	uint8_t unused;
	uint32_t address; /* IPv4 */
	uint16_t udp_port;
	uint8_t zero[17];
	uint8_t kind; /* enum dp_port_kind; 0: not a worker's, but mail's */
};

struct paxos_address dp_address_pack(const struct dp_address *address);
struct dp_address dp_address_unpack(const struct paxos_address *packed);

/* How a member is reached. */
struct dp_route {
	bool is_given; /* by the configuration */
	int port;      /* index, or -1: not at all */
	uint32_t address;
	uint16_t udp_port;
};

struct dp_backlog {
	unsigned count;
	struct rte_mbuf *mbufs[DP_BACKLOG_MAX]; /* owned */
};

struct dp_tx {
	unsigned worker;
	uint16_t udp_port;     /* own */
	struct dp_port *ports; /* borrowed, as all below */
	unsigned port_count;
	struct dp_pass *pass;
	struct rte_mempool *mbufs;
	struct dp_counters *counters;
	struct dp_route routes[STORE_NODES_MAX];
	uint32_t touched; /* bit i: port i has something to flush */
	struct dp_backlog backlogs[DP_PORTS_MAX];
};

/* Finds out how each member is reached: by its link; else by the ethdev whose subnet it is in. */
void dp_tx_find_routes(struct dp_tx *tx, const struct dp_config *config);

/*
 * A member that the configuration does not know stands at `at`. This worker alone knows: the
 * answers of a peer that comes in by another worker's queue need its line in the file.
 */
void dp_tx_learn(struct dp_tx *tx, unsigned peer, struct store_address at);

/* A datagram to the member `peer`. */
void dp_tx_send(struct dp_tx *tx, uint64_t now_ns, unsigned peer, struct slice bytes);

/* A datagram to a client whose address a worker has packed. */
void dp_tx_reply(struct dp_tx *tx, const struct paxos_address *address, struct slice bytes);

/* A datagram to the client behind a link of this worker. */
void dp_tx_link(struct dp_tx *tx, unsigned port, struct slice bytes);

/* A whole frame (taken) to an ethdev; and one made of bytes. */
void dp_tx_frame(struct dp_tx *tx, unsigned port, struct rte_mbuf *mbuf);
void dp_tx_frame_bytes(struct dp_tx *tx, unsigned port, struct slice bytes);

/* Everything out, as far as the ports take it. */
void dp_tx_burst(struct dp_tx *tx);

/* True if something waits for a full port. */
bool dp_tx_has_backlog(const struct dp_tx *tx);

/* Frees the backlogs. */
void dp_tx_close(struct dp_tx *tx);
