/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a watcher gives each matching event once and in order, finds servers that died, and asks
 *         no more than it has to.
 * Method: servers that say what the test tells them to; test_watcher_world.c has a bad network.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/unit/watcher_fake.h"

static uint8_t value[STORE_VALUE_SIZE_MAX];

static void test_events_come_in_order_and_are_acknowledged(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	const uint64_t tag = fake_watched(&fake, 3, 10, &sent);

	(void)state;
	assert_int_equal(tag, sent.head.number);
	assert_int_equal(sent.head.number >> 62, 1);
	assert_int_equal(sent.head.session, 0);
	assert_int_equal(sent.request.rev, 10);
	assert_int_equal(sent.request.last, 0);
	assert_int_equal(sent.request.ttl_ms, 10000);
	fake_page(&fake, &sent, 10, 10, 0, 0);
	fake_note(&fake, tag, 10);
	fake_silent(&fake);
	/* Two events are pushed. */
	fake_page(&fake, &sent, 10, 20, 12, 15);
	assert_true(watcher_has_news(fake.watcher));
	fake_event(&fake, tag, 12, 0);
	fake_event(&fake, tag, 15, 12);
	fake_note(&fake, tag, 20);
	sent = fake_ask(&fake);
	assert_int_equal(sent.request.rev, 20);
	assert_int_equal(sent.request.last, 15);
	/* The answer of the ask is empty; it is asked again within a third of the time to live. */
	fake_page(&fake, &sent, 20, 20, 0, 0);
	fake_note(&fake, tag, 20);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_what_is_known_is_passed_over(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent, ack;
	const uint64_t tag = fake_held(&fake, 3, 10, &sent);
	struct watcher_counters counters;

	(void)state;
	fake_page(&fake, &sent, 10, 13, 12, 0);
	fake_event(&fake, tag, 12, 0);
	fake_note(&fake, tag, 13);
	ack = fake_ask(&fake);
	fake_page(&fake, &ack, 13, 13, 0, 0);
	fake_note(&fake, tag, 13);
	/* The acknowledgement was lost: the page comes again, and is acknowledged again. */
	fake_page(&fake, &sent, 10, 13, 12, 0);
	ack = fake_ask(&fake);
	assert_int_equal(ack.request.rev, 13);
	/* It was so late that more had happened: the known part is passed over. */
	fake_page(&fake, &sent, 10, 20, 12, 15);
	fake_event(&fake, tag, 15, 12);
	fake_note(&fake, tag, 20);
	assert_int_equal(fake_ask(&fake).request.rev, 20);
	/* Much too late. */
	fake_page(&fake, &sent, 10, 13, 12, 0);
	fake_silent(&fake);
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.known, 2);
	assert_int_equal(counters.events, 2);
	watcher_free(fake.watcher);
}

static void test_gaps_are_refused(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_counters counters;

	(void)state;
	(void)fake_held(&fake, 3, 10, &sent);
	fake_page(&fake, &sent, 11, 20, 12, 15);
	assert_int_equal(fake_ask(&fake).request.rev, 10);
	fake_page(&fake, &sent, 11, 20, 12, 15); /* while it is asked */
	fake_silent(&fake);
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.gaps, 2);
	assert_int_equal(counters.events, 0);
	watcher_free(fake.watcher);
}

