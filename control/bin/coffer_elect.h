/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_elect.h - the verb elect of `coffer`: to lead, or to see who does
 */

#include "control/bin/coffer_cli.h"

int cli_elect(struct cli *cli);
