/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a lock asks for the right thing at each step, above all at those that are rare: a watch
 *         that is lost, a grant in the entry that asked for it, a request that is given up.
 * Method: a fake server, so that the test says what happened.
 */
#include <errno.h>
#include <string.h>

#include "tests/client/fake_server.h"

#include <coffer_lock.h>

#include "store/claim.h"
#include "store/proto_page.h"
#include "store/txn.h"

enum {
	SESSION = 77,
	HEIR = 78
};

struct bench {
	struct fake_server server;
	struct coffer_lock *lock;
	char told[16]; /* w h ! l r x */
	struct coffer_lock_news last;
	struct coffer_leader leader;
	unsigned changes;
};

/* A transaction as the handle sent it. */
struct sent {
	struct fake_asked asked;
	struct store_compare compare; /* the first */
	struct store_op then, other;  /* the first of each list */
	struct store_txn txn;
};

static void on_news(void *context, struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	struct bench *bench = context;
	const size_t used = strlen(bench->told);

	(void)lock;
	assert_true(used + 1 < sizeof(bench->told));
	bench->told[used] = " wh!lrx"[news->kind];
	bench->last = *news;
}

static struct sent take_txn(struct bench *bench)
{
	struct sent sent = {.asked = fake_server_take(&bench->server, PROTO_TXN)};
	struct wire_reader reader;

	assert_true((sent.asked.flags & PROTO_FLAG_ORDERED) != 0);
	assert_true(store_txn_decode(sent.asked.request.value, &sent.txn));
	if (sent.txn.compare_count != 0) {
		reader = wire_reader_make(sent.txn.compares);
		sent.compare = store_txn_compare(&reader);
	}
	if (sent.txn.then_count != 0) {
		reader = wire_reader_make(sent.txn.thens);
		sent.then = store_txn_op(&reader);
	}
	if (sent.txn.else_count != 0) {
		reader = wire_reader_make(sent.txn.elses);
		sent.other = store_txn_op(&reader);
	}
	return sent;
}

static void say(struct bench *bench, const struct sent *sent, struct proto_answer answer)
{
	fake_server_say(&bench->server, &sent->asked, answer);
}

/* The handle's watch, which has to be of this file, from there on. */
static struct fake_asked take_watch(struct bench *bench, const char *path, int64_t from)
{
	struct fake_asked asked;

	do {
		asked = fake_server_take(&bench->server, PROTO_WATCH);
	} while (asked.request.ttl_ms == 0); /* the end of a former one */
	assert_int_equal(asked.request.path.size, strlen(path));
	assert_memory_equal(asked.request.path.data, path, strlen(path));
	assert_int_equal(asked.request.rev, from);
	return asked;
}

/* A page of one event or two, until the first without a kind. */
static void say_events(struct bench *bench, const struct fake_asked *asked,
                       const struct proto_event events[2])
{
	uint8_t page[STORE_DATAGRAM_SIZE_MAX];
	struct proto_answer answer = {.from = asked->request.rev};
	size_t size = 0;

	for (unsigned i = 0; i < 2 && events[i].kind != 0; i++) {
		size = proto_event_put(page, size, sizeof(page), &events[i]);
		answer.store_revision = events[i].revision;
		answer.count++;
	}
	answer.revision = answer.store_revision + 1;
	answer.value = slice_make(page, size);
	fake_server_say(&bench->server, asked, answer);
}

static void say_event(struct bench *bench, const struct fake_asked *asked, int64_t revision,
                      enum store_event_kind kind, enum store_cause cause, const char *value)
{
	const struct proto_event events[2] = {
		{.revision = revision,
	         .kind = kind,
	         .cause = cause,
	         .path = slice_text("/ctl/lock/a/.holder/0000000000000009"),
	         .value = slice_text(value)}};

	say_events(bench, asked, events);
}

static void until_told(struct bench *bench, const char *told)
{
	struct pollfd ready = {.fd = coffer_fd(bench->server.coffer), .events = POLLIN};

	while (strcmp(bench->told, told) != 0) {
		assert_int_equal(poll(&ready, 1, FAKE_PATIENCE_MS), 1);
		assert_true(coffer_process(bench->server.coffer) >= 0);
		assert_memory_equal(bench->told, told, strlen(bench->told));
	}
}

