/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/members.h"

static struct store_entry members_entry(uint32_t configuration, uint32_t voters, uint32_t learners)
{
	return (struct store_entry){.kind = STORE_ENTRY_MEMBERS,
	                            .configuration = configuration,
	                            .voters = voters,
	                            .learners = learners};
}

static void learner(struct store_members *members, uint64_t index, uint8_t node, bool is_added,
                    uint32_t ip)
{
	const struct store_entry entry = {.kind = STORE_ENTRY_LEARNER,
	                                  .node = node,
	                                  .is_added = is_added,
	                                  .address = {.ip = ip, .port = 8046}};

	store_members_apply(members, index, &entry);
	assert_true(store_members_is_good(members, index));
}

static void name(struct store_members *members, uint64_t index, uint8_t node, uint64_t incarnation)
{
	const struct store_entry entry = {
		.kind = STORE_ENTRY_REJOIN, .node = node, .incarnation = incarnation};

	store_members_apply(members, index, &entry);
	assert_true(store_members_is_good(members, index));
}

static struct store_members founded(void)
{
	const struct store_entry entry = members_entry(1, 7, 0);
	struct store_members members = {0};

	assert_true(store_members_is_good(&members, 0));
	store_members_apply(&members, 1, &entry);
	assert_true(store_members_is_good(&members, 1));
	return members;
}

static void test_a_learner_becomes_a_voter_and_the_other_is_forgotten(void **state)
{
	struct store_members members = founded();
	struct store_entry entry = members_entry(2, 0xb, 0);

	(void)state;
	name(&members, 2, 2, 22);
	learner(&members, 3, 3, true, 0x0a000004);
	assert_int_equal(members.learners, 8);
	name(&members, 4, 3, 33);
	entry.addresses[0] = (struct store_address){0x0a000001, 8046};
	store_members_apply(&members, 5, &entry);
	assert_true(store_members_is_good(&members, 5));
	assert_int_equal(members.configuration, 2);
	assert_int_equal(members.voters, 0xb);
	assert_int_equal(members.learners, 0);
	assert_int_equal(members.since, 5);
	assert_int_equal(members.member[2].incarnation, 0);
	assert_int_equal(members.member[3].incarnation, 33);
	assert_int_equal(members.member[3].named, 4);
	assert_int_equal(members.member[3].address.ip, 0x0a000004);
	assert_int_equal(members.member[0].address.ip, 0x0a000001);
}

static void test_what_does_not_follow_does_nothing(void **state)
{
	struct store_members members = founded();
	const struct store_entry again = members_entry(1, 1, 0), later = members_entry(3, 1, 0);

	(void)state;
	store_members_apply(&members, 2, &again);
	store_members_apply(&members, 3, &later);
	assert_int_equal(members.configuration, 1);
	assert_int_equal(members.voters, 7);
	learner(&members, 4, 0, true, 1); /* votes already */
	assert_int_equal(members.learners, 0);
	name(&members, 5, 9, 99); /* is nobody */
	assert_int_equal(members.member[9].incarnation, 0);
	learner(&members, 6, 0, false, 1);
	assert_int_equal(members.voters, 7);
}

static void test_another_machine_under_a_learners_number_has_no_incarnation(void **state)
{
	struct store_members members = founded();

	(void)state;
	learner(&members, 2, 5, true, 1);
	name(&members, 3, 5, 55);
	learner(&members, 4, 5, true, 1);
	assert_int_equal(members.member[5].incarnation, 55);
	learner(&members, 5, 5, true, 2);
	assert_int_equal(members.member[5].incarnation, 0);
	learner(&members, 6, 5, false, 2);
	assert_int_equal(members.learners, 0);
	assert_int_equal(members.member[5].address.ip, 0);
}

static void test_impossible_members_are_known(void **state)
{
	struct store_members members = founded();

	(void)state;
	members.learners = 1;
	assert_false(store_members_is_good(&members, 9));
	members = founded();
	members.voters = 0xff;
	assert_false(store_members_is_good(&members, 9));
	members = founded();
	members.since = 10;
	assert_false(store_members_is_good(&members, 9));
	members = founded();
	members.configuration = 0;
	assert_false(store_members_is_good(&members, 9));
	members = founded();
	members.member[3].named = 10;
	assert_false(store_members_is_good(&members, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_learner_becomes_a_voter_and_the_other_is_forgotten),
		cmocka_unit_test(test_what_does_not_follow_does_nothing),
		cmocka_unit_test(test_another_machine_under_a_learners_number_has_no_incarnation),
		cmocka_unit_test(test_impossible_members_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
