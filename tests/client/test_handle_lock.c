/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   locks and elections of the client library do what coffer_lock.h says.
 * Method: a tiny cluster of real replicas on 127.0.0.1, some of it with losses; several handles in
 *         one thread, turned together. An operator (a handle of its own) breaks and kills; servers
 *         fall silent. What a lock tells is kept as a text, a letter for each kind of news.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <coffer_lock.h>

#include "tests/client/tiny_cluster.h"

enum {
	PATIENCE_MS = 30000,
	HANDLES = 3,
	ROUNDS = 10,
	TOLD_MAX = 32
};

struct ear {
	char told[TOLD_MAX]; /* w h ! l r x */
	struct coffer_lock_news last;
	struct coffer_lock *lock;
	bool frees; /* when it is held, from inside the callback */
};

static struct tiny_cluster *cluster;
static struct coffer *handles[HANDLES], *operator;

static struct coffer *open_handle(uint32_t ttl_ms)
{
	struct coffer_options options;
	struct coffer *coffer;

	coffer_options_default(&options);
	options.timeout_ms = PATIENCE_MS;
	options.ttl_ms = ttl_ms;
	options.watches_max = 8;
	assert_int_equal(coffer_open(&coffer, tiny_cluster_servers(cluster), &options), 0);
	return coffer;
}

static int start_with(unsigned loss_percent, uint64_t seed)
{
	cluster = tiny_cluster_new(loss_percent, seed);
	for (unsigned i = 0; i < HANDLES; i++) {
		handles[i] = open_handle(10000);
	}
	operator= open_handle(10000);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(0, 1);
}

static int start_lossy(void **state)
{
	(void)state;
	return start_with(20, 4);
}

static int stop(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HANDLES; i++) {
		coffer_close(handles[i]);
	}
	coffer_close(operator);
	tiny_cluster_free(cluster);
	return 0;
}

static void on_news(void *context, struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	static const char letters[] = " wh!lrx";
	struct ear *ear = context;
	const size_t used = strlen(ear->told);

	assert_true(used + 1 < TOLD_MAX);
	ear->told[used] = letters[news->kind];
	ear->last = *news;
	if (ear->frees && news->kind == COFFER_LOCK_HELD) {
		ear->lock = NULL;
		coffer_lock_free(lock);
	}
}

static void ask(struct coffer *coffer, const char *name, const struct coffer_lock_options *options,
                struct ear *ear)
{
	memset(ear->told, 0, sizeof(ear->told));
	assert_int_equal(coffer_lock(coffer, name, options, on_news, ear, &ear->lock), 0);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &now), 0);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Turns all handles once, when there is something to do. */
static void turn(void)
{
	struct pollfd ready[HANDLES];

	for (unsigned i = 0; i < HANDLES; i++) {
		ready[i] = (struct pollfd){.fd = coffer_fd(handles[i]), .events = POLLIN};
	}
	(void)poll(ready, HANDLES, 1000);
	for (unsigned i = 0; i < HANDLES; i++) {
		assert_true(coffer_process(handles[i]) >= 0);
	}
}

static void until_told(const struct ear *ear, const char *told)
{
	const uint64_t end_ns = now_ns() + PATIENCE_MS * (uint64_t)1000000;

	while (strcmp(ear->told, told) != 0) {
		if (now_ns() > end_ns || strncmp(ear->told, told, strlen(ear->told)) != 0) {
			fail_msg("told \"%s\", not \"%s\"", ear->told, told);
		}
		turn();
	}
}

/* --- who looks on ----------------------------------------------------------------------------- */

struct sight {
	unsigned changes;
	struct coffer_leader last;
	char value[16];
};

static void on_leader(void *context, const struct coffer_leader *leader)
{
	struct sight *sight = context;

	sight->changes++;
	sight->last = *leader;
	assert_in_range(leader->value_size, 0, sizeof(sight->value) - 1);
	memset(sight->value, 0, sizeof(sight->value));
	if (leader->value_size != 0) {
		memcpy(sight->value, leader->value, leader->value_size);
	}
}

static void until_seen(const struct sight *sight, int64_t term, const char *value)
{
	const uint64_t end_ns = now_ns() + PATIENCE_MS * (uint64_t)1000000;

	while (sight->changes == 0 || sight->last.term != term ||
	       strcmp(sight->value, value) != 0) {
		assert_true(now_ns() < end_ns);
		turn();
	}
}

/* --- locks ------------------------------------------------------------------------------------ */

