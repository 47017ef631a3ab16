/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/watches.h"

#include <errno.h>
#include <stdlib.h>

#include "consensus/watches_table.h"
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
	store_rev_t fanned; /* events up to here were matched against all that wait */
	store_rev_t lost;   /* and those up to here were not all, since the ring overtook us */
	/* The event behind `fanned`, as far as it has come. table.cursor: next in the list. */
	unsigned lists_done;
	bool is_in_list;
	unsigned scan_left; /* for the asks of this turn */
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
	watches->scan_left = PAXOS_WATCH_SCAN_MAX;
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
	bool has_more;
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

/* Looks at no more than `scan_max` events behind `clear`. Returns how many it looked at. */
static unsigned make_page(struct paxos_watches *watches, const struct paxos_watch *watch,
                          unsigned scan_max, struct page *ret_page)
{
	struct page page = {.next = watch->clear + 1};
	store_rev_t previous = watch->last;
	unsigned scanned = 0;

	/* A page of several datagrams ends with its event, so that all sendings of it are alike. */
	for (; scanned < scan_max && page.size <= PAGE_SIZE; scanned++) {
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
	page.has_more = page.next <= store_event_last(watches->store);
	*ret_page = page;
	return scanned;
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
		.has_more = page->has_more,
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
	} else {
		watch->state = page->has_more ? PAXOS_WATCH_BEHIND : PAXOS_WATCH_QUIET;
		watch->clear = page->next - 1;
	}
	paxos_watch_schedule(&watches->table, handle,
	                     due_ns < watch->expires_ns ? due_ns : watch->expires_ns);
}

/* The fan-out begins with the event behind `revision`. */
static void go_on_behind(struct paxos_watches *watches, store_rev_t revision)
{
	watches->fanned = revision;
	watches->lists_done = 0;
	watches->is_in_list = false;
	watches->table.cursor = 0;
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
static void hear(struct paxos_watches *watches, struct paxos_watch *watch, store_rev_t from,
                 const struct proto_request *request, uint64_t now_ns)
{
	if (from < watch->acked) {
		watch->clear = from - 1; /* it begins anew */
	} else if (watch->state == PAXOS_WATCH_QUIET && watch->clear >= watches->lost &&
	           watch->clear < watches->fanned) {
		watch->clear = watches->fanned;
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
			watch->state = PAXOS_WATCH_BEHIND;
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
	unsigned scan_max = watches->scan_left;
	struct page page;
	unsigned scanned;

	if (scan_max < PAXOS_WATCH_SCAN_MIN) {
		scan_max = PAXOS_WATCH_SCAN_MIN;
	}
	scanned = make_page(watches, watch, scan_max, &page);
	watches->scan_left -= scanned < watches->scan_left ? scanned : watches->scan_left;
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
		go_on_behind(watches, store_event_last(watches->store));
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
			paxos_watch_enqueue(table, handle);
		}
	}
}

static void visit(struct paxos_watches *watches, uint32_t handle, const struct store_event *event)
{
	struct paxos_watch *watch = paxos_watch_at(&watches->table, handle);

	if (watch->state != PAXOS_WATCH_QUIET || watch->clear >= event->revision) {
		return;
	}
	if (watch->clear >= watches->lost || mutant(47)) {
		if (!store_glob_match(paxos_watch_glob(watch), event->path)) {
			return;
		}
		watch->clear = event->revision - 1;
	}
	watch->state = PAXOS_WATCH_FOUND;
	paxos_watch_enqueue(&watches->table, handle);
}

/* Shows one event to those who may wait for it. Returns how many; no more than `looks`. */
static unsigned show(struct paxos_watches *watches, const struct store_event *event, unsigned looks)
{
	struct paxos_watch_table *table = &watches->table;
	uint32_t lists[PAXOS_WATCH_LISTS_MAX];
	const unsigned count = paxos_watch_lists(table, event->path, lists);
	unsigned looked = 0;

	for (; watches->lists_done < count; watches->lists_done++) {
		if (!watches->is_in_list) {
			table->cursor = table->lists[lists[watches->lists_done]];
			watches->is_in_list = true;
		}
		while (table->cursor != 0) {
			const uint32_t handle = table->cursor;

			if (looked == looks) {
				return looked;
			}
			table->cursor = paxos_watch_at(table, handle)->list_next;
			visit(watches, handle, event);
			looked++;
		}
		watches->is_in_list = false;
	}
	watches->lists_done = 0;
	watches->fanned = event->revision;
	return looked;
}

/* Events behind `fanned` are gone: whoever was quiet does not know what it missed. */
static void overrun(struct paxos_watches *watches)
{
	watches->lost = store_event_first(watches->store) - 1;
	go_on_behind(watches, watches->lost);
}

static void fan_out(struct paxos_watches *watches)
{
	for (unsigned looks = 0; looks < PAXOS_WATCH_LOOKS_MAX; looks++) {
		const struct store_event *event;
		const enum store_answer answer =
			store_event(watches->store, watches->fanned + 1, &event);

		if (answer == STORE_OK) {
			looks += show(watches, event, PAXOS_WATCH_LOOKS_MAX - looks);
		} else if (answer == STORE_TOO_LATE) {
			overrun(watches);
		} else {
			return;
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
	(void)make_page(watches, watch, PAXOS_WATCH_SCAN_MIN, &page);
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
		watches->counters.pages++;
	}
	send_page(watches, watch, &asked, &page, post);
	settle(watches, handle, &page, now_ns);
	return PROTO_ANSWER_OVERHEAD + page.size;
}

void paxos_watches_turn(struct paxos_watches *watches, uint64_t now_ns,
                        const struct paxos_watch_post *post)
{
	size_t bytes = 0;
	uint32_t handle;

	watches->scan_left = PAXOS_WATCH_SCAN_MAX;
	if (watches->table.count == 0) {
		return;
	}
	take_due(watches, now_ns);
	fan_out(watches);
	for (unsigned i = 0; i < PAXOS_WATCH_PAGES_MAX && bytes < PAXOS_WATCH_BYTES_MAX; i++) {
		handle = paxos_watch_take_queued(&watches->table);
		if (handle == 0) {
			break;
		}
		bytes += push(watches, handle, now_ns, post);
	}
}

uint64_t paxos_watches_deadline_ns(const struct paxos_watches *watches)
{
	const struct paxos_watch_table *table = &watches->table;

	if (table->count == 0) {
		return UINT64_MAX;
	}
	if (table->lines[PAXOS_WATCH_QUEUE].first != 0 ||
	    watches->fanned < store_event_last(watches->store)) {
		return 0;
	}
	return paxos_watch_due_ns(table);
}
