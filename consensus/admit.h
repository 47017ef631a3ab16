/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admit.h - whether a write may be proposed at all
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/proto.h"

/* OK; TOO_LARGE or BAD_PATH; DISK_FULL (a SET that makes a file larger, on full disks). */
enum store_answer paxos_admit(struct paxos_core *core, const struct proto_request *request);

/*
 * The entry of a write, or of an OPEN; its time is left. The entry borrows from the request.
 *
 * A refusal for want of disk (is_full) is an entry, too: the number is used up, and no sending of
 * the same request that comes when there is room again can contradict what the client was told.
 */
void paxos_admit_entry(const struct paxos_core *core, const struct proto_request *request,
                       bool is_full, struct store_entry *entry);
