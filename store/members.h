/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * members.h - who belongs to the cluster: voters, learners, their incarnations and addresses
 *
 *      MEMBERS(1, founders)          the first leader writes down who founded it
 *      LEARNER(+4)                   4 follows, and does not vote
 *      REJOIN(4, incarnation)        the incarnation under which 4 takes part
 *      MEMBERS(2, voters 1 2 4)      the stop-sign of configuration 1: behind it 2 begins
 *
 * Replicated state. An entry that does not follow (another number, a learner that votes) does
 * nothing, alike on all servers. Who leaves is forgotten, incarnation and address too.
 *
 * Pure.
 */

#include <stdint.h>

#include "store/entry.h"

struct store_member {
	uint64_t incarnation; /* 0: not named yet */
	uint64_t named;       /* index of the entry that named it */
	struct store_address address;
};

struct store_members {
	uint32_t configuration; /* number of the present one; 0: the founders are not written yet */
	uint32_t voters, learners; /* sets; disjoint */
	uint64_t since;            /* index of the MEMBERS entry that made it so */
	struct store_member member[STORE_NODES_MAX];
};

/* Applies REJOIN, MEMBERS or LEARNER (must) at `index`. */
void store_members_apply(struct store_members *members, uint64_t index,
                         const struct store_entry *entry);

/* False if no sequence of entries could have led to it. */
bool store_members_is_good(const struct store_members *members, uint64_t index);
