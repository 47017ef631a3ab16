/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	NOT_RUNNABLE = 126,
	NOT_FOUND = 127,
	SIGNALLED = 128,
};

/* Passed on; the first four end `coffer` where there is nobody to pass them on to. */
static const int PASSED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

int cli_child_watch(struct cli_child *child)
{
	sigset_t signals;
	int error;

	*child = (struct cli_child){.signal_fd = -1};
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

void cli_child_unwatch(struct cli_child *child)
{
	(void)close(child->signal_fd); /* was only read */
	child->signal_fd = -1;
	(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
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
                   const struct cli_variable variables[CLI_CHILD_VARIABLES], int death,
                   pid_t parent)
{
	int error;

	(void)setpgid(0, 0); /* the parent does so, too: whoever is first */
	if (child->has_terminal) {
		(void)tcsetpgrp(STDIN_FILENO, getpid());
	}
	(void)prctl(PR_SET_PDEATHSIG, death);
	if (getppid() != parent) {
		_exit(SIGNALLED + death); /* it died before that */
	}
	set_variables(variables);
	(void)sigprocmask(SIG_SETMASK, &child->former, NULL);
	(void)execvp(words[0], words);
	error = errno;
	(void)fprintf(stderr, "coffer: %s: %s\n", words[0], strerror(error));
	_exit(error == ENOENT ? NOT_FOUND : NOT_RUNNABLE);
}

int cli_child_start(struct cli_child *child, char **words,
                    const struct cli_variable variables[CLI_CHILD_VARIABLES], int death)
{
	const pid_t parent = getpid();
	pid_t pid;

	child->has_terminal = tcgetpgrp(STDIN_FILENO) == getpgrp();
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0) {
		return -errno;
	}
	if (pid == 0) {
		become(child, words, variables, death, parent);
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
		(void)kill(-child->pid, number);
		(void)kill(-child->pid, SIGCONT);
	}
}

/* Whether it ended, as its exit code; else -1. */
static int look(struct cli_child *child)
{
	int status;

	while (child->pid != 0 && waitpid(child->pid, &status, WNOHANG | WUNTRACED) == child->pid) {
		if (!WIFSTOPPED(status)) {
			child->pid = 0;
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
