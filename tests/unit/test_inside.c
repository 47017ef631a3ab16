/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a client inside of a server reaches its own server and the others by the worker's mail,
 *         members that join too, and tells each request's end and each watch's news once, from the
 *         loop.
 * Method: the test is the worker at the other end of the mailbox, and the servers behind it; a real
 *         loop turns the client. Every wait is bounded.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/inside.h"
#include "store/proto_page.h"
#include "tests/unit/inside_fixture.h"

static int open_all(void **state)
{
	(void)state;
	open_inside(2, 0);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	close_inside();
	return 0;
}

struct told {
	unsigned times;
	enum client_outcome outcome;
	char value[32];
	bool asks_again;
};

static void note(void *context, const struct client_result *result)
{
	struct told *told = context;

	told->times++;
	told->outcome = result->outcome;
	memset(told->value, 0, sizeof(told->value));
	if (result->answer.value.size != 0) {
		memcpy(told->value, result->answer.value.data, result->answer.value.size);
	}
	if (told->asks_again) {
		told->asks_again = false;
		assert_int_equal(
			ctl_inside_submit(inside,
		                          &(struct client_request){.verb = PROTO_GET,
		                                                   .path = slice_text("/b")},
		                          note, told, NULL),
			0);
	}
}

static void wait_told(const unsigned *times, unsigned wanted)
{
	for (unsigned i = 0; i < TURNS_MAX && *times < wanted; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	assert_int_equal(*times, wanted);
}

static void get(const char *path, struct told *told)
{
	const struct client_request request = {.verb = PROTO_GET, .path = slice_text(path)};

	assert_int_equal(ctl_inside_submit(inside, &request, note, told, NULL), 0);
}

/* Whoever is asked names the other one; so both ways are gone. */
static void test_follows_the_leader_there_and_back(void **state)
{
	struct proto_answer refer = {.answer = STORE_NOT_LEADER};
	struct proto_answer good = {.answer = STORE_OK, .value = slice_text("one")};
	struct told told = {0};
	struct ask ask;
	unsigned first;

	(void)state;
	get("/a", &told);
	wait_ask(&ask);
	assert_true(slice_equal(ask.request.path, slice_text("/a")));
	first = ask.node;
	refer.leader = (uint8_t)(OWN + OTHER - first);
	say(&ask, &refer);
	do {
		wait_ask(&ask); /* the first may be asked again: the client learns who is who */
		if (ask.node == first) {
			say(&ask, &refer);
		}
	} while (ask.node == first);
	assert_int_equal(told.times, 0);
	say(&ask, &good);
	wait_told(&told.times, 1);
	assert_int_equal(told.outcome, CLIENT_DONE);
	assert_string_equal(told.value, "one");
}

static void test_callback_may_ask_again(void **state)
{
	struct proto_answer good = {.answer = STORE_OK, .value = slice_text("x")};
	struct told told = {.asks_again = true};
	struct ask ask;

	(void)state;
	get("/a", &told);
	wait_ask(&ask);
	say(&ask, &good);
	wait_told(&told.times, 1);
	wait_ask(&ask);
	assert_true(slice_equal(ask.request.path, slice_text("/b")));
	say(&ask, &good);
	wait_told(&told.times, 2);
}

static void test_more_than_the_window_is_the_callers_to_keep(void **state)
{
	struct told told = {0};

	(void)state;
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		get("/a", &told);
	}
	assert_int_equal(ctl_inside_submit(inside, &(struct client_request){.verb = PROTO_REV},
	                                   note, &told, NULL),
	                 -EAGAIN);
	assert_int_equal(told.times, 0);
}