/* Up to the LOCK, which is not answered yet. */
static struct sent open_bench(struct bench *bench)
{
	const struct coffer_lock_options options = {.claim = {.priority = 5}};
	struct fake_asked open;
	struct sent sent;

	memset(bench, 0, sizeof(*bench));
	fake_server_open(&bench->server, 4);
	assert_int_equal(
		coffer_lock(bench->server.coffer, "/a", &options, on_news, bench, &bench->lock), 0);
	open = fake_server_take(&bench->server, PROTO_OPEN);
	fake_server_say(&bench->server, &open, (struct proto_answer){.session = SESSION});
	sent = take_txn(bench);
	assert_int_equal(sent.then.verb, STORE_VERB_LOCK);
	assert_int_equal(sent.then.limit, 1);
	assert_int_equal(sent.then.priority, 5);
	return sent;
}

#define QUEUE_5  "/ctl/lock/a/.queue/250-0000000000000005"
#define HOLDER_9 "/ctl/lock/a/.holder/0000000000000009"
#define QUEUED   .result = STORE_RESULT_QUEUED, .number = 5, .first = 5

/* Asked for, and queued at `revision`; its place is watched from the ticket on. */
static struct fake_asked open_queued(struct bench *bench, store_rev_t revision)
{
	struct sent sent = open_bench(bench);

	say(bench, &sent, (struct proto_answer){QUEUED, .revision = revision});
	return take_watch(bench, QUEUE_5, 6);
}

static void test_grant_in_the_entry_that_asked_is_seen(void **state)
{
	struct bench bench;
	struct fake_asked watch = open_queued(&bench, 7);

	(void)state;
	assert_string_equal(bench.told, "w");
	say_event(&bench, &watch, 10, STORE_EVENT_SET, STORE_CAUSE_ASKED, "");
	watch = take_watch(&bench, QUEUE_5, 11);
	say_event(&bench, &watch, 12, STORE_EVENT_DELETE, STORE_CAUSE_GRANTED, "");
	until_told(&bench, "wh");
	assert_int_equal(bench.last.token, 11);
	watch = take_watch(&bench, "/ctl/lock/a/.holder/000000000000000b", 12);
	fake_server_close(&bench.server);
}

static void test_lost_watch_is_made_good_by_a_look(void **state)
{
	const struct proto_answer too_late = {.answer = STORE_TOO_LATE, .revision = 1000};
	struct bench bench;
	struct fake_asked watch = open_queued(&bench, 5);
	struct sent sent;

	(void)state;
	fake_server_say(&bench.server, &watch, too_late);
	/* It waits still. */
	sent = take_txn(&bench);
	assert_int_equal(sent.compare.kind, STORE_COMPARE_REV);
	assert_int_equal(sent.compare.relation, STORE_AT_LEAST);
	assert_int_equal(sent.compare.number, 1);
	assert_memory_equal(sent.compare.path.data, QUEUE_5, strlen(QUEUE_5));
	assert_int_equal(sent.txn.then_count, 0);
	assert_int_equal(sent.other.verb, STORE_VERB_LOCK);
	assert_int_equal(sent.other.flags, STORE_OP_TRY);
	say(&bench, &sent, (struct proto_answer){.revision = 2000});
	watch = take_watch(&bench, QUEUE_5, 2001);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 3000});
	/* It waits no more: it was granted. */
	sent = take_txn(&bench);
	say(&bench, &sent,
	    (struct proto_answer){.result = STORE_RESULT_ELSE, .number = 9, .revision = 4000});
	watch = take_watch(&bench, HOLDER_9, 4001);
	until_told(&bench, "wh");
	assert_int_equal(bench.last.token, 9);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 5000});
	/* It is held no more. */
	sent = take_txn(&bench);
	assert_int_equal(sent.compare.kind, STORE_COMPARE_TOKEN);
	assert_int_equal(sent.compare.number, 9);
	assert_int_equal(sent.txn.then_count + sent.txn.else_count, 0);
	say(&bench, &sent, (struct proto_answer){.answer = STORE_NOT_HELD});
	until_told(&bench, "whl");
	assert_int_equal(bench.last.cause, COFFER_CAUSE_ASKED);
	fake_server_close(&bench.server);
}

