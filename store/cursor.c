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
#include "store/state.h"
#include "store/store.h"

static struct slice pattern_of(const struct store_cursor *cursor)
{
	return slice_make(cursor->pattern, cursor->pattern_size);
}

static bool starts_with(struct slice text, const uint8_t *start, size_t size)
{
	return text.size >= size && memcmp(text.data, start, size) == 0;
}

static void set_key(struct store_cursor *cursor, struct slice path, uint8_t behind)
{
	must(path.size < sizeof(cursor->key));
	memcpy(cursor->key, path.data, path.size);
	cursor->key[path.size] = behind;
	cursor->key_size = (uint16_t)(path.size + 1);
}

static void begin(struct store_cursor *cursor, const struct store_root *root, struct slice pattern,
                  bool is_list)
{
	must(pattern.size <= sizeof(cursor->pattern));
	cursor->root = root;
	cursor->is_list = is_list;
	cursor->pattern_size = (uint16_t)pattern.size;
	memcpy(cursor->pattern, pattern.data, pattern.size);
}

/* A file that stands where a list was asked for is not a directory. */
static enum store_answer check_directory(const struct store_root *root, struct slice path)
{
	const struct store_item *item;
	const enum store_answer answer = store_file_look(root->state.files, path, &item);

	if (answer == STORE_OK) {
		return STORE_NOT_DIRECTORY;
	}
	return answer == STORE_IS_DIRECTORY ? STORE_OK : answer;
}

enum store_answer store_list(struct store_cursor *cursor, const struct store_root *root,
                             struct slice path, struct slice after)
{
	enum store_answer answer = check_directory(root, path);
	size_t size = path.size;

	if (answer == STORE_OK && after.size != 0) {
		answer = store_file_form(store_path_check_name(after));
	}
	if (answer != STORE_OK) {
		return answer;
	}
	size += store_path_is_root(path) ? 0 : 1;
	if (size + after.size > STORE_PATH_SIZE_MAX) {
		return STORE_TOO_LARGE;
	}
	begin(cursor, root, path, true);
	cursor->pattern[size - 1] = '/';
	cursor->pattern_size = (uint16_t)size;
	memcpy(cursor->key, cursor->pattern, size);
	cursor->key_size = (uint16_t)size;
	if (after.size != 0) {
		memcpy(cursor->key + size, after.data, after.size);
		cursor->key[size + after.size] = STORE_TREE_SEEK_AFTER;
		cursor->key_size = (uint16_t)(size + after.size + 1);
	}
	return STORE_OK;
}

enum store_answer store_walk(struct store_cursor *cursor, const struct store_root *root,
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
	begin(cursor, root, glob, false);
	literal.size = store_glob_literal(glob);
	if (after.size != 0 && store_path_compare(after, literal) >= 0) {
		set_key(cursor, after, '/');
	} else {
		memcpy(cursor->key, literal.data, literal.size);
		cursor->key_size = (uint16_t)literal.size;
	}
	return STORE_OK;
}

static bool end(struct store_cursor *cursor)
{
	cursor->key_size = 0;
	return false;
}

static bool next_of_list(struct store_cursor *cursor, struct store_file *ret_file)
{
	const struct store_item *before, *item;
	const uint8_t *separator;
	struct slice path;

	store_tree_around(cursor->root->state.files, slice_make(cursor->key, cursor->key_size),
	                  &before, &item);
	if (item == NULL ||
	    !starts_with(store_item_key(item), cursor->pattern, cursor->pattern_size)) {
		return end(cursor);
	}
	path = store_item_key(item);
	separator = memchr(path.data + cursor->pattern_size, '/', path.size - cursor->pattern_size);
	if (separator == NULL) {
		*ret_file = (struct store_file){.value = store_item_value(item),
		                                .revision = item->revision};
	} else {
		path.size = (size_t)(separator - path.data);
		*ret_file = (struct store_file){.is_directory = true};
	}
	must(path.size > cursor->pattern_size);
	must(path.size <= sizeof(cursor->path));
	memcpy(cursor->path, path.data, path.size);
	ret_file->path = slice_make(cursor->path, path.size);
	set_key(cursor, path, STORE_TREE_SEEK_AFTER);
	return true;
}

static bool next_of_walk(struct store_cursor *cursor, struct store_file *ret_file)
{
	const struct slice glob = pattern_of(cursor);
	const size_t literal = store_glob_literal(glob);
	const struct store_item *item;
	struct store_place place;

	store_tree_seek(cursor->root->state.files, slice_make(cursor->key, cursor->key_size),
	                &place);
	while ((item = store_tree_next(&place)) != NULL) {
		const struct slice path = store_item_key(item);

		/* What begins with the literal part stands together, so the first other ends it. */
		if (!starts_with(path, glob.data, literal)) {
			break;
		}
		if (store_glob_match(glob, path)) {
			*ret_file = (struct store_file){.path = path,
			                                .value = store_item_value(item),
			                                .revision = item->revision};
			set_key(cursor, path, '/');
			return true;
		}
		if (literal == glob.size) {
			break;
		}
	}
	return end(cursor);
}

bool store_cursor_next(struct store_cursor *cursor, struct store_file *ret_file)
{
	must(cursor->root != NULL);
	if (cursor->key_size == 0) {
		return false;
	}
	return cursor->is_list ? next_of_list(cursor, ret_file) : next_of_walk(cursor, ret_file);
}
