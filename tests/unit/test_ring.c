/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is put into a ring comes out once, in order, whole; a full ring says no.
 * Method: one thread for the borders, two threads for the order (TSan sees races).
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/base/ring.h"

enum {
	SIZE = RING_BYTES_MIN,
	RECORDS = 200000
};

static _Alignas(64) uint8_t memory[SIZE];

static void test_record_comes_out_as_it_went_in(void **state)
{
	struct ring ring;
	struct slice record;

	(void)state;
	ring_init(&ring, memory, SIZE);
	assert_false(ring_peek(&ring, &record));
	assert_true(ring_is_empty(&ring));
	assert_true(ring_put(&ring, slice_text("ab"), slice_text("cde")));
	assert_false(ring_is_empty(&ring));
	assert_true(ring_peek(&ring, &record));
	assert_true(slice_equal(record, slice_text("abcde")));
	ring_pop(&ring);
	assert_true(ring_is_empty(&ring));
}

static void test_full_ring_says_no_and_keeps_what_it_has(void **state)
{
	uint8_t bytes[500] = {0};
	struct slice record;
	struct ring ring;
	unsigned put = 0, taken = 0;

	(void)state;
	ring_init(&ring, memory, SIZE);
	for (; ring_put(&ring, slice_make(bytes, sizeof(bytes)), (struct slice){0}); put++) {
		bytes[0]++;
	}
	assert_in_range(put, 7, 8);
	for (; ring_peek(&ring, &record); taken++) {
		assert_int_equal(record.size, sizeof(bytes));
		assert_int_equal(record.data[0], taken);
		ring_pop(&ring);
	}
	assert_int_equal(taken, put);
}

static void *produce(void *argument)
{
	struct ring *ring = argument;
	struct prng prng;

	prng_init(&prng, 7);
	for (uint32_t i = 0; i < RECORDS; i++) {
		uint8_t bytes[300];
		const size_t size = sizeof(i) + prng_below(&prng, sizeof(bytes) - sizeof(i));

		memset(bytes, (int)(i & 255), sizeof(bytes));
		memcpy(bytes, &i, sizeof(i));
		while (!ring_put(ring, slice_make(bytes, size), (struct slice){0})) {
			(void)sched_yield();
		}
	}
	return NULL;
}

static void test_two_threads_keep_the_order(void **state)
{
	struct ring ring;
	pthread_t thread;

	(void)state;
	ring_init(&ring, memory, SIZE);
	assert_int_equal(pthread_create(&thread, NULL, produce, &ring), 0);
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct slice record;
		uint32_t number;

		while (!ring_peek(&ring, &record)) {
			(void)sched_yield();
		}
		memcpy(&number, record.data, sizeof(number));
		assert_int_equal(number, i);
		for (size_t k = sizeof(number); k < record.size; k++) {
			assert_int_equal(record.data[k], i & 255);
		}
		ring_pop(&ring);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_comes_out_as_it_went_in),
		cmocka_unit_test(test_full_ring_says_no_and_keeps_what_it_has),
		cmocka_unit_test(test_two_threads_keep_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
