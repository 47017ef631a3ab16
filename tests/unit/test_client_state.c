/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   long requests and answers get through with no more sent again than was lost; and over a
 *         bad network every write has the effect its outcome tells.
 * Method: single segments withheld by hand; then a seeded world of a few servers that share one
 *         log, with loss, doubles, delays, changes of leader and sessions that expire.
 */
#include <errno.h>
#include <stdlib.h>

#include "store/assembly.h"
#include "store/base/prng.h"
#include "tests/unit/client_fake.h"

enum {
	LONG = 4 * PROTO_PIECE_SIZE,
};

static uint8_t value[STORE_VALUE_SIZE_MAX];

static uint64_t submit_long(struct fake *fake)
{
	const struct client_request request = {
		.verb = PROTO_SET, .path = slice_text("/a"), .value = slice_make(value, LONG)};
	uint64_t tag;

	assert_int_equal(client_submit(fake->client, fake->now_ns, &request, &tag), 0);
	return tag;
}

static void note(struct fake *fake, const struct fake_sent *to, uint32_t missing)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = proto_repair_encode(&to->head, missing, FAKE_CLUSTER, bytes);

	client_receive(fake->client, fake->now_ns, to->server, slice_make(bytes, size));
}

static void test_only_named_segments_are_sent_again(void **state)
{
	struct fake fake;
	struct fake_sent sent, last;
	struct client_counters counters;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)submit_long(&fake);
	fake_session(&fake);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(fake_sent(&fake, &sent));
		assert_int_equal(sent.head.segment, i);
		assert_int_equal(sent.head.segments, 5);
	}
	fake_nothing(&fake);
	last = sent;
	note(&fake, &last, 1u << 1 | 1u << 3 | 1u << 31);
	assert_true(fake_sent(&fake, &sent));
	assert_int_equal(sent.head.segment, 1);
	assert_true(fake_sent(&fake, &sent));
	assert_int_equal(sent.head.segment, 3);
	fake_nothing(&fake);
	client_counters(fake.client, &counters);
	assert_int_equal(counters.repairs, 2);
	/* Silence: the last segment asks what is missing. */
	(void)fake_next(&fake);
	assert_true(fake_sent(&fake, &sent));
	assert_int_equal(sent.head.segment, 4);
	fake_nothing(&fake);
	/* Another server has none of them. */
	last.request.verb = PROTO_SET;
	last.server = sent.server;
	fake_refuse(&fake, &last, STORE_NOT_LEADER, 2);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(fake_sent(&fake, &sent));
		assert_int_equal(sent.head.segment, i);
		assert_int_equal(sent.server, 1);
	}
	note(&fake, &last, 1); /* of the former server: of no use now */
	fake_nothing(&fake);
	fake_close(&fake);
}

static void test_notes_without_end_are_not_obeyed(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	unsigned sends = 0;

	(void)state;
	fake_open(&fake, 1, NULL);
	(void)submit_long(&fake);
	fake_session(&fake);
	while (fake_sent(&fake, &sent)) {
	}
	for (unsigned i = 0; i < 1000; i++) {
		struct fake_sent again;

		note(&fake, &sent, UINT32_MAX);
		while (fake_sent(&fake, &again)) {
			sends++;
		}
	}
	assert_in_range(sends, 5, 20);
	fake_close(&fake);
}

static struct proto_answer long_answer(store_rev_t revision)
{
	return (struct proto_answer){.verb = PROTO_GET,
	                             .node = 1,
	                             .revision = revision,
	                             .store_revision = 9,
	                             .value = slice_make(value, LONG)};
}

static void test_missing_parts_of_an_answer_are_asked_for(void **state)
{
	const struct proto_answer answer = long_answer(4);
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.head.missing, 0);
	fake_segment(&fake, 0, &sent.head, &answer, 0);
	fake_segment(&fake, 0, &sent.head, &answer, 2);
	fake_segment(&fake, 0, &sent.head, &answer, 2);
	fake_segment(&fake, 0, &sent.head, &answer, 3);
	(void)fake_next(&fake);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 0);
	assert_int_equal(sent.head.missing, 1u << 1 | 1u << 4);
	assert_int_equal(sent.head.version, 4);
	fake_segment(&fake, 0, &sent.head, &answer, 4);
	fake_segment(&fake, 0, &sent.head, &answer, 1);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_DONE);
	assert_int_equal(result->answer.value.size, LONG);
	assert_memory_equal(result->answer.value.data, value, LONG);
	fake_close(&fake);
}

