/* SPDX-License-Identifier: Apache-2.0 */
#include "store/watcher.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/watcher_internal.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

static_assert((unsigned)WATCHER_SERVERS_MAX == CLIENT_ROUTE_SERVERS_MAX, "all have a route");
static_assert(WATCHER_SERVERS_MAX <= 32, "the servers asked are bits of a word");
static_assert(PROTO_REQUEST_OVERHEAD + STORE_GLOB_SIZE_MAX <= PROTO_PIECE_SIZE,
              "an ask is one datagram");

enum {
	PLACES = 16, /* pages that come in parts at the same time */
	NUMBER_OFFSET = STORE_DATAGRAM_HEADER + 24,
	SILENCES_MAX = 4, /* of one watch, in a row, before it goes elsewhere */
	STAYS = 32,       /* of as many watches that are asked in time, one goes elsewhere */
};

/* --- making one ----------------------------------------------------------------------------- */

void watcher_config_default(struct watcher_config *config)
{
	*config = (struct watcher_config){
		.watches_max = 1024,
		.window = WATCHER_WINDOW,
		.ttl_ms = 10000,
		.age_max_ms = 3000,
		.probe_ns = 500 * NS_PER_MS,
		.resend_first_ns = 100 * NS_PER_MS,
		.silent_ns = 200 * NS_PER_MS,
		.resend_min_ns = 20 * NS_PER_MS,
		.resend_max_ns = 500 * NS_PER_MS,
	};
}

static bool config_is_good(const struct watcher_config *config)
{
	return config->servers >= 1 && config->servers <= WATCHER_SERVERS_MAX &&
	       config->watches_max >= 1 && config->watches_max <= WATCHER_WATCHES_MAX &&
	       config->window >= 1 && config->ttl_ms >= 1 && config->probe_ns >= 1 &&
	       config->silent_ns >= 1 && config->resend_min_ns >= 1 &&
	       config->resend_first_ns >= config->resend_min_ns &&
	       config->resend_max_ns >= config->resend_first_ns;
}

static int take_memory(struct watcher *watcher, unsigned watches_max)
{
	watcher->slots = calloc(watches_max, sizeof(struct watcher_slot));
	watcher->heap = calloc(watches_max, sizeof(uint32_t));
	if (watcher->slots == NULL || watcher->heap == NULL) {
		return -ENOMEM;
	}
	return assembly_new(&watcher->assembly, PLACES);
}

int watcher_new(struct watcher **ret_watcher, const struct watcher_config *config)
{
	static const struct watcher_list empty = {WATCHER_NONE, WATCHER_NONE};
	struct watcher *watcher;
	int r;

	if (!config_is_good(config)) {
		return -EINVAL;
	}
	watcher = calloc(1, sizeof(*watcher));
	if (watcher == NULL) {
		return -ENOMEM;
	}
	r = take_memory(watcher, config->watches_max);
	if (r < 0) {
		watcher_free(watcher);
		return r;
	}
	watcher->config = *config;
	client_route_init(&watcher->route, config->servers, config->seed);
	watcher->route.first_ns = config->resend_first_ns;
	watcher->route.min_ns = config->resend_min_ns;
	watcher->route.max_ns = config->resend_max_ns;
	prng_init(&watcher->numbers, config->secret);
	watcher->free = watcher->ended = empty;
	for (unsigned i = 0; i < WATCHER_SERVERS_MAX; i++) {
		watcher->lanes[i].queue = empty;
	}
	watcher->page.index = WATCHER_NONE;
	*ret_watcher = watcher;
	return 0;
}

void watcher_free(struct watcher *watcher)
{
	if (watcher != NULL) {
		assembly_free(watcher->assembly);
		free(watcher->heap);
		free(watcher->slots);
		free(watcher);
	}
}

bool watcher_is_for(struct slice bytes)
{
	struct wire_reader reader;

	if (bytes.size < NUMBER_OFFSET + sizeof(uint64_t)) {
		return false;
	}
	reader = wire_reader_make(slice_make(bytes.data + NUMBER_OFFSET, sizeof(uint64_t)));
	return wire_u64(&reader) >> 62 == 1;
}

/* --- watching ------------------------------------------------------------------------------- */

/* Where it asks first: the server that had it, else any; if that may answer. */
static void begin(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned any = (unsigned)prng_below(&watcher->route.prng, watcher->config.servers);
	const unsigned server = slot->asked != 0 ? slot->server : any;
	unsigned other = watcher->config.servers;

	if (client_route_is_silent(&watcher->route, watcher->now_ns, server) ||
	    watcher_is_away(watcher, server)) {
		other = watcher_other_server(watcher, server, 0);
	}
	watcher_slot_queue(watcher, slot, other < watcher->config.servers ? other : server,
	                   WATCHER_ASK);
}

