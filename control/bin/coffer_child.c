/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/bin/coffer_cli.h"

enum {
	NOT_RUNNABLE = 126,
	NOT_FOUND = 127,
	SIGNALLED = 128,
};

#define MS_NS   UINT64_C(1000000)
#define LOOK_NS (10 * MS_NS) /* the guard's, whether anybody is left */

/* Passed on; the first four end `coffer` where there is nobody to pass them on to. */
static const int PASSED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

int cli_child_watch(struct cli_child *child)
{
	sigset_t signals;
	int error;

	*child = (struct cli_child){.signal_fd = -1, .guard_fd = -1, .kept_fd = -1};
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigaddset(&signals, SIGTTOU); /* it gives its terminal away, and takes it back */
	for (size_t i = 0; i < sizeof(PASSED) / sizeof(PASSED[0]); i++) {
		(void)sigaddset(&signals, PASSED[i]);
	}
	if (sigprocmask(SIG_BLOCK, &signals, &child->former) < 0) {
		return -errno;
	}
	child->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child->signal_fd < 0) {
		error = errno;
		(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
		return -error;
	}
	return 0;
}

/* --- the guard -------------------------------------------------------------------------------- */

static void tell_group(pid_t group, int number)
{
	(void)kill(-group, number);
	(void)kill(-group, SIGCONT);
}

/* In the guard's process, when `coffer` is gone. */
static void end_group(pid_t group, uint32_t grace_ms, uint64_t sure_ns)
{
	uint64_t now_ns = cli_now_ns();
	uint64_t end_ns = now_ns + grace_ms * MS_NS;

	if (sure_ns > now_ns && sure_ns < end_ns) {
		end_ns = sure_ns;
	}
	if (grace_ms != 0) {
		tell_group(group, SIGTERM);
	}
	for (; now_ns < end_ns; now_ns = cli_now_ns()) {
		const uint64_t left_ns = end_ns - now_ns;
		const struct timespec look = {
			.tv_nsec = (long)(left_ns < LOOK_NS ? left_ns : LOOK_NS)};

		if (kill(-group, 0) < 0 && errno == ESRCH) {
			return; /* its number may be somebody else's soon */
		}
		(void)nanosleep(&look, NULL);
	}
	(void)kill(-group, SIGKILL);
}

/* All descriptors but these; `also` may be none. */
static void close_others(int fd, int also)
{
	const int low = also >= 0 && also < fd ? also : fd;
	const int high = also > fd ? also : fd;

	if (low > 0) {
		(void)close_range(0, (unsigned)low - 1, 0);
	}
	if (high > low + 1) {
		(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	}
	(void)close_range((unsigned)high + 1, UINT_MAX, 0);
}

/* Does not return. Signals are blocked as `coffer` has them. */
static void guard(const struct cli_child *child, int fd, uint32_t grace_ms)
{
	pid_t group = 0;
	char rest;

	/* Out of the reach of Ctrl-C, and of who kills the group of `coffer`. */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "coffer-guard");
	/* Nobody shall wait for the end of what this holds open. */
	close_others(fd, child->kept_fd);
	if (read(fd, &group, sizeof(group)) == (ssize_t)sizeof(group)) {
		while (read(fd, &rest, 1) != 0) {
		}
		end_group(group, grace_ms, atomic_load(child->sure_ns));
	}
	_exit(0);
}

static int start_guard(struct cli_child *child, uint32_t grace_ms)
{
	void *page = mmap(NULL, sizeof(*child->sure_ns), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2];
	int error;

	if (page == MAP_FAILED) {
		return -errno;
	}
	child->sure_ns = page;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return -errno;
	}
	child->guard = fork();
	if (child->guard == 0) {
		guard(child, ends[0], grace_ms);
	}
	error = errno;
	(void)close(ends[0]); /* the guard's */
	child->guard_fd = ends[1];
	return child->guard < 0 ? -error : 0;
}

/* Before its descriptor is closed: it shall do nothing. */
static void end_guard(struct cli_child *child)
{
	if (child->guard > 0) {
		(void)kill(child->guard, SIGKILL);
		(void)waitpid(child->guard, NULL, 0);
	}
	if (child->guard_fd >= 0) {
		(void)close(child->guard_fd); /* nobody reads it */
	}
	if (child->sure_ns != NULL) {
		(void)munmap((void *)child->sure_ns, sizeof(*child->sure_ns));
	}
	child->sure_ns = NULL;
	child->guard = 0;
	child->guard_fd = -1;
}

