/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_watch.h - verbs of `coffer` about changes: wait, watch, log
 */

#include "control/bin/coffer_cli.h"

int cli_wait(struct cli *cli);
int cli_watch(struct cli *cli);
int cli_log(struct cli *cli);