int watcher_watch(struct watcher *watcher, uint64_t now_ns, const struct watcher_request *request,
                  uint64_t *ret_tag)
{
	struct watcher_slot *slot;

	watcher->now_ns = now_ns;
	if (request->from < 0 || request->last < 0 ||
	    (request->from != 0 && request->last >= request->from)) {
		return -EINVAL;
	}
	slot = watcher_slot_new(watcher);
	if (slot == NULL) {
		return -EAGAIN;
	}
	slot->next = request->from;
	slot->last = request->last;
	slot->limit = request->limit;
	*ret_tag = slot->number;
	if (request->glob.size > STORE_GLOB_SIZE_MAX) {
		watcher_slot_end(watcher, slot, STORE_TOO_LARGE);
		return 0;
	}
	slot->glob_size = (uint16_t)request->glob.size;
	if (request->glob.size != 0) {
		memcpy(slot->glob, request->glob.data, request->glob.size);
	}
	if (slot->next != 0) {
		begin(watcher, slot);
	}
	return 0;
}

static bool is_known_there(const struct watcher_slot *slot)
{
	return slot->state == WATCHER_ASKED || slot->state == WATCHER_HELD ||
	       (slot->state == WATCHER_QUEUED && slot->asked != 0);
}

int watcher_unwatch(struct watcher *watcher, uint64_t now_ns, uint64_t tag)
{
	struct watcher_slot *slot = watcher_slot_find(watcher, tag);
	const bool is_known = slot != NULL && is_known_there(slot);

	watcher->now_ns = now_ns;
	if (slot == NULL) {
		return -ENOENT;
	}
	watcher->count--;
	watcher_slot_stop(watcher, slot);
	if (is_known) {
		watcher_slot_queue(watcher, slot, slot->server, WATCHER_LEAVE);
	} else {
		watcher_slot_free(watcher, slot);
	}
	return 0;
}

int watcher_pause(struct watcher *watcher, uint64_t now_ns, uint64_t tag)
{
	struct watcher_slot *slot = watcher_slot_find(watcher, tag);
	const bool is_known = slot != NULL && is_known_there(slot);

	watcher->now_ns = now_ns;
	if (slot == NULL) {
		return -ENOENT;
	}
	if (slot->state == WATCHER_ENDED) {
		return 0; /* its END comes all the same */
	}
	watcher_slot_stop(watcher, slot);
	if (is_known) {
		watcher_slot_queue(watcher, slot, slot->server, WATCHER_STOP);
	}
	return 0;
}

int watcher_resume(struct watcher *watcher, uint64_t now_ns, uint64_t tag, store_rev_t from)
{
	struct watcher_slot *slot = watcher_slot_find(watcher, tag);

	watcher->now_ns = now_ns;
	if (slot == NULL) {
		return -ENOENT;
	}
	if (from < 0 || (from == 0 && slot->next == 0)) {
		return -EINVAL;
	}
	if (slot->state == WATCHER_STOPPED ||
	    (slot->state == WATCHER_QUEUED && slot->intent == WATCHER_STOP)) {
		slot->next = from != 0 ? from : slot->next;
		slot->last = slot->last < slot->next ? slot->last : 0;
		begin(watcher, slot);
	}
	return 0;
}

/* --- time ----------------------------------------------------------------------------------- */

void watcher_add(struct watcher *watcher, uint8_t node)
{
	client_route_add(&watcher->route, node);
	watcher->config.servers = watcher->route.count;
}

void watcher_unreachable(struct watcher *watcher, uint64_t now_ns, unsigned server)
{
	must(server < watcher->config.servers);
	watcher->now_ns = now_ns;
	client_route_refused(&watcher->route, now_ns, server);
	watcher_evacuate(watcher, server);
}

/* A busy server, or a busy client, is not a dead one: to move all its watches costs too much. */
static bool is_long_silent(const struct watcher *watcher, unsigned server)
{
	return watcher->now_ns >=
	       watcher->route.servers[server].heard_ns + watcher->config.silent_ns;
}

static void on_silence(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned server = slot->server;
	unsigned other = watcher->config.servers;

	slot->silences = slot->silences == UINT8_MAX ? UINT8_MAX : (uint8_t)(slot->silences + 1);
	watcher->counters.resent++;
	if (is_long_silent(watcher, server)) {
		client_route_silence(&watcher->route, watcher->now_ns, server, slot->sent_ns);
	}
	if (client_route_is_silent(&watcher->route, watcher->now_ns, server)) {
		watcher_evacuate(watcher, server);
		return;
	}
	if (slot->silences >= SILENCES_MAX) {
		other = watcher_other_server(watcher, server, 0);
	}
	slot->is_resent = true;
	watcher_slot_queue(watcher, slot, other < watcher->config.servers ? other : server,
	                   WATCHER_ASK);
}

