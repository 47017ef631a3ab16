/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a watch brings each event that matches its glob once and in order, whatever is lost on
 *         the way; a turn's work is bounded; what cannot be kept or is gone is told.
 * Method: a real store, and clients that keep the rules of PROTOCOL.md: by hand for each rule, and
 *         many of them by chance over a bad network, against a matcher that is slow and simple.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <urcu-qsbr.h>

#include "consensus/watches.h"
#include "store/base/prng.h"
#include "store/proto_page.h"
#include "store/txn.h"
#include "tests/unit/store_fixture.h"

#define MS UINT64_C(1000000)

enum {
	SENT_MAX = 256,
	EVENTS_MAX = 1024,
	USERS = 40,
};

static struct fixture fixture;
static struct paxos_watches *watches;
static uint64_t now_ns;

/* What was sent since the last clear_sent(); of more than SENT_MAX only the number is kept. */
static struct sent {
	struct paxos_address address;
	struct proto_head asked;
	struct proto_answer answer;
	uint8_t value[PROTO_VALUE_SIZE_MAX];
} sent[SENT_MAX];
static unsigned sent_count;

static void take(void *context, const struct paxos_address *address, const struct proto_head *asked,
                 struct proto_answer *answer)
{
	struct sent *place = &sent[sent_count % SENT_MAX];

	(void)context;
	sent_count++;
	place->address = *address;
	place->asked = *asked;
	place->answer = *answer;
	if (answer->value.size != 0) {
		memcpy(place->value, answer->value.data, answer->value.size);
	}
	place->answer.value = slice_make(place->value, answer->value.size);
}

static const struct paxos_watch_post post = {.send = take};

static void begin_with(uint32_t max, uint32_t events_max)
{
	fixture_begin_with(&fixture, &(struct store_config){.quota_bytes = 16 << 20,
	                                                    .sessions_max = 64,
	                                                    .events_max = events_max});
	store_publish(fixture.store);
	assert_int_equal(paxos_watches_new(&watches, max, fixture.store), 0);
	now_ns = 1000 * MS;
	sent_count = 0;
}

static int end(void **state)
{
	(void)state;
	paxos_watches_free(watches);
	fixture_end(&fixture);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	begin_with(64, EVENTS_MAX);
	return 0;
}

static void set(const char *path, const char *value)
{
	assert_int_equal(fixture_set(&fixture, path, value).answer, STORE_OK);
	fixture_grace(&fixture);
}

static struct paxos_address address_of(unsigned user)
{
	struct paxos_address address = {0};

	memcpy(address.bytes, &user, sizeof(user));
	return address;
}

static void ask_all(unsigned user, const char *glob, store_rev_t from, store_rev_t last,
                    uint32_t ttl_ms, uint16_t limit)
{
	const struct paxos_address address = address_of(user);
	const struct proto_request request = {
		.head = {.number = 100 + user, .segments = 1},
		.verb = PROTO_WATCH,
		.path = slice_text(glob),
		.rev = from,
		.last = last,
		.ttl_ms = ttl_ms,
		.limit = limit,
	};

	paxos_watches_ask(watches, now_ns, &address, &request, &post);
}

/* Asks, and returns the one answer. */
static const struct sent *ask(unsigned user, const char *glob, store_rev_t from, store_rev_t last)
{
	sent_count = 0;
	ask_all(user, glob, from, last, 1000, 0);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].asked.number, 100 + user);
	return &sent[0];
}

/* Sets these paths by one entry. */
static void set_all(const char *const *paths, unsigned count)
{
	uint8_t memory[512];
	struct store_txn_writer writer;

	store_txn_begin(&writer, memory, sizeof(memory));
	for (unsigned i = 0; i < count; i++) {
		store_txn_then(&writer, &(struct store_op){.verb = STORE_VERB_SET,
		                                           .condition = STORE_IF_EQUAL,
		                                           .rev = STORE_REV_ANY,
		                                           .path = slice_text(paths[i])});
	}
	fixture.number++;
	assert_int_equal(
		fixture_apply(&fixture, &(struct store_entry){.kind = STORE_ENTRY_TXN,
	                                                      .session = fixture.session,
	                                                      .number = fixture.number,
	                                                      .first_unanswered = fixture.number,
	                                                      .txn = store_txn_end(&writer)})
			.answer,
		STORE_OK);
	fixture_grace(&fixture);
}

