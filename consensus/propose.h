/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * propose.h - how an entry gets into the leader's log
 *
 * Whatever is proposed goes this way: what clients ask for (desk.h), and what a leader wants by
 * itself (upkeep.h, changer.h, REJOIN).
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "consensus/leader.h"
#include "store/entry.h"

/* True if an entry of this size can be proposed now. */
bool paxos_propose_has_room(struct paxos_core *core, uint32_t size);

/*
 * Appends an entry, and gives it its time. False if there is no room: too much is undecided, or
 * waits for the disk; or the stop-sign stands at the end.
 */
bool paxos_propose(struct paxos_core *core, const struct paxos_leader *leader,
                   struct store_entry *entry);
