/* SPDX-License-Identifier: Apache-2.0 */
#include "store/node.h"

#include "store/base/check.h"
#include "store/path.h"

enum {
	WIDTH = STORE_NODE_WIDTH,
	LINE = 64,
};

static_assert(offsetof(struct store_node, children) <= 1024, "a leaf fits its size class");
static_assert(2 * (STORE_KEY_SIZE_MAX + STORE_VALUE_SIZE_MAX) <= STORE_BLOCK_SIZE_MAX,
              "a block can tell the size of an item");

/* --- keys ------------------------------------------------------------------------------------ */

/* Each byte 0x2f, which is "/", becomes 0x01: store_path_rank() for eight bytes at once. */
static uint64_t ranked(uint64_t bytes)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	const uint64_t other = bytes ^ 0x2f2f2f2f2f2f2f2fu;
	const uint64_t found = ~(((other & low) + low) | other | low);

	return bytes - (found >> 7) * ('/' - 1);
}

/* A key that ends earlier goes on with zeros, which no key has. */
uint64_t store_node_head(struct slice key, size_t prefix)
{
	const size_t left = key.size - prefix;
	uint64_t bytes = 0;

	must(prefix <= key.size);
	if (left >= sizeof(bytes)) {
		memcpy(&bytes, key.data + prefix, sizeof(bytes));
	} else if (left != 0 && key.size >= sizeof(bytes)) {
		/* The last eight, and off with those of the prefix: no copy of a size unknown. */
		memcpy(&bytes, key.data + key.size - sizeof(bytes), sizeof(bytes));
		bytes >>= 8 * (sizeof(bytes) - left);
	} else if (left != 0) {
		memcpy(&bytes, key.data + prefix, left);
	}
	return __builtin_bswap64(ranked(bytes));
}

static size_t prefix_of(const struct store_item *low, const struct store_item *high)
{
	if (low == NULL || high == NULL) {
		return 0;
	}
	return store_path_common(store_item_key(low), store_item_key(high));
}

static int compare(struct slice key, const struct store_item *item, size_t prefix)
{
	return store_path_compare(slice_make(key.data + prefix, key.size - prefix),
	                          slice_make(item->bytes + prefix, item->key_size - prefix));
}

/* How many of `count` sorted heads are less than `head`. Without branches that guess. */
static unsigned heads_below(const uint64_t *heads, unsigned count, uint64_t head)
{
	const uint64_t *base = heads;

	must(count > 0);
	while (count > 1) {
		const unsigned half = count / 2;

		base += base[half - 1] < head ? half : 0;
		count -= half;
	}
	return (unsigned)(base - heads) + (*base < head ? 1 : 0);
}

/* The first index at which a key may stand. */
static unsigned first_of(const struct store_node *node)
{
	return node->level == 0 ? 0 : 1;
}

/*
 * Less than, equal to or greater than 0, as the key stands before all that begins with the node's
 * prefix, among it, or behind it. What the separators around the node imply is not looked at.
 */
static int compare_prefix(const struct store_node *node, struct slice key)
{
	const struct store_item *item = node->items[first_of(node)];
	const size_t end = key.size < node->prefix ? key.size : node->prefix;
	const size_t size = node->prefix - node->sure;
	struct slice part;

	must(key.size >= node->sure);
	part = slice_make(key.data + node->sure, end - node->sure);
	return store_path_compare(part, slice_make(item->bytes + node->sure, size));
}