static void turn_at(uint64_t at_ns)
{
	now_ns = at_ns;
	sent_count = 0;
	paxos_watches_turn(watches, now_ns, &post);
}

/* The events of a page are of these revisions, the first behind `last`. */
static void check_page(const struct sent *page, store_rev_t from, store_rev_t next,
                       store_rev_t last, unsigned count, const store_rev_t *revisions)
{
	struct slice left = page->answer.value;
	struct proto_event event;
	bool bad = false;

	assert_int_equal(page->answer.verb, PROTO_WATCH);
	assert_int_equal(page->answer.answer, STORE_OK);
	assert_int_equal(page->answer.from, from);
	assert_int_equal(page->answer.revision, next);
	assert_int_equal(page->answer.count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_true(proto_event_next(&left, &event, &bad));
		assert_int_equal(event.revision, revisions[i]);
		assert_int_equal(event.previous, last);
		last = event.revision;
	}
	assert_false(proto_event_next(&left, &event, &bad));
	assert_false(bad);
}

/* The events of a page tell so many changes of their entries behind them. */
static void check_rests(const struct sent *page, unsigned count, const uint32_t *rests)
{
	struct slice left = page->answer.value;
	struct proto_event event;
	bool bad = false;

	assert_int_equal(page->answer.count, count);
	for (unsigned i = 0; i < count; i++) {
		assert_true(proto_event_next(&left, &event, &bad));
		assert_int_equal(event.rest, rests[i]);
	}
}

/* --- rules -------------------------------------------------------------------------------- */

static void test_ask_is_answered_at_once_and_events_are_pushed(void **state)
{
	(void)state;
	set("/a/x", "one");
	set("/b/x", "two");
	set("/a/y", "three");
	check_page(ask(1, "/a/*", 0, 0), 1, 4, 0, 2, (store_rev_t[]){1, 3});
	check_page(ask(1, "/a/*", 4, 3), 4, 4, 3, 0, NULL); /* acknowledged */
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 0);
	set("/b/y", "four");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 0);
	set("/a/x", "five");
	assert_true(paxos_watches_deadline_ns(watches) == 0);
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].asked.number, 101);
	assert_int_equal(sent[0].asked.missing, 0);
	check_page(&sent[0], 4, 6, 3, 1, (store_rev_t[]){5});
	assert_int_equal(sent[0].answer.store_revision, 5);
	assert_true(paxos_watches_deadline_ns(watches) > now_ns);
	assert_int_equal(paxos_watches_counters(watches)->pages, 2);
	assert_int_equal(paxos_watches_counters(watches)->events, 3);
}

static void test_events_tell_where_their_entry_ends(void **state)
{
	static const char *const paths[] = {"/a/x", "/b/x", "/a/y", "/b/y"};

	(void)state;
	set("/a/x", "alone");
	set_all(paths, 4);
	set("/a/y", "alone");
	check_rests(ask(1, "/**", 1, 0), 6, (uint32_t[]){0, 3, 2, 1, 0, 0});
	/* What does not match is counted, too: `next` tells that nothing more of it will come. */
	check_page(ask(2, "/a/*", 1, 0), 1, 7, 0, 4, (store_rev_t[]){1, 2, 4, 6});
	check_rests(&sent[0], 4, (uint32_t[]){0, 3, 1, 0});
	/* A page may end amid an entry; whoever goes on there is told so, too. */
	sent_count = 0;
	ask_all(3, "/a/*", 2, 1, 1000, 1);
	check_page(&sent[0], 2, 4, 1, 1, (store_rev_t[]){2});
	check_rests(&sent[0], 1, (uint32_t[]){3});
	check_page(ask(3, "/a/*", 4, 2), 4, 7, 2, 2, (store_rev_t[]){4, 6});
	check_rests(&sent[0], 2, (uint32_t[]){1, 0});
}

