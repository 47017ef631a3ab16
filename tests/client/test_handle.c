/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the client library does what coffer.h says, over real sockets.
 * Method: a tiny cluster of real replicas on 127.0.0.1, some of it with losses, one that loses its
 *         leader; forged answers; and nobody at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/replica.h"
#include "control/client/coffer.h"
#include "store/proto.h"
#include "tests/client/tiny_cluster.h"

static_assert((int)COFFER_LEADER == (int)PAXOS_LEADER, "roles are those of the replica");
static_assert((int)COFFER_OUTSIDER == (int)PAXOS_OUTSIDER, "roles are those of the replica");
static_assert((int)COFFER_DISK == (int)PAXOS_DISK, "modes are those of the replica");

static struct tiny_cluster *cluster;

static struct coffer *open_handle(const char *servers, uint32_t timeout_ms)
{
	struct coffer_options options;
	struct coffer *coffer;

	coffer_options_default(&options);
	options.timeout_ms = timeout_ms;
	assert_int_equal(coffer_open(&coffer, servers, &options), 0);
	return coffer;
}

static int start(void **state)
{
	(void)state;
	cluster = tiny_cluster_new(0, 1);
	return 0;
}

static int start_lossy(void **state)
{
	(void)state;
	cluster = tiny_cluster_new(20, 2);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	tiny_cluster_free(cluster);
	return 0;
}

