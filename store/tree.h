/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * tree.h - a persistent ordered map: a change gives a new root, and old roots stay as they are
 *
 * A B+tree with wide nodes, copied on write. Items stand in leaves; inner nodes hold separators,
 * the shortest keys that tell two leaves apart:
 *
 *      inner   head  -   h1  h2 ...      heads: 8 bytes of each key behind the common prefix,
 *              item  -   s1  s2 ...             as a number that orders as the bytes do
 *              child c0  c1  c2 ...
 *      leaf    head  h0  h1  h2 ...      a search compares heads alone, and looks at an item
 *              item  i0  i1  i2 ...      only where heads are equal
 *
 * All keys that can ever stand in a node lie between the two separators around it, and share
 * what those two have in common; so the prefix needs no bytes in the node, only its size.
 * Nodes made by the batch under way are changed in place; others are copied, and listed for
 * freeing (reclaim.h). Items are shared by all roots that have them and never copied.
 * Keys are ordered as paths are (path.h), so keys without "/" are ordered as bytes.
 *
 * Source: prefix and suffix truncation as in Graefe, "Modern B-Tree Techniques" (2011), 3.4 to
 * 3.6; heads as in LeanStore.
 *
 * Pure. Threads: changes are the writer's; a root may be read by any thread that may hold it.
 * No recursion: a path down has at most STORE_TREE_HEIGHT_MAX nodes.
 */

#include "store/base/slice.h"
#include "store/limits.h"
#include "store/op.h"
#include "store/reclaim.h"

enum {
	STORE_TREE_WIDTH = 62,       /* a leaf fills 1024 bytes */
	STORE_TREE_HEIGHT_MAX = 16,  /* no node but the root has less than a quarter: 15^15 items */
	STORE_TREE_VALUE_ALIGN = 8,  /* values may be structs */
	STORE_TREE_SEEK_AFTER = 0x02 /* behind a name: stands after everything below that name */
};

/* Key and value in one block. Immutable once a root that has it was published. */
struct store_item {
	struct store_block block;
	store_rev_t revision;
	uint32_t value_size;
	uint16_t key_size;
	_Alignas(8) uint8_t bytes[]; /* the key, padded to 8, then the value */
};

struct store_node {
	struct store_block block;
	uint16_t count;  /* items of a leaf; children of an inner node, whose item 0 is not used */
	uint16_t prefix; /* bytes that all keys here have in common, by the separators around */
	uint8_t level;   /* 0: a leaf */
	uint64_t heads[STORE_TREE_WIDTH];
	struct store_item *items[STORE_TREE_WIDTH];
	struct store_node *children[]; /* inner nodes only */
};

static inline struct slice store_item_key(const struct store_item *item)
{
	return slice_make(item->bytes, item->key_size);
}

/* Where the value stands; writable until the item was published. */
static inline void *store_item_memory(struct store_item *item)
{
	return item->bytes +
	       ((item->key_size + STORE_TREE_VALUE_ALIGN - 1u) & ~(STORE_TREE_VALUE_ALIGN - 1u));
}

static inline struct slice store_item_value(const struct store_item *item)
{
	const size_t at =
		(item->key_size + STORE_TREE_VALUE_ALIGN - 1u) & ~(STORE_TREE_VALUE_ALIGN - 1u);

	return slice_make(item->bytes + at, item->value_size);
}

/* An item of this batch; the key is copied, the value is not set. Does not fail (reclaim.h). */
struct store_item *store_item_new(struct store_reclaim *reclaim, struct slice key,
                                  size_t value_size, store_rev_t revision);

/* --- readers: `root` may be NULL, which is the empty tree ----------------------------------- */

/* The item of a key, or NULL. */
const struct store_item *store_tree_get(const struct store_node *root, struct slice key);

/* The last item before `key` and the first at or behind it; each NULL if there is none. */
void store_tree_around(const struct store_node *root, struct slice key,
                       const struct store_item **ret_before, const struct store_item **ret_at);

/* A place in one root, between items or at their end. Good as long as the root. */
struct store_place {
	const struct store_node *nodes[STORE_TREE_HEIGHT_MAX];
	uint8_t indexes[STORE_TREE_HEIGHT_MAX];
	uint8_t depth; /* nodes on the way; 0: at the end */
};

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

/* Takes an item out and returns it (given), or NULL if there is none. */
struct store_item *store_tree_remove(struct store_node **root, struct store_reclaim *reclaim,
                                     struct slice key);

/* Lists all nodes, separators and items. The tree is empty afterwards. */
void store_tree_list(struct store_node **root, struct store_reclaim *reclaim);
