/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * admit.h - whether a write may be proposed at all
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/proto.h"

enum {
	PAXOS_TTL_GAPS = 4 /* a session lives so many of the leader's poll gaps, at least */
};

/* OK; TOO_LARGE or BAD_PATH; DISK_FULL (a SET that makes a file larger, on full disks). */
enum store_answer paxos_admit(struct paxos_core *core, const struct proto_request *request);

/*
 * The least time to live that is granted now. A keep-alive comes each third of it, and again twice
 * before it is over; it waits as long as the leader's turns are apart lately (a second or two). A
 * gap longer than `suspicion` ends leaderships, and counts as that.
 */
uint32_t paxos_admit_ttl_floor_ms(const struct paxos_core *core);

/*
 * The entry of a write, or of an OPEN; its time is left. The entry borrows from the request.
 *
 * A refusal for want of disk (is_full) is an entry, too: the number is used up, and no sending of
 * the same request that comes when there is room again can contradict what the client was told.
 */
void paxos_admit_entry(const struct paxos_core *core, const struct proto_request *request,
                       bool is_full, struct store_entry *entry);