/* As by a server that starts later than this one, or again. */
static void test_hears_a_server_that_was_not_there(void **state)
{
	struct proto_answer refer = {.answer = STORE_NOT_LEADER, .leader = OTHER};
	struct proto_answer good = {.answer = STORE_OK, .value = slice_text("one")};
	struct told told = {0};
	struct ask ask = {.node = OWN};
	unsigned asked_own = 0;

	(void)state;
	get("/a", &told);
	for (unsigned i = 0; i < TURNS_MAX && asked_own < 4; i++) {
		if (look(&ask) && ask.node == OWN) {
			say(&ask, &refer); /* to who is not there */
			asked_own++;
		}
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	assert_int_equal(asked_own, 4);
	for (unsigned i = 0; i < TURNS_MAX && told.times == 0; i++) {
		if (look(&ask)) {
			say(&ask, ask.node == OTHER ? &good : &refer);
		}
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	assert_int_equal(told.times, 1);
	assert_int_equal(told.outcome, CLIENT_DONE);
}

/* A leader that no file of this server names. */
static void test_reaches_a_member_that_joined(void **state)
{
	struct proto_answer refer = {.answer = STORE_NOT_LEADER, .leader = NEW};
	struct proto_answer good = {.answer = STORE_OK, .value = slice_text("one")};
	struct told told = {0};
	struct ask ask;

	(void)state;
	ctl_insides_learn(&insides, 1u << (OWN - 1) | 1u << (OTHER - 1) | 1u << (NEW - 1));
	get("/a", &told);
	for (unsigned i = 0; i < TURNS_MAX && told.times == 0; i++) {
		if (look(&ask)) {
			say(&ask, ask.node == NEW ? &good : &refer);
		}
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	assert_int_equal(told.times, 1);
	assert_int_equal(told.outcome, CLIENT_DONE);
	assert_int_equal(ask.node, NEW);
}

/* A result that is there at once comes from the loop all the same. */
static void test_refusal_without_a_server_comes_from_the_loop(void **state)
{
	static uint8_t long_path[PROTO_MESSAGE_SIZE_MAX + 1];
	const struct client_request request = {.verb = PROTO_GET,
	                                       .path = slice_make(long_path, sizeof(long_path))};
	struct told told = {0};

	(void)state;
	assert_int_equal(ctl_inside_submit(inside, &request, note, &told, NULL), 0);
	assert_int_equal(told.times, 0);
	wait_told(&told.times, 1);
	assert_int_equal(told.outcome, CLIENT_REFUSED);
}

struct heard {
	unsigned events;
	store_rev_t last;
};

static void hear(void *context, const struct watcher_effect *news)
{
	struct heard *heard = context;

	if (news->kind == WATCHER_EFFECT_EVENT) {
		heard->events++;
		heard->last = news->event.revision;
		/* Asked after the event, so not older than it. */
		assert_true(ctl_inside_seen(inside) >= news->event.revision);
	}
}

static void test_watch_tells_an_event_once_and_ends_when_told_to(void **state)
{
	const struct watcher_request request = {.glob = slice_text("/w/*"), .from = 5};
	const struct proto_event event = {.revision = 7,
	                                  .kind = STORE_EVENT_SET,
	                                  .path = slice_text("/w/a"),
	                                  .value = slice_text("v")};
	struct proto_answer page = {.answer = STORE_OK,
	                            .revision = 8,
	                            .from = 5,
	                            .store_revision = 7,
	                            .count = 1,
	                            .ttl_ms = 10000};
	struct heard heard = {0};
	uint8_t memory[256];
	struct ask ask;
	uint64_t tag;

	(void)state;
	assert_int_equal(ctl_inside_watch(inside, &(struct watcher_request){0}, hear, &heard, &tag),
	                 -EINVAL);
	assert_int_equal(ctl_inside_watch(inside, &request, hear, &heard, &tag), 0);
	wait_ask(&ask);
	assert_int_equal(ask.request.verb, PROTO_WATCH);
	assert_int_equal(ask.request.rev, 5);
	page.value = slice_make(memory, proto_event_put(memory, 0, sizeof(memory), &event));
	say(&ask, &page);
	wait_told(&heard.events, 1);
	assert_int_equal(heard.last, 7);
	say(&ask, &page); /* twice on the wire, once told */
	wait_ask(&ask);
	assert_int_equal(ask.request.rev, 8); /* acknowledged */
	assert_int_equal(ctl_inside_unwatch(inside, tag), 0);
	assert_int_equal(ctl_inside_unwatch(inside, tag), -ENOENT);
	wait_ask(&ask);
	assert_int_equal(ask.request.ttl_ms, 0);
	assert_int_equal(heard.events, 1);
}

/* Mail may still be on its way when the client it is for has gone. */
static void test_half_of_the_way_to_the_worker_is_left_to_others(void **state)
{
	const struct paxos_mail foreign = {.kind = PAXOS_MAIL_STATUS_ASK,
	                                   .bytes = slice_make(from_worker, 1024)};
	const struct client_request request = {.verb = PROTO_REV};
	struct ctl_inside_counters counters;
	struct told told = {0};

	(void)state;
	while (!paxos_mailbox_is_crowded(&mailbox)) {
		assert_true(paxos_mailbox_put_to_worker(&mailbox, &foreign));
	}
	for (unsigned i = 0; i < 8; i++) { /* some go to the other server first */
		assert_int_equal(ctl_inside_submit(inside, &request, note, &told, NULL), 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		ctl_inside_counters(inside, &counters);
		if (counters.dropped_mailbox != 0) {
			break;
		}
		(void)usleep(1000);
	}
	assert_true(counters.dropped_mailbox != 0);
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &foreign));
}

static void test_mail_for_one_that_is_gone_is_dropped(void **state)
{
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_REPLY,
	                                .address = paxos_address_inside(CTL_INSIDES_MAX),
	                                .bytes = slice_text("late")};

	(void)state;
	ctl_insides_mail(&insides, &mail);
	assert_int_equal(paxos_address_inside_of(&(struct paxos_address){{0}}), 0);
}

static void test_garbage_from_the_other_server_is_counted(void **state)
{
	struct ctl_inside_counters before, after;
	struct told told = {0};
	struct ask ask;

	(void)state;
	ctl_inside_counters(inside, &before);
	/* Reads are spread by chance only at first; ask until the other one is asked. */
	get("/a", &told);
	do {
		wait_ask(&ask);
	} while (ask.node != OTHER);
	ctl_insides_mail(&insides, &(struct paxos_mail){.kind = PAXOS_MAIL_ANSWERED,
	                                                .address = ask.address,
	                                                .bytes = slice_text("garbage")});
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		ctl_inside_counters(inside, &after);
		if (after.client.received > before.client.received) {
			break;
		}
		(void)usleep(100);
	}
	assert_int_equal(after.client.received, before.client.received + 1);
	assert_int_equal(after.outstanding, 1);
	assert_int_equal(told.times, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_follows_the_leader_there_and_back),
		TEST(test_callback_may_ask_again),
		TEST(test_more_than_the_window_is_the_callers_to_keep),
		TEST(test_hears_a_server_that_was_not_there),
		TEST(test_reaches_a_member_that_joined),
		TEST(test_refusal_without_a_server_comes_from_the_loop),
		TEST(test_watch_tells_an_event_once_and_ends_when_told_to),
		TEST(test_half_of_the_way_to_the_worker_is_left_to_others),
		TEST(test_mail_for_one_that_is_gone_is_dropped),
		TEST(test_garbage_from_the_other_server_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
