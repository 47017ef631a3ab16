/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_txn.h - the verb txn of `coffer`
 */

#include "control/bin/coffer_cli.h"

int cli_txn(struct cli *cli);
