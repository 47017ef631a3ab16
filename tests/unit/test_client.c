/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a client asks the right server, as often as it must and no more, and tells what came of
 *         each request.
 * Method: servers that say what the test wants, a clock that the test moves.
 */
#include <errno.h>

#include "tests/unit/client_fake.h"

static void test_read_needs_no_session(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;
	uint64_t tag;

	(void)state;
	fake_open(&fake, 3, NULL);
	tag = fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 0);
	assert_int_equal(sent.head.session, 0);
	assert_int_equal(sent.head.secret, 0);
	assert_true(slice_equal(slice_make(sent.piece + 34, 2), slice_text("/a")));
	fake_say(&fake, &sent,
	         (struct proto_answer){
			 .revision = 4, .store_revision = 9, .value = slice_text("hello")});
	result = fake_result(&fake);
	assert_true(result->tag == tag);
	assert_int_equal(result->outcome, CLIENT_DONE);
	assert_int_equal(result->answer.revision, 4);
	assert_true(slice_equal(result->answer.value, slice_text("hello")));
	assert_int_equal(client_seen(fake.client), 9);
	assert_int_equal(client_outstanding(fake.client), 0);
	assert_true(client_deadline_ns(fake.client) == UINT64_MAX);

	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.request.seen, 9);
	fake_close(&fake);
}

static void test_refusal_is_told(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_STAT, "/a", "");
	sent = fake_only(&fake, PROTO_STAT);
	fake_refuse(&fake, &sent, STORE_NOT_FOUND, 0);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_REFUSED);
	assert_int_equal(result->answer.answer, STORE_NOT_FOUND);
	fake_close(&fake);
}

static void test_referral_is_followed_and_remembered(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	fake_refuse(&fake, &sent, STORE_NOT_LEADER, 3);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 2);
	fake_ok(&fake, &sent, 1);
	assert_int_equal(fake_result(&fake)->sends, 2);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	assert_int_equal(fake_only(&fake, PROTO_GET).server, 2);
	fake_close(&fake);
}

static void test_nodes_are_learned_where_the_list_has_another_order(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	/* The first of the list is node 2 and names node 2's place, by the list's order, leader. */
	fake_say(&fake, &sent,
	         (struct proto_answer){.answer = STORE_NOT_LEADER, .node = 2, .leader = 3});
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 2);
	fake_say(&fake, &sent,
	         (struct proto_answer){.answer = STORE_NOT_LEADER, .node = 1, .leader = 3});
	/* Node 3 is neither here nor there: only the middle one is left. */
	while (true) {
		(void)fake_next(&fake);
		sent = fake_only(&fake, PROTO_GET);
		if (sent.server == 1) {
			break;
		}
		fake_refuse(&fake, &sent, STORE_NOT_LEADER, 0);
	}
	fake_say(&fake, &sent, (struct proto_answer){.node = 3});
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	assert_int_equal(client_aim(fake.client), 1);
	fake_close(&fake);
}

static void test_two_that_name_each_other_are_asked_with_pauses(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	unsigned sends = 0, turns = 0;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	for (uint64_t passed_ns = 0; passed_ns < 100 * FAKE_MS; turns++) {
		while (fake_sent(&fake, &sent)) {
			sends++;
			fake_refuse(&fake, &sent, STORE_NOT_LEADER, sent.server == 0 ? 2 : 1);
		}
		passed_ns += fake_next(&fake);
	}
	assert_in_range(turns, 5, 20);
	assert_in_range(sends, turns, 5 * turns);
	fake_close(&fake);
}

static void test_silence_is_answered_by_asking_again_then_elsewhere(void **state)
{
	struct fake fake;
	struct fake_sent first, sent;
	uint64_t waited_ns;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	first = fake_only(&fake, PROTO_GET);
	waited_ns = fake_next(&fake);
	assert_in_range(waited_ns, 100 * FAKE_MS, 113 * FAKE_MS);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 0); /* one loss proves nothing */
	assert_true(sent.head.number == first.head.number);
	waited_ns = fake_next(&fake);
	assert_in_range(waited_ns, 200 * FAKE_MS, 226 * FAKE_MS);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 1);
	/* The hint names the silent one: wait a little, ask the third. */
	fake_refuse(&fake, &sent, STORE_NOT_LEADER, 1);
	fake_nothing(&fake);
	assert_in_range(fake_next(&fake), 1, 20 * FAKE_MS);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 2);
	fake_ok(&fake, &sent, 1);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	/* A late answer to the first sending has nobody waiting for it. */
	fake_ok(&fake, &first, 1);
	fake_no_result(&fake);
	fake_close(&fake);
}

