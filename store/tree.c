/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include "store/base/check.h"
#include "store/path.h"

enum {
	WIDTH = STORE_TREE_WIDTH,
	FILL_MIN = WIDTH / 4,      /* less: merge with a neighbour, or share with it */
	MERGE_MAX = WIDTH * 3 / 4, /* not to the brim, so that the next put does not split again */
	LINE = 64,
};

static_assert(offsetof(struct store_node, children) <= 1024, "a leaf fits its size class");
static_assert(STORE_TREE_WIDTH <= UINT8_MAX, "indexes of a place are bytes");

/* A node on the way down, and the separators around it. NULL: open on that side. */
struct step {
	struct store_node *node;
	const struct store_item *low;
	const struct store_item *high;
	unsigned index; /* of the child taken */
};

/* --- keys ------------------------------------------------------------------------------------ */

/* Each byte 0x2f, which is "/", becomes 0x01: store_path_rank() for eight bytes at once. */
static uint64_t ranked(uint64_t bytes)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
	const uint64_t other = bytes ^ 0x2f2f2f2f2f2f2f2fu;
	const uint64_t found = ~(((other & low) + low) | other | low);

	return bytes - (found >> 7) * ('/' - 1);
}

/* Eight bytes behind the prefix; a key that ends earlier goes on with zeros, which no key has. */
static uint64_t head_of(struct slice key, size_t prefix)
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

/*
 * The first index from `from` whose key is not less than `key` (or, if `is_behind`, greater).
 */
static unsigned search(const struct store_node *node, unsigned from, struct slice key,
                       bool is_behind)
{
	const uint64_t head = head_of(key, node->prefix);
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

/* The child whose keys lie around `key`. */
static unsigned child_index(const struct store_node *node, struct slice key)
{
	return search(node, 1, key, true) - 1;
}

static void prefetch(const struct store_node *node)
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
	const size_t padded =
		(key.size + STORE_TREE_VALUE_ALIGN - 1) & ~(size_t)(STORE_TREE_VALUE_ALIGN - 1);
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

static struct store_node *node_new(struct store_reclaim *reclaim, unsigned level)
{
	struct store_node *node = store_reclaim_take(reclaim, node_size(level));

	must(level < STORE_TREE_HEIGHT_MAX);
	node->level = (uint8_t)level;
	node->count = 0;
	node->prefix = 0;
	return node;
}

/* Makes the node behind `slot` one of this batch. */
static struct store_node *own(struct store_node **slot, struct store_reclaim *reclaim)
{
	struct store_node *node = *slot, *copy;

	if (store_reclaim_owns(reclaim, &node->block)) {
		return node;
	}
	copy = node_new(reclaim, node->level);
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

/* What one or two neighbours hold, taken out of them to be dealt again. */
struct hand {
	unsigned level, count;
	struct store_item *items[2 * WIDTH];
	struct store_node *children[2 * WIDTH];
};

/* `separator` is the one between what is in hand and `node`; leaves do not need it. */
static void gather(struct hand *hand, const struct store_node *node, struct store_item *separator)
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

static void deal(struct store_node *node, const struct hand *hand, unsigned from, unsigned count,
                 const struct store_item *low, const struct store_item *high)
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
		node->heads[i] = head_of(store_item_key(node->items[i]), node->prefix);
	}
}

/* The key between what is dealt to the left and to the right. */
static struct store_item *separate(struct hand *hand, unsigned left, struct store_reclaim *reclaim)
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

static void set_separator(struct store_node *node, unsigned index, struct store_item *separator)
{
	must(index > 0);
	node->items[index] = separator;
	node->heads[index] = head_of(store_item_key(separator), node->prefix);
}

/* --- readers --------------------------------------------------------------------------------- */

const struct store_item *store_tree_get(const struct store_node *root, struct slice key)
{
	const struct store_node *node = root;
	unsigned index;

	if (node == NULL) {
		return NULL;
	}
	while (node->level != 0) {
		node = node->children[child_index(node, key)];
		prefetch(node);
	}
	index = search(node, 0, key, false);
	if (index == node->count || !slice_equal(store_item_key(node->items[index]), key)) {
		return NULL;
	}
	return node->items[index];
}

static const struct store_item *edge(const struct store_node *node, bool is_last)
{
	if (node == NULL) {
		return NULL;
	}
	while (node->level != 0) {
		node = node->children[is_last ? node->count - 1u : 0];
	}
	must(node->count > 0);
	return node->items[is_last ? node->count - 1u : 0];
}