/* A look may grow, so it is refused unlooked: its place, if it stands, would be nobody's. */
static void test_place_is_given_back_when_disks_are_full(void **state)
{
	struct bench bench;
	struct fake_asked watch = open_queued(&bench, 5);
	struct sent sent;

	(void)state;
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 1000});
	sent = take_txn(&bench);
	assert_int_equal(sent.other.verb, STORE_VERB_LOCK);
	say(&bench, &sent, (struct proto_answer){.answer = STORE_DISK_FULL});
	sent = take_txn(&bench);
	assert_int_equal(sent.then.verb, STORE_VERB_UNLOCK);
	until_told(&bench, "wx");
	assert_int_equal(bench.last.answer, COFFER_DISK_FULL);
	fake_server_close(&bench.server);
}

static void test_lock_that_rests_is_lost(void **state)
{
	struct fake_asked watch;
	struct bench bench;
	struct sent sent = open_bench(&bench);

	(void)state;
	say(&bench, &sent, (struct proto_answer){.number = 9, .first = 9, .revision = 9});
	watch = take_watch(&bench, HOLDER_9, 10);
	until_told(&bench, "h");
	assert_int_equal(coffer_lock_token(bench.lock), 9);
	say_event(&bench, &watch, 12, STORE_EVENT_SET, STORE_CAUSE_EXPIRED, "77 1 0 5 10 9\n");
	until_told(&bench, "hl");
	assert_int_equal(bench.last.cause, COFFER_CAUSE_EXPIRED);
	fake_server_close(&bench.server);
}

/* In the session, which it goes on with; and by who watches it is heard. */
static void test_lock_that_another_process_gave_back_is_released(void **state)
{
	struct fake_asked watch;
	struct bench bench;
	struct sent sent = open_bench(&bench);

	(void)state;
	say(&bench, &sent, (struct proto_answer){.number = 9, .first = 9, .revision = 9});
	watch = take_watch(&bench, HOLDER_9, 10);
	until_told(&bench, "h");
	say_event(&bench, &watch, 12, STORE_EVENT_DELETE, STORE_CAUSE_RELEASED, "");
	until_told(&bench, "hr");
	assert_int_equal(coffer_lock_token(bench.lock), 0);
	fake_server_close(&bench.server);
}

static void test_what_is_given_up_before_its_answer_is_given_back(void **state)
{
	struct bench bench;
	struct sent sent = open_bench(&bench), unlock;

	(void)state;
	coffer_lock_release(bench.lock);
	unlock = take_txn(&bench);
	assert_int_equal(unlock.then.verb, STORE_VERB_UNLOCK);
	assert_int_equal(unlock.then.flags, STORE_OP_ALL);
	/* Once this is done, the servers run the LOCK no more. */
	assert_true(unlock.asked.request.first_unanswered > sent.asked.head.number);
	assert_string_equal(bench.told, "");
	say(&bench, &unlock, (struct proto_answer){.answer = STORE_NOT_HELD});
	until_told(&bench, "r");
	coffer_lock_free(bench.lock);
	fake_server_close(&bench.server);
}

static void test_lock_that_was_never_sent_is_not_given_back(void **state)
{
	struct bench bench = {0};
	struct coffer_lock *lock;

	(void)state;
	fake_server_open(&bench.server, 4);
	assert_int_equal(coffer_lock(bench.server.coffer, "/a", NULL, on_news, &bench, &lock), 0);
	(void)fake_server_take(&bench.server, PROTO_OPEN); /* is not answered */
	coffer_lock_release(lock);
	until_told(&bench, "r");
	coffer_lock_free(lock);
	assert_int_equal(coffer_process(bench.server.coffer), 0);
	assert_int_equal(coffer_outstanding(bench.server.coffer), 0);
	fake_server_close(&bench.server);
}

static void test_lost_session_takes_all(void **state)
{
	struct bench bench;
	struct sent sent = open_bench(&bench);

	(void)state;
	say(&bench, &sent, (struct proto_answer){.number = 9, .first = 9, .revision = 9});
	until_told(&bench, "h");
	coffer_lock_release(bench.lock);
	assert_int_equal(coffer_lock_token(bench.lock), 0);
	sent = take_txn(&bench);
	say(&bench, &sent, (struct proto_answer){.answer = STORE_NO_SESSION});
	until_told(&bench, "hr"); /* it went with the session */
	coffer_lock_free(bench.lock);
	fake_server_close(&bench.server);
}

