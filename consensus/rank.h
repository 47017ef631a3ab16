/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rank.h - a server that comes back with less than it acknowledged
 *
 * Its folder was put back as it was earlier. What it acknowledged since is lost, so it may not be
 * counted (DESIGN 4, identity). Four things tell, in one incarnation:
 *
 *      a start lower than one that answered us   its folder counts starts, and they never fall
 *      two lives with one start number           each has a secret of its own
 *      a later start with a lower rank           (accepted, length) never falls, over a restart
 *                                                neither, as far as it was durable; and only
 *                                                durable ranks are told
 *      a later start asks to be prepared for a   a promise is durable before it is told
 *      ballot that it promised us before
 *
 * A datagram that was long on its way is none of these: of a lower start nothing is heard, and it
 * is the sender that ends, when it is told so by the number of its own start. It is known as long
 * as somebody lives who heard the server before. A life without a secret is not told from another
 * one with its number.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"

/* What a message of the rank's incarnation told. rank->falls: it is refused, from now on. */
void paxos_rank_heard(struct paxos_rank *rank, uint32_t start, struct paxos_ballot accepted,
                      uint64_t length);

/* A heartbeat told the secret of its sender's start; 0: it has none. As above. */
void paxos_rank_lives(struct paxos_rank *rank, uint32_t start, uint64_t secret);

/* True if no process with this start number may be left: a higher one answered us. */
bool paxos_rank_is_over(const struct paxos_rank *rank, uint64_t incarnation, uint32_t start);

/*
 * A message of a member that is not over: takes what it tells. False if its sender has less than it
 * acknowledged; it may not be heard then, and is told so.
 */
bool paxos_rank_hear(struct paxos_core *core, const struct paxos_msg *msg);

/* The sender of this message runs on an older copy of its folder: it is not heard any more. */
void paxos_rank_fell(struct paxos_core *core, const struct paxos_msg *msg);

/* Answers a heartbeat with "an older copy of your folder": heard only by that start of it. */
void paxos_rank_refuse(struct paxos_core *core, const struct paxos_msg *msg);
