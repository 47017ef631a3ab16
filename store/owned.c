/* SPDX-License-Identifier: Apache-2.0 */
#include "store/owned.h"

#include "store/base/check.h"

enum {
	KEY_MAX = STORE_SESSION_KEY_SIZE + STORE_PATH_SIZE_MAX + 1,
};

static struct slice make_key(uint64_t owner, struct slice path, uint8_t key[KEY_MAX])
{
	must(path.size >= 1 && path.size <= KEY_MAX - STORE_SESSION_KEY_SIZE);
	store_session_key(owner, key);
	memcpy(key + STORE_SESSION_KEY_SIZE, path.data, path.size);
	return slice_make(key, STORE_SESSION_KEY_SIZE + path.size);
}

void store_owned_add(struct store_node **root, struct store_reclaim *reclaim, uint64_t owner,
                     struct slice path)
{
	uint8_t key[KEY_MAX];
	struct store_item *item = store_item_new(reclaim, make_key(owner, path, key), 0, 0);

	item = store_tree_put(root, reclaim, item);
	must(item == NULL);
}

void store_owned_remove(struct store_node **root, struct store_reclaim *reclaim, uint64_t owner,
                        struct slice path)
{
	uint8_t key[KEY_MAX];
	struct store_item *item = store_tree_remove(root, reclaim, make_key(owner, path, key));

	must(item != NULL);
	store_reclaim_list(reclaim, &item->block);
}

struct slice store_owned_next(const struct store_node *root, uint64_t owner, struct slice from)
{
	const struct store_item *before, *at;
	uint8_t key[KEY_MAX];
	struct slice found;

	store_tree_around(root, make_key(owner, from, key), &before, &at);
	if (at == NULL) {
		return slice_make(NULL, 0);
	}
	found = store_item_key(at);
	if (memcmp(found.data, key, STORE_SESSION_KEY_SIZE) != 0) {
		return slice_make(NULL, 0);
	}
	return slice_make(found.data + STORE_SESSION_KEY_SIZE, found.size - STORE_SESSION_KEY_SIZE);
}