/* The servers' part, played from inside of the call that waits for it. */
static void on_cancelled(void *context, const struct coffer_result *result)
{
	struct bench *bench = context;
	const struct sent sent = take_txn(bench);

	(void)result;
	assert_int_equal(sent.then.verb, STORE_VERB_UNLOCK);
	assert_int_equal(sent.then.number, HEIR);
	say(bench, &sent, (struct proto_answer){.number = 9, .first = 12, .revision = 13});
}

static void test_hand_over_comes_after_what_was_written_under_the_lock(void **state)
{
	const struct coffer_request rev = {.verb = COFFER_REV};
	struct bench bench;
	struct sent sent = open_bench(&bench);
	uint64_t id;

	(void)state;
	say(&bench, &sent, (struct proto_answer){.number = 9, .first = 9, .revision = 9});
	until_told(&bench, "h");
	assert_int_equal(coffer_submit(bench.server.coffer, &rev, on_cancelled, &bench, &id), 0);
	assert_int_equal(coffer_cancel(bench.server.coffer, id), 0);
	assert_int_equal(coffer_lock_transfer(bench.lock, HEIR, NULL), COFFER_DONE);
	assert_string_equal(bench.told, "hr");
	coffer_lock_free(bench.lock);
	fake_server_close(&bench.server);
}

/* --- observers -------------------------------------------------------------------------------- */

static void on_leader(void *context, const struct coffer_leader *leader)
{
	struct bench *bench = context;

	bench->leader = *leader;
	bench->changes++;
}

static void until_changes(struct bench *bench, unsigned changes, enum coffer_answer answer)
{
	struct pollfd ready = {.fd = coffer_fd(bench->server.coffer), .events = POLLIN};

	while (bench->changes < changes || bench->leader.answer != answer) {
		assert_int_equal(poll(&ready, 1, FAKE_PATIENCE_MS), 1);
		assert_true(coffer_process(bench->server.coffer) >= 0);
	}
	assert_int_equal(bench->changes, changes);
}

static void test_observer_reads_again_when_its_watch_is_lost(void **state)
{
	const struct proto_answer none = {.answer = STORE_NOT_FOUND, .store_revision = 20};
	struct coffer_observer *observer;
	struct bench bench = {0};
	struct fake_asked asked;

	(void)state;
	fake_server_open(&bench.server, 4);
	assert_int_equal(coffer_observe(bench.server.coffer, "/a", on_leader, &bench, &observer),
	                 0);
	asked = fake_server_take(&bench.server, PROTO_LIST);
	assert_int_equal(asked.request.path.size, strlen("/ctl/lock/a/.holder"));
	fake_server_say(&bench.server, &asked, none);
	until_changes(&bench, 1, COFFER_OK);
	assert_int_equal(bench.leader.term, 0);
	asked = take_watch(&bench, "/ctl/lock/a/.holder/*", 21);
	say_event(&bench, &asked, 25, STORE_EVENT_SET, STORE_CAUSE_GRANTED, "77 1 1 0 500 0\nme");
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 9);
	assert_int_equal(bench.leader.session, 77);
	assert_int_equal(bench.leader.ttl_ms, 500);
	assert_memory_equal(bench.leader.value, "me", 2);
	asked = take_watch(&bench, "/ctl/lock/a/.holder/*", 26);
	say_event(&bench, &asked, 27, STORE_EVENT_SET, STORE_CAUSE_EXPIRED, "77 1 0 5 500 9\nme");
	until_changes(&bench, 3, COFFER_OK);
	assert_true(bench.leader.is_resting);
	asked = take_watch(&bench, "/ctl/lock/a/.holder/*", 28);
	fake_server_say(&bench.server, &asked,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 90});
	asked = fake_server_take(&bench.server, PROTO_LIST);
	fake_server_say(&bench.server, &asked,
	                (struct proto_answer){.answer = STORE_DENIED, .store_revision = 100});
	until_changes(&bench, 4, COFFER_DENIED);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

#define FOLDER "/ctl/lock/a/.holder"

/* An observer of /a that watches from revision 31 on: 9 leads. */
static struct coffer_observer *open_observer(struct bench *bench, struct fake_asked *ret_watch)
{
	struct coffer_observer *observer;
	struct fake_asked asked;
	uint8_t page[64];
	const struct proto_page_entry entry = {.name = slice_text("0000000000000009"),
	                                       .revision = 9};
	const size_t size = proto_page_put(page, 0, sizeof(page), &entry);

