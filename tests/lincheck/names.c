/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/names.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"

enum {
	COUNT_MIN = 64,
};

void names_init(struct names *names)
{
	*names = (struct names){0};
}

void names_deinit(struct names *names)
{
	for (uint32_t i = 0; i < names->count; i++) {
		free((void *)(uintptr_t)names->entries[i].data);
	}
	free(names->entries);
	free(names->slots);
}

struct slice names_get(const struct names *names, uint32_t number)
{
	must(number < names->count);
	return names->entries[number];
}

static uint32_t hash_of(struct slice bytes)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < bytes.size; i++) {
		hash = (hash ^ bytes.data[i]) * 0x100000001b3u;
	}
	return (uint32_t)(hash ^ hash >> 32);
}

/* The slot that holds the name, or the free one where it belongs. */
static uint32_t slot_of(const struct names *names, struct slice bytes)
{
	uint32_t at = hash_of(bytes) & (names->slot_count - 1);

	while (names->slots[at] != 0 && !slice_equal(names->entries[names->slots[at] - 1], bytes)) {
		at = (at + 1) & (names->slot_count - 1);
	}
	return at;
}

static int grow(struct names *names)
{
	const uint32_t room = names->room == 0 ? COUNT_MIN : names->room * 2;
	struct slice *entries = realloc(names->entries, room * sizeof(*entries));
	uint32_t *slots;

	if (entries == NULL) {
		return -ENOMEM;
	}
	names->entries = entries;
	slots = calloc(2 * (size_t)room, sizeof(*slots));
	if (slots == NULL) {
		return -ENOMEM;
	}
	free(names->slots);
	names->slots = slots;
	names->slot_count = 2 * room;
	names->room = room;
	for (uint32_t i = 0; i < names->count; i++) {
		names->slots[slot_of(names, entries[i])] = i + 1;
	}
	return 0;
}

int names_number(struct names *names, struct slice bytes, uint32_t *ret_number)
{
	uint8_t *copy;
	uint32_t at;

	if (names->count == names->room && grow(names) != 0) {
		return -ENOMEM;
	}
	at = slot_of(names, bytes);
	if (names->slots[at] == 0) {
		copy = malloc(bytes.size + 1);
		if (copy == NULL) {
			return -ENOMEM;
		}
		if (bytes.size != 0) {
			memcpy(copy, bytes.data, bytes.size);
		}
		names->entries[names->count++] = slice_make(copy, bytes.size);
		names->slots[at] = names->count;
	}
	*ret_number = names->slots[at] - 1;
	return 0;
}