static void test_parts_of_two_versions_never_mix(void **state)
{
	const struct proto_answer old = long_answer(4);
	struct proto_answer new = long_answer(5);
	static uint8_t other[LONG];
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	memset(other, 0xee, sizeof(other));
	new.value = slice_make(other, LONG);
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	for (unsigned i = 0; i < 4; i++) {
		fake_segment(&fake, 0, &sent.head, &old, i);
	}
	fake_segment(&fake, 0, &sent.head, &new, 4);
	fake_no_result(&fake);
	for (unsigned i = 0; i < 4; i++) {
		fake_segment(&fake, 0, &sent.head, &new, i);
	}
	result = fake_result(&fake);
	assert_int_equal(result->answer.revision, 5);
	assert_memory_equal(result->answer.value.data, other, LONG);
	fake_close(&fake);
}

static void test_value_outlives_its_slot(void **state)
{
	struct fake fake;
	struct client_effect effect;
	struct client_request request = {.verb = PROTO_GET, .path = slice_text("/a")};
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 1, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	fake_say(&fake, &sent, (struct proto_answer){.value = slice_text("keep")});
	assert_true(client_take(fake.client, &effect));
	assert_int_equal(effect.kind, CLIENT_EFFECT_DONE);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		request.path = effect.result.answer.value;
		assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
	}
	assert_true(slice_equal(effect.result.answer.value, slice_text("keep")));
	fake_close(&fake);
}

/* --- a world with a bad network ------------------------------------------------------------- */

enum {
	SERVERS = 3,
	FLYING_MAX = 4096,
	WRITES = 300,
	SESSIONS = 64
};

struct flying {
	uint64_t at_ns;
	unsigned server;
	bool to_server;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

struct session {
	uint64_t secret;
	bool expired;
	uint64_t base;
	uint64_t answered;     /* highest number applied */
	bool done[WRITES + 2]; /* by number */
};

/* Any server that leads applies at once: the log itself is not what is tested here. */
struct world {
	struct fake fake;
	struct prng prng;
	struct flying flying[FLYING_MAX];
	unsigned flying_count;
	unsigned leader;
	struct session sessions[SESSIONS]; /* id - 1 */
	unsigned session_count;
	unsigned effects[WRITES]; /* of write i */
	enum client_outcome outcomes[WRITES];
	bool ended[WRITES];
	unsigned submitted, ended_count;
	struct assembly *assemblies[SERVERS];
};

static void fly(struct world *world, unsigned server, bool to_server, struct slice bytes)
{
	const unsigned copies = prng_chance(&world->prng, 1, 5)    ? 0
	                        : prng_chance(&world->prng, 1, 10) ? 2
	                                                           : 1;

	for (unsigned i = 0; i < copies && world->flying_count < FLYING_MAX; i++) {
		struct flying *one = &world->flying[world->flying_count++];
		uint64_t delay_ns = 50 * 1000 + prng_below(&world->prng, 300 * 1000);

		if (prng_chance(&world->prng, 1, 100)) {
			delay_ns += prng_below(&world->prng, 2000 * FAKE_MS);
		}
		*one = (struct flying){
			.at_ns = world->fake.now_ns + delay_ns,
			.server = server,
			.to_server = to_server,
			.size = bytes.size,
		};
		memcpy(one->bytes, bytes.data, bytes.size);
	}
}

static void answer(struct world *world, unsigned server, const struct proto_head *to,
                   struct proto_answer *what)
{
	uint8_t message[PROTO_ANSWER_OVERHEAD];
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	const struct proto_head head = {
		.session = to->session, .number = to->number, .segments = 1};
	size_t size;

