/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   harm leaves a majority whole of whoever may vote soon, not only of those who vote now.
 * Method: servers 0, 1 and 2 vote and 3 does not; changes are asked for, and what may come of them
 *         is judged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/changes.h"

enum {
	NOW_NS = 1000,
	UNTIL_NS = 2000,
	ALL = STORE_NODES_MAX,
};

/* A set of servers: bit i is server i. */
enum {
	S0 = 1,
	S1 = 2,
	S2 = 4,
	S3 = 8,
};

static struct checker checker;
static struct changes changes;

static int setup(void **state)
{
	(void)state;
	changes = (struct changes){.count = 0};
	checker_init(&checker, NULL, NULL, 4, PAXOS_DISK,
	             &(struct store_config){.quota_bytes = 1 << 20,
	                                    .sessions_max = 4,
	                                    .grants_max = 4,
	                                    .killed_max = 4});
	checker.founders = S0 | S1 | S2;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	checker_deinit(&checker);
	return 0;
}

static void ask(uint32_t add, uint32_t remove)
{
	assert_true(changes_put(&changes, NOW_NS, add, remove, UNTIL_NS));
}

static bool leave(uint32_t impaired, unsigned node)
{
	return changes_leave_majority(&changes, &checker, NOW_NS, impaired, node);
}

static void test_a_minority_may_be_hurt(void **state)
{
	(void)state;
	assert_true(leave(S0, ALL));
	assert_true(leave(S0 | S3, ALL));
	assert_false(leave(S0 | S1, ALL));
	assert_true(leave(S0 | S1 | S3, 3)); /* it has no vote to lose */
}

/* coffer-sim 304381 --servers 3, before changes were judged together. */
static void test_changes_are_judged_together(void **state)
{
	(void)state;
	ask(S3, S2);
	assert_true(leave(S3, ALL)); /* 0 and 1 are whole */
	changes = (struct changes){.count = 0};
	ask(0, S0 | S2);
	assert_true(leave(S3, ALL)); /* 1 is */
	ask(S3, S2);
	assert_false(leave(S3, ALL)); /* of 1 and 3, one */
	assert_true(leave(S2, 3));
}

static void test_who_joins_soon_has_a_vote_to_lose(void **state)
{
	(void)state;
	assert_true(leave(S0 | S3, 3));
	ask(S3, 0);
	assert_false(leave(S0 | S3, 3));
	assert_true(leave(S3, 3));
}

static void test_what_an_undecided_entry_says_is_changed_further(void **state)
{
	(void)state;
	checker.server[2].next_voters = S1;
	assert_true(leave(S3, ALL));
	ask(S3, 0);
	assert_false(leave(S3, ALL));
}

static void test_a_change_is_forgotten_when_its_time_is_over(void **state)
{
	(void)state;
	ask(S3, S0 | S2);
	assert_false(leave(S3, ALL));
	assert_true(changes_leave_majority(&changes, &checker, UNTIL_NS, S3, ALL));
	for (unsigned i = 1; i < CHANGES_MAX; i++) {
		ask(S3, S0 | S2);
	}
	assert_false(changes_put(&changes, NOW_NS, S3, 0, UNTIL_NS));
	assert_true(changes_put(&changes, UNTIL_NS, S3, 0, UNTIL_NS + 1));
	assert_int_equal(changes.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_minority_may_be_hurt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_are_judged_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_joins_soon_has_a_vote_to_lose, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(
			test_what_an_undecided_entry_says_is_changed_further, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_change_is_forgotten_when_its_time_is_over,
	                                        setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
