/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/watchbook.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/glob.h"

void watchbook_init(struct watchbook *book, struct scroll *scroll, const struct ledger *ledger)
{
	*book = (struct watchbook){.scroll = scroll, .ledger = ledger, .room = 64, .fact_room = 64};
	book->watches = calloc(book->room, sizeof(book->watches[0]));
	book->facts = calloc(book->fact_room, sizeof(book->facts[0]));
	must(book->watches != NULL);
	must(book->facts != NULL);
}

void watchbook_deinit(struct watchbook *book)
{
	free(book->watches);
	free(book->facts);
	book->watches = NULL;
	book->facts = NULL;
}

void watchbook_begin(struct watchbook *book, uint64_t number, const char *glob, store_rev_t from,
                     store_rev_t last)
{
	struct watchbook_watch *watch;

	if (book->count == book->room) {
		book->room *= 2;
		book->watches = realloc(book->watches, book->room * sizeof(book->watches[0]));
		must(book->watches != NULL);
	}
	watch = &book->watches[book->count++];
	*watch = (struct watchbook_watch){
		.number = number, .begin = from, .last = last, .given = from, .given_last = last};
	must(strlen(glob) < sizeof(watch->glob));
	strcpy(watch->glob, glob);
}

/* Late packets name watches of long ago: the newest is looked at first. */
static struct watchbook_watch *find(const struct watchbook *book, uint64_t number)
{
	for (size_t i = book->count; i-- != 0;) {
		if (book->watches[i].number == number) {
			return &book->watches[i];
		}
	}
	must(false);
	return NULL;
}

const struct watchbook_watch *watchbook_of(const struct watchbook *book, uint64_t number)
{
	return find(book, number);
}

/* --- what was decided ------------------------------------------------------------------------ */

static bool is_known(const struct watchbook *book, store_rev_t revision)
{
	return revision <= (store_rev_t)book->ledger->change_count;
}

static struct slice path_of(const struct watchbook *book, store_rev_t revision)
{
	return slice_text(book->ledger->changes[revision].path);
}

static bool matches(const struct watchbook *book, const struct watchbook_watch *watch,
                    store_rev_t revision)
{
	return store_glob_match(slice_text(watch->glob), path_of(book, revision));
}

/* The first change of [from, to) that matches; `to` if none does. */
static store_rev_t next_match(const struct watchbook *book, const struct watchbook_watch *watch,
                              store_rev_t from, store_rev_t to)
{
	while (from < to && !matches(book, watch, from)) {
		from++;
	}
	return from;
}

static store_rev_t last_match(const struct watchbook *book, const struct watchbook_watch *watch,
                              store_rev_t before)
{
	while (--before >= watch->begin) {
		if (matches(book, watch, before)) {
			return before;
		}
	}
	return watch->last;
}

static uint32_t crc_of(struct slice value)
{
	return crc32c(0, value);
}

static bool is_as_it_was(const struct watchbook *book, store_rev_t revision,
                         const struct watchbook_fact *fact)
{
	const struct ledger_change *change = &book->ledger->changes[revision];

	return change->is_delete == fact->is_delete && change->cause == fact->cause &&
	       strcmp(change->path, fact->path) == 0 && change->size == fact->size &&
	       change->crc == fact->crc && change->last == fact->entry_last;
}

/* False if its path is none of ours. */
static bool make_fact(const struct proto_event *event, struct watchbook_fact *fact)
{
	fact->is_event = true;
	fact->is_delete = event->kind == STORE_EVENT_DELETE;
	fact->cause = event->cause;
	fact->entry_last = event->revision + event->rest;
	fact->size = (uint32_t)event->value.size;
	fact->crc = crc_of(event->value);
	if (event->path.size >= sizeof(fact->path)) {
		return false;
	}
	memcpy(fact->path, event->path.data, event->path.size);
	return true;
}

/* --- pages, where they leave ----------------------------------------------------------------- */

static void fail(struct watchbook *book, uint64_t now_ns, unsigned node,
                 const struct watchbook_watch *watch, const struct proto_answer *answer,
                 const char *what)
{
	scroll_fail(book->scroll, now_ns,
	            "server %u, watch %" PRIx64 " of %s from %" PRId64 ": page from %" PRId64
	            " to %" PRId64 " with %u events, %s, at %" PRId64 ", age %u ms: %s",
	            node, watch->number, watch->glob, watch->begin, answer->from, answer->revision,
	            answer->count, store_answer_text(answer->answer), answer->store_revision,
	            answer->age_ms, what);
}