void cli_child_unwatch(struct cli_child *child)
{
	end_guard(child);
	(void)close(child->signal_fd); /* was only read */
	child->signal_fd = -1;
	(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
}

void cli_child_sure(const struct cli_child *child, uint64_t sure_ns)
{
	if (child->sure_ns != NULL) {
		atomic_store(child->sure_ns, sure_ns);
	}
}

/* --- starting --------------------------------------------------------------------------------- */

static void set_variables(const struct cli_variable variables[CLI_CHILD_VARIABLES])
{
	for (size_t i = 0; i < CLI_CHILD_VARIABLES && variables[i].name != NULL; i++) {
		if (setenv(variables[i].name, variables[i].value, 1) != 0) {
			_exit(NOT_RUNNABLE);
		}
	}
}

/* In the new process. Does not return. */
static void become(const struct cli_child *child, char **words,
                   const struct cli_variable variables[CLI_CHILD_VARIABLES])
{
	const pid_t group = getpid();
	int error;

	(void)setpgid(0, 0); /* the parent does so, too: whoever is first */
	if (child->has_terminal) {
		(void)tcsetpgrp(STDIN_FILENO, getpid());
	}
	if (write(child->guard_fd, &group, sizeof(group)) != (ssize_t)sizeof(group)) {
		_exit(NOT_RUNNABLE); /* nobody would end it */
	}
	set_variables(variables);
	(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
	(void)execvp(words[0], words);
	error = errno;
	(void)fprintf(stderr, "coffer: %s: %s\n", words[0], strerror(error));
	_exit(error == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

int cli_child_start(struct cli_child *child, char **words,
                    const struct cli_variable variables[CLI_CHILD_VARIABLES], uint32_t grace_ms)
{
	pid_t pid;
	int r;

	child->has_terminal = tcgetpgrp(STDIN_FILENO) == getpgrp();
	(void)fflush(stdout);
	r = start_guard(child, grace_ms);
	if (r < 0) {
		end_guard(child);
		return r;
	}
	pid = fork();
	if (pid < 0) {
		r = -errno;
		end_guard(child);
		return r;
	}
	if (pid == 0) {
		become(child, words, variables);
	}
	child->pid = pid;
	(void)setpgid(pid, pid); /* it may have done more already */
	if (child->has_terminal) {
		(void)tcsetpgrp(STDIN_FILENO, pid);
	}
	return 0;
}

void cli_child_run(const struct cli_child *child, const char *line,
                   const struct cli_variable variables[CLI_CHILD_VARIABLES])
{
	const pid_t pid = fork();

	if (pid == 0) {
		set_variables(variables);
		(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
		(void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(NOT_FOUND);
	}
	if (pid < 0) {
		(void)fprintf(stderr, "coffer: `%s` cannot be run: %s\n", line, strerror(errno));
	}
}

/* --- signals ---------------------------------------------------------------------------------- */

void cli_child_tell(const struct cli_child *child, int number)
{
	/* It has not been waited for, so the number is nobody else's. */
	if (child->pid != 0) {
		tell_group(child->pid, number);
	}
}

/* Whether it ended, as its exit code; else -1. */
static int look(struct cli_child *child)
{
	int status;

	while (child->pid != 0 && waitpid(child->pid, &status, WNOHANG | WUNTRACED) == child->pid) {
		if (!WIFSTOPPED(status)) {
			child->pid = 0;
			end_guard(child);
			if (child->has_terminal) {
				(void)tcsetpgrp(STDIN_FILENO, getpgrp());
			}
			return WIFEXITED(status) ? WEXITSTATUS(status)
			                         : SIGNALLED + WTERMSIG(status);
		}
		/* Ctrl-Z: nobody could make it go on, as `coffer` does not stop. */
		if (child->has_terminal && WSTOPSIG(status) == SIGTSTP) {
			(void)kill(-child->pid, SIGCONT);
		}
	}
	return -1;
}

int cli_child_turn(struct cli_child *child, int *ret_number)
{
	struct signalfd_siginfo signal;

	while (read(child->signal_fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
		const int number = (int)signal.ssi_signo;

		if (number == SIGCHLD || number == SIGTTOU) {
			continue;
		}
		if (child->pid != 0) {
			cli_child_tell(child, number);
		} else if (number == SIGTERM || number == SIGINT || number == SIGHUP ||
		           number == SIGQUIT) {
			*ret_number = number;
		}
	}
	return look(child);
}
