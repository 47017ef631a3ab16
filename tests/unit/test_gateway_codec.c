/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   frames of Doozer's clients are cut at their borders, fields that are zero differ from
 *         those that are absent, and its grammar is its own.
 * Method: bytes as they were captured from Doozer, and their borders.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "control/gateway_codec.h"

static int cut(const char *bytes, size_t size, struct slice *ret_message)
{
	return ctl_doozer_cut(slice_make(bytes, size), ret_message);
}

static void test_frame_is_cut_at_its_length(void **state)
{
	static uint8_t largest[CTL_DOOZER_HEAD + CTL_DOOZER_FRAME_MAX] = {0, 1, 0, 0};
	struct slice message = {0};

	(void)state;
	assert_int_equal(cut("", 0, &message), 0);
	assert_int_equal(cut("\0\0\0", 3, &message), 0);
	assert_int_equal(cut("\0\0\0\0", 4, &message), 1);
	assert_int_equal(message.size, 0);
	assert_int_equal(cut("\0\0\0\2\x08", 5, &message), 0);
	assert_int_equal(cut("\0\0\0\2\x08\1\1", 7, &message), 1);
	assert_int_equal(message.size, 2);
	assert_int_equal(ctl_doozer_cut(slice_make(largest, sizeof(largest) - 1), &message), 0);
	assert_int_equal(ctl_doozer_cut(slice_make(largest, sizeof(largest)), &message), 1);
	assert_int_equal(message.size, CTL_DOOZER_FRAME_MAX);
	assert_int_equal(cut("\0\1\0\1", 4, &message), -EMSGSIZE);
	assert_int_equal(cut("\x7f\xff\xff\xff", 4, &message), -EMSGSIZE);
	assert_int_equal(cut("\x80\0\0\0", 4, &message), -EMSGSIZE);
}

static void test_field_that_is_zero_is_not_absent(void **state)
{
	static const uint8_t tag_zero[] = {0x08, 0, 0x10, 5};
	Doozer__Request *request = ctl_doozer_request(slice_make(tag_zero, sizeof(tag_zero)));

	(void)state;
	assert_non_null(request);
	assert_true(request->has_tag && request->tag == 0 && request->verb == DOOZER_REV);
	doozer__request__free_unpacked(request, NULL);
	request = ctl_doozer_request((struct slice){0});
	assert_non_null(request);
	assert_false(request->has_tag || request->has_verb || request->has_path);
	doozer__request__free_unpacked(request, NULL);
}

static void test_what_is_no_message_is_refused(void **state)
{
	(void)state;
	assert_null(ctl_doozer_request(slice_make("\x80", 1)));      /* half a number */
	assert_null(ctl_doozer_request(slice_make("\x0f\0", 2)));    /* no such wire type */
	assert_null(ctl_doozer_request(slice_make("\x22\x7fx", 3))); /* longer than it is */
}

static void test_reply_has_its_zeros(void **state)
{
	static const uint8_t wanted[] = {0, 0, 0, 6, 0x08, 1, 0x18, 0, 0x32, 0};
	static uint8_t memory[CTL_DOOZER_REPLY_MAX];
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	(void)state;
	response.has_tag = true;
	response.tag = 1;
	response.has_rev = true;
	response.has_value = true;
	assert_int_equal(ctl_doozer_reply(&response, memory), sizeof(wanted));
	assert_memory_equal(memory, wanted, sizeof(wanted));
}

static void test_grammar_is_doozers(void **state)
{
	static const char *const good[] = {"/", "/a", "/a/b", "/.", "/..", "/A.z-9/...", "/-"};
	static const char *const bad[] = {"",     "a",    "//",   "/a/", "/a//b", "/a b",
	                                  "/a_b", "/a:b", "/a\n", "/é",  "/a,b",  "x/y"};
	static const char *const globs[] = {"/*", "/**", "/a/**/b", "/?", "/.*", "/-?*"};
	static const char *const no_globs[] = {"*", "**", "/[a]", "/{a}", "/\\*", "/a*/"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(ctl_doozer_path_is_good(slice_text(good[i])));
		assert_true(ctl_doozer_glob_is_good(slice_text(good[i])));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ctl_doozer_path_is_good(slice_text(bad[i])));
		assert_false(ctl_doozer_glob_is_good(slice_text(bad[i])));
	}
	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++) {
		assert_false(ctl_doozer_path_is_good(slice_text(globs[i])));
		assert_true(ctl_doozer_glob_is_good(slice_text(globs[i])));
	}
	for (size_t i = 0; i < sizeof(no_globs) / sizeof(no_globs[0]); i++) {
		assert_false(ctl_doozer_glob_is_good(slice_text(no_globs[i])));
	}
}

static void test_every_refusal_has_an_error(void **state)
{
	const char *detail = NULL;

	(void)state;
	assert_int_equal(ctl_doozer_error_of(STORE_TOO_LATE, &detail), DOOZER_TOO_LATE);
	assert_null(detail);
	for (unsigned i = 1; i < STORE_ANSWER_COUNT; i++) {
		const enum ctl_doozer_error error =
			ctl_doozer_error_of((enum store_answer)i, &detail);

		assert_true((error == DOOZER_OTHER) == (detail != NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_is_cut_at_its_length),
		cmocka_unit_test(test_field_that_is_zero_is_not_absent),
		cmocka_unit_test(test_what_is_no_message_is_refused),
		cmocka_unit_test(test_reply_has_its_zeros),
		cmocka_unit_test(test_grammar_is_doozers),
		cmocka_unit_test(test_every_refusal_has_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
