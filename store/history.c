/* SPDX-License-Identifier: Apache-2.0 */
#include "store/history.h"

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/file.h"
#include "store/state.h"

static bool is_present(const struct store_view *view)
{
	return view->rev == view->root->state.revision;
}

struct store_view store_present(const struct store_root *root)
{
	return (struct store_view){.root = root, .rev = root->state.revision, .looks = UINT32_MAX};
}

enum store_answer store_past(const struct store *store, const struct store_root *root,
                             store_rev_t rev, struct store_view *ret_view)
{
	*ret_view = store_present(root);
	if (rev == 0) {
		return STORE_OK;
	}
	ret_view->events = &store->events;
	ret_view->rev = rev;
	ret_view->oldest = root->oldest - 1;
	if (rev > root->state.revision) {
		return STORE_TOO_EARLY;
	}
	if (store_view_is_lost(ret_view)) {
		return STORE_TOO_LATE;
	}
	if (rev < root->state.revision && !mutant(51)) {
		const struct store_event *next = store_events_find(&store->events, rev + 1);

		if (next == NULL) {
			ret_view->oldest = rev + 1;
			return STORE_TOO_LATE;
		}
		if (next->first <= rev) {
			ret_view->rev = next->last; /* nobody sees a part of an entry */
		}
	}
	return STORE_OK;
}

static void fill(const struct store_item *item, struct store_file *ret_file)
{
	*ret_file = (struct store_file){
		.path = store_item_key(item),
		.value = store_item_value(item),
		.revision = item->revision,
		.owner = item->owner,
	};
}

/*
 * What stood at a path whose last event, `last`, is behind the view. False: nothing did, or the
 * view is lost.
 */
static bool undo(struct store_view *view, store_rev_t last, struct store_file *ret_file)
{
	const struct store_event *event;
	uint32_t steps = 0;

	event = store_events_behind(view->events, last, view->rev, &steps, &view->oldest);
	store_view_take(view, steps);
	if (event == NULL) {
		return false;
	}
	if (event->former_revision == 0) {
		return false;
	}
	*ret_file = (struct store_file){
		.path = event->path,
		.value = event->former_value,
		.revision = event->former_revision,
		.owner = event->former_owner,
	};
	return true;
}

/* The file at a path of good form. */
static bool find(struct store_view *view, struct slice path, struct store_file *ret_file)
{
	const struct store_item *item = store_tree_get(view->root->state.files, path);

	if (item != NULL && item->revision <= view->rev) {
		fill(item, ret_file);
		return true;
	}
	if (item == NULL && !mutant(45)) {
		item = store_tree_get(view->root->gone, path);
	}
	return item != NULL && item->revision > view->rev && undo(view, item->revision, ret_file);
}

/* --- from one file to the next ---------------------------------------------------------------- */

void store_history_seek(struct store_history *history, struct store_view *view, struct slice key)
{
	history->view = view;
	history->passed = (struct slice){0};
	store_tree_seek(view->root->state.files, key, &history->files);
	history->file = store_tree_next(&history->files);
	history->lost = NULL;
	if (!is_present(view)) {
		store_tree_seek(view->root->gone, key, &history->gone);
		history->lost = store_tree_next(&history->gone);
	}
}

/* True if the next path is that of a file of the root, not one that is gone. */
static bool is_file_next(const struct store_history *history)
{
	return history->lost == NULL ||
	       (history->file != NULL && store_path_compare(store_item_key(history->file),
	                                                    store_item_key(history->lost)) < 0);
}

bool store_history_next(struct store_history *history, struct store_file *ret_file)
{
	struct store_view *view = history->view;

	while (view->looks != 0 && (history->file != NULL || history->lost != NULL)) {
		const bool is_file = is_file_next(history);
		const struct store_item *item = is_file ? history->file : history->lost;

		if (is_file) {
			history->file = store_tree_next(&history->files);
		} else {
			history->lost = store_tree_next(&history->gone);
		}
		view->looks--;
		history->passed = store_item_key(item);
		if (item->revision > view->rev) {
			if (undo(view, item->revision, ret_file)) {
				return true;
			}
			if (store_view_is_lost(view)) {
				return false;
			}
		} else if (is_file) {
			fill(item, ret_file);
			return true;
		}
	}
	return false;
}

