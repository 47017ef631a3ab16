/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record.h - what must be durable, as bytes
 *
 *      PROMISE  ballot                          promised = ballot
 *      ENTRIES  decided, place, body            append; decided is a hint, never ahead of the log
 *      STAGE    index, flags                    an adoption begins: what follows is staged
 *      STAGED   place, body                     entries of it
 *      STATE    position, body                  a piece of a snapshot of it
 *      ADOPT    ballot, index, length, flags    the one atomic step: cut to index (or take the
 *                                               staged snapshot), append what was staged,
 *                                               accepted = ballot, decided at least `decided`;
 *                                               JOINS: promised = ballot, too (4.1 i)
 *      BASE     ballot, accepted, decided,      what stands here: promised = ballot; a snapshot at
 *               length, index, from             `index` is durable, and with it the records from
 *                                               `from` on are all that is needed
 *
 * A journal that ends anywhere between STAGE and ADOPT has changed nothing (4.1, "atomic").
 * A journal whose first records were forgotten speaks again from its BASE on.
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"
#include "consensus/stream.h"
#include "store/base/slice.h"

enum paxos_record_kind {
	PAXOS_RECORD_PROMISE = 1,
	PAXOS_RECORD_ENTRIES,
	PAXOS_RECORD_STAGE,
	PAXOS_RECORD_STAGED,
	PAXOS_RECORD_STATE,
	PAXOS_RECORD_ADOPT,
	PAXOS_RECORD_BASE,
	PAXOS_RECORD_COUNT
};

enum {
	PAXOS_RECORD_SIZE_MAX = 64 * 1024,
	PAXOS_RECORD_HEADER = 96,
	PAXOS_RECORD_HAS_STATE = 1, /* flags of ADOPT */
	PAXOS_RECORD_JOINS = 2,
};

struct paxos_record {
	enum paxos_record_kind kind;
	uint8_t flags;
	struct paxos_ballot ballot;
	struct paxos_ballot accepted; /* BASE */
	uint64_t decided;
	struct paxos_place
		place; /* STATE: index is the position; ADOPT: the cut; BASE: see above */
	uint64_t length;
	uint64_t from; /* BASE: number of a record */
	struct slice body;
};

/* Writes all but the body: exactly PAXOS_RECORD_HEADER bytes. */
void paxos_record_encode(const struct paxos_record *record, void *memory);
/* False if the bytes make no sense. The body is borrowed. */
bool paxos_record_decode(struct slice bytes, struct paxos_record *ret_record);
