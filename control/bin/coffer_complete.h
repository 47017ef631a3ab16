/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_complete.h - completion in the shell of `coffer`: verbs, and paths as the servers have
 * them
 */

#include "control/bin/coffer_cli.h"

/* From now on, until the process ends, lines that libedit reads are completed. `cli` stays. */
void cli_complete_begin(struct cli *cli);
