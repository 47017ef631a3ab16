/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watcher_state.c - the table of watches: lists, lanes, the heap, and moves between them
 */
#include <stddef.h>

#include "store/base/check.h"
#include "store/watcher_internal.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

enum {
	TTL_MIN_MS = 100, /* no server grants less */
	ASKS_PER_TTL = 3,
};

#define NUMBER_WATCH ((uint64_t)1 << 62) /* bit 63 clear, bit 62 set */

uint32_t watcher_slot_index(const struct watcher *watcher, const struct watcher_slot *slot)
{
	must(slot >= watcher->slots && slot < watcher->slots + watcher->config.watches_max);
	return (uint32_t)(slot - watcher->slots);
}

/* --- lists ---------------------------------------------------------------------------------- */

static void list_put(struct watcher *watcher, struct watcher_list *list, struct watcher_slot *slot)
{
	const uint32_t index = watcher_slot_index(watcher, slot);

	slot->before = list->last;
	slot->after = WATCHER_NONE;
	if (list->last == WATCHER_NONE) {
		list->first = index;
	} else {
		watcher->slots[list->last].after = index;
	}
	list->last = index;
}

static void list_remove(struct watcher *watcher, struct watcher_list *list,
                        struct watcher_slot *slot)
{
	if (slot->before == WATCHER_NONE) {
		list->first = slot->after;
	} else {
		watcher->slots[slot->before].after = slot->after;
	}
	if (slot->after == WATCHER_NONE) {
		list->last = slot->before;
	} else {
		watcher->slots[slot->after].before = slot->before;
	}
}

/* --- the heap ------------------------------------------------------------------------------- */

static void heap_place(struct watcher *watcher, uint32_t at, uint32_t index)
{
	watcher->heap[at] = index;
	watcher->slots[index].heap_at = at;
}

static bool is_sooner(const struct watcher *watcher, uint32_t a, uint32_t b)
{
	return watcher->slots[a].due_ns < watcher->slots[b].due_ns;
}

static void heap_rise(struct watcher *watcher, uint32_t at)
{
	const uint32_t index = watcher->heap[at];

	while (at != 0 && is_sooner(watcher, index, watcher->heap[(at - 1) / 2])) {
		heap_place(watcher, at, watcher->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(watcher, at, index);
}

static void heap_sink(struct watcher *watcher, uint32_t at)
{
	const uint32_t index = watcher->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < watcher->heap_size &&
		    is_sooner(watcher, watcher->heap[child + 1], watcher->heap[child])) {
			child++;
		}
		if (child >= watcher->heap_size ||
		    !is_sooner(watcher, watcher->heap[child], index)) {
			break;
		}
		heap_place(watcher, at, watcher->heap[child]);
		at = child;
	}
	heap_place(watcher, at, index);
}

static void heap_put(struct watcher *watcher, struct watcher_slot *slot, uint64_t due_ns)
{
	const uint32_t at = watcher->heap_size++;

	must(at < watcher->config.watches_max);
	slot->due_ns = due_ns;
	heap_place(watcher, at, watcher_slot_index(watcher, slot));
	heap_rise(watcher, at);
}

static void heap_remove(struct watcher *watcher, struct watcher_slot *slot)
{
	const uint32_t at = slot->heap_at;
	const uint32_t moved = watcher->heap[--watcher->heap_size];

	must(watcher->heap[at] == watcher_slot_index(watcher, slot) || at == watcher->heap_size);
	if (at != watcher->heap_size) {
		heap_place(watcher, at, moved);
		heap_rise(watcher, at);
		heap_sink(watcher, watcher->slots[moved].heap_at);
	}
}

/* --- slots ---------------------------------------------------------------------------------- */

struct watcher_slot *watcher_slot_new(struct watcher *watcher)
{
	uint32_t index = watcher->free.first;
	struct watcher_slot *slot;

