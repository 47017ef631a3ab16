/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * seen.h - a set of word strings that only grows
 *
 * Open addressing; the words lie in blocks that never move. Pure but for malloc.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen_block;

struct seen {
	const uint64_t **slots; /* owned; size word, then words; NULL = free */
	size_t slot_count;      /* a power of two, or 0 */
	size_t count;
	struct seen_block *blocks; /* owned */
	uint64_t bytes;            /* taken in all */
};

void seen_init(struct seen *seen);
void seen_deinit(struct seen *seen);

/* Adds a string (copied). 1: new, 0: was there, -ENOMEM. */
int seen_add(struct seen *seen, const uint64_t *words, size_t count);
