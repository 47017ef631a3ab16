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