static void test_time_out_adapts_to_the_round_trip(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	struct client_counters counters;

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned i = 0; i < 50; i++) {
		(void)fake_submit(&fake, PROTO_GET, "/a", "");
		sent = fake_only(&fake, PROTO_GET);
		fake_pass(&fake, 50 * 1000);
		fake_ok(&fake, &sent, 1);
		(void)fake_result(&fake);
	}
	client_counters(fake.client, &counters);
	assert_in_range(counters.round_trip_ns, 45 * 1000, 55 * 1000);
	assert_int_equal(counters.resent, 0);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	(void)fake_only(&fake, PROTO_GET);
	assert_in_range(fake_next(&fake), 2 * FAKE_MS, 3 * FAKE_MS);
	fake_close(&fake);
}

/* One request, whose answer comes after `ns`. */
static void ask_slowly(struct fake *fake, uint64_t ns)
{
	const uint64_t due_ns = fake->now_ns + ns;
	struct fake_sent sent;

	(void)fake_submit(fake, PROTO_GET, "/a", "");
	sent = fake_only(fake, PROTO_GET);
	while (client_deadline_ns(fake->client) < due_ns) {
		(void)fake_next(fake);
		(void)fake_only(fake, PROTO_GET);
	}
	fake_pass(fake, due_ns - fake->now_ns);
	fake_ok(fake, &sent, 1);
	(void)fake_result(fake);
}

static void test_time_out_adapts_to_round_trips_beyond_it(void **state)
{
	struct fake fake;
	struct client_counters counters;

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned i = 0; i < 50; i++) {
		ask_slowly(&fake, 50 * 1000);
	}
	for (unsigned i = 0; i < 50; i++) {
		ask_slowly(&fake, 6 * FAKE_MS);
	}
	client_counters(fake.client, &counters);
	assert_in_range(counters.round_trip_ns, 5 * FAKE_MS, 7 * FAKE_MS);
	assert_in_range(counters.resent, 1, 4);
	fake_close(&fake);
}

static void test_overload_is_left_alone_for_a_while(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	uint64_t last_ns = 0;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	for (unsigned i = 0; i < 6; i++) {
		sent = fake_only(&fake, PROTO_GET);
		assert_int_equal(sent.server, 0);
		fake_refuse(&fake, &sent, STORE_OVERLOADED, 1);
		fake_nothing(&fake);
		last_ns = fake_next(&fake);
	}
	assert_in_range(last_ns, 100 * FAKE_MS, 500 * FAKE_MS);
	fake_close(&fake);
}

static void test_deadline_without_an_answer(void **state)
{
	struct fake fake;
	const struct client_request request = {
		.verb = PROTO_GET, .path = slice_text("/a"), .deadline_ns = 1500 * FAKE_MS};
	const struct client_result *result;
	struct fake_sent sent;
	unsigned sends = 0;

	(void)state;
	fake_open(&fake, 3, NULL);
	assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
	while (client_outstanding(fake.client) != 0) {
		while (fake_sent(&fake, &sent)) {
			sends++;
		}
		if (client_outstanding(fake.client) != 0) {
			(void)fake_next(&fake);
		}
	}
	assert_true(fake.now_ns == 1500 * FAKE_MS);
	assert_in_range(sends, 2, 5);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_UNREACHED);
	assert_false(result->heard);
	assert_int_equal(result->answer.answer, STORE_NO_QUORUM);
	fake_close(&fake);
}