static void test_a_server_that_is_behind_is_not_asked_on(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	const uint64_t tag = fake_watched(&fake, 3, 10, &sent);

	(void)state;
	/* It has looked at a part; it says by itself what it finds, or that there is nothing. */
	fake_answer(&fake, &sent,
	            (struct proto_answer){.from = 10, .revision = 26, .store_revision = 4106});
	fake_note(&fake, tag, 26);
	fake_silent(&fake);
	fake_answer(&fake, &sent,
	            (struct proto_answer){.from = 10, .revision = 4107, .store_revision = 4106});
	fake_note(&fake, tag, 4107);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_silence_leads_to_another_server(void **state)
{
	struct watch_fake fake;
	struct watch_sent first, sent;
	const uint64_t tag = fake_watched(&fake, 3, 10, &first);

	(void)state;
	assert_in_range(fake_next(&fake), 100 * FAKE_MS, 113 * FAKE_MS);
	sent = fake_ask(&fake);
	assert_int_equal(sent.server, first.server);
	assert_in_range(fake_next(&fake), 200 * FAKE_MS, 225 * FAKE_MS);
	sent = fake_ask(&fake);
	assert_int_not_equal(sent.server, first.server);
	assert_int_equal(sent.head.number, tag);
	/* What the first one has to say counts all the same. */
	fake_page(&fake, &first, 10, 13, 12, 0);
	fake_event(&fake, tag, 12, 0);
	fake_note(&fake, tag, 13);
	sent = fake_ask(&fake);
	assert_int_not_equal(sent.server, first.server);
	assert_int_equal(sent.request.rev, 13);
	assert_int_equal(sent.request.last, 12);
	watcher_free(fake.watcher);
}

/* Takes all asks and answers those to servers that live. Returns how many the dead one got. */
static unsigned answer_all(struct watch_fake *fake, unsigned dead)
{
	struct watch_sent sent;
	unsigned lost = 0;

	while (fake_sent(fake, &sent)) {
		if (sent.server == dead) {
			lost++;
		} else {
			fake_page(fake, &sent, sent.request.rev, sent.request.rev, 0, 0);
		}
	}
	return lost;
}

static void test_a_dead_server_is_found_for_all_of_its_watches(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/a"), .from = 1};
	struct watch_fake fake;
	struct watcher_counters counters;
	uint64_t tag, died_ns;
	unsigned lost = 0;

	(void)state;
	fake_open(&fake, 3, 300);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	}
	assert_int_equal(answer_all(&fake, WATCHER_SERVERS_MAX), 0);
	died_ns = fake.now_ns;
	do {
		(void)fake_next(&fake);
		lost += answer_all(&fake, 0);
		watcher_counters(fake.watcher, &counters);
	} while (counters.moved < 50);
	assert_true(fake.now_ns - died_ns < 800 * FAKE_MS); /* long before a third of 10 s */
	assert_in_range(counters.moved, 70, 130);           /* all of it at once */
	assert_in_range(lost, 1, 5);
	watcher_free(fake.watcher);
}

static void test_a_server_that_is_slow_for_a_moment_is_not_left(void **state)
{
	enum {
		MANY = 60
	};
	const struct watcher_request request = {.glob = slice_text("/a"), .from = 1};
	static struct watch_sent kept[MANY], sent[16 * MANY];
	struct watch_fake fake;
	struct watcher_counters counters;
	unsigned count = 0;
	uint64_t tag, until_ns;

	(void)state;
	fake_open(&fake, 3, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(fake_sent(&fake, &kept[i]));
		fake_page(&fake, &kept[i], 1, 1, 0, 0);
	}
	assert_false(fake_sent(&fake, &sent[0]));
	/* An event for all. Nobody answers the acknowledgements for a while. */
	for (unsigned i = 0; i < MANY; i++) {
		fake_page(&fake, &kept[i], 1, 3, 2, 0);
		assert_true(fake_sent(&fake, &sent[count++]));
	}
	for (until_ns = fake.now_ns + 150 * FAKE_MS; fake.now_ns < until_ns;) {
		(void)fake_next(&fake);
		while (fake_sent(&fake, &sent[count])) {
			assert_in_range(++count, 0, 16 * MANY - 1);
		}
	}
	for (unsigned i = 0; i < count; i++) {
		fake_page(&fake, &sent[i], 3, 3, 0, 0);
		assert_false(fake_sent(&fake, &sent[i]));
	}
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.moved, 0);
	assert_in_range(counters.resent, MANY, 4 * MANY);
	watcher_free(fake.watcher);
}

/* An event, whose acknowledgement is answered after `ns`. */
static void acknowledge_slowly(struct watch_fake *fake, struct watch_sent *sent, store_rev_t rev,
                               uint64_t ns)
{
	const uint64_t due_ns = fake->now_ns + ns;

	fake_page(fake, sent, rev, rev + 1, rev, 0);
	assert_true(fake_sent(fake, sent));
	while (watcher_deadline_ns(fake->watcher) < due_ns) {
		(void)fake_next(fake);
		assert_true(fake_sent(fake, sent));
	}
	fake->now_ns = due_ns;
	fake_page(fake, sent, rev + 1, rev + 1, 0, 0);
	assert_false(fake_sent(fake, sent));
}

