/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a lease counts from the sending of a round that a majority answered, a grant is never
 *         shortened, and a second ballot makes it unknown (DESIGN 4.1 f).
 * Method: rounds and grants by hand; ballots and majorities, which both rest on, beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/lease.h"
#include "consensus/quorum.h"

static const struct paxos_ballot FIRST = {.configuration = 1, .round = 1, .node = 2};
static const struct paxos_ballot SECOND = {.configuration = 1, .round = 2, .node = 1};

static void test_lease_counts_from_the_sending_of_an_answered_round(void **state)
{
	struct paxos_rounds rounds = {0};

	(void)state;
	assert_int_equal(paxos_rounds_begin(&rounds, 1000, 0), 1);
	assert_int_equal(paxos_rounds_begin(&rounds, 2000, 0), 2);
	assert_int_equal(rounds.majority_sent_ns, 0);
	paxos_rounds_answer(&rounds, 1, 1, paxos_first(3));
	assert_int_equal(rounds.majority_sent_ns, 1000);
	paxos_rounds_answer(&rounds, 2, 1, paxos_first(3));
	paxos_rounds_answer(&rounds, 1, 2, paxos_first(3));
	assert_int_equal(rounds.majority_sent_ns, 2000);
}

static void test_answers_of_one_member_count_once(void **state)
{
	struct paxos_rounds rounds = {0};

	(void)state;
	(void)paxos_rounds_begin(&rounds, 1000, 0);
	paxos_rounds_answer(&rounds, 1, 1, paxos_first(5));
	paxos_rounds_answer(&rounds, 1, 1, paxos_first(5));
	assert_int_equal(rounds.majority_sent_ns, 0);
	paxos_rounds_answer(&rounds, 1, 4, paxos_first(5));
	assert_int_equal(rounds.majority_sent_ns, 1000);
}

static void test_rounds_that_ended_or_never_were_do_not_count(void **state)
{
	struct paxos_rounds rounds = {0};

	(void)state;
	(void)paxos_rounds_begin(&rounds, 1000, 0);
	paxos_rounds_answer(&rounds, 2, 1, paxos_first(3));
	assert_int_equal(rounds.majority_sent_ns, 0);
	paxos_rounds_end(&rounds);
	paxos_rounds_answer(&rounds, 1, 1, paxos_first(3));
	assert_int_equal(rounds.majority_sent_ns, 0);
	for (unsigned i = 0; i < PAXOS_ROUNDS; i++) {
		(void)paxos_rounds_begin(&rounds, 2000 + i, 0);
	}
	assert_int_equal(paxos_rounds_sent_ns(&rounds, 1), 0);
	paxos_rounds_answer(&rounds, 1, 1, paxos_first(3));
	assert_int_equal(rounds.majority_sent_ns, 0);
}

static void test_grant_is_never_shortened(void **state)
{
	struct paxos_grant grant = {0};

	(void)state;
	paxos_grant_give(&grant, 1000, 500, FIRST);
	assert_int_equal(paxos_grant_left_ns(&grant, 1200), 300);
	paxos_grant_give(&grant, 1100, 100, FIRST);
	assert_int_equal(paxos_grant_left_ns(&grant, 1200), 300);
	assert_false(paxos_grant_is_unknown(&grant, 1200));
	assert_int_equal(paxos_grant_left_ns(&grant, 1500), 0);
}

static void test_two_grants_that_run_are_unknown(void **state)
{
	struct paxos_grant grant = {0};

	(void)state;
	paxos_grant_give(&grant, 1000, 500, FIRST);
	paxos_grant_give(&grant, 1400, 50, SECOND);
	assert_true(paxos_grant_is_unknown(&grant, 1499));
	assert_int_equal(paxos_grant_left_ns(&grant, 1400), 100);
	paxos_grant_start(&grant, 3000, 500);
	paxos_grant_give(&grant, 3400, 50, SECOND);
	assert_true(paxos_grant_is_unknown(&grant, 3499));
	assert_int_equal(paxos_grant_left_ns(&grant, 3400), 100);
}