/*
 * A watch that is kept is to be asked again. Now and then it goes elsewhere: so watches spread
 * again over servers that were away.
 */
static void keep_up(struct watcher *watcher, struct watcher_slot *slot)
{
	const bool wanders = slot->state == WATCHER_HELD && watcher->config.servers > 1 &&
	                     prng_chance(&watcher->route.prng, 1, STAYS);

	watcher_slot_queue(watcher, slot, slot->server, wanders ? WATCHER_MOVE : WATCHER_ASK);
}

/* A watch that this server keeps, to hear whether it still lives. */
static void probe(struct watcher *watcher, unsigned server)
{
	struct watcher_lane *lane = &watcher->lanes[server];

	must(watcher->fresh != 0);
	for (;;) {
		struct watcher_slot *slot;

		lane->cursor = (lane->cursor + 1) % watcher->fresh;
		slot = &watcher->slots[lane->cursor];
		if (slot->state == WATCHER_HELD && slot->server == server) {
			watcher_slot_queue(watcher, slot, server, WATCHER_ASK);
			return;
		}
	}
}

/* When the server is to be asked whether it still lives; UINT64_MAX: not now. */
static uint64_t probe_due_ns(const struct watcher *watcher, unsigned server)
{
	const struct watcher_lane *lane = &watcher->lanes[server];

	if (lane->held == 0 || lane->queued != 0 || lane->asked != 0) {
		return UINT64_MAX; /* nothing to lose, or it is being asked */
	}
	return watcher->route.servers[server].heard_ns + watcher->config.probe_ns;
}

void watcher_tick(struct watcher *watcher, uint64_t now_ns)
{
	watcher->now_ns = now_ns;
	while (watcher->heap_size != 0) {
		struct watcher_slot *slot = &watcher->slots[watcher->heap[0]];

		if (slot->due_ns > now_ns) {
			break;
		}
		if (slot->state == WATCHER_ASKED) {
			on_silence(watcher, slot);
		} else {
			keep_up(watcher, slot);
		}
	}
	for (unsigned i = 0; i < watcher->config.servers; i++) {
		if (now_ns >= probe_due_ns(watcher, i)) {
			probe(watcher, i);
		}
	}
}

uint64_t watcher_deadline_ns(const struct watcher *watcher)
{
	uint64_t deadline_ns = UINT64_MAX;

	if (watcher->heap_size != 0) {
		deadline_ns = watcher->slots[watcher->heap[0]].due_ns;
	}
	for (unsigned i = 0; i < watcher->config.servers; i++) {
		const uint64_t due_ns = probe_due_ns(watcher, i);

		deadline_ns = due_ns < deadline_ns ? due_ns : deadline_ns;
	}
	return deadline_ns;
}

/* --- effects -------------------------------------------------------------------------------- */

static struct slice encode(struct watcher *watcher, const struct watcher_slot *slot)
{
	const bool asks = slot->intent == WATCHER_ASK;
	const struct proto_request request = {
		.verb = PROTO_WATCH,
		.rev = slot->next,
		.last = slot->last,
		.ttl_ms = asks ? watcher->config.ttl_ms : 0,
		.limit = slot->limit,
		.path = slice_make(slot->glob, slot->glob_size),
	};
	const struct proto_head head = {
		.number = slot->number,
		.version = slot->missing != 0 ? slot->version : 0,
		.segments = 1,
		.missing = slot->missing,
	};
	uint8_t message[PROTO_REQUEST_OVERHEAD + STORE_GLOB_SIZE_MAX];
	size_t size = proto_request_encode(&request, message, sizeof(message));

	must(size != 0);
	size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, watcher->config.cluster,
	                            slice_make(message, size), watcher->datagram);
	store_rights_seal(&watcher->config.key, watcher->datagram, size);
	return slice_make(watcher->datagram, size);
}

/* The first of a lane, if it may go. */
static struct watcher_slot *sendable(struct watcher *watcher, unsigned server)
{
	const struct watcher_lane *lane = &watcher->lanes[server];
	struct watcher_slot *slot;

	if (lane->queue.first == WATCHER_NONE) {
		return NULL;
	}
	slot = &watcher->slots[lane->queue.first];
	return slot->intent == WATCHER_ASK && lane->asked >= watcher->config.window ? NULL : slot;
}

/* To another server, if there is one that is worth it. */
static void move(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned other = watcher_other_server(watcher, slot->server, 0);
	const bool is_worth_it =
		other < watcher->config.servers && !watcher_is_away(watcher, other);

	watcher_slot_queue(watcher, slot, is_worth_it ? other : slot->server, WATCHER_ASK);
}

