/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an address has a few wrong secrets at once and then one in a time, and is not judged
 *         beyond that, be it right or wrong; others are served meanwhile; all of them together have
 *         no more than there are places; all of it is counted.
 * Method: guesses of the test, and its own clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/gateway_guard.h"

#define GUESS_NS (CTL_GATEWAY_GUESS_MS * (uint64_t)1000000)

enum {
	ME = 0x7f000001,
	ADDRESSES = 100000,
};

static struct store_keys keys;
static struct ctl_gateway_guard guard;

static int open_guard(void **state)
{
	(void)state;
	keys = (struct store_keys){.rw = store_key_of(slice_text("write")),
	                           .ro = store_key_of(slice_text("read"))};
	ctl_gateway_guard_init(&guard, &keys, 42);
	return 0;
}

static unsigned judge(uint64_t now_ns, uint32_t address, const char *secret)
{
	return ctl_gateway_guard_judge(&guard, now_ns, address, slice_text(secret));
}

static void test_what_a_secret_is_worth(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(judge(1, ME, "write"), STORE_MAY_ALL);
		assert_int_equal(judge(1, ME, "read"), STORE_MAY_READ);
		assert_int_equal(judge(1, ME, ""), 0);
	}
	assert_int_equal(guard.denied + guard.unjudged, 0);
	assert_int_equal(judge(1, ME, "writ"), 0);
	assert_int_equal(judge(1, ME, "write"), STORE_MAY_ALL);
	assert_int_equal(guard.denied, 1);
	keys.ro.is_set = false;
	assert_int_equal(judge(1, ME, ""), STORE_MAY_READ);
}

static void test_guesses_are_few(void **state)
{
	uint64_t now_ns = 5 * GUESS_NS;

	(void)state;
	for (unsigned i = 0; i < CTL_GATEWAY_GUESSES; i++) {
		assert_int_equal(judge(now_ns, ME, "write"), STORE_MAY_ALL);
		assert_int_equal(judge(now_ns, ME, "no"), 0);
	}
	assert_int_equal(guard.denied, CTL_GATEWAY_GUESSES);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(judge(now_ns, ME, "write"), 0);
		assert_int_equal(judge(now_ns + GUESS_NS - 1, ME, "write"), 0);
		now_ns += GUESS_NS;
		assert_int_equal(judge(now_ns, ME, "write"), STORE_MAY_ALL);
		assert_int_equal(judge(now_ns, ME, "no"), 0);
	}
	assert_int_equal(guard.denied, CTL_GATEWAY_GUESSES + 50);
	assert_int_equal(guard.unjudged, 100);
	/* What nobody tells is judged all the same; and who waits has all of them again. */
	keys.ro.is_set = false;
	assert_int_equal(judge(now_ns, ME, ""), STORE_MAY_READ);
	now_ns += 1000 * GUESS_NS;
	for (unsigned i = 0; i < 2 * CTL_GATEWAY_GUESSES; i++) {
		(void)judge(now_ns, ME, "no");
	}
	assert_int_equal(guard.denied, 2 * CTL_GATEWAY_GUESSES + 50);
}

static void test_one_that_guesses_keeps_few_out(void **state)
{
	unsigned kept_out = 0;

	(void)state;
	for (unsigned i = 0; i < CTL_GATEWAY_GUESSES; i++) {
		(void)judge(1, ME, "no");
	}
	for (uint32_t i = 1; i <= ADDRESSES; i++) {
		kept_out += judge(1, ME + i, "write") == 0 ? 1 : 0;
	}
	assert_in_range(kept_out, 1, 2 * ADDRESSES / CTL_GATEWAY_GUESS_PLACES);
}

static void test_all_together_are_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * CTL_GATEWAY_GUESSES; i++) {
		for (uint32_t address = 0; address < ADDRESSES; address++) {
			(void)judge(1, address, "no");
		}
	}
	assert_int_equal(guard.denied, CTL_GATEWAY_GUESSES * CTL_GATEWAY_GUESS_PLACES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_a_secret_is_worth, open_guard),
		cmocka_unit_test_setup(test_guesses_are_few, open_guard),
		cmocka_unit_test_setup(test_one_that_guesses_keeps_few_out, open_guard),
		cmocka_unit_test_setup(test_all_together_are_bounded, open_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
