/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * acceptor.h - the follower's half: promise, accept, acknowledge
 *
 *      ACCEPT in order --> log --> (tick: record) --> ACCEPTED, held until durable
 *      ACCEPT early    --> buffer, taken when the gap is filled and the log has room
 *
 * One ACCEPTED a turn: the length, and which datagrams were taken (number, 64-bit mask).
 * DESIGN 4.1 a, d, e. Private to consensus/. Pure. Threads: the replica's.
 */

#include <stdbool.h>

#include "consensus/core.h"

enum {
	PAXOS_EARLY_MAX = 64
};

struct paxos_early {
	uint64_t number; /* 0: free */
	struct paxos_place place;
	uint16_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct paxos_acceptor {
	struct paxos_ballot ballot; /* of what follows; the datagram numbers are the leader's */
	uint64_t highest;           /* number taken; 0: none */
	uint64_t mask;              /* bit i: highest - 1 - i was taken */
	bool ack_due;
	uint64_t told; /* decided, as far as the leader of `ballot` told */
	unsigned early_count;
	struct paxos_early early[PAXOS_EARLY_MAX];
};

void paxos_acceptor_init(struct paxos_acceptor *acceptor);

/* PREPARE of a ballot that is not below promised, which is recorded already: the answer. */
void paxos_acceptor_promise(struct paxos_core *core, unsigned candidate);

/* "promised > b: NACK with its own promised, nobody else's" */
void paxos_acceptor_nack(struct paxos_core *core, unsigned peer, struct paxos_ballot ballot);

/* "Unprepared for b: ask for PREPARE" */
void paxos_acceptor_ask(struct paxos_core *core, unsigned peer, struct paxos_ballot ballot);

/* ACCEPT, with promised == accepted == its ballot (must). */
void paxos_acceptor_accept(struct paxos_core *core, struct paxos_acceptor *acceptor,
                           const struct paxos_msg *msg);

/* Takes from the buffer what fits now. Once a turn: the log may have been full. */
void paxos_acceptor_take_early(struct paxos_core *core, struct paxos_acceptor *acceptor);

/* An acknowledgement is due to the leader of `accepted`. */
void paxos_acceptor_owe(struct paxos_core *core, struct paxos_acceptor *acceptor);

/* What the leader of `ballot` told as decided. */
void paxos_acceptor_told(struct paxos_core *core, struct paxos_acceptor *acceptor,
                         struct paxos_ballot ballot, uint64_t decided);

/* How far a follower may count as decided now (e). */
uint64_t paxos_acceptor_decided(const struct paxos_core *core,
                                const struct paxos_acceptor *acceptor);

/* Sends the acknowledgement that is due. After paxos_core_flush(). */
void paxos_acceptor_flush(struct paxos_core *core, struct paxos_acceptor *acceptor);
