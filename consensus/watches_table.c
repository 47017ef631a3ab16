/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/watches_table.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/hash.h"
#include "store/glob.h"

enum {
	WORD_BITS = 64,
	WORDS = PAXOS_WATCH_WHEEL / WORD_BITS,
};

#define TICK_MASK (((uint64_t)1 << PAXOS_WATCH_TICK_BITS) - 1)

static uint32_t buckets_for(uint32_t max)
{
	uint32_t buckets = 1;

	while (buckets < max) {
		buckets *= 2;
	}
	return buckets;
}

int paxos_watch_table_init(struct paxos_watch_table *table, uint32_t max)
{
	const uint32_t buckets = buckets_for(max);

	*table = (struct paxos_watch_table){.max = max, .mask = buckets - 1};
	table->watches = calloc(max, sizeof(table->watches[0]));
	table->names = calloc(buckets, sizeof(table->names[0]));
	table->lists = calloc(buckets, sizeof(table->lists[0]));
	table->lines = calloc(PAXOS_WATCH_LINES, sizeof(table->lines[0]));
	table->busy = calloc(WORDS, sizeof(table->busy[0]));
	if ((table->watches == NULL && max != 0) || table->names == NULL || table->lists == NULL ||
	    table->lines == NULL || table->busy == NULL) {
		paxos_watch_table_deinit(table);
		return -ENOMEM;
	}
	return 0;
}

void paxos_watch_table_deinit(struct paxos_watch_table *table)
{
	free(table->watches);
	free(table->names);
	free(table->lists);
	free(table->lines);
	free(table->busy);
	*table = (struct paxos_watch_table){0};
}

uint64_t paxos_watch_table_bytes(uint32_t max)
{
	return max * sizeof(struct paxos_watch) +
	       buckets_for(max) * (uint64_t)(2 * sizeof(uint32_t)) +
	       PAXOS_WATCH_LINES * sizeof(struct paxos_watch_line) + WORDS * sizeof(uint64_t);
}

/* --- names ------------------------------------------------------------------------------- */

static uint32_t *name_of(const struct paxos_watch_table *table, const struct paxos_address *address,
                         uint64_t number)
{
	uint64_t words[sizeof(*address) / sizeof(uint64_t)];
	uint64_t hash = number;

	memcpy(words, address, sizeof(words));
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		hash = hash_pair(hash, words[i]);
	}
	return &table->names[hash & table->mask];
}

uint32_t paxos_watch_find(const struct paxos_watch_table *table,
                          const struct paxos_address *address, uint64_t number)
{
	uint32_t handle = *name_of(table, address, number);

	while (handle != 0) {
		const struct paxos_watch *watch = paxos_watch_at(table, handle);

		if (watch->number == number &&
		    memcmp(&watch->address, address, sizeof(*address)) == 0) {
			return handle;
		}
		handle = watch->name_next;
	}
	return 0;
}

/* --- the index --------------------------------------------------------------------------- */

/* FNV-1a: made byte by byte, so that one walk along a path gives all its directories'. */
static uint64_t hash_byte(uint64_t hash, uint8_t byte)
{
	return (hash ^ byte) * 0x100000001b3u;
}

#define HASH_EMPTY 0xcbf29ce484222325u

static uint32_t list_number(const struct paxos_watch_table *table, uint64_t hash, bool is_directory)
{
	return (uint32_t)hash_pair(hash, is_directory) & table->mask;
}

/* A directory is hashed without its last separator; the root is the empty one. */
static uint32_t list_of_glob(const struct paxos_watch_table *table, struct slice glob)
{
	const size_t literal = store_glob_literal(glob);
	size_t size = literal;
	uint64_t hash = HASH_EMPTY;

	if (literal < glob.size) {
		while (glob.data[--size] != '/') {
		}
	}
	for (size_t i = 0; i < size; i++) {
		hash = hash_byte(hash, glob.data[i]);
	}
	return list_number(table, hash, literal < glob.size);
}