/* What the page holds is what happened in it. NULL: it is. */
static const char *wrong_events(const struct watchbook *book, const struct watchbook_watch *watch,
                                const struct proto_answer *answer)
{
	store_rev_t from = answer->from, previous = last_match(book, watch, from);
	struct slice left = answer->value;
	struct proto_event event;
	uint32_t count = 0;
	bool bad = false;

	for (; proto_event_next(&left, &event, &bad); count++) {
		const store_rev_t found = next_match(book, watch, from, answer->revision);
		struct watchbook_fact fact = {0};

		if (found != event.revision) {
			return found < event.revision ? "an event is missing in it"
			                              : "an event in it is not of this watch";
		}
		if (!make_fact(&event, &fact) || !is_as_it_was(book, found, &fact)) {
			return "an event in it was another";
		}
		if (event.previous != previous) {
			return "the event before one in it was another";
		}
		previous = found;
		from = found + 1;
	}
	if (bad || count != answer->count) {
		return "it makes no sense";
	}
	return next_match(book, watch, from, answer->revision) < answer->revision
	               ? "an event is missing behind its last"
	               : NULL;
}

static void look_at_page(struct watchbook *book, uint64_t now_ns, unsigned node,
                         const struct watchbook_watch *watch, const struct proto_answer *answer)
{
	const char *wrong;

	book->pages += answer->count != 0;
	if (answer->revision < answer->from ||
	    (answer->revision > answer->from && answer->revision - 1 > answer->store_revision)) {
		fail(book, now_ns, node, watch, answer, "it promises what is not there yet");
	}
	/* Other servers may have shown an entry before the first that is missing to the ledger. */
	if (!is_known(book, answer->revision - 1) || answer->from < watch->begin) {
		return;
	}
	wrong = answer->revision == answer->from ? NULL : wrong_events(book, watch, answer);
	if (wrong != NULL) {
		fail(book, now_ns, node, watch, answer, wrong);
	}
}

static void look_at_answer(struct watchbook *book, uint64_t now_ns, unsigned node,
                           const struct store *store, uint64_t heard_ns,
                           const struct watchbook_watch *watch, const struct proto_answer *answer)
{
	const uint64_t heard_ms = heard_ns / 1000000;

	if (answer->answer == STORE_OK) {
		look_at_page(book, now_ns, node, watch, answer);
		if (answer->ttl_ms != 0 && answer->age_ms < heard_ms) {
			fail(book, now_ns, node, watch, answer, "it was out of touch for longer");
		}
	} else if (answer->answer == STORE_TOO_LATE) {
		if (answer->from >= answer->revision || answer->from >= store_event_first(store)) {
			fail(book, now_ns, node, watch, answer, "it is not too late");
		}
	} else if (answer->answer == STORE_OVERLOADED || answer->answer == STORE_NOT_LEADER ||
	           answer->answer == STORE_NO_QUORUM) {
		book->refused++;
	} else {
		fail(book, now_ns, node, watch, answer, "it makes sense, and was refused");
	}
}

void watchbook_sent(struct watchbook *book, uint64_t now_ns, unsigned node,
                    const struct store *store, uint64_t heard_ns, struct slice bytes)
{
	struct store_datagram datagram;
	struct proto_answer answer;
	struct proto_head head;
	struct slice piece;

	must(store_datagram_open(bytes, &datagram) == STORE_DATAGRAM_GOOD);
	must(proto_segment_decode(&datagram, &head, &piece));
	/* Of pages in segments the clients see what they are. */
	if (head.segments != 1 || head.number >> 62 != 1 || !proto_answer_decode(piece, &answer) ||
	    answer.verb != PROTO_WATCH) {
		return;
	}
	look_at_answer(book, now_ns, node, store, heard_ns, find(book, head.number), &answer);
}

/* --- events, where they are given ------------------------------------------------------------ */

