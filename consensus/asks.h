/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * asks.h - changes of the members that an operator asked of this server, until they are answered
 *
 *      change --> slot --ASK, each heartbeat--> leader      (or its own changer.h, if it leads)
 *                  ^ <-------- TOLD -----------'
 *                  '-- DONE, REFUSED or the deadline --> PAXOS_EFFECT_TOLD
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/change.h"
#include "consensus/core.h"

enum {
	PAXOS_ASKS_MAX = 4
};

struct paxos_ask {
	uint64_t id; /* 0: free */
	struct paxos_address address;
	struct paxos_change change;
	uint64_t deadline_ns, next_ns;
	struct paxos_told told; /* the last that was heard */
	bool is_over;           /* `told` is the answer; it waits for room */
};

struct paxos_asks {
	struct paxos_ask slots[PAXOS_ASKS_MAX];
	uint64_t last_id;
};

/* Takes it, or answers at once that there are too many. */
void paxos_asks_put(struct paxos_core *core, struct paxos_asks *asks,
                    const struct paxos_address *address, const struct paxos_change *change,
                    uint64_t deadline_ns);

/* The next that is to be asked now; NULL if none is. It is not due again before a heartbeat. */
struct paxos_ask *paxos_asks_due(struct paxos_core *core, struct paxos_asks *asks);

/* Sends it to the leader. */
void paxos_asks_send(struct paxos_core *core, const struct paxos_ask *ask, unsigned leader);

/* What was told of the ask `id`; nothing if there is none. */
void paxos_asks_told(struct paxos_asks *asks, uint64_t id, const struct paxos_told *told);

/* Gives out the answers, as far as there is room. Once a turn. */
void paxos_asks_tick(struct paxos_core *core, struct paxos_asks *asks);
uint64_t paxos_asks_deadline_ns(const struct paxos_asks *asks);
