/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * disk.h - what the disk alone costs: one durable write of 4 KiB after the other
 *
 * Written as the journal writes, by its own functions (control/journal_segment.h: a segment that
 * was filled with zeros ahead, past the page cache; control/journal_disk.h: io_uring, RWF_DSYNC):
 * a write is counted when the disk has it for sure. No durable write of a server on this disk can
 * be faster. First by one process, then by several at once, each in a file of its own: as servers
 * that share the disk do, or that have a disk each. These processes never rest and so are ordinary
 * ones: where others want the cores they wait, as the journal's thread does not (wakeup.h).
 *
 * Makes its own processes and a folder, and ends and removes them whatever happens; if it is
 * killed itself, the kernel ends the processes.
 */

#include <argp.h>
#include <jansson.h>

#include "control/reason.h"

enum {
	DISK_PROCESSES_MAX = 7,
};

struct disk_config {
	/* On the disks in question: for each process the next. The first is measured alone. */
	const char *folders[DISK_PROCESSES_MAX];
	unsigned folder_count;
	unsigned processes; /* at once, 1 to DISK_PROCESSES_MAX */
	double seconds;     /* for one process, and again for all of them */
};

/* One more folder, borrowed, from a command line. Too many: argp_error(). */
void disk_option(struct disk_config *config, const char *folder, struct argp_state *state);

/*
 * An array of two, one process alone and then all: each as report_latency(), with "processes",
 * "writes_per_s" of all together, "size", "disks", "folder" (the
 * first). NULL: the sentence says why not.
 */
json_t *disk_measure(const struct disk_config *config, struct ctl_reason *ret_reason);
