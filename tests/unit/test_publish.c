/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who loads a published pointer sees all that was written before it was published.
 * Method: a writer fills block after block and publishes each; a reader in another thread looks
 *         into what it loads, until it has seen the last. The thread sanitizer judges the order.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "store/publish.h"

enum {
	BLOCKS = 20000,
	WORDS = 6,
};

struct block {
	uint64_t words[WORDS];
};

struct stage {
	void *slot;
	struct block blocks[BLOCKS];
};

static struct stage stage;

static void *write_all(void *unused)
{
	(void)unused;
	for (uint64_t i = 0; i < BLOCKS; i++) {
		for (unsigned word = 0; word < WORDS; word++) {
			stage.blocks[i].words[word] = i + 1;
		}
		store_publish_pointer(&stage.slot, &stage.blocks[i]);
	}
	return NULL;
}

static void test_reader_sees_what_was_written_before(void **state)
{
	uint64_t last = 0;
	pthread_t writer;

	(void)state;
	assert_null(store_load_pointer(&stage.slot));
	assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
	while (last < BLOCKS) {
		const struct block *block = store_load_pointer(&stage.slot);

		if (block == NULL) {
			(void)sched_yield();
			continue;
		}
		assert_true(block->words[0] >= last);
		last = block->words[0];
		for (unsigned word = 1; word < WORDS; word++) {
			assert_int_equal(block->words[word], last);
		}
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
}

static void test_pointer_comes_back_as_it_was(void **state)
{
	void *slot = NULL;
	int here;

	(void)state;
	store_publish_pointer(&slot, &here);
	assert_ptr_equal(slot, &here);
	assert_ptr_equal(store_load_pointer(&slot), &here);
	store_publish_pointer(&slot, NULL);
	assert_null(store_load_pointer(&slot));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pointer_comes_back_as_it_was),
		cmocka_unit_test(test_reader_sees_what_was_written_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