bool watcher_take_send(struct watcher *watcher, struct watcher_effect *ret_effect)
{
	struct watcher_slot *slot = NULL;

	for (unsigned i = 0; i < watcher->config.servers && slot == NULL; i++) {
		watcher->turn = (watcher->turn + 1) % watcher->config.servers;
		slot = sendable(watcher, watcher->turn);
	}
	if (slot == NULL) {
		return false;
	}
	*ret_effect = (struct watcher_effect){
		.kind = WATCHER_EFFECT_SEND,
		.server = slot->server,
		.bytes = encode(watcher, slot),
	};
	watcher->counters.sent++;
	switch ((enum watcher_intent)slot->intent) {
	case WATCHER_ASK:
		slot->asked |= (uint32_t)1 << slot->server;
		watcher_slot_expect(watcher, slot);
		break;
	case WATCHER_MOVE:
		move(watcher, slot);
		break;
	case WATCHER_STOP:
		watcher_slot_stop(watcher, slot);
		break;
	case WATCHER_LEAVE:
		watcher_slot_free(watcher, slot);
		break;
	}
	return true;
}

bool watcher_has_news(const struct watcher *watcher)
{
	return watcher->page.index != WATCHER_NONE || watcher->ended.first != WATCHER_NONE;
}

static void take_end(struct watcher *watcher, struct watcher_effect *ret_effect)
{
	struct watcher_slot *slot = &watcher->slots[watcher->ended.first];

	*ret_effect = (struct watcher_effect){
		.kind = WATCHER_EFFECT_END,
		.tag = slot->number,
		.answer = (enum store_answer)slot->answer,
		.oldest = slot->oldest,
	};
	watcher->count--;
	watcher_slot_free(watcher, slot);
}

/*
 * From a server out of touch to the others, each once in a while: those may be of no use, and refer
 * it back at once.
 */
static bool may_leave(struct watcher *watcher, struct watcher_slot *slot)
{
	if (watcher->now_ns >= slot->left_ns + watcher->config.age_max_ms * NS_PER_MS) {
		slot->left_ns = watcher->now_ns;
		slot->leaves = 0;
	}
	if (slot->leaves + 1u >= watcher->config.servers) {
		return false;
	}
	slot->leaves++;
	return true;
}

/* All events of the page were taken: the next ask says so. */
static void finish_page(struct watcher *watcher, struct watcher_slot *slot)
{
	struct watcher_page *page = &watcher->page;
	unsigned server = slot->server;

	page->index = WATCHER_NONE;
	if (page->answer.revision > slot->next) {
		slot->next = page->answer.revision;
	}
	if (page->server == server && watcher_is_away(watcher, server)) {
		const unsigned other = watcher_other_server(watcher, server, 0);

		if (other < watcher->config.servers && !watcher_is_away(watcher, other) &&
		    may_leave(watcher, slot)) {
			watcher_slot_queue(watcher, slot, server, WATCHER_MOVE);
			return;
		}
	}
	/* If it brought events, the server waits for that. */
	if (page->answer.count != 0 &&
	    (slot->state == WATCHER_ASKED || slot->state == WATCHER_HELD)) {
		watcher_slot_queue(watcher, slot, server, WATCHER_ASK);
	}
}

static void take_page(struct watcher *watcher, struct watcher_effect *ret_effect)
{
	struct watcher_page *page = &watcher->page;
	struct watcher_slot *slot = &watcher->slots[page->index];
	struct proto_event event;
	bool bad = false;

	*ret_effect = (struct watcher_effect){
		.kind = WATCHER_EFFECT_NOTE,
		.server = page->server,
		.tag = slot->number,
		.store_revision = page->answer.store_revision,
		.age_ms = page->answer.age_ms,
		.node = page->answer.node,
	};
	while (proto_event_next(&page->left, &event, &bad)) {
		if (event.revision < slot->next) {
			continue; /* known */
		}
		event.previous = slot->last;
		slot->last = event.revision;
		slot->next = event.revision + 1;
		watcher->counters.events++;
		ret_effect->kind = WATCHER_EFFECT_EVENT;
		ret_effect->event = event;
		ret_effect->next = slot->next;
		return;
	}
	must(!bad);
	finish_page(watcher, slot);
	ret_effect->next = slot->next;
}

bool watcher_take(struct watcher *watcher, struct watcher_effect *ret_effect)
{
	if (watcher->page.index != WATCHER_NONE) {
		take_page(watcher, ret_effect);
		return true;
	}
	if (watcher->ended.first != WATCHER_NONE) {
		take_end(watcher, ret_effect);
		return true;
	}
	return watcher_take_send(watcher, ret_effect);
}

/* --- what can be seen ----------------------------------------------------------------------- */

unsigned watcher_count(const struct watcher *watcher)
{
	return watcher->count;
}

store_rev_t watcher_seen(const struct watcher *watcher)
{
	return watcher->seen;
}

void watcher_counters(const struct watcher *watcher, struct watcher_counters *ret_counters)
{
	*ret_counters = watcher->counters;
}