	memset(bench, 0, sizeof(*bench));
	fake_server_open(&bench->server, 4);
	assert_int_equal(coffer_observe(bench->server.coffer, "/a", on_leader, bench, &observer),
	                 0);
	asked = fake_server_take(&bench->server, PROTO_LIST);
	fake_server_say(&bench->server, &asked,
	                (struct proto_answer){
				.store_revision = 20, .count = 1, .value = slice_make(page, size)});
	asked = fake_server_take(&bench->server, PROTO_GET);
	fake_server_say(&bench->server, &asked,
	                (struct proto_answer){.revision = 9,
	                                      .store_revision = 30,
	                                      .value = slice_text("77 1 1 0 500 0\nme")});
	until_changes(bench, 1, COFFER_OK);
	assert_int_equal(bench->leader.term, 9);
	*ret_watch = take_watch(bench, FOLDER "/*", 31);
	return observer;
}

static struct proto_event heir_at(int64_t revision, unsigned rest)
{
	return (struct proto_event){.revision = revision,
	                            .rest = rest,
	                            .kind = STORE_EVENT_SET,
	                            .cause = STORE_CAUSE_GRANTED,
	                            .path = slice_text(FOLDER "/0000000000000029"),
	                            .value = slice_text("78 1 1 0 500 0\nheir")};
}

static void test_observer_sees_nobody_between_two_of_one_entry(void **state)
{
	const struct proto_event events[2] = {{.revision = 40,
	                                       .rest = 2,
	                                       .kind = STORE_EVENT_DELETE,
	                                       .cause = STORE_CAUSE_RELEASED,
	                                       .path = slice_text(HOLDER_9)},
	                                      heir_at(41, 1)};
	struct fake_asked watch;
	struct bench bench;
	struct coffer_observer *observer = open_observer(&bench, &watch);

	(void)state;
	say_events(&bench, &watch, events);
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 41);
	assert_int_equal(bench.leader.session, 78);
	/* A note is no news. */
	watch = take_watch(&bench, FOLDER "/*", 42);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.from = 42, .revision = 45, .store_revision = 44});
	/* It says the same once more: no news, either; then something else. */
	watch = take_watch(&bench, FOLDER "/*", 45);
	say_events(&bench, &watch, (struct proto_event[2]){heir_at(46, 0)});
	watch = take_watch(&bench, FOLDER "/*", 47);
	say_event(&bench, &watch, 48, STORE_EVENT_SET, STORE_CAUSE_GRANTED, "79 1 1 0 500 0\n");
	until_changes(&bench, 3, COFFER_OK);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

static void say_gone(struct bench *bench, const struct fake_asked *watch, unsigned rest)
{
	const struct proto_event events[2] = {{.revision = 40,
	                                       .rest = rest,
	                                       .kind = STORE_EVENT_DELETE,
	                                       .cause = STORE_CAUSE_RELEASED,
	                                       .path = slice_text(HOLDER_9)}};

	say_events(bench, watch, events);
}

/* The page ends where the leader went, amid the entry. */
static void test_observer_waits_for_the_rest_of_the_entry(void **state)
{
	struct fake_asked watch;
	struct bench bench;
	struct coffer_observer *observer = open_observer(&bench, &watch);

	(void)state;
	say_gone(&bench, &watch, 2);
	watch = take_watch(&bench, FOLDER "/*", 41);
	assert_int_equal(bench.changes, 1);
	say_events(&bench, &watch, (struct proto_event[2]){heir_at(41, 1)});
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 41);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

static void test_observer_is_told_of_nobody_after_the_entry(void **state)
{
	struct fake_asked watch;
	struct bench bench;
	struct coffer_observer *observer = open_observer(&bench, &watch);

	(void)state;
	say_gone(&bench, &watch, 0);
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 0);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);

	/* Or when the rest has come, of which nothing matches. */
	observer = open_observer(&bench, &watch);
	say_gone(&bench, &watch, 1);
	watch = take_watch(&bench, FOLDER "/*", 41);
	assert_int_equal(bench.changes, 1);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.from = 41, .revision = 42, .store_revision = 41});
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 0);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

