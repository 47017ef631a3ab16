/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * outsider.h - who takes no part: a learner, a member that has not rejoined, one that was removed
 *
 *      follows the leader, or asks one server after the other where it is
 *          a member whose REJOIN is applied, and all that goes before it --> takes part (4.1 i)
 *          a leader says that it is no member any more ------------------> says so, and is done
 *
 * A learner becomes a voter in turnover.h. Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

void paxos_outsider_tick(struct paxos_replica *replica);
