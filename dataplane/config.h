/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config.h - what the shell is told at its start; free of DPDK types
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/replica.h"
#include "store/limits.h"

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
	uint8_t durability;   /* enum paxos_durability */
	uint32_t watches_max; /* kept by each worker at most */
};
