/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a candidate adopts the log of highest rank of a majority that counts, fetched from where
 *         it must be, and says until when old grants bind it.
 * Method: promises by hand, each border of 4.1 a, b, g and i.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/candidate.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	LATE = 2, /* the incarnation that the log names for server 1 */
};

static const struct paxos_ballot low = {.configuration = 1, .round = 3, .node = 1};
static const struct paxos_ballot high = {.configuration = 1, .round = 4, .node = 2};
static const struct paxos_ballot own = {
	.configuration = 1, .round = 9, .incarnation = 1, .start = 1};

static struct paxos_core core;
static struct paxos_candidate candidate;
static struct paxos_intake intake;
static struct paxos_adoption adoption;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	core.promised = core.accepted = low;
	core_append(&core, &(struct store_entry){
				   .kind = STORE_ENTRY_REJOIN, .node = 1, .incarnation = LATE});
	core_append_nops(&core, 4);
	core_apply(&core, 2);
	assert_int_equal(paxos_intake_init(&intake, &core.config), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_intake_deinit(&intake);
	core_end(&core);
	return 0;
}

static struct paxos_msg promise(unsigned node, struct paxos_ballot accepted, uint64_t length)
{
	return (struct paxos_msg){.kind = PAXOS_MSG_PROMISE,
	                          .node = (uint8_t)node,
	                          .configuration = 1,
	                          .incarnation = LATE,
	                          .start = 1,
	                          .ballot = own,
	                          .accepted = accepted,
	                          .length = length,
	                          .decided = 2};
}

static void tell(struct paxos_msg msg)
{
	paxos_candidate_promise(&core, &candidate, &msg);
}

static bool advance(void)
{
	return paxos_candidate_advance(&core, &candidate, &intake, &adoption);
}

static void test_asks_when_its_own_promise_is_durable(void **state)
{
	struct paxos_msg msg;

	(void)state;
	core.config.durability = PAXOS_DISK;
	paxos_candidate_stand(&core, &candidate, own);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	paxos_core_durable(&core, core.outbox.record_last);
	msg = core_expect(&core, 1, PAXOS_MSG_PREPARE);
	assert_true(paxos_ballot_equal(msg.ballot, own));
	assert_true(paxos_ballot_equal(msg.accepted, low));
	assert_int_equal(msg.length, 5);
	assert_int_equal(msg.mask, 7);
	(void)core_expect(&core, 2, PAXOS_MSG_PREPARE);
}

static void test_own_log_of_equal_rank_is_kept(void **state)
{
	struct paxos_msg msg = promise(1, low, 5);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	assert_false(advance()); /* no majority */
	msg.decided = 4;
	tell(msg);
	assert_true(advance());
	assert_int_equal(core.log.length, 5);
	assert_true(paxos_ballot_equal(core.accepted, own));
	assert_true(paxos_ballot_equal(adoption.rank, low));
	assert_int_equal(adoption.decided, 4);
	assert_int_equal(intake.transfer, 0); /* nothing was fetched */
}

static void test_longer_log_of_one_ballot_comes_from_the_own_end(void **state)
{
	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(promise(2, low, 7));
	assert_false(advance());
	assert_int_equal(intake.purpose, PAXOS_INTAKE_ADOPT);
	assert_int_equal(intake.peer, 2);
	assert_int_equal(intake.cut, 5);
	assert_int_equal(intake.need, 7);
	assert_false(intake.wants_state);
}

static void test_log_that_is_not_the_one_promised_is_not_adopted(void **state)
{
	const struct slice entry = paxos_log_entry(&core.log, 2);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(promise(2, low, 6));
	assert_false(advance());
	assert_true(paxos_log_append(&intake.stage, entry));
	assert_true(paxos_log_append(&intake.stage, entry));
	assert_false(advance());
	paxos_log_cut(&intake.stage, 6);
	assert_true(advance());
	assert_int_equal(core.log.length, 6);
}

static void test_higher_ballot_counts_more_than_length(void **state)
{
	uint32_t transfer;

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(promise(1, low, 90));
	tell(promise(2, high, 3));
	assert_false(advance());
	assert_int_equal(intake.peer, 2);
	assert_int_equal(intake.cut, 2); /* what is decided here is in it */
	assert_int_equal(intake.need, 3);
	transfer = intake.transfer;
	assert_false(advance());
	assert_int_equal(intake.transfer, transfer); /* it is under way */
}

static void test_log_that_starts_later_comes_with_a_snapshot(void **state)
{
	struct paxos_msg msg = promise(2, high, 30);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	msg.base = 2;
	msg.decided = 20;
	tell(msg);
	assert_false(advance());
	assert_false(intake.wants_state); /* it begins right behind */
	paxos_intake_end(&intake);
	msg.base = 3;
	msg.start = 2; /* a later start says it anew */
	tell(msg);
	assert_false(advance());
	assert_true(intake.wants_state);
}

static void test_promise_of_a_life_that_is_over_is_void(void **state)
{
	struct paxos_msg msg = promise(1, low, 5);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	msg.incarnation = LATE - 1;
	tell(msg);
	assert_false(advance());
	msg.incarnation = LATE;
	tell(msg);
	assert_true(advance());
}

static void test_undecided_rejoin_in_the_log_voids_too(void **state)
{
	(void)state;
	core_append(&core, &(struct store_entry){
				   .kind = STORE_ENTRY_REJOIN, .node = 1, .incarnation = LATE + 1});
	paxos_candidate_stand(&core, &candidate, own);
	tell(promise(1, low, 5));
	assert_false(advance());
	tell(promise(2, low, 5));
	assert_true(advance());
}

