/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the checksum is CRC-32C, so that other programs can check what we write.
 * Method: the vectors of RFC 3720 B.4, and a loop over bits that knows only the polynomial.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/crc32c.h"
#include "store/base/prng.h"

enum {
	LONG = 4096, /* beyond the blocks that are summed at once */
};

static uint32_t by_bits(const uint8_t *data, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
		}
	}
	return ~crc;
}

static void fill(uint8_t *data, size_t size, uint64_t seed)
{
	struct prng prng;

	prng_init(&prng, seed);
	for (size_t i = 0; i < size; i++) {
		data[i] = (uint8_t)prng_next(&prng);
	}
}

static void test_vectors_of_the_rfc(void **state)
{
	uint8_t bytes[32];

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c(0, slice_make(bytes, sizeof(bytes))), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, slice_make(bytes, sizeof(bytes))), 0x62a8ab43);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)i;
	}
	assert_int_equal(crc32c(0, slice_make(bytes, sizeof(bytes))), 0x46dd794e);
	assert_int_equal(crc32c(0, slice_make("123456789", 9)), 0xe3069283);
	assert_int_equal(crc32c(0, slice_make(bytes, 0)), 0);
}

static void test_every_size_and_start_is_summed(void **state)
{
	uint8_t bytes[LONG + 16];

	(void)state;
	fill(bytes, sizeof(bytes), 1);
	for (size_t size = 0; size <= LONG; size = size < 300 ? size + 1 : size * 2 - 255) {
		for (size_t start = 0; start < 16; start += 5) {
			assert_int_equal(crc32c(0, slice_make(bytes + start, size)),
			                 by_bits(bytes + start, size));
		}
	}
}

static void test_sum_of_parts_is_sum_of_whole(void **state)
{
	uint8_t bytes[600];

	(void)state;
	fill(bytes, sizeof(bytes), 2);
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 37) {
		const uint32_t first = crc32c(0, slice_make(bytes, cut));

		assert_int_equal(crc32c(first, slice_make(bytes + cut, sizeof(bytes) - cut)),
		                 by_bits(bytes, sizeof(bytes)));
	}
}

static void test_each_flipped_bit_is_seen(void **state)
{
	uint8_t bytes[100];
	uint32_t before;

	(void)state;
	fill(bytes, sizeof(bytes), 3);
	before = crc32c(0, slice_make(bytes, sizeof(bytes)));
	for (unsigned bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_not_equal(crc32c(0, slice_make(bytes, sizeof(bytes))), before);
		bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_of_the_rfc),
		cmocka_unit_test(test_every_size_and_start_is_summed),
		cmocka_unit_test(test_sum_of_parts_is_sum_of_whole),
		cmocka_unit_test(test_each_flipped_bit_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
