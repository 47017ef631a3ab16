/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   three replicas agree, answer, survive the loss of their leader, and drop what is
 *         hostile; the faults and the long runs are the simulator's (tests/sim).
 * Method: a shell of a few lines that delivers every datagram at once, in order, and lets a
 *         clock run in steps of a tenth of a millisecond.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <urcu-qsbr.h>

#include "consensus/msg.h"
#include "consensus/note.h"
#include "consensus/quorum.h"
#include "consensus/record.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/proto.h"

enum {
	NODES = 3,
	QUEUE_MAX = 4096,
	STEP_NS = 100000,
	SUSPICION_MS = 80, /* paxos_config_default() */
};

struct letter {
	unsigned to;
	int from;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct trio {
	struct paxos_replica *replicas[NODES];
	struct store *stores[NODES];
	bool down[NODES];
	uint64_t now_ns;
	struct letter *queue;
	unsigned first, count;
	struct proto_answer answer; /* the last one a client got */
	bool answered;
	uint8_t value[STORE_VALUE_SIZE_MAX];
	uint64_t session, number;
	enum paxos_durability durability;
	uint64_t records[NODES]; /* given out last */
};

static void post(struct trio *trio, int from, unsigned to, struct slice bytes)
{
	struct letter *letter = &trio->queue[(trio->first + trio->count) % QUEUE_MAX];

	assert_true(trio->count < QUEUE_MAX);
	letter->to = to;
	letter->from = from;
	letter->size = bytes.size;
	memcpy(letter->bytes, bytes.data, bytes.size);
	trio->count++;
}

static void take_answer(struct trio *trio, struct slice bytes)
{
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;

	assert_int_equal(store_datagram_open(bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_int_equal(head.segments, 1);
	assert_true(proto_answer_decode(piece, &trio->answer));
	assert_true(trio->answer.value.size <= sizeof(trio->value));
	memcpy(trio->value, trio->answer.value.data, trio->answer.value.size);
	trio->answer.value.data = trio->value;
	trio->answer.head = head;
	trio->answered = true;
}

static void obey(struct trio *trio, unsigned node)
{
	struct paxos_effect effect;

	while (paxos_replica_take(trio->replicas[node], &effect)) {
		if (effect.kind == PAXOS_EFFECT_SEND) {
			post(trio, (int)node, effect.peer, effect.bytes);
		} else if (effect.kind == PAXOS_EFFECT_REPLY) {
			take_answer(trio, effect.bytes);
		} else if (effect.kind == PAXOS_EFFECT_PERSIST) {
			trio->records[node] = effect.record; /* durable by the next turn */
		} else {
			assert_int_equal(effect.kind, PAXOS_EFFECT_TRACE);
		}
	}
}

static void turn(struct trio *trio)
{
	trio->now_ns += STEP_NS;
	for (unsigned left = trio->count; left != 0; left--) {
		const struct letter *letter = &trio->queue[trio->first];
		const struct paxos_source source = {.peer = letter->from};
		const unsigned to = letter->to;

		trio->first = (trio->first + 1) % QUEUE_MAX;
		trio->count--;
		if (!trio->down[to]) {
			paxos_replica_receive(trio->replicas[to], trio->now_ns, &source,
			                      slice_make(letter->bytes, letter->size));
		}
	}
	for (unsigned node = 0; node < NODES; node++) {
		if (!trio->down[node]) {
			if (trio->records[node] != 0) {
				paxos_replica_durable(trio->replicas[node], trio->now_ns,
				                      trio->records[node]);
			}
			paxos_replica_tick(trio->replicas[node], trio->now_ns);
			obey(trio, node);
			store_grace_passed(trio->stores[node],
			                   store_grace_wanted(trio->stores[node]));
		}
	}
}

static void run_ms(struct trio *trio, unsigned ms)
{
	for (unsigned i = 0; i < ms * 10; i++) {
		turn(trio);
	}
}

static uint64_t secret_of(unsigned node, uint32_t start)
{
	return 1000 * start + node;
}

static void start_node(struct trio *trio, unsigned node, uint32_t start, bool founding)
{
	const struct store_config store = {
		.quota_bytes = 1 << 20, .sessions_max = 64, .events_max = 256};
	struct paxos_config config = {
		.node = (uint8_t)node,
		.founders = paxos_first(NODES),
		.cluster = 77,
		.incarnation = (uint64_t)start << 32 | (node + 1),
		.start = start,
		.founding = founding,
		.secret = secret_of(node, start),
		.seed = node + 1,
	};

	paxos_config_default(&config);
	config.durability = trio->durability;
	config.log_entries = 256;
	config.log_bytes = 1 << 18;
	assert_int_equal(store_new(&trio->stores[node], &store), 0);
	assert_int_equal(paxos_replica_new(&trio->replicas[node], &config, trio->stores[node]), 0);
	paxos_replica_start(trio->replicas[node], trio->now_ns);
	trio->down[node] = false;
}

static void stop_node(struct trio *trio, unsigned node)
{
	paxos_replica_free(trio->replicas[node]);
	store_free(trio->stores[node]);
	trio->down[node] = true;
}

static struct trio *trio_new_in(enum paxos_durability durability)
{
	struct trio *trio = calloc(1, sizeof(*trio));

	must(trio != NULL);
	trio->queue = calloc(QUEUE_MAX, sizeof(trio->queue[0]));
	must(trio->queue != NULL);
	trio->now_ns = 1000000000;
	trio->durability = durability;
	for (unsigned node = 0; node < NODES; node++) {
		start_node(trio, node, 1, true);
	}
	return trio;
}

static struct trio *trio_new(void)
{
	return trio_new_in(PAXOS_MEMORY);
}

static void trio_free(struct trio *trio)
{
	for (unsigned node = 0; node < NODES; node++) {
		if (!trio->down[node]) {
			stop_node(trio, node);
		}
	}
	free(trio->queue);
	free(trio);
}

static int leader_of(const struct trio *trio)
{
	struct paxos_status status;
	int leader = -1;

	for (unsigned node = 0; node < NODES; node++) {
		if (!trio->down[node]) {
			paxos_replica_status(trio->replicas[node], &status);
			if (status.role == PAXOS_LEADER && status.lease_end_ns > trio->now_ns &&
			    status.deciding) {
				leader = (int)node;
			}
		}
	}
	return leader;
}

static unsigned await_leader(struct trio *trio)
{
	for (unsigned i = 0; i < 1000 && leader_of(trio) < 0; i++) {
		run_ms(trio, 1);
	}
	assert_true(leader_of(trio) >= 0);
	return (unsigned)leader_of(trio);
}

static void ask(struct trio *trio, unsigned node, struct proto_request *request)
{
	uint8_t message[PROTO_MESSAGE_SIZE_MAX], bytes[STORE_DATAGRAM_SIZE_MAX];
	size_t size;

	request->head.segments = 1;
	size = proto_request_encode(request, message, sizeof(message));
	assert_true(size != 0);
	size = proto_segment_encode(&request->head, STORE_DATAGRAM_REQUEST, request->flags, 77,
	                            slice_make(message, size), bytes);
	trio->answered = false;
	post(trio, PAXOS_NOBODY, node, slice_make(bytes, size));
	for (unsigned i = 0; i < 2000 && !trio->answered; i++) {
		turn(trio);
	}
}

static enum store_answer open_session(struct trio *trio, unsigned node)
{
	struct proto_request request = {
		.verb = PROTO_OPEN, .ttl_ms = 60000, .head = {.secret = 4711, .number = 1}};

	ask(trio, node, &request);
	assert_true(trio->answered);
	trio->session = trio->answer.session;
	return trio->answer.answer;
}

static enum store_answer set(struct trio *trio, unsigned node, uint64_t number, const char *path,
                             const char *value)
{
	struct proto_request request = {
		.verb = PROTO_SET,
		.head = {.session = trio->session, .secret = 4711, .number = number},
		.first_unanswered = number,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = slice_text(path),
		.value = slice_text(value),
	};

	ask(trio, node, &request);
	assert_true(trio->answered);
	return trio->answer.answer;
}

static enum store_answer get(struct trio *trio, unsigned node, const char *path)
{
	struct proto_request request = {
		.verb = PROTO_GET, .head = {.number = 9}, .path = slice_text(path)};

	ask(trio, node, &request);
	assert_true(trio->answered);
	return trio->answer.answer;
}

static void test_three_agree_and_answer(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_OK);
	assert_int_equal(trio->answer.revision, 1);
	assert_int_equal(get(trio, leader, "/a"), STORE_OK);
	assert_true(slice_equal(trio->answer.value, slice_text("one")));
	assert_int_equal(trio->answer.durability, PAXOS_MEMORY);
	assert_int_equal(get(trio, (leader + 1) % NODES, "/a"), STORE_NOT_LEADER);
	assert_int_equal(trio->answer.leader, leader + 1);
	trio_free(trio);
}

static enum store_answer watch(struct trio *trio, unsigned node, store_rev_t from)
{
	struct proto_request request = {.verb = PROTO_WATCH,
	                                .head = {.number = (uint64_t)1 << 62 | 5},
	                                .path = slice_text("/**"),
	                                .rev = from,
	                                .last = from - 1,
	                                .ttl_ms = 10000};

	ask(trio, node, &request);
	assert_true(trio->answered);
	return trio->answer.answer;
}

static void test_any_member_watches_and_an_outsider_refers(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio), other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	assert_int_equal(watch(trio, other, 1), STORE_OK);
	assert_int_equal(trio->answer.count, 0);
	assert_int_equal(trio->answer.revision, 1);
	assert_true(trio->answer.age_ms <= 20); /* two heartbeats */
	(void)set(trio, leader, 1, "/a", "one");
	for (unsigned i = 0; i < 2000 && trio->answer.verb != PROTO_WATCH; i++) {
		turn(trio); /* pushed by who hears of it with the next heartbeat */
	}
	assert_int_equal(trio->answer.verb, PROTO_WATCH);
	assert_int_equal(trio->answer.node, other + 1);
	assert_int_equal(trio->answer.head.number, (uint64_t)1 << 62 | 5);
	assert_int_equal(trio->answer.count, 1);
	assert_int_equal(trio->answer.revision, 2);
	assert_int_equal(watch(trio, leader, 2), STORE_OK); /* it goes on anywhere */
	assert_true(trio->answer.age_ms <= 20);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.watches.watches, 1);
	assert_int_equal(status.watches.events, 1);
	stop_node(trio, leader);
	start_node(trio, leader, 2, false);
	assert_int_equal(watch(trio, leader, 2), STORE_NO_QUORUM);
	trio_free(trio);
}

