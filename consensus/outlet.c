/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/outlet.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"

#define IDLE_NS ((uint64_t)10 * 1000 * 1000 * 1000)

int paxos_outlet_init(struct paxos_outlet *outlet)
{
	*outlet = (struct paxos_outlet){.window = malloc(PAXOS_STATE_WINDOW)};
	return outlet->window != NULL ? 0 : -ENOMEM;
}

static void close_snapshot(struct paxos_outlet *outlet, struct store *store)
{
	if (outlet->snapshot != NULL) {
		store_snapshot_close(store, outlet->snapshot);
		outlet->snapshot = NULL;
	}
}

void paxos_outlet_deinit(struct paxos_outlet *outlet, struct store *store)
{
	close_snapshot(outlet, store);
	free(outlet->window);
	outlet->window = NULL;
}

void paxos_outlet_entries(struct paxos_core *core, const struct paxos_msg *fetch,
                          struct paxos_ballot ballot, uint64_t last, uint64_t told, uint64_t proof)
{
	struct paxos_place place = {fetch->index, fetch->offset};

	must(last <= core->log.length);
	/* paxos_log_known() sees to it that none of them is unknown, where some may be. */
	for (unsigned i = 0; i < PAXOS_BURST; i++) {
		struct paxos_msg msg = {
			.kind = PAXOS_MSG_ENTRIES,
			.ballot = ballot,
			.transfer = fetch->transfer,
			.proof = proof,
			.base = core->log.base,
			.length = last,
			.decided = told,
			.index = place.index,
			.offset = place.offset,
		};
		const bool can = place.index > core->log.base && place.index <= last &&
		                 place.offset < paxos_log_entry(&core->log, place.index).size;
		struct wire_writer body;

		msg.flags = (uint16_t)(fetch->flags & PAXOS_FLAG_REPAIR);
		msg.flags |= !can || i + 1 == PAXOS_BURST ? PAXOS_FLAG_LAST : 0;
		if (!paxos_core_open(core, &msg, &body)) {
			return;
		}
		if (can) {
			place = paxos_stream_pack(&core->log, place, last, &body);
		}
		paxos_core_close(core, fetch->node, &body, false);
		if (!can) {
			return;
		}
	}
}

/*
 * True if the open snapshot can go on being given from where the fetch asks. One that asks for any
 * (base 0) gets the open one only if it is new enough for it, and the log goes on behind it.
 */
static bool is_open(const struct paxos_core *core, const struct paxos_outlet *outlet,
                    const struct paxos_msg *fetch)
{
	uint64_t index;

	if (outlet->snapshot == NULL || fetch->position < outlet->window_at ||
	    fetch->position > outlet->window_at + outlet->window_have) {
		return false;
	}
	index = store_snapshot_index(outlet->snapshot);
	return index == fetch->base ||
	       (fetch->base == 0 && index >= core->log.base && index + 1 >= fetch->index);
}

/* Makes the window hold `position`, beginning anew if it has gone by. */
static bool seek(struct paxos_core *core, struct paxos_outlet *outlet,
                 const struct paxos_msg *fetch)
{
	if (is_open(core, outlet, fetch)) {
		return true;
	}
	close_snapshot(outlet, core->store);
	if (store_snapshot_open(core->store, &outlet->snapshot) < 0) {
		outlet->snapshot = NULL;
		return false;
	}
	outlet->window_at = 0;
	outlet->window_have = 0;
	outlet->ended = false;
	paxos_core_trace(core, PAXOS_TRACE_SNAPSHOT_OUT, store_snapshot_index(outlet->snapshot),
	                 fetch->node);
	return true;
}

/* Drops what lies before `position` and fills up behind. */
static void slide(struct paxos_outlet *outlet, uint64_t position)
{
	const uint32_t gone = (uint32_t)(position - outlet->window_at);
	size_t size;

	if (gone > PAXOS_STATE_WINDOW / 2) {
		memmove(outlet->window, outlet->window + gone, outlet->window_have - gone);
		outlet->window_at += gone;
		outlet->window_have -= gone;
	}
	if (!outlet->ended) {
		size = store_snapshot_read(outlet->snapshot, outlet->window + outlet->window_have,
		                           PAXOS_STATE_WINDOW - outlet->window_have);
		outlet->ended = size < PAXOS_STATE_WINDOW - outlet->window_have;
		outlet->window_have += (uint32_t)size;
	}
}

static size_t put_piece(struct paxos_core *core, struct paxos_outlet *outlet,
                        const struct paxos_msg *fetch, uint64_t position, bool last)
{
	const size_t skip = (size_t)(position - outlet->window_at);
	const size_t have = outlet->window_have - skip;
	const size_t piece_max =
		STORE_DATAGRAM_SIZE_MAX - STORE_DATAGRAM_HEADER - PAXOS_MSG_HEADER_MAX;
	const size_t size = have < piece_max ? have : piece_max;
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_STATE,
		.ballot = fetch->ballot,
		.transfer = fetch->transfer,
		.base = store_snapshot_index(outlet->snapshot),
		.position = position,
	};
	struct wire_writer body;

	if (outlet->ended && size == have) {
		msg.flags = PAXOS_FLAG_END | PAXOS_FLAG_LAST;
	} else if (last || size == have) {
		msg.flags = PAXOS_FLAG_LAST;
	}
	if (!paxos_core_open(core, &msg, &body)) {
		return 0;
	}
	wire_put(&body, slice_make(outlet->window + skip, size));
	paxos_core_close(core, fetch->node, &body, false);
	return (msg.flags & PAXOS_FLAG_LAST) != 0 ? 0 : size;
}

void paxos_outlet_state(struct paxos_core *core, struct paxos_outlet *outlet,
                        const struct paxos_msg *fetch)
{
	uint64_t position;

	outlet->used_ns = core->now_ns;
	if (!seek(core, outlet, fetch)) {
		return;
	}
	position = is_open(core, outlet, fetch) ? fetch->position : 0;
	slide(outlet, position);
	for (unsigned i = 0; i < PAXOS_BURST; i++) {
		const size_t size = put_piece(core, outlet, fetch, position, i + 1 == PAXOS_BURST);

		if (size == 0) {
			return;
		}
		position += size;
	}
}

void paxos_outlet_tick(struct paxos_core *core, struct paxos_outlet *outlet)
{
	if (outlet->snapshot != NULL && core->now_ns > outlet->used_ns + IDLE_NS) {
		close_snapshot(outlet, core->store);
	}
}
