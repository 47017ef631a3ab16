/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/watches.h"

#include <errno.h>
#include <stdlib.h>

#include "consensus/watches_table.h"
#include "consensus/watches_walk.h"
#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/glob.h"
#include "store/proto_page.h"

#define NS_PER_MS UINT64_C(1000000)

enum {
	PAGE_SIZE = PROTO_PIECE_SIZE - PROTO_ANSWER_OVERHEAD, /* so that it is one datagram */
};

struct paxos_watches {
	const struct store *store;
	struct paxos_watch_table table;
	struct paxos_watch_counters counters;
	struct paxos_watch_walks walks;
	uint64_t past_due_ns; /* the next step through the past */
	uint8_t page[PROTO_VALUE_SIZE_MAX];
};

int paxos_watches_new(struct paxos_watches **ret_watches, uint32_t max, const struct store *store)
{
	struct paxos_watches *watches = calloc(1, sizeof(*watches));

	if (watches == NULL) {
		return -ENOMEM;
	}
	if (paxos_watch_table_init(&watches->table, max) < 0) {
		free(watches);
		return -ENOMEM;
	}
	watches->store = store;
	paxos_watch_walks_init(&watches->walks, &watches->table, store);
	*ret_watches = watches;
	return 0;
}

void paxos_watches_free(struct paxos_watches *watches)
{
	if (watches != NULL) {
		paxos_watch_table_deinit(&watches->table);
		free(watches);
	}
}

uint64_t paxos_watches_bytes(uint32_t max)
{
	return sizeof(struct paxos_watches) + paxos_watch_table_bytes(max);
}

const struct paxos_watch_counters *paxos_watches_counters(const struct paxos_watches *watches)
{
	return &watches->counters;
}

/* --- pages ------------------------------------------------------------------------------- */

/* What a search along the ring has found. */
struct page {
	bool is_too_late;
	store_rev_t first; /* the first event in it; 0: none */
	store_rev_t next;  /* the first that was not looked at */
	uint32_t count;
	size_t size;
};

/* False: there is no room for it. */
static bool put_event(struct paxos_watches *watches, const struct paxos_watch *watch,
                      const struct store_event *event, store_rev_t previous, struct page *page)
{
	const struct proto_event out = {
		.revision = event->revision,
		.previous = previous,
		.rest = mutant(61) ? 0 : (uint32_t)(event->last - event->revision),
		.kind = event->kind,
		.cause = event->cause,
		.path = event->path,
		.value = event->value,
	};
	size_t size;

	if (watch->limit != 0 && page->count == watch->limit) {
		return false;
	}
	size = proto_event_put(watches->page, page->size,
	                       page->count == 0 ? sizeof(watches->page) : PAGE_SIZE, &out);
	if (size == 0) {
		return false;
	}
	page->first = page->count == 0 ? event->revision : page->first;
	page->size = size;
	page->count++;
	return true;
}

/* Looks at few events behind `clear`: at none if others have to be searched for it first. */
static void make_page(struct paxos_watches *watches, const struct paxos_watch *watch,
                      struct page *ret_page)
{
	const unsigned looks = watch->state == PAXOS_WATCH_BEHIND ? 0 : PAXOS_WATCH_PAGE_LOOKS;
	struct page page = {.next = watch->clear + 1};
	store_rev_t previous = watch->last;

	/* A page of several datagrams ends with its event, so that all sendings of it are alike. */
	for (unsigned i = 0; i < looks && page.size <= PAGE_SIZE; i++) {
		const struct store_event *event;
		const enum store_answer answer = store_event(watches->store, page.next, &event);

		if (answer != STORE_OK) {
			/* What fell out of the ring behind a first event is asked for next. */
			page.is_too_late = answer == STORE_TOO_LATE && page.count == 0;
			break;
		}
		if (store_glob_match(paxos_watch_glob(watch), event->path)) {
			if (!put_event(watches, watch, event, previous, &page)) {
				break;
			}
			previous = event->revision;
		}
		page.next++;
	}
	*ret_page = page;
}

