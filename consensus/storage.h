/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * storage.h - what a replica does about its disk: late, full, failed (replica.h)
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

/* Early in a turn: whether the device stalls, whether disks are full. */
void paxos_storage_tick(struct paxos_replica *replica);
