/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshot_file.h - a snapshot as a file: written beside the old one, checked before it is believed
 *
 *      data/snapshot-<index, 16 hex digits>
 *
 *      head     magic u64 'CFFRFILE', version u32, node u8, 3 x zero, cluster u64, index u64,
 *               digest of nothing yet: zero u64, crc u32 of the 40 bytes before
 *      chunk    size u32 (at most 64 KiB), crc u32, bytes      as many as it takes
 *      end      size u32 = 0, crc u32
 *
 * Little-endian. Each crc (CRC-32C) goes on from the one before, the head's first: so a chunk that
 * is damaged, missing, doubled, in another's place or from another file is found where it is. The
 * bytes are those of store/snapshot.h, whose XXH3-128 digest is checked, too.
 *
 * A file is made under the name with `.new`, synced, renamed, and the folder synced: what has the
 * right name is whole, or was damaged later.
 *
 * Threads: any one. Writing and reading block on the disk: never a worker's business.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/reason.h"
#include "store/snapshot.h"

enum {
	CTL_SNAPSHOT_NAME_SIZE = sizeof("snapshot-0123456789abcdef"), /* the end included */
};

/* Set by any thread to end a write early. */
typedef _Atomic bool ctl_snapshot_cancel_t;

struct ctl_snapshot_head {
	uint64_t cluster;
	uint64_t index; /* where the state stands */
	uint8_t node;   /* who wrote it, number from 1 */
};

/* The name of the snapshot at `index`. */
void ctl_snapshot_name(uint64_t index, char ret_name[CTL_SNAPSHOT_NAME_SIZE]);

/*
 * Writes all of `snapshot` as `name` in `folder` (a descriptor, or AT_FDCWD). With `fresh`, a file
 * of that name must not be there yet. With `cancel` (may be NULL) a server is at work beside it:
 * then it never has more than 256 KiB waiting for the disk, and leaves it to the journal for three
 * times as long as it used it.
 * Returns 0 and the digest; or a negative errno (-ECANCELED) and the sentence, and no new file is
 * left.
 */
int ctl_snapshot_write(int folder, const char *name, bool fresh,
                       const struct ctl_snapshot_head *head, struct store_snapshot *snapshot,
                       const ctl_snapshot_cancel_t *cancel, struct store_digest *ret_digest,
                       struct ctl_reason *ret_reason);

/*
 * Reads the file and makes it the state of `store`. Returns 0, its head and its digest; -EBADMSG:
 * damaged, the sentence says where; or another negative errno and the sentence. On failure the
 * store is as it was. The bytes may come from anybody.
 */
int ctl_snapshot_load(int folder, const char *name, struct store *store,
                      struct ctl_snapshot_head *ret_head, struct store_digest *ret_digest,
                      struct ctl_reason *ret_reason);

/* The highest index below `below` that has a file. 0 and the index, -ENOENT, or another errno. */
int ctl_snapshot_newest(int folder, uint64_t below, uint64_t *ret_index);

/* Removes the files of snapshots below `index`, and those that were never finished. 0 or errno. */
int ctl_snapshot_remove_below(int folder, uint64_t index);
