/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reclaim.h - memory that several roots share, and when it may be freed
 *
 *      take --> [ this batch's own: may be changed in place ] --publish--> [ shared, immutable ]
 *                        | list                                              | list
 *                        v                                                   v
 *                      freed                                       waits in line under a number
 *
 * The number is that of the publish after which no new reader can find the block. It is freed
 * when a grace period has passed that number and no pinned root is older.
 *
 * A block carries one stamp. While it lives it is the batch that made it; while it waits it is
 * the number of that publish.
 *
 * An allocation that fails stops the server (must): apply has to end alike on all servers, and
 * the arena is larger than what the quota lets in.
 *
 * Pure. Threads: the writer's; store_reclaim_waiting() any.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/alloc.h"

enum {
	STORE_STAMP_BITS = 48, /* 89 years of 100,000 batches in a second */
	STORE_BLOCK_UNIT = 16, /* bytes */
	STORE_BLOCK_SIZE_MAX = STORE_BLOCK_UNIT * ((1 << (64 - STORE_STAMP_BITS)) - 1),
};

/* First in everything that is taken here. */
struct store_block {
	struct store_block *next; /* in line; used by the writer alone */
	uint64_t stamp : STORE_STAMP_BITS;
	uint64_t units : 64 - STORE_STAMP_BITS; /* its size: asking the allocator costs a search */
};

struct store_reclaim {
	struct store_alloc *alloc; /* borrowed */
	uint64_t batch;            /* stamp of what is made now */
	uint64_t wanted;           /* number of the last publish that left something to free */
	uint64_t passed;           /* a grace period has passed this publish */
	uint64_t fresh;            /* blocks listed since the last publish */
	uint64_t listed;           /* blocks that the last publish left behind */
	struct store_block *first; /* the line, oldest first */
	struct store_block *last;
	_Atomic uint64_t waiting; /* bytes in the line */
};

/* Starts with an empty line. Nothing to undo once everything was given back. */
void store_reclaim_init(struct store_reclaim *reclaim, struct store_alloc *alloc, uint64_t batch);

/* A block of this batch. Does not fail; see above. Everything but the block is not set. */
void *store_reclaim_take(struct store_reclaim *reclaim, size_t size);

/* What the block takes, as the cap counts it. */
static inline size_t store_block_size(const struct store_block *block)
{
	return (size_t)block->units * STORE_BLOCK_UNIT;
}

/* True if no reader has seen the block: it may be changed in place. */
static inline bool store_reclaim_owns(const struct store_reclaim *reclaim,
                                      const struct store_block *block)
{
	return block->stamp == reclaim->batch;
}

/* The state that is made now does not have the block any more (taken). */
void store_reclaim_list(struct store_reclaim *reclaim, struct store_block *block);

/* Gives a block back at once: nobody reads any more, or nobody ever did. */
void store_reclaim_give(struct store_reclaim *reclaim, struct store_block *block);

/*
 * The batch becomes visible. Returns the number under which what it replaced waits: a root
 * published now can reach nothing that waits under a number up to it.
 */
uint64_t store_reclaim_publish(struct store_reclaim *reclaim);

/*
 * Frees what waits under numbers up to `oldest` that a grace period has passed, at most
 * `blocks_max` blocks. `oldest` is the number of the oldest pinned root, or UINT64_MAX.
 */
void store_reclaim_collect(struct store_reclaim *reclaim, uint64_t oldest, uint64_t blocks_max);

uint64_t store_reclaim_waiting(const struct store_reclaim *reclaim);
