/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * superblock.h - who this server is, kept over its starts
 *
 *      data/superblock   four copies of 4096 bytes, all alike but while they are written
 *
 *       0  magic        u32  'CFSB'
 *       4  version      u32  3; 2 ends with the flags
 *       8  sequence     u64  raised each time it is written
 *      16  cluster      u64
 *      24  incarnation  u64
 *      32  starts       u32
 *      36  node         u8   from 1
 *      37  flags        u8   1 has been a member, 2 rejoins, 4 mode disk
 *      38  zero         u16
 *      40  configuration u32  the latest one it has begun to take part in; 0: none
 *      44  voters       u32  in it: a bit for each, the lowest for server 1
 *      48  zeros
 *    4092  crc          u32  CRC-32C over all before
 *
 * The good copy of the highest sequence counts. Two copies are written and synced before the other
 * two are begun, and never first those that count: so one whole copy is always there.
 *
 * Mode memory: a process that ends loses what it promised, so each start is a new incarnation:
 * starts << 32 | chance. The starts make it grow, the chance tells apart two folders that were
 * copied from each other. Mode disk: the incarnation is the folder's, and changes only where what
 * stood in it was lost; then the server rejoins as a new one. There the starts step by chance, so
 * that two processes that come from copies of one folder have start numbers of their own
 * (consensus/rank.h tells them apart): by 1 to 65536 at first, by less as fewer are left, so that
 * more than 700000 starts are certain.
 *
 * The configuration is written after the journal has made the step into it durable, and what the
 * journal says counts: after a crash between both it may be a later one. An earlier one means that
 * the journal is older than the superblock, put back or exchanged (ctl_superblock_is_ahead). In
 * mode memory nothing is left that it could be held against; it tells people what was.
 *
 * A folder belongs to one process: it is locked (flock) while it is open.
 *
 * Threads: any one. encode, decode and first are pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/reason.h"
#include "store/base/slice.h"

enum {
	CTL_SUPERBLOCK_SIZE = 4096, /* of a copy */
	CTL_SUPERBLOCK_COPIES = 4,
};

struct ctl_superblock {
	uint64_t sequence;
	uint64_t cluster;
	uint64_t incarnation;
	uint32_t starts; /* number of the last start; only in mode memory also how many */
	uint32_t configuration, voters; /* 0: it was in none under this incarnation */
	uint8_t node;                   /* number from 1 */
	bool member;
	bool rejoining; /* disk: what it promised was lost; it takes no part yet */
	bool is_disk;
};

/* Cannot fail. */
void ctl_superblock_encode(const struct ctl_superblock *superblock,
                           uint8_t ret_bytes[CTL_SUPERBLOCK_SIZE]);

/* Version 2, too, which says nothing of a configuration. Returns 0 or -EBADMSG. */
int ctl_superblock_decode(struct slice bytes, struct ctl_superblock *ret_superblock);

/*
 * Opens and locks the folder; with `make`, it is made first if it is not there (mode 0700).
 * Returns a descriptor, given to close(); or a negative errno and the sentence. -EBUSY: another
 * process has it.
 */
int ctl_folder_open(const char *path, bool make, struct ctl_reason *ret_reason);

/* What the very first start of a member writes. `voters` begin; `chance` is any 32 bits. */
struct ctl_superblock ctl_superblock_first(uint64_t cluster, uint8_t node, uint32_t voters,
                                           bool is_disk, uint32_t chance);

/*
 * True if a journal that knows of no later configuration than `known` (0: of none) is older than
 * what the superblock says. Founders begin in configuration 1 without a record.
 */
bool ctl_superblock_is_ahead(uint32_t configuration, uint32_t known);

/*
 * The very first start: writes it. Returns 0 or a negative errno and the sentence; -EEXIST: there
 * is one already.
 */
int ctl_superblock_found(int folder, const char *path, const struct ctl_superblock *first,
                         struct ctl_reason *ret_reason);

/*
 * Takes back what ctl_superblock_found() wrote, for a first start that failed before its replica
 * said a word. What cannot be removed stays; the next first start says so.
 */
void ctl_superblock_withdraw(int folder);

/*
 * Every other start: reads it, compares cluster, node and mode with `first`, counts the start, and
 * writes it back before it returns: damaged copies are whole again then. Returns 0 or a negative
 * errno and the sentence; -ENOENT: there is none; -EBADMSG: no copy is good; -EPERM: of another
 * cluster, node or mode; -EOVERFLOW: no start is left.
 */
int ctl_superblock_start(int folder, const char *path, const struct ctl_superblock *first,
                         struct ctl_superblock *ret_superblock, struct ctl_reason *ret_reason);

/* Writes it with the next sequence, which is set in it. 0, or a negative errno and the sentence. */
int ctl_superblock_write(int folder, const char *path, struct ctl_superblock *superblock,
                         struct ctl_reason *ret_reason);

/*
 * Reads what there is: which copies are good, and the one that counts. Returns how many are good,
 * or a negative errno of the system (-ENOENT).
 */
int ctl_superblock_read(int folder, bool ret_good[CTL_SUPERBLOCK_COPIES],
                        struct ctl_superblock *ret_superblock);