void store_tree_around(const struct store_node *root, struct slice key,
                       const struct store_item **ret_before, const struct store_item **ret_at)
{
	const struct store_node *node = root, *left = NULL, *right = NULL;
	unsigned index;

	*ret_before = NULL;
	*ret_at = NULL;
	if (node == NULL) {
		return;
	}
	while (node->level != 0) {
		index = child_index(node, key);
		left = index > 0 ? node->children[index - 1] : left;
		right = index + 1 < node->count ? node->children[index + 1] : right;
		node = node->children[index];
		prefetch(node);
	}
	index = search(node, 0, key, false);
	*ret_before = index > 0 ? node->items[index - 1] : edge(left, true);
	*ret_at = index < node->count ? node->items[index] : edge(right, false);
}

/* Goes down to the first leaf below `node`, which stands at the present depth. */
static void descend_first(struct store_place *place, const struct store_node *node)
{
	for (;;) {
		must(place->depth < STORE_TREE_HEIGHT_MAX);
		place->nodes[place->depth] = node;
		place->indexes[place->depth] = 0;
		place->depth++;
		if (node->level == 0) {
			return;
		}
		node = node->children[0];
	}
}

/* Leaves a leaf that is done for the next one. */
static void settle(struct store_place *place)
{
	while (place->depth > 0 &&
	       place->indexes[place->depth - 1] >= place->nodes[place->depth - 1]->count) {
		place->depth--;
		if (place->depth > 0) {
			const struct store_node *node = place->nodes[place->depth - 1];
			const unsigned index = ++place->indexes[place->depth - 1];

			if (index < node->count) {
				descend_first(place, node->children[index]);
			}
		}
	}
}

void store_tree_seek(const struct store_node *root, struct slice key, struct store_place *ret_place)
{
	const struct store_node *node = root;

	ret_place->depth = 0;
	if (node == NULL) {
		return;
	}
	for (;;) {
		const unsigned index =
			node->level == 0 ? search(node, 0, key, false) : child_index(node, key);

		must(ret_place->depth < STORE_TREE_HEIGHT_MAX);
		ret_place->nodes[ret_place->depth] = node;
		ret_place->indexes[ret_place->depth] = (uint8_t)index;
		ret_place->depth++;
		if (node->level == 0) {
			break;
		}
		node = node->children[index];
		prefetch(node);
	}
	settle(ret_place);
}

const struct store_item *store_tree_next(struct store_place *place)
{
	const struct store_item *item;

	if (place->depth == 0) {
		return NULL;
	}
	item = place->nodes[place->depth - 1]->items[place->indexes[place->depth - 1]];
	place->indexes[place->depth - 1]++;
	settle(place);
	return item;
}

/* --- writer ---------------------------------------------------------------------------------- */

/* Moves what stands from `index` on by one: away from it, or over it. */
static void open_gap(struct store_node *node, unsigned index)
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

static void close_gap(struct store_node *node, unsigned index)
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

static struct step step_to(struct step *parent, unsigned index)
{
	struct store_node *node = parent->node;

	must(index < node->count);
	parent->index = index;
	return (struct step){
		.node = node->children[index],
		.low = index > 0 ? node->items[index] : parent->low,
		.high = index + 1u < node->count ? node->items[index + 1] : parent->high,
	};
}

/*
 * Splits the full child at `index` of a node that is not full. Both are this batch's. A leaf that
 * grows at its end keeps most of what it has: keys often come in order.
 */
static void split_child(struct step *parent, unsigned index, struct slice key,
                        struct store_reclaim *reclaim)
{
	const struct step child = step_to(parent, index);
	struct store_node *node = parent->node, *right = node_new(reclaim, child.node->level);
	struct hand hand = {0};
	struct store_item *separator;
	unsigned left;

	must(child.node->count == WIDTH);
	must(node->count < WIDTH);
	gather(&hand, child.node, NULL);
	left = WIDTH / 2;
	if (hand.level == 0 && store_path_compare(store_item_key(hand.items[WIDTH - 1]), key) < 0) {
		left = WIDTH - FILL_MIN / 2;
	}
	separator = separate(&hand, left, reclaim);
	deal(child.node, &hand, 0, left, child.low, separator);
	deal(right, &hand, left, WIDTH - left, separator, child.high);

	open_gap(node, index + 1);
	node->children[index + 1] = right;
	set_separator(node, index + 1, separator);
}

static void grow_root(struct store_node **root, struct store_reclaim *reclaim)
{
	struct store_node *node;

	if (*root == NULL) {
		*root = node_new(reclaim, 0);
	}
	if (own(root, reclaim)->count < WIDTH) {
		return;
	}
	node = node_new(reclaim, (*root)->level + 1u);
	node->children[0] = *root;
	node->items[0] = NULL;
	node->heads[0] = 0;
	node->count = 1;
	*root = node;
}

static struct store_item *put_in_leaf(struct store_node *leaf, struct store_item *item)
{
	const struct slice key = store_item_key(item);
	const unsigned index = search(leaf, 0, key, false);
	struct store_item *former;