	if (index != WATCHER_NONE) {
		list_remove(watcher, &watcher->free, &watcher->slots[index]);
	} else if (watcher->fresh < watcher->config.watches_max) {
		index = watcher->fresh++;
	} else {
		return NULL;
	}
	slot = &watcher->slots[index];
	/* Not the glob: glob_size says how much of it means something. */
	memset(slot, 0, offsetof(struct watcher_slot, glob));
	slot->state = WATCHER_STOPPED;
	slot->number = NUMBER_WATCH | index |
	               (prng_next(&watcher->numbers) << WATCHER_INDEX_BITS & (NUMBER_WATCH - 1));
	watcher->count++;
	return slot;
}

struct watcher_slot *watcher_slot_find(struct watcher *watcher, uint64_t number)
{
	const unsigned index = watcher_index(number);
	struct watcher_slot *slot;

	if (index >= watcher->fresh) {
		return NULL;
	}
	slot = &watcher->slots[index];
	if (slot->number != number || slot->state == WATCHER_FREE ||
	    (slot->state == WATCHER_QUEUED && slot->intent == WATCHER_LEAVE)) {
		return NULL;
	}
	return slot;
}

void watcher_slot_forget_parts(struct watcher *watcher, struct watcher_slot *slot)
{
	if (slot->missing != 0) {
		assembly_forget(watcher->assembly, 0, slot->number);
		slot->missing = 0;
	}
}

/* Out of whatever it is in. */
static void leave(struct watcher *watcher, struct watcher_slot *slot)
{
	struct watcher_lane *lane = &watcher->lanes[slot->server];

	switch ((enum watcher_state)slot->state) {
	case WATCHER_QUEUED:
		list_remove(watcher, &lane->queue, slot);
		lane->queued--;
		break;
	case WATCHER_ASKED:
		heap_remove(watcher, slot);
		lane->asked--;
		break;
	case WATCHER_HELD:
		heap_remove(watcher, slot);
		lane->held--;
		break;
	case WATCHER_WAITING:
		heap_remove(watcher, slot);
		break;
	case WATCHER_ENDED:
		list_remove(watcher, &watcher->ended, slot);
		break;
	case WATCHER_FREE:
	case WATCHER_STOPPED:
		break;
	}
}

static void change_server(struct watcher *watcher, struct watcher_slot *slot, unsigned server)
{
	if (slot->server != server && slot->asked != 0) {
		watcher->counters.moved++;
		slot->silences = 0;
	}
	slot->server = (uint8_t)server;
}

void watcher_slot_queue(struct watcher *watcher, struct watcher_slot *slot, unsigned server,
                        enum watcher_intent intent)
{
	must(server < watcher->config.servers);
	leave(watcher, slot);
	change_server(watcher, slot, server);
	slot->state = WATCHER_QUEUED;
	slot->intent = (uint8_t)intent;
	list_put(watcher, &watcher->lanes[server].queue, slot);
	watcher->lanes[server].queued++;
}

void watcher_slot_expect(struct watcher *watcher, struct watcher_slot *slot)
{
	leave(watcher, slot);
	slot->state = WATCHER_ASKED;
	slot->sent_ns = watcher->now_ns;
	if (!slot->is_resent) {
		slot->asked_ns = watcher->now_ns;
	}
	watcher->lanes[slot->server].asked++;
	heap_put(watcher, slot,
	         watcher->now_ns + client_route_timeout_ns(&watcher->route, slot->silences));
}

void watcher_slot_hold(struct watcher *watcher, struct watcher_slot *slot, uint32_t ttl_ms)
{
	uint64_t third_ns;

	if (ttl_ms > watcher->config.ttl_ms) {
		ttl_ms = watcher->config.ttl_ms;
	}
	if (ttl_ms < TTL_MIN_MS) {
		ttl_ms = TTL_MIN_MS;
	}
	third_ns = ttl_ms * NS_PER_MS / ASKS_PER_TTL;
	leave(watcher, slot);
	slot->state = WATCHER_HELD;
	slot->silences = slot->pauses = slot->hops = 0;
	slot->is_resent = false;
	watcher->lanes[slot->server].held++;
	/* Those that were asked together need not be asked together again. */
	heap_put(watcher, slot,
	         watcher->now_ns + third_ns - prng_below(&watcher->route.prng, third_ns / 4));
}