static void test_time_out_adapts_to_round_trips_beyond_it(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_counters counters;

	(void)state;
	(void)fake_held(&fake, 3, 10, &sent);
	for (store_rev_t rev = 10; rev < 60; rev++) {
		acknowledge_slowly(&fake, &sent, rev, FAKE_MS / 20);
	}
	for (store_rev_t rev = 60; rev < 110; rev++) {
		acknowledge_slowly(&fake, &sent, rev, 30 * FAKE_MS);
	}
	watcher_counters(fake.watcher, &counters);
	assert_in_range(counters.resent, 1, 8);
	watcher_free(fake.watcher);
}

static void test_nobody_there_is_asked_with_pauses(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	unsigned sends = 0;
	uint64_t began_ns;

	(void)state;
	(void)fake_watched(&fake, 3, 10, &sent);
	began_ns = fake.now_ns;
	watcher_unreachable(fake.watcher, fake.now_ns, sent.server);
	while (fake.now_ns - began_ns < 10000 * FAKE_MS) {
		while (fake_sent(&fake, &sent)) {
			sends++;
			watcher_unreachable(fake.watcher, fake.now_ns, sent.server);
		}
		(void)fake_next(&fake);
	}
	assert_in_range(sends, 15, 100);
	watcher_free(fake.watcher);
}

static void test_lost_only_when_all_say_so(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_effect effect;
	const uint64_t tag = fake_watched(&fake, 3, 10, &sent);

	(void)state;
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 7});
	fake_silent(&fake); /* makes no sense: 10 would be kept */
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 50});
	sent = fake_ask(&fake);
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 40});
	sent = fake_ask(&fake);
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 60});
	assert_true(watcher_has_news(fake.watcher));
	assert_true(watcher_take(fake.watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_END);
	assert_int_equal(effect.tag, tag);
	assert_int_equal(effect.answer, STORE_TOO_LATE);
	assert_int_equal(effect.oldest, 40);
	assert_int_equal(watcher_count(fake.watcher), 0);
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, tag), -ENOENT);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_who_takes_no_part_keeps_nobody_from_being_lost(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_effect effect;

	(void)state;
	(void)fake_watched(&fake, 3, 10, &sent);
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_NO_QUORUM});
	sent = fake_ask(&fake);
	for (unsigned i = 0; i < 2; i++) {
		fake_answer(&fake, &sent,
		            (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 50});
		sent = fake_ask(&fake);
	}
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_NO_QUORUM});
	assert_true(watcher_take(fake.watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_END);
	assert_int_equal(effect.answer, STORE_TOO_LATE);
	assert_int_equal(effect.oldest, 50);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_refusals_end_or_lead_elsewhere(void **state)
{
	struct watch_fake fake;
	struct watch_sent first, sent;
	struct watcher_effect effect;
	const uint64_t tag = fake_watched(&fake, 3, 10, &first);

	(void)state;
	fake_answer(&fake, &first, (struct proto_answer){.answer = STORE_NO_QUORUM});
	sent = fake_ask(&fake);
	assert_int_not_equal(sent.server, first.server);
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_OVERLOADED});
	fake_silent(&fake);
	assert_in_range(fake_next(&fake), FAKE_MS, 100 * FAKE_MS);
	sent = fake_ask(&fake);
	fake_answer(&fake, &sent, (struct proto_answer){.answer = STORE_BAD_GLOB});
	fake_answer(&fake, &first, (struct proto_answer){.answer = STORE_BAD_REQUEST}); /* late */
	assert_true(watcher_take(fake.watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_END);
	assert_int_equal(effect.tag, tag);
	assert_int_equal(effect.answer, STORE_BAD_GLOB);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_asks_are_sealed(void **state)
{
	const struct store_key key = store_key_of(slice_text("r"));
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_config config;
	uint64_t tag;

	(void)state;
	watcher_config_default(&config);
	config.servers = 3;
	config.watches_max = 1;
	config.key = key;
	fake = (struct watch_fake){.now_ns = 1000 * FAKE_MS};
	fake.keys = (struct store_keys){.rw = store_key_of(slice_text("w")), .ro = key};
	assert_int_equal(watcher_new(&fake.watcher, &config), 0);
	assert_int_equal(
		watcher_watch(fake.watcher, fake.now_ns,
	                      &(struct watcher_request){.glob = slice_text("/a"), .from = 1}, &tag),
		0);
	assert_int_equal(fake_ask(&fake).rights, STORE_MAY_READ);
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, tag), 0);
	sent = fake_ask(&fake); /* its end */
	assert_int_equal(sent.request.ttl_ms, 0);
	assert_int_equal(sent.rights, STORE_MAY_READ);
	watcher_free(fake.watcher);
}

