/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_fake.h - a client, and servers that say what a test tells them to
 *
 * fake_sent() gives the next datagram the client sends, opened; fake_say() answers it. Results
 * are kept in the order they come. Time stands still unless a test moves it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/client.h"

#define FAKE_MS ((uint64_t)1000 * 1000)

enum {
	FAKE_RESULTS_MAX = 128,
	FAKE_CLUSTER = 0xc0ffe4
};

struct fake_sent {
	unsigned server;
	unsigned rights; /* as the servers' keys say */
	uint16_t flags;
	uint64_t cluster;
	struct proto_head head;
	struct proto_request request; /* only of a request in one segment */
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	size_t size;
	uint8_t piece[PROTO_PIECE_SIZE];
	size_t piece_size;
};

struct fake {
	struct client *client;
	uint64_t now_ns;
	struct store_keys keys; /* of the servers */
	struct client_result results[FAKE_RESULTS_MAX];
	unsigned result_count;
	unsigned result_next;
};

static inline void fake_open(struct fake *fake, unsigned servers,
                             void (*change)(struct client_config *config))
{
	struct client_config config;

	client_config_default(&config);
	config.servers = servers;
	config.seed = 1;
	config.secret = 2;
	if (change != NULL) {
		change(&config);
	}
	*fake = (struct fake){.now_ns = 1000 * FAKE_MS};
	assert_int_equal(client_new(&fake->client, &config), 0);
}

static inline void fake_close(struct fake *fake)
{
	client_free(fake->client);
}

/* The next datagram sent. False: there is none. Results on the way are kept. */
static inline bool fake_sent(struct fake *fake, struct fake_sent *ret_sent)
{
	struct store_datagram datagram;
	struct client_effect effect;
	struct slice piece;
	bool bad_verb;

	while (client_take(fake->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_DONE) {
			assert_in_range(fake->result_count, 0, FAKE_RESULTS_MAX - 1);
			fake->results[fake->result_count++] = effect.result;
			continue;
		}
		*ret_sent = (struct fake_sent){.server = effect.server, .size = effect.bytes.size};
		memcpy(ret_sent->bytes, effect.bytes.data, effect.bytes.size);
		assert_int_equal(store_rights_open(&fake->keys,
		                                   slice_make(ret_sent->bytes, ret_sent->size),
		                                   &datagram),
		                 STORE_DATAGRAM_GOOD);
		assert_int_equal(datagram.kind, STORE_DATAGRAM_REQUEST);
		ret_sent->flags = datagram.flags;
		ret_sent->rights = datagram.rights;
		ret_sent->cluster = datagram.cluster;
		assert_true(proto_segment_decode(&datagram, &ret_sent->head, &piece));
		memcpy(ret_sent->piece, piece.data, piece.size);
		ret_sent->piece_size = piece.size;
		if (ret_sent->head.segments == 1) {
			assert_true(proto_request_decode(slice_make(ret_sent->piece, piece.size),
			                                 &ret_sent->request, &bad_verb));
			/* They would not survive a copy of the struct: look into `piece`. */
			ret_sent->request.path = ret_sent->request.after = ret_sent->request.value =
				(struct slice){0};
		}
		return true;
	}
	return false;
}

/* What must come, and nothing after it. */
static inline struct fake_sent fake_only(struct fake *fake, enum proto_verb verb)
{
	struct fake_sent sent, more;

	assert_true(fake_sent(fake, &sent));
	assert_int_equal(sent.request.verb, verb);
	assert_false(fake_sent(fake, &more));
	return sent;
}

static inline void fake_nothing(struct fake *fake)
{
	struct fake_sent sent;

	assert_false(fake_sent(fake, &sent));
}

/* One segment of an answer, from a server. */
static inline void fake_segment(struct fake *fake, unsigned server, const struct proto_head *to,
                                const struct proto_answer *answer, unsigned segment)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = {
		.session = to->session,
		.number = to->number,
		.version = proto_answer_version(answer),
		.segment = (uint16_t)segment,
	};
	const size_t size = proto_answer_encode(answer, message, sizeof(message));
	size_t bytes_size;

	assert_true(size != 0);
	head.segments = (uint16_t)proto_segments(size);
	bytes_size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, FAKE_CLUSTER,
	                                  slice_make(message, size), bytes);
	client_receive(fake->client, fake->now_ns, server, slice_make(bytes, bytes_size));
}

/* A whole answer to what was sent, from the server it was sent to. */
static inline void fake_say(struct fake *fake, const struct fake_sent *sent,
                            struct proto_answer answer)
{
	if (answer.verb == PROTO_NONE) {
		answer.verb = sent->request.verb;
	}
	if (answer.node == 0) {
		answer.node = (uint8_t)(sent->server + 1);
	}
	for (unsigned i = 0; i < proto_segments(PROTO_ANSWER_OVERHEAD + answer.value.size); i++) {
		fake_segment(fake, sent->server, &sent->head, &answer, i);
	}
}

static inline void fake_refuse(struct fake *fake, const struct fake_sent *sent,
                               enum store_answer answer, uint8_t leader)
{
	fake_say(fake, sent, (struct proto_answer){.answer = answer, .leader = leader});
}

static inline void fake_ok(struct fake *fake, const struct fake_sent *sent, store_rev_t revision)
{
	fake_say(fake, sent,
	         (struct proto_answer){.revision = revision, .store_revision = revision});
}

static inline uint64_t fake_submit(struct fake *fake, enum proto_verb verb, const char *path,
                                   const char *value)
{
	const struct client_request request = {
		.verb = verb, .path = slice_text(path), .value = slice_text(value)};
	uint64_t tag;

	assert_int_equal(client_submit(fake->client, fake->now_ns, &request, &tag), 0);
	return tag;
}

static inline void fake_pass(struct fake *fake, uint64_t ns)
{
	fake->now_ns += ns;
	client_tick(fake->client, fake->now_ns);
}

/* Goes on to the next thing that is due, and returns how long that took. */
static inline uint64_t fake_next(struct fake *fake)
{
	const uint64_t before_ns = fake->now_ns;
	const uint64_t due_ns = client_deadline_ns(fake->client);

	assert_true(due_ns != UINT64_MAX);
	fake->now_ns = due_ns > before_ns ? due_ns : before_ns;
	client_tick(fake->client, fake->now_ns);
	return fake->now_ns - before_ns;
}

/* The session is opened as id 77, with a time to live of 9 s. */
static inline void fake_session(struct fake *fake)
{
	const struct fake_sent open = fake_only(fake, PROTO_OPEN);

	fake_say(fake, &open, (struct proto_answer){.session = 77, .ttl_ms = 9000});
}

/* The next result that was not looked at yet. */
static inline const struct client_result *fake_result(struct fake *fake)
{
	fake_nothing(fake);
	assert_in_range(fake->result_next, 0, fake->result_count - 1);
	return &fake->results[fake->result_next++];
}

static inline void fake_no_result(struct fake *fake)
{
	fake_nothing(fake);
	assert_int_equal(fake->result_next, fake->result_count);
}