static void test_watch_of_a_server_cut_off_is_seen_to_be_old(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio), other = (leader + 1) % NODES;

	(void)state;
	assert_int_equal(watch(trio, other, 1), STORE_OK);
	for (unsigned node = 0; node < NODES; node++) {
		if (node != other) {
			stop_node(trio, node);
		}
	}
	run_ms(trio, 1000);
	assert_int_equal(watch(trio, other, 1), STORE_OK);
	assert_true(trio->answer.age_ms >= 980 && trio->answer.age_ms <= 1010);
	trio_free(trio);
}

static void test_retry_has_one_effect(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	struct paxos_status status;

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_OK);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_OK);
	assert_int_equal(trio->answer.revision, 1);
	assert_int_equal(set(trio, leader, 2, "/a", "two"), STORE_OK);
	assert_int_equal(trio->answer.revision, 2);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_STALE);
	paxos_replica_status(trio->replicas[leader], &status);
	assert_int_equal(status.duplicates, 1);
	trio_free(trio);
}

static void test_leader_lost_another_leads_with_all_it_had(void **state)
{
	struct trio *trio = trio_new();
	const unsigned first = await_leader(trio);
	unsigned second;

	(void)state;
	assert_int_equal(open_session(trio, first), STORE_OK);
	assert_int_equal(set(trio, first, 1, "/a", "one"), STORE_OK);
	stop_node(trio, first);
	second = await_leader(trio);
	assert_int_not_equal(second, first);
	assert_int_equal(get(trio, second, "/a"), STORE_OK);
	assert_true(slice_equal(trio->answer.value, slice_text("one")));
	assert_int_equal(set(trio, second, 1, "/a", "one"), STORE_OK);
	assert_int_equal(trio->answer.revision, 1);
	assert_int_equal(set(trio, second, 2, "/a", "two"), STORE_OK);
	trio_free(trio);
}