static void test_page_is_sent_again_until_it_is_acknowledged(void **state)
{
	static const unsigned after_ms[] = {20, 40, 80, 160, 320, 500, 500};
	uint64_t at_ns;

	(void)state;
	ask_all(1, "/a", 1, 0, 60000, 0);
	set("/a", "one");
	turn_at(now_ns);
	assert_int_equal(sent_count, 1);
	set("/a", "two"); /* no second page before the first is acknowledged */
	for (unsigned i = 0; i < sizeof(after_ms) / sizeof(after_ms[0]); i++) {
		at_ns = now_ns + after_ms[i] * MS;
		turn_at(at_ns - 1);
		assert_int_equal(sent_count, 0);
		assert_true(paxos_watches_deadline_ns(watches) <= at_ns + 5 * MS);
		turn_at(at_ns + 5 * MS); /* the wheel's tick is 4 ms */
		assert_int_equal(sent_count, 1);
		check_page(&sent[0], 1, 3, 0, 2, (store_rev_t[]){1, 2});
	}
	assert_int_equal(paxos_watches_counters(watches)->resent, 7);
	check_page(ask(1, "/a", 2, 1), 2, 3, 1, 1, (store_rev_t[]){2}); /* half of it */
	check_page(ask(1, "/a", 3, 2), 3, 3, 2, 0, NULL);
	turn_at(now_ns + 1000 * MS);
	assert_int_equal(sent_count, 0);
}

static void test_silent_watch_is_forgotten(void **state)
{
	(void)state;
	ask_all(1, "/a", 1, 0, 1, 0); /* 100 ms are granted */
	assert_int_equal(sent[0].answer.ttl_ms, PAXOS_WATCH_TTL_MS_MIN);
	ask_all(2, "/a", 1, 0, 1000, 0);
	ask_all(3, "/a", 1, 0, UINT32_MAX, 0);
	assert_int_equal(sent[2].answer.ttl_ms, PAXOS_WATCH_TTL_MS_MAX);
	turn_at(now_ns + 99 * MS);
	assert_int_equal(paxos_watches_counters(watches)->watches, 3);
	turn_at(now_ns + 6 * MS);
	assert_int_equal(paxos_watches_counters(watches)->watches, 2);
	(void)ask(2, "/a", 1, 0); /* kept alive */
	turn_at(now_ns + 950 * MS);
	assert_int_equal(paxos_watches_counters(watches)->watches, 2);
	turn_at(now_ns + 59000 * MS);
	assert_int_equal(paxos_watches_counters(watches)->watches, 0);
	assert_int_equal(paxos_watches_counters(watches)->expired, 3);
	assert_true(paxos_watches_deadline_ns(watches) == UINT64_MAX);
	set("/a", "one");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 0);
}

static void test_unacknowledged_watch_is_forgotten_too(void **state)
{
	(void)state;
	ask_all(1, "/a", 1, 0, 300, 0);
	set("/a", "one");
	for (unsigned i = 0; i < 70; i++) {
		turn_at(now_ns + 5 * MS);
	}
	assert_int_equal(paxos_watches_counters(watches)->watches, 0);
	assert_int_equal(paxos_watches_counters(watches)->resent, 3);
}

