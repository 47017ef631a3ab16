/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the tree holds what a sorted list would hold, whatever was put in and taken out; a root
 *         that was published never changes; everything is given back.
 * Method: random changes from seeds on both, with keys that share prefixes of all lengths; after
 *         some of them the whole tree is checked: order, fill, prefixes, heads, separators. Some
 *         roots are kept as a list of their own and compared again later.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/path.h"
#include "store/tree.h"

enum {
	KEYS_MAX = 16384,
	KEY_SIZE = 96,
};

/* The sorted list. */
struct model {
	unsigned count;
	struct {
		uint8_t key[KEY_SIZE];
		size_t size;
		store_rev_t revision;
	} rows[KEYS_MAX];
};

struct fixture {
	struct store_alloc *alloc;
	struct store_reclaim reclaim;
	struct store_node *root;
};

static struct slice row_key(const struct model *model, unsigned i)
{
	return slice_make(model->rows[i].key, model->rows[i].size);
}

static unsigned model_find(const struct model *model, struct slice key, bool *ret_found)
{
	unsigned low = 0, high = model->count;

	while (low < high) {
		const unsigned middle = (low + high) / 2;

		if (store_path_compare(row_key(model, middle), key) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	*ret_found = low < model->count && slice_equal(row_key(model, low), key);
	return low;
}

static void model_put(struct model *model, struct slice key, store_rev_t revision)
{
	bool found;
	const unsigned i = model_find(model, key, &found);

	if (!found) {
		assert_true(model->count < KEYS_MAX);
		memmove(&model->rows[i + 1], &model->rows[i],
		        (model->count - i) * sizeof(model->rows[0]));
		model->count++;
		memcpy(model->rows[i].key, key.data, key.size);
		model->rows[i].size = key.size;
	}
	model->rows[i].revision = revision;
}

static void model_remove(struct model *model, unsigned i)
{
	model->count--;
	memmove(&model->rows[i], &model->rows[i + 1], (model->count - i) * sizeof(model->rows[0]));
}

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){0};
	assert_int_equal(store_alloc_new(&fixture->alloc, 1 << 28), 0);
	store_reclaim_init(&fixture->reclaim, fixture->alloc, 1);
}

static void end(struct fixture *fixture)
{
	store_tree_list(&fixture->root, &fixture->reclaim);
	assert_null(fixture->root);
	fixture->reclaim.passed = store_reclaim_publish(&fixture->reclaim);
	store_reclaim_collect(&fixture->reclaim, UINT64_MAX, UINT64_MAX);
	assert_true(store_alloc_bytes(fixture->alloc) == 0);
	assert_true(store_reclaim_waiting(&fixture->reclaim) == 0);
	store_alloc_free(fixture->alloc);
}

static void put(struct fixture *fixture, struct slice key, store_rev_t revision)
{
	struct store_item *item = store_item_new(&fixture->reclaim, key, 8, revision), *former;
	const struct store_item *found;
	struct store_place place;

	memcpy(store_item_memory(item), &revision, sizeof(revision));
	found = store_tree_find(fixture->root, key, &place);
	assert_ptr_equal(found, store_tree_get(fixture->root, key));
	/* Both ways to put one in the place of another; the list tells whether they agree. */
	if (found != NULL && revision % 2 == 0) {
		former = store_tree_replace(&fixture->root, &fixture->reclaim, &place, item);
	} else {
		former = store_tree_put(&fixture->root, &fixture->reclaim, item);
	}
	assert_ptr_equal(former, found);
	if (former != NULL) {
		assert_true(slice_equal(store_item_key(former), key));
		store_reclaim_list(&fixture->reclaim, &former->block);
	}
}

static bool take(struct fixture *fixture, struct slice key)
{
	struct store_item *former = store_tree_remove(&fixture->root, &fixture->reclaim, key);

	if (former == NULL) {
		return false;
	}
	assert_true(slice_equal(store_item_key(former), key));
	store_reclaim_list(&fixture->reclaim, &former->block);
	return true;
}