static void test_restarted_server_rejoins_and_is_level(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	const unsigned other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	stop_node(trio, other);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_OK);
	start_node(trio, other, 2, false);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.role, PAXOS_OUTSIDER);
	run_ms(trio, 200);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.role, PAXOS_FOLLOWER);
	assert_int_equal(store_root_revision(store_root(trio->stores[other])), 1);
	assert_true(store_member_incarnation(trio->stores[other], other) >> 32 == 2);
	trio_free(trio);
}

static void test_snapshot_brings_a_server_that_missed_too_much(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	const unsigned other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	stop_node(trio, other);
	for (uint64_t i = 1; i <= 600; i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/n/%u", (unsigned)(i % 100));
		assert_int_equal(set(trio, leader, i, path, "some value or other"), STORE_OK);
	}
	start_node(trio, other, 2, false);
	run_ms(trio, 300);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.role, PAXOS_FOLLOWER);
	assert_int_equal(status.traces[PAXOS_TRACE_SNAPSHOT_IN], 1);
	assert_int_equal(store_root_revision(store_root(trio->stores[other])), 600);
	trio_free(trio);
}

static void test_large_value_travels_in_chunks(void **state)
{
	static char value[STORE_VALUE_SIZE_MAX + 1];
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	struct store_file file;

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	assert_int_equal(open_session(trio, leader), STORE_OK);
	{
		struct proto_request request = {
			.verb = PROTO_SET,
			.head = {.session = trio->session, .secret = 4711, .number = 1},
			.first_unanswered = 1,
			.condition = STORE_IF_EQUAL,
			.path = slice_text("/big"),
			.value = slice_text(value),
		};
		uint8_t message[PROTO_MESSAGE_SIZE_MAX], bytes[STORE_DATAGRAM_SIZE_MAX];
		const size_t size = proto_request_encode(&request, message, sizeof(message));

		request.head.segments = (uint16_t)proto_segments(size);
		trio->answered = false;
		for (; request.head.segment < request.head.segments; request.head.segment++) {
			const size_t piece =
				proto_segment_encode(&request.head, STORE_DATAGRAM_REQUEST, 0, 77,
			                             slice_make(message, size), bytes);

			post(trio, PAXOS_NOBODY, leader, slice_make(bytes, piece));
		}
	}
	run_ms(trio, 100);
	assert_true(trio->answered);
	assert_int_equal(trio->answer.answer, STORE_OK);
	for (unsigned node = 0; node < NODES; node++) {
		assert_int_equal(
			store_get(store_root(trio->stores[node]), slice_text("/big"), &file),
			STORE_OK);
		assert_int_equal(file.value.size, STORE_VALUE_SIZE_MAX);
	}
	trio_free(trio);
}

