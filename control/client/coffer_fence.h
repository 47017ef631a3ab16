/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_fence.h - for resources outside of Coffer: refuse who held a lock before
 *
 *      static struct coffer_fence_slot slots[8];
 *      static struct coffer_fence fence = {slots, 8};
 *
 *      if (coffer_fence_check(&fence, "/db/master", token) < 0) ... refuse the request
 *
 * A holder that slept, or whose packets were late, may still act when another one holds the lock.
 * No clock helps against that, but the token does: it grows with each grant, for ever. So whoever
 * asks for something says under which token of which lock, and whoever is asked refuses tokens
 * below the highest it has seen.
 *
 * Check and deed are one step, or it is no fence: between the check of token 5 and its deed, 6 may
 * be checked and done. Do both under one mutex, on one thread, or in one transaction of a database
 * that keeps the highest token beside the data (examples/master.c).
 *
 * Memory is the caller's, and zero at first. Threads: any, at once. No sockets, no handle, no
 * allocation. Across a restart of the resource the highest token has to be kept: when a check
 * returns 1, write the token down before the deed; at the start, check what was written.
 *
 * Source: M. Kleppmann, "How to do distributed locking" (2016); Burrows, "The Chubby lock service"
 * (OSDI'06), 2.4.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	COFFER_FENCE_NAME_SIZE_MAX = 475 /* bytes of a lock's name */
};

/* One lock. All zero: free. */
struct coffer_fence_slot {
	uint32_t state; /* the library's own, like all of it */
	int64_t token;
	char lock[COFFER_FENCE_NAME_SIZE_MAX + 1];
};

struct coffer_fence {
	struct coffer_fence_slot *slots; /* the caller's; so many locks are told apart */
	unsigned slot_count;
};

/*
 * Returns 1: it is the highest so far; 0: it is the highest, again; -EPERM: it is older: refuse;
 * -ENOSPC: there is no slot for another lock: refuse; -EINVAL: that is no token (tokens are above
 * 0), or no name (1 to COFFER_FENCE_NAME_SIZE_MAX bytes).
 */
int coffer_fence_check(struct coffer_fence *fence, const char *lock, int64_t token);

/* The highest token of this lock that was seen; 0: none was. */
int64_t coffer_fence_highest(const struct coffer_fence *fence, const char *lock);

#ifdef __cplusplus
}
#endif
