/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the DPDK shell without root, hugepages or a network card: links, mail, two workers, rest
 *         and stop.
 * Method: the shell runs in this process, over a replica that sends back what it gets; the test
 *         holds the other ends of its links and the slow path's end of the mailbox. DPDK starts
 *         once in a process, so the steps share one start and stand in one order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/mailbox.h"
#include "dataplane/dataplane.h"
#include "dataplane/link.h"
#include "store/base/check.h"
#include "store/proto.h"
#include "tests/system/echo_replica.h"

enum {
	MAIL_SIZE = 1 << 20,
	PATIENCE_MS = 10000,
	WINDOW = 64,
	ECHOES = 200000,
};

static char folder[64];
static char peer_path[128], near_path[128], far_path[128];
static struct paxos_mailbox mailbox;
static _Alignas(64) uint8_t to_worker[MAIL_SIZE], from_worker[MAIL_SIZE];
static struct store *the_store;
static struct dp *dp;
static struct dp_link *peer_link, *near_link, *far_link;
static uint8_t memory[STORE_DATAGRAM_SIZE_MAX];

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct dp_port_config link_port(const char *path, int peer)
{
	struct dp_port_config port = {.kind = DP_PORT_LINK, .peer = peer};

	(void)snprintf(port.device, sizeof(port.device), "%s", path);
	return port;
}

/* Port 0: to member 1. Ports 1 and 2: clients; with two workers both belong to worker 1. */
static struct dp_config make_config(void)
{
	struct dp_config config = {
		.name = "test_worker",
		.no_huge = true,
		.memory_mb = 64,
		.worker_count = 2,
		.cores = {-1, -1},
		.poll = DP_POLL_ADAPTIVE,
		.sleep_max_ns = 5000000,
		.udp_port = 8046,
		.port_count = 3,
		.node = 0,
		.count = 2,
		.cluster = 1,
		.durability = PAXOS_MEMORY,
		.watches_max = 4,
	};

	config.ports[0] = link_port(peer_path, 1);
	config.ports[1] = link_port(near_path, PAXOS_NOBODY);
	config.ports[2] = link_port(far_path, PAXOS_NOBODY);
	return config;
}

static int start_all(void **state)
{
	const struct store_config store = {
		.quota_bytes = 1 << 20, .sessions_max = 16, .events_max = 1024};
	struct dp_config config;
	char reason[256] = "";

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/test_worker.XXXXXX");
	must(mkdtemp(folder) != NULL);
	(void)snprintf(peer_path, sizeof(peer_path), "%s/peer", folder);
	(void)snprintf(near_path, sizeof(near_path), "%s/near", folder);
	(void)snprintf(far_path, sizeof(far_path), "%s/far", folder);
	config = make_config();
	must(store_new(&the_store, &store) == 0);
	paxos_mailbox_init(&mailbox, to_worker, from_worker, MAIL_SIZE);
	if (dp_start(&dp, &config, echo_replica(0, 2), the_store, &mailbox, reason) < 0) {
		(void)fprintf(stderr, "%s\n", reason);
		return -1;
	}
	must(dp_link_open(&peer_link, peer_path, true) == 0);
	must(dp_link_open(&near_link, near_path, true) == 0);
	must(dp_link_open(&far_link, far_path, true) == 0);
	return 0;
}

static int stop_all(void **state)
{
	(void)state;
	dp_stop(dp);
	dp_link_close(peer_link);
	dp_link_close(near_link);
	dp_link_close(far_link);
	store_free(the_store);
	(void)unlink(peer_path);
	(void)unlink(near_path);
	(void)unlink(far_path);
	return rmdir(folder);
}

/* The next datagram, or 0 when patience ends. */
static size_t wait_for(struct dp_link *link)
{
	const uint64_t until_ms = now_ms() + PATIENCE_MS;

	while (dp_link_is_empty(link) && now_ms() < until_ms) {
		dp_link_sleep(&link, 1, 1000000);
	}
	return dp_link_get(link, memory);
}

static uint64_t counted(enum dp_counter counter)
{
	uint64_t counters[DP_COUNTER_COUNT];

	dp_counters(dp, counters);
	return counters[counter];
}

static void test_wrong_configurations_are_refused_with_a_sentence(void **state)
{
	struct dp_config config = make_config();
	struct dp *none = NULL;
	char reason[256] = "";

	(void)state;
	config.worker_count = 0;
	assert_int_equal(dp_start(&none, &config, NULL, NULL, NULL, reason), -EINVAL);
	assert_true(strlen(reason) > 10);
	config = make_config();
	config.ports[0].kind = DP_PORT_ETHDEV;
	assert_int_equal(dp_start(&none, &config, NULL, NULL, NULL, reason), -EINVAL);
	assert_non_null(strstr(reason, "port 1"));
	/* DPDK starts once in a process. */
	config = make_config();
	assert_int_equal(dp_start(&none, &config, NULL, NULL, &(struct paxos_mailbox){0}, reason),
	                 -EALREADY);
	assert_null(none);
}

