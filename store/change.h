/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * change.h - changes of files, one at a time, that can be taken back until they are kept
 *
 *      put, put, remove ...   revision + 1 each; tree, quota, owners follow at once
 *      undo                   all of it back to the last commit: an operation was refused
 *      commit                 each becomes an event
 *
 * Nobody but the writer sees anything of it before the next publish. A commit is due after
 * STORE_STAGE_MAX changes at the latest (must).
 *
 * For apply.c and lock.c. Pure. Threads: the writer's.
 */

#include "store/state.h"

/* Puts a file in (taken), in the place of the one of its path. Its revision is the next (must). */
void store_change_put(struct store *store, struct store_item *item, enum store_cause cause);

/* The same where store_file_find() has just found one of the path. */
void store_change_replace(struct store *store, const struct store_place *place,
                          struct store_item *item, enum store_cause cause);

/* Removes a file that is there (must). `path` may be the file's own. */
void store_change_remove(struct store *store, struct slice path, enum store_cause cause);

void store_change_undo(struct store *store);
void store_change_commit(struct store *store);