static void post_note(struct trio *trio, unsigned to, unsigned dead, uint32_t start,
                      uint64_t secret)
{
	const struct paxos_note note = {
		.cluster = 77,
		.node = (uint8_t)dead,
		.incarnation = (uint64_t)start << 32 | (dead + 1),
		.start = start,
		.secret = secret,
	};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

	post(trio, PAXOS_NOBODY, to, slice_make(bytes, paxos_note_encode(&note, bytes)));
}

static void test_death_note_is_believed_from_any_address(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio), other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	run_ms(trio, 50);
	stop_node(trio, leader);
	post_note(trio, other, leader, 1, secret_of(leader, 1));
	run_ms(trio, 2);
	/* Far less than the suspicion or the lease, and it decides already. */
	assert_int_equal(leader_of(trio), other);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.traces[PAXOS_TRACE_REPORTED_DEAD], 1);
	trio_free(trio);
}

static void test_death_note_without_the_secret_or_of_another_start_is_dropped(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio), other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	run_ms(trio, 50);
	post_note(trio, other, leader, 1, secret_of(leader, 1) + 1);
	post_note(trio, other, leader, 2, secret_of(leader, 1));
	post_note(trio, other, leader, 2, secret_of(leader, 2));
	post_note(trio, other, other, 1, secret_of(other, 1));
	post_note(trio, other, NODES, 1, secret_of(NODES, 1));
	run_ms(trio, 20);
	assert_int_equal(leader_of(trio), leader);
	paxos_replica_status(trio->replicas[other], &status);
	assert_int_equal(status.drops[PAXOS_DROP_NOTE], 5);
	assert_int_equal(status.traces[PAXOS_TRACE_REPORTED_DEAD], 0);
	trio_free(trio);
}

