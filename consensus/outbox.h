/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * outbox.h - effects on their way to the shell, and those that wait for the disk
 *
 *      begin, commit(record) --- durable? --yes--> [ effects ] --take--> shell
 *                                   |no               ^
 *                                   v                 | durable(n)
 *                                [ held, in order ] --+
 *
 * PERSIST goes out at once and is never dropped; its room is kept free. SEND and REPLY that find
 * no room are dropped and counted: whoever misses them asks again.
 *
 * Pure: allocates only in init. Threads: the replica's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/effect.h"
#include "store/base/ring.h"

struct paxos_outbox {
	struct paxos_effect *effects;
	uint32_t count, taken;
	uint8_t *arena;
	size_t used;

	struct ring held;
	void *held_memory;

	uint64_t record_last;    /* given out */
	uint64_t record_durable; /* reported back */
	uint64_t sent;           /* SEND and REPLY effects given out */
	uint64_t dropped;
};

/* 0 or -ENOMEM. */
int paxos_outbox_init(struct paxos_outbox *outbox);
void paxos_outbox_deinit(struct paxos_outbox *outbox);

/* The memory that init takes. */
uint64_t paxos_outbox_bytes(void);

/* STORE_DATAGRAM_SIZE_MAX bytes to write a datagram into, or NULL (counted). */
void *paxos_outbox_begin(struct paxos_outbox *outbox);

/*
 * Sends what was written into the memory of the last begin (SEND, REPLY, TOLD). `effect` says
 * kind, peer or address.
 * With `hold` it waits until every record given out so far is durable.
 */
void paxos_outbox_commit(struct paxos_outbox *outbox, const struct paxos_effect *effect,
                         size_t size, bool hold);

/* Gives out a record. Returns its number. The room was asked for before (must). */
uint64_t paxos_outbox_persist(struct paxos_outbox *outbox, struct slice record,
                              const struct paxos_mark *mark);

/* FORGET, SNAPSHOT, PEER, END: few, and never dropped. */
void paxos_outbox_tell(struct paxos_outbox *outbox, const struct paxos_effect *effect);

/* Bytes of records that are sure to fit before the next take. */
size_t paxos_outbox_persist_room(const struct paxos_outbox *outbox);

/* Dropped silently if there is no room: traces are for people and checkers. */
void paxos_outbox_trace(struct paxos_outbox *outbox, const struct paxos_trace *trace);

/* Everything up to `record` is durable: what was held for it goes out. */
void paxos_outbox_durable(struct paxos_outbox *outbox, uint64_t record);

bool paxos_outbox_take(struct paxos_outbox *outbox, struct paxos_effect *ret_effect);
