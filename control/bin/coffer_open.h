/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_open.h - from what the command line names to a handle
 *
 *      -a PLACE                  servers, or COFFER_SERVERS
 *      -c NAME -b PLACE          servers of that cluster, asked of a name cluster (COFFER_BOOT)
 *
 * Only at the start: who joins the cluster later is not heard of.
 */

#include "control/bin/coffer_cli.h"

/*
 * Opens cli->coffer; cli->options.servers is what it talks to. CLI_DONE, or another code when it
 * was said what is wrong.
 */
int cli_open(struct cli *cli);