void watcher_slot_wait(struct watcher *watcher, struct watcher_slot *slot, unsigned server)
{
	const uint64_t pause_ns =
		client_route_pause_ns(&watcher->route, slot->pauses, watcher->config.resend_max_ns);

	leave(watcher, slot);
	change_server(watcher, slot, server);
	slot->state = WATCHER_WAITING;
	slot->hops = 0;
	slot->pauses = slot->pauses == UINT8_MAX ? UINT8_MAX : (uint8_t)(slot->pauses + 1);
	heap_put(watcher, slot, watcher->now_ns + pause_ns);
}

static void drop_page(struct watcher *watcher, const struct watcher_slot *slot)
{
	if (watcher->page.index == watcher_slot_index(watcher, slot)) {
		watcher->page.index = WATCHER_NONE;
	}
}

void watcher_slot_stop(struct watcher *watcher, struct watcher_slot *slot)
{
	leave(watcher, slot);
	drop_page(watcher, slot);
	watcher_slot_forget_parts(watcher, slot);
	slot->state = WATCHER_STOPPED;
}

void watcher_slot_end(struct watcher *watcher, struct watcher_slot *slot, enum store_answer answer)
{
	watcher_slot_stop(watcher, slot);
	slot->state = WATCHER_ENDED;
	slot->answer = (uint8_t)answer;
	list_put(watcher, &watcher->ended, slot);
}

void watcher_slot_free(struct watcher *watcher, struct watcher_slot *slot)
{
	watcher_slot_stop(watcher, slot);
	slot->state = WATCHER_FREE;
	list_put(watcher, &watcher->free, slot);
}

/* --- servers -------------------------------------------------------------------------------- */

bool watcher_is_away(const struct watcher *watcher, unsigned server)
{
	return watcher->now_ns < watcher->lanes[server].away_until_ns;
}

unsigned watcher_other_server(struct watcher *watcher, unsigned server, uint32_t except)
{
	const unsigned servers = watcher->config.servers;
	const unsigned first = (unsigned)prng_below(&watcher->route.prng, servers);
	unsigned away = servers;

	for (unsigned i = 0; i < servers; i++) {
		const unsigned other = (first + i) % servers;

		if (other == server || (except >> other & 1) != 0 ||
		    client_route_is_silent(&watcher->route, watcher->now_ns, other)) {
			continue;
		}
		if (!watcher_is_away(watcher, other)) {
			return other;
		}
		away = other;
	}
	return away;
}

/* It has to do with a server that says nothing. */
static void rescue(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned other = watcher_other_server(watcher, slot->server, 0);

	if (slot->state == WATCHER_QUEUED && slot->intent == WATCHER_LEAVE) {
		watcher_slot_free(watcher, slot);
	} else if (slot->state == WATCHER_QUEUED && slot->intent == WATCHER_STOP) {
		watcher_slot_stop(watcher, slot);
	} else if (other < watcher->config.servers) {
		watcher_slot_queue(watcher, slot, other, WATCHER_ASK);
	} else {
		/* Nobody says anything: in turn, and with pauses. */
		watcher_slot_wait(watcher, slot, (slot->server + 1u) % watcher->config.servers);
	}
}

void watcher_evacuate(struct watcher *watcher, unsigned server)
{
	struct watcher_lane *lane = &watcher->lanes[server];

	while (lane->queue.first != WATCHER_NONE) {
		rescue(watcher, &watcher->slots[lane->queue.first]);
	}
	for (uint32_t i = 0; i < watcher->fresh && lane->asked + lane->held != 0; i++) {
		struct watcher_slot *slot = &watcher->slots[i];

		if (slot->server == server &&
		    (slot->state == WATCHER_ASKED || slot->state == WATCHER_HELD)) {
			rescue(watcher, slot);
		}
	}
}
