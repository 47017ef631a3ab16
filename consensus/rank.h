/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rank.h - a server that comes back with less than it acknowledged
 *
 * A log's rank (accepted, length) never falls, over a restart neither, as far as it was durable;
 * and only durable ranks are told. So a later start of the same incarnation that tells a lower one
 * runs on an older copy of its folder: what it acknowledged since is lost, and it may not be
 * counted (DESIGN 4, identity). It is known as long as somebody who heard it lives; two processes
 * with one start number cannot be told apart.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"

/* What a message of the rank's incarnation told. rank->falls: it is refused, from now on. */
void paxos_rank_heard(struct paxos_rank *rank, uint32_t start, struct paxos_ballot accepted,
                      uint64_t length);
