/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   transactions of the client library do what coffer_txn.h says.
 * Method: a tiny cluster of real replicas on 127.0.0.1, and two handles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <coffer_txn.h>

#include "tests/client/tiny_cluster.h"

static struct tiny_cluster *cluster;
static struct coffer *coffer, *other;
static struct coffer_txn *txn;

static struct coffer *open_handle(void)
{
	struct coffer_options options;
	struct coffer *handle;

	coffer_options_default(&options);
	options.timeout_ms = 30000;
	assert_int_equal(coffer_open(&handle, tiny_cluster_servers(cluster), &options), 0);
	return handle;
}

static int start(void **state)
{
	(void)state;
	cluster = tiny_cluster_new(5, 3);
	coffer = open_handle();
	other = open_handle();
	txn = coffer_txn_new();
	return txn == NULL;
}

static int stop(void **state)
{
	(void)state;
	coffer_txn_free(txn);
	coffer_close(other);
	coffer_close(coffer);
	tiny_cluster_free(cluster);
	return 0;
}

static struct coffer_result run(struct coffer *handle, enum coffer_outcome outcome,
                                enum coffer_answer answer)
{
	struct coffer_result result;

	assert_int_equal(coffer_txn_run(handle, txn, &result), (int)outcome);
	assert_int_equal(result.answer, answer);
	coffer_txn_clear(txn);
	return result;
}

static void assert_stands(const char *path, const char *value)
{
	struct coffer_result result;

	if (value == NULL) {
		assert_int_equal(coffer_get(coffer, path, &result), COFFER_REFUSED);
		assert_int_equal(result.answer, COFFER_NOT_FOUND);
		return;
	}
	assert_int_equal(coffer_get(coffer, path, &result), COFFER_DONE);
	assert_int_equal(result.value_size, strlen(value));
	assert_memory_equal(result.value, value, result.value_size);
}

static void test_all_or_nothing(void **state)
{
	struct coffer_result result;

	(void)state;
	coffer_txn_if_rev(txn, "/a", COFFER_EQUAL, 0);
	coffer_txn_if_value(txn, "/a", COFFER_NOT_EQUAL, "x", 1);
	coffer_txn_if_session(txn, UINT64_MAX, false);
	coffer_txn_set(txn, "/a", "one", 3, 0, 0);
	coffer_txn_add(txn, "/sum", -5);
	coffer_txn_add(txn, "/sum", 47);
	result = run(coffer, COFFER_DONE, COFFER_OK);
	assert_int_equal(result.revision, result.first + 2);
	assert_int_equal(result.number, 42);
	assert_false(result.is_else);
	assert_stands("/a", "one");
	assert_stands("/sum", "42");

	coffer_txn_delete(txn, "/a", result.first);
	coffer_txn_set(txn, "/b", "two", 3, COFFER_ANY, 0);
	coffer_txn_add(txn, "/b", 1);
	result = run(coffer, COFFER_REFUSED, COFFER_NOT_NUMBER);
	assert_int_equal(result.op, 2);
	assert_stands("/a", "one");
	assert_stands("/b", NULL);

	coffer_txn_if_rev(txn, "/a", COFFER_AT_LEAST, 1);
	coffer_txn_if_rev(txn, "/a", COFFER_EQUAL, 7777);
	coffer_txn_delete(txn, "/a", COFFER_ANY);
	result = run(coffer, COFFER_REFUSED, COFFER_MISMATCH);
	assert_int_equal(result.op, 1);
	assert_true(result.revision > 0);

	coffer_txn_if_value(txn, "/a", COFFER_EQUAL, "two", 3);
	coffer_txn_delete(txn, "/a", COFFER_ANY);
	coffer_txn_or_else(txn);
	coffer_txn_set(txn, "/b", "else", 4, COFFER_ANY, 0);
	assert_true(run(coffer, COFFER_DONE, COFFER_OK).is_else);
	assert_stands("/a", "one");
	assert_stands("/b", "else");

	assert_int_equal(run(coffer, COFFER_DONE, COFFER_OK).first, 0); /* empty */
}