static uint64_t plain_head(struct slice key, size_t prefix)
{
	uint64_t head = 0;

	for (size_t i = prefix; i < prefix + 8; i++) {
		head = head << 8 | (i < key.size ? store_path_rank(key.data[i]) : 0);
	}
	return head;
}

/* Checks a node and all below it; the depth of the recursion is the tree's height. */
static void check_node(const struct store_node *node, const struct store_item *low,
                       const struct store_item *high, bool is_root)
{
	const unsigned first = node->level == 0 ? 0 : 1;
	size_t prefix = 0;

	if (low != NULL && high != NULL) {
		prefix = store_path_common(store_item_key(low), store_item_key(high));
	}
	assert_int_equal(node->sure, prefix);
	assert_true(node->prefix >= prefix);
	if (node->level == 0 && prefix != 0) {
		assert_int_equal(node->prefix, prefix);
	}
	prefix = node->prefix;
	assert_in_range(node->count,
	                is_root            ? 1 + first
	                : node->level == 0 ? 1
	                                   : 2,
	                STORE_NODE_WIDTH);
	for (unsigned i = first; i < node->count; i++) {
		const struct slice key = store_item_key(node->items[i]);

		assert_true(node->heads[i] == plain_head(key, prefix));
		assert_memory_equal(key.data, node->items[first]->bytes, prefix);
		assert_true(low == NULL || store_path_compare(store_item_key(low), key) <= 0);
		assert_true(high == NULL || store_path_compare(key, store_item_key(high)) < 0);
		if (i > first) {
			assert_true(store_path_compare(store_item_key(node->items[i - 1]), key) <
			            0);
		}
	}
	for (unsigned i = 0; node->level != 0 && i < node->count; i++) {
		assert_int_equal(node->children[i]->level, node->level - 1);
		check_node(node->children[i], i > 0 ? node->items[i] : low,
		           i + 1u < node->count ? node->items[i + 1] : high, false);
	}
}

static void compare(const struct store_node *root, const struct model *model)
{
	struct store_place place;
	const struct store_item *item;
	unsigned i = 0;

	if (root != NULL) {
		check_node(root, NULL, NULL, true);
	}
	store_tree_seek(root, slice_text("/"), &place);
	while ((item = store_tree_next(&place)) != NULL) {
		assert_true(i < model->count);
		assert_true(slice_equal(store_item_key(item), row_key(model, i)));
		assert_true(item->revision == model->rows[i].revision);
		assert_memory_equal(store_item_value(item).data, &item->revision, 8);
		i++;
	}
	assert_int_equal(i, model->count);
}

static void look(const struct store_node *root, const struct model *model, struct slice key)
{
	const struct store_item *before, *at;
	struct store_place place;
	bool found;
	const unsigned i = model_find(model, key, &found);
	const struct store_item *item = store_tree_get(root, key);

	const struct store_item *guess = store_tree_guess(root, key);

	assert_int_equal(item != NULL, found);
	/* The first in its leaf that begins alike. */
	assert_true(!found ||
	            (guess != NULL && store_path_compare(store_item_key(guess), key) <= 0));
	store_tree_around(root, key, &before, &at);
	assert_int_equal(before != NULL, i > 0);
	assert_int_equal(at != NULL, i < model->count);
	assert_true(before == NULL || slice_equal(store_item_key(before), row_key(model, i - 1)));
	assert_true(at == NULL || slice_equal(store_item_key(at), row_key(model, i)));
	store_tree_seek(root, key, &place);
	assert_ptr_equal(store_tree_next(&place), at);
}

/* Keys of several shapes: short ones, long common beginnings, and deep ones. */
static struct slice random_key(struct prng *prng, unsigned shape, uint8_t *bytes)
{
	const unsigned number = (unsigned)prng_below(prng, 3000);
	char *text = (char *)bytes;
	int size = 0;