static void test_leader_that_resigns_hands_over_and_refers(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	unsigned heir;

	(void)state;
	run_ms(trio, 50);
	assert_int_equal(open_session(trio, leader), STORE_OK);
	paxos_replica_resign(trio->replicas[leader], trio->now_ns);
	obey(trio, leader);
	run_ms(trio, 2);
	heir = (unsigned)leader_of(trio);
	assert_int_not_equal(heir, leader);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_NOT_LEADER);
	assert_int_equal(trio->answer.leader, heir + 1);
	assert_int_equal(set(trio, heir, 1, "/a", "one"), STORE_OK);
	trio_free(trio);
}

static void test_garbage_is_dropped_and_counted(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct paxos_status before, after;
	struct prng prng;

	(void)state;
	prng_init(&prng, 5);
	paxos_replica_status(trio->replicas[leader], &before);
	for (unsigned i = 0; i < 20000; i++) {
		const struct paxos_source source = {.peer = (int)prng_below(&prng, NODES + 1) - 1};
		const size_t body = prng_below(&prng, 200);
		size_t size = STORE_DATAGRAM_HEADER + body;

		for (size_t k = 0; k < size; k++) {
			bytes[k] = (uint8_t)prng_next(&prng);
		}
		if (i % 2 == 0) {
			/* Well-formed outside, a random message of a random member inside. */
			bytes[STORE_DATAGRAM_HEADER] =
				(uint8_t)prng_below(&prng, PAXOS_MSG_COUNT + 1);
			bytes[STORE_DATAGRAM_HEADER + 1] = (uint8_t)(source.peer & 3);
			memset(bytes + STORE_DATAGRAM_HEADER + 2, 0, 2);
			memcpy(bytes + STORE_DATAGRAM_HEADER + 4, &(uint32_t){1}, 4);
			size = store_datagram_close(
				bytes, body, (enum store_datagram_kind)(1 + prng_below(&prng, 3)),
				0, 77);
		}
		paxos_replica_receive(trio->replicas[leader], trio->now_ns, &source,
		                      slice_make(bytes, size));
	}
	paxos_replica_status(trio->replicas[leader], &after);
	assert_int_equal(after.decided, before.decided);
	assert_true(after.drops[PAXOS_DROP_FAULT] >= before.drops[PAXOS_DROP_FAULT] + 9000);
	assert_true(after.drops[PAXOS_DROP_NOT_A_PEER] > before.drops[PAXOS_DROP_NOT_A_PEER]);
	trio_free(trio);
}

/* Says it to `to` in the name of `node`, in its first life. */
static void say(struct trio *trio, unsigned node, unsigned to, struct paxos_msg msg)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	size_t size;

	msg.node = (uint8_t)node;
	msg.configuration = 1;
	if (msg.incarnation == 0) {
		msg.incarnation = (uint64_t)1 << 32 | (node + 1);
		msg.start = 1;
	}
	size = store_datagram_close(bytes, paxos_msg_encode(&msg, bytes + STORE_DATAGRAM_HEADER),
	                            STORE_DATAGRAM_PEER, 0, 77);
	post(trio, (int)node, to, slice_make(bytes, size));
}

/* Says it to everybody else in the name of `node`, of a life that never was. */
static void forge(struct trio *trio, unsigned node, struct paxos_msg msg)
{
	msg.incarnation = UINT64_MAX;
	msg.start = UINT32_MAX;
	for (unsigned to = 0; to < NODES; to++) {
		if (to != node) {
			say(trio, node, to, msg);
		}
	}
}

static uint64_t stood(const struct trio *trio, unsigned node)
{
	struct paxos_status status;

	paxos_replica_status(trio->replicas[node], &status);
	return status.traces[PAXOS_TRACE_STANDS];
}

/* It promised this ballot in an earlier start, durably, and has to be asked for it again. */
static void test_lost_promise_is_found_out(void **state)
{
	struct trio *trio = trio_new_in(PAXOS_DISK);
	const unsigned leader = await_leader(trio);
	const unsigned other = (leader + 1) % NODES;
	struct paxos_msg ask = {.kind = PAXOS_MSG_PREPARE_ASK,
	                        .incarnation = (uint64_t)1 << 32 | (other + 1)};
	struct paxos_status status;

	(void)state;
	run_ms(trio, 50);
	paxos_replica_status(trio->replicas[leader], &status);
	ask.ballot = status.promised;
	ask.start = 1;
	say(trio, other, leader, ask); /* late: from before its promise */
	run_ms(trio, 5);
	paxos_replica_status(trio->replicas[leader], &status);
	assert_false(status.peers[other].rolled_back);
	ask.start = 2;
	say(trio, other, leader, ask);
	turn(trio);
	paxos_replica_status(trio->replicas[leader], &status);
	assert_true(status.peers[other].rolled_back);
	assert_int_equal(status.traces[PAXOS_TRACE_ROLLED_BACK], 1);
	trio_free(trio);
}

