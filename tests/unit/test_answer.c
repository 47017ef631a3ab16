/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   numbers of answers stay what clients out there know; each has words of its own; a number
 *         that is none has words too.
 * Method: the numbers as of the first version stand here once more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/answer.h"

static void test_numbers_stay(void **state)
{
	static const enum store_answer answers[] = {
		STORE_OK,           STORE_MISMATCH,      STORE_NOT_FOUND,
		STORE_IS_DIRECTORY, STORE_NOT_DIRECTORY, STORE_BAD_PATH,
		STORE_BAD_GLOB,     STORE_TOO_LARGE,     STORE_QUOTA,
		STORE_TOO_LATE,     STORE_NO_SESSION,    STORE_BAD_SECRET,
		STORE_STALE,        STORE_WINDOW,        STORE_SESSIONS_FULL,
		STORE_NOT_LEADER,   STORE_NO_QUORUM,     STORE_OVERLOADED,
		STORE_BAD_REQUEST,  STORE_BAD_VERSION,   STORE_WRONG_CLUSTER,
		STORE_BAD_VERB,     STORE_DISK_FULL,     STORE_TOO_EARLY,
		STORE_DENIED,
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		assert_int_equal(answers[i], i);
	}
}

static void test_each_has_words_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < STORE_ANSWER_COUNT; i++) {
		const char *text = store_answer_text((enum store_answer)i);

		assert_non_null(text);
		assert_true(strlen(text) > 0);
		assert_string_not_equal(text, "unknown answer");
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(text, store_answer_text((enum store_answer)j));
		}
	}
}

static void test_number_that_is_none(void **state)
{
	static const int numbers[] = {STORE_ANSWER_COUNT, 255, 65535, INT32_MAX, -1, INT32_MIN};

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* As it comes from a datagram. */
		const unsigned number = (unsigned)numbers[i];

		assert_string_equal(store_answer_text((enum store_answer)number), "unknown answer");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_stay),
		cmocka_unit_test(test_each_has_words_of_its_own),
		cmocka_unit_test(test_number_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
