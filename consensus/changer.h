/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * changer.h - the leader's half of a change of the members: one step at a time (DESIGN 4.1 j)
 *
 *      add 4:      LEARNER(+4) -> 4 follows, is named -> level? -> MEMBERS, the stop-sign
 *      remove 2:                                                   MEMBERS
 *      replace:    both in one MEMBERS
 *
 * A stop-sign is proposed only if each new voter is live and level, and a majority of all of them
 * is; what is missing is said, with the numbers.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/body.h"

/* A leader (must): takes the next step towards the change, and says where it stands. */
void paxos_changer_step(struct paxos_replica *replica, const struct paxos_change *change,
                        struct paxos_told *ret_told);

/* ASK, from any server: a leader takes a step, and answers. */
void paxos_changer_asked(struct paxos_replica *replica, const struct paxos_msg *msg);

/* Names members' incarnations in the log, so that they are replicated state (4.1 i). */
void paxos_changer_name_members(struct paxos_replica *replica);

/*
 * A leader that decides, once a turn: writes the founders down, gives a new configuration its first
 * entry, replaces a voter that was silent for promote_ns by a learner that is level.
 */
void paxos_changer_tick(struct paxos_replica *replica);

/* A learner has asked for what follows entry `index`. */
void paxos_changer_learned(struct paxos_replica *replica, unsigned node, uint64_t index);