static void fill_in(const struct paxos_watches *watches, struct proto_answer *answer)
{
	answer->verb = PROTO_WATCH;
	answer->store_revision = store_root_revision(store_root(watches->store));
}

static void send_page(struct paxos_watches *watches, const struct paxos_watch *watch,
                      const struct proto_head *asked, const struct page *page,
                      const struct paxos_watch_post *post)
{
	struct proto_answer answer = {
		.answer = STORE_OK,
		.revision = page->next,
		.from = watch->acked,
		.ttl_ms = watch->ttl_ms,
		.count = page->count,
		.value = slice_make(watches->page, page->size),
	};

	fill_in(watches, &answer);
	watches->counters.events += page->count;
	post->send(post->context, &watch->address, asked, &answer);
}

static void refuse(struct paxos_watches *watches, const struct paxos_address *address,
                   const struct proto_head *asked, enum store_answer why, store_rev_t from,
                   const struct paxos_watch_post *post)
{
	struct proto_answer answer = {.answer = why, .from = from};

	if (why == STORE_TOO_LATE) {
		answer.revision = store_event_first(watches->store);
		watches->counters.too_late++;
	}
	fill_in(watches, &answer);
	post->send(post->context, address, asked, &answer);
}

/* --- states ------------------------------------------------------------------------------ */

static void forget(struct paxos_watches *watches, uint32_t handle)
{
	paxos_watch_remove(&watches->table, handle);
	watches->counters.watches--;
}

/* A page was sent: what is known now, and when it is looked at again. */
static void settle(struct paxos_watches *watches, uint32_t handle, const struct page *page,
                   uint64_t now_ns)
{
	struct paxos_watch *watch = paxos_watch_at(&watches->table, handle);
	uint64_t due_ns = watch->expires_ns;

	if (page->count != 0 && !mutant(46)) {
		watch->state = PAXOS_WATCH_SENT;
		watch->clear = page->first - 1;
		due_ns = now_ns + watch->resend_ns;
	} else if (watch->state == PAXOS_WATCH_BEHIND) {
		return;
	} else {
		watch->clear = page->next - 1;
		paxos_watch_walks_join(&watches->walks, handle);
		if (watch->state == PAXOS_WATCH_BEHIND) {
			return;
		}
	}
	paxos_watch_schedule(&watches->table, handle,
	                     due_ns < watch->expires_ns ? due_ns : watch->expires_ns);
}

/* --- asks -------------------------------------------------------------------------------- */

static enum store_answer check(const struct proto_request *request)
{
	switch (store_glob_check(request->path)) {
	case STORE_PATH_GOOD:
		return request->last < (request->rev == 0 ? 1 : request->rev) ? STORE_OK
		                                                              : STORE_BAD_REQUEST;
	case STORE_PATH_LONG:
		return STORE_TOO_LARGE;
	case STORE_PATH_BAD:
	default:
		return STORE_BAD_GLOB;
	}
}

static bool is_kept(const struct paxos_watches *watches, store_rev_t revision)
{
	const struct store_event *event;

	return store_event(watches->store, revision, &event) != STORE_TOO_LATE;
}

/* What the client says is written down; what is known of the watch stays, if it still holds. */
static void hear(const struct paxos_watches *watches, struct paxos_watch *watch, store_rev_t from,
                 const struct proto_request *request, uint64_t now_ns)
{
	paxos_watch_walks_clear(&watches->walks, watch);
	if (from < watch->acked) {
		watch->state = PAXOS_WATCH_NEW;
		watch->clear = from - 1;
	}
	if (watch->clear < from - 1 + mutant(30)) {
		watch->clear = from - 1 + mutant(30);
	}
	watch->acked = from;
	watch->last = request->last;
	watch->limit = request->limit;
	watch->ttl_ms = request->ttl_ms;
	if (watch->ttl_ms < PAXOS_WATCH_TTL_MS_MIN) {
		watch->ttl_ms = PAXOS_WATCH_TTL_MS_MIN;
	} else if (watch->ttl_ms > PAXOS_WATCH_TTL_MS_MAX) {
		watch->ttl_ms = PAXOS_WATCH_TTL_MS_MAX;
	}
	watch->expires_ns = now_ns + watch->ttl_ms * NS_PER_MS;
	watch->resend_ns = PAXOS_WATCH_RESEND_NS;
}

