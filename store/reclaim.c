/* SPDX-License-Identifier: Apache-2.0 */
#include "store/reclaim.h"

#include "store/base/check.h"
#include "store/base/mutant.h"

#define STAMP_MAX (((uint64_t)1 << STORE_STAMP_BITS) - 1)

void store_reclaim_init(struct store_reclaim *reclaim, struct store_alloc *alloc, uint64_t batch)
{
	must(alloc != NULL);
	*reclaim = (struct store_reclaim){.alloc = alloc, .batch = batch};
}

void *store_reclaim_take(struct store_reclaim *reclaim, size_t size)
{
	const size_t rounded = store_alloc_round(size);
	struct store_block *block;

	must(size >= sizeof(*block));
	must(rounded <= STORE_BLOCK_SIZE_MAX);
	block = store_alloc_take(reclaim->alloc, size);
	must(block != NULL);
	block->next = NULL;
	block->stamp = reclaim->batch & STAMP_MAX;
	block->units = (uint16_t)(rounded / STORE_BLOCK_UNIT);
	return block;
}

static void count_waiting(struct store_reclaim *reclaim, uint64_t change)
{
	const uint64_t waiting = atomic_load_explicit(&reclaim->waiting, memory_order_relaxed);

	atomic_store_explicit(&reclaim->waiting, waiting + change, memory_order_relaxed);
}

void store_reclaim_list(struct store_reclaim *reclaim, struct store_block *block)
{
	must(block->stamp <= reclaim->batch);
	if (store_reclaim_owns(reclaim, block)) {
		store_reclaim_give(reclaim, block);
		return;
	}
	must(block->next == NULL);
	block->stamp = (reclaim->wanted + 1) & STAMP_MAX;
	if (reclaim->first == NULL) {
		reclaim->first = block;
	} else {
		reclaim->last->next = block;
	}
	reclaim->last = block;
	reclaim->fresh++;
	count_waiting(reclaim, store_block_size(block));
}

void store_reclaim_give(struct store_reclaim *reclaim, struct store_block *block)
{
	store_alloc_give(reclaim->alloc, block, store_block_size(block));
}

uint64_t store_reclaim_publish(struct store_reclaim *reclaim)
{
	if (reclaim->fresh != 0) {
		reclaim->wanted++;
	}
	reclaim->listed = reclaim->fresh;
	reclaim->fresh = 0;
	must(reclaim->batch < STAMP_MAX); /* `wanted` is never ahead of it */
	reclaim->batch++;
	must(reclaim->passed <= reclaim->wanted);
	return reclaim->wanted;
}

void store_reclaim_collect(struct store_reclaim *reclaim, uint64_t oldest, uint64_t blocks_max)
{
	const uint64_t passed = mutant(28) ? reclaim->wanted : reclaim->passed;
	const uint64_t limit = oldest < passed ? oldest : passed;

	for (uint64_t i = 0; i < blocks_max; i++) {
		struct store_block *block = reclaim->first;

		if (block == NULL || block->stamp > limit) {
			return;
		}
		must(block->stamp <= reclaim->wanted);
		__builtin_prefetch(block->next, 1); /* NULL does no harm */
		reclaim->first = block->next;
		count_waiting(reclaim, (uint64_t)0 - store_block_size(block));
		store_reclaim_give(reclaim, block);
	}
}

uint64_t store_reclaim_waiting(const struct store_reclaim *reclaim)
{
	return atomic_load_explicit(&reclaim->waiting, memory_order_relaxed);
}
