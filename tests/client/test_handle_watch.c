/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   watches of the client library do what coffer.h says.
 * Method: a socket on 127.0.0.1 from which the test answers as a server would.
 */
#include <errno.h>
#include <string.h>

#include "store/proto_page.h"
#include "tests/client/fake_server.h"

enum {
	NEWS_MAX = 16
};

struct told {
	enum coffer_news_kind kind;
	uint64_t id;
	int64_t revision, previous, entry_last, next, oldest;
	enum coffer_answer answer;
	char text[32]; /* path=value */
};

struct bench {
	struct coffer *coffer;
	struct fake_server server;
	unsigned count;
	struct told told[NEWS_MAX];
	int (*then)(struct coffer *coffer, uint64_t id); /* done inside the callback of an event */
};

static void open_bench(struct bench *bench, unsigned watches_max)
{
	memset(bench, 0, sizeof(*bench));
	fake_server_open(&bench->server, watches_max);
	bench->coffer = bench->server.coffer;
}

static void close_bench(struct bench *bench)
{
	fake_server_close(&bench->server);
}

static void on_news(void *context, const struct coffer_news *news)
{
	struct bench *bench = context;
	struct told *told = &bench->told[bench->count];

	assert_in_range(bench->count, 0, NEWS_MAX - 1);
	bench->count++;
	*told = (struct told){.kind = news->kind,
	                      .id = news->id,
	                      .next = news->next,
	                      .oldest = news->oldest,
	                      .answer = news->answer};
	if (news->event != NULL) {
		told->revision = news->event->revision;
		told->previous = news->event->previous;
		told->entry_last = news->event->entry_last;
		(void)snprintf(told->text, sizeof(told->text), "%.*s=%.*s",
		               (int)news->event->path_size, news->event->path,
		               (int)news->event->value_size, (const char *)news->event->value);
		if (bench->then != NULL) {
			assert_int_equal(bench->then(bench->coffer, news->id), 0);
		}
	}
	assert_int_equal(coffer_process(bench->coffer), -EBUSY);
	assert_int_equal(coffer_wait(bench->coffer, "/a", 1, 1, NULL, NULL), -EBUSY);
}

/* A page with two sets of one entry of three, "/a" at `from` and `from` + 1. */
static void say_two(struct bench *bench, const struct fake_asked *asked, int64_t from)
{
	uint8_t page[128];
	struct proto_event event = {.revision = from,
	                            .rest = 2,
	                            .kind = STORE_EVENT_SET,
	                            .path = slice_text("/a"),
	                            .value = slice_text("x")};
	size_t size = proto_event_put(page, 0, sizeof(page), &event);

	event.revision++;
	event.previous = from;
	event.rest--;
	size = proto_event_put(page, size, sizeof(page), &event);
	fake_server_say(&bench->server, asked,
	                (struct proto_answer){.from = from,
	                                      .revision = from + 2,
	                                      .store_revision = from + 2,
	                                      .count = 2,
	                                      .value = slice_make(page, size)});
}

static void wait_for(struct bench *bench, unsigned count)
{
	struct pollfd ready = {.fd = coffer_fd(bench->coffer), .events = POLLIN};

	while (bench->count < count) {
		assert_int_equal(poll(&ready, 1, FAKE_PATIENCE_MS), 1);
		assert_true(coffer_process(bench->coffer) >= 0);
	}
	assert_int_equal(bench->count, count);
}

static void test_events_notes_and_the_end_are_called_back(void **state)
{
	struct bench bench;
	struct fake_asked asked;
	uint64_t id;

	(void)state;
	open_bench(&bench, 4);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 7, on_news, &bench, &id), 0);
	assert_int_equal(coffer_watches(bench.coffer), 1);
	assert_int_equal(coffer_outstanding(bench.coffer), 0);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.rev, 7);
	say_two(&bench, &asked, 7);
	wait_for(&bench, 3);
	assert_int_equal(bench.told[0].kind, COFFER_NEWS_EVENT);
	assert_int_equal(bench.told[0].id, id);
	assert_int_equal(bench.told[0].revision, 7);
	assert_string_equal(bench.told[0].text, "/a=x");
	assert_int_equal(bench.told[1].revision, 8);
	assert_int_equal(bench.told[1].previous, 7);
	assert_int_equal(bench.told[0].entry_last, 9);
	assert_int_equal(bench.told[1].entry_last, 9);
	assert_int_equal(bench.told[2].kind, COFFER_NEWS_NOTE);
	assert_int_equal(bench.told[2].next, 9);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.rev, 9);
	assert_int_equal(asked.request.last, 8);
	fake_server_say(&bench.server, &asked,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 40});
	wait_for(&bench, 4);
	assert_int_equal(bench.told[3].kind, COFFER_NEWS_END);
	assert_int_equal(bench.told[3].answer, COFFER_TOO_LATE);
	assert_int_equal(bench.told[3].oldest, 40);
	assert_int_equal(coffer_watches(bench.coffer), 0);
	assert_int_equal(coffer_unwatch(bench.coffer, id), -ENOENT);
	close_bench(&bench);
}

