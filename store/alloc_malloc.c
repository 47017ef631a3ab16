/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.h over malloc, for sanitizer builds. */
#include "store/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/base/check.h"

enum {
	ROUND = 16,
};

struct store_alloc {
	_Atomic uint64_t bytes; /* one writer */
	uint64_t bytes_max;
};

int store_alloc_new(struct store_alloc **ret_alloc, uint64_t bytes_max)
{
	struct store_alloc *alloc = calloc(1, sizeof(*alloc));

	must(bytes_max > 0);
	if (alloc == NULL) {
		return -ENOMEM;
	}
	alloc->bytes_max = bytes_max;
	*ret_alloc = alloc;
	return 0;
}

void store_alloc_free(struct store_alloc *alloc)
{
	if (alloc == NULL) {
		return;
	}
	must(atomic_load_explicit(&alloc->bytes, memory_order_relaxed) == 0);
	free(alloc);
}

void *store_alloc_take(struct store_alloc *alloc, size_t size)
{
	const uint64_t bytes = atomic_load_explicit(&alloc->bytes, memory_order_relaxed);
	const size_t rounded = store_alloc_round(size);
	void *memory;

	must(size > 0);
	if (rounded == 0 || rounded > alloc->bytes_max || bytes > alloc->bytes_max - rounded) {
		return NULL;
	}
	memory = malloc(size);
	if (memory != NULL) {
		atomic_store_explicit(&alloc->bytes, bytes + rounded, memory_order_relaxed);
	}
	return memory;
}

void store_alloc_give(struct store_alloc *alloc, void *memory, size_t size)
{
	const uint64_t bytes = atomic_load_explicit(&alloc->bytes, memory_order_relaxed);
	const size_t rounded = store_alloc_round(size);

	if (memory == NULL) {
		return;
	}
	must(rounded <= bytes);
	atomic_store_explicit(&alloc->bytes, bytes - rounded, memory_order_relaxed);
	free(memory);
}

size_t store_alloc_round(size_t size)
{
	return size <= SIZE_MAX / 2 ? (size + ROUND - 1) & ~(size_t)(ROUND - 1) : 0;
}

uint64_t store_alloc_room(const struct store_alloc *alloc)
{
	const uint64_t bytes = store_alloc_bytes(alloc);

	return bytes < alloc->bytes_max ? alloc->bytes_max - bytes : 0;
}

uint64_t store_alloc_bytes(const struct store_alloc *alloc)
{
	return atomic_load_explicit(&alloc->bytes, memory_order_relaxed);
}
