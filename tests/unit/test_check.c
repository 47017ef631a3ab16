/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   must() stops the process in every build, and says which promise broke and where.
 * Method: a child breaks a promise; its parent reads what it said and how it ended.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/check.h"

#ifdef CHECK_DEBUG
#define ASKED_BY_DEBUG_MUST 1
#else
#define ASKED_BY_DEBUG_MUST 0
#endif

static unsigned asked;

static int two(void)
{
	return 2;
}

static bool yes(void)
{
	asked++;
	return true;
}

static void test_promise_that_holds_is_asked_once_and_silent(void **state)
{
	(void)state;
	asked = 0;
	must(yes());
	assert_int_equal(asked, 1);
}

static void test_broken_promise_ends_the_process_and_says_where(void **state)
{
	const struct rlimit no_core = {0, 0};
	char said[512];
	size_t size = 0;
	ssize_t r;
	int status, ends[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		(void)close(ends[0]);
		(void)close(ends[1]);
		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)signal(SIGABRT, SIG_DFL);
		must(two() == 3);
		_exit(0);
	}
	(void)close(ends[1]);
	do {
		r = read(ends[0], said + size, sizeof(said) - 1 - size);
		size += r > 0 ? (size_t)r : 0;
	} while (r > 0);
	said[size] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "two() == 3"));
	assert_non_null(strstr(said, "test_check.c:"));
}

static void test_debug_promise_costs_nothing_in_release(void **state)
{
	(void)state;
	asked = 0;
	debug_must(yes());
	assert_int_equal(asked, ASKED_BY_DEBUG_MUST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_promise_that_holds_is_asked_once_and_silent),
		cmocka_unit_test(test_broken_promise_ends_the_process_and_says_where),
		cmocka_unit_test(test_debug_promise_costs_nothing_in_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
