/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   no connection, and not all of them together, take more than their share of a turn of
 *         the loop; what was asked is answered all the same, in its order. Who is gone waits for
 *         nothing, and its writes are done.
 * Method: a gateway on 127.0.0.1 whose loop the test turns; SELF is answered without a worker.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/gateway.h"
#include "tests/unit/tls_fixture.h"

enum {
	RING_SIZE = 1 << 20,
	CONNECTIONS = 100,
	FRAMES = 200, /* of each */
	TURN_FRAMES_MAX = 2 * 256,
	TURN_ACCEPTS_MAX = 2 * 64,
	TURN_SHAKES_MAX = 2 * 8,
	TURNS_MAX = 20000,
	WATCHES_MAX = 1024,
	ANSWER_SIZE = 4 + 2 + 2 + 16,
};

static _Alignas(RING_LINE) uint8_t to_worker[RING_SIZE], from_worker[RING_SIZE];
static struct paxos_mailbox mailbox;
static struct ctl_insides insides;
static struct ctl_config servers;
static const struct store_keys no_keys;
static struct ctl_gateway *gateway;
static uv_loop_t loop;
static struct sockaddr_in at = {.sin_family = AF_INET};
static int fds[CONNECTIONS];

static int open_gateway(const struct tls_files *files)
{
	const int probe = socket(AF_INET, SOCK_STREAM, 0);
	struct ctl_gateway_config config = {.connections_max = 1000,
	                                    .patience_ms = 30000,
	                                    .tls_cert = files == NULL ? NULL : files->cert,
	                                    .tls_key = files == NULL ? NULL : files->key,
	                                    .keys = &no_keys,
	                                    .member = true,
	                                    .inside = {.loop = &loop,
	                                               .mailbox = &mailbox,
	                                               .insides = &insides,
	                                               .config = &servers,
	                                               .watches_max = WATCHES_MAX}};
	struct ctl_reason reason;
	socklen_t size = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = 0;
	paxos_mailbox_init(&mailbox, to_worker, from_worker, RING_SIZE);
	servers.node = 1;
	servers.count = 1;
	assert_int_equal(bind(probe, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(probe, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(close(probe), 0);
	config.listen = (struct ctl_address){.ip = INADDR_LOOPBACK, .port = ntohs(at.sin_port)};
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(ctl_gateway_open(&gateway, &config, &reason), 0);
	return 0;
}

static int open_all(void **state)
{
	(void)state;
	return open_gateway(NULL);
}

static int open_tls(void **state)
{
	struct tls_files files;

	(void)state;
	tls_files_make(&files, "P-256", 0, 1);
	(void)open_gateway(&files);
	tls_files_remove(&files);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	ctl_gateway_close(gateway);
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void connect_all(void)
{
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fds[i], (struct sockaddr *)&at, sizeof(at)), 0);
	}
}

/* SELF, tag 0 to FRAMES - 1, which are a byte or two of varint. */
static void ask_much(int fd)
{
	uint8_t bytes[FRAMES * 9];
	size_t size = 0;

	for (unsigned tag = 0; tag < FRAMES; tag++) {
		const uint8_t wide[] = {0,  0, 0, 5, 8, (uint8_t)(tag | 128), (uint8_t)(tag >> 7),
		                        16, 20};

		memcpy(bytes + size, wide, sizeof(wide));
		size += sizeof(wide);
	}
	assert_int_equal(write(fd, bytes, size), size);
}

static struct ctl_gateway_counters turn(void)
{
	struct ctl_gateway_counters before, after;

	ctl_gateway_counters(gateway, &before);
	(void)uv_run(&loop, UV_RUN_NOWAIT);
	ctl_gateway_counters(gateway, &after);
	assert_true(after.requests - before.requests <= TURN_FRAMES_MAX);
	assert_true(after.accepted - before.accepted <= TURN_ACCEPTS_MAX);
	return after;
}

static void test_a_turn_takes_its_share_and_no_more(void **state)
{
	struct ctl_gateway_counters counters = {0};

	(void)state;
	connect_all();
	for (unsigned i = 0; i < TURNS_MAX && counters.connections < CONNECTIONS; i++) {
		counters = turn();
	}
	assert_int_equal(counters.connections, CONNECTIONS);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		ask_much(fds[i]);
	}
	for (unsigned i = 0; i < TURNS_MAX && counters.answers < CONNECTIONS * FRAMES; i++) {
		counters = turn();
	}
	assert_int_equal(counters.answers, CONNECTIONS * FRAMES);
	assert_int_equal(counters.malformed + counters.unread + counters.kept, 0);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		uint8_t bytes[FRAMES * (ANSWER_SIZE + 1)];
		const size_t expected = 128 * ANSWER_SIZE + (FRAMES - 128) * (ANSWER_SIZE + 1);

		size_t size = 0;

		for (unsigned n = 0; n < TURNS_MAX && size < expected; n++) {
			const ssize_t r =
				recv(fds[i], bytes + size, sizeof(bytes) - size, MSG_DONTWAIT);

			size += r > 0 ? (size_t)r : 0;
			(void)turn(); /* what the socket did not take follows */
		}
		assert_int_equal(size, expected);
		assert_int_equal(bytes[5], 0);                              /* the first tag */
		assert_int_equal(bytes[expected - 20], (FRAMES - 1) | 128); /* the last */
		assert_int_equal(close(fds[i]), 0);
	}
}