static void test_files_go_with_their_session(void **state)
{
	struct coffer_result result;
	struct coffer_event event;
	char path[64];
	int64_t from;

	(void)state;
	coffer_txn_set(txn, "/here/", "me", 2, COFFER_ANY, COFFER_EPHEMERAL | COFFER_SEQUENCE);
	result = run(other, COFFER_DONE, COFFER_OK);
	from = result.revision + 1;
	(void)snprintf(path, sizeof(path), "/here/%016llx", (unsigned long long)result.revision);
	assert_stands(path, "me");
	assert_int_equal(coffer_stat(coffer, path, &result), COFFER_DONE);
	assert_true(result.owner != 0);

	/* An operator ends the session: the file goes, for a reason, and no other one is begun. */
	coffer_txn_if_session(txn, result.owner, true);
	coffer_txn_kill(txn, result.owner);
	(void)run(coffer, COFFER_DONE, COFFER_OK);
	assert_int_equal(coffer_wait(coffer, "/here/*", from, 30000, &event, NULL), COFFER_DONE);
	assert_int_equal(event.kind, COFFER_EVENT_DELETE);
	assert_int_equal(event.cause, COFFER_CAUSE_REVOKED);
	assert_int_equal(event.path_size, strlen(path));
	assert_int_equal(coffer_set(other, "/a", "x", 1, COFFER_ANY, &result), COFFER_UNKNOWN);
	assert_int_equal(coffer_set(other, "/a", "x", 1, COFFER_ANY, &result), COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NO_SESSION);
	coffer_renew(other);
	assert_int_equal(coffer_set(other, "/a", "x", 1, COFFER_ANY, &result), COFFER_DONE);
}

static void test_session_is_closed_with_an_answer(void **state)
{
	const struct coffer_request close = {.verb = COFFER_CLOSE};
	uint64_t session;

	(void)state;
	assert_int_equal(coffer_call(other, &close, NULL), COFFER_DONE); /* there is none yet */
	coffer_txn_set(txn, "/here", "me", 2, COFFER_ANY, COFFER_EPHEMERAL);
	(void)run(other, COFFER_DONE, COFFER_OK);
	session = coffer_session(other, NULL);
	assert_stands("/here", "me");
	assert_int_equal(coffer_call(other, &close, NULL), COFFER_DONE);
	assert_stands("/here", NULL);
	assert_int_equal(coffer_session(other, NULL), 0);
	assert_int_equal(coffer_set(other, "/there", "me", 2, COFFER_ANY, NULL), COFFER_DONE);
	assert_true(coffer_session(other, NULL) > session);
}

static void test_locks_guard_what_is_written_under_them(void **state)
{
	const struct coffer_claim claim = {.data = "first", .data_size = 5};
	const struct coffer_claim try = {.is_try = true};
	struct coffer_result result;
	int64_t token, ticket;

	(void)state;
	coffer_txn_lock(txn, "/db", &claim);
	result = run(coffer, COFFER_DONE, COFFER_OK);
	token = result.number;
	assert_int_equal(token, result.revision);
	assert_false(result.is_queued);
	coffer_txn_lock(txn, "/db", &try);
	assert_int_equal(run(other, COFFER_REFUSED, COFFER_LOCKED).revision, token);
	coffer_txn_lock(txn, "/db", NULL);
	result = run(other, COFFER_DONE, COFFER_OK);
	ticket = result.number;
	assert_true(result.is_queued && ticket > token);
	coffer_txn_proclaim(txn, "/db", "hello", 5);
	assert_int_equal(run(coffer, COFFER_DONE, COFFER_OK).number, token);
	coffer_txn_proclaim_under(txn, "/db", token, "again", 5);
	assert_int_equal(run(other, COFFER_DONE, COFFER_OK).number, token);
	coffer_txn_proclaim_under(txn, "/db", ticket, "never", 5);
	assert_int_equal(run(other, COFFER_REFUSED, COFFER_NOT_HELD).number, 0);
	assert_int_equal(coffer_set_fenced(coffer, "/db", token, "/data", "1", 1, COFFER_ANY, NULL),
	                 COFFER_DONE);

	coffer_txn_break(txn, "/db", token, 0, "by test", 7);
	assert_int_equal(run(other, COFFER_DONE, COFFER_OK).number, token);
	assert_int_equal(
		coffer_set_fenced(coffer, "/db", token, "/data", "2", 1, COFFER_ANY, &result),
		COFFER_REFUSED);
	assert_int_equal(result.answer, COFFER_NOT_HELD);
	assert_int_equal(coffer_delete_fenced(coffer, "/db", token, "/data", COFFER_ANY, NULL),
	                 COFFER_REFUSED);
	assert_stands("/data", "1");

	coffer_txn_lock(txn, "/db", NULL); /* behind the other, who has it by now */
	assert_true(run(coffer, COFFER_DONE, COFFER_OK).is_queued);
	assert_int_equal(coffer_stat(coffer, "/ctl/lock/db/.broken", &result), COFFER_DONE);
	coffer_txn_transfer(txn, "/db", 1);
	(void)run(other, COFFER_REFUSED, COFFER_NOT_FOUND);
	coffer_txn_unlock(txn, "/db", false);
	(void)run(other, COFFER_DONE, COFFER_OK);
	coffer_txn_unlock(txn, "/db", true);
	result = run(coffer, COFFER_DONE, COFFER_OK);
	assert_false(result.is_queued);
	coffer_txn_unlock(txn, "/db", true);
	(void)run(coffer, COFFER_REFUSED, COFFER_NOT_HELD);
}

