/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a datagram opens as it was closed; anything else is refused, and the reason is told.
 * Method: close one, damage it in each way, open it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/base/crc32c.h"
#include "store/datagram.h"

enum {
	BODY_SIZE = 100
};

static uint8_t memory[STORE_DATAGRAM_SIZE_MAX + 1];

static size_t make(void)
{
	memset(memory, 0xaa, sizeof(memory));
	memset(memory + STORE_DATAGRAM_HEADER, 0x55, BODY_SIZE);
	return store_datagram_close(memory, BODY_SIZE, STORE_DATAGRAM_REQUEST, 0x1234,
	                            0x1122334455667788);
}

static enum store_datagram_fault open_it(size_t size, struct store_datagram *ret_datagram)
{
	/* In memory of its own size, so that a sanitizer sees a read behind the end. */
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	enum store_datagram_fault fault;

	assert_non_null(copy);
	memcpy(copy, memory, size);
	fault = store_datagram_open(slice_make(copy, size), ret_datagram);
	free(copy);
	return fault;
}

/* Puts the right sum over whatever stands there. */
static void sum_again(size_t size)
{
	uint32_t crc;

	memset(memory + 4, 0, 4);
	crc = crc32c(0, slice_make(memory, size));
	for (unsigned i = 0; i < 4; i++) {
		memory[4 + i] = (uint8_t)(crc >> (8 * i));
	}
}

static void test_opens_as_it_was_closed(void **state)
{
	struct store_datagram datagram;
	const size_t size = make();

	(void)state;
	assert_int_equal(size, STORE_DATAGRAM_HEADER + BODY_SIZE);
	assert_int_equal(store_datagram_open(slice_make(memory, size), &datagram),
	                 STORE_DATAGRAM_GOOD);
	assert_int_equal(datagram.version, STORE_DATAGRAM_VERSION);
	assert_int_equal(datagram.kind, STORE_DATAGRAM_REQUEST);
	assert_int_equal(datagram.flags, 0x1234);
	assert_true(datagram.cluster == 0x1122334455667788);
	assert_int_equal(datagram.body.size, BODY_SIZE);
	assert_ptr_equal(datagram.body.data, memory + STORE_DATAGRAM_HEADER);
	assert_memory_equal(memory, "CFR1", 4);
}

static void test_every_flipped_bit_is_seen(void **state)
{
	struct store_datagram datagram;
	const size_t size = make();

	(void)state;
	for (size_t bit = 0; bit < size * 8; bit++) {
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_not_equal(open_it(size, &datagram), STORE_DATAGRAM_GOOD);
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_GOOD);
}

static void test_wrong_size_is_refused(void **state)
{
	struct store_datagram datagram;
	const size_t size = make();

	(void)state;
	for (size_t cut = 0; cut < size; cut++) {
		assert_int_equal(open_it(cut, &datagram), STORE_DATAGRAM_SHORT);
	}
	assert_int_equal(open_it(size + 1, &datagram), STORE_DATAGRAM_SHORT);
	assert_int_equal(open_it(sizeof(memory), &datagram), STORE_DATAGRAM_LONG);
	assert_int_equal(store_datagram_open((struct slice){0}, &datagram), STORE_DATAGRAM_SHORT);
}

static void test_reason_is_told(void **state)
{
	struct store_datagram datagram;
	size_t size = make();

	(void)state;
	memory[0] = 'X';
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_BAD_MAGIC);

	size = make();
	memory[size - 1] ^= 1;
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_BAD_CRC);

	size = make();
	memory[9] = 4;
	sum_again(size);
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_BAD_KIND);

	size = make();
	memory[39] = 1;
	sum_again(size);
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_BAD_TAG);
}

static void test_other_version_is_told_with_its_header(void **state)
{
	struct store_datagram datagram = {0};
	const size_t size = make();

	(void)state;
	memory[8] = STORE_DATAGRAM_VERSION + 1;
	sum_again(size);
	assert_int_equal(open_it(size, &datagram), STORE_DATAGRAM_BAD_VERSION);
	assert_int_equal(datagram.version, STORE_DATAGRAM_VERSION + 1);
	assert_true(datagram.cluster == 0x1122334455667788);
}

static void test_every_fault_has_its_own_words(void **state)
{
	(void)state;
	for (unsigned a = 0; a < STORE_DATAGRAM_FAULT_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(
				store_datagram_fault_text((enum store_datagram_fault)a),
				store_datagram_fault_text((enum store_datagram_fault)b));
		}
	}
	assert_non_null(store_datagram_fault_text(STORE_DATAGRAM_FAULT_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opens_as_it_was_closed),
		cmocka_unit_test(test_every_flipped_bit_is_seen),
		cmocka_unit_test(test_wrong_size_is_refused),
		cmocka_unit_test(test_reason_is_told),
		cmocka_unit_test(test_other_version_is_told_with_its_header),
		cmocka_unit_test(test_every_fault_has_its_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
