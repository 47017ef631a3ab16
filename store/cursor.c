/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cursor.c - lists of a directory and walks by glob (store.h, store_cursor)
 *
 * A list keeps "/directory/" in `pattern`, a walk its glob. Both keep the key that comes next and
 * seek it anew each time: the cursor needs no memory of its own, and a seek goes over a whole
 * subtree at once.
 */
#include "store/base/check.h"
#include "store/file.h"
#include "store/glob.h"
#include "store/history.h"
#include "store/state.h"
#include "store/store.h"

enum {
	LEAP_AFTER = 8, /* files in a row that do not match; twice as many after each try in vain */
};

static struct slice pattern_of(const struct store_cursor *cursor)
{
	return slice_make(cursor->pattern, cursor->pattern_size);
}

static bool starts_with(struct slice text, const uint8_t *start, size_t size)
{
	return text.size >= size && memcmp(text.data, start, size) == 0;
}

static void set_path(struct store_cursor *cursor, struct slice path)
{
	must(path.size <= STORE_PATH_SIZE_MAX);
	memcpy(cursor->path, path.data, path.size);
	cursor->path_size = (uint16_t)path.size;
}

static void set_key(struct store_cursor *cursor, struct slice path, uint8_t behind)
{
	must(path.size < sizeof(cursor->key));
	memcpy(cursor->key, path.data, path.size);
	cursor->key[path.size] = behind;
	cursor->key_size = (uint16_t)(path.size + 1);
}

static void begin(struct store_cursor *cursor, const struct store_view *view, struct slice pattern,
                  bool is_list)
{
	must(pattern.size <= sizeof(cursor->pattern));
	cursor->view = *view;
	if (cursor->view.looks == 0) {
		cursor->view.looks = 1; /* checks before it took all; so it gets on */
	}
	cursor->is_list = is_list;
	cursor->is_cut = false;
	cursor->path_size = 0;
	cursor->pattern_size = (uint16_t)pattern.size;
	memcpy(cursor->pattern, pattern.data, pattern.size);
}

/* A file that stands where a list was asked for is not a directory. */
static enum store_answer check_directory(struct store_view *view, struct slice path)
{
	struct store_file file;
	const enum store_answer answer = store_get_at(view, path, &file);

	if (answer == STORE_OK) {
		return STORE_NOT_DIRECTORY;
	}
	return answer == STORE_IS_DIRECTORY ? STORE_OK : answer;
}

/* A name, or a path with a slash behind it. */
static enum store_answer check_after(struct slice path, struct slice after)
{
	uint8_t whole[STORE_PATH_SIZE_MAX + 1];
	size_t size = path.size;

	if (after.size == 0) {
		return STORE_OK;
	}
	if (after.data[after.size - 1] != '/') {
		return store_file_form(store_path_check_name(after));
	}
	if (path.size + after.size > STORE_PATH_SIZE_MAX + 1) {
		return STORE_TOO_LARGE;
	}
	memcpy(whole, path.data, path.size);
	size -= store_path_is_root(path) ? 1 : 0;
	whole[size++] = '/';
	memcpy(whole + size, after.data, after.size - 1);
	return store_file_form(store_path_check(slice_make(whole, size + after.size - 1)));
}

enum store_answer store_list_at(struct store_cursor *cursor, struct store_view *view,
                                struct slice path, struct slice after)
{
	enum store_answer answer = check_directory(view, path);
	size_t size = path.size;
	bool is_name;

	answer = answer == STORE_OK ? check_after(path, after) : answer;
	if (answer != STORE_OK) {
		return answer;
	}
	size += store_path_is_root(path) ? 0 : 1;
	is_name = after.size != 0 && after.data[after.size - 1] != '/';
	if (size + after.size > STORE_PATH_SIZE_MAX + (is_name ? 0 : 1)) {
		return STORE_TOO_LARGE;
	}
	begin(cursor, view, path, true);
	cursor->pattern[size - 1] = '/';
	cursor->pattern_size = (uint16_t)size;
	memcpy(cursor->key, cursor->pattern, size);
	cursor->key_size = (uint16_t)size;
	if (after.size != 0) {
		memcpy(cursor->key + size, after.data, after.size);
		cursor->key[size + after.size] = STORE_TREE_SEEK_AFTER;
		cursor->key_size = (uint16_t)(size + after.size + (is_name ? 1 : 0));
	}
	return STORE_OK;
}

enum store_answer store_walk_at(struct store_cursor *cursor, const struct store_view *view,
                                struct slice glob, struct slice after)
{
	const enum store_path_form form = store_glob_check(glob);
	struct slice literal = {.data = glob.data};
	enum store_answer answer = STORE_OK;

	if (form != STORE_PATH_GOOD) {
		return form == STORE_PATH_LONG ? STORE_TOO_LARGE : STORE_BAD_GLOB;
	}
	if (after.size != 0) {
		answer = store_file_form(store_path_check(after));
	}
	if (answer != STORE_OK) {
		return answer;
	}
	begin(cursor, view, glob, false);
	literal.size = store_glob_literal(glob);
	if (after.size != 0 && store_path_compare(after, literal) >= 0) {
		set_key(cursor, after, '/');
	} else {
		memcpy(cursor->key, literal.data, literal.size);
		cursor->key_size = (uint16_t)literal.size;
	}
	return STORE_OK;
}

