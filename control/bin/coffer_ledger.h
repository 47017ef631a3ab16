/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_ledger.h - what `coffer sync` knows of its folder, over its restarts
 *
 * A text file that grows by lines, and is written anew where most of them are old:
 *
 *      coffer-sync 1
 *      own PATH                      a file that did not stand there before is about to
 *      file REVISION SIZE CRC PATH   stands there
 *      gone PATH                     is no more
 *      at REVISION                   the folder is equal to the tree of this revision
 *      ran REVISION                  and the command was told so
 *
 * A last line that is not whole was never synced, and is passed over. Errors are negative errno
 * values; -EBADMSG: it makes no sense.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ledger_file {
	char *path;       /* owned */
	int64_t revision; /* 0: not known, it may be anything of ours */
	size_t size;
	uint32_t crc;
	bool is_verified; /* its bytes are those of `revision` */
	bool is_new;      /* nothing stands there yet */
	bool is_gone;
	bool is_seen; /* by the walk that goes on */
};

struct ledger {
	int folder; /* borrowed */
	FILE *file; /* owned */
	void *tree; /* of struct ledger_file, by path */
	size_t count, lines;
	int64_t at, ran;
};

/* Reads what there is in the directory `folder`; nothing is fine. */
int ledger_open(struct ledger *ledger, int folder);
void ledger_close(struct ledger *ledger);

/* NULL: not ours. */
struct ledger_file *ledger_find(const struct ledger *ledger, const char *path);

/* Notes that a file is ours from now on. NULL: no memory. */
struct ledger_file *ledger_own(struct ledger *ledger, const char *path);

/* Notes what a file is now; if it is gone, it is forgotten. */
void ledger_note(struct ledger *ledger, struct ledger_file *file);

void ledger_note_at(struct ledger *ledger, int64_t revision);
void ledger_note_ran(struct ledger *ledger);

/* All that was noted is on the disk when it returns 0. */
int ledger_sync(struct ledger *ledger);

/* Calls back for each file, which may not be forgotten meanwhile. */
void ledger_each(const struct ledger *ledger, void (*each)(struct ledger_file *, void *context),
                 void *context);
