/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/trio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>
#include <x86intrin.h>

#include "bench/report.h"
#include "consensus/quorum.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/client.h"
#include "store/store.h"

enum {
	NODES = 3,
	CLIENT = NODES,
	BOXES = NODES + 1,
	BOX_MAX = 512,
	STEP_NS = 20000,
	START_STEPS = 500000, /* 10 s of our time */
	AGE_MS = 100,         /* time to live of the sessions that are to end */
	AGE_BATCH = 128,      /* of them opened in a step */
};

struct letter {
	int from;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

/* What waits for one of the four, in order. */
struct box {
	unsigned count;
	struct letter letters[BOX_MAX];
};

struct trio {
	struct trio_config config;
	struct paxos_replica *replicas[NODES];
	struct store *stores[NODES];
	struct client *client;
	struct prng prng;
	uint64_t now_ns;
	unsigned leader;
	unsigned done_ok, done;
	struct box boxes[BOXES];
	uint8_t value[STORE_VALUE_SIZE_MAX];
};

uint64_t trio_cycles(void)
{
	unsigned processor;

	/* Waits for what was begun before it; what comes after may overlap by a few cycles. */
	return __rdtscp(&processor);
}

double trio_cycles_per_ns(void)
{
	const uint64_t start_ns = report_now_ns(), start = trio_cycles();

	while (report_now_ns() - start_ns < 20000000) {
	}
	return (double)(trio_cycles() - start) / (double)(report_now_ns() - start_ns);
}

const char *trio_stage_text(enum trio_stage stage)
{
	static const char *const texts[TRIO_STAGES] = {
		"client_ask",        "leader_request", "leader_accept", "follower_accept",
		"follower_ack",      "leader_ack",     "leader_answer", "client_answer",
		"leader_second_ack", "leader_grace",
	};

	must(stage < TRIO_STAGES);
	return texts[stage];
}

static void put(struct trio *trio, unsigned to, int from, struct slice bytes)
{
	struct box *box = &trio->boxes[to];
	struct letter *letter = &box->letters[box->count];

	must(box->count < BOX_MAX);
	letter->from = from;
	letter->size = bytes.size;
	memcpy(letter->bytes, bytes.data, bytes.size);
	box->count++;
}

/* --- the four, each with its three verbs ---------------------------------------------------- */

static void receive(struct trio *trio, unsigned node)
{
	struct box *box = &trio->boxes[node];

	for (unsigned i = 0; i < box->count; i++) {
		const struct paxos_source source = {.peer = box->letters[i].from};

		paxos_replica_receive(trio->replicas[node], trio->now_ns, &source,
		                      slice_make(box->letters[i].bytes, box->letters[i].size));
	}
	box->count = 0;
}

static void end_turn(struct trio *trio, unsigned node)
{
	struct paxos_effect effect;

	paxos_replica_tick(trio->replicas[node], trio->now_ns);
	while (paxos_replica_take(trio->replicas[node], &effect)) {
		if (effect.kind == PAXOS_EFFECT_SEND) {
			put(trio, effect.peer, (int)node, effect.bytes);
		} else if (effect.kind == PAXOS_EFFECT_REPLY) {
			put(trio, CLIENT, (int)node, effect.bytes);
		}
	}
}

static void grace(struct trio *trio, unsigned node)
{
	store_grace_passed(trio->stores[node], store_grace_wanted(trio->stores[node]));
}

static void client_obey(struct trio *trio)
{
	struct client_effect effect;

	while (client_take(trio->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			put(trio, effect.server, PAXOS_NOBODY, effect.bytes);
		} else {
			trio->done++;
			trio->done_ok += effect.result.outcome == CLIENT_DONE;
		}
	}
}

static void client_hear(struct trio *trio)
{
	struct box *box = &trio->boxes[CLIENT];

	for (unsigned i = 0; i < box->count; i++) {
		client_receive(trio->client, trio->now_ns, (unsigned)box->letters[i].from,
		               slice_make(box->letters[i].bytes, box->letters[i].size));
		client_obey(trio);
	}
	box->count = 0;
}

static void ask(struct trio *trio, enum proto_verb verb)
{
	struct client_request request = {.verb = verb};
	char path[32];
	const int size = snprintf(path, sizeof(path), "/bench/%010u",
	                          (unsigned)prng_below(&trio->prng, trio->config.keys));

	if (verb != PROTO_NOP) {
		request.path = slice_make(path, (size_t)size);
	}
	if (verb == PROTO_SET) {
		request.value = slice_make(trio->value, trio->config.value_size);
	}
	must(client_submit(trio->client, trio->now_ns, &request, NULL) == 0);
	client_obey(trio);
}

/* Everybody has a turn. */
static void step(struct trio *trio)
{
	trio->now_ns += STEP_NS;
	for (unsigned node = 0; node < NODES; node++) {
		receive(trio, node);
		end_turn(trio, node);
		grace(trio, node);
	}
	client_hear(trio);
	client_tick(trio->client, trio->now_ns);
	client_obey(trio);
	rcu_quiescent_state();
}

/* Steps until every box is empty, so that nothing but ours is under way. */
static void settle(struct trio *trio)
{
	unsigned left = 0;

	for (unsigned i = 0; i < 16; i++) {
		left = 0;
		for (unsigned box = 0; box < BOXES; box++) {
			left += trio->boxes[box].count;
		}
		if (left == 0) {
			return;
		}
		step(trio);
	}
}

/* --- what is measured ----------------------------------------------------------------------- */

#define TIMED(stage, work)                                                                         \
	do {                                                                                       \
		const uint64_t start = trio_cycles();                                              \
		work;                                                                              \
		cycles[stage] += trio_cycles() - start;                                            \
	} while (0)

static void ask_all(struct trio *trio, unsigned batch)
{
	for (unsigned i = 0; i < batch; i++) {
		ask(trio, PROTO_SET);
	}
}

bool trio_write(struct trio *trio, unsigned batch, uint64_t cycles[TRIO_STAGES])
{
	const unsigned leader = trio->leader;
	const unsigned first = (leader + 1) % NODES, second = (leader + 2) % NODES;

	must(batch >= 1);
	must(batch <= TRIO_BATCH_MAX);
	settle(trio);
	trio->now_ns += STEP_NS;
	trio->done = 0;
	trio->done_ok = 0;
	TIMED(TRIO_CLIENT_ASK, ask_all(trio, batch));
	TIMED(TRIO_LEADER_REQUEST, receive(trio, leader));
	TIMED(TRIO_LEADER_ACCEPT, end_turn(trio, leader));
	TIMED(TRIO_FOLLOWER_ACCEPT, receive(trio, first));
	TIMED(TRIO_FOLLOWER_ACK, end_turn(trio, first));
	TIMED(TRIO_LEADER_ACK, receive(trio, leader));
	TIMED(TRIO_LEADER_ANSWER, end_turn(trio, leader));
	TIMED(TRIO_CLIENT_ANSWER, client_hear(trio));
	receive(trio, second);
	end_turn(trio, second);
	TIMED(TRIO_LEADER_SECOND_ACK, receive(trio, leader));
	end_turn(trio, leader);
	TIMED(TRIO_GRACE, grace(trio, leader));
	grace(trio, first);
	grace(trio, second);
	rcu_quiescent_state();
	return trio->done == batch && trio->done_ok == batch;
}

bool trio_read(struct trio *trio)
{
	trio->now_ns += STEP_NS / 100;
	trio->done = 0;
	trio->done_ok = 0;
	ask(trio, PROTO_GET);
	receive(trio, trio->leader);
	end_turn(trio, trio->leader);
	client_hear(trio);
	if (trio->done == 0) {
		step(trio); /* the lease had run out: heartbeats are due */
		settle(trio);
	}
	return trio->done == 1;
}

/* --- sessions ------------------------------------------------------------------------------- */

/* An OPEN of a client that will not be heard again. */
static void put_open(struct trio *trio, uint64_t secret)
{
	const struct proto_request request = {.verb = PROTO_OPEN, .ttl_ms = AGE_MS};
	const struct proto_head head = {.secret = secret, .number = secret, .segments = 1};
	uint8_t message[PROTO_REQUEST_OVERHEAD], bytes[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = proto_request_encode(&request, message, sizeof(message));

	put(trio, trio->leader, PAXOS_NOBODY,
	    slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 1,
	                                           slice_make(message, size), bytes)));
}