static void test_client_is_answered_through_two_workers(void **state)
{
	struct dp_link *const links[2] = {near_link, far_link};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (size_t size = 1; size <= STORE_DATAGRAM_SIZE_MAX; size += 67) {
			uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

			memset(bytes, (int)(size & 255), sizeof(bytes));
			assert_true(dp_link_put(links[i], slice_make(bytes, size)));
			dp_link_flush(links[i]);
			assert_int_equal(wait_for(links[i]), size);
			assert_memory_equal(memory, bytes, size);
		}
	}
	assert_true(counted(DP_PASSED) > 0);
	assert_int_equal(counted(DP_READS), 0);
}

/* What worker 1 answers by itself; more than it keeps it refuses. */
static void test_watch_is_kept_by_the_worker_it_comes_to(void **state)
{
	struct proto_request request = {
		.verb = PROTO_WATCH, .path = slice_text("/**"), .ttl_ms = 10000};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct proto_head head = {.number = (uint64_t)1 << 62 | i, .segments = 1};
		uint8_t message[256], bytes[STORE_DATAGRAM_SIZE_MAX];
		struct store_datagram datagram;
		struct proto_answer answer;
		struct slice piece;
		size_t size = proto_request_encode(&request, message, sizeof(message));

		size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 1,
		                            slice_make(message, size), bytes);
		assert_true(dp_link_put(near_link, slice_make(bytes, size)));
		dp_link_flush(near_link);
		size = wait_for(near_link);
		assert_int_equal(store_datagram_open(slice_make(memory, size), &datagram),
		                 STORE_DATAGRAM_GOOD);
		assert_int_equal(datagram.kind, STORE_DATAGRAM_ANSWER);
		assert_true(proto_segment_decode(&datagram, &head, &piece));
		assert_int_equal(head.number, (uint64_t)1 << 62 | i);
		assert_true(proto_answer_decode(piece, &answer));
		assert_int_equal(answer.answer, i < 4 ? STORE_OK : STORE_OVERLOADED);
		assert_int_equal(answer.node, 1);
		assert_true(answer.age_ms == UINT32_MAX); /* it never was in touch */
	}
	while (counted(DP_WATCH_ASKS) < 5) {
		(void)usleep(100); /* they are shown at the end of its turn */
	}
	assert_int_equal(counted(DP_WATCHES), 4);
	assert_int_equal(counted(DP_WATCH_FULL), 1);
}

static void test_window_of_datagrams_comes_back_in_order(void **state)
{
	const uint64_t until_ms = now_ms() + PATIENCE_MS;
	uint64_t sent = 0, got = 0;

	(void)state;
	while (got < ECHOES && now_ms() < until_ms) {
		for (; sent < ECHOES && sent - got < WINDOW; sent++) {
			assert_true(dp_link_put(near_link, slice_make(&sent, sizeof(sent))));
		}
		dp_link_flush(near_link);
		while (dp_link_get(near_link, memory) == sizeof(got)) {
			assert_memory_equal(memory, &got, sizeof(got));
			got++;
		}
		if (dp_link_is_empty(near_link)) {
			dp_link_sleep(&near_link, 1, 100000);
		}
	}
	assert_int_equal(got, ECHOES);
}

static void test_peer_is_known_by_its_link(void **state)
{
	const uint64_t before = echo_counts.from_peers[1];
	const uint64_t until_ms = now_ms() + PATIENCE_MS;

	(void)state;
	assert_int_equal(wait_for(peer_link), strlen("to a peer"));
	assert_true(dp_link_put(peer_link, slice_text("from a peer")));
	dp_link_flush(peer_link);
	while (echo_counts.from_peers[1] == before && now_ms() < until_ms) {
		(void)usleep(100);
	}
	assert_int_equal(echo_counts.from_peers[1], before + 1);
}

static void tell_worker(const struct paxos_mail *mail)
{
	assert_true(paxos_mailbox_put_to_worker(&mailbox, mail));
	paxos_mailbox_ring_worker(&mailbox);
}

static struct paxos_mail wait_for_mail(void)
{
	const uint64_t until_ms = now_ms() + PATIENCE_MS;
	struct paxos_mail mail = {0};

	while (!paxos_mailbox_peek_from_worker(&mailbox, &mail) && now_ms() < until_ms) {
		(void)usleep(100);
	}
	return mail;
}

static void test_mail_is_answered_while_the_worker_sleeps(void **state)
{
	struct paxos_mail mail = {
		.kind = PAXOS_MAIL_CLIENT,
		.address = {.bytes = {1, 2, 3}},
		.bytes = slice_text("from a socket"),
	};

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct paxos_mail answer;

		tell_worker(&mail);
		answer = wait_for_mail();
		assert_int_equal(answer.kind, PAXOS_MAIL_REPLY);
		assert_memory_equal(&answer.address, &mail.address, sizeof(mail.address));
		assert_true(slice_equal(answer.bytes, mail.bytes));
		paxos_mailbox_pop_from_worker(&mailbox);
		(void)usleep(1000); /* now it sleeps again */
	}
}

