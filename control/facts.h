/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * facts.h - what a plan of /ctl has to know of the members, out of a replica's status
 *
 * Pure. Threads: any one.
 */

#include "consensus/status.h"
#include "control/config.h"
#include "control/tree_plan.h"

/* Writes `members`, `leads` and `own`. True if they are not what they were. */
bool ctl_facts_take(struct ctl_tree_facts *facts, const struct ctl_config *config,
                    const struct paxos_status *status);
