/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file.h"

enum store_answer store_file_form(enum store_path_form form)
{
	switch (form) {
	case STORE_PATH_GOOD:
		return STORE_OK;
	case STORE_PATH_LONG:
		return STORE_TOO_LARGE;
	case STORE_PATH_BAD:
	default:
		return STORE_BAD_PATH;
	}
}

static bool may_be_key(struct slice path)
{
	return path.size >= 1 && path.size <= STORE_PATH_SIZE_MAX;
}

/* Why there is no file of this name. */
static enum store_answer look_around(const struct store_node *root, struct slice path)
{
	const struct store_item *before, *at;
	const enum store_answer answer = store_file_form(store_path_check(path));

	if (answer != STORE_OK) {
		return answer;
	}
	if (store_path_is_root(path)) {
		return STORE_IS_DIRECTORY;
	}
	store_tree_around(root, path, &before, &at);
	if (at != NULL && store_path_is_below(store_item_key(at), path)) {
		return STORE_IS_DIRECTORY;
	}
	if (before != NULL && store_path_is_below(path, store_item_key(before))) {
		return STORE_NOT_DIRECTORY;
	}
	return STORE_NOT_FOUND;
}

enum store_answer store_file_look(const struct store_node *root, struct slice path,
                                  const struct store_item **ret_item)
{
	const struct store_item *item = may_be_key(path) ? store_tree_get(root, path) : NULL;

	if (item == NULL) {
		return look_around(root, path);
	}
	*ret_item = item;
	return STORE_OK;
}

enum store_answer store_file_find(const struct store_node *root, struct slice path,
                                  const struct store_item **ret_item, struct store_place *ret_place)
{
	const struct store_item *item =
		may_be_key(path) ? store_tree_find(root, path, ret_place) : NULL;

	if (item == NULL) {
		return look_around(root, path);
	}
	*ret_item = item;
	return STORE_OK;
}