static void test_promise_sent_again_changes_nothing(void **state)
{
	struct paxos_msg msg = promise(1, low, 5);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(msg);
	core.now_ns += MS;
	msg.length = 99;
	tell(msg);
	assert_int_equal(candidate.vows[1].length, 5);
	msg.start++;
	tell(msg);
	assert_int_equal(candidate.vows[1].length, 99);
	assert_int_equal(candidate.vows[1].arrived_ns, core.now_ns);
}

/* --- old grants ----------------------------------------------------------------------------- */

static uint64_t defer(void)
{
	return paxos_candidate_defer_until_ns(&core, &candidate);
}

/* Server 1 has granted 50 ms to a ballot of server 2. */
static struct paxos_msg granted(void)
{
	struct paxos_msg msg = promise(1, low, 5);

	msg.lease_ballot = high;
	msg.lease_ballot.incarnation = LATE;
	msg.lease_ballot.start = 1;
	msg.lease_left_ns = 50 * MS;
	return msg;
}

static void test_grant_binds_for_what_is_left_and_drift(void **state)
{
	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	assert_int_equal(defer(), 0);
	tell(granted());
	assert_int_equal(defer(),
	                 core.now_ns + paxos_lease_with_drift(50 * MS, core.config.drift_ppm));
	assert_true(defer() > core.now_ns + 50 * MS);
}

static void test_owner_that_promised_is_bound_no_more(void **state)
{
	struct paxos_msg msg = promise(2, low, 5);

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(granted());
	msg.start = 2; /* not the start that the grant was for */
	tell(msg);
	assert_true(defer() != 0);
	candidate.vows[2].start = 1;
	candidate.vows[2].incarnation++;
	assert_true(defer() != 0);
	candidate.vows[2].incarnation--;
	assert_int_equal(defer(), 0);
	candidate.vows[1].lease_unknown = true; /* to somebody else as well */
	assert_true(defer() != 0);
}

static void test_ballot_that_is_over_binds_no_more(void **state)
{
	struct paxos_msg msg = granted();

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(msg);
	core.peers[2].over = msg.lease_ballot;
	assert_int_equal(defer(), 0);
	core.peers[2].over.round--; /* an earlier one is */
	assert_true(defer() != 0);
	core.peers[2].over = msg.lease_ballot;
	core.peers[2].over.start++;
	assert_true(defer() != 0);
}

static void test_dead_owner_is_bound_no_more(void **state)
{
	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(granted());
	core.peers[2].is_dead = true;
	core.peers[2].dead_incarnation = LATE;
	core.peers[2].dead_start = 2;
	assert_true(defer() != 0);
	core.peers[2].dead_start = 1;
	assert_int_equal(defer(), 0);
}

static void test_grant_to_no_server_binds(void **state)
{
	struct paxos_msg msg = granted();

	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	msg.lease_ballot.node = 255;
	tell(msg);
	assert_true(defer() != 0);
}

/* --- time ----------------------------------------------------------------------------------- */

static void test_asks_again_only_who_has_not_promised(void **state)
{
	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	tell(promise(1, low, 5));
	core_empty_outbox(&core);
	assert_true(paxos_candidate_tick(&core, &candidate, &intake));
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	core.now_ns = paxos_candidate_deadline_ns(&candidate);
	assert_true(paxos_candidate_tick(&core, &candidate, &intake));
	(void)core_expect(&core, 2, PAXOS_MSG_PREPARE);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	assert_int_equal(paxos_candidate_deadline_ns(&candidate),
	                 core.now_ns + 2 * core.config.resend_ns);
}

static void test_gives_up_when_nothing_moves(void **state)
{
	(void)state;
	paxos_candidate_stand(&core, &candidate, own);
	core.now_ns += core.config.suspicion_ns - 1;
	assert_true(paxos_candidate_tick(&core, &candidate, &intake));
	tell(promise(1, low, 5));
	core.now_ns += core.config.suspicion_ns - 1;
	assert_true(paxos_candidate_tick(&core, &candidate, &intake));
	core.now_ns++;
	assert_false(paxos_candidate_tick(&core, &candidate, &intake));
	intake.purpose = PAXOS_INTAKE_ADOPT; /* entries still come */
	intake.progress_ns = core.now_ns;
	assert_true(paxos_candidate_tick(&core, &candidate, &intake));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_asks_when_its_own_promise_is_durable, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_own_log_of_equal_rank_is_kept, begin, end),
		cmocka_unit_test_setup_teardown(
			test_longer_log_of_one_ballot_comes_from_the_own_end, begin, end),
		cmocka_unit_test_setup_teardown(
			test_log_that_is_not_the_one_promised_is_not_adopted, begin, end),
		cmocka_unit_test_setup_teardown(test_higher_ballot_counts_more_than_length, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_log_that_starts_later_comes_with_a_snapshot,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_promise_of_a_life_that_is_over_is_void, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_undecided_rejoin_in_the_log_voids_too, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_promise_sent_again_changes_nothing, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_grant_binds_for_what_is_left_and_drift, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_owner_that_promised_is_bound_no_more, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_ballot_that_is_over_binds_no_more, begin, end),
		cmocka_unit_test_setup_teardown(test_dead_owner_is_bound_no_more, begin, end),
		cmocka_unit_test_setup_teardown(test_grant_to_no_server_binds, begin, end),
		cmocka_unit_test_setup_teardown(test_asks_again_only_who_has_not_promised, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_gives_up_when_nothing_moves, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
