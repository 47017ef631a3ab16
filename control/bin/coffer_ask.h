/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_ask.h - verbs of `coffer` about one file, or none
 */

#include "control/bin/coffer_cli.h"

int cli_set(struct cli *cli);
int cli_add(struct cli *cli);
int cli_incr(struct cli *cli);
int cli_touch(struct cli *cli);
int cli_get(struct cli *cli);
int cli_del(struct cli *cli);
int cli_stat(struct cli *cli);
int cli_rev(struct cli *cli);
int cli_nop(struct cli *cli);
int cli_self(struct cli *cli);
