/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * arp.h - be found on the wire, and find the peers
 *
 *      dp_arp_find     "where is 10.77.0.2?"  known: its MAC    not known: wanted from now on
 *      dp_arp_poll     the next request that is due, as a frame
 *      dp_arp_receive  a request for us: the reply, as a frame; a reply: learned
 *
 * Only what was asked for is learned: a table of DP_ARP_NEIGHBOURS places cannot be flooded. A
 * place not found yet is asked for after 20 ms, 40 ms, ... up to 1 s; one found is asked for
 * again every 10 s while it is wanted and forgotten 60 s after it was last heard of. Whoever is
 * not on our subnet is reached through the gateway, if there is one.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/frame.h"

enum {
	DP_ARP_NEIGHBOURS = 16,
};

struct dp_neighbour {
	uint32_t address; /* 0: the place is free */
	bool is_known;
	struct dp_mac mac;
	uint64_t wanted_ns; /* last asked for by dp_arp_find() */
	uint64_t heard_ns;  /* last heard of */
	uint64_t ask_ns;    /* when to send the next request */
	uint64_t gap_ns;    /* between the last request and the next */
};

struct dp_arp {
	uint32_t address, gateway, mask;
	struct dp_mac mac;
	struct dp_neighbour neighbours[DP_ARP_NEIGHBOURS];
};

/* gateway 0: none. Nothing to undo. */
void dp_arp_init(struct dp_arp *arp, const struct dp_mac *mac, uint32_t address, uint8_t prefix,
                 uint32_t gateway);

/* True, and the MAC to send to, if the way to `address` is known. */
bool dp_arp_find(struct dp_arp *arp, uint64_t now_ns, uint32_t address, struct dp_mac *ret_mac);

enum dp_arp_result {
	DP_ARP_ANSWER,   /* the reply stands in memory */
	DP_ARP_LEARNED,  /* taken, nothing to send */
	DP_ARP_NOT_OURS, /* about others */
	DP_ARP_BAD,      /* somebody else says to have our address */
};

/* Takes a frame that dp_frame_parse() found to be ARP. `memory`: DP_ARP_SIZE bytes. */
enum dp_arp_result dp_arp_receive(struct dp_arp *arp, uint64_t now_ns, const struct dp_frame *frame,
                                  void *memory);

/* Writes the next request that is due to `memory` (DP_ARP_SIZE bytes). False: none is. */
bool dp_arp_poll(struct dp_arp *arp, uint64_t now_ns, void *memory);