/* Bytes that come singly are a frame in the end; many connections close while they wait. */
static void test_held_ones_may_go(void **state)
{
	struct ctl_gateway_counters counters = {0};

	(void)state;
	connect_all();
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		ask_much(fds[i]);
	}
	for (unsigned i = 0; i < TURNS_MAX && counters.requests == 0; i++) {
		counters = turn();
	}
	for (unsigned i = 0; i < CONNECTIONS; i += 2) {
		const struct linger at_once = {.l_onoff = 1};

		(void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		assert_int_equal(close(fds[i]), 0);
	}
	for (unsigned i = 0; i < TURNS_MAX && counters.answers < CONNECTIONS / 2 * FRAMES; i++) {
		counters = turn();
	}
	assert_true(counters.answers >= CONNECTIONS / 2 * FRAMES);
	for (unsigned i = 1; i < CONNECTIONS; i += 2) {
		assert_int_equal(close(fds[i]), 0);
	}
	for (unsigned i = 0; i < TURNS_MAX && (counters.connections != 0 || i == 0); i++) {
		counters = turn();
	}
	assert_int_equal(counters.connections, 0);
}

/* As many WAITs as a connection's share of a turn, and more: "/a", from revision 1. */
static void wait_much(int fd)
{
	static const uint8_t wait[] = {0, 0, 0, 10, 8, 1, 16, 6, 34, 2, '/', 'a', 72, 1};

	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(write(fd, wait, sizeof(wait)), sizeof(wait));
	}
}

/* Takes what the worker was sent: how many datagrams are no watch's. */
static unsigned take_sent(void)
{
	struct paxos_mail mail;
	unsigned count = 0;

	while (paxos_mailbox_peek_to_worker(&mailbox, &mail)) {
		count += watcher_is_for(mail.bytes) ? 0 : 1;
		paxos_mailbox_pop_to_worker(&mailbox);
	}
	return count;
}

/* There are so many waits, and no more; whoever goes takes its own along. */
static void test_who_is_gone_waits_for_nothing(void **state)
{
	/* SET "/a", value none, rev -1. */
	static const uint8_t set[] = {0,  0,   0,   19,  8,   1,   16,  2,   34,  2,   '/', 'a',
	                              72, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
	const unsigned asked = (CONNECTIONS - 1) * FRAMES;
	struct ctl_gateway_counters counters = {0};
	unsigned written = 0;

	(void)state;
	connect_all();
	for (unsigned i = 0; i < CONNECTIONS - 1; i++) {
		wait_much(fds[i]);
	}
	for (unsigned i = 0; i < TURNS_MAX && counters.requests < asked; i++) {
		counters = turn();
		assert_int_equal(take_sent(), 0);
	}
	assert_int_equal(counters.requests, asked);
	assert_int_equal(counters.waits, WATCHES_MAX);
	assert_int_equal(counters.answers, asked - WATCHES_MAX); /* too many */
	assert_int_equal(write(fds[0], set, sizeof(set)), sizeof(set));
	for (unsigned i = 0; i < CONNECTIONS - 1; i++) {
		assert_int_equal(close(fds[i]), 0);
	}
	ask_much(fds[CONNECTIONS - 1]);
	for (unsigned i = 0; i < TURNS_MAX && counters.connections > 1; i++) {
		counters = turn();
		written += take_sent();
	}
	assert_int_equal(counters.connections, 1);
	assert_int_equal(counters.waits, 0);
	assert_true(written != 0);
	for (unsigned i = 0; i < TURNS_MAX && counters.answers < asked - WATCHES_MAX + FRAMES;
	     i++) {
		counters = turn();
	}
	assert_int_equal(counters.answers, asked - WATCHES_MAX + FRAMES);
	assert_int_equal(counters.malformed + counters.long_frames, 0);
	assert_int_equal(close(fds[CONNECTIONS - 1]), 0);
}

static struct tls_client clients[CONNECTIONS];

/* Carries what both sides have said. Returns how many were told something for the first time. */
static unsigned carry(bool *is_told)
{
	static uint8_t bytes[20000];
	unsigned count = 0;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		const ssize_t came = recv(fds[i], bytes, sizeof(bytes), MSG_DONTWAIT);
		size_t size;

		if (came > 0) {
			tls_client_feed(&clients[i], slice_make(bytes, (size_t)came));
			count += is_told[i] ? 0 : 1;
			is_told[i] = true;
		}
		(void)SSL_do_handshake(clients[i].ssl);
		size = tls_client_take(&clients[i], bytes, sizeof(bytes));
		assert_int_equal(size == 0 ? 0 : write(fds[i], bytes, size), size);
	}
	return count;
}

/* All say hello at once: a turn of the loop does the work of a few, and all are served. */
static void test_handshakes_have_their_turn(void **state)
{
	struct ctl_gateway_counters counters = {0};
	bool is_told[CONNECTIONS] = {false};

	(void)state;
	connect_all();
	for (unsigned i = 0; i < TURNS_MAX && counters.connections < CONNECTIONS; i++) {
		const uint64_t before = counters.accepted;

		counters = turn();
		assert_true(counters.accepted - before <= TURN_SHAKES_MAX);
	}
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		tls_client_open(&clients[i], TLS1_3_VERSION);
	}
	assert_int_equal(carry(is_told), 0);
	for (unsigned i = 0; i < TURNS_MAX && counters.tls < CONNECTIONS; i++) {
		counters = turn();
		assert_true(carry(is_told) <= TURN_SHAKES_MAX);
	}
	assert_int_equal(counters.tls, CONNECTIONS);
	assert_int_equal(counters.tls_bad + counters.tls_slow, 0);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		tls_client_close(&clients[i]);
		assert_int_equal(close(fds[i]), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_turn_takes_its_share_and_no_more, open_all,
	                                        close_all),
		cmocka_unit_test_setup_teardown(test_held_ones_may_go, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_who_is_gone_waits_for_nothing, open_all,
	                                        close_all),
		cmocka_unit_test_setup_teardown(test_handshakes_have_their_turn, open_tls,
	                                        close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
