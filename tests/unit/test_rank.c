/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a later start that has less than was acknowledged is found out; a late or an equal
 *         message is not mistaken for one.
 * Method: messages in the orders that a network makes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/rank.h"

static const struct paxos_ballot low = {.configuration = 1, .round = 3};
static const struct paxos_ballot high = {.configuration = 1, .round = 4};

static void test_late_messages_of_one_start(void **state)
{
	struct paxos_rank rank = {0};

	(void)state;
	paxos_rank_heard(&rank, 1, high, 10);
	paxos_rank_heard(&rank, 1, low, 90);
	paxos_rank_heard(&rank, 1, high, 5);
	assert_false(rank.falls);
	assert_int_equal(rank.length, 10);
	paxos_rank_heard(&rank, 2, high, 10);
	paxos_rank_heard(&rank, 1, low, 1);
	assert_false(rank.falls);
}

static void test_shorter_after_a_restart(void **state)
{
	struct paxos_rank rank = {0};

	(void)state;
	paxos_rank_heard(&rank, 1, high, 10);
	paxos_rank_heard(&rank, 2, high, 9);
	assert_true(rank.falls);
}

static void test_lower_ballot_after_two_restarts(void **state)
{
	struct paxos_rank rank = {0};

	(void)state;
	paxos_rank_heard(&rank, 1, high, 10);
	/* The start in between told nothing. */
	paxos_rank_heard(&rank, 3, low, 1000);
	assert_true(rank.falls);
	paxos_rank_heard(&rank, 4, high, 100);
	assert_true(rank.falls);
}

static void test_two_lives_with_one_number(void **state)
{
	struct paxos_rank rank = {0};

	(void)state;
	paxos_rank_lives(&rank, 2, 77);
	paxos_rank_lives(&rank, 2, 77);
	paxos_rank_lives(&rank, 1, 66); /* long on its way */
	paxos_rank_lives(&rank, 3, 0);  /* has none */
	paxos_rank_lives(&rank, 4, 88);
	assert_false(rank.falls);
	paxos_rank_lives(&rank, 4, 89);
	assert_true(rank.falls);
}

static void test_lower_start_than_one_that_answered(void **state)
{
	const struct paxos_rank rank = {.incarnation = 5, .answered = 3, .start = 9};

	(void)state;
	assert_true(paxos_rank_is_over(&rank, 5, 2));
	assert_false(paxos_rank_is_over(&rank, 5, 3));
	assert_false(paxos_rank_is_over(&rank, 6, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_messages_of_one_start),
		cmocka_unit_test(test_shorter_after_a_restart),
		cmocka_unit_test(test_lower_ballot_after_two_restarts),
		cmocka_unit_test(test_two_lives_with_one_number),
		cmocka_unit_test(test_lower_start_than_one_that_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
