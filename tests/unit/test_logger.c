/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every line is one line of key=value, whatever the values hold.
 * Method: lines formatted at a known time; a file written, rotated, and read back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/logger.h"

#define NOON 1767268800000000000u /* 2026-01-01 12:00:00 UTC */

static char line[CTL_LOG_LINE_MAX + 1];

/* A folder for the logs of one test; gone when it ends, however it ends. */
static struct {
	char folder[32], path[64], old[64];
} house;

static int build(void **state)
{
	(void)state;
	(void)snprintf(house.folder, sizeof(house.folder), "/tmp/coffer-log-XXXXXX");
	if (mkdtemp(house.folder) == NULL) {
		return -1;
	}
	(void)snprintf(house.path, sizeof(house.path), "%s/log", house.folder);
	(void)snprintf(house.old, sizeof(house.old), "%s/log.1", house.folder);
	return 0;
}

static int pull_down(void **state)
{
	(void)state;
	(void)unlink(house.path);
	(void)unlink(house.old);
	return rmdir(house.folder);
}

static const char *format(const struct ctl_field *fields, size_t count)
{
	const size_t size =
		ctl_log_format(line, NOON + 123456789, CTL_WARNING, "met", fields, count);

	line[size] = '\0';
	return line;
}

static void test_line_has_time_level_event_and_fields(void **state)
{
	const struct ctl_field fields[] = {CTL_NUMBER("round", 4), CTL_HEX("cluster", 0xc0ffee),
	                                   CTL_TEXT("path", "/a/b")};

	(void)state;
	assert_string_equal(format(fields, 3),
	                    "time=2026-01-01T12:00:00.123456Z level=warning event=met round=4 "
	                    "cluster=0000000000c0ffee path=/a/b\n");
}

static void test_strange_values_stay_in_quotes_and_on_the_line(void **state)
{
	const struct ctl_field fields[] = {CTL_TEXT("a", "x y"), CTL_TEXT("b", "1\nlevel=info"),
	                                   CTL_TEXT("c", "q\"\\"), CTL_TEXT("d", ""),
	                                   CTL_TEXT("e", "\xff")};

	(void)state;
	assert_non_null(strstr(format(fields, 5),
	                       " a=\"x y\" b=\"1\\x0alevel=info\" c=\"q\\\"\\\\\" d=\"\" "
	                       "e=\"\\xff\"\n"));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void test_long_line_is_cut_but_ends(void **state)
{
	char text[CTL_LOG_LINE_MAX * 2];
	const struct ctl_field fields[] = {CTL_TEXT("a", text)};

	(void)state;
	memset(text, '\n', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(format(fields, 1)), CTL_LOG_LINE_MAX);
	assert_int_equal(line[CTL_LOG_LINE_MAX - 1], '\n');
}

static size_t lines_in(const char *path, const char *word)
{
	char text[CTL_LOG_LINE_MAX];
	size_t count = 0;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while (fgets(text, sizeof(text), file) != NULL) {
		count += strstr(text, word) != NULL ? 1 : 0;
	}
	(void)fclose(file);
	return count;
}

static void test_rotated_file_is_opened_again(void **state)
{
	const char *path = house.path, *old = house.old;
	const struct paxos_trace leads = {.kind = PAXOS_TRACE_LEADS, .a = 4, .b = 17};
	const struct paxos_trace gave_up = {.kind = PAXOS_TRACE_GAVE_UP, .a = 4, .b = 99};
	const struct paxos_trace unknown = {.kind = PAXOS_TRACE_COUNT};
	const struct paxos_trace started = {.kind = PAXOS_TRACE_STARTED, .a = 0x2deadbeef, .b = 1};
	struct ctl_logger logger;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_log_open(&logger, path, &reason), 0);
	ctl_log_trace(&logger, &started);
	ctl_log_trace(&logger, &leads);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(ctl_log_reopen(&logger), 0);
	ctl_log_trace(&logger, &gave_up);
	ctl_log_trace(&logger, &unknown);
	ctl_log_close(&logger);
	assert_int_equal(lines_in(old, "event=ready incarnation=00000002deadbeef takes_part=1\n"),
	                 1);
	assert_int_equal(lines_in(old, "event=leads round=4 length=17\n"), 1);
	assert_int_equal(lines_in(path, "event=gave_up round=4 why=?\n"), 1);
	assert_int_equal(lines_in(path, "event=unknown_trace kind="), 1);
}

static void test_every_trace_kind_has_a_line(void **state)
{
	struct ctl_logger logger;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_log_open(&logger, house.path, &reason), 0);
	for (unsigned kind = 1; kind < PAXOS_TRACE_COUNT; kind++) {
		ctl_log_trace(&logger, &(struct paxos_trace){.kind = (enum paxos_trace_kind)kind});
	}
	ctl_log_close(&logger);
	assert_int_equal(lines_in(house.path, "event="), PAXOS_TRACE_COUNT - 1);
	assert_int_equal(lines_in(house.path, "unknown"), 0);
}

static void test_file_that_cannot_be_opened_is_named(void **state)
{
	struct ctl_logger logger;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_log_open(&logger, "/nowhere/log", &reason), -ENOENT);
	assert_non_null(strstr(reason.text, "/nowhere/log"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_has_time_level_event_and_fields),
		cmocka_unit_test(test_strange_values_stay_in_quotes_and_on_the_line),
		cmocka_unit_test(test_long_line_is_cut_but_ends),
		cmocka_unit_test_setup_teardown(test_rotated_file_is_opened_again, build,
	                                        pull_down),
		cmocka_unit_test_setup_teardown(test_every_trace_kind_has_a_line, build, pull_down),
		cmocka_unit_test(test_file_that_cannot_be_opened_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
