/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_shell.h - the same verbs, line by line, with history and completion
 *
 * Words are taken as a Unix shell takes them, without variables and globs. An error ends nothing.
 * Ctrl-C ends what goes on; Ctrl-D, `exit` or `quit` ends the shell.
 */

#include "control/bin/coffer_cli.h"

/* Returns an exit code. */
int cli_shell(struct cli *cli);
