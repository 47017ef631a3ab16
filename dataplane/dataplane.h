/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dataplane.h - start, stop and look at the DPDK shell; free of DPDK types
 *
 *      ports (links between processes, ethdevs) --> workers (one core each) --> replica
 *                                                      ^
 *      consensus/mailbox.h: slow path, status ---------+
 *
 * Threads: dp_start and dp_stop belong to the thread that calls both. dp_counters may be asked by
 * any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/mailbox.h"
#include "consensus/replica.h"
#include "store/limits.h"
#include "store/store.h"

enum {
	DP_PORTS_MAX = 16,
	DP_WORKERS_MAX = 16,
	DP_DEVICE_SIZE_MAX = 256,
};

enum dp_port_kind {
	DP_PORT_LINK = 1, /* the shared-file link to one process of this machine */
	DP_PORT_ETHDEV,   /* any DPDK ethdev: a PCI address or a vdev string */
};

enum dp_poll {
	DP_POLL_ADAPTIVE = 0, /* yield, then sleep in bounded steps, when idle */
	DP_POLL_SPIN,         /* the core is ours */
};

struct dp_port_config {
	enum dp_port_kind kind;
	char device[DP_DEVICE_SIZE_MAX]; /* LINK: path of the file; ETHDEV: PCI address or vdev */
	int peer;                        /* LINK: member at the other end; PAXOS_NOBODY: clients */
	bool second;                     /* LINK: which of the two ends is ours */
	uint32_t address;                /* ETHDEV: own IPv4 address, host order */
	uint8_t prefix;                  /* ETHDEV: length of the subnet's prefix */
	uint32_t gateway;                /* ETHDEV: 0 = none */
};

struct dp_peer_config {
	uint32_t address; /* IPv4, host order; 0: reached by its link */
	uint16_t port;    /* UDP */
};

struct dp_config {
	const char *name; /* of this process, for EAL; "coffer-1" */
	bool no_huge;
	uint32_t memory_mb;        /* for DPDK */
	unsigned worker_count;     /* at least 1 */
	int cores[DP_WORKERS_MAX]; /* -1: not pinned */
	enum dp_poll poll;
	uint64_t sleep_max_ns; /* ADAPTIVE: longest sleep; the bound of the idle poll gap */
	uint16_t udp_port;     /* own */
	unsigned port_count;
	struct dp_port_config ports[DP_PORTS_MAX];
	uint8_t node, count; /* own index and number of members */
	struct dp_peer_config peers[STORE_NODES_MAX];
	/* As the replica has them; for answers that workers beyond 0 give. */
	uint64_t cluster;
	uint32_t configuration;
	uint8_t durability; /* enum paxos_durability; only PAXOS_MEMORY is taken yet */
};

struct dp;

/* One for each reason a frame was dropped, and what else is counted; names in dp_counter_text(). */
enum dp_counter {
	DP_RX_FRAMES = 0,
	DP_RX_BYTES,
	DP_TX_FRAMES,
	DP_TX_BYTES,
	DP_TX_FULL,    /* backlog full: freed, the peer asks again */
	DP_DROP_SHORT, /* less than its headers */
	DP_DROP_ETHERTYPE,
	DP_DROP_IP_HEADER, /* version, length, checksum, time to live */
	DP_DROP_FRAGMENT,
	DP_DROP_PROTOCOL,
	DP_DROP_ADDRESS, /* not for us */
	DP_DROP_UDP_PORT,
	DP_DROP_UDP_SUM,
	DP_DROP_ARP,
	DP_DROP_NO_NEIGHBOUR, /* we do not know the receiver's MAC yet; asked for */
	DP_DROP_NO_MBUF,
	DP_DROP_LINK, /* a damaged slot of a shared-file link */
	DP_DROP_RING, /* the ring between two workers is full */
	DP_ARP_ANSWERED,
	DP_ICMP_ANSWERED,
	DP_PASSED, /* by a worker beyond 0 to worker 0 */
	DP_READS,  /* answered by a worker beyond 0 */
	DP_TURNS,
	DP_TURNS_EMPTY,
	DP_SLEEPS,
	DP_WAKES,           /* by a doorbell */
	DP_HEALED,          /* a link's file was gone or another, and opened again */
	DP_POLL_GAP_MAX_NS, /* largest gap between two turns, ever */
	DP_POLL_GAP_NS,     /* largest gap in the last second */
	DP_COUNTER_COUNT
};

/*
 * Starts EAL, ports and workers; once in a process. The replica must have been made and not
 * started; worker 0 starts it and turns it from now on. Sets mailbox->worker_bell; control_bell is
 * the caller's. A PAXOS_MAIL_STATUS is struct paxos_status, then the counters as dp_counters()
 * gives them. Ignores SIGPIPE.
 *
 * Returns 0, or a negative errno; then ret_reason (if not NULL) holds one sentence that says
 * what, where and how to mend it, in at most 256 bytes.
 */
int dp_start(struct dp **ret_dp, const struct dp_config *config, struct paxos_replica *replica,
             struct store *store, struct paxos_mailbox *mailbox, char ret_reason[256]);

/* Stops the workers, waits for them, gives everything back. NULL is fine. */
void dp_stop(struct dp *dp);

/* Sums over all workers and ports; of the poll gaps the largest. */
void dp_counters(const struct dp *dp, uint64_t ret_counters[DP_COUNTER_COUNT]);
const char *dp_counter_text(enum dp_counter counter); /* "rx_frames" and so on */