static void test_status_tells_replica_and_counters(void **state)
{
	struct paxos_mail mail = {.kind = PAXOS_MAIL_STATUS_ASK, .address = {.bytes = {9}}};
	struct paxos_status status;
	uint64_t counters[DP_COUNTER_COUNT];
	struct paxos_mail answer;

	(void)state;
	tell_worker(&mail);
	answer = wait_for_mail();
	assert_int_equal(answer.kind, PAXOS_MAIL_STATUS);
	assert_int_equal(answer.address.bytes[0], 9);
	assert_int_equal(answer.bytes.size, sizeof(status) + sizeof(counters));
	memcpy(&status, answer.bytes.data, sizeof(status));
	memcpy(counters, answer.bytes.data + sizeof(status), sizeof(counters));
	assert_int_equal(status.voters, 3);
	assert_true(counters[DP_TURNS] > 0);
	assert_true(counters[DP_RX_FRAMES] > ECHOES);
	paxos_mailbox_pop_from_worker(&mailbox);
}

static void test_resign_and_grace_reach_their_place(void **state)
{
	const uint64_t number = store_grace_wanted(the_store);
	const uint64_t until_ms = now_ms() + PATIENCE_MS;
	struct paxos_mail mail = {.kind = PAXOS_MAIL_GRACE,
	                          .bytes = slice_make(&number, sizeof(number))};

	(void)state;
	tell_worker(&mail);
	mail = (struct paxos_mail){.kind = PAXOS_MAIL_RESIGN};
	tell_worker(&mail);
	while (echo_counts.resigned == 0 && now_ms() < until_ms) {
		(void)usleep(100);
	}
	assert_int_equal(echo_counts.resigned, 1);
}

static void test_idle_workers_sleep_and_keep_their_deadlines(void **state)
{
	const uint64_t sleeps = counted(DP_SLEEPS), ticks = echo_counts.ticks;
	struct timespec cpu_before, cpu_after;
	uint64_t cpu_ms;

	(void)state;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
	(void)usleep(1000000);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
	cpu_ms = (uint64_t)((cpu_after.tv_sec - cpu_before.tv_sec) * 1000 +
	                    (cpu_after.tv_nsec - cpu_before.tv_nsec) / 1000000);
	/* A deadline every 10 ms, sleeps of at most 5: far from a core, far from nothing. */
	assert_true(counted(DP_SLEEPS) - sleeps >= 100);
	assert_true(echo_counts.ticks - ticks >= 50);
	assert_true(cpu_ms < 500);
	assert_true(counted(DP_POLL_GAP_MAX_NS) > 0);
}

static void test_full_link_drops_and_counts(void **state)
{
	const uint64_t before = counted(DP_DROP_TX_FULL);
	const uint64_t until_ms = now_ms() + 3 * PATIENCE_MS;

	(void)state;
	/* Nobody reads the answers: 1,024 slots are full soon. */
	while (counted(DP_DROP_TX_FULL) == before && now_ms() < until_ms) {
		(void)dp_link_put(far_link, slice_text("x"));
		dp_link_flush(far_link);
		(void)usleep(100);
	}
	assert_true(counted(DP_DROP_TX_FULL) > before);
	while (dp_link_get(far_link, memory) != 0) {
	}
	(void)usleep(100000);
	while (dp_link_get(far_link, memory) != 0) {
	}
	assert_true(dp_link_put(far_link, slice_text("still there?")));
	dp_link_flush(far_link);
	assert_int_equal(wait_for(far_link), strlen("still there?"));
}

static void test_link_whose_file_was_removed_is_healed(void **state)
{
	const uint64_t until_ms = now_ms() + PATIENCE_MS;

	(void)state;
	assert_int_equal(unlink(near_path), 0);
	while (counted(DP_HEALED) == 0 && now_ms() < until_ms) {
		(void)usleep(10000);
	}
	assert_int_equal(dp_link_heal(near_link), 1);
	assert_true(dp_link_put(near_link, slice_text("found again")));
	dp_link_flush(near_link);
	assert_int_equal(wait_for(near_link), strlen("found again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_configurations_are_refused_with_a_sentence),
		cmocka_unit_test(test_client_is_answered_through_two_workers),
		cmocka_unit_test(test_watch_is_kept_by_the_worker_it_comes_to),
		cmocka_unit_test(test_window_of_datagrams_comes_back_in_order),
		cmocka_unit_test(test_peer_is_known_by_its_link),
		cmocka_unit_test(test_mail_is_answered_while_the_worker_sleeps),
		cmocka_unit_test(test_status_tells_replica_and_counters),
		cmocka_unit_test(test_resign_and_grace_reach_their_place),
		cmocka_unit_test(test_idle_workers_sleep_and_keep_their_deadlines),
		cmocka_unit_test(test_full_link_drops_and_counts),
		cmocka_unit_test(test_link_whose_file_was_removed_is_healed),
	};

	return cmocka_run_group_tests(tests, start_all, stop_all);
}
