/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watcher_fake.h - a watcher, and servers that say what a test tells them to
 *
 * Time stands still unless a test moves it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/watcher.h"

#define FAKE_MS ((uint64_t)1000 * 1000)

enum {
	FAKE_CLUSTER = 0xc0ffe4
};

struct watch_sent {
	unsigned server;
	unsigned rights; /* as the servers' keys say */
	struct proto_head head;
	struct proto_request request; /* without its slices */
};

struct watch_fake {
	struct watcher *watcher;
	uint64_t now_ns;
	struct store_keys keys; /* of the servers */
};

static inline void fake_open(struct watch_fake *fake, unsigned servers, unsigned watches)
{
	struct watcher_config config;

	watcher_config_default(&config);
	config.servers = servers;
	config.watches_max = watches;
	config.seed = 1;
	config.secret = 2;
	fake->now_ns = 1000 * FAKE_MS;
	fake->keys = (struct store_keys){0};
	assert_int_equal(watcher_new(&fake->watcher, &config), 0);
}

/* The next datagram sent. False: there is none. News on the way is passed over. */
static inline bool fake_sent(struct watch_fake *fake, struct watch_sent *ret_sent)
{
	struct store_datagram datagram;
	struct watcher_effect effect;
	struct slice piece;
	bool bad_verb;

	while (watcher_take(fake->watcher, &effect)) {
		if (effect.kind != WATCHER_EFFECT_SEND) {
			continue;
		}
		assert_int_equal(store_rights_open(&fake->keys, effect.bytes, &datagram),
		                 STORE_DATAGRAM_GOOD);
		ret_sent->rights = datagram.rights;
		assert_int_equal(datagram.kind, STORE_DATAGRAM_REQUEST);
		assert_true(watcher_is_for(effect.bytes));
		assert_true(proto_segment_decode(&datagram, &ret_sent->head, &piece));
		assert_true(proto_request_decode(piece, &ret_sent->request, &bad_verb));
		assert_int_equal(ret_sent->request.verb, PROTO_WATCH);
		ret_sent->request.path = (struct slice){0};
		ret_sent->server = effect.server;
		return true;
	}
	return false;
}

/* What must come, and nothing after it. */
static inline struct watch_sent fake_ask(struct watch_fake *fake)
{
	struct watch_sent sent, more;

	assert_true(fake_sent(fake, &sent));
	assert_false(fake_sent(fake, &more));
	return sent;
}

static inline void fake_silent(struct watch_fake *fake)
{
	struct watcher_effect effect;

	assert_false(watcher_take(fake->watcher, &effect));
}

static inline void fake_event(struct watch_fake *fake, uint64_t tag, store_rev_t revision,
                              store_rev_t previous)
{
	struct watcher_effect effect;

	assert_true(watcher_take(fake->watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_EVENT);
	assert_int_equal(effect.tag, tag);
	assert_int_equal(effect.event.revision, revision);
	assert_int_equal(effect.event.previous, previous);
	assert_int_equal(effect.next, revision + 1);
}

static inline void fake_note(struct watch_fake *fake, uint64_t tag, store_rev_t next)
{
	struct watcher_effect effect;

	assert_true(watcher_take(fake->watcher, &effect));
	assert_int_equal(effect.kind, WATCHER_EFFECT_NOTE);
	assert_int_equal(effect.tag, tag);
	assert_int_equal(effect.next, next);
}

/* One segment of an answer, from a server. */
static inline void fake_segment(struct watch_fake *fake, unsigned server, uint64_t number,
                                const struct proto_answer *answer, unsigned segment)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = {
		.number = number,
		.version = proto_answer_version(answer),
		.segment = (uint16_t)segment,
	};
	const size_t size = proto_answer_encode(answer, message, sizeof(message));

	assert_true(size != 0);
	head.segments = (uint16_t)proto_segments(size);
	watcher_receive(fake->watcher, fake->now_ns, server,
	                slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0,
	                                                       FAKE_CLUSTER,
	                                                       slice_make(message, size), bytes)));
}

/* A whole answer to what was sent, from the server it was sent to. */
static inline void fake_answer(struct watch_fake *fake, const struct watch_sent *sent,
                               struct proto_answer answer)
{
	answer.verb = answer.verb == PROTO_NONE ? PROTO_WATCH : answer.verb;
	answer.node = (uint8_t)(sent->server + 1);
	answer.ttl_ms = sent->request.ttl_ms;
	fake_segment(fake, sent->server, sent->head.number, &answer, 0);
}

/* An empty page of a server that will keep the watch so long. */
static inline void fake_keep_for(struct watch_fake *fake, const struct watch_sent *sent,
                                 store_rev_t next, uint32_t ttl_ms)
{
	struct watch_sent other = *sent;

	other.request.ttl_ms = ttl_ms;
	fake_answer(fake, &other, (struct proto_answer){.from = next, .revision = next});
}

/* A page with up to two events of "/a"; 0: none. */
static inline void fake_page(struct watch_fake *fake, const struct watch_sent *sent,
                             store_rev_t from, store_rev_t next, store_rev_t first,
                             store_rev_t second)
{
	const store_rev_t revisions[] = {first, second};
	uint8_t page[128];
	size_t size = 0;
	uint32_t count = 0;

	for (unsigned i = 0; i < 2 && revisions[i] != 0; i++) {
		const struct proto_event event = {.revision = revisions[i],
		                                  .kind = STORE_EVENT_DELETE,
		                                  .path = slice_text("/a")};

		size = proto_event_put(page, size, sizeof(page), &event);
		count++;
	}
	fake_answer(fake, sent,
	            (struct proto_answer){.from = from,
	                                  .revision = next,
	                                  .store_revision = next,
	                                  .count = count,
	                                  .value = slice_make(page, size)});
}

static inline uint64_t fake_watched(struct watch_fake *fake, unsigned servers, store_rev_t from,
                                    struct watch_sent *ret_sent)
{
	const struct watcher_request request = {.glob = slice_text("/a"), .from = from};
	uint64_t tag;

	fake_open(fake, servers, servers == 1 ? 1 : 16);
	assert_int_equal(watcher_watch(fake->watcher, fake->now_ns, &request, &tag), 0);
	*ret_sent = fake_ask(fake);
	return tag;
}

/* A watch that was asked for and answered. */
static inline uint64_t fake_held(struct watch_fake *fake, unsigned servers, store_rev_t from,
                                 struct watch_sent *ret_sent)
{
	const uint64_t tag = fake_watched(fake, servers, from, ret_sent);

	fake_page(fake, ret_sent, from, from, 0, 0);
	fake_note(fake, tag, from);
	fake_silent(fake);
	return tag;
}

/* Goes on to the next thing that is due, and returns how long that took. */
static inline uint64_t fake_next(struct watch_fake *fake)
{
	const uint64_t before_ns = fake->now_ns;
	const uint64_t due_ns = watcher_deadline_ns(fake->watcher);

	assert_true(due_ns != UINT64_MAX);
	fake->now_ns = due_ns > before_ns ? due_ns : before_ns;
	watcher_tick(fake->watcher, fake->now_ns);
	return fake->now_ns - before_ns;
}
