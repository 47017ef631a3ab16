/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * inside_fixture.h - a client inside of a server, whose servers the test is
 *
 * The test is the worker at the other end of the mailbox, and the servers behind it. Every wait is
 * bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/inside.h"
#include "store/datagram.h"
#include "store/proto.h"
#include "store/proto_page.h"

enum {
	RING_SIZE = 1 << 20,
	CLUSTER = 0xc0ffee,
	OWN = 1, /* node */
	OTHER = 2,
	NEW = 5, /* is no member at first */
	TURNS_MAX = 20000,
	ASKS_MAX = 200, /* that are passed over */
};

static _Alignas(RING_LINE) uint8_t to_worker[RING_SIZE], from_worker[RING_SIZE];
static struct paxos_mailbox mailbox;
static struct ctl_insides insides;
static struct ctl_config servers;
static struct ctl_inside *inside;
static uv_loop_t loop;

/* An ask as it came to one of both servers. */
struct ask {
	unsigned node;
	struct paxos_address address;
	struct proto_head head;
	struct proto_request request;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

/* Of one server, the own one, or two. */
static inline void open_inside(unsigned count, uint64_t timeout_ns)
{
	struct ctl_reason reason;

	memset(&insides, 0, sizeof(insides));
	paxos_mailbox_init(&mailbox, to_worker, from_worker, RING_SIZE);
	memset(&servers, 0, sizeof(servers));
	servers.cluster = CLUSTER;
	servers.node = OWN;
	servers.count = count;
	servers.servers[OWN - 1] = (struct ctl_address){.ip = 1, .port = 9};
	if (count > 1) {
		servers.servers[OTHER - 1] = (struct ctl_address){.ip = 2, .port = 9};
	}
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(ctl_inside_open(&inside,
	                                 &(struct ctl_inside_config){.loop = &loop,
	                                                             .mailbox = &mailbox,
	                                                             .insides = &insides,
	                                                             .config = &servers,
	                                                             .watches_max = 16,
	                                                             .timeout_ns = timeout_ns},
	                                 &reason),
	                 0);
}

static inline void close_inside(void)
{
	ctl_inside_close(inside);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static inline void open_ask(struct ask *ask, size_t size)
{
	struct store_datagram datagram;
	struct slice piece;
	bool bad_verb;

	assert_int_equal(store_datagram_open(slice_make(ask->bytes, size), &datagram), 0);
	assert_true(datagram.cluster == CLUSTER);
	assert_true(proto_segment_decode(&datagram, &ask->head, &piece));
	assert_true(proto_request_decode(piece, &ask->request, &bad_verb));
}

/* The next ask at any server. False: none for now. */
static inline bool look(struct ask *ask)
{
	struct paxos_mail mail;

	if (!paxos_mailbox_peek_to_worker(&mailbox, &mail)) {
		return false;
	}
	ask->address = mail.address;
	if (mail.kind == PAXOS_MAIL_PASS_ON) {
		ask->node = paxos_address_server_of(&mail.address) + 1;
		assert_int_not_equal(ask->node, OWN);
	} else {
		assert_int_equal(mail.kind, PAXOS_MAIL_CLIENT);
		ask->node = OWN;
	}
	memcpy(ask->bytes, mail.bytes.data, mail.bytes.size);
	open_ask(ask, mail.bytes.size);
	paxos_mailbox_pop_to_worker(&mailbox);
	return true;
}

static inline void wait_ask(struct ask *ask)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		if (look(ask)) {
			return;
		}
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	fail_msg("nothing was asked");
}

/* As the server that was asked. */
static inline void say(const struct ask *ask, struct proto_answer *answer)
{
	uint8_t message[PROTO_PIECE_SIZE], bytes[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = ask->head;
	struct paxos_mail mail = {.kind = PAXOS_MAIL_REPLY, .address = ask->address};
	size_t size;

	answer->verb = ask->request.verb;
	answer->node = (uint8_t)ask->node;
	size = proto_answer_encode(answer, message, sizeof(message));
	assert_int_not_equal(size, 0);
	head.secret = 0;
	head.missing = 0;
	head.version = proto_answer_version(answer);
	head.segment = 0;
	head.segments = 1;
	size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, CLUSTER,
	                            slice_make(message, size), bytes);
	mail.bytes = slice_make(bytes, size);
	if (ask->node == OWN) {
		assert_int_equal(paxos_address_inside_of(&mail.address), 1);
	} else {
		mail.kind = PAXOS_MAIL_ANSWERED;
	}
	ctl_insides_mail(&insides, &mail);
}

/* The next ask of a verb from a revision on; what a watch says meanwhile is passed over. */
static inline void wait_rev(struct ask *ask, enum proto_verb verb, store_rev_t rev)
{
	for (unsigned i = 0; i < ASKS_MAX; i++) {
		wait_ask(ask);
		if (ask->request.verb == verb && (rev < 0 || ask->request.rev == rev)) {
			return;
		}
	}
	fail_msg("it asks for something else");
}

static inline void wait_verb(struct ask *ask, enum proto_verb verb)
{
	wait_rev(ask, verb, -1);
}

/* Refuses a WATCH. */
static inline void say_no(const struct ask *ask, enum store_answer answer, store_rev_t oldest)
{
	say(ask,
	    &(struct proto_answer){.answer = answer, .revision = oldest, .from = ask->request.rev});
}

/* Has the loop turn until `*done`; it has to come true. */
static inline void turn_until(const bool *done)
{
	for (unsigned i = 0; i < TURNS_MAX && !*done; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	assert_true(*done);
}

/*
 * Answers a WATCH: `count` events at the revisions from its own on, of `path`; the store is at
 * `store_rev`. Whoever waits for them still has to turn the loop.
 */
static inline void say_events(const struct ask *ask, const char *path, unsigned count,
                              store_rev_t previous, store_rev_t store_rev)
{
	struct proto_answer page = {.answer = STORE_OK,
	                            .revision = ask->request.rev + count,
	                            .from = ask->request.rev,
	                            .store_revision = store_rev,
	                            .count = count,
	                            .ttl_ms = 10000};
	uint8_t memory[1000];
	size_t size = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct proto_event event = {.revision = ask->request.rev + i,
		                                  .previous = i == 0 ? previous
		                                                     : ask->request.rev + i - 1,
		                                  .kind = STORE_EVENT_SET,
		                                  .path = slice_text(path),
		                                  .value = slice_text("v")};

		size = proto_event_put(memory, size, sizeof(memory), &event);
		assert_int_not_equal(size, 0);
	}
	page.value = slice_make(memory, size);
	say(ask, &page);
}