static void test_a_server_out_of_touch_is_left_if_others_are_not(void **state)
{
	const struct proto_answer away = {.from = 10, .revision = 10, .age_ms = UINT32_MAX};
	struct watch_fake fake;
	struct watch_sent sent, left;
	const uint64_t tag = fake_watched(&fake, 3, 10, &sent);
	uint32_t told = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		told |= 1u << sent.server;
		fake_answer(&fake, &sent, away);
		fake_note(&fake, tag, 10);
		if (i < 2) {
			/* It is told so, as it may hear; another one is asked. */
			assert_true(fake_sent(&fake, &left));
			assert_int_equal(left.server, sent.server);
			assert_int_equal(left.request.ttl_ms, 0);
			sent = fake_ask(&fake);
			assert_int_equal(sent.request.ttl_ms, 10000);
			assert_int_equal(told >> sent.server & 1, 0);
		}
	}
	fake_silent(&fake); /* none is better: it stays */
	watcher_free(fake.watcher);
}

/* Back and forth between who is out of touch and who takes no part: once in a while. */
static void test_a_server_out_of_touch_is_not_left_again_and_again(void **state)
{
	const struct proto_answer away = {.from = 10, .revision = 10, .age_ms = UINT32_MAX};
	struct watch_fake fake;
	struct watch_sent sent;
	const uint64_t tag = fake_watched(&fake, 2, 10, &sent);
	const unsigned first = sent.server;
	const uint64_t began_ns = fake.now_ns;
	unsigned left = 0;

	(void)state;
	while (fake.now_ns < began_ns + 60000 * FAKE_MS) {
		do {
			if (sent.request.ttl_ms == 0) {
				left++;
			} else if (sent.server == first) {
				fake_answer(&fake, &sent, away);
			} else {
				fake_answer(&fake, &sent,
				            (struct proto_answer){.answer = STORE_NO_QUORUM});
			}
			/* Once in 3 s; and now and then a watch wanders. */
			assert_true(left <= 3 + (fake.now_ns - began_ns) / (2000 * FAKE_MS));
		} while (fake_sent(&fake, &sent));
		do {
			(void)fake_next(&fake);
		} while (!fake_sent(&fake, &sent));
	}
	assert_true(left > 10); /* others may be in touch again */
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, tag), 0);
	watcher_free(fake.watcher);
}

static void test_watches_spread_again_when_a_server_comes_back(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/a"), .from = 1};
	struct watch_fake fake;
	struct watch_sent sent;
	unsigned asks[3] = {0};
	uint64_t tag, began_ns;

	(void)state;
	fake_open(&fake, 3, 300);
	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	}
	watcher_unreachable(fake.watcher, fake.now_ns, 0);
	watcher_unreachable(fake.watcher, fake.now_ns, 1);
	while (fake_sent(&fake, &sent)) {
		assert_int_equal(sent.server, 2); /* all of them */
		fake_page(&fake, &sent, 1, 1, 0, 0);
	}
	began_ns = fake.now_ns;
	while (fake.now_ns - began_ns < 1000000 * FAKE_MS) {
		(void)fake_next(&fake);
		while (fake_sent(&fake, &sent)) {
			if (fake.now_ns - began_ns > 900000 * FAKE_MS) {
				asks[sent.server]++;
			}
			fake_page(&fake, &sent, 1, 1, 0, 0);
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_in_range(asks[i], 2500, 4500); /* of 10000 or so */
	}
	watcher_free(fake.watcher);
}