static void test_full_table_refuses_and_an_end_makes_room(void **state)
{
	const struct sent *answer;

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(ask(i, "/a", 1, 0)->answer.answer, STORE_OK);
	}
	assert_int_equal(ask(64, "/a", 1, 0)->answer.answer, STORE_OVERLOADED);
	assert_int_equal(ask(63, "/a", 1, 0)->answer.answer, STORE_OK); /* it is there */
	sent_count = 0;
	ask_all(5, "/a", 7, 0, 0, 0);
	answer = &sent[0];
	check_page(answer, 7, 7, 0, 0, NULL);
	assert_int_equal(answer->answer.ttl_ms, 0);
	assert_int_equal(ask(64, "/a", 1, 0)->answer.answer, STORE_OK);
	assert_int_equal(paxos_watches_counters(watches)->full, 1);
	assert_int_equal(paxos_watches_counters(watches)->watches, 64);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	char glob[STORE_GLOB_SIZE_MAX + 2];

	(void)state;
	memset(glob, 'a', sizeof(glob));
	glob[0] = '/';
	glob[sizeof(glob) - 1] = 0;
	assert_int_equal(ask(1, "a", 1, 0)->answer.answer, STORE_BAD_GLOB);
	assert_int_equal(ask(1, "", 1, 0)->answer.answer, STORE_BAD_GLOB);
	assert_int_equal(ask(1, glob, 1, 0)->answer.answer, STORE_TOO_LARGE);
	assert_int_equal(ask(1, "/a", 5, 5)->answer.answer, STORE_BAD_REQUEST);
	assert_int_equal(ask(1, "/a", 0, 1)->answer.answer, STORE_BAD_REQUEST);
	assert_int_equal(ask(1, "/a", INT64_MAX, INT64_MAX - 1)->answer.answer, STORE_OK);
	assert_int_equal(paxos_watches_counters(watches)->watches, 1);
}

static void test_future_revision_is_waited_for(void **state)
{
	(void)state;
	set("/a", "one");
	check_page(ask(1, "/a", 4, 0), 4, 4, 0, 0, NULL);
	set("/a", "two");
	set("/a", "three");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 0);
	set("/a", "four");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 1);
	check_page(&sent[0], 4, 5, 0, 1, (store_rev_t[]){4});
}

static void test_pages_keep_to_limit_and_datagram(void **state)
{
	char big[2001], large[20001];

	(void)state;
	memset(big, 'b', sizeof(big));
	memset(large, 'l', sizeof(large));
	big[sizeof(big) - 1] = large[sizeof(large) - 1] = 0;
	set("/a", "one");
	set("/a", "two");
	set("/a", big + 1500); /* 500 bytes */
	set("/a", big + 1500);
	set("/a", big + 1500);
	set("/a", large);
	set("/b", "x");
	set("/a", "three");
	sent_count = 0;
	ask_all(1, "/a", 1, 0, 1000, 1);
	check_page(&sent[0], 1, 2, 0, 1, (store_rev_t[]){1});
	check_page(ask(1, "/a", 1, 0), 1, 5, 0, 4, (store_rev_t[]){1, 2, 3, 4});
	check_page(ask(1, "/a", 5, 4), 5, 6, 4, 1, (store_rev_t[]){5});
	check_page(ask(1, "/a", 6, 5), 6, 7, 5, 1, (store_rev_t[]){6}); /* alone */
	check_page(ask(1, "/a", 7, 6), 7, 9, 6, 1, (store_rev_t[]){8});
}

/* --- the past ------------------------------------------------------------------------------ */

static void begin_with_past(unsigned others)
{
	paxos_watches_free(watches);
	fixture_end(&fixture);
	begin_with(64, 1 << 14);
	for (unsigned i = 0; i < others; i++) {
		set("/b", "x");
	}
}

/* Turns, as early as it may, until something is sent. Returns how often. */
static unsigned search(void)
{
	unsigned steps = 0;

	do {
		const uint64_t due_ns = paxos_watches_deadline_ns(watches);

		assert_true(due_ns <= now_ns + PAXOS_WATCH_PAST_STEP_NS);
		turn_at(due_ns < now_ns ? now_ns : due_ns);
		assert_true(steps++ < 1000);
	} while (sent_count == 0);
	return steps;
}

