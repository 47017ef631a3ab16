/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   each change of leadership is kept once, in order, and the oldest are forgotten.
 * Method: statuses one after the other; the list they come out with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "control/web_reigns.h"

/* Notes a status; returns how many changes it lists, and the first and the last leader. */
static size_t note(struct ctl_web_reigns *reigns, int leader, int round, uint64_t now_ms,
                   json_int_t *ret_first, json_int_t *ret_last)
{
	json_t *status = json_pack("{s:i, s:{s:i}}", "leader", leader, "ballot", "round", round);
	const json_t *list;
	size_t count;

	ctl_web_reigns_note(reigns, status, now_ms);
	list = json_object_get(status, "leaders");
	count = json_array_size(list);
	assert_int_equal(json_integer_value(json_object_get(status, "time_ms")), now_ms);
	*ret_first = json_integer_value(json_object_get(json_array_get(list, 0), "leader"));
	*ret_last = json_integer_value(json_object_get(json_array_get(list, count - 1), "leader"));
	json_decref(status);
	return count;
}

static void test_only_changes_are_kept(void **state)
{
	struct ctl_web_reigns reigns = {0};
	json_int_t first, last;

	(void)state;
	assert_int_equal(note(&reigns, 0, 0, 10, &first, &last), 1);
	assert_int_equal(note(&reigns, 2, 1, 20, &first, &last), 2);
	assert_int_equal(note(&reigns, 2, 1, 30, &first, &last), 2);
	assert_int_equal(last, 2);
	assert_int_equal(note(&reigns, 2, 2, 40, &first, &last), 3); /* elected again */
	assert_int_equal(note(&reigns, 0, 2, 50, &first, &last), 4);
	assert_int_equal(note(&reigns, 0, 3, 60, &first, &last), 4); /* nobody is nobody */
	assert_int_equal(first, 0);
	assert_int_equal(last, 0);
}

static void test_the_oldest_are_forgotten(void **state)
{
	struct ctl_web_reigns reigns = {0};
	json_int_t first, last;

	(void)state;
	for (int i = 1; i <= CTL_WEB_REIGNS_MAX + 5; i++) {
		(void)note(&reigns, i, i, (uint64_t)i, &first, &last);
	}
	assert_int_equal(note(&reigns, 1000, 1, 1000, &first, &last), CTL_WEB_REIGNS_MAX);
	assert_int_equal(first, 7);
	assert_int_equal(last, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_changes_are_kept),
		cmocka_unit_test(test_the_oldest_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
