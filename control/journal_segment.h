/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_segment.h - the files of the journal
 *
 *      data/journal/segment-<number, 16 hexadecimal digits>
 *
 * Segments are filled in the order of their numbers, which have no gaps. A segment is taken ahead:
 * its whole space, filled with zeros and synced, before it gets its name; so that a write into it
 * changes no metadata, and cannot find the disk full. One that is no longer needed gets a higher
 * number and is used again as it is: its old frames name a lower segment.
 *
 *      make: segment.new, zeros, fsync --+
 *                                        +--> rename to the next number, fsync of the folder
 *      a forgotten one ------------------+
 *
 * Threads: any one at a time for one folder.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/journal_format.h"

enum {
	CTL_SEGMENT_MB_MIN = 2, /* the largest frame, and one more */
	CTL_SEGMENT_MB_MAX = 1024,
	CTL_SEGMENTS_MAX = 65536,
};

/* Numbers of the segments in a folder, lowest first. */
struct ctl_segment_list {
	uint64_t *numbers; /* given back to free() */
	size_t count;
};

/* Reads the folder. Files of other names are left alone. 0 or a negative errno. */
int ctl_segment_list(int folder, struct ctl_segment_list *ret_list);

/*
 * Makes a segment of `blocks` blocks under the number. `stop` (may be NULL) ends it early with
 * -ECANCELED. Returns 0 or a negative errno; then nothing of it is left.
 */
int ctl_segment_make(int folder, uint64_t number, uint32_t blocks, const _Atomic bool *stop);

/* Gives a segment another number. */
int ctl_segment_renumber(int folder, uint64_t number, uint64_t other);

int ctl_segment_remove(int folder, uint64_t number);

/* Removes one whose making was cut short. Nothing if there is none. */
void ctl_segment_remove_unmade(int folder);

/*
 * Opens it for writing, past the page cache where the file system can. *ret_blocks is its size.
 * Returns a descriptor or a negative errno.
 */
int ctl_segment_open(int folder, uint64_t number, uint32_t *ret_blocks);

/* What was read of a segment: whole, in memory. Begins as zero. */
struct ctl_segment_copy {
	uint8_t *bytes; /* in the end given back to free() */
	uint32_t room;  /* blocks that there is memory for */
	uint32_t blocks;
	uint64_t unread; /* blocks that the device did not give; they hold nothing that fits */
};

/*
 * Reads a segment in place of what the copy held: to have its memory again is faster than new one.
 * What is missing of a file that was cut holds nothing that fits, either. 0 or a negative errno;
 * then the copy holds nothing of use.
 */
int ctl_segment_read(int folder, uint64_t number, uint64_t incarnation,
                     struct ctl_segment_copy *copy);

/* Bytes that the files of a folder take on the disk; folders in it are not counted. */
uint64_t ctl_folder_bytes(int folder);
