/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a block is freed when nobody can reach it, not before, and not never.
 * Method: blocks listed in several batches; grace periods and pins that come in every order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/reclaim.h"

enum {
	SIZE = 100
};

struct fixture {
	struct store_alloc *alloc;
	struct store_reclaim reclaim;
};

static void begin(struct fixture *fixture)
{
	assert_int_equal(store_alloc_new(&fixture->alloc, 1 << 20), 0);
	store_reclaim_init(&fixture->reclaim, fixture->alloc, 1);
}

static void end(struct fixture *fixture)
{
	assert_true(store_reclaim_waiting(&fixture->reclaim) == 0);
	assert_true(store_alloc_bytes(fixture->alloc) == 0);
	store_alloc_free(fixture->alloc);
}

/* A block that was published. */
static struct store_block *published(struct fixture *fixture)
{
	struct store_block *block = store_reclaim_take(&fixture->reclaim, SIZE);

	assert_true(store_reclaim_owns(&fixture->reclaim, block));
	(void)store_reclaim_publish(&fixture->reclaim);
	assert_false(store_reclaim_owns(&fixture->reclaim, block));
	return block;
}

static bool is_empty(const struct fixture *fixture)
{
	return store_reclaim_waiting(&fixture->reclaim) == 0;
}

static void test_block_of_this_batch_is_freed_at_once(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	store_reclaim_list(&fixture.reclaim, store_reclaim_take(&fixture.reclaim, SIZE));
	assert_true(is_empty(&fixture));
	assert_true(store_reclaim_publish(&fixture.reclaim) == 0);
	end(&fixture);
}

static void test_published_block_waits_for_a_grace_period(void **state)
{
	struct fixture fixture;
	struct store_block *block;

	(void)state;
	begin(&fixture);
	block = published(&fixture);
	store_reclaim_list(&fixture.reclaim, block);
	/* Not even published: a period that ends now began before. */
	fixture.reclaim.passed = fixture.reclaim.wanted;
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 100);
	assert_false(is_empty(&fixture));
	assert_true(store_reclaim_publish(&fixture.reclaim) == 1);
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 100);
	assert_false(is_empty(&fixture));
	fixture.reclaim.passed = 1;
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 100);
	assert_true(is_empty(&fixture));
	end(&fixture);
}

static void test_older_pin_holds_younger_one_does_not(void **state)
{
	struct fixture fixture;
	struct store_block *block;
	uint64_t older, younger;

	(void)state;
	begin(&fixture);
	block = published(&fixture);
	older = fixture.reclaim.wanted;
	store_reclaim_list(&fixture.reclaim, block);
	younger = store_reclaim_publish(&fixture.reclaim);
	fixture.reclaim.passed = younger;
	store_reclaim_collect(&fixture.reclaim, older, 100);
	assert_false(is_empty(&fixture));
	store_reclaim_collect(&fixture.reclaim, younger, 100);
	assert_true(is_empty(&fixture));
	end(&fixture);
}

static void test_collecting_goes_in_order_and_by_bites(void **state)
{
	struct store_block *blocks[10];
	struct fixture fixture;
	uint64_t waiting;

	(void)state;
	begin(&fixture);
	for (unsigned i = 0; i < 10; i++) {
		blocks[i] = published(&fixture);
	}
	for (unsigned i = 0; i < 10; i++) {
		store_reclaim_list(&fixture.reclaim, blocks[i]);
		assert_true(store_reclaim_publish(&fixture.reclaim) == i + 1);
		assert_true(fixture.reclaim.listed == 1);
	}
	waiting = store_reclaim_waiting(&fixture.reclaim);
	fixture.reclaim.passed = 5;
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 3);
	assert_true(store_reclaim_waiting(&fixture.reclaim) == waiting / 10 * 7);
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 100);
	assert_true(store_reclaim_waiting(&fixture.reclaim) == waiting / 10 * 5);
	fixture.reclaim.passed = 10;
	store_reclaim_collect(&fixture.reclaim, UINT64_MAX, 100);
	end(&fixture);
}

static void test_allocator_keeps_its_cap_and_its_sums(void **state)
{
	struct store_alloc *alloc;
	void *memory[64];
	unsigned count = 0;

	(void)state;
	assert_int_equal(store_alloc_new(&alloc, 40000), 0);
	assert_true(store_alloc_room(alloc) == 40000);
	assert_null(store_alloc_take(alloc, 50000));
	while (count < 64 && (memory[count] = store_alloc_take(alloc, 1000)) != NULL) {
		assert_true(store_alloc_round(1000) >= 1000);
		assert_true(((uintptr_t)memory[count] & 15) == 0);
		count++;
	}
	assert_in_range(count, 30, 40);
	assert_true(store_alloc_bytes(alloc) + store_alloc_room(alloc) >= 40000);
	while (count > 0) {
		store_alloc_give(alloc, memory[--count], 1000);
	}
	store_alloc_give(alloc, NULL, 0);
	assert_true(store_alloc_bytes(alloc) == 0);
	store_alloc_free(alloc);
	store_alloc_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_of_this_batch_is_freed_at_once),
		cmocka_unit_test(test_published_block_waits_for_a_grace_period),
		cmocka_unit_test(test_older_pin_holds_younger_one_does_not),
		cmocka_unit_test(test_collecting_goes_in_order_and_by_bites),
		cmocka_unit_test(test_allocator_keeps_its_cap_and_its_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
