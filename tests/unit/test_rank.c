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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_messages_of_one_start),
		cmocka_unit_test(test_shorter_after_a_restart),
		cmocka_unit_test(test_lower_ballot_after_two_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
