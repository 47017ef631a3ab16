/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a page may ask is understood, everything else is refused.
 * Method: good messages, looked at; wrong ones in a table; and every beginning of a good one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/web_request.h"

static struct ctl_web_request good(const char *text)
{
	struct ctl_web_request request;

	assert_true(ctl_web_request_parse(slice_text(text), &request));
	return request;
}

static void test_each_verb_is_understood(void **state)
{
	struct ctl_web_request request;

	(void)state;
	request = good("{\"do\": \"watch\", \"glob\": \"/a/**\", \"from\": 12}");
	assert_int_equal(request.verb, CTL_WEB_WATCH);
	assert_int_equal(request.rev, 12);
	assert_true(slice_equal(request.path, slice_text("/a/**")));
	ctl_web_request_free(&request);
	request = good("{\"do\": \"get\", \"id\": 3, \"path\": \"/a\"}");
	assert_int_equal(request.verb, CTL_WEB_GET);
	assert_int_equal(request.id, 3);
	assert_int_equal(request.rev, 0);
	assert_true(request.most >= 32768);
	ctl_web_request_free(&request);
	request = good("{\"do\": \"set\", \"id\": 3, \"path\": \"/a\", \"rev\": 0, "
	               "\"text\": \"x\\u0000y\"}");
	assert_int_equal(request.verb, CTL_WEB_SET);
	assert_true(slice_equal(request.text, slice_make("x\0y", 3)));
	ctl_web_request_free(&request);
	request = good("{\"do\": \"delete\", \"id\": 3, \"path\": \"/a\", \"rev\": 9}");
	assert_int_equal(request.verb, CTL_WEB_DELETE);
	assert_int_equal(request.rev, 9);
	ctl_web_request_free(&request);
	request = good("{\"do\": \"access\", \"secret\": \"swordfish\"}");
	assert_int_equal(request.verb, CTL_WEB_ACCESS);
	assert_true(slice_equal(request.text, slice_text("swordfish")));
	ctl_web_request_free(&request);
}

static void test_nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"7",
		"{}",
		"{\"do\": 7}",
		"{\"do\": \"fly\", \"id\": 1, \"path\": \"/\"}",
		"{\"do\": \"watch\", \"from\": 0}",
		"{\"do\": \"watch\", \"glob\": \"/**\", \"from\": -1}",
		"{\"do\": \"watch\", \"glob\": \"/**\", \"from\": 1.5}",
		"{\"do\": \"watch\", \"glob\": \"/**\", \"from\": 99999999999999999999}",
		"{\"do\": \"get\", \"path\": \"/a\"}",
		"{\"do\": \"get\", \"id\": \"1\", \"path\": \"/a\"}",
		"{\"do\": \"get\", \"id\": 1}",
		"{\"do\": \"get\", \"id\": 1, \"path\": \"/a\", \"most\": -1}",
		"{\"do\": \"get\", \"do\": \"get\", \"id\": 1, \"path\": \"/a\"}",
		"{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"text\": \"x\"}",
		"{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 0}",
		"{\"do\": \"delete\", \"id\": 1, \"path\": \"/a\"}",
		"{\"do\": \"get\", \"id\": 1, \"path\": \"\xff\"}",
		"{\"do\": \"access\"}",
		"{\"do\": \"access\", \"secret\": 7}",
	};
	struct ctl_web_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ctl_web_request_parse(slice_text(bad[i]), &request));
	}
}

static void test_every_beginning_is_refused(void **state)
{
	static const char text[] =
		"{\"do\": \"set\", \"id\": 3, \"path\": \"/a\", \"rev\": 0, \"text\": \"x\"}";
	struct ctl_web_request request;

	(void)state;
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		assert_false(ctl_web_request_parse(slice_make(text, size), &request));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_verb_is_understood),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_every_beginning_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