static void test_search_of_the_past_is_bounded(void **state)
{
	unsigned steps;

	(void)state;
	begin_with_past(10000);
	set("/a", "found");
	/* The ask itself looks at few events, the first time; after that at none. */
	check_page(ask(1, "/a", 1, 0), 1, 1 + PAXOS_WATCH_PAGE_LOOKS, 0, 0, NULL);
	for (unsigned i = 0; i < 100; i++) {
		check_page(ask(1, "/a", 1, 0), 1, 1 + PAXOS_WATCH_PAGE_LOOKS, 0, 0, NULL);
	}
	steps = search();
	assert_in_range(steps, 10000 / PAXOS_WATCH_PAST_LOOKS, 10000 / PAXOS_WATCH_PAST_LOOKS + 3);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].asked.number, 101);
	check_page(&sent[0], 1, 10002, 0, 1, (store_rev_t[]){10001});
}

static void test_past_is_searched_for_all_together(void **state)
{
	unsigned steps, told = 0;

	(void)state;
	begin_with_past(5000);
	set("/a", "found");
	set("/b", "x");
	for (unsigned i = 0; i < 40; i++) {
		(void)ask(i, i % 2 == 0 ? "/a" : "/c", 1, 0);
	}
	steps = search();
	/* What was found is sent, and who finds nothing is told, once. */
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < sent_count; k++) {
			const bool is_found = sent[k].asked.number % 2 == 0;

			check_page(&sent[k], 1, 5003, 0, is_found, (store_rev_t[]){5001});
			told++;
		}
		steps++;
		turn_at(now_ns + PAXOS_WATCH_PAST_STEP_NS);
	}
	assert_int_equal(told, 40);
	assert_true(steps < 5000 / PAXOS_WATCH_PAST_LOOKS + 10);
	assert_true(paxos_watches_deadline_ns(watches) > now_ns + PAXOS_WATCH_PAST_STEP_NS);
	set("/c", "new");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 20);
	check_page(&sent[0], 1, 5004, 0, 1, (store_rev_t[]){5003});
}

static void test_who_comes_too_late_for_a_search_has_the_next(void **state)
{
	(void)state;
	begin_with_past(20);
	set("/a", "early");
	for (unsigned i = 0; i < 2000; i++) {
		set("/b", "x");
	}
	(void)ask(1, "/c", 1, 0);
	turn_at(now_ns); /* the first step leads beyond what the second one wants */
	(void)ask(2, "/a", 1, 0);
	(void)search();
	assert_int_equal(sent[0].asked.number, 101);
	assert_int_equal(sent[0].answer.count, 0);
	(void)search();
	assert_int_equal(sent[0].asked.number, 102);
	check_page(&sent[0], 1, 21 + PAXOS_WATCH_PAGE_LOOKS, 0, 1, (store_rev_t[]){21});
}

static void test_search_that_the_ring_overtakes_is_told(void **state)
{
	(void)state;
	paxos_watches_free(watches);
	fixture_end(&fixture);
	begin_with(64, EVENTS_MAX);
	for (unsigned i = 0; i < EVENTS_MAX; i++) {
		set("/b", "x");
	}
	(void)ask(1, "/a", 1, 0);
	(void)ask(2, "/a", 900, 0);
	turn_at(now_ns);
	assert_int_equal(sent_count, 0);
	for (unsigned i = 0; i < 800; i++) {
		set("/b", "x");
	}
	set("/a", "found");
	(void)search(); /* from 802 on events are kept: all that the second one wants */
	assert_int_equal(sent_count, 2);
	assert_int_equal(sent[0].asked.number, 102);
	check_page(&sent[0], 900, 1826, 0, 1, (store_rev_t[]){1825});
	assert_int_equal(sent[1].asked.number, 101);
	assert_int_equal(sent[1].answer.answer, STORE_TOO_LATE);
	assert_int_equal(sent[1].answer.revision, 802);
	assert_int_equal(paxos_watches_counters(watches)->watches, 1);
}

/* --- too late ------------------------------------------------------------------------------ */

static void begin_with_small_ring(void)
{
	paxos_watches_free(watches);
	fixture_end(&fixture);
	begin_with(64, 8);
}

