/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_tree.h - verbs of `coffer` that list: ls, find, walk
 */

#include "control/bin/coffer_cli.h"

int cli_ls(struct cli *cli);

/* Of a path: it, and all below, depth first, directories too. Of a glob: as walk. */
int cli_find(struct cli *cli);

/* The files whose path matches, all of one revision. */
int cli_walk(struct cli *cli);

/*
 * All that the request asks for is to be of one revision: the present one, if none was named. Of
 * an empty store there is none. Returns as coffer_call().
 */
int cli_pin(struct cli *cli, struct coffer_request *request, struct coffer_result *result);
