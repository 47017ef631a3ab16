/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_locks.h - the verb locks of `coffer`: who holds which lock, who waits; breaking one
 *
 * Reads the files below /ctl/lock, all as of one revision.
 */

#include "control/bin/coffer_cli.h"

int cli_locks(struct cli *cli);