unsigned paxos_watch_lists(const struct paxos_watch_table *table, struct slice path,
                           uint32_t ret_lists[PAXOS_WATCH_LISTS_MAX])
{
	uint64_t hash = HASH_EMPTY;
	unsigned count = 0;

	must(path.size <= STORE_PATH_SIZE_MAX);
	for (size_t i = 0; i < path.size; i++) {
		if (path.data[i] == '/') {
			ret_lists[count++] = list_number(table, hash, true);
		}
		hash = hash_byte(hash, path.data[i]);
	}
	ret_lists[count++] = list_number(table, hash, false);
	return count;
}

static void link_list(struct paxos_watch_table *table, uint32_t handle, uint32_t list)
{
	struct paxos_watch *watch = paxos_watch_at(table, handle);

	watch->list = list;
	watch->list_previous = 0;
	watch->list_next = table->lists[list];
	if (watch->list_next != 0) {
		paxos_watch_at(table, watch->list_next)->list_previous = handle;
	}
	table->lists[list] = handle;
}

static void unlink_list(struct paxos_watch_table *table, uint32_t handle)
{
	const struct paxos_watch *watch = paxos_watch_at(table, handle);

	for (unsigned i = 0; i < PAXOS_WATCH_CURSORS; i++) {
		if (table->cursors[i] == handle) {
			table->cursors[i] = watch->list_next;
		}
	}
	if (watch->list_next != 0) {
		paxos_watch_at(table, watch->list_next)->list_previous = watch->list_previous;
	}
	if (watch->list_previous != 0) {
		paxos_watch_at(table, watch->list_previous)->list_next = watch->list_next;
	} else {
		table->lists[watch->list] = watch->list_next;
	}
}

/* --- lines ------------------------------------------------------------------------------- */

static void leave_line(struct paxos_watch_table *table, uint32_t handle)
{
	struct paxos_watch *watch = paxos_watch_at(table, handle);
	struct paxos_watch_line *line;

	if (watch->line == PAXOS_WATCH_NO_LINE) {
		return;
	}
	line = &table->lines[watch->line];
	if (watch->line_next != 0) {
		paxos_watch_at(table, watch->line_next)->line_previous = watch->line_previous;
	} else {
		line->last = watch->line_previous;
	}
	if (watch->line_previous != 0) {
		paxos_watch_at(table, watch->line_previous)->line_next = watch->line_next;
	} else {
		line->first = watch->line_next;
	}
	if (line->first == 0 && watch->line < PAXOS_WATCH_WHEEL) {
		table->busy[watch->line / WORD_BITS] &= ~((uint64_t)1 << (watch->line % WORD_BITS));
	}
	watch->line = PAXOS_WATCH_NO_LINE;
}

/* At its end: who comes first goes first. */
static void join_line(struct paxos_watch_table *table, uint32_t handle, uint32_t number)
{
	struct paxos_watch *watch = paxos_watch_at(table, handle);
	struct paxos_watch_line *line = &table->lines[number];

	leave_line(table, handle);
	watch->line = number;
	watch->line_next = 0;
	watch->line_previous = line->last;
	if (line->last != 0) {
		paxos_watch_at(table, line->last)->line_next = handle;
	} else {
		line->first = handle;
	}
	line->last = handle;
	if (number < PAXOS_WATCH_WHEEL) {
		table->busy[number / WORD_BITS] |= (uint64_t)1 << (number % WORD_BITS);
	}
}

void paxos_watch_enqueue(struct paxos_watch_table *table, uint32_t handle, uint32_t line)
{
	must(line >= PAXOS_WATCH_QUEUE && line < PAXOS_WATCH_LINES);
	join_line(table, handle, line);
}

uint32_t paxos_watch_take_queued(struct paxos_watch_table *table, uint32_t line)
{
	const uint32_t handle = table->lines[line].first;

	if (handle != 0) {
		leave_line(table, handle);
	}
	return handle;
}

