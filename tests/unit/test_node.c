/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   one node finds, takes in, gives up, shares and deals its keys as a sorted array would,
 *         and a copy leaves the node it was made of as it was.
 * Method: random keys with long common beginnings, sorted by store_path_compare(); every search is
 *         compared with one that looks at each key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/node.h"
#include "store/path.h"

enum {
	SEEDS = 300,
	KEYS = STORE_NODE_WIDTH,
	KEY_SIZE = 40,
};

struct fixture {
	struct store_alloc *alloc;
	struct store_reclaim reclaim;
	struct prng prng;
	struct store_item *items[2 * KEYS]; /* sorted, all different */
	unsigned count;
};

static int begin(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){0};
	assert_int_equal(store_alloc_new(&fixture.alloc, 1 << 24), 0);
	store_reclaim_init(&fixture.reclaim, fixture.alloc, 1);
	*state = &fixture;
	return 0;
}

static void give_items(struct fixture *fixture)
{
	for (unsigned i = 0; i < fixture->count; i++) {
		store_reclaim_give(&fixture->reclaim, &fixture->items[i]->block);
	}
	fixture->count = 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	give_items(fixture);
	store_alloc_free(fixture->alloc);
	return 0;
}

/* Few bytes, so that heads are often equal; "/" and its neighbours, which order apart. */
static struct slice random_key(struct fixture *fixture, uint8_t *memory, const char *front)
{
	static const uint8_t bytes[] = "/-.0ab\xc3";
	size_t size = strlen(front);

	memcpy(memory, front, size);
	do {
		memory[size++] = bytes[prng_below(&fixture->prng, sizeof(bytes) - 1)];
	} while (size < KEY_SIZE && prng_below(&fixture->prng, 9) != 0);
	return slice_make(memory, size);
}

static void make_items(struct fixture *fixture, unsigned count, const char *front)
{
	uint8_t memory[KEY_SIZE];

	while (fixture->count < count) {
		const struct slice key = random_key(fixture, memory, front);
		unsigned at = 0;

		while (at < fixture->count &&
		       store_path_compare(store_item_key(fixture->items[at]), key) < 0) {
			at++;
		}
		if (at < fixture->count && slice_equal(store_item_key(fixture->items[at]), key)) {
			continue;
		}
		memmove(&fixture->items[at + 1], &fixture->items[at],
		        (fixture->count - at) * sizeof(struct store_item *));
		fixture->items[at] = store_item_new(&fixture->reclaim, key, 0, 1);
		fixture->count++;
	}
}

static const char *front_of(uint64_t seed)
{
	static const char *const fronts[] = {"/", "/some/long/beginning", "/eightby", "/x/"};

	return fronts[seed % 4];
}

static void check_searches(struct fixture *fixture, const struct store_node *node,
                           const char *front)
{
	uint8_t memory[KEY_SIZE];

	for (unsigned tries = 0; tries < 100; tries++) {
		const struct slice key = tries < node->count ? store_item_key(node->items[tries])
		                                             : random_key(fixture, memory, front);
		unsigned first = 0, behind = 0;

		while (first < node->count &&
		       store_path_compare(store_item_key(node->items[first]), key) < 0) {
			first++;
		}
		while (behind < node->count &&
		       store_path_compare(store_item_key(node->items[behind]), key) <= 0) {
			behind++;
		}
		assert_int_equal(store_node_search(node, 0, key, false), first);
		assert_int_equal(store_node_search(node, 0, key, true), behind);
	}
}

static void test_head_orders_as_keys_do(void **state)
{
	struct fixture *fixture = *state;
	uint8_t one[KEY_SIZE], other[KEY_SIZE];

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		struct slice a, b;
		uint64_t head_a, head_b;
		int order;

		prng_init(&fixture->prng, seed);
		a = random_key(fixture, one, "/ab");
		b = random_key(fixture, other, "/ab");
		order = store_path_compare(a, b);
		head_a = store_node_head(a, 3);
		head_b = store_node_head(b, 3);
		if (head_a != head_b) {
			assert_int_equal(head_a < head_b, order < 0);
		} else {
			/* Equal heads: at least eight bytes are, or both keys are. */
			assert_true(order == 0 || store_path_common(a, b) >= 3 + 8);
		}
	}
}

static void test_leaf_like_a_sorted_array(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct store_node *node;

		prng_init(&fixture->prng, seed);
		make_items(fixture, 1 + (unsigned)prng_below(&fixture->prng, KEYS), front_of(seed));
		node = store_node_new(&fixture->reclaim, 0);
		for (unsigned i = 0; i < fixture->count; i++) {
			struct store_item *item = fixture->items[(i * 7919u) % fixture->count];
			const struct slice key = store_item_key(item);
			const unsigned at = store_node_search(node, 0, key, false);

			if (at < node->count && node->items[at] == item) {
				continue; /* 7919 and count have a divisor in common */
			}
			store_node_open_gap(node, at);
			store_node_set(node, at, item);
			check_searches(fixture, node, front_of(seed));
		}
		while (node->count > 0) {
			const unsigned at = (unsigned)prng_below(&fixture->prng, node->count);
			const struct store_item *gone = node->items[at];

			store_node_close_gap(node, at);
			for (unsigned i = 0; i < node->count; i++) {
				assert_ptr_not_equal(node->items[i], gone);
			}
			check_searches(fixture, node, front_of(seed));
		}
		store_reclaim_give(&fixture->reclaim, &node->block);
		give_items(fixture);
	}
}

