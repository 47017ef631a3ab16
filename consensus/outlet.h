/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * outlet.h - gives entries and snapshots to a member that fetches
 *
 *      FETCH(ballot b)      entries of the own log, while promised = b (4.1 b, c)
 *      FETCH(no ballot)     decided entries, and who leads (4.1 i)
 *      FETCH with STATE     the snapshot of the present root, from a byte on
 *
 * An answer is a burst of datagrams; who fetches asks again from where it got to. For snapshots
 * the last bytes given are kept, so that a lost burst can be given again; who asks for earlier
 * ones gets a new snapshot from its start.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/snapshot.h"

enum {
	PAXOS_BURST = 32, /* datagrams in answer to one FETCH */
	PAXOS_STATE_WINDOW = 128 * 1024,
};

struct paxos_outlet {
	struct store_snapshot *snapshot;
	uint8_t *window;
	uint64_t window_at; /* position of its first byte */
	uint32_t window_have;
	bool ended; /* the window's end is the snapshot's */
	uint64_t used_ns;
};

/* 0 or -ENOMEM. */
int paxos_outlet_init(struct paxos_outlet *outlet);
void paxos_outlet_deinit(struct paxos_outlet *outlet, struct store *store);

/* Gives entries of the log up to `last`. `told` goes into the answer's decided; see supply.h. */
void paxos_outlet_entries(struct paxos_core *core, const struct paxos_msg *fetch,
                          struct paxos_ballot ballot, uint64_t last, uint64_t told, uint64_t proof);

void paxos_outlet_state(struct paxos_core *core, struct paxos_outlet *outlet,
                        const struct paxos_msg *fetch);

/* Unpins a snapshot that nobody has asked for in a while. */
void paxos_outlet_tick(struct paxos_core *core, struct paxos_outlet *outlet);