void paxos_watch_schedule(struct paxos_watch_table *table, uint32_t handle, uint64_t due_ns)
{
	uint64_t tick = (due_ns + TICK_MASK) >> PAXOS_WATCH_TICK_BITS;

	if (tick < table->tick) {
		tick = table->tick;
	} else if (tick >= table->tick + PAXOS_WATCH_WHEEL) {
		tick = table->tick + PAXOS_WATCH_WHEEL - 1; /* it will be looked at again */
	}
	paxos_watch_at(table, handle)->due_ns = due_ns;
	join_line(table, handle, (uint32_t)(tick % PAXOS_WATCH_WHEEL));
}

/* The first tick whose line is not empty; UINT64_MAX: all are. */
static uint64_t busy_tick(const struct paxos_watch_table *table)
{
	const unsigned start = (unsigned)(table->tick % PAXOS_WATCH_WHEEL);

	for (unsigned i = 0; i <= WORDS; i++) {
		const unsigned place = (start / WORD_BITS + i) % WORDS;
		uint64_t word = table->busy[place];

		if (i == 0) {
			word &= UINT64_MAX << (start % WORD_BITS);
		}
		if (word != 0) {
			const unsigned line = place * WORD_BITS + (unsigned)__builtin_ctzll(word);

			return table->tick + (line + PAXOS_WATCH_WHEEL - start) % PAXOS_WATCH_WHEEL;
		}
	}
	return UINT64_MAX;
}

uint32_t paxos_watch_take_due(struct paxos_watch_table *table, uint64_t now_ns)
{
	const uint64_t now = now_ns >> PAXOS_WATCH_TICK_BITS;

	for (;;) {
		const uint64_t tick = busy_tick(table);
		uint32_t handle;

		if (tick > now) {
			table->tick = now > table->tick ? now : table->tick;
			return 0;
		}
		table->tick = tick;
		handle = table->lines[tick % PAXOS_WATCH_WHEEL].first;
		leave_line(table, handle);
		if (paxos_watch_at(table, handle)->due_ns <= now_ns) {
			return handle;
		}
		paxos_watch_schedule(table, handle, paxos_watch_at(table, handle)->due_ns);
	}
}

uint64_t paxos_watch_due_ns(const struct paxos_watch_table *table)
{
	const uint64_t tick = busy_tick(table);

	return tick == UINT64_MAX ? UINT64_MAX : tick << PAXOS_WATCH_TICK_BITS;
}

/* --- coming and going -------------------------------------------------------------------- */

uint32_t paxos_watch_add(struct paxos_watch_table *table, const struct paxos_address *address,
                         uint64_t number, struct slice glob)
{
	uint32_t *name = name_of(table, address, number);
	uint32_t handle = table->free;
	struct paxos_watch *watch;

	must(glob.size <= STORE_GLOB_SIZE_MAX);
	if (table->count == table->max) {
		return 0;
	}
	table->count++;
	if (handle != 0) {
		table->free = paxos_watch_at(table, handle)->name_next;
	} else {
		handle = ++table->fresh;
	}
	watch = paxos_watch_at(table, handle);
	watch->address = *address;
	watch->number = number;
	watch->line = PAXOS_WATCH_NO_LINE;
	watch->glob_size = (uint16_t)glob.size;
	memcpy(watch->glob, glob.data, glob.size);
	watch->name_next = *name;
	*name = handle;
	link_list(table, handle, list_of_glob(table, glob));
	return handle;
}

void paxos_watch_remove(struct paxos_watch_table *table, uint32_t handle)
{
	struct paxos_watch *watch = paxos_watch_at(table, handle);
	uint32_t *link = name_of(table, &watch->address, watch->number);

	leave_line(table, handle);
	unlink_list(table, handle);
	while (*link != handle) {
		link = &paxos_watch_at(table, *link)->name_next;
	}
	*link = watch->name_next;
	watch->name_next = table->free;
	table->free = handle;
	table->count--;
}
