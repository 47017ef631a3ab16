/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a cursor gives what was written, and its error sticks.
 * Method: write, read back; run past the end on both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/base/crc32c.h"
#include "store/base/wire.h"

static void test_numbers_come_back(void **state)
{
	uint8_t memory[32];
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));
	struct wire_reader reader;

	(void)state;
	wire_put_u8(&writer, 0x12);
	wire_put_u16(&writer, 0x3456);
	wire_put_u32(&writer, 0x789abcde);
	wire_put_u64(&writer, 0x0123456789abcdef);
	wire_put(&writer, slice_text("xyz"));
	assert_true(wire_written_ok(&writer));
	assert_int_equal(memory[1], 0x56);

	reader = wire_reader_make(wire_written(&writer));
	assert_int_equal(wire_u8(&reader), 0x12);
	assert_int_equal(wire_u16(&reader), 0x3456);
	assert_int_equal(wire_u32(&reader), 0x789abcde);
	assert_true(wire_u64(&reader) == 0x0123456789abcdef);
	assert_false(wire_done(&reader));
	assert_true(slice_equal(wire_bytes(&reader, 3), slice_text("xyz")));
	assert_true(wire_done(&reader));
}

static void test_error_sticks(void **state)
{
	uint8_t memory[5] = {1, 2, 3, 4, 5};
	struct wire_reader reader = wire_reader_make(slice_make(memory, sizeof(memory)));
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));

	(void)state;
	assert_true(wire_u64(&reader) == 0);
	assert_int_equal(wire_u8(&reader), 0);
	assert_false(wire_ok(&reader));
	wire_put_u64(&writer, 1);
	wire_put_u8(&writer, 9);
	assert_false(wire_written_ok(&writer));
	assert_int_equal(memory[0], 1);
}

static void test_checksum_is_castagnoli(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, slice_text("123456789")), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, slice_text("1234")), slice_text("56789")), 0xe3069283);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_come_back),
		cmocka_unit_test(test_error_sticks),
		cmocka_unit_test(test_checksum_is_castagnoli),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