/* The watch is lost amid the entry: it begins anew. */
static void test_observer_reads_again_amid_an_entry(void **state)
{
	struct fake_asked watch, asked;
	struct bench bench;
	struct coffer_observer *observer = open_observer(&bench, &watch);

	(void)state;
	say_gone(&bench, &watch, 1);
	watch = take_watch(&bench, FOLDER "/*", 41);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.answer = STORE_TOO_LATE, .revision = 900});
	asked = fake_server_take(&bench.server, PROTO_LIST);
	fake_server_say(&bench.server, &asked,
	                (struct proto_answer){.answer = STORE_NOT_FOUND, .store_revision = 950});
	until_changes(&bench, 2, COFFER_OK);
	assert_int_equal(bench.leader.term, 0);
	(void)take_watch(&bench, FOLDER "/*", 951);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

/* It is told once when its news gets old, and once when it is not any more. */
static void test_observer_is_told_that_its_news_is_old(void **state)
{
	struct fake_asked watch;
	struct bench bench;
	struct coffer_observer *observer = open_observer(&bench, &watch);

	(void)state;
	until_changes(&bench, 2, COFFER_OK); /* nobody answers */
	assert_true(bench.leader.is_old);
	assert_int_equal(bench.leader.term, 9);
	assert_true(bench.leader.age_ms >= 5500);
	watch = take_watch(&bench, FOLDER "/*", 31);
	fake_server_say(&bench.server, &watch,
	                (struct proto_answer){.from = 31, .revision = 35, .store_revision = 34});
	until_changes(&bench, 3, COFFER_OK);
	assert_false(bench.leader.is_old);
	assert_int_equal(bench.leader.term, 9);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

/* Of a server that is broken, or hostile. */
static void test_observer_takes_no_name_that_is_no_token(void **state)
{
	const struct proto_page_entry entry = {.name = slice_text("of-thirty-bytes-and-no-token-x"),
	                                       .revision = 1};
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1], folder[STORE_PATH_SIZE_MAX + 1];
	struct coffer_observer *observer;
	struct bench bench = {0};
	struct fake_asked asked;
	uint8_t page[64];
	size_t size;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(folder, sizeof(folder), "/ctl/lock%s/.holder", name);
	size = proto_page_put(page, 0, sizeof(page), &entry);
	fake_server_open(&bench.server, 4);
	assert_int_equal(coffer_observe(bench.server.coffer, name, on_leader, &bench, &observer),
	                 0);
	asked = fake_server_take(&bench.server, PROTO_LIST);
	fake_server_say(&bench.server, &asked,
	                (struct proto_answer){
				.store_revision = 20, .count = 1, .value = slice_make(page, size)});
	/* It looks again, at the same place. */
	asked = fake_server_take(&bench.server, PROTO_LIST);
	assert_int_equal(asked.request.path.size, strlen(folder));
	assert_memory_equal(asked.request.path.data, folder, strlen(folder));
	assert_int_equal(bench.changes, 0);
	coffer_unobserve(observer);
	fake_server_close(&bench.server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grant_in_the_entry_that_asked_is_seen),
		cmocka_unit_test(test_lost_watch_is_made_good_by_a_look),
		cmocka_unit_test(test_place_is_given_back_when_disks_are_full),
		cmocka_unit_test(test_lock_that_rests_is_lost),
		cmocka_unit_test(test_lock_that_another_process_gave_back_is_released),
		cmocka_unit_test(test_what_is_given_up_before_its_answer_is_given_back),
		cmocka_unit_test(test_lock_that_was_never_sent_is_not_given_back),
		cmocka_unit_test(test_lost_session_takes_all),
		cmocka_unit_test(test_hand_over_comes_after_what_was_written_under_the_lock),
		cmocka_unit_test(test_observer_reads_again_when_its_watch_is_lost),
		cmocka_unit_test(test_observer_takes_no_name_that_is_no_token),
		cmocka_unit_test(test_observer_sees_nobody_between_two_of_one_entry),
		cmocka_unit_test(test_observer_waits_for_the_rest_of_the_entry),
		cmocka_unit_test(test_observer_is_told_of_nobody_after_the_entry),
		cmocka_unit_test(test_observer_reads_again_amid_an_entry),
		cmocka_unit_test(test_observer_is_told_that_its_news_is_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
