/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   both shells feed their replica with a clock that counts the time a machine was
 *         suspended; with any other a leader would wake up with its lease in hand. The client
 *         library counts by the same, its timer too; with any other a client would wake up and
 *         take its session for alive.
 * Method: a time namespace in which CLOCK_BOOTTIME alone is an hour further, as after a sleep of
 *         an hour. It needs root.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/client/coffer.h"
#include "control/client/handle.h"
#include "control/clock.h"
#include "dataplane/clock.h"

#define HOUR_S UINT64_C(3600)

static uint64_t clock_s(clockid_t id)
{
	struct timespec now;

	assert_int_equal(clock_gettime(id, &now), 0);
	return (uint64_t)now.tv_sec;
}

/* In the namespace: 0, or the number of the clock that slept. */
static int look(uint64_t ahead_s)
{
	const uint64_t slept_s = clock_s(CLOCK_MONOTONIC) + ahead_s + HOUR_S;

	if (ctl_clock_ns() / 1000000000 < slept_s) {
		return 1;
	}
	if (dp_clock_ns() / 1000000000 < slept_s) {
		return 2;
	}
	return ctl_handle_now_ns() / 1000000000 < slept_s ? 3 : 0;
}

static void on_done(void *context, const struct coffer_result *result)
{
	*(bool *)context = result->outcome == COFFER_UNREACHED;
}

/* In the namespace: 0 if a request's deadline wakes who polls for it. */
static int wait_for_deadline(uint64_t unused)
{
	const struct coffer_request request = {.verb = COFFER_NOP, .timeout_ms = 50};
	struct pollfd ready = {.events = POLLIN};
	struct coffer *coffer;
	bool done = false, in_time;

	(void)unused;
	/* Nobody is at port 1, which the client hears at once, and asks again till the deadline. */
	if (coffer_open(&coffer, "127.0.0.1:1", NULL) < 0 ||
	    coffer_submit(coffer, &request, on_done, &done, NULL) < 0) {
		return 1;
	}
	ready.fd = coffer_fd(coffer);
	while (!done && poll(&ready, 1, 10000) > 0) {
		(void)coffer_process(coffer);
	}
	in_time = done;
	coffer_close(coffer); /* ends what is outstanding */
	return in_time ? 0 : 2;
}

static void in_namespace(int (*what)(uint64_t ahead_s))
{
	/* What the machine has slept so far; one second less, as the two are read one by one. */
	const uint64_t ahead_s = clock_s(CLOCK_BOOTTIME) - clock_s(CLOCK_MONOTONIC);
	int status = 0;
	pid_t child;

	child = fork(); /* its children stand in the new namespace */
	assert_true(child >= 0);
	if (child == 0) {
		_exit(what(ahead_s == 0 ? 0 : ahead_s - 1));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_time_asleep_counts(void **state)
{
	(void)state;
	in_namespace(look);
}

static void test_timer_goes_by_the_same_clock(void **state)
{
	(void)state;
	in_namespace(wait_for_deadline);
}

/* True if children of this process see CLOCK_BOOTTIME an hour further. */
static bool enter(void)
{
	static const char offset[] = "boottime 3600 0\n";
	bool good = false;
	int fd;

	if (unshare(CLONE_NEWTIME) != 0) {
		return false;
	}
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		good = write(fd, offset, sizeof(offset) - 1) == (ssize_t)sizeof(offset) - 1;
		(void)close(fd);
	}
	return good;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_asleep_counts),
		cmocka_unit_test(test_timer_goes_by_the_same_clock),
	};

	if (!enter()) {
		(void)puts("time namespaces need root, and a kernel that has them");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