enum store_answer store_list(struct store_cursor *cursor, const struct store_root *root,
                             struct slice path, struct slice after)
{
	struct store_view view = store_present(root);

	return store_list_at(cursor, &view, path, after);
}

enum store_answer store_walk(struct store_cursor *cursor, const struct store_root *root,
                             struct slice glob, struct slice after)
{
	const struct store_view view = store_present(root);

	return store_walk_at(cursor, &view, glob, after);
}

static bool end(struct store_cursor *cursor)
{
	cursor->key_size = 0;
	return false;
}

/* The end; or, if only looks are wanted, where it goes on. */
static bool stop(struct store_cursor *cursor, const struct store_history *history, size_t common)
{
	const struct slice passed = history->passed;

	cursor->is_cut = store_history_is_cut(history) &&
	                 (passed.size == 0 || starts_with(passed, cursor->pattern, common));
	if (cursor->is_cut && passed.size != 0) {
		set_path(cursor, passed);
		if (cursor->is_list) {
			cursor->path[cursor->path_size++] = '/';
		}
	}
	return end(cursor);
}

static bool next_of_list(struct store_cursor *cursor, struct store_file *ret_file)
{
	struct store_history history;
	const uint8_t *separator;
	struct slice path;

	store_history_seek(&history, &cursor->view, slice_make(cursor->key, cursor->key_size));
	if (!store_history_next(&history, ret_file)) {
		return stop(cursor, &history, cursor->pattern_size);
	}
	store_view_take(&cursor->view, STORE_LOOKS_SEARCH);
	if (!starts_with(ret_file->path, cursor->pattern, cursor->pattern_size)) {
		return end(cursor);
	}
	path = ret_file->path;
	separator = memchr(path.data + cursor->pattern_size, '/', path.size - cursor->pattern_size);
	if (separator != NULL) {
		path.size = (size_t)(separator - path.data);
		*ret_file = (struct store_file){.is_directory = true};
	}
	must(path.size > cursor->pattern_size);
	set_path(cursor, path);
	ret_file->path = slice_make(cursor->path, path.size);
	set_key(cursor, path, STORE_TREE_SEEK_AFTER);
	return true;
}

/* A glob takes looks by what it costs to hold it against a path. */
static uint32_t looks_of_match(size_t glob_size, size_t path_size)
{
	return (uint32_t)((glob_size / 64 * path_size) >> 4);
}

/*
 * Over all that stands below a directory where nothing matches: a search, which is dearer than a
 * few files, so those before it are looked at. False: it is no such directory.
 */
static bool leap(struct store_cursor *cursor, struct store_history *history, struct slice path)
{
	const size_t hopeless = store_glob_hopeless(pattern_of(cursor), path);

	if (hopeless == 0) {
		return false;
	}
	set_path(cursor, path);
	set_key(cursor, slice_make(path.data, hopeless), STORE_TREE_SEEK_AFTER);
	store_view_take(&cursor->view, STORE_LOOKS_SEARCH);
	store_history_seek(history, &cursor->view, slice_make(cursor->key, cursor->key_size));
	return true;
}

static bool next_of_walk(struct store_cursor *cursor, struct store_file *ret_file)
{
	const struct slice glob = pattern_of(cursor);
	const size_t literal = store_glob_literal(glob);
	struct store_history history;
	struct store_file file;
	unsigned missed = 0, patience = LEAP_AFTER;

	store_history_seek(&history, &cursor->view, slice_make(cursor->key, cursor->key_size));
	while (store_history_next(&history, &file)) {
		/* What begins with the literal part stands together, so the first other ends it. */
		if (!starts_with(file.path, glob.data, literal)) {
			return end(cursor);
		}
		store_view_take(&cursor->view, looks_of_match(glob.size, file.path.size));
		if (store_glob_match(glob, file.path)) {
			*ret_file = file;
			set_path(cursor, file.path);
			set_key(cursor, file.path, '/');
			store_view_take(&cursor->view, STORE_LOOKS_SEARCH);
			return true;
		}
		if (literal == glob.size) {
			return end(cursor);
		}
		if (++missed == patience) {
			missed = 0;
			patience = leap(cursor, &history, file.path) ? LEAP_AFTER : 2 * patience;
		}
	}
	return stop(cursor, &history, literal);
}

bool store_cursor_next(struct store_cursor *cursor, struct store_file *ret_file)
{
	must(cursor->view.root != NULL);
	if (cursor->key_size == 0) {
		return false;
	}
	return cursor->is_list ? next_of_list(cursor, ret_file) : next_of_walk(cursor, ret_file);
}

bool store_cursor_cut(const struct store_cursor *cursor, struct slice *ret_after)
{
	const size_t front = cursor->is_list ? cursor->pattern_size : 0;

	if (!cursor->is_cut) {
		return false;
	}
	must(cursor->path_size > front);
	*ret_after = slice_make(cursor->path + front, cursor->path_size - front);
	return true;
}