static void test_a_watch_can_be_held_and_ended_inside_its_callback(void **state)
{
	struct bench bench;
	struct fake_asked asked;
	uint64_t id;

	(void)state;
	open_bench(&bench, 4);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 7, on_news, &bench, &id), 0);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	bench.then = coffer_pause;
	say_two(&bench, &asked, 7);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.ttl_ms, 0);
	assert_int_equal(bench.count, 1);
	bench.then = coffer_unwatch;
	assert_int_equal(coffer_resume(bench.coffer, id), 0);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.rev, 8);
	say_two(&bench, &asked, 8);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.ttl_ms, 0);
	assert_int_equal(bench.count, 2);
	assert_int_equal(coffer_watches(bench.coffer), 0);
	assert_int_equal(coffer_pause(bench.coffer, id), -ENOENT);
	assert_int_equal(coffer_resume(bench.coffer, id), -ENOENT);
	close_bench(&bench);
}

static void test_from_now_on_asks_for_the_revision_first(void **state)
{
	struct bench bench;
	struct fake_asked rev, asked;
	uint64_t id;

	(void)state;
	open_bench(&bench, 4);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 0, on_news, &bench, NULL), 0);
	rev = fake_server_take(&bench.server, PROTO_REV);
	/* This one comes too late for that answer. */
	assert_int_equal(coffer_watch(bench.coffer, "/b", 0, on_news, &bench, &id), 0);
	assert_int_equal(coffer_outstanding(bench.coffer), 0);
	fake_server_say(&bench.server, &rev,
	                (struct proto_answer){.revision = 20, .store_revision = 20});
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.rev, 21);
	rev = fake_server_take(&bench.server, PROTO_REV);
	assert_int_equal(coffer_pause(bench.coffer, id), 0);
	fake_server_say(&bench.server, &rev,
	                (struct proto_answer){.revision = 30, .store_revision = 30});
	fake_server_say(&bench.server, &asked, (struct proto_answer){.from = 21, .revision = 21});
	wait_for(&bench, 1); /* a note of the first */
	assert_int_equal(coffer_resume(bench.coffer, id), 0);
	asked = fake_server_take(&bench.server, PROTO_WATCH);
	assert_int_equal(asked.request.rev, 31);
	/* Refused: no watch from now on. */
	assert_int_equal(coffer_watch(bench.coffer, "/c", 0, on_news, &bench, &id), 0);
	rev = fake_server_take(&bench.server, PROTO_REV);
	fake_server_say(&bench.server, &rev, (struct proto_answer){.answer = STORE_WRONG_CLUSTER});
	wait_for(&bench, 2);
	assert_int_equal(bench.told[1].kind, COFFER_NEWS_END);
	assert_int_equal(bench.told[1].id, id);
	assert_int_equal(bench.told[1].answer, COFFER_WRONG_CLUSTER);
	close_bench(&bench);
}

static void test_wrong_use_is_told(void **state)
{
	struct bench bench;
	uint64_t id;

	(void)state;
	open_bench(&bench, 1);
	assert_int_equal(coffer_watch(bench.coffer, NULL, 1, on_news, &bench, &id), -EINVAL);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 1, NULL, &bench, &id), -EINVAL);
	assert_int_equal(coffer_watch(bench.coffer, "/a", -1, on_news, &bench, &id), -EINVAL);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 0, on_news, &bench, &id), 0);
	assert_int_equal(coffer_watch(bench.coffer, "/a", 1, on_news, &bench, NULL), -EAGAIN);
	assert_int_equal(coffer_unwatch(bench.coffer, id), 0);
	assert_int_equal(coffer_unwatch(bench.coffer, id), -ENOENT);
	close_bench(&bench);
}

static void test_waiting_ends_in_time(void **state)
{
	struct coffer_result result;
	struct coffer_event event;
	struct bench bench;

	(void)state;
	open_bench(&bench, 1);
	assert_int_equal(coffer_wait(bench.coffer, "/a", 0, 20, &event, &result), COFFER_UNREACHED);
	assert_false(result.heard);
	assert_int_equal(coffer_wait(bench.coffer, "/a", 1, 20, &event, &result), COFFER_UNREACHED);
	assert_int_equal(coffer_watches(bench.coffer), 0);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_notes_and_the_end_are_called_back),
		cmocka_unit_test(test_a_watch_can_be_held_and_ended_inside_its_callback),
		cmocka_unit_test(test_from_now_on_asks_for_the_revision_first),
		cmocka_unit_test(test_wrong_use_is_told),
		cmocka_unit_test(test_waiting_ends_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