static void test_refused_port_moves_on_at_once(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	client_unreachable(fake.client, fake.now_ns, sent.server);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 1);
	client_unreachable(fake.client, fake.now_ns, 1);
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(sent.server, 2);
	client_unreachable(fake.client, fake.now_ns, 2);
	fake_nothing(&fake); /* all refuse: with pauses from here on */
	assert_in_range(fake_next(&fake), 1, 20 * FAKE_MS);
	fake_close(&fake);
}

static void test_stale_read_goes_to_anyone_and_may_be_referred(void **state)
{
	struct fake fake;
	struct client_request request = {
		.verb = PROTO_GET, .flags = PROTO_FLAG_STALE, .path = slice_text("/a")};
	struct fake_sent sent;
	bool seen[3] = {false};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fake_open(&fake, 3, NULL);
		assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
		sent = fake_only(&fake, PROTO_GET);
		assert_int_equal(sent.flags, PROTO_FLAG_STALE);
		for (unsigned k = 0; k < i; k++) {
			client_unreachable(fake.client, fake.now_ns, sent.server);
			(void)fake_next(&fake);
			sent = fake_only(&fake, PROTO_GET);
		}
		assert_false(seen[sent.server]);
		seen[sent.server] = true;
		fake_ok(&fake, &sent, 1);
		assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
		fake_close(&fake);
	}
	fake_open(&fake, 3, NULL);
	assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
	sent = fake_only(&fake, PROTO_GET);
	fake_refuse(&fake, &sent, STORE_NOT_LEADER, sent.server == 0 ? 2 : 1);
	assert_int_equal(fake_only(&fake, PROTO_GET).server, sent.server == 0 ? 1 : 0);
	fake_close(&fake);
}

static void test_what_nobody_asked_for_is_dropped(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	struct client_counters counters;
	struct fake_sent other;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);

	client_receive(fake.client, fake.now_ns, 0, slice_text("nonsense"));
	client_receive(fake.client, fake.now_ns, 0, slice_make(sent.bytes, sent.size));
	other = sent;
	other.head.number ^= 64; /* a number never given */
	fake_ok(&fake, &other, 1);
	other = sent;
	other.server = 1; /* a server never asked */
	fake_ok(&fake, &other, 1);
	other = sent;
	other.head.session = 5; /* not its session */
	fake_ok(&fake, &other, 1);
	other = sent;
	other.request.verb = PROTO_STAT; /* another verb's answer */
	fake_ok(&fake, &other, 1);
	fake_no_result(&fake);
	client_counters(fake.client, &counters);
	assert_int_equal(counters.faults[STORE_DATAGRAM_SHORT], 1);
	assert_int_equal(counters.strange, 2);
	assert_int_equal(counters.unasked, 3);
	assert_int_equal(counters.received, 6);

	fake_ok(&fake, &sent, 1);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	fake_close(&fake);
}

static void name_cluster(struct client_config *config)
{
	config->cluster = FAKE_CLUSTER + 1;
}

static void test_answer_of_another_cluster_counts_only_if_it_says_so(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, name_cluster);
	(void)fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	assert_true(sent.cluster == FAKE_CLUSTER + 1);
	fake_ok(&fake, &sent, 1);
	fake_no_result(&fake);
	fake_refuse(&fake, &sent, STORE_WRONG_CLUSTER, 0);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_REFUSED);
	assert_int_equal(result->answer.answer, STORE_WRONG_CLUSTER);
	fake_close(&fake);
}

static void test_pool_is_bounded_and_comes_back(void **state)
{
	const struct client_request request = {.verb = PROTO_GET, .path = slice_text("/a")};
	struct fake_sent sent[CLIENT_REQUESTS_MAX];
	struct fake fake;

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
			assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL),
			                 0);
		}
		assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), -EAGAIN);
		for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
			assert_true(fake_sent(&fake, &sent[i]));
		}
		fake_nothing(&fake);
		for (unsigned i = CLIENT_REQUESTS_MAX; i > 0; i--) {
			fake_ok(&fake, &sent[i - 1], 1);
		}
		fake_nothing(&fake);
		assert_int_equal(fake.result_count, CLIENT_REQUESTS_MAX);
		fake.result_count = 0;
	}
	fake_close(&fake);
}

