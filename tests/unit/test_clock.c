/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   both shells feed their replica with a clock that counts the time a machine was
 *         suspended; with any other a leader would wake up with its lease in hand.
 * Method: a time namespace in which CLOCK_BOOTTIME alone is an hour further, as after a sleep of
 *         an hour. It needs root.
 */
#include <fcntl.h>
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
	return dp_clock_ns() / 1000000000 < slept_s ? 2 : 0;
}

static void test_time_asleep_counts(void **state)
{
	/* What the machine has slept so far; one second less, as the two are read one by one. */
	const uint64_t ahead_s = clock_s(CLOCK_BOOTTIME) - clock_s(CLOCK_MONOTONIC);
	int status = 0;
	pid_t child;

	(void)state;
	child = fork(); /* its children stand in the new namespace */
	assert_true(child >= 0);
	if (child == 0) {
		_exit(look(ahead_s == 0 ? 0 : ahead_s - 1));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
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
	};

	if (!enter()) {
		(void)puts("time namespaces need root, and a kernel that has them");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