static void test_long_pages_are_put_together_and_repaired(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent, repair;
	const uint64_t tag = fake_held(&fake, 3, 10, &sent);
	const struct proto_event event = {.revision = 12,
	                                  .kind = STORE_EVENT_SET,
	                                  .path = slice_text("/a"),
	                                  .value = slice_make(value, sizeof(value))};
	static uint8_t page[PROTO_VALUE_SIZE_MAX];
	const size_t size = proto_event_put(page, 0, sizeof(page), &event);
	const struct proto_answer answer = {.verb = PROTO_WATCH,
	                                    .from = 10,
	                                    .revision = 13,
	                                    .count = 1,
	                                    .ttl_ms = 10000,
	                                    .value = slice_make(page, size)};
	const unsigned segments = proto_segments(PROTO_ANSWER_OVERHEAD + size);
	struct watcher_effect effect;

	(void)state;
	assert_in_range(segments, 24, 27);
	for (unsigned i = 0; i < segments; i++) {
		if (i != 3 && i != 7) {
			fake_segment(&fake, sent.server, sent.head.number, &answer, i);
		}
	}
	fake_silent(&fake);
	assert_in_range(fake_next(&fake), FAKE_MS, 120 * FAKE_MS);
	repair = fake_ask(&fake);
	assert_int_equal(repair.head.missing, 1u << 3 | 1u << 7);
	assert_int_equal(repair.head.version, proto_answer_version(&answer));
	assert_int_equal(repair.request.rev, 10);
	fake_segment(&fake, sent.server, sent.head.number, &answer, 3);
	fake_segment(&fake, sent.server, sent.head.number, &answer, 7);
	assert_true(watcher_take(fake.watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_EVENT);
	assert_int_equal(effect.tag, tag);
	assert_true(slice_equal(effect.event.value, event.value));
	fake_note(&fake, tag, 13);
	sent = fake_ask(&fake);
	assert_int_equal(sent.head.missing, 0);
	assert_int_equal(sent.request.rev, 13);
	watcher_free(fake.watcher);
}

/* Two events of one entry, which tell each its own end of it. */
static void say_two_ends(struct watch_fake *fake, const struct watch_sent *sent)
{
	struct proto_event event = {
		.revision = 12, .rest = 2, .kind = STORE_EVENT_DELETE, .path = slice_text("/a")};
	uint8_t page[128];
	size_t size = proto_event_put(page, 0, sizeof(page), &event);

	event.revision = 14;
	event.rest = 1;
	size = proto_event_put(page, size, sizeof(page), &event);
	fake_answer(
		fake, sent,
		(struct proto_answer){
			.from = 10, .revision = 20, .count = 2, .value = slice_make(page, size)});
}

static void test_nonsense_is_dropped(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent, other;
	struct watcher_counters counters;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

	(void)state;
	(void)fake_held(&fake, 3, 10, &sent);
	fake_page(&fake, &sent, 10, 20, 15, 12); /* out of order */
	fake_page(&fake, &sent, 10, 12, 12, 0);  /* beyond its end */
	fake_page(&fake, &sent, 13, 20, 12, 0);  /* before its beginning */
	fake_answer(&fake, &sent,
	            (struct proto_answer){.from = 10, .revision = 20, .count = 1}); /* none */
	fake_answer(&fake, &sent, (struct proto_answer){.verb = PROTO_GET, .revision = 20});
	say_two_ends(&fake, &sent);
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.strange, 6);
	other = sent;
	other.head.number ^= (uint64_t)1 << 40; /* a guess */
	fake_page(&fake, &other, 10, 20, 12, 0);
	other = sent;
	other.server = (sent.server + 1) % 3; /* was never asked */
	fake_page(&fake, &other, 10, 20, 12, 0);
	watcher_receive(fake.watcher, fake.now_ns, 0, slice_make(bytes, 3));
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.unasked, 2);
	assert_int_equal(counters.faults[STORE_DATAGRAM_SHORT], 1);
	fake_silent(&fake);
	watcher_free(fake.watcher);
}