static void test_too_late_only_when_true(void **state)
{
	const struct sent *answer;

	(void)state;
	begin_with_small_ring();
	(void)ask(1, "/quiet", 1, 0);
	for (unsigned i = 0; i < 20; i++) {
		set("/b", "x");
		turn_at(now_ns + MS);
	}
	/* 13 to 20 are kept. */
	answer = ask(2, "/b", 12, 0);
	assert_int_equal(answer->answer.answer, STORE_TOO_LATE);
	assert_int_equal(answer->answer.revision, 13);
	assert_int_equal(answer->answer.from, 12);
	check_page(ask(2, "/b", 13, 0), 13, 21, 0, 8,
	           (store_rev_t[]){13, 14, 15, 16, 17, 18, 19, 20});
	/* It was watched all along, so nothing was missed. */
	check_page(ask(1, "/quiet", 1, 0), 1, 21, 0, 0, NULL);
	/* An ask that was under way for long ends nothing. */
	check_page(ask(1, "/quiet", 21, 0), 21, 21, 0, 0, NULL);
	assert_int_equal(ask(1, "/quiet", 1, 0)->answer.answer, STORE_TOO_LATE);
	assert_int_equal(paxos_watches_counters(watches)->watches, 2);
	set("/quiet", "no more");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 1);
	check_page(&sent[0], 21, 22, 0, 1, (store_rev_t[]){21});
}

static void test_slow_watch_is_told_and_forgotten(void **state)
{
	(void)state;
	begin_with_small_ring();
	(void)ask(1, "/a", 1, 0);
	set("/a", "x");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 1);
	for (unsigned i = 0; i < 9; i++) {
		set("/b", "x");
	}
	turn_at(now_ns + 100 * MS); /* nobody acknowledged it, and it cannot be sent again */
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].answer.answer, STORE_TOO_LATE);
	assert_int_equal(sent[0].answer.revision, 3);
	assert_int_equal(sent[0].answer.from, 1);
	assert_int_equal(paxos_watches_counters(watches)->watches, 0);
	assert_int_equal(paxos_watches_counters(watches)->too_late, 1);
}

static void test_ring_that_overtakes_the_fan_out_is_told(void **state)
{
	(void)state;
	begin_with_small_ring();
	(void)ask(1, "/a", 1, 0);
	(void)ask(2, "/b", 1, 0);
	set("/a", "x");
	for (unsigned i = 0; i < 10; i++) {
		set("/c", "x");
	}
	turn_at(now_ns + MS); /* what happened before 4 is not known here */
	assert_int_equal(sent_count, 0);
	assert_int_equal(ask(1, "/a", 1, 0)->answer.answer, STORE_TOO_LATE);
	set("/b", "x");
	turn_at(now_ns + MS);
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0].asked.number, 102);
	assert_int_equal(sent[0].answer.answer, STORE_TOO_LATE);
}

/* --- many ---------------------------------------------------------------------------------- */

static void test_many_watches_of_one_directory_are_served_in_turn(void **state)
{
	enum {
		MANY = 100000
	};
	static uint8_t served[MANY];
	unsigned turns = 0, pages = 0;

	(void)state;
	paxos_watches_free(watches);
	fixture_end(&fixture);
	begin_with(MANY, EVENTS_MAX);
	memset(served, 0, sizeof(served));
	for (unsigned i = 0; i < MANY; i++) {
		ask_all(i, i % 2 == 0 ? "/d/x*" : "/d/*", 1, 0, 60000, 0);
	}
	set("/d/x1", "one");
	while (paxos_watches_deadline_ns(watches) == 0) {
		unsigned count;

		turn_at(now_ns); /* nothing is overdue */
		count = sent_count;
		assert_true(count <= PAXOS_WATCH_PAGES_MAX);
		pages += count;
		for (unsigned i = 0; i < count; i++) {
			uint8_t *mark = &served[sent[i].asked.number - 100];

			*mark = (uint8_t)(*mark + sent[i].answer.count);
			/* Odd ones hear of an event that comes meanwhile, too. */
			ask_all((unsigned)sent[i].asked.number - 100,
			        sent[i].asked.number % 2 == 0 ? "/d/x*" : "/d/*",
			        sent[i].answer.revision, sent[i].answer.revision - 1, 60000, 0);
		}
		if (turns++ == 100) {
			set("/d/y1", "two");
		}
		assert_true(turns < 10 * MANY);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(served[i], i % 2 == 0 ? 1 : 2);
	}
	assert_true(pages >= MANY);
	assert_true(turns >= MANY / PAXOS_WATCH_PAGES_MAX);
	assert_int_equal(paxos_watches_counters(watches)->resent, 0);
}

