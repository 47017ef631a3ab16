/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whatever cuts it short or fails, a file stands under its name whole and durable, or not
 *         at all, and what stood there before is as it was.
 * Method: the calls of the system are wrapped at link time. Before each of them, where a kill or a
 *         loss of power may come, the folder is looked at; and the n-th fails, for every n.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/whole_file.h"

enum {
	CALLS_MAX = 100,
	PIECE = 7, /* that one write takes */
	MODE = 0640,
};

static const char text[] = "cluster = 1\nnode = 2\n";

static char folder[64], path[80];
static bool looks;        /* a file is being made */
static unsigned calls;    /* since then */
static unsigned fails_at; /* from 1; 0: none */
static bool is_content_safe, is_name_safe, knows_no_flag;

/* --- looking --------------------------------------------------------------------------------- */

static struct slice read_file(void)
{
	static char bytes[sizeof(text) + 1];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = 0;

	if (fd < 0) {
		return (struct slice){0};
	}
	size = read(fd, bytes, sizeof(bytes));
	assert_true(size >= 0);
	assert_int_equal(close(fd), 0);
	return slice_make(bytes, (size_t)size);
}

static unsigned count_files(void)
{
	DIR *stream = opendir(folder);
	unsigned count = 0;

	assert_non_null(stream);
	for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		count += entry->d_name[0] != '.' ? 1 : 0;
	}
	(void)closedir(stream);
	return count;
}

/* True if this call is the one that fails. */
static bool step(void)
{
	if (!looks) {
		return false;
	}
	if (access(path, F_OK) == 0) {
		assert_true(slice_equal(read_file(), slice_text(text)));
		assert_true(is_content_safe);
	}
	calls++;
	errno = EIO;
	return calls == fails_at;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (!looks) {
		return __real_write(fd, bytes, size);
	}
	return step() ? -1 : __real_write(fd, bytes, size < PIECE ? size : PIECE);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat stat;

	if (step()) {
		return -1;
	}
	assert_int_equal(fstat(fd, &stat), 0);
	if (S_ISDIR(stat.st_mode)) {
		is_name_safe = access(path, F_OK) == 0;
	} else {
		is_content_safe = stat.st_size == sizeof(text) - 1;
	}
	return __real_fsync(fd);
}

int __real_renameat2(int from, const char *old, int to, const char *new, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *new, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
	if (knows_no_flag && flags != 0) {
		errno = EINVAL;
		return -1;
	}
	return step() ? -1 : __real_renameat2(from, old, to, new, flags);
}

/* --- tests ----------------------------------------------------------------------------------- */

static int make(unsigned failing)
{
	int r;

	calls = 0;
	fails_at = failing;
	is_content_safe = access(path, F_OK) == 0; /* one that stood there before */
	is_name_safe = false;
	looks = true;
	r = ctl_whole_file_make(path, MODE, slice_text(text));
	looks = false;
	return r;
}

static void test_it_is_whole_and_durable(void **state)
{
	struct stat stat_of;

	(void)state;
	assert_int_equal(make(0), 0);
	assert_true(is_content_safe && is_name_safe);
	assert_true(slice_equal(read_file(), slice_text(text)));
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, MODE);
	assert_int_equal(count_files(), 1);
}

static void test_whatever_fails_nothing_is_there(void **state)
{
	unsigned n = 1;

	(void)state;
	for (; n < CALLS_MAX && make(n) < 0; n++) {
		assert_int_equal(count_files(), 0);
	}
	assert_in_range(n, 7, CALLS_MAX - 1); /* three writes, two fsyncs, a rename */
	assert_true(slice_equal(read_file(), slice_text(text)));
}

static void test_nothing_is_replaced(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		knows_no_flag = i != 0;
		assert_int_equal(make(0), 0);
		assert_true(is_name_safe);
		assert_int_equal(make(0), -EEXIST);
		assert_true(slice_equal(read_file(), slice_text(text)));
		assert_int_equal(count_files(), 1);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_no_folder(void **state)
{
	(void)state;
	assert_int_equal(ctl_whole_file_make("/no/such/folder/file", MODE, slice_text(text)),
	                 -ENOENT);
	assert_int_equal(ctl_file_sync_name(AT_FDCWD, "/no/such/folder/file"), -ENOENT);
}

static void test_it_is_read_whole_or_not_at_all(void **state)
{
	char *bytes = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(ctl_whole_file_read(path, sizeof(text), &bytes, &size), -ENOENT);
	assert_int_equal(ctl_whole_file_make(path, MODE, slice_text(text)), 0);
	assert_int_equal(ctl_whole_file_read(path, strlen(text), &bytes, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_string_equal(bytes, text);
	free(bytes);
	assert_int_equal(ctl_whole_file_read(path, strlen(text) - 1, &bytes, &size), -EFBIG);
	assert_int_equal(ctl_whole_file_read(folder, 100, &bytes, &size), -EISDIR);
	assert_int_equal(ctl_whole_file_read("/dev/zero", 100, &bytes, &size), -EFBIG);
}

static int set_up(void **state)
{
	(void)state;
	knows_no_flag = false;
	(void)snprintf(folder, sizeof(folder), "/tmp/coffer-whole-XXXXXX");
	if (mkdtemp(folder) == NULL) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_whole_and_durable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_whatever_fails_nothing_is_there, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_replaced, set_up, tear_down),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test_setup_teardown(test_it_is_read_whole_or_not_at_all, set_up,
	                                        tear_down),
	};

	(void)umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