unsigned trio_sessions(const struct trio *trio)
{
	return store_session_count(trio->stores[trio->leader]);
}

bool trio_age(struct trio *trio, unsigned count)
{
	const unsigned before = trio_sessions(trio);
	const uint64_t begin_ns = trio->now_ns;

	for (unsigned i = 0; i < count; i++) {
		put_open(trio, prng_next(&trio->prng) | 1);
		if (i % AGE_BATCH == AGE_BATCH - 1) {
			step(trio);
		}
	}
	step(trio);
	settle(trio);
	if (trio_sessions(trio) != before + count) {
		return false;
	}
	while (trio->now_ns + 2 * STEP_NS < begin_ns + (uint64_t)AGE_MS * 1000000) {
		step(trio);
	}
	/* The last was opened so much later than the first; drift, and some to spare. */
	trio->now_ns += count / AGE_BATCH * STEP_NS + 1000000;
	return trio_sessions(trio) == before + count;
}

/* --- start ---------------------------------------------------------------------------------- */

static int make_node(struct trio *trio, unsigned node)
{
	const struct store_config store = {.quota_bytes = STORE_QUOTA_DEFAULT,
	                                   .sessions_max = STORE_SESSIONS_MAX,
	                                   .events_max = 1 << 16};
	struct paxos_config config = {
		.node = (uint8_t)node,
		.founders = paxos_first(NODES),
		.cluster = 1,
		.incarnation = node + 1,
		.start = 1,
		.founding = true,
		.seed = node + 1,
	};
	int r;

	paxos_config_default(&config);
	r = store_new(&trio->stores[node], &store);
	if (r == 0) {
		r = paxos_replica_new(&trio->replicas[node], &config, trio->stores[node]);
	}
	if (r == 0) {
		paxos_replica_start(trio->replicas[node], trio->now_ns);
	}
	return r;
}

