/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_hold.h - holding a lock, mostly while a command runs: the verb lock, and elect's campaign;
 * and in the same way a file that goes with the session
 *
 *      waits --> holds, the command runs --> it ended: gives the lock back, its exit code
 *        |          |
 *        |          `-- a margin before the end, or lost: the command is told; CLI_LOST
 *        `-- refused, or a signal: an exit code
 *
 * Without a command it prints the token, and holds until SIGINT, SIGTERM, SIGHUP or SIGQUIT. The
 * shell's session is not that of one command: there it is wrong use.
 */

#include "control/bin/coffer_cli.h"

/* Exclusively or as options.lock.claim says. */
int cli_hold(struct cli *cli, const struct coffer_claim *claim);

int cli_lock(struct cli *cli);

/* CLI_DONE, or what is wrong with how a file shall be held was said. To be called first of all. */
int cli_hold_check(const struct cli *cli);

/*
 * Holds the session while the command runs, or until a signal, then ends it. path, revision: of the
 * file that goes with it, for the command's environment.
 */
int cli_hold_file(struct cli *cli, const char *path, int64_t revision);
