/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_child.h - the command that `coffer` runs while it holds something
 *
 *      watch --> start --> turn, turn ... --> an exit code
 *
 * No shell stands between, and no thread: signals come by a descriptor. The command has a process
 * group of its own, and the terminal, if `coffer` had it; signals to `coffer` are passed on to the
 * group.
 *
 *      coffer ---- pipe ----> guard      when `coffer` has ended, however that came:
 *         `--> command <- - - - -'       TERM, then KILL, to the group of the command
 *
 * If `coffer` is killed, its guard ends the whole group: a process of its own, that does nothing
 * else. The command writes its number to the pipe before it becomes what it is, and keeps it open
 * until then, so there is no moment at which a death would be missed.
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	CLI_CHILD_VARIABLES = 5
};

struct cli_child {
	int signal_fd;
	pid_t pid;   /* 0: none runs */
	pid_t guard; /* likewise */
	int guard_fd;
	_Atomic uint64_t *sure_ns; /* a page that the guard has, too; NULL: none */
	int kept_fd; /* open in the guard, too, until the command's group has ended; -1: none */
	bool has_terminal;
	sigset_t former; /* signals that were blocked before */
};

/* A variable of the environment. */
struct cli_variable {
	const char *name;
	char value[520]; /* the longest is a path */
};

/* From now on signals come by signal_fd. Returns 0 or a negative errno. */
int cli_child_watch(struct cli_child *child);

/*
 * Runs the words. grace_ms: when `coffer` dies the group is killed so long after SIGTERM; 0: at
 * once. What cannot be run ends with 126 or 127, as in a shell, and says why. Returns 0 or a
 * negative errno.
 */
int cli_child_start(struct cli_child *child, char **words,
                    const struct cli_variable variables[CLI_CHILD_VARIABLES], uint32_t grace_ms);

/* Until when what it runs for is surely held (CLOCK_BOOTTIME): the grace ends then, too. */
void cli_child_sure(const struct cli_child *child, uint64_t sure_ns);

/* Runs a line by /bin/sh, and does not wait for it. */
void cli_child_run(const struct cli_child *child, const char *line,
                   const struct cli_variable variables[CLI_CHILD_VARIABLES]);

/* A signal to the command's group; one that is stopped goes on, and sees it. */
void cli_child_tell(const struct cli_child *child, int number);

/*
 * Takes signals that came. ret_number: the last that asks `coffer` to end where there is no command
 * to pass it on to, else untouched. Returns the command's exit code once it has ended (128 + the
 * signal that ended it), else -1.
 */
int cli_child_turn(struct cli_child *child, int *ret_number);

/* Signals are as before. */
void cli_child_unwatch(struct cli_child *child);
