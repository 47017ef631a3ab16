/* SPDX-License-Identifier: Apache-2.0 */
#include "control/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ctl_file_write(int fd, const void *bytes, size_t size)
{
	size_t done = 0;

	while (done < size) {
		const ssize_t r = write(fd, (const uint8_t *)bytes + done, size - done);

		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		done += r > 0 ? (size_t)r : 0;
	}
	return 0;
}

/* The folder in which `name` stands: itself one, or the path before the last slash. */
int ctl_file_sync_name(int folder, const char *name)
{
	const char *slash = strrchr(name, '/');
	char path[PATH_MAX];
	int fd, r = 0;

	(void)snprintf(path, sizeof(path), "%.*s",
	               slash == NULL ? 1 : (int)(slash - name > 0 ? slash - name : 1),
	               slash == NULL ? "." : name);
	fd = openat(folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (fsync(fd) < 0) {
		r = -errno;
	}
	(void)close(fd);
	return r;
}

static int write_stage(const char *stage, mode_t mode, struct slice bytes)
{
	const int fd = open(stage, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = ctl_file_write(fd, bytes.data, bytes.size);
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	return r;
}

/* Replaces nothing. */
static int give_name(const char *stage, const char *path)
{
	int r = renameat2(AT_FDCWD, stage, AT_FDCWD, path, RENAME_NOREPLACE);

	if (r < 0 && errno == EINVAL) {
		/* A file system that does not know the flag. */
		if (access(path, F_OK) == 0) {
			return -EEXIST;
		}
		r = renameat(AT_FDCWD, stage, AT_FDCWD, path);
	}
	return r < 0 ? -errno : 0;
}

int ctl_whole_file_make(const char *path, mode_t mode, struct slice bytes)
{
	char stage[PATH_MAX];
	int r;

	if (snprintf(stage, sizeof(stage), "%s.%ld", path, (long)getpid()) >= (int)sizeof(stage)) {
		return -ENAMETOOLONG;
	}
	r = write_stage(stage, mode, bytes);
	r = r < 0 ? r : give_name(stage, path);
	if (r < 0) {
		(void)unlink(stage);
		return r;
	}
	r = ctl_file_sync_name(AT_FDCWD, path);
	if (r < 0) {
		(void)unlink(path);
	}
	return r;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Up to `size` bytes, fewer at the end of the file. 0 or a negative errno. */
static int read_bytes(int fd, char *bytes, size_t size, size_t *ret_size)
{
	size_t done = 0;
	ssize_t r = 1;

	while (done < size && r != 0) {
		r = read(fd, bytes + done, size - done);
		if (r < 0 && errno != EINTR) {
			return -errno;
		}
		done += r > 0 ? (size_t)r : 0;
	}
	*ret_size = done;
	return 0;
}

int ctl_whole_file_read(const char *path, size_t size_max, char **ret_text, size_t *ret_size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int r;

	if (fd < 0) {
		return -errno;
	}
	text = malloc(size_max + 1);
	r = text == NULL ? -ENOMEM : read_bytes(fd, text, size_max + 1, ret_size);
	(void)close(fd);
	if (r == 0 && *ret_size > size_max) {
		r = -EFBIG;
	}
	if (r < 0) {
		free(text);
		return r;
	}
	text[*ret_size] = '\0';
	*ret_text = text;
	return 0;
}
