/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_read.h - reads a journal from its first frame to its last, and judges each
 *
 *      WHOLE      as it was written
 *      TORN       the last one, whose write never ended: it was never acknowledged
 *      CORRUPT    it was written, and is not there any more, or it cannot be ruled out
 *      BLANK      nothing: where the next frame goes
 *
 * What tells them apart stands in journal_format.h. Whatever is followed by a frame was durable
 * once, so only the last one can be torn. The last piece is TORN, BLANK, or CORRUPT without a mark.
 *
 * Threads: any one, while nobody writes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/journal_format.h"

enum ctl_piece_kind {
	CTL_PIECE_WHOLE = 1,
	CTL_PIECE_TORN,
	CTL_PIECE_CORRUPT,
	CTL_PIECE_BLANK,
};

const char *ctl_piece_text(enum ctl_piece_kind kind);

struct ctl_piece {
	enum ctl_piece_kind kind;
	uint64_t segment; /* where it is; CORRUPT: where it was missed */
	uint32_t block, blocks;
	uint64_t number;       /* of the frame, or of the first one of several */
	uint64_t first, count; /* its records, as far as known */
	bool has_mark;         /* CORRUPT: false if nothing tells what it stood for */
	struct paxos_mark mark;
	struct slice records; /* WHOLE: for ctl_frame_next(); borrowed for the call */
};

/*
 * The latest configuration that the server stood in, as `piece` tells, or `known` if that is later.
 * A torn frame was never told to be durable, so it tells nothing.
 */
static inline uint32_t ctl_piece_configuration(const struct ctl_piece *piece, uint32_t known)
{
	return piece->kind != CTL_PIECE_TORN && piece->has_mark &&
	                       piece->mark.promised.configuration > known
	               ? piece->mark.promised.configuration
	               : known;
}

/* Where to go on writing, if the last piece is TORN or BLANK. */
struct ctl_journal_end {
	uint64_t segment; /* 0: the journal holds no frame at all */
	uint32_t block;
	struct ctl_frame_head before[CTL_FRAME_HEADS - 1]; /* latest first */
	uint64_t number, record;                           /* the next ones */
};

struct ctl_journal_reader {
	/* Is shown each piece in order. What it returns, if not 0, ends the scan. */
	int (*visit)(void *context, const struct ctl_piece *piece);
	void *context;
};

/*
 * Reads all of it. `incarnation` is the folder's. Returns 0, what visit returned, or a negative
 * errno of the system.
 */
int ctl_journal_scan(int folder, uint64_t incarnation, const struct ctl_journal_reader *reader,
                     struct ctl_journal_end *ret_end);