static void test_lock_goes_from_one_to_the_next(void **state)
{
	const struct coffer_lock_options urgent = {.claim = {.priority = 9}};
	struct ear ears[HANDLES] = {0};
	int64_t token;

	(void)state;
	ask(handles[0], "/db", NULL, &ears[0]);
	until_told(&ears[0], "h");
	token = ears[0].last.token;
	assert_true(token > 0);
	assert_int_equal(coffer_lock_token(ears[0].lock), token);
	assert_true(ears[0].last.expires_ns > now_ns());
	assert_int_equal(coffer_lock_state(ears[0].lock), COFFER_LOCK_HELD);
	assert_string_equal(coffer_lock_name(ears[0].lock), "/db");
	ask(handles[1], "/db", NULL, &ears[1]);
	until_told(&ears[1], "w");
	assert_int_equal(coffer_lock_token(ears[1].lock), 0);
	ask(handles[2], "/db", &urgent, &ears[2]);
	until_told(&ears[2], "w");
	assert_true(ears[2].last.ticket > ears[1].last.ticket);

	coffer_lock_release(ears[0].lock);
	assert_int_equal(coffer_lock_token(ears[0].lock), 0); /* from here on */
	until_told(&ears[2], "wh");
	assert_true(ears[2].last.token > token);
	until_told(&ears[0], "hr");
	assert_string_equal(ears[1].told, "w");
	coffer_lock_free(ears[2].lock);
	until_told(&ears[1], "wh");
	assert_string_equal(ears[2].told, "wh"); /* who frees is told no more */
	coffer_lock_free(ears[0].lock);
	assert_int_equal(coffer_unlock(ears[1].lock), COFFER_DONE);
	assert_string_equal(ears[1].told, "whr");
}

static void test_no_two_hold_it_whatever_is_lost(void **state)
{
	struct ear ears[HANDLES] = {0};
	const uint64_t end_ns = now_ns() + PATIENCE_MS * (uint64_t)1000000;
	unsigned rounds[HANDLES] = {0};
	int64_t highest = 0;

	(void)state;
	for (unsigned i = 0; i < HANDLES; i++) {
		ask(handles[i], "/db", NULL, &ears[i]);
	}
	while (rounds[0] < ROUNDS || rounds[1] < ROUNDS || rounds[2] < ROUNDS) {
		unsigned holders = 0;

		assert_true(now_ns() < end_ns);
		turn();
		for (unsigned i = 0; i < HANDLES; i++) {
			const int64_t token = coffer_lock_token(ears[i].lock);

			if (token == 0) {
				continue;
			}
			holders++;
			assert_true(token > highest);
			highest = token;
			rounds[i]++;
			coffer_lock_free(ears[i].lock);
			ask(handles[i], "/db", NULL, &ears[i]); /* behind the others, again */
		}
		assert_in_range(holders, 0, 1);
	}
	for (unsigned i = 0; i < HANDLES; i++) {
		coffer_lock_free(ears[i].lock);
	}
}

static void test_shared_permits_and_tries(void **state)
{
	const struct coffer_lock_options shared = {.claim = {.is_shared = true}};
	const struct coffer_lock_options two = {.claim = {.permits = 2}};
	const struct coffer_lock_options try = {.claim = {.is_try = true}};
	struct ear ears[HANDLES] = {0};
	enum coffer_answer answer;

	(void)state;
	ask(handles[0], "/s", &shared, &ears[0]);
	ask(handles[1], "/s", &shared, &ears[1]);
	until_told(&ears[0], "h");
	until_told(&ears[1], "h");
	ask(handles[2], "/s", &try, &ears[2]);
	assert_int_equal(coffer_lock_wait(ears[2].lock, &answer), COFFER_REFUSED);
	assert_int_equal(answer, COFFER_LOCKED);
	assert_string_equal(ears[2].told, "x");
	for (unsigned i = 0; i < HANDLES; i++) {
		coffer_lock_free(ears[i].lock);
		ask(handles[i], "/p", &two, &ears[i]);
		until_told(&ears[i], i < 2 ? "h" : "w");
	}
	coffer_lock_free(ears[0].lock);
	until_told(&ears[2], "wh");
}

