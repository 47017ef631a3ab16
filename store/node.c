/* SPDX-License-Identifier: Apache-2.0 */
#include "store/node.h"

#include "store/base/check.h"
#include "store/path.h"

enum {
	WIDTH = STORE_NODE_WIDTH,
	LINE = 64,
};

static_assert(offsetof(struct store_node, children) <= 1024, "a leaf fits its size class");

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
	uint64_t bytes = 0;

	must(prefix <= key.size);
	if (key.size - prefix >= sizeof(bytes)) {
		memcpy(&bytes, key.data + prefix, sizeof(bytes));
	} else if (key.size != prefix) {
		memcpy(&bytes, key.data + prefix, key.size - prefix);
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

	if (count == 0) {
		return 0;
	}
	while (count > 1) {
		const unsigned half = count / 2;

		base += base[half - 1] < head ? half : 0;
		count -= half;
	}
	return (unsigned)(base - heads) + (*base < head ? 1 : 0);
}

unsigned store_node_search(const struct store_node *node, unsigned from, struct slice key,
                           bool is_behind)
{
	const uint64_t head = store_node_head(key, node->prefix);
	unsigned low = from + heads_below(node->heads + from, node->count - from, head);
	unsigned high = low;

	while (high < node->count && node->heads[high] == head) {
		high++;
	}
	while (low < high) {
		const unsigned middle = (low + high) / 2;
		const int order = compare(key, node->items[middle], node->prefix);

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

void store_node_prefetch(const struct store_node *node)
{
	const char *bytes = (const char *)node;

	for (size_t at = 0; at < offsetof(struct store_node, items); at += LINE) {
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
	must(key.size <= STORE_PATH_SIZE_MAX);
	must(value_size <= UINT32_MAX);
	item = store_reclaim_take(reclaim,
	                          offsetof(struct store_item, bytes) + padded + value_size);
	item->revision = revision;
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
	memcpy(copy->heads, node->heads, node->count * sizeof(node->heads[0]));
	memcpy(copy->items, node->items, node->count * sizeof(node->items[0]));
	if (node->level != 0) {
		memcpy(copy->children, node->children, node->count * sizeof(node->children[0]));
	}
	store_reclaim_list(reclaim, &node->block);
	*slot = copy;
	return copy;
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
	node->prefix = (uint16_t)prefix_of(low, high);
	memcpy(node->items, hand->items + from, count * sizeof(node->items[0]));
	if (node->level != 0) {
		memcpy(node->children, hand->children + from, count * sizeof(node->children[0]));
		node->items[0] = NULL;
		node->heads[0] = 0;
	}
	for (unsigned i = node->level == 0 ? 0 : 1; i < count; i++) {
		node->heads[i] = store_node_head(store_item_key(node->items[i]), node->prefix);
	}
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

void store_node_set_separator(struct store_node *node, unsigned index, struct store_item *separator)
{
	must(index > 0);
	node->items[index] = separator;
	node->heads[index] = store_node_head(store_item_key(separator), node->prefix);
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
