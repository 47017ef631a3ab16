/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a secret is the first line of its file, whole or not at all.
 * Method: files with lines at the border of what fits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/client/secret_file.h"

static char path[] = "/tmp/coffer-secret-XXXXXX";
static char secret[CTL_SECRET_SIZE_MAX];

static int begin(void **state)
{
	const int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
	(void)state;
	return unlink(path);
}

/* What comes of a file with these bytes. */
static int read_back(const char *bytes, size_t size)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	return ctl_secret_file(secret, path);
}

static void test_the_first_line_is_the_secret(void **state)
{
	(void)state;
	assert_int_equal(read_back("pass word\nmore", 14), 0);
	assert_string_equal(secret, "pass word");
	assert_int_equal(read_back("alone", 5), 0);
	assert_string_equal(secret, "alone");
}

static void test_none_and_too_long_are_refused(void **state)
{
	char bytes[CTL_SECRET_SIZE_MAX + 1];

	(void)state;
	memset(bytes, 's', sizeof(bytes));
	assert_int_equal(read_back("", 0), -ENODATA);
	assert_int_equal(read_back("\nsecond", 7), -ENODATA);
	assert_int_equal(read_back(bytes, CTL_SECRET_SIZE_MAX), -EMSGSIZE);
	assert_int_equal(read_back(bytes, CTL_SECRET_SIZE_MAX - 1), 0);
	assert_int_equal(strlen(secret), CTL_SECRET_SIZE_MAX - 1);
	bytes[CTL_SECRET_SIZE_MAX - 1] = '\n'; /* the longest line that fits, with its end */
	assert_int_equal(read_back(bytes, sizeof(bytes)), 0);
	assert_int_equal(strlen(secret), CTL_SECRET_SIZE_MAX - 1);
	assert_int_equal(ctl_secret_file(secret, "/nowhere/at/all"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_line_is_the_secret),
		cmocka_unit_test(test_none_and_too_long_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