/* The watch that is asked for: kept already, or new; 0: there is no room. */
static uint32_t find_or_add(struct paxos_watches *watches, const struct paxos_address *address,
                            const struct proto_request *request, store_rev_t from)
{
	struct paxos_watch_table *table = &watches->table;
	uint32_t handle = paxos_watch_find(table, address, request->head.number);

	if (handle != 0 &&
	    !slice_equal(paxos_watch_glob(paxos_watch_at(table, handle)), request->path)) {
		forget(watches, handle);
		handle = 0;
	}
	if (handle == 0) {
		handle = paxos_watch_add(table, address, request->head.number, request->path);
		if (handle != 0) {
			struct paxos_watch *watch = paxos_watch_at(table, handle);

			watches->counters.watches++;
			watch->state = PAXOS_WATCH_NEW;
			watch->acked = from;
			watch->clear = from - 1;
		}
	}
	return handle;
}

static void answer_ask(struct paxos_watches *watches, uint32_t handle,
                       const struct proto_head *asked, uint64_t now_ns,
                       const struct paxos_watch_post *post)
{
	const struct paxos_watch *watch = paxos_watch_at(&watches->table, handle);
	struct page page;

	make_page(watches, watch, &page);
	if (page.is_too_late) {
		refuse(watches, &watch->address, asked, STORE_TOO_LATE, watch->acked, post);
		forget(watches, handle);
		return;
	}
	watches->counters.pages += page.count != 0;
	send_page(watches, watch, asked, &page, post);
	settle(watches, handle, &page, now_ns);
}

static void end_watch(struct paxos_watches *watches, const struct paxos_address *address,
                      const struct proto_request *request, store_rev_t from,
                      const struct paxos_watch_post *post)
{
	const uint32_t handle = paxos_watch_find(&watches->table, address, request->head.number);
	struct proto_answer answer = {.answer = STORE_OK, .from = from, .revision = from};

	if (handle != 0) {
		forget(watches, handle);
	}
	fill_in(watches, &answer);
	post->send(post->context, address, &request->head, &answer);
}

void paxos_watches_ask(struct paxos_watches *watches, uint64_t now_ns,
                       const struct paxos_address *address, const struct proto_request *request,
                       const struct paxos_watch_post *post)
{
	const store_rev_t from = request->rev == 0 ? 1 : request->rev;
	const enum store_answer answer = check(request);
	struct paxos_watch *watch;
	uint32_t handle;

	watches->counters.asks++;
	if (answer != STORE_OK) {
		refuse(watches, address, &request->head, answer, from, post);
		return;
	}
	if (request->ttl_ms == 0) {
		end_watch(watches, address, request, from, post);
		return;
	}
	if (watches->table.count == 0) {
		(void)paxos_watch_take_due(&watches->table, now_ns); /* the wheel is set */
		paxos_watch_walks_begin(&watches->walks);
	}
	handle = find_or_add(watches, address, request, from);
	if (handle == 0) {
		watches->counters.full++;
		refuse(watches, address, &request->head, STORE_OVERLOADED, from, post);
		return;
	}
	watch = paxos_watch_at(&watches->table, handle);
	if (from < watch->acked && !is_kept(watches, from)) {
		/* A datagram that was under way for long; it shall not end what goes on since. */
		refuse(watches, address, &request->head, STORE_TOO_LATE, from, post);
		return;
	}
	hear(watches, watch, from, request, now_ns);
	answer_ask(watches, handle, &request->head, now_ns, post);
}

/* --- a turn ------------------------------------------------------------------------------ */

