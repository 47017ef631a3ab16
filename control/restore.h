/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * restore.h - a new cluster that begins with a snapshot of another one
 *
 * The files are there again, with their revisions; sessions are not. The cluster is another one
 * (its id must differ), so that clients and servers of the old one are refused, and its revision
 * is 2^40 higher, so that no fencing token comes twice. Every founding server is given the same
 * file, and makes the same state of it.
 *
 * Threads: any one, before the replica lives.
 */

#include "control/reason.h"
#include "control/snapshot_file.h"

#define CTL_RESTORE_RAISE ((store_rev_t)1 << 40)

/*
 * Reads the snapshot at `path` into `store` (empty), makes it the beginning of `cluster`, and
 * writes that as a snapshot of server `node` into the data folder, so that the next start finds
 * it. Returns 0 and the digest of the new state; or a negative errno and the sentence.
 */
int ctl_restore(struct store *store, const char *path, int folder, uint64_t cluster, uint8_t node,
                struct store_digest *ret_digest, struct ctl_reason *ret_reason);
