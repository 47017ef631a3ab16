/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   each gets what it may be given and no more; a REJOIN is proposed only for who hears this
 *         leader's answers, once; only a leader's word is taken for one.
 * Method: FETCHes and ENTRIES by hand, each wrong in one way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/supply.h"
#include "tests/unit/body_fixture.h"

static struct paxos_msg fetch(unsigned node, struct paxos_ballot ballot)
{
	struct paxos_msg msg = body_msg(node, PAXOS_MSG_FETCH);

	msg.ballot = ballot;
	msg.index = 1;
	return msg;
}

/* What answers it, with its length; or UINT64_MAX: nothing does. */
static uint64_t ask(struct paxos_msg msg)
{
	uint64_t length;

	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	if (core->outbox.taken == core->outbox.count) {
		return UINT64_MAX;
	}
	length = core_expect(core, msg.node, PAXOS_MSG_ENTRIES).length;
	return length;
}

static void test_ballots_log_only_while_it_is_promised(void **state)
{
	(void)state;
	body_follow(body_ballot(1, 3));
	core_append_nops(core, 4);
	core_apply(core, 2);
	assert_int_equal(ask(fetch(1, body_ballot(1, 3))), 4);
	assert_true(ask(fetch(1, body_ballot(1, 2))) == UINT64_MAX);
	assert_true(ask(fetch(1, body_ballot(2, 3))) == UINT64_MAX);
}

static void test_decided_entries_for_members_alone(void **state)
{
	const struct paxos_ballot none = {0};
	struct paxos_msg msg = fetch(2, none);

	(void)state;
	core_append_nops(core, 4);
	core_apply(core, 2);
	assert_int_equal(ask(msg), 2);
	msg = fetch(5, none); /* was one, and has not heard that it is none */
	assert_int_equal(ask(msg), 2);
	msg.configuration = 0;
	assert_true(ask(msg) == UINT64_MAX);
	msg = fetch(2, none);
	msg.configuration = 0;
	assert_int_equal(ask(msg), 2);
	core->takes_part = false;
	assert_int_equal(ask(msg), 2); /* it is behind */
	msg.configuration = 1;
	assert_true(ask(msg) == UINT64_MAX);
}

/* What cannot be given to one of an earlier configuration: then it hears that this is over. */
static void test_who_is_mended_hears_of_a_later_configuration(void **state)
{
	struct paxos_msg msg = fetch(2, body_ballot(1, 3));

	(void)state;
	body_follow(body_ballot(1, 3));
	core_append_nops(core, 4);
	msg.flags = PAXOS_FLAG_REPAIR;
	assert_int_equal(ask(msg), 4);
	msg.index = 5;
	assert_true(ask(msg) == UINT64_MAX);
	core->configuration = 2;
	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	assert_int_equal(core_expect(core, 2, PAXOS_MSG_STOPPED).configuration, 2);
	msg.index = 1;
	assert_int_equal(ask(msg), 4); /* it can be given */
}

static void test_who_does_not_lead_names_no_ballot(void **state)
{
	struct paxos_msg msg = fetch(2, (struct paxos_ballot){0}), answer;

	(void)state;
	body_follow(body_ballot(1, 3));
	replica->leader.ballot = body_ballot(0, 2); /* it led once */
	replica->leader.adopted = 9;
	msg.flags = PAXOS_FLAG_OUTSIDER;
	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	answer = core_expect(core, 2, PAXOS_MSG_ENTRIES);
	assert_true(paxos_ballot_is_none(answer.ballot));
	assert_int_equal(answer.proof, 0);
	assert_int_equal(answer.decided, 0);
}

/* --- joining again -------------------------------------------------------------------------- */

/* Server 2 in its second life asks the leader. Returns the proof that it is told. */
static uint64_t outsider_asks(uint64_t incarnation, uint32_t start, uint64_t proof)
{
	struct paxos_msg msg = fetch(2, (struct paxos_ballot){0}), answer;

	msg.flags = PAXOS_FLAG_OUTSIDER;
	msg.incarnation = incarnation;
	msg.start = start;
	msg.proof = proof;
	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	answer = core_expect(core, 2, PAXOS_MSG_ENTRIES);
	assert_true(paxos_ballot_equal(answer.ballot, replica->leader.ballot));
	return answer.proof;
}

