/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alive.h - which sessions a leader has heard of lately, and which it must end
 *
 * Keep-alives live in the leader's memory; the end of a session is an entry (DESIGN 4.1 k). A new
 * leader counts every time to live afresh.
 *
 * A table by hash. Two sessions may share a place; then the later of their times counts for both,
 * so a session may live longer than promised, never shorter.
 *
 * Private to consensus/. Pure: allocates only in init. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/entry.h"

enum {
	PAXOS_EXPIRE_SCAN = 32
}; /* sessions looked at in a turn */

struct paxos_heard {
	uint64_t session;
	uint64_t heard_ns;
	uint64_t expiring; /* epoch in which an EXPIRE that names it was proposed */
};

struct paxos_alive {
	struct paxos_heard *heard;
	uint64_t epoch;    /* counts leaderships, so that nothing need be wiped between them */
	uint64_t after;    /* the scan goes on behind this session */
	uint64_t since_ns; /* every time to live counts afresh from here; 0: not yet */
};

int paxos_alive_init(struct paxos_alive *alive);
void paxos_alive_deinit(struct paxos_alive *alive);

/* The memory that init takes. */
uint64_t paxos_alive_bytes(void);

/* A leadership begins or ends. */
void paxos_alive_reset(struct paxos_alive *alive);

/* The session's client was heard now. */
void paxos_alive_touch(struct paxos_core *core, struct paxos_alive *alive, uint64_t session);

/* An EXPIRE that names it is proposed and undecided. */
bool paxos_alive_is_expiring(const struct paxos_alive *alive, uint64_t session);

/*
 * Looks at some sessions and writes an EXPIRE for those that were silent for their time to live x
 * (1 + drift). False if there are none. If it cannot be proposed, take it back.
 */
bool paxos_alive_scan(struct paxos_core *core, struct paxos_alive *alive,
                      struct store_entry *ret_entry);
void paxos_alive_take_back(struct paxos_alive *alive, const struct store_entry *entry);