/* Two neighbours, dealt anew: nothing is lost, and the separator tells them apart. */
static void test_hand_is_dealt_in_order(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct store_hand hand = {.count = 0};
		struct store_node *left, *right;
		struct store_item *separator;
		unsigned cut, least, most;

		prng_init(&fixture->prng, seed);
		make_items(fixture, 2 + (unsigned)prng_below(&fixture->prng, 2 * KEYS - 1),
		           front_of(seed));
		memcpy(hand.items, fixture->items, fixture->count * sizeof(hand.items[0]));
		hand.count = fixture->count;
		least = hand.count > KEYS ? hand.count - KEYS : 1;
		most = hand.count - 1 < KEYS ? hand.count - 1 : KEYS;
		cut = least + (unsigned)prng_below(&fixture->prng, most - least + 1);
		separator = store_node_separate(&hand, cut, &fixture->reclaim);
		assert_true(store_path_compare(store_item_key(hand.items[cut - 1]),
		                               store_item_key(separator)) < 0);
		assert_true(store_path_compare(store_item_key(separator),
		                               store_item_key(hand.items[cut])) <= 0);
		assert_int_equal(separator->key_size,
		                 1 + store_path_common(store_item_key(hand.items[cut - 1]),
		                                       store_item_key(hand.items[cut])));
		left = store_node_new(&fixture->reclaim, 0);
		right = store_node_new(&fixture->reclaim, 0);
		store_node_deal(left, &hand, 0, cut, NULL, separator);
		store_node_deal(right, &hand, cut, hand.count - cut, separator, NULL);
		check_searches(fixture, left, front_of(seed));
		check_searches(fixture, right, front_of(seed));
		hand.count = 0;
		store_node_gather(&hand, left, NULL);
		store_node_gather(&hand, right, separator);
		assert_int_equal(hand.count, fixture->count);
		assert_memory_equal(hand.items, fixture->items,
		                    fixture->count * sizeof(hand.items[0]));
		store_reclaim_give(&fixture->reclaim, &left->block);
		store_reclaim_give(&fixture->reclaim, &right->block);
		store_reclaim_give(&fixture->reclaim, &separator->block);
		give_items(fixture);
	}
}

static void test_child_around_a_key(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct store_hand hand = {.level = 1};
		struct store_node *node;

		prng_init(&fixture->prng, seed);
		make_items(fixture, 2 + (unsigned)prng_below(&fixture->prng, KEYS - 1),
		           front_of(seed));
		memcpy(hand.items, fixture->items, fixture->count * sizeof(hand.items[0]));
		hand.count = fixture->count;
		node = store_node_new(&fixture->reclaim, 1);
		store_node_deal(node, &hand, 0, hand.count, NULL, NULL);
		for (unsigned i = 0; i < fixture->count; i++) {
			/* Item i separates child i - 1 from child i, which has the key itself. */
			assert_int_equal(store_node_child(node, store_item_key(fixture->items[i])),
			                 i);
		}
		store_reclaim_give(&fixture->reclaim, &node->block);
		give_items(fixture);
	}
}

static void test_copy_leaves_the_other_alone(void **state)
{
	struct fixture *fixture = *state;
	struct store_node *node, *slot;

	prng_init(&fixture->prng, 1);
	make_items(fixture, 5, "/");
	node = store_node_new(&fixture->reclaim, 0);
	for (unsigned i = 0; i < 4; i++) {
		store_node_open_gap(node, i);
		store_node_set(node, i, fixture->items[i + 1]);
	}
	slot = node;
	assert_ptr_equal(store_node_own(&slot, &fixture->reclaim), node);
	(void)store_reclaim_publish(&fixture->reclaim);

	assert_ptr_not_equal(store_node_own(&slot, &fixture->reclaim), node);
	assert_ptr_not_equal(slot, node);
	store_node_open_gap(slot, 0);
	store_node_set(slot, 0, fixture->items[0]);
	assert_int_equal(slot->count, 5);
	assert_int_equal(node->count, 4);
	check_searches(fixture, node, "/");
	check_searches(fixture, slot, "/");
	assert_true(store_reclaim_waiting(&fixture->reclaim) > 0);

	fixture->reclaim.passed = store_reclaim_publish(&fixture->reclaim);
	store_reclaim_collect(&fixture->reclaim, UINT64_MAX, UINT64_MAX);
	assert_int_equal(store_reclaim_waiting(&fixture->reclaim), 0);
	store_reclaim_give(&fixture->reclaim, &slot->block);
}

static void test_item_has_key_and_value(void **state)
{
	struct fixture *fixture = *state;

	for (size_t size = 1; size <= STORE_PATH_SIZE_MAX; size += size < 40 ? 1 : 97) {
		uint8_t key[STORE_PATH_SIZE_MAX];
		struct store_item *item;

		memset(key, 'k', size);
		item = store_item_new(&fixture->reclaim, slice_make(key, size), 100, 7);
		assert_int_equal((uintptr_t)store_item_memory(item) % STORE_ITEM_ALIGN, 0);
		memset(store_item_memory(item), 'v', 100);
		assert_true(slice_equal(store_item_key(item), slice_make(key, size)));
		assert_int_equal(store_item_value(item).size, 100);
		assert_ptr_equal(store_item_value(item).data, store_item_memory(item));
		assert_int_equal(item->revision, 7);
		store_reclaim_give(&fixture->reclaim, &item->block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_head_orders_as_keys_do, begin, end),
		cmocka_unit_test_setup_teardown(test_leaf_like_a_sorted_array, begin, end),
		cmocka_unit_test_setup_teardown(test_hand_is_dealt_in_order, begin, end),
		cmocka_unit_test_setup_teardown(test_child_around_a_key, begin, end),
		cmocka_unit_test_setup_teardown(test_copy_leaves_the_other_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_item_has_key_and_value, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