/* HANDOVER ends one ballot; when another is promised by now, nobody is called any more. */
static void test_late_handover_calls_nobody(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	const unsigned heir = (leader + 1) % NODES, third = (leader + 2) % NODES;
	struct paxos_msg handover = {.kind = PAXOS_MSG_HANDOVER, .target = (uint8_t)heir};
	struct paxos_msg prepare = {.kind = PAXOS_MSG_PREPARE, .mask = paxos_first(NODES)};
	struct paxos_status status;
	uint64_t before;

	(void)state;
	run_ms(trio, 50);
	paxos_replica_status(trio->replicas[heir], &status);
	before = stood(trio, heir);
	assert_int_equal(status.promised.node, leader);
	handover.ballot = status.promised;
	prepare.ballot = status.promised;
	prepare.ballot.round++;
	prepare.ballot.node = (uint8_t)third;
	prepare.ballot.incarnation = (uint64_t)1 << 32 | (third + 1);
	/* Of a ballot before that. */
	handover.ballot.round--;
	say(trio, leader, heir, handover);
	turn(trio);
	assert_int_equal(stood(trio, heir), before);
	/* In one burst with what makes it late: before it, and behind it. */
	handover.ballot.round++;
	say(trio, leader, heir, handover);
	say(trio, third, heir, prepare);
	say(trio, leader, heir, handover);
	turn(trio);
	assert_int_equal(stood(trio, heir), before);
	paxos_replica_status(trio->replicas[heir], &status);
	assert_true(paxos_ballot_equal(status.promised, prepare.ballot));
	trio_free(trio);
}

static void test_forged_incarnation_is_forgotten(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	const unsigned other = (leader + 1) % NODES;
	struct paxos_status status;

	(void)state;
	assert_int_equal(open_session(trio, leader), STORE_OK);
	run_ms(trio, 50);
	paxos_replica_status(trio->replicas[leader], &status);
	forge(trio, other, (struct paxos_msg){.kind = PAXOS_MSG_HEARTBEAT, .round = 1});
	forge(trio, other,
	      (struct paxos_msg){.kind = PAXOS_MSG_ACCEPTED,
	                         .ballot = status.promised,
	                         .length = status.length,
	                         .number = 1});
	run_ms(trio, 100);
	paxos_replica_status(trio->replicas[leader], &status);
	assert_false(status.peers[other].connected);
	assert_true(status.drops[PAXOS_DROP_INCARNATION] > 0);
	run_ms(trio, 11 * SUSPICION_MS);
	paxos_replica_status(trio->replicas[leader], &status);
	assert_int_equal(leader_of(trio), leader);
	assert_true(status.peers[other].connected);
	/* Its word counts again: without the third it is the majority. */
	stop_node(trio, (leader + 2) % NODES);
	assert_int_equal(set(trio, leader, 1, "/a", "one"), STORE_OK);
	trio_free(trio);
}

/* One datagram, or many: only who hears the leader's answers is let into the log (4.1 i). */
static void test_forged_fetch_names_no_incarnation(void **state)
{
	struct trio *trio = trio_new();
	const unsigned leader = await_leader(trio);
	const unsigned other = (leader + 1) % NODES;

	(void)state;
	run_ms(trio, 50);
	for (unsigned i = 0; i < 20; i++) {
		forge(trio, other,
		      (struct paxos_msg){.kind = PAXOS_MSG_FETCH,
		                         .flags = PAXOS_FLAG_OUTSIDER,
		                         .transfer = 1,
		                         .proof = i,
		                         .index = 1});
		run_ms(trio, 5);
	}
	assert_int_equal(store_member_incarnation(trio->stores[leader], other),
	                 (uint64_t)1 << 32 | (other + 1));
	run_ms(trio, 11 * SUSPICION_MS);
	/* Its next life is let in. */
	stop_node(trio, other);
	start_node(trio, other, 2, false);
	run_ms(trio, 200);
	assert_int_equal(store_member_incarnation(trio->stores[leader], other),
	                 (uint64_t)2 << 32 | (other + 1));
	trio_free(trio);
}

