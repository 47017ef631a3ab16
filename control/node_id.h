/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * node_id.h - the name a server goes by in /ctl: 16 characters of base32, as Doozer's ids look
 *
 * It follows from cluster, node and incarnation alone, so every server knows everybody's. Who
 * comes back as a new incarnation is a new node, as a restarted process was in Doozer.
 *
 * Pure. Any thread.
 */

#include <stdint.h>

enum {
	CTL_NODE_ID_SIZE = 17 /* the end included */
};

/* `node` is an index, from 0. Cannot fail. */
void ctl_node_id(uint64_t cluster, unsigned node, uint64_t incarnation,
                 char ret_id[CTL_NODE_ID_SIZE]);
