/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a list of servers is taken as it stands, Doozer's URI is taken apart, and what is neither
 *         is refused.
 * Method: texts, and what must come of them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "control/client/place.h"

static struct ctl_place place;

static void test_list_is_taken_as_it_stands(void **state)
{
	(void)state;
	assert_int_equal(ctl_place_parse(&place, "10.0.0.1, a.example:8047"), 0);
	assert_string_equal(place.servers, "10.0.0.1, a.example:8047");
	assert_string_equal(place.name, "");
	assert_string_equal(place.secret, "");
	assert_int_equal(ctl_place_parse(&place, ""), 0);
	assert_string_equal(place.servers, "");
}

static void test_uri_is_taken_apart(void **state)
{
	(void)state;
	assert_int_equal(
		ctl_place_parse(&place, "doozer:?ca=10.0.0.1:8046&ca=b&cn=db&sk=a%26b+c&un=me"), 0);
	assert_string_equal(place.servers, "10.0.0.1:8046,b");
	assert_string_equal(place.name, "db");
	assert_string_equal(place.secret, "a&b c");
	assert_int_equal(ctl_place_parse(&place, "doozer:?cn=x"), 0);
	assert_string_equal(place.servers, "");
	assert_string_equal(place.name, "x");
	assert_int_equal(ctl_place_parse(&place, "doozer:?"), 0);
}

static void test_what_is_neither_is_refused(void **state)
{
	static const char *const texts[] = {"doozer:?ca", "doozer:?xx=1",    "doozer:?sk=%4",
	                                    "doozer:?&",  "doozer:?sk=a%zz", "doozer:?sk=%00"};
	char text[2 * CTL_PLACE_SIZE] = "doozer:?";

	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(ctl_place_parse(&place, texts[i]), -EINVAL);
	}
	memset(text + strlen(text), 'x', CTL_PLACE_SIZE);
	assert_int_equal(ctl_place_parse(&place, text), -E2BIG);
	text[CTL_PLACE_SIZE - 1] = '\0';
	assert_int_equal(ctl_place_parse(&place, text + 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_is_taken_as_it_stands),
		cmocka_unit_test(test_uri_is_taken_apart),
		cmocka_unit_test(test_what_is_neither_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
