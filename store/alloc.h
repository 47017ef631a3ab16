/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alloc.h - the one place that allocates after start
 *
 * What grows with the data (nodes, values, sessions, events) comes from here: a jemalloc arena of
 * its own, with a cap. Memory that was freed stays with the arena, so no system call gives it
 * back in the middle of a packet. Sanitizer builds use malloc (alloc_malloc.c), so that a leak or
 * a use after free is seen; Meson chooses the file.
 *
 * Pure but for the allocator's own state. Threads: one; store_alloc_bytes() any.
 */

#include <stddef.h>
#include <stdint.h>

struct store_alloc;

/*
 * bytes_max  what may be taken at once, as the allocator rounds sizes up
 *
 * Returns 0 or -ENOMEM. Given back to store_alloc_free().
 */
int store_alloc_new(struct store_alloc **ret_alloc, uint64_t bytes_max);

/* Everything taken was given back before (must). NULL is fine. */
void store_alloc_free(struct store_alloc *alloc);

/*
 * At least `size` bytes, not cleared; NULL if that is over the cap. Aligned to 16 from 16 bytes on,
 * to 8 below.
 */
void *store_alloc_take(struct store_alloc *alloc, size_t size);

/* Gives back what was taken: `size` is as asked for, or as it is counted. NULL is fine. */
void store_alloc_give(struct store_alloc *alloc, void *memory, size_t size);

/* What the cap counts for `size` bytes: from 16 on a multiple of 16. 0 if nobody has so much. */
size_t store_alloc_round(size_t size);

/* What may still be taken before the cap is reached. */
uint64_t store_alloc_room(const struct store_alloc *alloc);

/* Bytes taken and not yet given back. Any thread. */
uint64_t store_alloc_bytes(const struct store_alloc *alloc);
