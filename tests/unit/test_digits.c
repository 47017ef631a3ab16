/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_digits.c - numbers as text, as printf would write them
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/base/digits.h"
#include "store/base/prng.h"

static void expect(uint64_t number)
{
	char told[DIGITS_DECIMAL + 1] = {0}, wanted[DIGITS_DECIMAL + 1];
	int size = snprintf(wanted, sizeof(wanted), "%" PRIu64, number);

	assert_int_equal(digits_put_decimal(told, number), size);
	assert_string_equal(told, wanted);
	told[DIGITS_HEX] = '\0';
	digits_put_hex(told, number);
	(void)snprintf(wanted, sizeof(wanted), "%016" PRIx64, number);
	assert_string_equal(told, wanted);
}

static void test_digits_are_those_of_printf(void **state)
{
	struct prng prng;

	(void)state;
	prng_init(&prng, 9);
	expect(0);
	expect(UINT64_MAX);
	for (uint64_t power = 1; power <= UINT64_MAX / 10; power *= 10) {
		expect(power - 1);
		expect(power);
	}
	for (unsigned i = 0; i < 10000; i++) {
		expect(prng_next(&prng) >> prng_below(&prng, 64));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digits_are_those_of_printf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
