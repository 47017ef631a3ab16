/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * superblock.h - who this server is, kept over its starts
 *
 *      data/superblock   written as data/superblock.new, fsync, rename, fsync of the folder
 *
 *       0  magic        u32  'CFSB'
 *       4  version      u32  1
 *       8  cluster      u64
 *      16  incarnation  u64
 *      24  starts       u32
 *      28  node         u8   from 1
 *      29  member       u8   0, 1: has been a member
 *      30  zero         u16
 *      32  crc          u32  CRC-32C over the 32 bytes before
 *
 * Mode memory: a process that ends loses what it promised, so each start is a new incarnation:
 * starts << 32 | chance. The starts make it grow, the chance tells apart two folders that were
 * copied from each other.
 *
 * A folder belongs to one process: it is locked (flock) while it is open.
 *
 * Threads: any one. encode and decode are pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/reason.h"
#include "store/base/slice.h"

enum {
	CTL_SUPERBLOCK_SIZE = 36
};

struct ctl_superblock {
	uint64_t cluster;
	uint64_t incarnation;
	uint32_t starts;
	uint8_t node; /* number from 1 */
	bool member;
};

/* Cannot fail. */
void ctl_superblock_encode(const struct ctl_superblock *superblock,
                           uint8_t ret_bytes[CTL_SUPERBLOCK_SIZE]);

/* Returns 0 or -EBADMSG. */
int ctl_superblock_decode(struct slice bytes, struct ctl_superblock *ret_superblock);

/*
 * Opens and locks the folder; with `make`, it is made first if it is not there (mode 0700).
 * Returns a descriptor, given to close(); or a negative errno and the sentence. -EBUSY: another
 * process has it.
 */
int ctl_folder_open(const char *path, bool make, struct ctl_reason *ret_reason);

/*
 * The very first start: writes the superblock of a member, start 1. `chance` is any 32 bits.
 * Returns 0 or a negative errno and the sentence; -EEXIST: there is one already.
 */
int ctl_superblock_found(int folder, const char *path, uint64_t cluster, uint8_t node,
                         uint32_t chance, struct ctl_superblock *ret_superblock,
                         struct ctl_reason *ret_reason);

/*
 * Takes back what ctl_superblock_found() wrote, for a first start that failed before its replica
 * said a word. What cannot be removed stays; the next first start says so.
 */
void ctl_superblock_withdraw(int folder);

/*
 * Every other start: reads it, compares cluster and node, counts the start, and writes it back
 * before it returns. Returns 0 or a negative errno and the sentence; -ENOENT: there is none;
 * -EBADMSG: damaged; -EPERM: of another cluster or node; -EOVERFLOW: no start is left.
 */
int ctl_superblock_start(int folder, const char *path, uint64_t cluster, uint8_t node,
                         uint32_t chance, struct ctl_superblock *ret_superblock,
                         struct ctl_reason *ret_reason);