static void test_handle_locks_once_more_what_it_has(void **state)
{
	const struct coffer_lock_options shared = {.claim = {.is_shared = true}};
	struct ear ears[2] = {0};
	struct coffer_lock *again;

	(void)state;
	ask(handles[0], "/db", NULL, &ears[0]);
	assert_int_equal(coffer_lock(handles[0], "/db", &shared, NULL, NULL, &again), -EINVAL);
	assert_int_equal(coffer_lock(handles[0], "/db", NULL, NULL, NULL, &again), 1);
	assert_ptr_equal(again, ears[0].lock);
	assert_int_equal(coffer_lock_wait(again, NULL), COFFER_DONE);
	ask(handles[1], "/db", NULL, &ears[1]);
	until_told(&ears[1], "w");
	assert_int_equal(coffer_unlock(again), COFFER_DONE);
	assert_true(coffer_lock_token(ears[0].lock) > 0);
	assert_int_equal(coffer_unlock(ears[0].lock), COFFER_DONE);
	until_told(&ears[1], "wh");
	/* While one is given back, the same name is asked for anew, behind it. */
	coffer_lock_release(ears[1].lock);
	assert_int_equal(coffer_lock(handles[1], "/db", NULL, NULL, NULL, &again), 0);
	assert_ptr_not_equal(again, ears[1].lock);
	assert_int_equal(coffer_lock_wait(again, NULL), COFFER_DONE);
	assert_true(coffer_lock_token(again) > ears[1].last.token);
	assert_string_equal(ears[1].told, "whr");
	coffer_lock_free(again);
	coffer_lock_free(ears[1].lock);
}

