/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/log.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/limits.h"

int paxos_log_init(struct paxos_log *log, uint64_t entries, uint64_t bytes)
{
	*log = (struct paxos_log){0};
	if (entries < 16 || (entries & (entries - 1)) != 0) {
		return -EINVAL;
	}
	if (bytes < 4 * (uint64_t)STORE_ENTRY_SIZE_MAX || (bytes & (bytes - 1)) != 0) {
		return -EINVAL;
	}
	log->bytes = malloc(bytes);
	log->slots = calloc(entries, sizeof(log->slots[0]));
	if (log->bytes == NULL || log->slots == NULL) {
		paxos_log_deinit(log);
		return -ENOMEM;
	}
	log->bytes_size = bytes;
	log->slots_count = entries;
	return 0;
}

uint64_t paxos_log_memory(const struct paxos_log *log)
{
	return log->bytes_size + log->slots_count * sizeof(log->slots[0]);
}

void paxos_log_deinit(struct paxos_log *log)
{
	free(log->bytes);
	free(log->slots);
	*log = (struct paxos_log){0};
}

static struct paxos_log_slot *slot_of(const struct paxos_log *log, uint64_t index)
{
	return &log->slots[index & (log->slots_count - 1)];
}

struct slice paxos_log_entry(const struct paxos_log *log, uint64_t index)
{
	const struct paxos_log_slot *slot = slot_of(log, index);

	must(index > log->base);
	must(index <= log->length);
	return slice_make(log->bytes + (slot->at & (log->bytes_size - 1)), slot->size);
}

/* Where an entry of `size` bytes would stand: in one piece, so perhaps at the ring's start. */
static uint64_t place_of(const struct paxos_log *log, uint32_t size)
{
	const uint64_t offset = log->head & (log->bytes_size - 1);

	return offset + size <= log->bytes_size ? log->head : log->head + log->bytes_size - offset;
}

static uint64_t tail_of(const struct paxos_log *log)
{
	return log->base == log->length ? log->head : slot_of(log, log->base + 1)->at;
}

static bool fits(const struct paxos_log *log, uint64_t at, uint32_t size)
{
	return log->length - log->base < log->slots_count - 1 &&
	       at + size - tail_of(log) <= log->bytes_size;
}

static bool make_room(struct paxos_log *log, uint64_t at, uint32_t size)
{
	while (!fits(log, at, size)) {
		if (log->base == log->length && at + size - log->head <= log->bytes_size) {
			return true;
		}
		if (log->base >= log->trim_to || log->base == log->length) {
			return false;
		}
		log->base++;
	}
	return true;
}

void *paxos_log_reserve(struct paxos_log *log, uint32_t size)
{
	const uint64_t at = place_of(log, size);

	must(size >= 1);
	must(size <= STORE_ENTRY_SIZE_MAX);
	log->partial_size = 0;
	if (!make_room(log, at, size)) {
		return NULL;
	}
	log->partial_at = at;
	return log->bytes + (at & (log->bytes_size - 1));
}

void paxos_log_commit(struct paxos_log *log, uint32_t size)
{
	must(size >= 1);
	log->length++;
	*slot_of(log, log->length) = (struct paxos_log_slot){log->partial_at, size};
	log->head = log->partial_at + size;
	log->partial_size = 0;
}

bool paxos_log_append(struct paxos_log *log, struct slice entry)
{
	void *memory = paxos_log_reserve(log, (uint32_t)entry.size);

	if (memory == NULL) {
		return false;
	}
	memcpy(memory, entry.data, entry.size);
	paxos_log_commit(log, (uint32_t)entry.size);
	return true;
}

bool paxos_log_append_unknown(struct paxos_log *log)
{
	log->partial_size = 0;
	if (!make_room(log, log->head, 0)) {
		return false;
	}
	log->length++;
	*slot_of(log, log->length) = (struct paxos_log_slot){log->head, 0};
	return true;
}

uint64_t paxos_log_known(const struct paxos_log *log, uint64_t from, uint64_t to)
{
	while (from <= to && paxos_log_entry(log, from).size != 0) {
		from++;
	}
	return from - 1;
}

bool paxos_log_append_part(struct paxos_log *log, uint32_t size, uint32_t offset,
                           struct slice chunk)
{
	if (size == 0 || size > STORE_ENTRY_SIZE_MAX || offset > size ||
	    chunk.size > size - offset) {
		return false;
	}
	if (offset == 0) {
		if (paxos_log_reserve(log, size) == NULL) {
			return false;
		}
		log->partial_size = size;
		log->partial_have = 0;
	}
	if (log->partial_size != size || log->partial_have != offset) {
		return false;
	}
	if (chunk.size != 0) {
		memcpy(log->bytes + (log->partial_at & (log->bytes_size - 1)) + offset, chunk.data,
		       chunk.size);
	}
	log->partial_have += (uint32_t)chunk.size;
	if (log->partial_have == size) {
		paxos_log_commit(log, size);
	}
	return true;
}

bool paxos_log_is_half_full(const struct paxos_log *log)
{
	const uint64_t kept = log->trim_to > log->base ? log->trim_to : log->base;

	return kept < log->length &&
	       (log->length - kept >= log->slots_count / 2 ||
	        log->head - slot_of(log, kept + 1)->at >= log->bytes_size / 2);
}

void paxos_log_cut(struct paxos_log *log, uint64_t length)
{
	must(length >= log->base);
	must(length <= log->length);
	log->partial_size = 0;
	if (length == log->length) {
		return;
	}
	if (length > log->base) {
		log->head = slot_of(log, length)->at + slot_of(log, length)->size;
	} else {
		log->head = slot_of(log, length + 1)->at;
	}
	log->length = length;
}

void paxos_log_reset(struct paxos_log *log, uint64_t base)
{
	log->base = base;
	log->length = base;
	log->trim_to = base;
	log->head = 0;
	log->partial_size = 0;
}
