/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a change of the members and what is told of it come back as they were; bytes that are
 *         neither are refused.
 * Method: there and back; then short, long and wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/change.h"

static void test_change_comes_back(void **state)
{
	struct paxos_change change = {.add = 0x8010, .remove = 0x3, .is_even = true}, back;
	uint8_t bytes[PAXOS_CHANGE_SIZE_MAX + 1] = {0};
	size_t size;

	(void)state;
	change.addresses[4] = (struct store_address){0x0a000005, 8046};
	change.addresses[15] = (struct store_address){0x0a000010, 1};
	size = paxos_change_encode(&change, bytes);
	assert_true(paxos_change_decode(slice_make(bytes, size), &back));
	assert_int_equal(back.add, change.add);
	assert_int_equal(back.remove, change.remove);
	assert_true(back.is_even && !back.as_learners && !back.demotes);
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		assert_int_equal(back.addresses[node].ip, change.addresses[node].ip);
		assert_int_equal(back.addresses[node].port, change.addresses[node].port);
	}
	assert_false(paxos_change_decode(slice_make(bytes, size - 1), &back));
	assert_false(paxos_change_decode(slice_make(bytes, size + 1), &back));
	change = (struct paxos_change){.remove = 1, .as_learners = true, .demotes = true};
	size = paxos_change_encode(&change, bytes);
	assert_true(paxos_change_decode(slice_make(bytes, size), &back));
	assert_true(!back.is_even && back.as_learners && back.demotes);
}

static void test_change_that_makes_no_sense_is_refused(void **state)
{
	struct paxos_change back;

	(void)state;
	/* options u8, add u16, remove u16 */
	assert_false(paxos_change_decode(slice_make("\0\0\0\0\0", 5), &back));
	assert_false(paxos_change_decode(slice_make("\x08\0\0\1\0", 5), &back));
	assert_false(paxos_change_decode(slice_make("\0\1\0\1\0\0\0\0\0\0\0", 11), &back));
	assert_true(paxos_change_decode(slice_make("\0\0\0\1\0", 5), &back));
	assert_false(paxos_change_decode((struct slice){0}, &back));
}

static void test_told_comes_back(void **state)
{
	uint8_t bytes[1 + PAXOS_TOLD_TEXT_MAX];
	struct paxos_told told, back;
	char set[PAXOS_SET_TEXT_MAX];
	size_t size;

	(void)state;
	paxos_tell(&told, PAXOS_CHANGE_REFUSED, "of %u servers (%s)", 3, paxos_set_text(7, set));
	assert_string_equal(told.text, "of 3 servers (1 2 3)");
	size = paxos_told_encode(&told, bytes);
	assert_true(paxos_told_decode(slice_make(bytes, size), &back));
	assert_int_equal(back.verdict, PAXOS_CHANGE_REFUSED);
	assert_string_equal(back.text, told.text);
	bytes[3] = '\n'; /* it goes to a terminal */
	assert_false(paxos_told_decode(slice_make(bytes, size), &back));
	bytes[3] = 'f';
	bytes[0] = 0;
	assert_false(paxos_told_decode(slice_make(bytes, size), &back));
	bytes[0] = PAXOS_CHANGE_REFUSED + 1;
	assert_false(paxos_told_decode(slice_make(bytes, size), &back));
	assert_false(paxos_told_decode((struct slice){0}, &back));
	memset(bytes, 1, sizeof(bytes));
	memset(bytes + 1, 'x', sizeof(bytes) - 1);
	assert_false(paxos_told_decode(slice_make(bytes, sizeof(bytes)), &back));
	assert_true(paxos_told_decode(slice_make(bytes, sizeof(bytes) - 1), &back));
	assert_int_equal(strlen(back.text), PAXOS_TOLD_TEXT_MAX - 1);
}

static void test_sets_are_written_as_people_do(void **state)
{
	char text[PAXOS_SET_TEXT_MAX];

	(void)state;
	assert_string_equal(paxos_set_text(0, text), "none");
	assert_string_equal(paxos_set_text(0x8001, text), "1 16");
	assert_string_equal(paxos_set_text(0xffff, text), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_change_comes_back),
		cmocka_unit_test(test_change_that_makes_no_sense_is_refused),
		cmocka_unit_test(test_told_comes_back),
		cmocka_unit_test(test_sets_are_written_as_people_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