static void test_calls_do_what_they_say(void **state)
{
	struct coffer *coffer = open_handle(tiny_cluster_servers(cluster), 10000);
	struct coffer_result result;
	int64_t revision;

	(void)state;
	assert_int_equal(coffer_set(coffer, "/a", "one", 3, 0, &result), COFFER_DONE);
	revision = result.revision;
	assert_true(revision > 0);
	assert_int_equal(result.durability, COFFER_MEMORY);
	assert_true(result.latency_ns > 0);
	assert_int_equal(coffer_set(coffer, "/a", "two", 3, 0, &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_MISMATCH);
	assert_int_equal(result.revision, revision);
	assert_int_equal(coffer_get(coffer, "/a", &result), COFFER_DONE);
	assert_int_equal(result.value_size, 3);
	assert_memory_equal(result.value, "one", 3);
	assert_int_equal(coffer_set(coffer, "/a", "", 0, revision, &result), COFFER_DONE);
	assert_int_equal(coffer_stat(coffer, "/a", &result), COFFER_DONE);
	assert_false(result.is_directory);
	assert_int_equal(result.count, 0);
	assert_int_equal(coffer_rev(coffer, &result), COFFER_DONE);
	assert_true(result.store_revision > revision);
	assert_int_equal(coffer_nop(coffer, NULL), COFFER_DONE);
	assert_int_equal(coffer_self(coffer, &result), COFFER_DONE);
	assert_in_range(result.node, 1, TINY_SERVERS);
	assert_int_equal(coffer_delete(coffer, "/a", COFFER_ANY, &result), COFFER_DONE);
	assert_int_equal(coffer_get(coffer, "/a", &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NOT_FOUND);
	assert_int_equal(coffer_get(coffer, "no slash", &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_BAD_PATH);
	coffer_close(coffer);
}

/* --- sessions ----------------------------------------------------------------------------- */

static struct coffer *open_session(uint64_t id, uint64_t secret, uint32_t ttl_ms)
{
	struct coffer_options options;
	struct coffer *coffer;

	coffer_options_default(&options);
	options.session = id;
	options.session_secret = secret;
	options.ttl_ms = ttl_ms;
	options.keep_session = true;
	options.requests_max = 2;
	assert_int_equal(coffer_open(&coffer, tiny_cluster_servers(cluster), &options), 0);
	return coffer;
}

static void test_session_outlives_its_process(void **state)
{
	struct coffer *coffer = open_session(0, 0, 20000), *other;
	struct coffer_result result;
	uint64_t id, secret, former;

	(void)state;
	assert_true(coffer_session(coffer, &secret) == 0);
	assert_true(coffer_valid_until_ns(coffer) == 0);
	assert_int_equal(coffer_set(coffer, "/s", "1", 1, COFFER_ANY, &result), COFFER_DONE);
	id = coffer_session(coffer, &secret);
	assert_true(id != 0 && secret != 0);
	former = coffer_valid_until_ns(coffer);
	assert_true(former != 0);
	coffer_close(coffer);
	coffer = open_session(id, secret, 20000);
	assert_int_equal(coffer_set(coffer, "/s", "2", 1, COFFER_ANY, &result), COFFER_DONE);
	assert_true(coffer_session(coffer, NULL) == id);
	assert_true(coffer_valid_until_ns(coffer) > former);
	other = open_session(id, secret, 20000);
	assert_int_equal(coffer_nop(other, &result), COFFER_DONE);
	assert_int_equal(coffer_set(coffer, "/s", "3", 1, COFFER_ANY, &result), COFFER_UNKNOWN);
	assert_int_equal(result.answer, COFFER_STALE_NUMBER);
	assert_true(coffer_session(coffer, NULL) == 0);
	assert_int_equal(coffer_nop(coffer, &result), COFFER_REFUSED);
	coffer_close(coffer);
	coffer_close(other);
	coffer = open_session(id, secret + 1, 20000);
	assert_int_equal(coffer_nop(coffer, &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_BAD_SECRET);
	coffer_close(coffer);
	coffer = open_session(id + 1000, secret, 20000);
	assert_int_equal(coffer_nop(coffer, &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NO_SESSION);
	coffer_close(coffer);
}

struct roll {
	unsigned count, stop_after;
	struct coffer_session_entry last;
};

static int call_roll(void *context, const struct coffer_session_entry *entry)
{
	struct roll *roll = context;

	assert_true(entry->id > roll->last.id);
	roll->last = *entry;
	roll->count++;
	return roll->count == roll->stop_after ? 1 : 0;
}

static void test_sessions_are_called(void **state)
{
	enum {
		MANY = 70, /* more than one page */
	};
	struct coffer *handles[MANY];
	struct roll before = {0}, after = {0}, some = {.stop_after = 3};
	struct coffer_result result;

	(void)state;
	handles[0] = open_session(0, 0, 30000);
	assert_int_equal(coffer_sessions(handles[0], call_roll, &before, &result), COFFER_DONE);
	for (unsigned i = 0; i < MANY; i++) {
		handles[i] = i == 0 ? handles[0] : open_session(0, 0, 30000);
		assert_int_equal(coffer_nop(handles[i], NULL), COFFER_DONE);
	}
	assert_int_equal(coffer_sessions(handles[0], call_roll, &after, &result), COFFER_DONE);
	assert_in_range(after.count, MANY, MANY + before.count);
	assert_true(after.last.id == coffer_session(handles[MANY - 1], NULL));
	assert_int_equal(after.last.ttl_ms, 30000);
	assert_in_range(after.last.left_ms, 1, 30000);
	assert_int_equal(coffer_sessions(handles[0], call_roll, &some, NULL), COFFER_DONE);
	assert_int_equal(some.count, 3);
	for (unsigned i = 0; i < MANY; i++) {
		coffer_close(handles[i]);
	}
}

/* --- pages -------------------------------------------------------------------------------- */

struct names {
	unsigned count;
	char last[64];
	unsigned stop_after;
};

static int collect(void *context, const struct coffer_entry *entry)
{
	struct names *names = context;
	char name[64];

	assert_in_range(entry->name_size, 1, sizeof(name) - 1);
	memcpy(name, entry->name, entry->name_size);
	name[entry->name_size] = '\0';
	assert_true(strcmp(name, names->last) > 0);
	memcpy(names->last, name, sizeof(name));
	names->count++;
	return names->count == names->stop_after ? 7 : 0;
}

static void test_long_directories_come_page_by_page(void **state)
{
	struct coffer *coffer = open_handle(tiny_cluster_servers(cluster), 10000);
	struct coffer_request request = {.verb = COFFER_LIST, .path = "/many", .limit = 3};
	struct names names = {0};
	struct coffer_result result;
	char path[32];
	int stopped = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		(void)snprintf(path, sizeof(path), "/many/%02u", i);
		assert_int_equal(coffer_set(coffer, path, "x", 1, COFFER_ANY, NULL), COFFER_DONE);
	}
	assert_int_equal(coffer_each(coffer, &request, collect, &names, NULL, &result),
	                 COFFER_DONE);
	assert_int_equal(names.count, 10);
	assert_string_equal(names.last, "09");
	names = (struct names){.stop_after = 5};
	assert_int_equal(coffer_each(coffer, &request, collect, &names, &stopped, &result),
	                 COFFER_DONE);
	assert_int_equal(names.count, 5);
	assert_int_equal(stopped, 7);
	names = (struct names){0};
	assert_int_equal(coffer_find(coffer, "/many/*", collect, &names, &result), COFFER_DONE);
	assert_int_equal(names.count, 10);
	assert_string_equal(names.last, "/many/09");
	assert_int_equal(coffer_list(coffer, "/absent", collect, &names, &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NOT_FOUND);
	request.verb = COFFER_GET;
	assert_int_equal(coffer_each(coffer, &request, collect, &names, NULL, &result), -EINVAL);
	coffer_close(coffer);
}

enum {
	WIDE = 6000 /* more than a server looks at for one request */
};

static void test_what_matches_little_comes_in_steps(void **state)
{
	struct coffer *coffer = open_handle(tiny_cluster_servers(cluster), 10000);
	struct coffer_request request = {.verb = COFFER_FIND, .path = "/wide/*last"};
	char path[32], after[COFFER_PATH_SIZE_MAX + 1];
	struct names names = {0};
	struct coffer_result result;
	struct coffer_entry entry;
	size_t position = 0;
	uint32_t offset;

	(void)state;
	for (unsigned i = 0; i <= WIDE; i++) {
		(void)snprintf(path, sizeof(path), "/wide/%05u%s", i, i == WIDE ? "last" : "");
		assert_int_equal(coffer_set(coffer, path, "x", 1, COFFER_ANY, NULL), COFFER_DONE);
	}
	assert_int_equal(coffer_call(coffer, &request, &result), COFFER_DONE);
	assert_true(result.has_more);
	assert_int_equal(result.count, 0);
	assert_int_equal(coffer_page_next(&result, &position, &entry), 0);
	assert_int_equal(coffer_page_rest(&result, after, &offset), 0);
	assert_int_equal(strncmp(after, "/wide/0", 7), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(coffer_each(coffer, &request, collect, &names, NULL, &result),
	                 COFFER_DONE);
	assert_int_equal(names.count, 1);
	assert_int_equal(coffer_page_rest(&result, after, &offset), -EBADMSG);

	/* An offset is passed over once, however many pages that takes. */
	for (unsigned i = 0; i < 2; i++) {
		request = (struct coffer_request){.verb = i == 0 ? COFFER_LIST : COFFER_FIND,
		                                  .path = i == 0 ? "/wide" : "/wide/**",
		                                  .offset = WIDE - 9};
		names = (struct names){0};
		assert_int_equal(coffer_each(coffer, &request, collect, &names, NULL, &result),
		                 COFFER_DONE);
		assert_int_equal(names.count, 10);
	}
	assert_int_equal(coffer_stat(coffer, "/wide", &result), COFFER_DONE);
	assert_true(result.has_more);
	assert_in_range(result.children, 1000, WIDE);
	assert_int_equal(coffer_stat(coffer, "/", &result), COFFER_DONE);
	assert_false(result.has_more);
	coffer_close(coffer);
}

/* --- many at once ------------------------------------------------------------------------- */

enum {
	WRITES = 500,
	LONG = 20000
};

struct flood {
	struct coffer *coffer;
	unsigned submitted, done, refused, unknown;
	int64_t revisions[WRITES];
	uint8_t value[LONG];
};

static void on_done(void *context, const struct coffer_result *result);

static void submit(struct flood *flood)
{
	char path[32];
	const struct coffer_request request = {
		.verb = COFFER_SET,
		.path = path,
		.value = flood->value,
		.value_size = flood->submitted % 50 == 0 ? LONG : 8,
		.condition = COFFER_IF_EQUAL, /* a second effect would be a mismatch */
		.rev = 0,
	};

	if (flood->submitted == WRITES) {
		return;
	}
	(void)snprintf(path, sizeof(path), "/flood/%u", flood->submitted);
	assert_int_equal(coffer_submit(flood->coffer, &request, on_done, flood, NULL), 0);
	flood->submitted++;
}

static void on_done(void *context, const struct coffer_result *result)
{
	struct flood *flood = context;

	if (result->outcome == COFFER_DONE) {
		flood->revisions[flood->done++] = result->revision;
	} else if (result->outcome == COFFER_UNKNOWN) {
		flood->unknown++;
	} else {
		flood->refused++;
	}
	submit(flood); /* from inside the callback */
	assert_int_equal(coffer_process(flood->coffer), -EBUSY);
	assert_int_equal(coffer_nop(flood->coffer, NULL), -EBUSY);
}

static void wait_for(struct flood *flood)
{
	struct pollfd ready = {.fd = coffer_fd(flood->coffer), .events = POLLIN};

	while (flood->done + flood->refused + flood->unknown < flood->submitted) {
		assert_int_equal(poll(&ready, 1, 30000), 1);
		assert_true(coffer_process(flood->coffer) >= 0);
	}
}

static void start_flood(struct flood *flood)
{
	memset(flood, 0, sizeof(*flood));
	flood->coffer = open_handle(tiny_cluster_servers(cluster), 20000);
	for (unsigned i = 0; i < COFFER_REQUESTS_MAX; i++) {
		submit(flood);
	}
	assert_int_equal(coffer_outstanding(flood->coffer), COFFER_REQUESTS_MAX);
}

/* Each file is there, once, with the revision that was told. */
static void check_flood(struct flood *flood)
{
	struct names names = {0};
	struct coffer_result result;

	for (unsigned i = 0; i < flood->done; i++) {
		for (unsigned k = 0; k < i; k++) {
			assert_true(flood->revisions[i] != flood->revisions[k]);
		}
	}
	assert_int_equal(coffer_find(flood->coffer, "/flood/*", collect, &names, &result),
	                 COFFER_DONE);
	assert_int_equal(names.count, WRITES);
	assert_int_equal(coffer_get(flood->coffer, "/flood/50", &result), COFFER_DONE);
	assert_int_equal(result.value_size, LONG);
	assert_memory_equal(result.value, flood->value, LONG);
	coffer_close(flood->coffer);
}

static void test_losses_are_made_good_and_nothing_happens_twice(void **state)
{
	struct flood flood;

	(void)state;
	start_flood(&flood);
	wait_for(&flood);
	assert_int_equal(flood.done, WRITES);
	check_flood(&flood);
}

static void test_writes_go_on_when_the_leader_falls_silent(void **state)
{
	const unsigned leader = tiny_cluster_leader(cluster);
	struct flood flood;

	(void)state;
	start_flood(&flood);
	while (flood.done < WRITES / 4) {
		assert_true(coffer_process(flood.coffer) >= 0);
	}
	tiny_cluster_silence(cluster, leader);
	wait_for(&flood);
	assert_int_equal(flood.done, WRITES);
	assert_int_not_equal(tiny_cluster_leader(cluster), leader);
	check_flood(&flood);
}

static void test_no_quorum_is_told_from_may_have_happened(void **state)
{
	struct coffer *coffer = open_handle(tiny_cluster_servers(cluster), 10000);
	const unsigned leader = tiny_cluster_leader(cluster);
	struct coffer_result result;
	struct coffer *other;

	(void)state;
	assert_int_equal(coffer_set(coffer, "/a", "x", 1, COFFER_ANY, NULL), COFFER_DONE);
	tiny_cluster_silence(cluster, (leader + 1) % TINY_SERVERS);
	tiny_cluster_silence(cluster, (leader + 2) % TINY_SERVERS);
	/* This one has a session, so the write goes out. */
	{
		const struct coffer_request request = {
			.verb = COFFER_SET, .path = "/a", .timeout_ms = 1000};

		assert_int_equal(coffer_call(coffer, &request, &result), COFFER_UNKNOWN);
	}
	coffer_close(coffer);
	/* This one cannot even open one. */
	other = open_handle(tiny_cluster_servers(cluster), 1000);
	assert_int_equal(coffer_set(other, "/a", "x", 1, COFFER_ANY, &result), COFFER_UNREACHED);
	assert_int_equal(coffer_get(other, "/a", &result), COFFER_UNREACHED);
	coffer_close(other);
}

/* --- without a cluster -------------------------------------------------------------------- */

static int bind_socket(char *ret_text, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
	socklen_t address_size = sizeof(address);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_size), 0);
	(void)snprintf(ret_text, size, "127.0.0.1:%u", ntohs(address.sin_port));
	return fd;
}

static void test_nobody_there_is_unreached(void **state)
{
	char servers[64];
	const int fd = bind_socket(servers, sizeof(servers));
	struct coffer *coffer = open_handle(servers, 300);
	struct coffer_result result;

	(void)state;
	assert_int_equal(coffer_get(coffer, "/a", &result), COFFER_UNREACHED);
	assert_false(result.heard);
	assert_true(result.sends >= 2);
	assert_int_equal(coffer_set(coffer, "/a", "x", 1, COFFER_ANY, &result), COFFER_UNREACHED);
	assert_int_equal(result.sends, 0);
	(void)close(fd);
	assert_int_equal(coffer_get(coffer, "/a", &result), COFFER_UNREACHED); /* port closed */
	coffer_close(coffer);
}

/* Answers whatever came with "not found", from this socket. */
static void forge(int from, const uint8_t *request, size_t size, const struct sockaddr_in *to)
{
	const struct proto_answer answer = {.verb = PROTO_GET, .answer = STORE_NOT_FOUND};
	uint8_t message[PROTO_ANSWER_OVERHEAD], bytes[STORE_DATAGRAM_SIZE_MAX];
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;

	assert_int_equal(store_datagram_open(slice_make(request, size), &datagram),
	                 STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	size = proto_answer_encode(&answer, message, sizeof(message));
	size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, 1, slice_make(message, size),
	                            bytes);
	assert_true(sendto(from, bytes, size, 0, (const struct sockaddr *)to, sizeof(*to)) > 0);
}

static void note_outcome(void *context, const struct coffer_result *result)
{
	*(int *)context = (int)result->outcome;
}

static void test_answers_from_strangers_are_dropped(void **state)
{
	char servers[64], strangers[64];
	const int server = bind_socket(servers, sizeof(servers));
	const int stranger = bind_socket(strangers, sizeof(strangers));
	struct coffer *coffer = open_handle(servers, 5000);
	const struct coffer_request request = {.verb = COFFER_GET, .path = "/a"};
	struct pollfd ready = {.fd = coffer_fd(coffer), .events = POLLIN};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct sockaddr_in client;
	socklen_t client_size = sizeof(client);
	int outcome = -1;
	ssize_t size;

	(void)state;
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, &outcome, NULL), 0);
	size = recvfrom(server, bytes, sizeof(bytes), 0, (struct sockaddr *)&client, &client_size);
	assert_true(size > 0);
	forge(stranger, bytes, (size_t)size, &client);
	assert_int_equal(poll(&ready, 1, 30), 0);
	assert_int_equal(coffer_process(coffer), 0);
	assert_int_equal(outcome, -1);
	forge(server, bytes, (size_t)size, &client);
	while (outcome == -1) {
		assert_int_equal(poll(&ready, 1, 5000), 1);
		(void)coffer_process(coffer);
	}
	assert_int_equal(outcome, COFFER_REFUSED);
	coffer_close(coffer);
	(void)close(server);
	(void)close(stranger);
}

static void test_close_calls_back_what_is_outstanding(void **state)
{
	char servers[64];
	const int fd = bind_socket(servers, sizeof(servers));
	struct coffer *coffer = open_handle(servers, 5000);
	const struct coffer_request request = {.verb = COFFER_GET, .path = "/a"};
	int closed = -1, cancelled = -1;
	uint64_t id;

	(void)state;
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, &closed, NULL), 0);
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, &cancelled, &id), 0);
	assert_int_equal(coffer_cancel(coffer, id), 0);
	assert_int_equal(coffer_cancel(coffer, id), -ENOENT);
	assert_int_equal(cancelled, -1);
	{
		struct pollfd ready = {.fd = coffer_fd(coffer), .events = POLLIN};

		assert_int_equal(poll(&ready, 1, 5000), 1); /* a result waits: no need to wait */
	}
	assert_int_equal(coffer_process(coffer), 1);
	assert_int_equal(cancelled, COFFER_UNREACHED);
	coffer_close(coffer);
	assert_int_equal(closed, COFFER_UNREACHED);
	(void)close(fd);
}

