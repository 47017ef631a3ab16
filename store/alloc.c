/* SPDX-License-Identifier: Apache-2.0 */
#include "store/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include <jemalloc/jemalloc.h>

#include "store/base/check.h"

struct store_alloc {
	_Atomic uint64_t bytes; /* one writer */
	uint64_t bytes_max;
	unsigned arena;
	unsigned cache; /* jemalloc's "tcache", made by hand: small sizes take no lock */
	int flags;
};

/* Freed pages are kept: giving them back would be a system call on the way of a packet. */
static int keep_pages(unsigned arena)
{
	ssize_t never = -1;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "arena.%u.dirty_decay_ms", arena);
	r = mallctl(name, NULL, NULL, &never, sizeof(never));
	if (r != 0) {
		return -r;
	}
	(void)snprintf(name, sizeof(name), "arena.%u.muzzy_decay_ms", arena);
	return -mallctl(name, NULL, NULL, &never, sizeof(never));
}

static void destroy_arena(unsigned arena)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "arena.%u.destroy", arena);
	must(mallctl(name, NULL, NULL, NULL, 0) == 0);
}

int store_alloc_new(struct store_alloc **ret_alloc, uint64_t bytes_max)
{
	struct store_alloc *alloc = calloc(1, sizeof(*alloc));
	size_t size = sizeof(unsigned);

	must(bytes_max > 0);
	if (alloc == NULL) {
		return -ENOMEM;
	}
	alloc->bytes_max = bytes_max;
	if (mallctl("arenas.create", &alloc->arena, &size, NULL, 0) != 0) {
		goto free_alloc;
	}
	if (keep_pages(alloc->arena) != 0) {
		goto free_arena;
	}
	if (mallctl("tcache.create", &alloc->cache, &size, NULL, 0) != 0) {
		goto free_arena;
	}
	alloc->flags = MALLOCX_ARENA(alloc->arena) | MALLOCX_TCACHE(alloc->cache);
	*ret_alloc = alloc;
	return 0;

free_arena:
	destroy_arena(alloc->arena);
free_alloc:
	free(alloc);
	return -ENOMEM;
}

void store_alloc_free(struct store_alloc *alloc)
{
	if (alloc == NULL) {
		return;
	}
	must(atomic_load_explicit(&alloc->bytes, memory_order_relaxed) == 0);
	must(mallctl("tcache.destroy", NULL, NULL, &alloc->cache, sizeof(alloc->cache)) == 0);
	destroy_arena(alloc->arena);
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
	memory = mallocx(size, alloc->flags);
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
	sdallocx(memory, size, alloc->flags);
}

size_t store_alloc_round(size_t size)
{
	return nallocx(size, 0);
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