static void test_bad_requests_are_not_taken(void **state)
{
	struct client_request request = {.verb = PROTO_OPEN};
	struct fake fake;

	(void)state;
	fake_open(&fake, 1, NULL);
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	request.verb = PROTO_ALIVE;
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	request.verb = PROTO_SELF + 1;
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	request.verb = PROTO_SET;
	request.condition = 3;
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	request.condition = STORE_IF_EQUAL;
	request.rev = -2;
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	request.rev = 0;
	request.flags = 8;
	assert_int_equal(client_submit(fake.client, 1, &request, NULL), -EINVAL);
	assert_int_equal(client_outstanding(fake.client), 0);
	fake_close(&fake);
}

static void test_what_fits_no_message_is_refused_here(void **state)
{
	static uint8_t bytes[PROTO_MESSAGE_SIZE_MAX];
	struct client_request request = {.verb = PROTO_SET, .value = {bytes, sizeof(bytes)}};
	const struct client_result *result;
	struct fake fake;

	(void)state;
	fake_open(&fake, 1, NULL);
	assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_REFUSED);
	assert_int_equal(result->answer.answer, STORE_TOO_LARGE);
	request = (struct client_request){.verb = PROTO_GET, .path = {bytes, PROTO_PIECE_SIZE}};
	assert_int_equal(client_submit(fake.client, fake.now_ns, &request, NULL), 0);
	assert_int_equal(fake_result(&fake)->answer.answer, STORE_TOO_LARGE);
	fake_close(&fake);
}

static void test_cancelled_read_comes_back_at_once(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	uint64_t tag;

	(void)state;
	fake_open(&fake, 1, NULL);
	tag = fake_submit(&fake, PROTO_GET, "/a", "");
	sent = fake_only(&fake, PROTO_GET);
	assert_int_equal(client_cancel(fake.client, fake.now_ns, tag + 64), -ENOENT);
	assert_int_equal(client_cancel(fake.client, fake.now_ns, tag), 0);
	assert_int_equal(client_cancel(fake.client, fake.now_ns, tag), -ENOENT);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNREACHED);
	fake_ok(&fake, &sent, 1);
	fake_no_result(&fake);
	fake_close(&fake);
}

static void test_wrong_configuration_makes_no_client(void **state)
{
	struct client_config config;
	struct client *client;

	(void)state;
	client_config_default(&config);
	assert_int_equal(client_new(&client, &config), -EINVAL);
	config.servers = CLIENT_SERVERS_MAX + 1;
	assert_int_equal(client_new(&client, &config), -EINVAL);
	config.servers = 1;
	config.requests_max = CLIENT_REQUESTS_MAX + 1;
	assert_int_equal(client_new(&client, &config), -EINVAL);
	client_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_needs_no_session),
		cmocka_unit_test(test_refusal_is_told),
		cmocka_unit_test(test_referral_is_followed_and_remembered),
		cmocka_unit_test(test_nodes_are_learned_where_the_list_has_another_order),
		cmocka_unit_test(test_two_that_name_each_other_are_asked_with_pauses),
		cmocka_unit_test(test_silence_is_answered_by_asking_again_then_elsewhere),
		cmocka_unit_test(test_time_out_adapts_to_the_round_trip),
		cmocka_unit_test(test_time_out_adapts_to_round_trips_beyond_it),
		cmocka_unit_test(test_overload_is_left_alone_for_a_while),
		cmocka_unit_test(test_deadline_without_an_answer),
		cmocka_unit_test(test_refused_port_moves_on_at_once),
		cmocka_unit_test(test_stale_read_goes_to_anyone_and_may_be_referred),
		cmocka_unit_test(test_what_nobody_asked_for_is_dropped),
		cmocka_unit_test(test_answer_of_another_cluster_counts_only_if_it_says_so),
		cmocka_unit_test(test_pool_is_bounded_and_comes_back),
		cmocka_unit_test(test_bad_requests_are_not_taken),
		cmocka_unit_test(test_what_fits_no_message_is_refused_here),
		cmocka_unit_test(test_cancelled_read_comes_back_at_once),
		cmocka_unit_test(test_wrong_configuration_makes_no_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
