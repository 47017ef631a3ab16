/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what an operator wants of a configuration that nobody writes stands in it once, and never
 *         silently beside something else.
 * Method: settings against configurations that say the same, in other words, or not; settings that
 *         make no sense, each with a word of the sentence that it has to be refused by.
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

#include "control/settings.h"

static const char base[] = "cluster = 12\nnode = 1\nserver.1 = 10.0.0.1:8046\n"
			   "durability = memory\nlease_ms = 30.5\n";
static struct ctl_settings settings;
static struct ctl_reason reason;

static int read_pairs(const char *const *pairs, unsigned count)
{
	return ctl_settings_read(&settings, NULL, pairs, count, &reason);
}

static int read_one(const char *pair)
{
	return read_pairs(&pair, 1);
}

static void expect_refused(int r, const char *said)
{
	assert_true(r < 0);
	assert_non_null(strstr(reason.text, said));
	ctl_settings_free(&settings);
}

static void test_they_stand_there_once(void **state)
{
	static const char *const pairs[] = {"log=/tmp/log", "durability = memory",
	                                    "lease_ms=30.500", "data = /d # here"};
	char *text;

	(void)state;
	assert_int_equal(read_pairs(pairs, 4), 0);
	assert_int_equal(ctl_settings_compose(&settings, base, "told",
	                                      "data = /other\nmanagement = /m\n", &text, &reason),
	                 0);
	assert_string_equal(text, "cluster = 12\nnode = 1\nserver.1 = 10.0.0.1:8046\n"
	                          "durability = memory\nlease_ms = 30.5\n"
	                          "log=/tmp/log\ndata = /d # here\nmanagement = /m\n");
	free(text);
	ctl_settings_free(&settings);
	assert_int_equal(read_pairs(NULL, 0), 0);
	assert_int_equal(
		ctl_settings_compose(&settings, base, "told", "data = /d\n", &text, &reason), 0);
	assert_non_null(strstr(text, "lease_ms = 30.5\ndata = /d\n"));
	free(text);
	ctl_settings_free(&settings);
}

static void test_what_is_told_otherwise_is_refused(void **state)
{
	static const char *const pairs[] = {"durability=disk", "lease_ms=30.4"};
	char *text;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(read_one(pairs[i]), 0);
		expect_refused(
			ctl_settings_compose(&settings, base, "what is told", "", &text, &reason),
			"another one in --set than in what is told");
	}
}

/* Each type of value, as a later start compares it. */
static void test_a_configuration_agrees_or_not(void **state)
{
	static const struct {
		const char *pair, *line;
		bool agrees;
	} rows[] = {
		{"web=127.0.0.1:80", "web = 127.0.0.1:80", true},
		{"web=127.0.0.1:80", "web = 127.0.0.1:81", false},
		{"web=none", "", true},
		{"web=127.0.0.1:80", "", false},
		{"workers=2", "workers=02", true},
		{"workers=2", "workers = 3", false},
		{"cores=1,2", "cores = 1,2", true},
		{"cores=1,2", "cores = 1,3", false},
		{"cores=1", "cores = 1,2", false},
		{"log=/a", "log = /a", true},
		{"log=/a", "log = /ab", false},
		{"promote_ms=1", "promote_ms = 1.000", true},
		{"restart=yes", "", false},
		{"restart=no", "", true},
	};
	struct ctl_config config;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(text, sizeof(text),
		               "cluster = 1\nnode = 1\nserver.1 = 1.2.3.4:5\n%s\n", rows[i].line);
		assert_int_equal(ctl_config_parse(&config, "file", slice_text(text), NULL, &reason),
		                 0);
		assert_int_equal(read_one(rows[i].pair), 0);
		assert_int_equal(ctl_settings_agree(&settings, &config, "file", &reason),
		                 rows[i].agrees ? 0 : -EINVAL);
		ctl_settings_free(&settings);
	}
}

static void test_nonsense_is_refused(void **state)
{
	static const struct {
		const char *pair, *said;
	} rows[] = {
		{"cluster=7", "`cluster` is found out"},
		{"name = x", "`name` is found out"},
		{" node=2", "`node` is found out"},
		{"server.2=1.2.3.4:5", "`server.2` is found out"},
		{"port.1 = link x first clients", "`port.1` is found out"},
		{"transport=dpdk", "`transport` is found out"},
		{"boot=a", "`boot` is found out"},
		{"members=1", "`members` is found out"},
		{"listen=1.2.3.4:5", "`listen` is found out"},
		{"durability", "KEY=VALUE"},
		{"log=a\nnode=2", "KEY=VALUE"},
		{"durabilty=disk", "did you mean `durability`"},
		{"durability=rock", "makes no sense"},
		{"lease_ms=100000", "makes no sense"},
	};
	static const char *const twice[] = {"log=/a", "log=/b"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect_refused(read_one(rows[i].pair), rows[i].said);
	}
	expect_refused(read_pairs(twice, 2), "already given");
}

static void test_a_file_of_them(void **state)
{
	static const char *const pair = "log=/a", *const again = "durability=disk";
	char path[] = "/tmp/test_settings.XXXXXX";
	const int fd = mkstemp(path);
	char *text;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "# note\n\ndurability = memory", 27), 27);
	assert_int_equal(ctl_settings_read(&settings, path, &pair, 1, &reason), 0);
	assert_int_equal(ctl_settings_compose(&settings, base, "told", "", &text, &reason), 0);
	assert_non_null(strstr(text, "lease_ms = 30.5\nlog=/a\n"));
	free(text);
	ctl_settings_free(&settings);
	expect_refused(ctl_settings_read(&settings, path, &again, 1, &reason), "already given");
	assert_int_equal(write(fd, "\nnode = 7\n", 10), 10);
	expect_refused(ctl_settings_read(&settings, path, NULL, 0, &reason), ":4: `node`");
	assert_int_equal(write(fd, "\0", 1), 1);
	expect_refused(ctl_settings_read(&settings, path, NULL, 0, &reason), "cannot be read");
	assert_int_equal(close(fd), 0);
	assert_int_equal(unlink(path), 0);
	expect_refused(ctl_settings_read(&settings, path, NULL, 0, &reason), "cannot be read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_stand_there_once),
		cmocka_unit_test(test_what_is_told_otherwise_is_refused),
		cmocka_unit_test(test_a_configuration_agrees_or_not),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_a_file_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
