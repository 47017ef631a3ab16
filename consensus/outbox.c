/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/limits.h"

enum {
	EFFECTS_MAX = 16384,
	EFFECTS_SPARE = 2048, /* only for PERSIST and TRACE */
	ARENA_SIZE = 8 << 20,
	ARENA_SPARE = 2 << 20, /* only for PERSIST */
	HELD_SIZE = 2 << 20,
};

struct held_header {
	uint64_t record;
	struct paxos_effect effect;
};

int paxos_outbox_init(struct paxos_outbox *outbox)
{
	*outbox = (struct paxos_outbox){0};
	outbox->effects = malloc(EFFECTS_MAX * sizeof(outbox->effects[0]));
	outbox->arena = malloc(ARENA_SIZE);
	outbox->held_memory = malloc(HELD_SIZE);
	if (outbox->effects == NULL || outbox->arena == NULL || outbox->held_memory == NULL) {
		paxos_outbox_deinit(outbox);
		return -ENOMEM;
	}
	ring_init(&outbox->held, outbox->held_memory, HELD_SIZE);
	return 0;
}

uint64_t paxos_outbox_bytes(void)
{
	return EFFECTS_MAX * sizeof(struct paxos_effect) + ARENA_SIZE + HELD_SIZE;
}

void paxos_outbox_deinit(struct paxos_outbox *outbox)
{
	free(outbox->effects);
	free(outbox->arena);
	free(outbox->held_memory);
	*outbox = (struct paxos_outbox){0};
}

/* Once everything was taken, the memory is used from its start again. */
static void rewind_if_taken(struct paxos_outbox *outbox)
{
	if (outbox->taken == outbox->count) {
		outbox->taken = 0;
		outbox->count = 0;
		outbox->used = 0;
	}
}

static bool has_room(const struct paxos_outbox *outbox)
{
	return outbox->count < EFFECTS_MAX - EFFECTS_SPARE &&
	       outbox->used + STORE_DATAGRAM_SIZE_MAX <= ARENA_SIZE - ARENA_SPARE;
}

void *paxos_outbox_begin(struct paxos_outbox *outbox)
{
	rewind_if_taken(outbox);
	if (!has_room(outbox)) {
		outbox->dropped++;
		return NULL;
	}
	return outbox->arena + outbox->used;
}

static void push(struct paxos_outbox *outbox, const struct paxos_effect *effect, struct slice bytes)
{
	struct paxos_effect *place = &outbox->effects[outbox->count++];

	*place = *effect;
	place->bytes = bytes;
	outbox->used += (bytes.size + 7) & ~(size_t)7;
}

void paxos_outbox_commit(struct paxos_outbox *outbox, const struct paxos_effect *effect,
                         size_t size, bool hold)
{
	const struct slice bytes = slice_make(outbox->arena + outbox->used, size);
	struct held_header header = {.record = outbox->record_last, .effect = *effect};

	must(size <= STORE_DATAGRAM_SIZE_MAX);
	must(effect->kind == PAXOS_EFFECT_SEND || effect->kind == PAXOS_EFFECT_REPLY ||
	     effect->kind == PAXOS_EFFECT_TOLD);
	if (!hold || outbox->record_durable >= outbox->record_last) {
		outbox->sent++;
		push(outbox, effect, bytes);
		return;
	}
	if (!ring_put(&outbox->held, slice_make(&header, sizeof(header)), bytes)) {
		outbox->dropped++;
	}
}

uint64_t paxos_outbox_persist(struct paxos_outbox *outbox, struct slice record,
                              const struct paxos_mark *mark)
{
	struct paxos_effect effect = {.kind = PAXOS_EFFECT_PERSIST, .mark = *mark};

	rewind_if_taken(outbox);
	must(outbox->count < EFFECTS_MAX);
	must(outbox->used + record.size <= ARENA_SIZE);
	memcpy(outbox->arena + outbox->used, record.data, record.size);
	effect.record = ++outbox->record_last;
	push(outbox, &effect, slice_make(outbox->arena + outbox->used, record.size));
	return effect.record;
}

size_t paxos_outbox_persist_room(const struct paxos_outbox *outbox)
{
	const size_t used = outbox->taken == outbox->count ? 0 : outbox->used;

	/* Half of the spare: framing, and records that are not entries, take from the rest. */
	return used >= ARENA_SIZE - ARENA_SPARE / 2 ? 0 : ARENA_SIZE - ARENA_SPARE / 2 - used;
}

void paxos_outbox_tell(struct paxos_outbox *outbox, const struct paxos_effect *effect)
{
	rewind_if_taken(outbox);
	must(outbox->count < EFFECTS_MAX);
	push(outbox, effect, (struct slice){0});
}

void paxos_outbox_trace(struct paxos_outbox *outbox, const struct paxos_trace *trace)
{
	struct paxos_effect effect = {.kind = PAXOS_EFFECT_TRACE, .trace = *trace};

	rewind_if_taken(outbox);
	if (outbox->count < EFFECTS_MAX - EFFECTS_SPARE / 2) {
		push(outbox, &effect, (struct slice){0});
	}
}

void paxos_outbox_durable(struct paxos_outbox *outbox, uint64_t record)
{
	struct slice held;

	must(record <= outbox->record_last);
	if (record > outbox->record_durable) {
		outbox->record_durable = record;
	}
	while (ring_peek(&outbox->held, &held)) {
		struct held_header header;
		const size_t size = held.size - sizeof(header);
		uint8_t *memory;

		memcpy(&header, held.data, sizeof(header));
		if (header.record > outbox->record_durable) {
			return;
		}
		memory = paxos_outbox_begin(outbox);
		if (memory != NULL) {
			memcpy(memory, held.data + sizeof(header), size);
			outbox->sent++;
			push(outbox, &header.effect, slice_make(memory, size));
		}
		ring_pop(&outbox->held);
	}
}

bool paxos_outbox_take(struct paxos_outbox *outbox, struct paxos_effect *ret_effect)
{
	if (outbox->taken == outbox->count) {
		return false;
	}
	*ret_effect = outbox->effects[outbox->taken++];
	return true;
}