static void test_who_waits_too_long_leaves_nothing_behind(void **state)
{
	const struct coffer_lock_options options = {.wait_ms = 50};
	struct ear ears[2] = {0};
	struct coffer_result result;

	(void)state;
	ask(handles[0], "/db", NULL, &ears[0]);
	until_told(&ears[0], "h");
	ask(handles[1], "/db", &options, &ears[1]);
	until_told(&ears[1], "wx");
	assert_int_equal(ears[1].last.answer, COFFER_LOCKED);
	/* A write that is ordered behind what gives the place back. */
	{
		const struct coffer_request nop = {.verb = COFFER_NOP, .flags = COFFER_ORDERED};

		assert_int_equal(coffer_call(handles[1], &nop, NULL), COFFER_DONE);
	}
	assert_int_equal(coffer_stat(operator, "/ctl/lock/db/.queue", &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NOT_FOUND);
	coffer_lock_free(ears[1].lock);
	/* Freed from inside the callback that tells that it is held. */
	ears[1].frees = true;
	ask(handles[1], "/db", NULL, &ears[1]);
	until_told(&ears[1], "w");
	coffer_lock_free(ears[0].lock);
	until_told(&ears[1], "wh");
	ask(handles[2], "/db", NULL, &ears[0]);
	assert_int_equal(coffer_lock_wait(ears[0].lock, NULL), COFFER_DONE);
	coffer_lock_free(ears[0].lock);
}

static void test_locks_outlive_the_leader(void **state)
{
	const unsigned leader = tiny_cluster_leader(cluster);
	struct coffer_observer *observer;
	struct ear ears[2] = {0};
	struct sight sight = {0};
	int64_t token;

	(void)state;
	ask(handles[0], "/db", NULL, &ears[0]);
	until_told(&ears[0], "h");
	token = ears[0].last.token;
	ask(handles[1], "/db", NULL, &ears[1]);
	until_told(&ears[1], "w");
	assert_int_equal(coffer_observe(handles[2], "/db", on_leader, &sight, &observer), 0);
	until_seen(&sight, token, "");
	tiny_cluster_silence(cluster, leader);
	assert_int_equal(
		coffer_set_fenced(handles[0], "/db", token, "/a", "x", 1, COFFER_ANY, NULL),
		COFFER_DONE);
	assert_int_equal(coffer_lock_token(ears[0].lock), token);
	coffer_lock_release(ears[0].lock);
	until_told(&ears[1], "wh");
	until_told(&ears[0], "hr");
	until_seen(&sight, ears[1].last.token, "");
	coffer_unobserve(observer);
	coffer_lock_free(ears[0].lock);
	coffer_lock_free(ears[1].lock);
}

/* --- what ends it ----------------------------------------------------------------------------- */

static void operate(struct coffer_txn *txn)
{
	assert_int_equal(coffer_txn_run(operator, txn, NULL), COFFER_DONE);
	coffer_txn_free(txn);
}

static void test_operator_breaks_it(void **state)
{
	struct coffer_txn *txn = coffer_txn_new();
	struct ear ears[2] = {0};
	int64_t token;

	(void)state;
	ask(handles[0], "/db", NULL, &ears[0]);
	until_told(&ears[0], "h");
	token = ears[0].last.token;
	ask(handles[1], "/db", NULL, &ears[1]);
	until_told(&ears[1], "w");
	coffer_txn_break(txn, "/db", token, 0, "test", 4);
	operate(txn);
	until_told(&ears[0], "hl");
	assert_int_equal(ears[0].last.cause, COFFER_CAUSE_REVOKED);
	assert_int_equal(ears[0].last.token, token);
	until_told(&ears[1], "wh");
	assert_int_equal(
		coffer_set_fenced(handles[0], "/db", token, "/a", "x", 1, COFFER_ANY, NULL),
		COFFER_REFUSED);
	coffer_lock_free(ears[0].lock);
	coffer_lock_free(ears[1].lock);
}

static void test_operator_kills_the_session(void **state)
{
	struct coffer_txn *txn = coffer_txn_new();
	struct ear held = {0}, waiting = {0}, other = {0};
	struct coffer_leader leader;

	(void)state;
	ask(handles[0], "/db", NULL, &held);
	until_told(&held, "h");
	ask(handles[1], "/more", NULL, &other);
	until_told(&other, "h");
	ask(handles[0], "/more", NULL, &waiting);
	until_told(&waiting, "w");
	assert_int_equal(coffer_leader(operator, "/db", 0, &leader), COFFER_DONE);
	coffer_txn_kill(txn, leader.session);
	operate(txn);
	until_told(&held, "hl");
	until_told(&waiting, "wl");
	assert_int_equal(waiting.last.token, 0);
	coffer_lock_free(held.lock);
	coffer_lock_free(waiting.lock);
	/* A write finds out that the session is gone; no other is begun before it is said. */
	(void)coffer_set(handles[0], "/a", "x", 1, COFFER_ANY, NULL);
	ask(handles[0], "/db", NULL, &held);
	until_told(&held, "x");
	assert_int_equal(held.last.answer, COFFER_NO_SESSION);
	coffer_lock_free(held.lock);
	coffer_renew(handles[0]);
	ask(handles[0], "/db", NULL, &held);
	until_told(&held, "h");
	coffer_lock_free(held.lock);
	coffer_lock_free(other.lock);
}

static void test_silent_servers_end_it_here_first(void **state)
{
	/* A busy machine may be late by a second, with a keep-alive or between two news. */
	const struct coffer_lock_options options = {.margin_ms = 1000};
	const struct coffer_lock_options soon = {.wait_ms = 100};
	struct ear ear = {0}, late = {0};

	(void)state;
	coffer_close(handles[0]);
	handles[0] = open_handle(3000);
	ask(handles[0], "/db", &options, &ear);
	until_told(&ear, "h");
	for (unsigned i = 0; i < TINY_SERVERS; i++) {
		tiny_cluster_silence(cluster, i);
	}
	until_told(&ear, "h!");
	assert_true(coffer_lock_token(ear.lock) != 0);
	assert_true(now_ns() < ear.last.expires_ns);
	until_told(&ear, "h!l");
	assert_int_equal(ear.last.cause, COFFER_CAUSE_EXPIRED);
	assert_int_equal(coffer_lock_token(ear.lock), 0);
	assert_int_equal(coffer_lock_expires_ns(ear.lock), 0);
	ask(handles[1], "/db", &soon, &late);
	assert_int_equal(coffer_lock_wait(late.lock, NULL), COFFER_UNREACHED);
	assert_string_equal(late.told, "x");
	assert_int_equal(late.last.answer, COFFER_NO_QUORUM);
	coffer_lock_free(late.lock);
	coffer_lock_free(ear.lock);
}

/* --- elections -------------------------------------------------------------------------------- */

static void test_election_is_led_observed_and_handed_over(void **state)
{
	const struct coffer_lock_options first = {.claim = {.data = "first", .data_size = 5}};
	struct coffer_observer *observer;
	struct ear ears[2] = {0};
	struct sight sight = {0};
	struct coffer_leader leader;
	int64_t term;

	(void)state;
	assert_int_equal(coffer_leader(handles[2], "/boss", 0, &leader), COFFER_DONE);
	assert_int_equal(leader.term, 0);
	assert_int_equal(coffer_observe(handles[2], "/boss", on_leader, &sight, &observer), 0);
	until_seen(&sight, 0, "");
	ask(handles[0], "/boss", &first, &ears[0]);
	until_told(&ears[0], "h");
	term = ears[0].last.token;
	until_seen(&sight, term, "first");
	assert_int_equal(coffer_leader(handles[1], "/boss", 0, &leader), COFFER_DONE);
	assert_int_equal(leader.term, term);
	assert_int_equal(leader.ttl_ms, 10000);
	assert_int_equal(leader.value_size, 5);
	assert_memory_equal(leader.value, "first", 5);
	assert_int_equal(coffer_lock_proclaim(ears[0].lock, "better", 6, NULL), COFFER_DONE);
	until_seen(&sight, term, "better");

	ask(handles[1], "/boss", NULL, &ears[1]);
	until_told(&ears[1], "w");
	assert_int_equal(coffer_lock_transfer(ears[0].lock, 1, NULL), COFFER_REFUSED);
	assert_string_equal(ears[0].told, "h");
	{
		struct coffer_result result;
		char path[64];

		(void)snprintf(path, sizeof(path), "/ctl/lock/boss/.queue/255-%016llx",
		               (unsigned long long)ears[1].last.ticket);
		assert_int_equal(coffer_stat(operator, path, &result), COFFER_DONE);
		assert_int_equal(coffer_lock_transfer(ears[0].lock, result.owner, NULL),
		                 COFFER_DONE);
	}
	assert_string_equal(ears[0].told, "hr");
	until_told(&ears[1], "wh");
	until_seen(&sight, ears[1].last.token, "");
	assert_int_equal(coffer_unlock(ears[1].lock), COFFER_DONE);
	until_seen(&sight, 0, "");
	/* Nobody, first, better, the heir, nobody: and nothing else. */
	assert_int_equal(sight.changes, 5);
	coffer_unobserve(observer);
	coffer_lock_free(ears[0].lock);
}

static void test_wrong_use_is_told(void **state)
{
	const struct coffer_lock_options odd = {.claim = {.is_shared = true, .permits = 3}};
	const struct coffer_lock_options many = {.claim = {.permits = 2000}};
	struct coffer_observer *observer;
	struct coffer_lock *locks[9];
	char name[COFFER_LOCK_NAME_SIZE_MAX + 2];
	enum coffer_answer answer;
	struct coffer_leader leader;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(coffer_lock(handles[0], NULL, NULL, NULL, NULL, locks), -EINVAL);
	assert_int_equal(coffer_lock(handles[0], "/a", &odd, NULL, NULL, locks), -EINVAL);
	assert_int_equal(coffer_lock(handles[0], "/a", &many, NULL, NULL, locks), -E2BIG);
	assert_int_equal(coffer_lock(handles[0], name, NULL, NULL, NULL, locks), -E2BIG);
	assert_int_equal(coffer_observe(handles[0], name, on_leader, NULL, &observer), -E2BIG);
	assert_int_equal(coffer_observe(handles[0], "/a", NULL, NULL, &observer), -EINVAL);
	assert_int_equal(coffer_lock(handles[0], "/.a", NULL, NULL, NULL, locks), 0);
	assert_int_equal(coffer_lock_wait(locks[0], &answer), COFFER_REFUSED);
	assert_int_equal(answer, COFFER_BAD_PATH);
	coffer_lock_free(locks[0]);
	assert_int_equal(coffer_leader(handles[0], "/a//b", 0, &leader), COFFER_REFUSED);
	assert_int_equal(leader.answer, COFFER_BAD_PATH);
	assert_int_equal(leader.value_size, 0);
	coffer_lock_free(NULL);
	coffer_unobserve(NULL);
	assert_true(coffer_process(handles[0]) >= 0); /* where the freed one goes */
	for (unsigned i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "/%u", i);
		assert_int_equal(coffer_lock(handles[0], name, NULL, NULL, NULL, &locks[i]),
		                 i < 8 ? 0 : -EAGAIN);
	}
	/* Closing frees them. */
}

#define BESIDE(name, begin) cmocka_unit_test_setup_teardown(name, begin, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BESIDE(test_lock_goes_from_one_to_the_next, start),
		BESIDE(test_no_two_hold_it_whatever_is_lost, start_lossy),
		BESIDE(test_shared_permits_and_tries, start_lossy),
		BESIDE(test_handle_locks_once_more_what_it_has, start_lossy),
		BESIDE(test_who_waits_too_long_leaves_nothing_behind, start),
		BESIDE(test_locks_outlive_the_leader, start_lossy),
		BESIDE(test_operator_breaks_it, start_lossy),
		BESIDE(test_operator_kills_the_session, start),
		BESIDE(test_silent_servers_end_it_here_first, start),
		BESIDE(test_election_is_led_observed_and_handed_over, start_lossy),
		BESIDE(test_wrong_use_is_told, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
