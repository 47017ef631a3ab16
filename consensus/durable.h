/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * durable.h - what the journal was given, how far it got, and what it may forget
 *
 *      given     | 1 ..... durable ..... last |      bytes between them are bounded; the oldest of
 *                                                    them has an age: a device that stalls
 *      retained  (index, record), both growing: entry `index` and all later ones of the present
 *                log stand in records >= `record`
 *
 * The retained list is bounded: when it is full every second one goes, which only makes the answer
 * more careful.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include <stdint.h>

enum {
	PAXOS_WAITS_MAX = 64,
	PAXOS_RETAINED_MAX = 128,
};

struct paxos_durable {
	uint64_t given_bytes, durable_bytes; /* since the start */
	struct {
		uint64_t record; /* when it is durable ... */
		uint64_t bytes;  /* ... so many of given_bytes are */
		uint64_t since_ns;
	} waits[PAXOS_WAITS_MAX];
	unsigned waits_first, waits_count;

	struct {
		uint64_t index, record;
	} retained[PAXOS_RETAINED_MAX];
	unsigned retained_count;
	uint64_t stage_record; /* where the intake under way begins; 0: none */
};

void paxos_durable_gave(struct paxos_durable *durable, uint64_t record, uint64_t bytes,
                        uint64_t now_ns);
void paxos_durable_reached(struct paxos_durable *durable, uint64_t record);

/* Bytes given and not durable. */
uint64_t paxos_durable_waiting(const struct paxos_durable *durable);

/* How long the oldest of them has waited; 0 if none does. */
uint64_t paxos_durable_age_ns(const struct paxos_durable *durable, uint64_t now_ns);

/* Entry `index` and all that follow begin in `record`. */
void paxos_durable_retain(struct paxos_durable *durable, uint64_t index, uint64_t record);

/* An adoption that was staged from `record` on cut the log to `cut`. */
void paxos_durable_cut(struct paxos_durable *durable, uint64_t cut, uint64_t record);

/*
 * The first record that a server with a snapshot at `index` needs; UINT64_MAX: none so far. What
 * only an older snapshot would need is forgotten here.
 */
uint64_t paxos_durable_from(struct paxos_durable *durable, uint64_t index);