static void test_wrong_use_is_told(void **state)
{
	struct coffer_request request = {.verb = COFFER_GET};
	struct coffer_options options;
	struct coffer *coffer;
	char many[400] = "127.0.0.1";
	size_t used = strlen(many);

	(void)state;
	(void)unsetenv("COFFER_SERVERS");
	assert_int_equal(coffer_open(&coffer, NULL, NULL), -EDESTADDRREQ);
	assert_int_equal(coffer_open(&coffer, "  ", NULL), -EDESTADDRREQ);
	assert_int_equal(coffer_open(&coffer, "127.0.0.1,", NULL), -EINVAL);
	assert_int_equal(coffer_open(&coffer, "127.0.0.1:0", NULL), -EINVAL);
	assert_int_equal(coffer_open(&coffer, "127.0.0.1:65536", NULL), -EINVAL);
	assert_int_equal(coffer_open(&coffer, "127.0.0.1:80x", NULL), -EINVAL);
	assert_int_equal(coffer_open(&coffer, ":80", NULL), -EINVAL);
	assert_int_equal(coffer_open(&coffer, "a b", NULL), -EINVAL);
	for (unsigned i = 0; i < COFFER_SERVERS_MAX; i++) {
		used += (size_t)snprintf(many + used, sizeof(many) - used, ",127.0.0.1");
	}
	assert_int_equal(coffer_open(&coffer, many, NULL), -E2BIG);
	coffer_options_default(&options);
	options.requests_max = 0;
	assert_int_equal(coffer_open(&coffer, "127.0.0.1", &options), -EINVAL);
	coffer_options_default(&options);
	options.watches_max = 0;
	assert_int_equal(coffer_open(&coffer, "127.0.0.1", &options), -EINVAL);
	coffer_close(NULL);

	coffer = open_handle(" 127.0.0.1:1 ,127.0.0.1", 100);
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, NULL, NULL), -EINVAL);
	request.path = "/a";
	assert_int_equal(coffer_submit(coffer, &request, NULL, NULL, NULL), -EINVAL);
	request.verb = (enum coffer_verb)1;
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, NULL, NULL), -EINVAL);
	request.verb = COFFER_LIST;
	request.limit = UINT16_MAX + 1;
	assert_int_equal(coffer_submit(coffer, &request, note_outcome, NULL, NULL), -EINVAL);
	assert_int_equal(coffer_outstanding(coffer), 0);
	coffer_close(coffer);
}

#define BESIDE(name, begin) cmocka_unit_test_setup_teardown(name, begin, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_use_is_told),
		cmocka_unit_test(test_nobody_there_is_unreached),
		cmocka_unit_test(test_answers_from_strangers_are_dropped),
		cmocka_unit_test(test_close_calls_back_what_is_outstanding),
		BESIDE(test_calls_do_what_they_say, start),
		BESIDE(test_session_outlives_its_process, start),
		BESIDE(test_sessions_are_called, start),
		BESIDE(test_long_directories_come_page_by_page, start),
		BESIDE(test_what_matches_little_comes_in_steps, start),
		BESIDE(test_losses_are_made_good_and_nothing_happens_twice, start_lossy),
		BESIDE(test_writes_go_on_when_the_leader_falls_silent, start),
		BESIDE(test_no_quorum_is_told_from_may_have_happened, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
