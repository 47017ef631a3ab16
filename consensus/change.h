/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * change.h - a change of the members, as an operator asks for it
 *
 *      ASK   options u8, add u16, remove u16, for each of add: ip u32, port u16
 *      TOLD  verdict u8, text
 *
 * A change says what shall be, not what to do: the leader takes the next step towards it each
 * time it is asked, and says where that stands. So it may be asked again and again, by whomever,
 * of one leader after the other, and has one effect.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/quorum.h"
#include "store/base/slice.h"
#include "store/entry.h"

enum {
	PAXOS_CHANGE_SIZE_MAX = 1 + 2 + 2 + STORE_NODES_MAX * 6,
	PAXOS_TOLD_TEXT_MAX = 240,
};

struct paxos_change {
	uint32_t add, remove; /* sets; disjoint, not both empty */
	bool as_learners;     /* `add` shall follow, and not vote */
	bool is_even;         /* an even number of voters is what is wanted */
	bool demotes;         /* voters of `remove` shall be learners */
	struct store_address addresses[STORE_NODES_MAX]; /* of `add`; ip 0: the files know it */
};

enum paxos_verdict {
	PAXOS_CHANGE_DONE = 1, /* it is so, and the new configuration has decided an entry */
	PAXOS_CHANGE_WAITS,    /* under way: ask again */
	PAXOS_CHANGE_REFUSED,  /* not now, and asking again does not help */
};

struct paxos_told {
	enum paxos_verdict verdict;
	char text[PAXOS_TOLD_TEXT_MAX]; /* for people; ends with 0 */
};

/* Writes at most PAXOS_CHANGE_SIZE_MAX bytes. Returns how many. Sets are good (must). */
size_t paxos_change_encode(const struct paxos_change *change, void *memory);
/* False if the bytes make no sense. */
bool paxos_change_decode(struct slice bytes, struct paxos_change *ret_change);

size_t paxos_told_encode(const struct paxos_told *told, void *memory);
bool paxos_told_decode(struct slice bytes, struct paxos_told *ret_told);

/* Writes verdict and text. The format knows %u (unsigned), %U (uint64_t) and %s, no more. */
void paxos_tell(struct paxos_told *told, enum paxos_verdict verdict, const char *format, ...);

enum {
	PAXOS_SET_TEXT_MAX = 3 * STORE_NODES_MAX + 5
};

/* "1 2 4": a set as people write it, servers from 1; "none". Returns `memory`. */
const char *paxos_set_text(uint32_t set, char memory[PAXOS_SET_TEXT_MAX]);