	what->node = (uint8_t)(server + 1);
	what->leader = (uint8_t)(world->leader + 1);
	size = proto_answer_encode(what, message, sizeof(message));
	size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, FAKE_CLUSTER,
	                            slice_make(message, size), bytes);
	fly(world, server, false, slice_make(bytes, size));
}

/* What a leader does with a numbered write, by DESIGN 4.1 l. */
static enum store_answer apply(struct world *world, const struct proto_head *head,
                               const struct proto_request *request)
{
	struct session *session;
	uint32_t which;

	if (head->session == 0 || head->session > world->session_count) {
		return STORE_NO_SESSION;
	}
	session = &world->sessions[head->session - 1];
	if (session->expired) {
		return STORE_NO_SESSION;
	}
	if (session->secret != head->secret) {
		return STORE_BAD_SECRET;
	}
	assert_in_range(head->number, request->first_unanswered,
	                request->first_unanswered + CLIENT_REQUESTS_MAX - 1);
	if (head->number < session->base) {
		return STORE_STALE;
	}
	if (request->first_unanswered > session->base) {
		session->base = request->first_unanswered;
	}
	assert_in_range(head->number, 1, WRITES + 1);
	if (!session->done[head->number]) {
		session->done[head->number] = true;
		memcpy(&which, request->value.data, sizeof(which));
		assert_in_range(which, 0, WRITES - 1);
		world->effects[which]++;
	}
	return STORE_OK;
}

static void serve(struct world *world, unsigned server, const struct proto_head *head,
                  const struct proto_request *request)
{
	struct proto_answer what = {.verb = request->verb, .answer = STORE_OK};

	if (server != world->leader) {
		what.answer = prng_chance(&world->prng, 1, 8) ? STORE_NO_QUORUM : STORE_NOT_LEADER;
	} else if (prng_chance(&world->prng, 1, 20)) {
		what.answer = STORE_OVERLOADED;
	} else if (request->verb == PROTO_OPEN) {
		if (world->session_count == SESSIONS) {
			what.answer = STORE_SESSIONS_FULL;
		} else {
			world->sessions[world->session_count++].secret = head->secret;
			what.session = world->session_count;
			what.ttl_ms = 3000;
		}
	} else if (request->verb == PROTO_ALIVE) {
		what.answer =
			world->sessions[head->session - 1].expired ? STORE_NO_SESSION : STORE_OK;
	} else {
		what.answer = apply(world, head, request);
	}
	answer(world, server, head, &what);
}

