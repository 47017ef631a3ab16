/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tree.h"

#include "store/base/check.h"
#include "store/path.h"

enum {
	WIDTH = STORE_NODE_WIDTH,
	FILL_MIN = WIDTH / 4,      /* less: merge with a neighbour, or share with it */
	MERGE_MAX = WIDTH * 3 / 4, /* not to the brim, so that the next put does not split again */
};

static_assert(WIDTH <= UINT8_MAX, "indexes of a place are bytes");

/* A node on the way down, and the separators around it. NULL: open on that side. */
struct step {
	struct store_node *node;
	const struct store_item *low;
	const struct store_item *high;
	unsigned index; /* of the child taken */
};

/* --- readers --------------------------------------------------------------------------------- */

const struct store_item *store_tree_get(const struct store_node *root, struct slice key)
{
	const struct store_node *node = root;
	unsigned index;

	if (node == NULL) {
		return NULL;
	}
	while (node->level != 0) {
		node = node->children[store_node_child(node, key)];
		store_node_prefetch(node);
	}
	index = store_node_search(node, 0, key, false);
	if (index == node->count || !slice_equal(store_item_key(node->items[index]), key)) {
		return NULL;
	}
	return node->items[index];
}

const struct store_item *store_tree_guess(const struct store_node *root, struct slice key)
{
	const struct store_node *node = root;
	unsigned index;

	while (node != NULL && node->level != 0) {
		node = node->children[store_node_child(node, key)];
	}
	index = node != NULL ? store_node_guess(node, key) : 0;
	return node != NULL && index < node->count ? node->items[index] : NULL;
}

const struct store_item *store_tree_find(const struct store_node *root, struct slice key,
                                         struct store_place *ret_place)
{
	const struct store_node *node = root;
	unsigned index;

	ret_place->depth = 0;
	while (node != NULL) {
		index = node->level == 0 ? store_node_search(node, 0, key, false)
		                         : store_node_child(node, key);
		must(ret_place->depth < STORE_TREE_HEIGHT_MAX);
		ret_place->nodes[ret_place->depth] = node;
		ret_place->indexes[ret_place->depth] = (uint8_t)index;
		ret_place->depth++;
		if (node->level == 0) {
			return index < node->count &&
			                       slice_equal(store_item_key(node->items[index]), key)
			               ? node->items[index]
			               : NULL;
		}
		node = node->children[index];
		store_node_prefetch(node);
	}
	return NULL;
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
		index = store_node_child(node, key);
		left = index > 0 ? node->children[index - 1] : left;
		right = index + 1 < node->count ? node->children[index + 1] : right;
		node = node->children[index];
		store_node_prefetch(node);
	}
	index = store_node_search(node, 0, key, false);
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
	(void)store_tree_find(root, key, ret_place);
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
	struct store_node *node = parent->node, *right = store_node_new(reclaim, child.node->level);
	struct store_hand hand = {0};
	struct store_item *separator;
	unsigned left;

	must(child.node->count == WIDTH);
	must(node->count < WIDTH);
	store_node_gather(&hand, child.node, NULL);
	left = WIDTH / 2;
	if (hand.level == 0 && store_path_compare(store_item_key(hand.items[WIDTH - 1]), key) < 0) {
		left = WIDTH - FILL_MIN / 2;
	}
	separator = store_node_separate(&hand, left, reclaim);
	store_node_deal(child.node, &hand, 0, left, child.low, separator);
	store_node_deal(right, &hand, left, WIDTH - left, separator, child.high);

	store_node_open_gap(node, index + 1);
	node->children[index + 1] = right;
	store_node_set(node, index + 1, separator);
}

static void grow_root(struct store_node **root, struct store_reclaim *reclaim)
{
	struct store_node *node;

	if (*root == NULL) {
		*root = store_node_new(reclaim, 0);
	}
	if (store_node_own(root, reclaim)->count < WIDTH) {
		return;
	}
	node = store_node_new(reclaim, (*root)->level + 1u);
	node->children[0] = *root;
	node->items[0] = NULL;
	node->heads[0] = 0;
	node->count = 1;
	*root = node;
}

static struct store_item *put_in_leaf(struct store_node *leaf, struct store_item *item)
{
	const struct slice key = store_item_key(item);
	const unsigned index = store_node_search(leaf, 0, key, false);
	struct store_item *former;

	if (index < leaf->count && slice_equal(store_item_key(leaf->items[index]), key)) {
		former = leaf->items[index];
		leaf->items[index] = item;
		return former;
	}
	store_node_open_gap(leaf, index);
	store_node_set(leaf, index, item);
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
		unsigned index = store_node_child(step.node, key);

		if (store_node_own(&step.node->children[index], reclaim)->count == WIDTH) {
			split_child(&step, index, key, reclaim);
			index = store_node_child(step.node, key);
		}
		step = step_to(&step, index);
	}
	return put_in_leaf(step.node, item);
}

struct store_item *store_tree_replace(struct store_node **root, struct store_reclaim *reclaim,
                                      const struct store_place *place, struct store_item *item)
{
	struct store_node **slot = root, *node;
	struct store_item *former;
	unsigned depth = 0;

	must(place->depth > 0);
	for (;; depth++) {
		must(*slot == place->nodes[depth]);
		node = store_node_own(slot, reclaim);
		must(place->indexes[depth] < node->count);
		if (node->level == 0) {
			break;
		}
		slot = &node->children[place->indexes[depth]];
	}
	must(depth + 1 == place->depth);
	former = node->items[place->indexes[depth]];
	must(slice_equal(store_item_key(former), store_item_key(item)));
	node->items[place->indexes[depth]] = item;
	return former;
}

/* A child has too little: merges it with a neighbour, or shares evenly with it. */
static void refill(struct step *parent, struct store_reclaim *reclaim)
{
	struct store_node *node = parent->node;
	const unsigned left_index = parent->index > 0 ? parent->index - 1 : 0;
	struct store_item *separator = node->items[left_index + 1], *fresh;
	struct store_hand hand = {0};
	struct step left, right;
	unsigned half;

	must(node->count >= 2);
	(void)store_node_own(&node->children[left_index], reclaim);
	right = step_to(parent, left_index + 1);
	left = step_to(parent, left_index);
	store_node_gather(&hand, left.node, NULL);
	store_node_gather(&hand, right.node, separator);
	if (hand.count <= MERGE_MAX) {
		store_node_deal(left.node, &hand, 0, hand.count, left.low, right.high);
		store_node_close_gap(node, left_index + 1);
		store_reclaim_list(reclaim, &right.node->block);
	} else {
		half = hand.count / 2;
		fresh = store_node_separate(&hand, half, reclaim);
		right.node = store_node_own(&node->children[left_index + 1], reclaim);
		store_node_deal(left.node, &hand, 0, half, left.low, fresh);
		store_node_deal(right.node, &hand, half, hand.count - half, fresh, right.high);
		store_node_set(node, left_index + 1, fresh);
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
	steps[0] = (struct step){.node = store_node_own(root, reclaim)};
	while (steps[depth].node->level != 0) {
		index = store_node_child(steps[depth].node, key);
		(void)store_node_own(&steps[depth].node->children[index], reclaim);
		must(depth + 1 < STORE_TREE_HEIGHT_MAX);
		steps[depth + 1] = step_to(&steps[depth], index);
		depth++;
	}
	leaf = steps[depth].node;
	index = store_node_search(leaf, 0, key, false);
	former = leaf->items[index];
	store_node_close_gap(leaf, index);

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