static void test_nothing_is_acknowledged_before_it_is_taken(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	struct watcher_effect effect;
	struct watcher_counters counters;
	const uint64_t tag = fake_held(&fake, 3, 10, &sent);

	(void)state;
	fake_page(&fake, &sent, 10, 20, 12, 15);
	assert_false(watcher_take_send(fake.watcher, &effect));
	fake_event(&fake, tag, 12, 0);
	assert_false(watcher_take_send(fake.watcher, &effect));
	fake_page(&fake, &sent, 10, 20, 12, 15); /* again; the first waits to be taken */
	watcher_counters(fake.watcher, &counters);
	assert_int_equal(counters.full, 1);
	/* Paused amid the page: the rest comes when it is resumed, from wherever it is asked. */
	assert_int_equal(watcher_pause(fake.watcher, fake.now_ns, tag), 0);
	sent = fake_ask(&fake);
	assert_int_equal(sent.request.ttl_ms, 0);
	fake_page(&fake, &sent, 10, 20, 12, 15);
	fake_silent(&fake);
	assert_int_equal(watcher_deadline_ns(fake.watcher), UINT64_MAX);
	assert_int_equal(watcher_resume(fake.watcher, fake.now_ns, tag, 0), 0);
	sent = fake_ask(&fake);
	assert_int_equal(sent.request.rev, 13);
	assert_int_equal(sent.request.last, 12);
	assert_int_equal(sent.request.ttl_ms, 10000);
	fake_page(&fake, &sent, 13, 20, 15, 0);
	fake_event(&fake, tag, 15, 12);
	fake_note(&fake, tag, 20);
	watcher_free(fake.watcher);
}

static void test_unwatch_tells_the_server_and_frees_the_place(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/b"), .from = 5};
	struct watch_fake fake;
	struct watch_sent sent;
	const uint64_t tag = fake_held(&fake, 1, 10, &sent); /* room for one */
	uint64_t other;

	(void)state;
	fake_page(&fake, &sent, 10, 20, 12, 15);
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &other), -EAGAIN);
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, tag), 0);
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, tag), -ENOENT);
	assert_int_equal(watcher_pause(fake.watcher, fake.now_ns, tag), -ENOENT);
	assert_int_equal(watcher_resume(fake.watcher, fake.now_ns, tag, 0), -ENOENT);
	assert_int_equal(watcher_count(fake.watcher), 0);
	assert_false(watcher_has_news(fake.watcher));
	sent = fake_ask(&fake);
	assert_int_equal(sent.head.number, tag);
	assert_int_equal(sent.request.ttl_ms, 0);
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &other), 0);
	assert_int_equal(watcher_index(other), watcher_index(tag));
	assert_int_not_equal(other, tag);
	fake_page(&fake, &sent, 10, 10, 0, 0); /* the farewell's answer */
	sent = fake_ask(&fake);
	assert_int_equal(sent.head.number, other);
	/* One that no server knows yet is gone at once. */
	watcher_free(fake.watcher);
	fake_open(&fake, 3, 1);
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &other), 0);
	assert_int_equal(watcher_unwatch(fake.watcher, fake.now_ns, other), 0);
	fake_silent(&fake);
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &other), 0);
	watcher_free(fake.watcher);
}

static void test_a_watch_can_wait_for_its_beginning(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/b")};
	struct watch_fake fake;
	uint64_t tag;

	(void)state;
	fake_open(&fake, 3, 4);
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	fake_silent(&fake);
	assert_int_equal(watcher_resume(fake.watcher, fake.now_ns, tag, 0), -EINVAL);
	assert_int_equal(watcher_resume(fake.watcher, fake.now_ns, tag, -1), -EINVAL);
	assert_int_equal(watcher_resume(fake.watcher, fake.now_ns, tag, 77), 0);
	assert_int_equal(fake_ask(&fake).request.rev, 77);
	watcher_free(fake.watcher);
}

static void test_a_server_that_does_not_keep_it_is_asked_with_pauses(void **state)
{
	struct watch_fake fake;
	struct watch_sent sent;
	const uint64_t tag = fake_watched(&fake, 3, 10, &sent);
	unsigned asks = 0;
	uint64_t began_ns = fake.now_ns;

	(void)state;
	while (fake.now_ns - began_ns < 5000 * FAKE_MS) {
		fake_keep_for(&fake, &sent, 10, 0);
		fake_note(&fake, tag, 10);
		(void)fake_next(&fake);
		sent = fake_ask(&fake);
		asks++;
	}
	assert_in_range(asks, 5, 40);
	watcher_free(fake.watcher);
}

