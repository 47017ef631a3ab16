/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill_at.c - kills its process before a chosen step towards the disk
 *
 *      LD_PRELOAD=kill_at.so KILL_AT=N PROGRAM
 *
 * Counted, from 1, are the calls that make, rename, remove or sync something. Without KILL_AT
 * nothing happens.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The headers declare them nonnull and so on; here they only pass through. */
int renameat2(int old_fd, const char *old_name, int new_fd, const char *new_name, unsigned flags);
int renameat(int old_fd, const char *old_name, int new_fd, const char *new_name);

static void step(void)
{
	static long calls;
	const char *at = getenv("KILL_AT");

	if (at != NULL && ++calls == strtol(at, NULL, 10)) {
		(void)kill(getpid(), SIGKILL);
	}
}

static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL) {
		abort();
	}
	return function;
}

int renameat2(int old_fd, const char *old_name, int new_fd, const char *new_name, unsigned flags)
{
	__extension__ int (*real)(int, const char *, int, const char *, unsigned) =
		next("renameat2");

	step();
	return real(old_fd, old_name, new_fd, new_name, flags);
}

int renameat(int old_fd, const char *old_name, int new_fd, const char *new_name)
{
	__extension__ int (*real)(int, const char *, int, const char *) = next("renameat");

	step();
	return real(old_fd, old_name, new_fd, new_name);
}

int unlinkat(int fd, const char *name, int flags)
{
	__extension__ int (*real)(int, const char *, int) = next("unlinkat");

	step();
	return real(fd, name, flags);
}

int mkdirat(int fd, const char *name, mode_t mode)
{
	__extension__ int (*real)(int, const char *, mode_t) = next("mkdirat");

	step();
	return real(fd, name, mode);
}

int fsync(int fd)
{
	__extension__ int (*real)(int) = next("fsync");

	step();
	return real(fd);
}

int fdatasync(int fd)
{
	__extension__ int (*real)(int) = next("fdatasync");

	step();
	return real(fd);
}
