/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_batch.h - changes of a folder that `coffer sync` makes together
 *
 *      add ... add --> apply --> text --> clear
 *
 * Added values are made ready on the disk at once. Applying renames them into their places, in the
 * order they were added, and notes all in the ledger. What stands in the way of one path is left
 * alone, and told. A process that is killed anywhere in it leaves each file as it was or as it
 * will be, and the next start makes the rest.
 */

#include "control/bin/coffer_folder.h"
#include "control/bin/coffer_ledger.h"

struct change {
	char *path; /* owned */
	bool is_set, is_passed, is_made;
	int64_t revision;
	unsigned stage; /* is_set, until it was put into its place */
	struct folder_look look;
};

struct batch {
	struct folder *folder; /* borrowed */
	struct ledger *ledger; /* borrowed */
	struct change *changes;
	size_t count, room;
	unsigned written, removed, passed;
};

/* Adds a change. Returns 0 or a negative errno. */
int batch_set(struct batch *batch, const char *path, int64_t revision, const void *value,
              size_t size);
int batch_remove(struct batch *batch, const char *path);

/*
 * Makes all changes, after which the folder is at `revision`. Returns 0, or a negative errno, and
 * *ret_path is where: the folder cannot be used.
 */
int batch_apply(struct batch *batch, int64_t revision, const char **ret_path);

/* Forgets what was not applied. */
void batch_clear(struct batch *batch);
