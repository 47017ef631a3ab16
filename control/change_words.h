/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * change_words.h - a change of the members, as an operator writes it
 *
 *      add N[=IP:PORT] ... [--learner] [--even]      replace OLD NEW[=IP:PORT] [--even]
 *      remove N ... [--even]                         promote N ... [--even]
 *
 * Pure.
 */

#include "consensus/change.h"
#include "control/admin_request.h"

/* Returns NULL, or what is wrong, as a static sentence. */
const char *ctl_change_parse(const struct ctl_admin_request *request,
                             struct paxos_change *ret_change);
