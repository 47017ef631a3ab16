/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a secret is worth what it is set for; wrong ones are judged one in a time, whoever asks,
 *         and counted; none is passed over, and no source keeps the others out.
 * Method: guesses of the test, and its own clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/web_guard.h"

#define PAUSE (CTL_WEB_GUESS_MS * (uint64_t)1000000)

struct guess {
	struct ctl_web_guess guess;
	unsigned judged, rights, order;
};

static struct store_keys keys;
static struct ctl_web_guard guard;
static unsigned order;

static void on_judged(void *context, unsigned rights)
{
	struct guess *mine = context;

	mine->judged++;
	mine->rights = rights;
	mine->order = ++order;
}

static int open_guard(void **state)
{
	(void)state;
	keys = (struct store_keys){.rw = store_key_of(slice_text("write")),
	                           .ro = store_key_of(slice_text("read"))};
	ctl_web_guard_init(&guard, &keys);
	order = 0;
	return 0;
}

static bool ask(struct guess *guess, uint32_t source, const char *secret)
{
	guess->guess.judged = on_judged;
	guess->guess.context = guess;
	guess->guess.source = source;
	return ctl_web_guard_ask(&guard, &guess->guess, slice_text(secret));
}

static unsigned rights_of(const char *secret)
{
	struct guess guess = {0};

	assert_true(ask(&guess, 1, secret));
	assert_int_equal(ctl_web_guard_turn(&guard, guard.next_ns), 0);
	assert_int_equal(guess.judged, 1);
	return guess.rights;
}

static void test_what_a_secret_is_worth(void **state)
{
	static const char *const wrong[] = {"", "writ", "write ", "Write", "readwrite", "\n"};

	(void)state;
	assert_int_equal(ctl_web_guard_rights(&guard), 0);
	assert_int_equal(rights_of("write"), STORE_MAY_ALL);
	assert_int_equal(rights_of("read"), STORE_MAY_READ);
	assert_int_equal(guard.denied, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(rights_of(wrong[i]), 0);
		assert_int_equal(guard.denied, i + 1);
	}
	keys.ro.is_set = false;
	assert_int_equal(ctl_web_guard_rights(&guard), STORE_MAY_READ);
	assert_int_equal(rights_of(""), 0); /* it is no key */
	assert_int_equal(rights_of("read"), 0);
	keys.rw.is_set = false;
	assert_int_equal(ctl_web_guard_rights(&guard), STORE_MAY_ALL);
	assert_int_equal(rights_of("write"), 0);
}

static void test_a_wrong_one_holds_up_all_who_come_behind(void **state)
{
	struct guess wrong[3] = {0}, right = {0}, last = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(ask(&wrong[i], i, "x"));
	}
	assert_true(ask(&right, 7, "read"));
	assert_true(ask(&last, 8, "write"));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ctl_web_guard_turn(&guard, 10 + i * PAUSE), PAUSE);
		assert_int_equal(ctl_web_guard_turn(&guard, 10 + i * PAUSE + PAUSE - 1), 1);
		assert_int_equal(wrong[i].judged, 1);
		assert_int_equal(right.judged, 0);
	}
	assert_int_equal(ctl_web_guard_turn(&guard, 10 + 3 * PAUSE), 0);
	assert_int_equal(right.order, 4);
	assert_int_equal(last.order, 5); /* in the same turn: a right one holds up nobody */
	assert_int_equal(guard.denied, 3);
}

static void test_few_wait_and_fewer_of_one(void **state)
{
	struct guess many[CTL_WEB_GUESSES_MAX + 1] = {0}, again = {0};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i <= CTL_WEB_GUESSES_OF_ONE; i++) {
		taken += ask(&many[i], 9, "x") ? 1 : 0;
	}
	assert_int_equal(taken, CTL_WEB_GUESSES_OF_ONE);
	assert_false(ask(&many[0], 9, "x")); /* it waits already */
	for (unsigned i = taken; i <= CTL_WEB_GUESSES_MAX; i++) {
		taken += ask(&many[i], 100 + i, "x") ? 1 : 0;
	}
	assert_int_equal(taken, CTL_WEB_GUESSES_MAX);
	assert_false(ask(&again, 7, "write"));
	ctl_web_guard_forget(&guard, &many[3].guess);
	ctl_web_guard_forget(&guard, &many[3].guess);
	assert_true(ask(&again, 7, "write"));
	for (uint64_t now = 1; ctl_web_guard_turn(&guard, now) != 0; now += PAUSE) {
	}
	assert_int_equal(again.rights, STORE_MAY_ALL);
	assert_int_equal(again.order, CTL_WEB_GUESSES_MAX);
	assert_int_equal(many[3].judged, 0);
	assert_int_equal(guard.denied, CTL_WEB_GUESSES_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_a_secret_is_worth, open_guard),
		cmocka_unit_test_setup(test_a_wrong_one_holds_up_all_who_come_behind, open_guard),
		cmocka_unit_test_setup(test_few_wait_and_fewer_of_one, open_guard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
