/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_sync.h - `coffer sync DIR GLOB`: a folder of plain files, equal to a part of the tree
 *
 *      walk at revision R: names and revisions; values of what differs --> one batch
 *      watch from R + 1: a batch of whatever came together
 *      TOO_LATE: walk again
 *
 * A start walks, too: what the ledger says is still right costs no value. The command runs after
 * each batch that changed anything, and after a start that finds it was not told of the last one.
 */

#include "control/bin/coffer_cli.h"

int cli_sync(struct cli *cli);
