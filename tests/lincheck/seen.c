/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK_WORDS_MIN = 256,
	BLOCK_WORDS_MAX = 128 * 1024,
	SLOTS_MIN = 64,
};

struct seen_block {
	struct seen_block *next;
	size_t used, room;
	uint64_t words[];
};

void seen_init(struct seen *seen)
{
	*seen = (struct seen){0};
}

void seen_deinit(struct seen *seen)
{
	while (seen->blocks != NULL) {
		struct seen_block *next = seen->blocks->next;

		free(seen->blocks);
		seen->blocks = next;
	}
	free(seen->slots);
}

static uint64_t hash_of(const uint64_t *words, size_t count)
{
	uint64_t hash = 0x9e3779b97f4a7c15u ^ count;

	for (size_t i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	return hash;
}

static int grow_slots(struct seen *seen)
{
	const size_t count = seen->slot_count == 0 ? SLOTS_MIN : seen->slot_count * 2;
	const uint64_t **slots = calloc(count, sizeof(*slots));

	if (slots == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < seen->slot_count; i++) {
		const uint64_t *entry = seen->slots[i];
		size_t at;

		if (entry == NULL) {
			continue;
		}
		at = hash_of(entry + 1, entry[0]) & (count - 1);
		while (slots[at] != NULL) {
			at = (at + 1) & (count - 1);
		}
		slots[at] = entry;
	}
	free(seen->slots);
	seen->bytes += (count - seen->slot_count) * sizeof(*slots);
	seen->slots = slots;
	seen->slot_count = count;
	return 0;
}

/* Room for `count` words, in a block that never moves; blocks double up to a bound. */
static uint64_t *take_words(struct seen *seen, size_t count)
{
	struct seen_block *block = seen->blocks;
	uint64_t *words;

	if (block == NULL || block->room - block->used < count) {
		size_t room = block == NULL ? BLOCK_WORDS_MIN : block->room * 2;

		room = room > BLOCK_WORDS_MAX ? BLOCK_WORDS_MAX : room;
		room = room < count ? count : room;
		block = malloc(sizeof(*block) + room * sizeof(uint64_t));
		if (block == NULL) {
			return NULL;
		}
		block->next = seen->blocks;
		block->used = 0;
		block->room = room;
		seen->blocks = block;
		seen->bytes += sizeof(*block) + room * sizeof(uint64_t);
	}
	words = block->words + block->used;
	block->used += count;
	return words;
}

int seen_add(struct seen *seen, const uint64_t *words, size_t count)
{
	uint64_t *entry;
	size_t at;

	if (seen->count >= seen->slot_count / 2 && grow_slots(seen) != 0) {
		return -ENOMEM;
	}
	at = hash_of(words, count) & (seen->slot_count - 1);
	while (seen->slots[at] != NULL) {
		const uint64_t *other = seen->slots[at];

		if (other[0] == count && memcmp(other + 1, words, count * sizeof(*words)) == 0) {
			return 0;
		}
		at = (at + 1) & (seen->slot_count - 1);
	}
	entry = take_words(seen, count + 1);
	if (entry == NULL) {
		return -ENOMEM;
	}
	entry[0] = count;
	memcpy(entry + 1, words, count * sizeof(*words));
	seen->slots[at] = entry;
	seen->count++;
	return 1;
}
