/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fake_server.h - a socket on 127.0.0.1 from which a test answers a handle as a server would
 *
 * fake_server_take() turns the handle until a request of the verb comes, and passes over others;
 * fake_server_say() answers it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/client/coffer.h"
#include "store/proto.h"

enum {
	FAKE_PATIENCE_MS = 10000
};

struct fake_server {
	struct coffer *coffer;
	int fd;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX]; /* of the last request */
};

struct fake_asked {
	uint16_t flags;
	struct proto_head head;
	struct proto_request request; /* its slices are good until the next take */
	struct sockaddr_in client;
};

static inline void fake_server_open(struct fake_server *server, unsigned watches_max)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	struct coffer_options options;
	char text[64];

	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(server->fd >= 0);
	assert_int_equal(bind(server->fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
	(void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
	coffer_options_default(&options);
	options.watches_max = watches_max;
	assert_int_equal(coffer_open(&server->coffer, text, &options), 0);
}

static inline void fake_server_close(struct fake_server *server)
{
	coffer_close(server->coffer);
	(void)close(server->fd);
}

static inline struct fake_asked fake_server_take(struct fake_server *server, enum proto_verb verb)
{
	struct pollfd ready[] = {{.fd = server->fd, .events = POLLIN},
	                         {.fd = coffer_fd(server->coffer), .events = POLLIN}};
	struct store_datagram datagram;
	struct fake_asked asked;
	socklen_t size = sizeof(asked.client);
	struct slice piece;
	bool bad_verb;
	ssize_t got;

	do {
		assert_true(poll(ready, 2, FAKE_PATIENCE_MS) > 0);
		if (ready[1].revents != 0) {
			(void)coffer_process(server->coffer);
		}
		got = recvfrom(server->fd, server->bytes, sizeof(server->bytes), MSG_DONTWAIT,
		               (struct sockaddr *)&asked.client, &size);
		asked.request.verb = PROTO_NONE;
		if (got > 0) {
			assert_int_equal(store_datagram_open(slice_make(server->bytes, (size_t)got),
			                                     &datagram),
			                 STORE_DATAGRAM_GOOD);
			asked.flags = datagram.flags;
			assert_true(proto_segment_decode(&datagram, &asked.head, &piece));
			assert_true(proto_request_decode(piece, &asked.request, &bad_verb));
		}
	} while (asked.request.verb != verb);
	return asked;
}

static inline void fake_server_say(const struct fake_server *server, const struct fake_asked *asked,
                                   struct proto_answer answer)
{
	uint8_t message[1024], bytes[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = {
		.session = asked->head.session, .number = asked->head.number, .segments = 1};
	size_t size;

	answer.verb = asked->request.verb;
	answer.node = 1;
	answer.ttl_ms = asked->request.ttl_ms;
	head.version = proto_answer_version(&answer);
	size = proto_answer_encode(&answer, message, sizeof(message));
	size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, 1, slice_make(message, size),
	                            bytes);
	assert_int_equal(sendto(server->fd, bytes, size, 0, (const struct sockaddr *)&asked->client,
	                        sizeof(asked->client)),
	                 size);
}
