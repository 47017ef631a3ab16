/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_format.h - frames of the journal as bytes
 *
 *      segment   [ frame ][ frame ][ frame ] zeros, or what stood there before
 *      frame     some blocks of 4096 bytes; each block is 8 sectors of 512
 *      sector      0  payload        500 bytes
 *                500  frame number   u64
 *                508  crc            u32, over folder, place in the file, payload and number
 *      payload   of the first sector: the head of this frame and of the two before it;
 *                of the others, one behind the other: records, each a size u32 and its bytes
 *
 * A frame is one group commit: it is written at once, and the next frame that holds records is
 * not begun before it is durable. So a whole frame proves that all before it were durable.
 *
 * Every sector says whose it is. Where a frame is not whole, its sectors tell why:
 *
 *      NEW    this frame's                  OLD, BLANK  what stood there before
 *      BAD    fits nothing that was ever written here
 *
 *      all NEW: whole    OLD or BLANK, none BAD: torn, its write never ended    a BAD one: damaged
 *
 * A torn last frame was never acknowledged; a damaged one may have been. The heads of the two
 * frames before tell what a damaged frame stood for, even if all of it is lost. (Sectors that
 * name their write are old: InnoDB's log blocks; that headers are kept twice: Alagappan and
 * others, "Protocol-Aware Recovery for Consensus-Based Storage", FAST'18.)
 *
 * Pure. Threads: any.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/effect.h"
#include "consensus/record.h"
#include "store/base/slice.h"

enum {
	CTL_SECTOR_SIZE = 512,
	CTL_SECTOR_PAYLOAD = 500,
	CTL_BLOCK_SIZE = 4096,
	CTL_BLOCK_SECTORS = CTL_BLOCK_SIZE / CTL_SECTOR_SIZE,
	CTL_FRAME_SIZE_MAX = 1 << 20,
	CTL_FRAME_HEADS = 3, /* its own, and those of the two before */
	CTL_FRAME_RECORDS_MAX =
		(CTL_FRAME_SIZE_MAX / CTL_SECTOR_SIZE - 1) * CTL_SECTOR_PAYLOAD, /* bytes */
};

static_assert(CTL_FRAME_RECORDS_MAX > 4 + PAXOS_RECORD_SIZE_MAX, "the largest record fits");

/* What a frame says of itself. Segments and frames count from 1; 0 stands for none. */
struct ctl_frame_head {
	uint64_t segment;       /* sequence number of its segment */
	uint32_t block;         /* where it begins in it */
	uint32_t blocks;        /* how long it is */
	uint32_t segment_size;  /* in blocks */
	uint64_t number;        /* no gaps, over all segments */
	uint64_t first;         /* number of its first record, or of the next one if it has none */
	uint32_t count;         /* records; 0: it only repeats the heads of the frames before */
	uint32_t size;          /* of the records, in bytes of payload */
	uint32_t crc;           /* of the records */
	struct paxos_mark mark; /* of the last record; `low` is the lowest of all */
};

/* A frame in the making, in the caller's memory. */
struct ctl_frame {
	uint8_t *memory; /* CTL_FRAME_SIZE_MAX bytes, aligned to blocks; borrowed */
	struct ctl_frame_head head;
};

/* Begins an empty frame whose first record will be `first`. */
void ctl_frame_begin(struct ctl_frame *frame, uint64_t first);

/* Adds the next record (copied). False if there is no room: the frame is as it was. */
bool ctl_frame_add(struct ctl_frame *frame, const struct paxos_mark *mark, struct slice record);

/* Blocks it will take. */
uint32_t ctl_frame_blocks(const struct ctl_frame *frame);

/*
 * Finishes it: head.segment, .block, .segment_size, .number and, if it is empty, .mark were set
 * by the caller. `before` are the heads of the two frames before it, latest first; number 0: none.
 */
void ctl_frame_end(struct ctl_frame *frame, uint64_t folder,
                   const struct ctl_frame_head before[CTL_FRAME_HEADS - 1]);

enum ctl_sector {
	CTL_SECTOR_NEW = 1, /* of frame `number` */
	CTL_SECTOR_OLD,     /* of an earlier one */
	CTL_SECTOR_LATER,   /* of a later one */
	CTL_SECTOR_BLANK,   /* zeros */
	CTL_SECTOR_BAD,
};

/*
 * What the 512 bytes at sector `place` of a segment are, seen from frame `number`. `folder` is
 * the incarnation of the folder: bytes of another folder are BAD.
 */
enum ctl_sector ctl_sector_look(const uint8_t *bytes, uint64_t folder, uint64_t place,
                                uint64_t number);

/*
 * Reads the first sector of a frame, at `block` of segment `segment`. Returns the number of heads,
 * its own first; or 0 if no frame of this segment begins here.
 */
unsigned ctl_frame_heads(const uint8_t *bytes, uint64_t folder, uint64_t segment, uint32_t block,
                         struct ctl_frame_head ret_heads[CTL_FRAME_HEADS]);

enum ctl_frame_verdict {
	CTL_FRAME_WHOLE = 1,
	CTL_FRAME_TORN,
	CTL_FRAME_DAMAGED,
};

/* Looks at all sectors of the frame at `bytes`, which has head->blocks blocks. */
enum ctl_frame_verdict ctl_frame_check(const uint8_t *bytes, uint64_t folder,
                                       const struct ctl_frame_head *head);

/*
 * Pushes the payload of a whole frame's records together, at the beginning of its own bytes, which
 * are no frame any more. Borrows from them.
 */
struct slice ctl_frame_records(uint8_t *bytes, const struct ctl_frame_head *head);

/* Cuts the next record off the front. False if there is none, or what is left makes no sense. */
bool ctl_frame_next(struct slice *records, struct slice *ret_record);