/* --- one path --------------------------------------------------------------------------------- */

static size_t open_directory(uint8_t *key, struct slice directory)
{
	const size_t size = store_path_is_root(directory) ? 1 : directory.size + 1;

	must(directory.size <= STORE_PATH_SIZE_MAX);
	memcpy(key, directory.data, directory.size);
	key[size - 1] = '/';
	return size;
}

static bool stands_below(struct store_view *view, struct slice directory)
{
	uint8_t key[STORE_PATH_SIZE_MAX + 1];
	const size_t size = open_directory(key, directory);
	struct store_view all = *view;
	struct store_history history;
	struct store_file file;
	bool is_found;

	all.looks = UINT32_MAX;
	store_history_seek(&history, &all, slice_make(key, size));
	is_found = store_history_next(&history, &file) && store_path_is_below(file.path, directory);
	view->oldest = all.oldest;
	store_view_take(view, UINT32_MAX - all.looks);
	return is_found;
}

/* True if a proper ancestor is a file. */
static bool stands_above(struct store_view *view, struct slice path)
{
	struct store_file file;

	for (size_t size = 1; size < path.size; size++) {
		if (path.data[size] == '/' && find(view, slice_make(path.data, size), &file)) {
			return true;
		}
	}
	return false;
}

static enum store_answer look(struct store_view *view, struct slice path,
                              struct store_file *ret_file)
{
	const enum store_answer form = store_file_form(store_path_check(path));
	enum store_answer answer = STORE_NOT_FOUND;

	if (form != STORE_OK) {
		return form;
	}
	if (find(view, path, ret_file)) {
		return STORE_OK;
	}
	if (store_path_is_root(path) || stands_below(view, path)) {
		answer = STORE_IS_DIRECTORY;
	} else if (stands_above(view, path)) {
		answer = STORE_NOT_DIRECTORY;
	}
	return store_view_is_lost(view) ? STORE_TOO_LATE : answer;
}

enum store_answer store_get_at(struct store_view *view, struct slice path,
                               struct store_file *ret_file)
{
	const struct store_item *item;
	enum store_answer answer;

	if (!is_present(view)) {
		return look(view, path, ret_file);
	}
	answer = store_file_look(view->root->state.files, path, &item);
	if (answer == STORE_OK) {
		fill(item, ret_file);
	}
	return answer;
}

/* Counts the names directly in a directory, as far as looks go: a search for each directory. */
static void count_children(struct store_view *view, struct slice directory,
                           struct store_file *directory_file)
{
	uint8_t key[STORE_PATH_SIZE_MAX + 2];
	const size_t start = open_directory(key, directory);
	struct store_history history;
	struct store_file file;

	store_history_seek(&history, view, slice_make(key, start));
	while (store_history_next(&history, &file) && store_path_is_below(file.path, directory)) {
		const uint8_t *rest = file.path.data + start;
		const uint8_t *end = memchr(rest, '/', file.path.size - start);

		directory_file->children++;
		if (end != NULL) {
			const size_t size = (size_t)(end - file.path.data);

			memcpy(key, file.path.data, size);
			key[size] = STORE_TREE_SEEK_AFTER;
			store_view_take(view, STORE_LOOKS_SEARCH);
			store_history_seek(&history, view, slice_make(key, size + 1));
		}
	}
	directory_file->has_more =
		store_history_is_cut(&history) &&
		(history.passed.size == 0 || store_path_is_below(history.passed, directory));
}

enum store_answer store_stat_at(struct store_view *view, struct slice path,
                                struct store_file *ret_file)
{
	const enum store_answer answer = store_get_at(view, path, ret_file);

	if (answer == STORE_IS_DIRECTORY) {
		*ret_file = (struct store_file){.path = path, .is_directory = true};
		count_children(view, path, ret_file);
		return store_view_is_lost(view) ? STORE_TOO_LATE : STORE_OK;
	}
	return answer;
}

enum store_answer store_get(const struct store_root *root, struct slice path,
                            struct store_file *ret_file)
{
	struct store_view view = store_present(root);

	return store_get_at(&view, path, ret_file);
}

enum store_answer store_stat(const struct store_root *root, struct slice path,
                             struct store_file *ret_file)
{
	struct store_view view = store_present(root);

	return store_stat_at(&view, path, ret_file);
}