	if (index < leaf->count && slice_equal(store_item_key(leaf->items[index]), key)) {
		former = leaf->items[index];
		leaf->items[index] = item;
		return former;
	}
	open_gap(leaf, index);
	leaf->heads[index] = head_of(key, leaf->prefix);
	leaf->items[index] = item;
	return NULL;
}

struct store_item *store_tree_put(struct store_node **root, struct store_reclaim *reclaim,
                                  struct store_item *item)
{
	const struct slice key = store_item_key(item);
	struct step step;

	grow_root(root, reclaim);
	step = (struct step){.node = *root};
	while (step.node->level != 0) {
		unsigned index = child_index(step.node, key);

		if (own(&step.node->children[index], reclaim)->count == WIDTH) {
			split_child(&step, index, key, reclaim);
			index = child_index(step.node, key);
		}
		step = step_to(&step, index);
	}
	return put_in_leaf(step.node, item);
}

/* A child has too little: merges it with a neighbour, or shares evenly with it. */
static void refill(struct step *parent, struct store_reclaim *reclaim)
{
	struct store_node *node = parent->node;
	const unsigned left_index = parent->index > 0 ? parent->index - 1 : 0;
	struct store_item *separator = node->items[left_index + 1], *fresh;
	struct hand hand = {0};
	struct step left, right;
	unsigned half;

	must(node->count >= 2);
	(void)own(&node->children[left_index], reclaim);
	right = step_to(parent, left_index + 1);
	left = step_to(parent, left_index);
	gather(&hand, left.node, NULL);
	gather(&hand, right.node, separator);
	if (hand.count <= MERGE_MAX) {
		deal(left.node, &hand, 0, hand.count, left.low, right.high);
		close_gap(node, left_index + 1);
		store_reclaim_list(reclaim, &right.node->block);
	} else {
		half = hand.count / 2;
		fresh = separate(&hand, half, reclaim);
		right.node = own(&node->children[left_index + 1], reclaim);
		deal(left.node, &hand, 0, half, left.low, fresh);
		deal(right.node, &hand, half, hand.count - half, fresh, right.high);
		set_separator(node, left_index + 1, fresh);
	}
	if (hand.level == 0) {
		store_reclaim_list(reclaim, &separator->block);
	}
}

static void shrink_root(struct store_node **root, struct store_reclaim *reclaim)
{
	struct store_node *node = *root;

	if (node->level != 0 && node->count == 1) {
		*root = node->children[0];
		store_reclaim_list(reclaim, &node->block);
	} else if (node->count == 0) {
		must(node->level == 0);
		*root = NULL;
		store_reclaim_list(reclaim, &node->block);
	}
}

struct store_item *store_tree_remove(struct store_node **root, struct store_reclaim *reclaim,
                                     struct slice key)
{
	struct step steps[STORE_TREE_HEIGHT_MAX];
	struct store_item *former;
	struct store_node *leaf;
	unsigned depth = 0, index;

	if (store_tree_get(*root, key) == NULL) {
		return NULL;
	}
	steps[0] = (struct step){.node = own(root, reclaim)};
	while (steps[depth].node->level != 0) {
		index = child_index(steps[depth].node, key);
		(void)own(&steps[depth].node->children[index], reclaim);
		must(depth + 1 < STORE_TREE_HEIGHT_MAX);
		steps[depth + 1] = step_to(&steps[depth], index);
		depth++;
	}
	leaf = steps[depth].node;
	index = search(leaf, 0, key, false);
	former = leaf->items[index];
	close_gap(leaf, index);

	while (depth > 0 && steps[depth].node->count < FILL_MIN) {
		depth--;
		refill(&steps[depth], reclaim);
	}
	shrink_root(root, reclaim);
	return former;
}

void store_tree_list(struct store_node **root, struct store_reclaim *reclaim)
{
	struct store_node *nodes[STORE_TREE_HEIGHT_MAX];
	unsigned indexes[STORE_TREE_HEIGHT_MAX] = {0};
	unsigned depth = 0;

	if (*root != NULL) {
		nodes[depth++] = *root;
	}
	*root = NULL;
	while (depth > 0) {
		struct store_node *node = nodes[depth - 1];
		const unsigned index = indexes[depth - 1]++;

		if (index == node->count) {
			store_reclaim_list(reclaim, &node->block);
			depth--;
			continue;
		}
		if (node->items[index] != NULL) {
			store_reclaim_list(reclaim, &node->items[index]->block);
		}
		if (node->level != 0) {
			must(depth < STORE_TREE_HEIGHT_MAX);
			indexes[depth] = 0;
			nodes[depth++] = node->children[index];
		}
	}
}
