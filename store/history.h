/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history.h - the files as they were after a former revision
 *
 *      files   /a 9    /c 3    /d 12          a root at 12, and the revisions in it
 *      gone    /b 7    /e 11
 *      events  6: /a    9: /a, was 6    11: /e, was 4    12: /d, was none
 *
 *      at 8    /a 6    /c 3    /e 4
 *
 * Nothing is undone as a whole. A file whose revision is not above that of the view stood there
 * as it is; for any other path the events are followed back to its earliest one behind the view,
 * which has what it replaced. What is not in the root any more is found through `gone` (event.h).
 * So a read costs a search, and of each path that it looks at a few steps (event.h): a list or a
 * walk of a former revision passes over at most as many files as one of the root, and over each
 * path that is gone, and takes one step for each event at most.
 *
 * Readers need no memory, and take no lock; the writer may drop an event that a reader is about to
 * look for: then the view is lost.
 *
 * For the store's own files. Pure. Any registered reader.
 */

#include "store/store.h"
#include "store/tree.h"

/* A place in a view: before the next file of the root, and the next path that is gone. */
struct store_history {
	struct store_view *view; /* borrowed */
	struct store_place files, gone;
	const struct store_item *file, *lost; /* that stand there, or NULL */
	struct slice passed; /* path that was looked at last; empty: none since the seek */
};

/* Stands before the first file at or behind `key`. */
void store_history_seek(struct store_history *history, struct store_view *view, struct slice key);

/*
 * The file that stands there, and one step on. False at the end, if the view is lost, or if it has
 * no looks left.
 */
bool store_history_next(struct store_history *history, struct store_file *ret_file);

/* True if it was for want of looks that the last step was none. */
static inline bool store_history_is_cut(const struct store_history *history)
{
	return history->view->looks == 0 && (history->file != NULL || history->lost != NULL);
}

static inline void store_view_take(struct store_view *view, uint32_t looks)
{
	view->looks -= looks < view->looks ? looks : view->looks;
}
