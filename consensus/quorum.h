/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * quorum.h - how many are enough
 *
 * Members are indexes below `count`; a set of them is the bits of a word.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/limits.h"

static inline unsigned paxos_majority(unsigned count)
{
	return count / 2 + 1;
}

static inline uint32_t paxos_bit(unsigned node)
{
	return (uint32_t)1 << node;
}

static inline bool paxos_is_majority(uint32_t set, unsigned count)
{
	return (unsigned)__builtin_popcount(set) >= paxos_majority(count);
}

/* The highest number that a majority of `values` has reached. */
static inline uint64_t paxos_majority_reached(const uint64_t *values, unsigned count)
{
	uint64_t best = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned reached = 0;

		for (unsigned k = 0; k < count; k++) {
			reached += values[k] >= values[i];
		}
		if (reached >= paxos_majority(count) && values[i] > best) {
			best = values[i];
		}
	}
	return best;
}
