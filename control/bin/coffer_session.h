/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_session.h - the verb session of `coffer`: list, show, kill
 */

#include "control/bin/coffer_cli.h"

int cli_session(struct cli *cli);
