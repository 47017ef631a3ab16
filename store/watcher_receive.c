/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watcher_receive.c - what a datagram from a server means: watcher_receive()
 */
#include "store/base/check.h"
#include "store/watcher.h"
#include "store/watcher_internal.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

/* Whose this may be, or NULL. */
static struct watcher_slot *find_asked(struct watcher *watcher, unsigned server,
                                       const struct proto_head *head)
{
	struct watcher_slot *slot = watcher_slot_find(watcher, head->number);

	if (slot == NULL || slot->state == WATCHER_STOPPED || slot->state == WATCHER_ENDED ||
	    (slot->state == WATCHER_QUEUED && slot->intent >= WATCHER_STOP) ||
	    (slot->asked >> server & 1) == 0 || head->session != 0) {
		return NULL;
	}
	return slot;
}

/* --- pages ---------------------------------------------------------------------------------- */

/*
 * True if all of it is as a page has to be: so many events, in order, from `from` to `revision`,
 * and those of one entry say so alike.
 */
static bool page_makes_sense(const struct proto_answer *answer)
{
	struct slice page = answer->value;
	struct proto_event event;
	store_rev_t next = answer->from, entry_last = 0;
	uint32_t count = 0;
	bool bad = false;

	while (proto_event_next(&page, &event, &bad)) {
		if (event.revision < next || event.revision >= answer->revision ||
		    event.path.size > STORE_PATH_SIZE_MAX ||
		    event.value.size > STORE_VALUE_SIZE_MAX ||
		    (event.revision <= entry_last && event.revision + event.rest != entry_last)) {
			return false;
		}
		entry_last = event.revision + event.rest;
		next = event.revision + 1;
		count++;
	}
	return !bad && count == answer->count && answer->from <= answer->revision;
}

static void keep_page(struct watcher *watcher, struct watcher_slot *slot, unsigned server,
                      const struct proto_answer *answer)
{
	struct watcher_page *page = &watcher->page;

	must(answer->value.size <= sizeof(page->memory));
	if (answer->value.size != 0) {
		memcpy(page->memory, answer->value.data, answer->value.size);
	}
	page->left = slice_make(page->memory, answer->value.size);
	page->answer = *answer;
	page->answer.value = (struct slice){0};
	page->index = watcher_slot_index(watcher, slot);
	page->server = server;
	watcher->counters.pages++;
}

/* It brings nothing that is not known. The server may wait for an ask that was lost. */
static void on_known(struct watcher *watcher, struct watcher_slot *slot, unsigned server)
{
	watcher->counters.known++;
	if (slot->state == WATCHER_HELD && slot->server == server) {
		watcher_slot_queue(watcher, slot, server, WATCHER_ASK);
	}
}

/* It begins behind what is wanted. */
static void on_gap(struct watcher *watcher, struct watcher_slot *slot)
{
	watcher->counters.gaps++;
	if (slot->state == WATCHER_HELD) {
		watcher_slot_queue(watcher, slot, slot->server, WATCHER_ASK);
	}
}

/* Whoever is far behind the others brings news late, and keeps those who wait for it waiting. */
static void note_age(struct watcher *watcher, unsigned server, uint32_t age_ms)
{
	const uint64_t away_ns = watcher->config.age_max_ms * NS_PER_MS;

	watcher->lanes[server].away_until_ns =
		age_ms > watcher->config.age_max_ms ? watcher->now_ns + away_ns : 0;
}

static bool on_page(struct watcher *watcher, struct watcher_slot *slot, unsigned server,
                    const struct proto_answer *answer)
{
	if (!page_makes_sense(answer)) {
		return false;
	}
	note_age(watcher, server, answer->age_ms);
	if (answer->from > slot->next) {
		on_gap(watcher, slot);
		return true;
	}
	if (answer->revision < slot->next ||
	    (answer->revision == slot->next && answer->count != 0)) {
		on_known(watcher, slot, server);
		return true;
	}
	if (answer->revision > slot->next) {
		watcher_slot_forget_parts(watcher, slot);
	}
	slot->too_late = 0;
	slot->oldest = 0;
	keep_page(watcher, slot, server, answer);
	if (slot->server != server) {
		return true; /* of a server that it left */
	}
	if (answer->ttl_ms == 0) {
		if (slot->state == WATCHER_ASKED || slot->state == WATCHER_HELD) {
			watcher_slot_wait(watcher, slot, server); /* it will not keep it */
		}
	} else if (slot->state != WATCHER_QUEUED) {
		watcher_slot_hold(watcher, slot, answer->ttl_ms);
	}
	return true;
}

/* --- refusals ------------------------------------------------------------------------------- */

/*
 * This server keeps no events that old, or takes no part and keeps none: the watch is lost if no
 * other does.
 */
static void on_no_help(struct watcher *watcher, struct watcher_slot *slot)
{
	unsigned other;

	slot->too_late |= (uint32_t)1 << slot->server;
	other = watcher_other_server(watcher, slot->server, slot->too_late);
	if (other < watcher->config.servers) {
		watcher_slot_queue(watcher, slot, other, WATCHER_ASK);
	} else {
		watcher_slot_end(watcher, slot, STORE_TOO_LATE);
	}
}

/* NOT_LEADER, NO_QUORUM: others may keep it. */
static void on_referral(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned other = watcher_other_server(watcher, slot->server, 0);

	if (slot->too_late != 0) {
		on_no_help(watcher, slot);
	} else if (other < watcher->config.servers && slot->hops + 1u < watcher->config.servers) {
		slot->hops++;
		watcher_slot_queue(watcher, slot, other, WATCHER_ASK);
	} else {
		watcher_slot_wait(watcher, slot,
		                  other < watcher->config.servers ? other : slot->server);
	}
}

