/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_hold.h - holding a lock, mostly while a command runs: the verb lock, and elect's campaign
 *
 *      waits --> holds, the command runs --> it ended: gives the lock back, its exit code
 *        |          |
 *        |          `-- a margin before the end, or lost: the command is told; CLI_LOST
 *        `-- refused, or a signal: an exit code
 *
 * Without a command it prints the token, and holds until SIGINT, SIGTERM, SIGHUP or SIGQUIT.
 */

#include "control/bin/coffer_cli.h"

/* Exclusively or as options.lock.claim says. */
int cli_hold(struct cli *cli, const struct coffer_claim *claim);

int cli_lock(struct cli *cli);