unsigned store_node_search(const struct store_node *node, unsigned from, struct slice key,
                           bool is_behind)
{
	unsigned low, high;
	uint64_t head;
	int order;

	if (node->count <= from) {
		return from;
	}
	if (node->prefix != node->sure) {
		order = compare_prefix(node, key);
		if (order != 0) {
			return order < 0 ? from : node->count;
		}
	}
	head = store_node_head(key, node->prefix);
	low = from + heads_below(node->heads + from, node->count - from, head);
	high = low;
	while (high < node->count && node->heads[high] == head) {
		high++;
	}
	while (low < high) {
		const unsigned middle = (low + high) / 2;

		order = compare(key, node->items[middle], node->prefix);
		if (order > 0 || (is_behind && order == 0)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	must(low >= from);
	return low;
}

unsigned store_node_child(const struct store_node *node, struct slice key)
{
	return store_node_search(node, 1, key, true) - 1;
}

unsigned store_node_guess(const struct store_node *node, struct slice key)
{
	if (node->count == 0 || key.size < node->prefix) {
		return 0;
	}
	return heads_below(node->heads, node->count, store_node_head(key, node->prefix));
}

void store_node_prefetch(const struct store_node *node)
{
	const char *bytes = (const char *)node;

	for (size_t at = 0; at < offsetof(struct store_node, children); at += LINE) {
		__builtin_prefetch(bytes + at);
	}
}

/* --- items and nodes ------------------------------------------------------------------------- */

struct store_item *store_item_new(struct store_reclaim *reclaim, struct slice key,
                                  size_t value_size, store_rev_t revision)
{
	const size_t padded = (key.size + STORE_ITEM_ALIGN - 1) & ~(size_t)(STORE_ITEM_ALIGN - 1);
	struct store_item *item;

	must(key.size >= 1);
	must(key.size <= STORE_KEY_SIZE_MAX);
	must(value_size <= UINT32_MAX);
	item = store_reclaim_take(reclaim,
	                          offsetof(struct store_item, bytes) + padded + value_size);
	item->revision = revision;
	item->owner = 0;
	item->value_size = (uint32_t)value_size;
	item->key_size = (uint16_t)key.size;
	memcpy(item->bytes, key.data, key.size);
	return item;
}

static size_t node_size(unsigned level)
{
	const size_t leaf = offsetof(struct store_node, children);

	return level == 0 ? leaf : leaf + WIDTH * sizeof(struct store_node *);
}

struct store_node *store_node_new(struct store_reclaim *reclaim, unsigned level)
{
	struct store_node *node = store_reclaim_take(reclaim, node_size(level));

	must(level < STORE_NODE_LEVELS_MAX);
	node->level = (uint8_t)level;
	node->count = 0;
	node->prefix = 0;
	node->sure = 0;
	return node;
}

struct store_node *store_node_own(struct store_node **slot, struct store_reclaim *reclaim)
{
	struct store_node *node = *slot, *copy;

	if (store_reclaim_owns(reclaim, &node->block)) {
		return node;
	}
	copy = store_node_new(reclaim, node->level);
	copy->count = node->count;
	copy->prefix = node->prefix;
	copy->sure = node->sure;
	memcpy(copy->heads, node->heads, node->count * sizeof(node->heads[0]));
	memcpy(copy->items, node->items, node->count * sizeof(node->items[0]));
	if (node->level != 0) {
		memcpy(copy->children, node->children, node->count * sizeof(node->children[0]));
	}
	store_reclaim_list(reclaim, &node->block);
	*slot = copy;
	return copy;
}

/*
 * What the keys have in common may be more than the separators around imply, and must be where
 * these are open: the root knows of none. To use it costs a look at the first item, which is at
 * hand for a node near the root, and a cache miss for a leaf.
 */
static unsigned best_prefix(const struct store_node *node)
{
	const unsigned first = first_of(node);

	if ((node->level == 0 && node->sure != 0) || node->count < first + 2) {
		return node->sure;
	}
	return (unsigned)store_path_common(store_item_key(node->items[first]),
	                                   store_item_key(node->items[node->count - 1]));
}

/* The item at `index` is new (WIDTH: all are). */
static void refresh(struct store_node *node, unsigned index)
{
	const unsigned prefix = best_prefix(node);

	must(prefix >= node->sure);
	if (index < node->count && prefix == node->prefix) {
		node->heads[index] = store_node_head(store_item_key(node->items[index]), prefix);
		return;
	}
	node->prefix = (uint16_t)prefix;
	for (unsigned i = first_of(node); i < node->count; i++) {
		node->heads[i] = store_node_head(store_item_key(node->items[i]), prefix);
	}
}

void store_node_set(struct store_node *node, unsigned index, struct store_item *item)
{
	must(index >= first_of(node));
	must(index < node->count);
	node->items[index] = item;
	refresh(node, index);
}

void store_node_gather(struct store_hand *hand, const struct store_node *node,
                       struct store_item *separator)
{
	must(hand->count + node->count <= 2 * WIDTH);
	memcpy(hand->items + hand->count, node->items, node->count * sizeof(node->items[0]));
	if (node->level != 0) {
		memcpy(hand->children + hand->count, node->children,
		       node->count * sizeof(node->children[0]));
		hand->items[hand->count] = separator;
	}
	hand->level = node->level;
	hand->count += node->count;
}

void store_node_deal(struct store_node *node, const struct store_hand *hand, unsigned from,
                     unsigned count, const struct store_item *low, const struct store_item *high)
{
	must(count <= WIDTH);
	must(node->level == hand->level);
	node->count = (uint16_t)count;
	node->sure = (uint16_t)prefix_of(low, high);
	memcpy(node->items, hand->items + from, count * sizeof(node->items[0]));
	if (node->level != 0) {
		memcpy(node->children, hand->children + from, count * sizeof(node->children[0]));
		node->items[0] = NULL;
		node->heads[0] = 0;
	}
	refresh(node, WIDTH);
}

struct store_item *store_node_separate(struct store_hand *hand, unsigned left,
                                       struct store_reclaim *reclaim)
{
	struct slice before, behind;

	must(left > 0);
	must(left < hand->count);
	if (hand->level != 0) {
		return hand->items[left];
	}
	before = store_item_key(hand->items[left - 1]);
	behind = store_item_key(hand->items[left]);
	behind.size = store_path_common(before, behind) + 1;
	return store_item_new(reclaim, behind, 0, 0);
}

void store_node_open_gap(struct store_node *node, unsigned index)
{
	const size_t behind = node->count++ - index;

	must(index < node->count);
	must(node->count <= WIDTH);
	memmove(node->heads + index + 1, node->heads + index, behind * sizeof(node->heads[0]));
	memmove(node->items + index + 1, node->items + index, behind * sizeof(node->items[0]));
	if (node->level != 0) {
		memmove(node->children + index + 1, node->children + index,
		        behind * sizeof(node->children[0]));
	}
}

void store_node_close_gap(struct store_node *node, unsigned index)
{
	const size_t behind = --node->count - index;

	must(index <= node->count);
	memmove(node->heads + index, node->heads + index + 1, behind * sizeof(node->heads[0]));
	memmove(node->items + index, node->items + index + 1, behind * sizeof(node->items[0]));
	if (node->level != 0) {
		memmove(node->children + index, node->children + index + 1,
		        behind * sizeof(node->children[0]));
	}
}