static void on_overloaded(struct watcher *watcher, struct watcher_slot *slot)
{
	const unsigned other = watcher_other_server(watcher, slot->server, slot->too_late);

	watcher_slot_wait(watcher, slot, other < watcher->config.servers ? other : slot->server);
}

/* A server that was restarted keeps less than others: it is lost only if they say so too. */
static bool on_too_late(struct watcher *watcher, struct watcher_slot *slot, store_rev_t oldest)
{
	if (oldest <= slot->next) {
		return false;
	}
	if (slot->oldest == 0 || oldest < slot->oldest) {
		slot->oldest = oldest;
	}
	on_no_help(watcher, slot);
	return true;
}

static bool on_refusal(struct watcher *watcher, struct watcher_slot *slot, unsigned server,
                       const struct proto_answer *answer)
{
	const bool is_asked = slot->state == WATCHER_ASKED && slot->server == server;
	const bool is_held = slot->state == WATCHER_HELD && slot->server == server;

	if (!is_asked && !is_held) {
		return true; /* of an earlier ask */
	}
	watcher->counters.refused++;
	if (answer->answer == STORE_TOO_LATE) {
		return on_too_late(watcher, slot, answer->revision);
	}
	if (answer->answer == STORE_NOT_LEADER || answer->answer == STORE_NO_QUORUM) {
		on_referral(watcher, slot);
	} else if (answer->answer == STORE_OVERLOADED || answer->answer == STORE_WINDOW ||
	           answer->answer == STORE_TOO_EARLY) {
		on_overloaded(watcher, slot);
	} else {
		watcher_slot_end(watcher, slot, answer->answer);
	}
	return true;
}

/* --- datagrams ------------------------------------------------------------------------------ */

/* One message that was put together. False: it makes no sense as an answer to this watch. */
static bool on_message(struct watcher *watcher, unsigned server, uint64_t cluster,
                       struct watcher_slot *slot, struct slice message, bool is_whole)
{
	struct proto_answer answer;

	if (!proto_answer_decode(message, &answer) ||
	    (answer.verb != PROTO_WATCH && answer.verb != PROTO_NONE)) {
		return false;
	}
	if (watcher->config.cluster != 0 && cluster != watcher->config.cluster &&
	    answer.answer != STORE_WRONG_CLUSTER) {
		return false;
	}
	client_route_heard(&watcher->route, watcher->now_ns, server, answer.node);
	if (answer.store_revision > watcher->seen) {
		watcher->seen = answer.store_revision;
	}
	if (is_whole && slot->state == WATCHER_ASKED && slot->server == server &&
	    answer.answer == STORE_OK) {
		if (slot->is_resent) {
			client_route_late(&watcher->route, watcher->now_ns - slot->asked_ns);
		} else {
			client_route_sample(&watcher->route, watcher->now_ns - slot->sent_ns);
		}
	}
	if (answer.answer == STORE_OK) {
		return on_page(watcher, slot, server, &answer);
	}
	return on_refusal(watcher, slot, server, &answer);
}

static void on_part(struct watcher *watcher, unsigned server, struct watcher_slot *slot,
                    uint64_t version, uint32_t missing)
{
	slot->missing = missing;
	slot->version = version;
	slot->silences = 0;
	client_route_heard(&watcher->route, watcher->now_ns, server, 0);
	if (slot->server == server &&
	    (slot->state == WATCHER_ASKED || slot->state == WATCHER_HELD)) {
		slot->is_resent = true; /* no round trip to be measured by this one */
		watcher_slot_expect(watcher, slot);
	}
}

static void on_segment(struct watcher *watcher, unsigned server, uint64_t cluster,
                       const struct proto_head *head, struct slice piece)
{
	struct watcher_slot *slot = find_asked(watcher, server, head);
	struct slice message;
	uint32_t missing = 0;

	if (slot == NULL) {
		watcher->counters.unasked++;
		return;
	}
	switch (assembly_add(watcher->assembly, watcher->now_ns, 0, head, piece, &message,
	                     &missing)) {
	case ASSEMBLY_WHOLE:
		if (head->segments > 1) {
			slot->missing = 0;
		}
		if (!on_message(watcher, server, cluster, slot, message, head->segments == 1)) {
			watcher->counters.strange++;
		}
		break;
	case ASSEMBLY_PARTIAL:
		on_part(watcher, server, slot, head->version, missing);
		break;
	case ASSEMBLY_BAD:
		slot->missing = 0;
		watcher->counters.strange++;
		break;
	}
}

void watcher_receive(struct watcher *watcher, uint64_t now_ns, unsigned server, struct slice bytes)
{
	struct store_datagram datagram;
	enum store_datagram_fault fault;
	struct proto_head head;
	struct slice piece;

	must(server < watcher->config.servers);
	watcher->now_ns = now_ns;
	watcher->counters.received++;
	if (watcher->page.index != WATCHER_NONE) {
		watcher->counters.full++;
		return;
	}
	fault = store_datagram_open(bytes, &datagram);
	if (fault != STORE_DATAGRAM_GOOD) {
		watcher->counters.faults[fault]++;
	} else if (datagram.kind != STORE_DATAGRAM_ANSWER ||
	           !proto_segment_decode(&datagram, &head, &piece)) {
		watcher->counters.strange++;
	} else {
		on_segment(watcher, server, datagram.cluster, &head, piece);
	}
}
