/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tree.h - a persistent ordered map: a change gives a new root, and old roots stay as they are
 *
 * A B+tree of wide nodes (node.h), copied on write. Items stand in leaves; inner nodes hold
 * separators, the shortest keys that tell two leaves apart.
 *
 * Nodes made by the batch under way are changed in place; others are copied, and listed for
 * freeing (reclaim.h). Items are shared by all roots that have them and never copied.
 * Keys are ordered as paths are (path.h), so keys without "/" are ordered as bytes.
 *
 * Pure. Threads: changes are the writer's; a root may be read by any thread that may hold it.
 * No recursion: a path down has at most STORE_TREE_HEIGHT_MAX nodes.
 */

#include "store/base/slice.h"
#include "store/node.h"
#include "store/reclaim.h"

enum {
	STORE_TREE_HEIGHT_MAX = STORE_NODE_LEVELS_MAX,
	STORE_TREE_SEEK_AFTER = 0x02 /* behind a name: stands after everything below that name */
};

/* --- readers: `root` may be NULL, which is the empty tree ----------------------------------- */

/* The item of a key, or NULL. */
const struct store_item *store_tree_get(const struct store_node *root, struct slice key);

/* The last item before `key` and the first at or behind it; each NULL if there is none. */
void store_tree_around(const struct store_node *root, struct slice key,
                       const struct store_item **ret_before, const struct store_item **ret_at);

/*
 * The item that a key is likely to have, or NULL: to be asked for ahead (__builtin_prefetch) of a
 * search that will look at it. The item itself is not looked at.
 */
const struct store_item *store_tree_guess(const struct store_node *root, struct slice key);

/* A place in one root, between items or at their end. Good as long as the root. */
struct store_place {
	const struct store_node *nodes[STORE_TREE_HEIGHT_MAX];
	uint8_t indexes[STORE_TREE_HEIGHT_MAX];
	uint8_t depth; /* nodes on the way; 0: at the end */
};

/* The item of a key and its place, or NULL; then the place is of no use. */
const struct store_item *store_tree_find(const struct store_node *root, struct slice key,
                                         struct store_place *ret_place);

/* Stands before the first item at or behind `key`. */
void store_tree_seek(const struct store_node *root, struct slice key,
                     struct store_place *ret_place);

/* The item that stands there, and one step on; NULL at the end. */
const struct store_item *store_tree_next(struct store_place *place);

/* --- writer --------------------------------------------------------------------------------- */

/*
 * Puts an item in (taken), in the place of one with the same key if there is one; returns that
 * one (given: to store_reclaim_list() in the end), or NULL.
 */
struct store_item *store_tree_put(struct store_node **root, struct store_reclaim *reclaim,
                                  struct store_item *item);

/*
 * Puts an item in (taken) where store_tree_find() found one with the same key (must) in this very
 * root, without a search. Returns the former one (given: to store_reclaim_list() in the end).
 */
struct store_item *store_tree_replace(struct store_node **root, struct store_reclaim *reclaim,
                                      const struct store_place *place, struct store_item *item);

/* Takes an item out and returns it (given), or NULL if there is none. */
struct store_item *store_tree_remove(struct store_node **root, struct store_reclaim *reclaim,
                                     struct slice key);

/* Lists all nodes, separators and items. The tree is empty afterwards. */
void store_tree_list(struct store_node **root, struct store_reclaim *reclaim);
