/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * node.h - items, and the nodes of a tree
 *
 *      inner   head  -   h1  h2 ...      heads: 8 bytes of each key behind the common prefix,
 *              item  -   s1  s2 ...             as a number that orders as the bytes do
 *              child c0  c1  c2 ...
 *      leaf    head  h0  h1  h2 ...      a search compares heads alone, and looks at an item
 *              item  i0  i1  i2 ...      only where heads are equal
 *
 * All keys that can ever be looked for in a node lie between the two separators around it, and
 * have what those two have in common; these bytes (`sure`) are never compared again. Where the
 * keys have more in common than that (`prefix`), a search compares the rest with the first item.
 * A node has its own arrays of heads, but shares items, separators and children with its copies.
 *
 * Source: prefix and suffix truncation as in Graefe, "Modern B-Tree Techniques" (2011), 3.4 to
 * 3.6; heads as in LeanStore.
 *
 * Pure. Threads: changes are the writer's, to nodes of the batch under way.
 */

#include "store/base/slice.h"
#include "store/limits.h"
#include "store/op.h"
#include "store/reclaim.h"

enum {
	STORE_NODE_WIDTH = 62,      /* a leaf fills 1024 bytes */
	STORE_NODE_LEVELS_MAX = 16, /* no node but the root has less than 7: 7^15 leaves and more */
	STORE_ITEM_ALIGN = 8,       /* values may be structs */
	STORE_KEY_SIZE_MAX = STORE_PATH_SIZE_MAX + 16, /* of any tree */
};

#define STORE_OWNER_DELAYED UINT64_MAX       /* a lock that rests after its holder's death */
#define STORE_OWNER_PASSING (UINT64_MAX - 1) /* a lock that is still being passed on */

/* Key and value in one block. Immutable once a root that has it was published. */
struct store_item {
	struct store_block block;
	store_rev_t revision;
	uint64_t owner; /* a session, one of those two, or 0: nobody's */
	uint32_t value_size;
	uint16_t key_size;
	_Alignas(8) uint8_t bytes[]; /* the key, padded to 8, then the value */
};

struct store_node {
	struct store_block block;
	uint16_t count;  /* items of a leaf; children of an inner node, whose item 0 is not used */
	uint16_t prefix; /* bytes that all keys here have in common */
	uint16_t sure;   /* of these, those that every key searched here has, too */
	uint8_t level;   /* 0: a leaf */
	uint64_t heads[STORE_NODE_WIDTH];
	struct store_item *items[STORE_NODE_WIDTH];
	struct store_node *children[]; /* inner nodes only */
};

static inline struct slice store_item_key(const struct store_item *item)
{
	return slice_make(item->bytes, item->key_size);
}

/* Where the value stands; writable until the item was published. */
static inline void *store_item_memory(struct store_item *item)
{
	return item->bytes + ((item->key_size + STORE_ITEM_ALIGN - 1u) & ~(STORE_ITEM_ALIGN - 1u));
}

static inline struct slice store_item_value(const struct store_item *item)
{
	const size_t at = (item->key_size + STORE_ITEM_ALIGN - 1u) & ~(STORE_ITEM_ALIGN - 1u);

	return slice_make(item->bytes + at, item->value_size);
}

/* An item of this batch; the key is copied, the value is not set. Does not fail (reclaim.h). */
struct store_item *store_item_new(struct store_reclaim *reclaim, struct slice key,
                                  size_t value_size, store_rev_t revision);

/* Eight bytes of a key behind the prefix, as a number that orders as the bytes do. */
uint64_t store_node_head(struct slice key, size_t prefix);

/* The first index from `from` whose key is not less than `key`; if `is_behind`, greater. */
unsigned store_node_search(const struct store_node *node, unsigned from, struct slice key,
                           bool is_behind);

/* The index of the child around `key`. */
unsigned store_node_child(const struct store_node *node, struct slice key);

/* Where a key is likely to stand in a leaf, by heads alone; not a look at any item. */
unsigned store_node_guess(const struct store_node *node, struct slice key);

/* Asks for what a search will look at. */
void store_node_prefetch(const struct store_node *node);

/* An empty node of this batch. Does not fail (reclaim.h). */
struct store_node *store_node_new(struct store_reclaim *reclaim, unsigned level);

/* Makes the node behind `slot` one of this batch, by a copy if need be, and returns it. */
struct store_node *store_node_own(struct store_node **slot, struct store_reclaim *reclaim);

/* Makes room for one more at `index`, or closes over what stood there. */
void store_node_open_gap(struct store_node *node, unsigned index);
void store_node_close_gap(struct store_node *node, unsigned index);

/* Puts an item of a leaf, or a separator of an inner node, where room was made for it. */
void store_node_set(struct store_node *node, unsigned index, struct store_item *item);

/* What one or two neighbours hold, taken out of them to be dealt again. */
struct store_hand {
	unsigned level, count;
	struct store_item *items[2 * STORE_NODE_WIDTH];
	struct store_node *children[2 * STORE_NODE_WIDTH];
};

/* Adds what a node holds; `separator` stands between it and what is in hand, in inner nodes. */
void store_node_gather(struct store_hand *hand, const struct store_node *node,
                       struct store_item *separator);

/* Lets a node hold a part of the hand, between two separators (NULL: open on that side). */
void store_node_deal(struct store_node *node, const struct store_hand *hand, unsigned from,
                     unsigned count, const struct store_item *low, const struct store_item *high);

/* The key between the first `left` and the rest: in leaves a new item, the shortest there is. */
struct store_item *store_node_separate(struct store_hand *hand, unsigned left,
                                       struct store_reclaim *reclaim);
