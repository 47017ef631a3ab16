/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the aim goes where the leader is, passes over the silent, and time-outs stay in bounds.
 * Method: silences, hints and round trips told one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/client_route.h"

#define MS ((uint64_t)1000 * 1000)

static struct client_route make(unsigned count)
{
	struct client_route route;

	client_route_init(&route, count, 3);
	route.first_ns = 100 * MS;
	route.min_ns = 2 * MS;
	route.max_ns = 500 * MS;
	return route;
}

static void test_two_silences_move_the_aim(void **state)
{
	struct client_route route = make(3);

	(void)state;
	client_route_silence(&route, 10, 0, 5);
	assert_int_equal(route.aim, 0);
	client_route_silence(&route, 11, 0, 6); /* sent before the last strike: the same silence */
	assert_int_equal(route.aim, 0);
	client_route_silence(&route, 20, 0, 10);
	assert_int_equal(route.aim, 1);
	assert_true(client_route_is_silent(&route, 20, 0));
	assert_false(client_route_is_silent(&route, 20 + 300 * MS, 0));
	client_route_heard(&route, 21, 0, 1);
	assert_false(client_route_is_silent(&route, 21, 0));
}

static void test_word_from_a_server_outweighs_a_loss(void **state)
{
	struct client_route route = make(3);

	(void)state;
	client_route_silence(&route, 10, 0, 5);
	client_route_heard(&route, 15, 0, 0);
	client_route_silence(&route, 20, 0, 12); /* heard since it was sent */
	client_route_silence(&route, 30, 0, 16);
	assert_int_equal(route.aim, 0);
}

static void test_silent_servers_are_passed_over(void **state)
{
	struct client_route route = make(3);

	(void)state;
	client_route_refused(&route, 10, 1);
	assert_int_equal(route.aim, 0);
	client_route_refused(&route, 10, 0);
	assert_int_equal(route.aim, 2);
	client_route_refused(&route, 10, 2);
	assert_int_equal(route.aim, 0); /* all are: whoever comes next */
	assert_int_not_equal(route.near, 3);
}

static void test_hints_are_followed_unless_silent(void **state)
{
	struct client_route route = make(3);

	(void)state;
	assert_true(client_route_redirect(&route, 10, 0, 3));
	assert_int_equal(route.aim, 2);
	client_route_refused(&route, 10, 1);
	assert_false(client_route_redirect(&route, 10, 2, 2));
	assert_int_equal(route.aim, 0);
	assert_false(client_route_redirect(&route, 10, 0, 0));
	assert_int_equal(route.aim, 2);
	assert_false(client_route_redirect(&route, 10, 2, 7)); /* not in the list */
	assert_int_equal(route.aim, 0);
	assert_true(client_route_redirect(&route, 10, 2, 0)); /* 0 is the aim by now */
	assert_int_equal(route.aim, 0);
}

static void test_silent_server_that_is_named_leader_is_soon_asked_again(void **state)
{
	struct client_route route = make(3);

	(void)state;
	client_route_refused(&route, 10, 2);
	assert_false(client_route_redirect(&route, 10 + 199 * MS, 0, 3));
	assert_int_equal(route.aim, 1);
	assert_true(client_route_redirect(&route, 10 + 200 * MS, 1, 3));
	assert_int_equal(route.aim, 2);
	/* One more silence, and it is passed over for as long again. */
	client_route_silence(&route, 300 * MS, 2, 210 * MS);
	assert_int_equal(route.aim, 0);
	assert_false(client_route_redirect(&route, 499 * MS, 0, 3));
	client_route_sample(&route, 4 * MS); /* 4 + 4 * 2 */
	assert_true(client_route_redirect(&route, 324 * MS, 1, 3));
}

static void test_only_server_stays_the_aim(void **state)
{
	struct client_route route = make(1);

	(void)state;
	client_route_refused(&route, 10, 0);
	assert_int_equal(route.aim, 0);
	assert_false(client_route_redirect(&route, 10, 0, 1));
	assert_int_equal(route.aim, 0);
}

static void test_time_outs_stay_in_bounds(void **state)
{
	struct client_route route = make(3);

	(void)state;
	assert_in_range(client_route_timeout_ns(&route, 0), 100 * MS, 113 * MS);
	assert_in_range(client_route_timeout_ns(&route, 50), 500 * MS, 563 * MS);
	for (unsigned i = 0; i < 100; i++) {
		client_route_sample(&route, 0);
	}
	assert_in_range(client_route_timeout_ns(&route, 0), 2 * MS, 3 * MS);
	assert_in_range(client_route_pause_ns(&route, 60, 20 * MS), 10 * MS, 20 * MS);
	for (unsigned i = 0; i < 100; i++) {
		client_route_sample(&route, 3600000 * MS);
	}
	assert_in_range(client_route_timeout_ns(&route, 0), 500 * MS, 563 * MS);
}

static void test_smoothing_follows_the_samples(void **state)
{
	struct client_route route = make(3);

	(void)state;
	client_route_sample(&route, 10 * MS);
	assert_true(route.smooth_ns == 10 * MS);
	assert_true(route.variation_ns == 5 * MS);
	client_route_sample(&route, 18 * MS);
	assert_true(route.smooth_ns == 11 * MS);
	assert_true(route.variation_ns == (15 * MS + 8 * MS) / 4);
}

static void test_late_answers_make_time_outs_longer_until_one_is_measured(void **state)
{
	struct client_route route = make(3);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		client_route_sample(&route, 0);
	}
	client_route_late(&route, 6 * MS);
	client_route_late(&route, 5 * MS);
	assert_in_range(client_route_timeout_ns(&route, 0), 6 * MS, 7 * MS);
	assert_in_range(client_route_timeout_ns(&route, 2), 8 * MS, 9 * MS);
	assert_in_range(client_route_pause_ns(&route, 0, 500 * MS), MS, 2 * MS);
	client_route_sample(&route, 0);
	assert_in_range(client_route_timeout_ns(&route, 0), 2 * MS, 3 * MS);
	client_route_late(&route, 3600000 * MS);
	assert_in_range(client_route_timeout_ns(&route, 0), 500 * MS, 563 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_silences_move_the_aim),
		cmocka_unit_test(test_word_from_a_server_outweighs_a_loss),
		cmocka_unit_test(test_silent_servers_are_passed_over),
		cmocka_unit_test(test_hints_are_followed_unless_silent),
		cmocka_unit_test(test_silent_server_that_is_named_leader_is_soon_asked_again),
		cmocka_unit_test(test_only_server_stays_the_aim),
		cmocka_unit_test(test_time_outs_stay_in_bounds),
		cmocka_unit_test(test_smoothing_follows_the_samples),
		cmocka_unit_test(test_late_answers_make_time_outs_longer_until_one_is_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