static void test_ten_thousand_are_asked_in_small_windows(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/a"), .from = 1};
	enum {
		MANY = 10000
	};
	static struct watch_sent sent[MANY];
	struct watch_fake fake;
	unsigned first = 0, last = 0, asks = 0;
	uint64_t tag, began_ns;

	(void)state;
	fake_open(&fake, 3, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	}
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), -EAGAIN);
	for (;;) {
		while (last < MANY && fake_sent(&fake, &sent[last])) {
			last++;
		}
		if (first == last) {
			break;
		}
		assert_in_range(last - first, 1, 3 * WATCHER_WINDOW);
		fake_page(&fake, &sent[first], 1, 1, 0, 0);
		first++;
	}
	assert_int_equal(first, MANY);
	/* From here on each is asked about once in three seconds. */
	began_ns = fake.now_ns;
	while (fake.now_ns - began_ns < 10000 * FAKE_MS) {
		(void)fake_next(&fake);
		while (fake_sent(&fake, &sent[0])) {
			asks++;
			fake_page(&fake, &sent[0], 1, 1, 0, 0);
		}
	}
	assert_in_range(asks, 2 * MANY, 4 * MANY);
	watcher_free(fake.watcher);
}

static void test_wrong_use_is_told(void **state)
{
	char glob[STORE_GLOB_SIZE_MAX + 1];
	struct watcher_request request = {.glob = slice_make(glob, sizeof(glob)), .from = 1};
	struct watcher_config config;
	struct watcher *watcher;
	struct watch_fake fake;
	struct watcher_effect effect;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	uint64_t tag;

	(void)state;
	watcher_config_default(&config);
	assert_int_equal(watcher_new(&watcher, &config), -EINVAL); /* no servers */
	config.servers = 3;
	config.watches_max = WATCHER_WATCHES_MAX + 1;
	assert_int_equal(watcher_new(&watcher, &config), -EINVAL);
	watcher_free(NULL);
	fake_open(&fake, 3, 4);
	memset(glob, 'a', sizeof(glob));
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), 0);
	assert_true(watcher_take(fake.watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_END);
	assert_int_equal(effect.answer, STORE_TOO_LARGE);
	request.from = -1;
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), -EINVAL);
	request.from = request.last = 5;
	assert_int_equal(watcher_watch(fake.watcher, fake.now_ns, &request, &tag), -EINVAL);
	memset(bytes, 0, sizeof(bytes));
	assert_false(watcher_is_for(slice_make(bytes, sizeof(bytes))));
	bytes[71] = 0x40;
	assert_true(watcher_is_for(slice_make(bytes, 72)));
	assert_false(watcher_is_for(slice_make(bytes, 71)));
	bytes[71] = 0xc0;
	assert_false(watcher_is_for(slice_make(bytes, 72)));
	watcher_free(fake.watcher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_come_in_order_and_are_acknowledged),
		cmocka_unit_test(test_what_is_known_is_passed_over),
		cmocka_unit_test(test_gaps_are_refused),
		cmocka_unit_test(test_a_server_that_is_behind_is_not_asked_on),
		cmocka_unit_test(test_silence_leads_to_another_server),
		cmocka_unit_test(test_a_dead_server_is_found_for_all_of_its_watches),
		cmocka_unit_test(test_a_server_that_is_slow_for_a_moment_is_not_left),
		cmocka_unit_test(test_time_out_adapts_to_round_trips_beyond_it),
		cmocka_unit_test(test_nobody_there_is_asked_with_pauses),
		cmocka_unit_test(test_lost_only_when_all_say_so),
		cmocka_unit_test(test_who_takes_no_part_keeps_nobody_from_being_lost),
		cmocka_unit_test(test_refusals_end_or_lead_elsewhere),
		cmocka_unit_test(test_asks_are_sealed),
		cmocka_unit_test(test_a_server_out_of_touch_is_left_if_others_are_not),
		cmocka_unit_test(test_a_server_out_of_touch_is_not_left_again_and_again),
		cmocka_unit_test(test_watches_spread_again_when_a_server_comes_back),
		cmocka_unit_test(test_long_pages_are_put_together_and_repaired),
		cmocka_unit_test(test_nonsense_is_dropped),
		cmocka_unit_test(test_nothing_is_acknowledged_before_it_is_taken),
		cmocka_unit_test(test_unwatch_tells_the_server_and_frees_the_place),
		cmocka_unit_test(test_a_watch_can_wait_for_its_beginning),
		cmocka_unit_test(test_a_server_that_does_not_keep_it_is_asked_with_pauses),
		cmocka_unit_test(test_ten_thousand_are_asked_in_small_windows),
		cmocka_unit_test(test_wrong_use_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
