/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ballot.h - the order of attempts to lead
 *
 * Ballots compare by configuration, round, priority, node, incarnation, start (DESIGN 4.1). Node,
 * incarnation and start make a ballot the property of one process, which uses it once. The ballot
 * of all zeros is below every other and stands for "none".
 */

#include <stdbool.h>
#include <stdint.h>

struct paxos_ballot {
	uint32_t configuration;
	uint64_t round; /* from 1 */
	uint8_t priority;
	uint8_t node;
	uint64_t incarnation;
	uint32_t start;
};

#define PAXOS_BALLOT_ORDER(field)                                                                  \
	if (a.field != b.field) {                                                                  \
		return a.field < b.field ? -1 : 1;                                                 \
	}

/* Below 0, 0 or above 0, as a is below, equal to or above b. */
static inline int paxos_ballot_compare(struct paxos_ballot a, struct paxos_ballot b)
{
	PAXOS_BALLOT_ORDER(configuration)
	PAXOS_BALLOT_ORDER(round)
	PAXOS_BALLOT_ORDER(priority)
	PAXOS_BALLOT_ORDER(node)
	PAXOS_BALLOT_ORDER(incarnation)
	PAXOS_BALLOT_ORDER(start)
	return 0;
}

#undef PAXOS_BALLOT_ORDER

static inline bool paxos_ballot_equal(struct paxos_ballot a, struct paxos_ballot b)
{
	return paxos_ballot_compare(a, b) == 0;
}

static inline bool paxos_ballot_is_none(struct paxos_ballot ballot)
{
	return ballot.round == 0;
}
