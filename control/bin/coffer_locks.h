/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_locks.h - the verb locks of `coffer`: who holds which lock, who waits; breaking one
 *
 * Reads the files below /ctl/lock, all as of one revision. They are of locks alone: nobody else can
 * write there.
 */

#include "control/bin/coffer_cli.h"

int cli_locks(struct cli *cli);

/*
 * Takes the lock from who holds it, for the reason that the options give, and prints the token that
 * is good no more. heir: as coffer_txn_break().
 */
int cli_break(struct cli *cli, const char *name, uint64_t heir);

/* Prints the token that is good no more. */
int cli_print_ended(const struct cli *cli, const char *name, const struct coffer_result *result);