static void test_rejoin_for_who_says_the_proof_back(void **state)
{
	const uint64_t life = (uint64_t)2 << 32 | 5;
	uint64_t length, proof;

	(void)state;
	body_lead();
	body_settle();
	length = core->log.length;
	proof = outsider_asks(life, 1, 0);
	assert_true(proof != 0);
	assert_int_equal(core->log.length, length);
	assert_int_equal(outsider_asks(life, 1, proof + 1), proof);
	assert_true(outsider_asks(life, 2, proof) != proof); /* of another start */
	assert_true(outsider_asks(life + 1, 1, proof) != proof);
	assert_int_equal(core->log.length, length);
	assert_int_equal(outsider_asks(life, 1, proof), proof);
	assert_int_equal(core->log.length, length + 1);
	assert_int_equal(replica->naming[2], life);
	(void)outsider_asks(life, 1, proof); /* again */
	assert_int_equal(core->log.length, length + 1);
	body_settle();
	assert_true(store_member_incarnation(core->store, 2) == life);
	replica->naming[2] = 0;
	length = core->log.length;
	(void)outsider_asks(life, 1, proof);                             /* it is named already */
	(void)outsider_asks(life - 1, 1, outsider_asks(life - 1, 1, 0)); /* an earlier life */
	assert_int_equal(core->log.length, length);
}

static void test_no_rejoin_before_everything_adopted_is_applied(void **state)
{
	const uint64_t life = (uint64_t)2 << 32 | 5;
	uint64_t length;

	(void)state;
	body_lead();
	body_settle();
	length = core->log.length;
	replica->leader.adopted = core->decided + 1;
	(void)outsider_asks(life, 1, outsider_asks(life, 1, 0));
	assert_int_equal(core->log.length, length);
	assert_int_equal(replica->naming[2], 0);
}

static void test_stranger_is_not_named(void **state)
{
	struct paxos_msg msg = fetch(5, (struct paxos_ballot){0});
	uint64_t length;

	(void)state;
	body_lead();
	body_settle();
	length = core->log.length;
	msg.flags = PAXOS_FLAG_OUTSIDER;
	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	msg.proof = core_expect(core, 5, PAXOS_MSG_ENTRIES).proof;
	assert_true(msg.proof != 0);
	paxos_supply_fetch(replica, &msg);
	assert_int_equal(core->log.length, length);
}

static void test_learner_is_named_in_the_present_configuration(void **state)
{
	struct paxos_msg msg = fetch(5, (struct paxos_ballot){0});
	uint64_t length;

	(void)state;
	body_lead();
	body_settle();
	core_append(core, &(struct store_entry){
				  .kind = STORE_ENTRY_LEARNER, .node = 5, .is_added = true});
	body_settle();
	length = core->log.length;
	msg.flags = PAXOS_FLAG_OUTSIDER;
	core_empty_outbox(core);
	paxos_supply_fetch(replica, &msg);
	msg.proof = core_expect(core, 5, PAXOS_MSG_ENTRIES).proof;
	msg.configuration = 0; /* from who had this number before */
	paxos_supply_fetch(replica, &msg);
	assert_int_equal(core->log.length, length);
	msg.configuration = 1;
	msg.index = 3;
	paxos_supply_fetch(replica, &msg);
	assert_int_equal(core->log.length, length + 1);
	assert_int_equal(replica->learned[5], 2);
	assert_int_equal(replica->learned_ns[5], core->now_ns);
}

/* --- ENTRIES -------------------------------------------------------------------------------- */

static void test_only_the_asked_ones_own_ballot_is_followed(void **state)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_ENTRIES);

	(void)state;
	core->takes_part = false;
	core->role = PAXOS_OUTSIDER;
	paxos_intake_begin(core, &replica->intake, PAXOS_INTAKE_CATCHUP, 1,
	                   (struct paxos_ballot){0}, 0, 0, false);
	msg.transfer = replica->intake.transfer;
	msg.ballot = body_ballot(1, 4);
	msg.length = 9;
	msg.decided = 8;
	msg.proof = 77;
	msg.transfer--;
	paxos_supply_entries(replica, &msg); /* late */
	msg.transfer++;
	msg.node = 2;
	paxos_supply_entries(replica, &msg); /* was not asked */
	assert_int_equal(replica->intake.proof, 0);
	assert_int_equal(replica->catchup.decided, 0);
	msg.node = 1;
	paxos_supply_entries(replica, &msg);
	assert_int_equal(replica->intake.proof, 77);
	assert_int_equal(replica->catchup.decided, 9);
	assert_int_equal(replica->catchup.adopted, 8);
	assert_true(paxos_ballot_equal(replica->catchup.ballot, msg.ballot));
	assert_int_equal(core->leader, 1);
	msg.ballot = body_ballot(2, 5); /* nobody passes on another's */
	paxos_supply_entries(replica, &msg);
	assert_true(paxos_ballot_is_none(replica->catchup.ballot));
	assert_int_equal(core->leader, PAXOS_NOBODY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ballots_log_only_while_it_is_promised,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_decided_entries_for_members_alone, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_who_is_mended_hears_of_a_later_configuration,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_who_does_not_lead_names_no_ballot, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_rejoin_for_who_says_the_proof_back, body_begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_no_rejoin_before_everything_adopted_is_applied,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_stranger_is_not_named, body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_learner_is_named_in_the_present_configuration,
	                                        body_begin, body_end),
		cmocka_unit_test_setup_teardown(test_only_the_asked_ones_own_ballot_is_followed,
	                                        body_begin, body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