	switch (shape) {
	case 0:
		size = snprintf(text, KEY_SIZE, "/%u", number);
		break;
	case 1:
		size = snprintf(text, KEY_SIZE, "/service/a-very-common-beginning/instance-%06u/x",
		                number);
		break;
	case 2:
		size = snprintf(text, KEY_SIZE, "/%u/%u/%u", number % 7, number / 7 % 9,
		                number / 63);
		break;
	case 3:
		size = snprintf(text, KEY_SIZE, "/%.*s", 1 + (int)(number % 90),
		                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		bytes[size - 1] = (uint8_t)('a' + number / 90 % 26);
		break;
	default:
		return random_key(prng, (unsigned)prng_below(prng, 4), bytes);
	}
	return slice_make(bytes, (size_t)size);
}

static void play(uint64_t seed, unsigned shape, unsigned changes)
{
	static struct model model, kept;
	const struct store_node *kept_root = NULL;
	struct fixture fixture;
	uint8_t bytes[KEY_SIZE];
	struct prng prng;
	uint64_t lean = 60;

	prng_init(&prng, seed);
	begin(&fixture);
	model.count = 0;
	kept.count = 0;
	for (unsigned i = 1; i <= changes; i++) {
		const struct slice key = random_key(&prng, shape, bytes);
		bool found;
		const unsigned at = model_find(&model, key, &found);

		if (i % 2048 == 0) {
			lean = 20 + prng_below(&prng, 70); /* grow and shrink in turns */
		}
		look(fixture.root, &model, key);
		if (prng_chance(&prng, lean, 100)) {
			put(&fixture, key, i);
			model_put(&model, key, i);
		} else {
			assert_int_equal(take(&fixture, key), found);
			if (found) {
				model_remove(&model, at);
			}
		}
		if (prng_chance(&prng, 1, 8)) {
			(void)store_reclaim_publish(&fixture.reclaim);
		}
		if (i % 1024 == 0) {
			compare(fixture.root, &model);
			compare(kept_root, &kept);
			(void)store_reclaim_publish(&fixture.reclaim);
			/* Only the newest kept root is read from here on. */
			fixture.reclaim.passed = fixture.reclaim.wanted;
			store_reclaim_collect(&fixture.reclaim, UINT64_MAX, UINT64_MAX);
			kept_root = fixture.root;
			kept = model;
		}
	}
	end(&fixture);
}

static void test_tree_holds_what_a_sorted_list_would(void **state)
{
	(void)state;
	for (unsigned shape = 0; shape <= 4; shape++) {
		for (uint64_t seed = 1; seed <= 3; seed++) {
			play(seed, shape, 20000);
		}
	}
}

static void test_keys_in_order_fill_the_leaves(void **state)
{
	static struct model model;
	struct fixture fixture;
	char text[KEY_SIZE];

	(void)state;
	begin(&fixture);
	model.count = 0;
	for (unsigned i = 0; i < 4000; i++) {
		const int size = snprintf(text, sizeof(text), "/a/%08u", i);

		put(&fixture, slice_make(text, (size_t)size), i);
		model_put(&model, slice_make(text, (size_t)size), i);
	}
	compare(fixture.root, &model);
	assert_int_equal(fixture.root->level, 2);
	for (unsigned i = 0; i < 4000; i++) {
		const int size = snprintf(text, sizeof(text), "/a/%08u", i);
		const struct slice key = slice_make(text, (size_t)size);

		/* Eight bytes tell all of them apart. */
		assert_ptr_equal(store_tree_guess(fixture.root, key),
		                 store_tree_get(fixture.root, key));
		assert_true(take(&fixture, slice_make(text, (size_t)size)));
		assert_false(take(&fixture, slice_make(text, (size_t)size)));
		if (fixture.root != NULL) {
			check_node(fixture.root, NULL, NULL, true);
		}
	}
	assert_null(fixture.root);
	end(&fixture);
}

static void test_empty_tree_has_nothing(void **state)
{
	static const struct model model;
	struct store_place place;
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	look(NULL, &model, slice_text("/a"));
	store_tree_seek(NULL, slice_text("/"), &place);
	assert_null(store_tree_next(&place));
	assert_false(take(&fixture, slice_text("/a")));
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree_holds_what_a_sorted_list_would),
		cmocka_unit_test(test_keys_in_order_fill_the_leaves),
		cmocka_unit_test(test_empty_tree_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
