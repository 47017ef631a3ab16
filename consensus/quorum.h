/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * quorum.h - how many are enough
 *
 * Servers are indexes below STORE_NODES_MAX; a set of them is the bits of a word. The voters of a
 * configuration are such a set: any of 1 to STORE_VOTERS_MAX servers.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/mutant.h"
#include "store/limits.h"

static inline uint32_t paxos_bit(unsigned node)
{
	return (uint32_t)1 << node;
}

static inline bool paxos_has(uint32_t set, unsigned node)
{
	return (set & paxos_bit(node)) != 0;
}

static inline unsigned paxos_count(uint32_t set)
{
	return (unsigned)__builtin_popcount(set);
}

/* The set of the first `count` servers. */
static inline uint32_t paxos_first(unsigned count)
{
	return paxos_bit(count) - 1;
}

/*
 * Goes through a set: for (unsigned node = 0; paxos_each(set, &node); node++). Moves *node to the
 * first of the set that is not below it; false if there is none.
 */
static inline bool paxos_each(uint32_t set, unsigned *node)
{
	const uint32_t rest = *node >= STORE_NODES_MAX ? 0 : set >> *node;

	if (rest == 0) {
		return false;
	}
	*node += (unsigned)__builtin_ctz(rest);
	return true;
}

static inline unsigned paxos_majority(uint32_t voters)
{
	return paxos_count(voters) / 2 + !mutant(7);
}

static inline bool paxos_is_majority(uint32_t set, uint32_t voters)
{
	return paxos_count(set & voters) >= paxos_majority(voters);
}

/* The highest number that a majority of `voters` has reached, each its own in `values`. */
static inline uint64_t paxos_majority_reached(const uint64_t *values, uint32_t voters)
{
	uint64_t best = 0;

	for (unsigned i = 0; paxos_each(voters, &i); i++) {
		unsigned reached = 0;

		for (unsigned k = 0; paxos_each(voters, &k); k++) {
			reached += values[k] >= values[i];
		}
		if (reached >= paxos_majority(voters) && values[i] > best) {
			best = values[i];
		}
	}
	return best;
}
