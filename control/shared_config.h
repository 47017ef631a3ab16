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

/* Who the servers are, as it was told. */
struct ctl_shared_servers {
	char addresses[STORE_NODES_MAX][CTL_ADDRESS_TEXT_SIZE]; /* empty: nothing is told of it */
	char list[STORE_NODES_MAX * CTL_ADDRESS_TEXT_SIZE]; /* those, with commas between them */
};

/*
 * The other way round: cuts the lines `server.N = ADDRESS` out of a text, which may be anybody's
 * words. Of those that make no sense nothing is kept, nor of a last line without its end; of
 * several for one N the last. False: none is left.
 */
bool ctl_shared_config_cut(char text[CTL_TREE_VALUE_SIZE], struct ctl_shared_servers *ret_servers);