/* Those whose time has come: forgotten, or what they did not acknowledge is sent again. */
static void take_due(struct paxos_watches *watches, uint64_t now_ns)
{
	struct paxos_watch_table *table = &watches->table;
	uint32_t handle;

	for (unsigned i = 0;
	     i < PAXOS_WATCH_DUE_MAX && (handle = paxos_watch_take_due(table, now_ns)) != 0; i++) {
		if (now_ns >= paxos_watch_at(table, handle)->expires_ns) {
			watches->counters.expired++;
			forget(watches, handle);
		} else {
			paxos_watch_enqueue(table, handle, PAXOS_WATCH_QUEUE);
		}
	}
}

/* Returns the bytes of the page. */
static size_t push(struct paxos_watches *watches, uint32_t handle, uint64_t now_ns,
                   const struct paxos_watch_post *post)
{
	struct paxos_watch *watch = paxos_watch_at(&watches->table, handle);
	const struct proto_head asked = {.number = watch->number};
	struct page page;

	if (now_ns >= watch->expires_ns) {
		watches->counters.expired++;
		forget(watches, handle);
		return 0;
	}
	paxos_watch_walks_clear(&watches->walks, watch);
	make_page(watches, watch, &page);
	if (page.is_too_late) {
		refuse(watches, &watch->address, &asked, STORE_TOO_LATE, watch->acked, post);
		forget(watches, handle);
		return 0;
	}
	if (watch->state == PAXOS_WATCH_SENT) {
		watches->counters.resent++;
		watch->resend_ns = 2 * watch->resend_ns < PAXOS_WATCH_RESEND_MAX_NS
		                           ? 2 * watch->resend_ns
		                           : (uint32_t)PAXOS_WATCH_RESEND_MAX_NS;
	} else {
		watches->counters.pages += page.count != 0;
	}
	send_page(watches, watch, &asked, &page, post);
	settle(watches, handle, &page, now_ns);
	return PROTO_ANSWER_OVERHEAD + page.size;
}

/* Through the past, a step; who has come to its end is sent what there is now, if only a note. */
static void search_past(struct paxos_watches *watches, uint64_t now_ns, unsigned pages,
                        size_t bytes, const struct paxos_watch_post *post)
{
	unsigned looks = PAXOS_WATCH_PAST_LOOKS;

	if (now_ns < watches->past_due_ns || paxos_watch_walks_is_past_idle(&watches->walks)) {
		return;
	}
	watches->past_due_ns = now_ns + PAXOS_WATCH_PAST_STEP_NS;
	for (; pages < PAXOS_WATCH_PAGES_MAX && bytes < PAXOS_WATCH_BYTES_MAX; pages++) {
		const uint32_t handle = paxos_watch_walks_search(&watches->walks, &looks);

		if (handle == 0) {
			return;
		}
		bytes += push(watches, handle, now_ns, post);
	}
}

void paxos_watches_turn(struct paxos_watches *watches, uint64_t now_ns,
                        const struct paxos_watch_post *post)
{
	unsigned pages = 0;
	size_t bytes = 0;
	uint32_t handle;

	if (watches->table.count == 0) {
		return;
	}
	take_due(watches, now_ns);
	paxos_watch_walks_go_on(&watches->walks, PAXOS_WATCH_LOOKS_MAX);
	for (; pages < PAXOS_WATCH_PAGES_MAX && bytes < PAXOS_WATCH_BYTES_MAX; pages++) {
		handle = paxos_watch_take_queued(&watches->table, PAXOS_WATCH_QUEUE);
		if (handle == 0) {
			break;
		}
		bytes += push(watches, handle, now_ns, post);
	}
	search_past(watches, now_ns, pages, bytes, post);
}

uint64_t paxos_watches_deadline_ns(const struct paxos_watches *watches)
{
	const struct paxos_watch_table *table = &watches->table;
	uint64_t due_ns;

	if (table->count == 0) {
		return UINT64_MAX;
	}
	if (table->lines[PAXOS_WATCH_QUEUE].first != 0 ||
	    watches->walks.present.done < store_event_last(watches->store)) {
		return 0;
	}
	due_ns = paxos_watch_due_ns(table);
	if (!paxos_watch_walks_is_past_idle(&watches->walks) && watches->past_due_ns < due_ns) {
		due_ns = watches->past_due_ns;
	}
	return due_ns;
}
