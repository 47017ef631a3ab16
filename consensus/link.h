/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * link.h - the stream of ACCEPTs from a leader to one follower: a window, and what was lost
 *
 *      acknowledged | in flight, numbered first .. next_number - 1 | not sent
 *
 * Each datagram has a number of its own; what is sent again gets a new one, so a round trip is
 * measured without doubt (RFC 9002, section 5 and 6: packet threshold 3, probe time-out). An
 * acknowledgement names the highest number taken and 64 more. The length it tells comes after the
 * follower's disk, the numbers too.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"

struct paxos_flight {
	struct paxos_place from, to;
	uint64_t sent_ns;
	bool done; /* acknowledged, or sent again under another number */
	bool lost;
};

struct paxos_link {
	struct paxos_place next; /* first place never sent */
	uint64_t first, next_number;
	struct paxos_flight flights[PAXOS_WINDOW_MAX];
	uint64_t length;        /* highest acknowledged */
	uint64_t round_trip_ns; /* smoothed; 0: not known */
	uint64_t wait_ns;       /* present time-out */
	uint64_t moved_ns;      /* last time anything was acknowledged or sent first */
	uint64_t resent;
};

/* Begins behind `length`; numbers go on, so old acknowledgements cannot be mistaken. */
void paxos_link_reset(struct paxos_core *core, struct paxos_link *link, uint64_t length);

void paxos_link_acked(struct paxos_core *core, struct paxos_link *link,
                      const struct paxos_msg *acked);

/*
 * Sends what was lost and what is new, as far as the window allows. False if the follower needs
 * entries that the log no longer has: it needs a snapshot.
 */
bool paxos_link_send(struct paxos_core *core, struct paxos_link *link, unsigned peer);

uint64_t paxos_link_deadline_ns(const struct paxos_link *link);