/* --- chance -------------------------------------------------------------------------------- */

/* Slow and simple: every way to match is tried. */
static bool matches(const char *glob, const char *path)
{
	if (*glob == 0) {
		return *path == 0;
	}
	if (glob[0] == '*') {
		const bool deep = glob[1] == '*';
		const char *rest = glob + (deep ? 2 : 1);

		for (;; path++) {
			if (matches(rest, path)) {
				return true;
			}
			if (*path == 0 || (*path == '/' && !deep)) {
				return false;
			}
		}
	}
	if (*path == 0 || (glob[0] == '?' ? *path == '/' : *glob != *path)) {
		return false;
	}
	return matches(glob + 1, path + 1);
}

static struct user {
	char glob[16];
	store_rev_t begin, next, last, lost; /* lost: what came before it is not known */
	uint64_t ask_ns;
	bool owes; /* an ask, at once */
	unsigned count;
	store_rev_t got[EVENTS_MAX + 1];
} users[USERS];

static char paths[EVENTS_MAX + 1][16]; /* of each revision */
static struct prng prng;

static bool chance(unsigned percent)
{
	return prng_below(&prng, 100) < percent;
}

/* A glob of up to 8 bytes that is one; without wildcards, a path. */
static void draw(char *text, bool wild)
{
	static const char *const parts[] = {"a",  "b", "ab", "ba", "*",
	                                    "**", "?", "a*", "*b", "?b*"};
	const unsigned names = 1 + (unsigned)prng_below(&prng, 3);

	text[0] = 0;
	for (unsigned i = 0; i < names; i++) {
		strcat(text, "/");
		strcat(text, parts[prng_below(&prng, wild ? 10 : 4)]);
	}
}

static void user_ask(unsigned i, unsigned loss)
{
	struct user *user = &users[i];

	user->owes = false;
	user->ask_ns = now_ns + 100 * MS;
	if (!chance(loss)) {
		ask_all(i, user->glob, user->next, user->last, 300, (uint16_t)prng_below(&prng, 4));
	}
}

static void user_take(unsigned i, const struct proto_answer *answer)
{
	struct user *user = &users[i];
	struct slice left = answer->value;
	struct proto_event event;
	bool bad = false, is_first = true;

	if (answer->answer == STORE_TOO_LATE) {
		const store_rev_t oldest = store_event_first(fixture.store);

		assert_true(answer->revision <= oldest);
		assert_true(answer->from < answer->revision);
		if (answer->from == user->next) {
			user->lost = user->next = answer->revision;
			user->owes = true;
		}
		return;
	}
	assert_int_equal(answer->answer, STORE_OK);
	assert_true(answer->from <= user->next);
	assert_true(answer->revision - 1 <= answer->store_revision ||
	            answer->revision == answer->from); /* asked for what is to come */
	while (proto_event_next(&left, &event, &bad)) {
		assert_true(event.revision >= answer->from && event.revision < answer->revision);
		if (event.revision < user->next) {
			continue;
		}
		assert_true(!is_first || event.previous == user->last || user->lost > user->last);
		is_first = false;
		user->got[user->count++] = event.revision;
		user->last = event.revision;
	}
	assert_false(bad);
	user->owes = user->owes || answer->count != 0;
	if (user->next < answer->revision) {
		user->next = answer->revision;
	}
}

