/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/bin/coffer_cli.h"

enum {
	LINE_SIZE = 64,
	LOOK_NS = 10 * 1000 * 1000, /* how often, whether the file is free */
};

/* Returns 1, 0: the file is empty, -EINVAL, or a negative errno. */
static int read_line(int fd, struct coffer_options *options)
{
	char line[LINE_SIZE] = "";
	const ssize_t size = pread(fd, line, sizeof(line) - 1, 0);
	char *rest = line;

	if (size <= 0) {
		return size < 0 ? -errno : 0;
	}
	/* 0 is neither an id nor a secret; what is too large to be one, servers refuse. */
	options->session = strtoull(line, &rest, 10);
	options->session_secret = *rest == ' ' ? strtoull(rest + 1, &rest, 10) : 0;
	return *rest == '\n' && options->session != 0 && options->session_secret != 0 ? 1 : -EINVAL;
}

static int lock_file(int fd, uint64_t until_ns)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || cli_now_ns() >= until_ns) {
			return -errno;
		}
		(void)nanosleep(&look, NULL);
	}
	return 0;
}

/* False if who had it before has removed it. */
static bool stands_at(int fd, const char *path)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

int cli_session_file_take(const char *path, uint64_t until_ns, int *ret_fd,
                          struct coffer_options *options)
{
	for (;;) {
		const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		int r = fd < 0 ? -errno : lock_file(fd, until_ns);

		if (r == 0 && stands_at(fd, path)) {
			r = read_line(fd, options);
			if (r >= 0) {
				*ret_fd = fd;
				return 0;
			}
		}
		if (fd >= 0) {
			(void)close(fd); /* nothing was written */
		}
		if (r < 0) {
			return r;
		}
	}
}

int cli_session_file_write(int fd, const struct coffer *coffer)
{
	char line[LINE_SIZE];
	uint64_t secret;
	const uint64_t session = coffer_session(coffer, &secret);
	const int size = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n", session, secret);

	/* The line first: who reads meanwhile finds one of the two. */
	errno = EIO; /* where it is too short */
	if (fchmod(fd, 0600) < 0 || pwrite(fd, line, (size_t)size, 0) != size ||
	    ftruncate(fd, size) < 0) {
		return -errno;
	}
	return 0;
}

void cli_session_file_remove(int fd, const char *path)
{
	(void)unlink(path); /* somebody may have done so before */
	(void)close(fd);    /* it need not outlive the machine, nor does the session */
}

int cli_session_file_read(const char *path, struct coffer_options *options)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0) {
		return -errno;
	}
	r = read_line(fd, options);
	(void)close(fd); /* was only read */
	return r > 0 ? 0 : r == 0 ? -EINVAL : r;
}
