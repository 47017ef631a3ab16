/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * shared_config.h - the keys that are the same on all servers, as a file would say them
 *
 * What the leader keeps in /ctl/config, for whoever joins: cofferd --join reads its configuration
 * out of it. Pure.
 */

#include "control/config.h"
#include "control/tree.h"

/* Cannot fail: all of it fits. */
void ctl_shared_config(const struct ctl_config *config,
                       const struct ctl_tree_member members[STORE_NODES_MAX],
                       char ret_text[CTL_TREE_VALUE_SIZE]);
