/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a quantile is never less than the true one, and at most 1/128 more.
 * Method: values of every size go in; what comes out is compared with a sorted copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/hist.h"
#include "store/base/prng.h"

enum {
	VALUES = 20000
};

static struct hist hist, other;
static uint64_t values[VALUES];

static int compare(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void test_buckets_follow_each_other_without_gap_or_overlap(void **state)
{
	(void)state;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		assert_int_equal(hist_bucket(hist_bucket_top_ns(i)), i);
		if (i + 1 < HIST_BUCKETS) {
			assert_int_equal(hist_bucket(hist_bucket_top_ns(i) + 1), i + 1);
		}
	}
	assert_int_equal(hist_bucket(0), 0);
	assert_true(hist_bucket_top_ns(HIST_BUCKETS - 1) == HIST_MAX_NS);
	assert_int_equal(hist_bucket(HIST_MAX_NS + 1), HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket(UINT64_MAX), HIST_BUCKETS - 1);
}

static void test_quantiles_are_right_to_a_hundredth(void **state)
{
	static const unsigned parts[] = {1, 10, 500, 900, 990, 999, 1000};
	struct prng prng;

	(void)state;
	prng_init(&prng, 7);
	hist_init(&hist);
	for (unsigned i = 0; i < VALUES; i++) {
		values[i] = prng_next(&prng) >> (27 + prng_below(&prng, 37));
		hist_add(&hist, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const uint64_t exact = values[parts[i] * VALUES / 1000 - 1];
		const uint64_t told = hist_quantile_ns(&hist, parts[i], 1000);

		assert_true(told >= exact);
		assert_true(told - exact <= exact / 128);
	}
	assert_true(hist.min_ns == values[0]);
	assert_true(hist.max_ns == values[VALUES - 1]);
}

static void test_one_value_is_all_quantiles(void **state)
{
	(void)state;
	hist_init(&hist);
	hist_add(&hist, 123456789);
	assert_true(hist_quantile_ns(&hist, 0, 100) == 123456789);
	assert_true(hist_quantile_ns(&hist, 50, 100) == 123456789);
	assert_true(hist_quantile_ns(&hist, 100, 100) == 123456789);
	assert_true(hist_mean_ns(&hist) == 123456789);
}

static void test_nothing_counted_is_zero(void **state)
{
	(void)state;
	hist_init(&hist);
	assert_true(hist_quantile_ns(&hist, 999, 1000) == 0);
	assert_true(hist_mean_ns(&hist) == 0);
}

static void test_what_is_over_the_top_keeps_its_maximum(void **state)
{
	(void)state;
	hist_init(&hist);
	hist_add(&hist, 5);
	hist_add(&hist, HIST_MAX_NS * 3);
	assert_int_equal(hist.over, 1);
	assert_true(hist_quantile_ns(&hist, 1, 2) == 5);
	assert_true(hist_quantile_ns(&hist, 1, 1) == HIST_MAX_NS * 3);
}

static void test_two_merged_are_as_one(void **state)
{
	static struct hist both;
	struct prng prng;

	(void)state;
	prng_init(&prng, 11);
	hist_init(&hist);
	hist_init(&other);
	hist_init(&both);
	for (unsigned i = 0; i < VALUES; i++) {
		const uint64_t value = prng_below(&prng, 1000000);

		hist_add(i % 3 == 0 ? &hist : &other, value);
		hist_add(&both, value);
	}
	hist_merge(&hist, &other);
	assert_memory_equal(hist.counts, both.counts, sizeof(both.counts));
	assert_true(hist.total == both.total);
	assert_true(hist.min_ns == both.min_ns);
	assert_true(hist.max_ns == both.max_ns);
	assert_true(hist.sum_ns == both.sum_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_follow_each_other_without_gap_or_overlap),
		cmocka_unit_test(test_quantiles_are_right_to_a_hundredth),
		cmocka_unit_test(test_one_value_is_all_quantiles),
		cmocka_unit_test(test_nothing_counted_is_zero),
		cmocka_unit_test(test_what_is_over_the_top_keeps_its_maximum),
		cmocka_unit_test(test_two_merged_are_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