static void arrive(struct world *world, const struct flying *one)
{
	struct store_datagram datagram;
	struct proto_request request;
	struct proto_head head;
	struct slice piece, message;
	uint32_t missing;
	bool bad_verb;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

	if (!one->to_server) {
		client_receive(world->fake.client, world->fake.now_ns, one->server,
		               slice_make(one->bytes, one->size));
		return;
	}
	assert_int_equal(store_datagram_open(slice_make(one->bytes, one->size), &datagram),
	                 STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	switch (assembly_add(world->assemblies[one->server], world->fake.now_ns, head.secret, &head,
	                     piece, &message, &missing)) {
	case ASSEMBLY_WHOLE:
		assert_true(proto_request_decode(message, &request, &bad_verb));
		serve(world, one->server, &head, &request);
		break;
	case ASSEMBLY_PARTIAL:
		if (head.segment + 1u == head.segments) {
			fly(world, one->server, false,
			    slice_make(bytes,
			               proto_repair_encode(&head, missing, FAKE_CLUSTER, bytes)));
		}
		break;
	case ASSEMBLY_BAD:
		fail();
	}
}

static void take_all(struct world *world)
{
	struct client_effect effect;

	while (client_take(world->fake.client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			fly(world, effect.server, true, effect.bytes);
			continue;
		}
		assert_in_range(effect.result.context, 0, WRITES - 1);
		assert_false(world->ended[effect.result.context]);
		world->ended[effect.result.context] = true;
		world->outcomes[effect.result.context] = effect.result.outcome;
		world->ended_count++;
	}
}

static void submit_some(struct world *world)
{
	while (world->submitted < WRITES && prng_chance(&world->prng, 1, 3)) {
		const uint32_t which = world->submitted;
		static uint8_t long_value[3 * PROTO_PIECE_SIZE];
		const struct client_request request = {
			.verb = PROTO_SET,
			.path = slice_text("/a"),
			.value = slice_make(long_value, which % 7 == 0 ? sizeof(long_value) : 4),
			.deadline_ns =
				world->fake.now_ns + prng_below(&world->prng, 400 * FAKE_MS) + 1,
			.context = which,
		};

		memcpy(long_value, &which, sizeof(which));
		if (client_submit(world->fake.client, world->fake.now_ns, &request, NULL) != 0) {
			return;
		}
		world->submitted++;
	}
}

/* The next thing that happens: an arrival, or the client's own time. */
static void turn(struct world *world)
{
	const uint64_t due_ns = client_deadline_ns(world->fake.client);
	unsigned first = 0;

	for (unsigned i = 1; i < world->flying_count; i++) {
		if (world->flying[i].at_ns < world->flying[first].at_ns) {
			first = i;
		}
	}
	if (world->flying_count != 0 && world->flying[first].at_ns <= due_ns) {
		const struct flying one = world->flying[first];

		world->flying[first] = world->flying[--world->flying_count];
		world->fake.now_ns = one.at_ns;
		arrive(world, &one);
	} else if (due_ns != UINT64_MAX) {
		world->fake.now_ns = due_ns > world->fake.now_ns ? due_ns : world->fake.now_ns;
		client_tick(world->fake.client, world->fake.now_ns);
	}
	take_all(world);
	if (prng_chance(&world->prng, 1, 400)) {
		world->leader = (unsigned)prng_below(&world->prng, SERVERS);
	}
	if (world->session_count != 0 && prng_chance(&world->prng, 1, 1500)) {
		world->sessions[world->session_count - 1].expired = true;
	}
}

static void live(uint64_t seed, unsigned counts[4])
{
	struct world *world = calloc(1, sizeof(*world));
	unsigned turns = 0;

	assert_non_null(world);
	fake_open(&world->fake, SERVERS, NULL);
	prng_init(&world->prng, seed);
	for (unsigned i = 0; i < SERVERS; i++) {
		assert_int_equal(assembly_new(&world->assemblies[i], 8), 0);
	}
	while (world->ended_count < WRITES) {
		assert_in_range(turns++, 0, 200000);
		submit_some(world);
		take_all(world);
		turn(world);
	}
	while (world->flying_count != 0) { /* stragglers */
		turn(world);
	}
	for (unsigned i = 0; i < WRITES; i++) {
		counts[world->outcomes[i]]++;
		assert_in_range(world->effects[i], world->outcomes[i] == CLIENT_DONE ? 1 : 0,
		                world->outcomes[i] == CLIENT_DONE ||
		                                world->outcomes[i] == CLIENT_UNKNOWN
		                        ? 1
		                        : 0);
	}
	for (unsigned i = 0; i < SERVERS; i++) {
		assembly_free(world->assemblies[i]);
	}
	fake_close(&world->fake);
	free(world);
}

static void test_effects_match_outcomes_over_a_bad_network(void **state)
{
	unsigned counts[4] = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		live(seed, counts);
	}
	/* A world in which nothing goes wrong would prove nothing. */
	assert_in_range(counts[CLIENT_DONE], 3000, 20 * WRITES);
	assert_in_range(counts[CLIENT_UNKNOWN], 50, 20 * WRITES);
	assert_in_range(counts[CLIENT_UNREACHED], 10, 20 * WRITES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_named_segments_are_sent_again),
		cmocka_unit_test(test_notes_without_end_are_not_obeyed),
		cmocka_unit_test(test_missing_parts_of_an_answer_are_asked_for),
		cmocka_unit_test(test_parts_of_two_versions_never_mix),
		cmocka_unit_test(test_value_outlives_its_slot),
		cmocka_unit_test(test_effects_match_outcomes_over_a_bad_network),
	};

	for (size_t i = 0; i < sizeof(value); i++) {
		value[i] = (uint8_t)(i * 13 + i / 256);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
