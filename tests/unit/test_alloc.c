/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is taken is the taker's alone, aligned, and counted; the cap is never passed; what
 *         is given back can be taken again.
 * Method: random takes and gives from seeds, each block filled with a pattern of its own and read
 *         again before it goes; the counters are compared with sums made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/alloc.h"
#include "store/base/prng.h"

enum {
	BLOCKS = 128,
	CAP = 1 << 20,
	SEEDS = 20,
	STEPS = 4000,
};

struct block {
	uint8_t *memory;
	size_t size;
	uint8_t pattern;
};

static void check_and_give(struct store_alloc *alloc, struct block *block)
{
	for (size_t i = 0; i < block->size; i++) {
		assert_int_equal(block->memory[i], block->pattern);
	}
	store_alloc_give(alloc, block->memory, block->size);
	*block = (struct block){0};
}

static void turn(struct store_alloc *alloc, struct prng *prng, struct block *block, uint64_t *sum)
{
	size_t size;

	if (block->memory != NULL) {
		*sum -= store_alloc_round(block->size);
		check_and_give(alloc, block);
		return;
	}
	size = 1 + prng_below(prng, prng_below(prng, 8) == 0 ? CAP / 4 : 2000);
	block->memory = store_alloc_take(alloc, size);
	if (block->memory == NULL) {
		/* No size class is more than a quarter larger than what was asked for. */
		assert_true(size + size / 4 + 4096 > store_alloc_room(alloc));
		return;
	}
	assert_int_equal((uintptr_t)block->memory % (size < 16 ? 8 : 16), 0);
	assert_true(store_alloc_round(size) >= size);
	assert_true(store_alloc_round(store_alloc_round(size)) == store_alloc_round(size));
	assert_int_equal(store_alloc_round(size) % (size < 16 ? 8 : 16), 0);
	block->size = size;
	block->pattern = (uint8_t)prng_next(prng);
	memset(block->memory, block->pattern, size);
	*sum += store_alloc_round(size);
}

static void run(uint64_t seed)
{
	struct block blocks[BLOCKS] = {0};
	struct prng prng;
	struct store_alloc *alloc;
	unsigned refused = 0;
	uint64_t sum = 0;

	prng_init(&prng, seed);
	assert_int_equal(store_alloc_new(&alloc, CAP), 0);
	for (unsigned i = 0; i < STEPS; i++) {
		struct block *block = &blocks[prng_below(&prng, BLOCKS)];
		const bool had = block->memory != NULL;

		turn(alloc, &prng, block, &sum);
		refused += !had && block->memory == NULL;
		assert_int_equal(store_alloc_bytes(alloc), sum);
		assert_true(sum <= CAP);
		assert_int_equal(store_alloc_room(alloc), CAP - sum);
	}
	assert_true(refused > 0);
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (blocks[i].memory != NULL) {
			check_and_give(alloc, &blocks[i]);
		}
	}
	assert_int_equal(store_alloc_bytes(alloc), 0);
	store_alloc_free(alloc);
}

static void test_blocks_are_counted_and_kept(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(seed);
	}
}

static void test_cap_is_never_passed(void **state)
{
	void *blocks[CAP / 4096 + 1];
	struct store_alloc *alloc;
	unsigned count = 0;

	(void)state;
	assert_int_equal(store_alloc_new(&alloc, CAP), 0);
	assert_null(store_alloc_take(alloc, CAP + 1));
	assert_null(store_alloc_take(alloc, SIZE_MAX));
	assert_null(store_alloc_take(alloc, SIZE_MAX / 2));
	assert_int_equal(store_alloc_bytes(alloc), 0);
	while (count < CAP / 4096 + 1 && (blocks[count] = store_alloc_take(alloc, 4090)) != NULL) {
		count++;
	}
	assert_true(count > CAP / 4096 - 8);
	assert_true(count <= CAP / 4096);
	assert_true(store_alloc_bytes(alloc) <= CAP);
	store_alloc_give(alloc, blocks[--count], 4090);
	blocks[count] = store_alloc_take(alloc, 4090);
	assert_non_null(blocks[count++]);
	while (count > 0) {
		store_alloc_give(alloc, blocks[--count], 4090);
	}
	store_alloc_give(alloc, NULL, 0);
	store_alloc_free(alloc);
	store_alloc_free(NULL);
}

static void test_two_have_a_cap_each(void **state)
{
	struct store_alloc *one, *other;
	void *all;

	(void)state;
	assert_int_equal(store_alloc_new(&one, CAP), 0);
	assert_int_equal(store_alloc_new(&other, CAP), 0);
	all = store_alloc_take(one, CAP - 64 * 1024);
	assert_non_null(all);
	assert_int_equal(store_alloc_bytes(other), 0);
	assert_int_equal(store_alloc_room(other), CAP);
	store_alloc_give(one, all, CAP - 64 * 1024);
	store_alloc_free(one);
	store_alloc_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_counted_and_kept),
		cmocka_unit_test(test_cap_is_never_passed),
		cmocka_unit_test(test_two_have_a_cap_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