static bool find_leader(struct trio *trio)
{
	struct paxos_status status;

	for (unsigned node = 0; node < NODES; node++) {
		paxos_replica_status(trio->replicas[node], &status);
		if (status.role == PAXOS_LEADER && status.deciding &&
		    status.lease_end_ns > trio->now_ns) {
			trio->leader = node;
			return true;
		}
	}
	return false;
}

static int start(struct trio *trio)
{
	unsigned steps = 0;

	while (!find_leader(trio)) {
		if (++steps == START_STEPS) {
			return -ETIME;
		}
		step(trio);
	}
	ask(trio, PROTO_NOP); /* opens the session */
	while (trio->done == 0) {
		if (++steps >= START_STEPS) {
			return -ETIME;
		}
		step(trio);
	}
	return trio->done_ok == 1 ? 0 : -ETIME;
}

int trio_new(struct trio **ret_trio, const struct trio_config *config)
{
	struct trio *trio = calloc(1, sizeof(*trio));
	struct client_config client;
	int r = 0;

	must(config->value_size <= STORE_VALUE_SIZE_MAX);
	if (trio == NULL) {
		return -ENOMEM;
	}
	rcu_register_thread();
	trio->config = *config;
	trio->now_ns = 1000000000;
	prng_init(&trio->prng, 1);
	memset(trio->value, 'a', sizeof(trio->value));
	client_config_default(&client);
	client.servers = NODES;
	client.secret = 12345;
	client.seed = 1;
	r = client_new(&trio->client, &client);
	for (unsigned node = 0; node < NODES && r == 0; node++) {
		r = make_node(trio, node);
	}
	if (r == 0) {
		r = start(trio);
	}
	if (r < 0) {
		trio_free(trio);
		return r;
	}
	*ret_trio = trio;
	return 0;
}

void trio_free(struct trio *trio)
{
	if (trio == NULL) {
		return;
	}
	for (unsigned node = 0; node < NODES; node++) {
		paxos_replica_free(trio->replicas[node]);
		store_free(trio->stores[node]);
	}
	client_free(trio->client);
	rcu_unregister_thread();
	free(trio);
}
