/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * answer.h - answers on their way to clients
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/proto.h"

/* Sends an encoded answer to who asked with the head `asked`; only the segments it lacks. */
void paxos_answer_message(struct paxos_core *core, const struct paxos_address *address,
                          const struct proto_head *asked, uint64_t version, struct slice message);

/* Fills in who answers, encodes and sends. `memory` has PROTO_MESSAGE_SIZE_MAX bytes. */
void paxos_answer_send(struct paxos_core *core, void *memory, const struct paxos_address *address,
                       const struct proto_head *asked, struct proto_answer *answer);

/* Which segments of a request are missing. */
void paxos_answer_repair(struct paxos_core *core, const struct paxos_address *address,
                         const struct proto_head *asked, uint32_t missing);