static void assert_fails(int error)
{
	assert_int_equal(coffer_txn_run(coffer, txn, NULL), error);
	coffer_txn_clear(txn);
}

static void test_what_does_not_fit_is_an_error(void **state)
{
	static const char value[COFFER_VALUE_SIZE_MAX + 1];
	const struct coffer_claim odd = {.is_shared = true, .permits = 2};
	const struct coffer_claim many = {.permits = COFFER_LOCK_PERMITS_MAX + 1};
	char path[COFFER_PATH_SIZE_MAX + 2];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	coffer_txn_delete(txn, path, COFFER_ANY);
	assert_fails(-E2BIG);
	coffer_txn_set(txn, "/a", value, sizeof(value), COFFER_ANY, 0);
	assert_fails(-E2BIG);
	for (unsigned i = 0; i < 2; i++) {
		coffer_txn_set(txn, "/a", value, COFFER_VALUE_SIZE_MAX / 3 * 2, COFFER_ANY, 0);
	}
	assert_fails(-E2BIG);
	for (unsigned i = 0; i <= COFFER_TXN_OPS_MAX; i++) {
		coffer_txn_delete(txn, "/a", COFFER_ANY);
	}
	assert_fails(-E2BIG);
	for (unsigned i = 0; i <= COFFER_TXN_OPS_MAX; i++) {
		coffer_txn_if_session(txn, 1, true);
	}
	assert_fails(-E2BIG);
	coffer_txn_lock(txn, "/db", &many);
	assert_fails(-E2BIG);
	coffer_txn_lock(txn, "/db", &odd);
	assert_fails(-EINVAL);
	coffer_txn_set(txn, NULL, "x", 1, COFFER_ANY, 0);
	assert_fails(-EINVAL);
	coffer_txn_set(txn, "/a", NULL, 1, COFFER_ANY, 0);
	assert_fails(-EINVAL);
	coffer_txn_set(txn, "/a", "x", 1, COFFER_ANY, 4);
	assert_fails(-EINVAL);
	coffer_txn_transfer(txn, "/db", 0);
	assert_fails(-EINVAL);
	coffer_txn_if_value(txn, "/a", COFFER_AT_MOST, "x", 1);
	assert_fails(-EINVAL);
	coffer_txn_if_rev(txn, "/a", (enum coffer_relation)5, 1);
	assert_fails(-EINVAL);
	coffer_txn_delete(txn, "/a", COFFER_ANY);
	coffer_txn_if_rev(txn, "/a", COFFER_EQUAL, 1); /* too late for a condition */
	assert_fails(-EINVAL);
	coffer_txn_or_else(txn);
	coffer_txn_or_else(txn);
	assert_fails(-EINVAL);
	{
		const struct coffer_request request = {.verb = COFFER_TXN};

		assert_int_equal(coffer_call(coffer, &request, NULL), -EINVAL);
	}
}

#define BESIDE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BESIDE(test_all_or_nothing),
		BESIDE(test_files_go_with_their_session),
		BESIDE(test_session_is_closed_with_an_answer),
		BESIDE(test_locks_guard_what_is_written_under_them),
		BESIDE(test_what_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