static void test_grant_is_known_again_once_the_former_one_ran_out(void **state)
{
	struct paxos_grant grant = {0};

	(void)state;
	paxos_grant_give(&grant, 1000, 500, FIRST);
	for (uint64_t now_ns = 1100; now_ns <= 2000; now_ns += 100) {
		paxos_grant_give(&grant, now_ns, 500, SECOND);
		assert_int_equal(paxos_grant_is_unknown(&grant, now_ns), now_ns < 1500);
		assert_int_equal(paxos_grant_left_ns(&grant, now_ns), 500);
	}
	assert_true(paxos_ballot_equal(grant.ballot, SECOND));
	paxos_grant_void(&grant);
	assert_int_equal(paxos_grant_left_ns(&grant, 2000), 0);
}

static void test_drift_only_adds(void **state)
{
	(void)state;
	assert_int_equal(paxos_lease_with_drift(0, 1000), 0);
	assert_int_equal(paxos_lease_with_drift(1, 1000), 2);
	assert_int_equal(paxos_lease_with_drift(60000000, 1000), 60060000);
	assert_true(paxos_lease_with_drift(3600ull * 1000000000, 500) == 3601800000000ull);
}

static void test_majority_is_more_than_half(void **state)
{
	const uint64_t votes[5] = {9, 3, 7, 0, 7};

	(void)state;
	assert_int_equal(paxos_majority_reached(votes, paxos_first(5)), 7);
	assert_int_equal(paxos_majority_reached(votes, paxos_first(3)), 7);
	assert_int_equal(paxos_majority_reached(votes, paxos_first(1)), 9);
	assert_false(paxos_is_majority(0x3, paxos_first(5)));
	assert_true(paxos_is_majority(0x13, paxos_first(5)));
}

static void test_only_voters_count(void **state)
{
	const uint64_t votes[STORE_NODES_MAX] = {9, 1, 8, [9] = 2, [15] = 3};
	const uint32_t voters = paxos_bit(1) | paxos_bit(9) | paxos_bit(15);
	unsigned node = 0, seen = 0;

	(void)state;
	assert_int_equal(paxos_majority_reached(votes, voters), 2);
	assert_false(paxos_is_majority(paxos_first(9), voters));
	assert_true(paxos_is_majority(paxos_bit(1) | paxos_bit(15), voters));
	assert_int_equal(paxos_majority(paxos_first(4)), 3);
	for (; paxos_each(voters, &node); node++) {
		seen |= paxos_bit(node);
	}
	assert_int_equal(seen, voters);
	assert_int_equal(node, STORE_NODES_MAX);
}

static void test_ballots_have_one_order(void **state)
{
	struct paxos_ballot other = FIRST;

	(void)state;
	assert_true(paxos_ballot_compare(FIRST, SECOND) < 0);
	assert_true(paxos_ballot_compare(SECOND, FIRST) > 0);
	other.start = 1;
	assert_true(paxos_ballot_compare(FIRST, other) < 0);
	other.configuration = 0;
	assert_true(paxos_ballot_compare(other, FIRST) < 0);
	assert_true(paxos_ballot_is_none((struct paxos_ballot){0}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease_counts_from_the_sending_of_an_answered_round),
		cmocka_unit_test(test_answers_of_one_member_count_once),
		cmocka_unit_test(test_rounds_that_ended_or_never_were_do_not_count),
		cmocka_unit_test(test_grant_is_never_shortened),
		cmocka_unit_test(test_two_grants_that_run_are_unknown),
		cmocka_unit_test(test_grant_is_known_again_once_the_former_one_ran_out),
		cmocka_unit_test(test_drift_only_adds),
		cmocka_unit_test(test_majority_is_more_than_half),
		cmocka_unit_test(test_only_voters_count),
		cmocka_unit_test(test_ballots_have_one_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