static void fail_fact(struct watchbook *book, uint64_t now_ns, const struct watchbook_fact *fact,
                      const char *what)
{
	const struct watchbook_watch *watch = &book->watches[fact->watch];

	scroll_fail(book->scroll, now_ns,
	            "watch %" PRIx64 " of %s from %" PRId64 " was given all from %" PRId64
	            " up to %" PRId64 " (%s %s): %s",
	            watch->number, watch->glob, watch->begin, fact->from, fact->to,
	            fact->is_event ? "event" : "note", fact->path, what);
}

static void verify(struct watchbook *book, uint64_t now_ns, const struct watchbook_fact *fact)
{
	const struct watchbook_watch *watch = &book->watches[fact->watch];

	if (next_match(book, watch, fact->from, fact->to) < fact->to) {
		fail_fact(book, now_ns, fact, "an event is missing");
	} else if (fact->is_event && !matches(book, watch, fact->to)) {
		fail_fact(book, now_ns, fact, "this one does not match");
	} else if (fact->is_event && !is_as_it_was(book, fact->to, fact)) {
		fail_fact(book, now_ns, fact, "another change stands at its revision");
	}
}

/* Those that can be judged by now. */
static void verify_waiting(struct watchbook *book, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < book->fact_count; i++) {
		const struct watchbook_fact fact = book->facts[i];

		if (is_known(book, fact.is_event ? fact.to : fact.to - 1)) {
			verify(book, now_ns, &fact);
		} else {
			book->facts[kept++] = fact;
		}
	}
	book->fact_count = kept;
}

static void state(struct watchbook *book, uint64_t now_ns, const struct watchbook_fact *fact)
{
	if (book->fact_count == book->fact_room) {
		book->fact_room *= 2;
		book->facts = realloc(book->facts, book->fact_room * sizeof(book->facts[0]));
		must(book->facts != NULL);
	}
	book->facts[book->fact_count++] = *fact;
	verify_waiting(book, now_ns);
}

void watchbook_event(struct watchbook *book, uint64_t now_ns, uint64_t number,
                     const struct proto_event *event)
{
	struct watchbook_watch *watch = find(book, number);
	struct watchbook_fact fact = {
		.watch = (size_t)(watch - book->watches),
		.from = watch->given,
		.to = event->revision,
	};

	book->events++;
	if (!make_fact(event, &fact)) {
		fail_fact(book, now_ns, &fact, "its path is none of ours");
		return;
	}
	if (event->revision < watch->given) {
		fail_fact(book, now_ns, &fact, "it came before");
	} else if (event->previous != watch->given_last) {
		fail_fact(book, now_ns, &fact, "the event before it was another");
	} else {
		state(book, now_ns, &fact);
	}
	book->amid += event->revision < watch->entry_last;
	if (event->revision <= watch->entry_last && fact.entry_last != watch->entry_last) {
		fail_fact(book, now_ns, &fact, "it ends the entry elsewhere than those before it");
	}
	watch->given = event->revision + 1;
	watch->given_last = event->revision;
	watch->entry_last = fact.entry_last;
}

void watchbook_note(struct watchbook *book, uint64_t now_ns, uint64_t number, store_rev_t next)
{
	struct watchbook_watch *watch = find(book, number);
	const struct watchbook_fact fact = {
		.watch = (size_t)(watch - book->watches), .from = watch->given, .to = next};

	book->notes++;
	if (next < watch->given) {
		fail_fact(book, now_ns, &fact, "it goes back");
	} else if (next > watch->given) {
		state(book, now_ns, &fact);
	}
	watch->given = next;
}

void watchbook_end(struct watchbook *book, uint64_t now_ns, uint64_t number,
                   enum store_answer answer, store_rev_t oldest)
{
	const struct watchbook_watch *watch = find(book, number);

	book->lost++;
	if (answer != STORE_TOO_LATE || oldest <= watch->given) {
		scroll_fail(book->scroll, now_ns,
		            "watch %" PRIx64 " of %s ended at %" PRId64 ": %s, oldest is %" PRId64,
		            number, watch->glob, watch->given, store_answer_text(answer), oldest);
	}
}

void watchbook_close(struct watchbook *book, uint64_t now_ns)
{
	verify_waiting(book, now_ns);
	if (book->fact_count != 0) {
		fail_fact(book, now_ns, &book->facts[0], "that was never decided");
	}
}