static void deliver(unsigned loss)
{
	unsigned count = sent_count;

	assert_true(count <= SENT_MAX);
	sent_count = 0;
	for (unsigned k = 0; k < count; k++) {
		/* In any order, some twice, some not at all. */
		const struct sent *one = &sent[prng_below(&prng, count)];

		if (!chance(loss)) {
			user_take((unsigned)one->asked.number - 100, &one->answer);
		}
	}
}

static store_rev_t change(void)
{
	char path[16];
	struct store_result result;

	draw(path, false);
	result = chance(70) ? fixture_set(&fixture, path, "x") : fixture_delete(&fixture, path);
	fixture_grace(&fixture);
	if (result.answer == STORE_OK) {
		strcpy(paths[result.revision], path);
	}
	return result.store_revision;
}

static void step(unsigned loss)
{
	for (unsigned i = 0; i < USERS; i++) {
		if (users[i].owes || now_ns >= users[i].ask_ns) {
			user_ask(i, loss);
		}
	}
	paxos_watches_turn(watches, now_ns, &post);
	deliver(loss);
	now_ns += prng_below(&prng, 20) * MS;
}

static void check_users(store_rev_t newest)
{
	for (unsigned i = 0; i < USERS; i++) {
		const struct user *user = &users[i];
		unsigned k = 0;

		while (k < user->count && user->got[k] < user->lost) {
			k++;
		}
		for (store_rev_t r = user->lost > user->begin ? user->lost : user->begin;
		     r <= newest; r++) {
			if (matches(user->glob, paths[r])) {
				assert_true(k < user->count);
				assert_int_equal(user->got[k], r);
				k++;
			}
		}
		assert_int_equal(k, user->count);
	}
}

static void try_world(uint64_t seed, uint32_t events_max, unsigned loss)
{
	store_rev_t newest = 0;

	begin_with(USERS, events_max);
	prng_init(&prng, seed);
	memset(users, 0, sizeof(users));
	for (unsigned i = 0; i < USERS; i++) {
		draw(users[i].glob, true);
		users[i].begin = users[i].next = 1 + (store_rev_t)prng_below(&prng, 20);
		users[i].ask_ns = now_ns + prng_below(&prng, 3000) * MS;
	}
	while (newest < EVENTS_MAX * 3 / 4) {
		for (unsigned i = (unsigned)prng_below(&prng, 8); i != 0; i--) {
			newest = change();
		}
		step(loss);
	}
	for (unsigned i = 0; i < 2000; i++) {
		step(0);
	}
	check_users(newest);
	(void)end(NULL);
}

static void test_users_of_a_bad_network_get_all_in_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		try_world(seed, EVENTS_MAX, (unsigned)(seed % 4) * 20);
	}
}

static void test_users_of_a_small_ring_lose_only_what_is_gone(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		try_world(seed, 16, (unsigned)(seed % 4) * 20);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ask_is_answered_at_once_and_events_are_pushed,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_events_tell_where_their_entry_ends, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_page_is_sent_again_until_it_is_acknowledged,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_silent_watch_is_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_unacknowledged_watch_is_forgotten_too, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_full_table_refuses_and_an_end_makes_room,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_what_makes_no_sense_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_future_revision_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(test_pages_keep_to_limit_and_datagram, begin, end),
		cmocka_unit_test_setup_teardown(test_search_of_the_past_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_past_is_searched_for_all_together, begin, end),
		cmocka_unit_test_setup_teardown(test_who_comes_too_late_for_a_search_has_the_next,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_search_that_the_ring_overtakes_is_told, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_too_late_only_when_true, begin, end),
		cmocka_unit_test_setup_teardown(test_slow_watch_is_told_and_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(test_ring_that_overtakes_the_fan_out_is_told, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(
			test_many_watches_of_one_directory_are_served_in_turn, begin, end),
		cmocka_unit_test(test_users_of_a_bad_network_get_all_in_order),
		cmocka_unit_test(test_users_of_a_small_ring_lose_only_what_is_gone),
	};
	int r;

	urcu_qsbr_register_thread();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	urcu_qsbr_unregister_thread();
	return r;
}