static int redo(struct paxos_replica *replica, uint64_t number, struct paxos_record record,
                const char *entry)
{
	uint8_t bytes[PAXOS_RECORD_HEADER + 64];
	struct wire_writer writer = wire_writer_make(bytes, sizeof(bytes));

	paxos_record_encode(&record, bytes);
	writer.next += PAXOS_RECORD_HEADER;
	if (entry != NULL) {
		wire_put_u32(&writer, (uint32_t)strlen(entry));
		wire_put(&writer, slice_text(entry));
	}
	return paxos_replica_recover(replica, number, wire_written(&writer));
}

/* A crash behind: log taken in 3 begun, 4 promised instead, own log adopted in 4. */
static void test_recovery_leaves_out_what_was_staged_and_given_up(void **state)
{
	const struct paxos_ballot three = {.configuration = 1, .round = 3, .node = 2};
	const struct paxos_ballot four = {.configuration = 1, .round = 4, .node = 0};
	struct trio *trio = trio_new();
	struct paxos_config config = {.founders = paxos_first(NODES),
	                              .cluster = 77,
	                              .incarnation = 1,
	                              .start = 2,
	                              .seed = 1};
	struct paxos_replica *replica;
	struct paxos_status status;

	(void)state;
	paxos_config_default(&config);
	config.durability = PAXOS_DISK;
	assert_int_equal(paxos_replica_new(&replica, &config, trio->stores[0]), 0);
	assert_int_equal(redo(replica, 1,
	                      (struct paxos_record){.kind = PAXOS_RECORD_ENTRIES, .place = {1, 0}},
	                      "one"),
	                 0);
	assert_int_equal(redo(replica, 2,
	                      (struct paxos_record){.kind = PAXOS_RECORD_PROMISE, .ballot = three},
	                      NULL),
	                 0);
	assert_int_equal(redo(replica, 3,
	                      (struct paxos_record){.kind = PAXOS_RECORD_STAGE, .place = {2, 0}},
	                      NULL),
	                 0);
	assert_int_equal(redo(replica, 4,
	                      (struct paxos_record){.kind = PAXOS_RECORD_STAGED, .place = {2, 0}},
	                      "two"),
	                 0);
	assert_int_equal(redo(replica, 5,
	                      (struct paxos_record){.kind = PAXOS_RECORD_PROMISE, .ballot = four},
	                      NULL),
	                 0);
	assert_int_equal(redo(replica, 6,
	                      (struct paxos_record){.kind = PAXOS_RECORD_ADOPT,
	                                            .ballot = four,
	                                            .place = {1, 0},
	                                            .length = 1},
	                      NULL),
	                 0);
	paxos_replica_status(replica, &status);
	assert_int_equal(status.length, 1);
	paxos_replica_free(replica);
	trio_free(trio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_agree_and_answer),
		cmocka_unit_test(test_any_member_watches_and_an_outsider_refers),
		cmocka_unit_test(test_watch_of_a_server_cut_off_is_seen_to_be_old),
		cmocka_unit_test(test_retry_has_one_effect),
		cmocka_unit_test(test_leader_lost_another_leads_with_all_it_had),
		cmocka_unit_test(test_restarted_server_rejoins_and_is_level),
		cmocka_unit_test(test_snapshot_brings_a_server_that_missed_too_much),
		cmocka_unit_test(test_large_value_travels_in_chunks),
		cmocka_unit_test(test_death_note_is_believed_from_any_address),
		cmocka_unit_test(test_death_note_without_the_secret_or_of_another_start_is_dropped),
		cmocka_unit_test(test_leader_that_resigns_hands_over_and_refers),
		cmocka_unit_test(test_garbage_is_dropped_and_counted),
		cmocka_unit_test(test_lost_promise_is_found_out),
		cmocka_unit_test(test_late_handover_calls_nobody),
		cmocka_unit_test(test_forged_incarnation_is_forgotten),
		cmocka_unit_test(test_forged_fetch_names_no_incarnation),
		cmocka_unit_test(test_recovery_leaves_out_what_was_staged_and_given_up),
	};
	int failed;

	urcu_qsbr_register_thread();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	urcu_qsbr_unregister_thread();
	return failed;
}
