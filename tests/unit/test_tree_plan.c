/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a plan for /ctl asks for what an operator wrote into the seats, and for nothing else; it
 *         writes what is missing, puts right what is wrong, and comes to rest, from wherever one
 *         that went before it was cut short.
 * Method: files in memory, to which plans are applied, one action at a time or all; the members
 *         change only where a test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/tree_plan.h"

enum {
	TURNS_MAX = 40
};

static struct ctl_tree tree;
static struct ctl_tree_facts facts;
static struct ctl_tree_plan plan;
static store_rev_t revision;

static void put(const char *path, const char *value)
{
	struct ctl_tree_file *file = NULL;

	for (unsigned i = 0; i < tree.count && file == NULL; i++) {
		file = strcmp(tree.files[i].path, path) == 0 ? &tree.files[i] : NULL;
	}
	if (file == NULL && value == NULL) {
		return;
	}
	if (file == NULL) {
		file = &tree.files[tree.count++];
	}
	if (value == NULL) {
		*file = tree.files[--tree.count];
		return;
	}
	file->revision = ++revision;
	file->is_known = true;
	file->is_odd = false;
	(void)snprintf(file->path, sizeof(file->path), "%s", path);
	(void)snprintf(file->value, sizeof(file->value), "%s", value);
}

static const char *get(const char *path)
{
	const struct ctl_tree_file *file = ctl_tree_find(&tree, path);

	return file == NULL ? NULL : file->value;
}

static void act(const struct ctl_tree_action *action)
{
	const struct ctl_tree_file *file = ctl_tree_find(&tree, action->path);

	if (action->revision == STORE_REV_ANY ||
	    action->revision == (file == NULL ? 0 : file->revision)) {
		put(action->path, action->is_delete ? NULL : action->value);
	}
}

/* Plans and writes, `actions` of each plan, until there is nothing to be written. */
static void settle(unsigned actions)
{
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		ctl_tree_make_plan(&tree, &facts, &plan);
		if (plan.count == 0) {
			return;
		}
		assert_true(plan.count == 0 || (plan.add | plan.remove) == 0 || !plan.moves_seats);
		for (unsigned i = 0; i < plan.count && i < actions; i++) {
			act(&plan.actions[i]);
		}
	}
	fail_msg("plans do not come to rest");
}

static const char *id(unsigned number)
{
	return facts.members[number - 1].id;
}

static void make_member(unsigned number, bool is_voter)
{
	struct ctl_tree_member *member = &facts.members[number - 1];

	*member = (struct ctl_tree_member){
		.is_voter = is_voter,
		.is_learner = !is_voter,
		.is_ready = true,
		.address = {.ip = 0x0a000000 + number, .port = STORE_PORT},
	};
	ctl_node_id(7, number - 1, 100 + number, member->id);
}

static int begin(void **state)
{
	(void)state;
	memset(&tree, 0, sizeof(tree));
	revision = 0;
	facts = (struct ctl_tree_facts){.name = "local",
	                                .config = "x = 1\n",
	                                .hostname = "host",
	                                .version = "0",
	                                .leads = true,
	                                .refusal = "no"};
	for (unsigned number = 1; number <= 3; number++) {
		make_member(number, true);
	}
	make_member(4, false);
	settle(CTL_TREE_ACTIONS_MAX);
	return 0;
}

static char *record(unsigned number)
{
	static char path[CTL_TREE_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/ctl/node/%.16s/seat", id(number));
	return path;
}

static void assert_seats(const char *const seats[4])
{
	static const char *const paths[4] = {"/ctl/cal/0", "/ctl/cal/1", "/ctl/cal/2",
	                                     "/ctl/cal/3"};

	for (unsigned i = 0; i < 4; i++) {
		if (seats[i] == NULL) {
			assert_null(get(paths[i]));
		} else {
			assert_non_null(get(paths[i]));
			assert_string_equal(get(paths[i]), seats[i]);
		}
	}
	assert_int_equal(plan.add | plan.remove, 0);
}

static void test_founders_get_seats_and_records(void **state)
{
	(void)state;
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
	assert_string_equal(get(record(2)), "1");
	assert_null(get(record(4)));
	assert_string_equal(get("/ctl/name"), "local");
}

static void test_only_who_leads_touches_seats(void **state)
{
	(void)state;
	facts.leads = false;
	put("/ctl/cal/1", NULL);
	put("/ctl/name", "x");
	facts.own = 3;
	settle(CTL_TREE_ACTIONS_MAX);
	assert_int_equal(plan.add | plan.remove, 0);
	assert_string_equal(get("/ctl/name"), "x");
}

static void test_empty_seat_takes_a_spare(void **state)
{
	(void)state;
	put("/ctl/cal/3", "");
	settle(CTL_TREE_ACTIONS_MAX);
	assert_string_equal(get("/ctl/cal/3"), id(4));
	assert_int_equal(plan.add, 8);
	assert_int_equal(plan.remove, 0);
	make_member(4, true);
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), id(4)});
	assert_string_equal(get(record(4)), "3");
}

static void test_empty_seat_waits_without_a_spare(void **state)
{
	(void)state;
	facts.members[3].is_ready = false;
	put("/ctl/cal/3", "");
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), ""});
}

static void test_seat_that_is_gone_removes(void **state)
{
	(void)state;
	put("/ctl/cal/1", NULL);
	settle(CTL_TREE_ACTIONS_MAX);
	assert_int_equal(plan.remove, 2);
	assert_int_equal(plan.add, 0);
	memset(&facts.members[1], 0, sizeof(facts.members[1]));
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), NULL, id(3), NULL});
}

static void test_emptied_seat_is_given_to_a_spare(void **state)
{
	(void)state;
	put("/ctl/cal/1", "");
	settle(CTL_TREE_ACTIONS_MAX);
	assert_int_equal(plan.remove, 2);
	assert_int_equal(plan.add, 8);
}

static void test_refused_wishes_are_put_back(void **state)
{
	(void)state;
	put("/ctl/cal/1", NULL);
	settle(CTL_TREE_ACTIONS_MAX);
	facts.refused_remove = plan.remove;
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
	assert_string_equal(get("/ctl/err"), "no");

	put("/ctl/cal/2", id(4));
	settle(CTL_TREE_ACTIONS_MAX);
	assert_int_equal(plan.add, 8);
	assert_int_equal(plan.remove, 4);
	facts.refused_add = plan.add;
	facts.refused_remove = plan.remove;
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});

	put("/ctl/cal/3", "");
	settle(CTL_TREE_ACTIONS_MAX);
	facts.refused_add = plan.add;
	facts.refused_remove = plan.remove;
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
}

static void test_nonsense_in_a_seat_removes_nobody(void **state)
{
	static const char *const wrong[] = {"nonsense", "AAAAAAAAAAAAAAAA", " "};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		put("/ctl/cal/1", wrong[i]);
		ctl_tree_make_plan(&tree, &facts, &plan);
		assert_int_equal(plan.remove | plan.add, 0);
		settle(CTL_TREE_ACTIONS_MAX);
		assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
		assert_non_null(get("/ctl/err"));
	}
	put("/ctl/cal/1", id(3)); /* who has one gets no other */
	settle(CTL_TREE_ACTIONS_MAX);
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
}

/* Whatever a plan before was cut short at, the next goes on: nobody is removed or promoted. */
static void test_demoted_voter_is_cleared_step_by_step(void **state)
{
	(void)state;
	for (unsigned actions = 1; actions <= 3; actions++) {
		make_member(2, false);
		settle(actions);
		assert_seats((const char *const[4]){id(1), NULL, id(3), NULL});
		assert_null(get(record(2)));
		make_member(2, true);
		settle(actions);
		assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
	}
	for (unsigned turns = 1; turns <= 4; turns++) {
		make_member(2, false);
		for (unsigned i = 0; i < turns; i++) {
			ctl_tree_make_plan(&tree, &facts, &plan);
			assert_int_equal(plan.add | plan.remove, 0);
			if (plan.count != 0) {
				act(&plan.actions[0]);
			}
		}
		make_member(2, true); /* it votes again in the midst of it */
		settle(1);
		assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
	}
}

static void test_new_incarnation_takes_the_place_of_the_former(void **state)
{
	char former[CTL_NODE_ID_SIZE], path[CTL_TREE_PATH_SIZE];

	(void)state;
	memcpy(former, id(2), sizeof(former));
	(void)snprintf(path, sizeof(path), "/ctl/node/%s/addr", former);
	put(path, "10.0.0.2:8046");
	ctl_node_id(7, 1, 999, facts.members[1].id);
	settle(1);
	assert_seats((const char *const[4]){id(1), id(2), id(3), NULL});
	assert_null(get(path));
}

static void test_joining_gives_a_number_and_ends(void **state)
{
	(void)state;
	put("/ctl/join/x", "10.0.0.9:8046");
	settle(CTL_TREE_ACTIONS_MAX);
	assert_int_equal(plan.add, 16);
	assert_true(plan.as_learners);
	assert_int_equal(plan.address.ip, 0x0a000009);
	facts.members[4] = (struct ctl_tree_member){.is_learner = true, .address = plan.address};
	settle(CTL_TREE_ACTIONS_MAX);
	assert_string_equal(get("/ctl/join/x"), "10.0.0.9:8046 5");
	ctl_node_id(7, 4, 1, facts.members[4].id);
	settle(CTL_TREE_ACTIONS_MAX);
	assert_null(get("/ctl/join/x"));
	assert_null(get("/ctl/err"));
}

/* Who asked looks for the reason once the request is gone, in whatever order a plan is written. */
static void assert_refusal_is_told_first(void)
{
	ctl_tree_make_plan(&tree, &facts, &plan);
	for (unsigned turn = 0; turn < TURNS_MAX && plan.count != 0; turn++) {
		for (unsigned i = 0; i < plan.count; i++) {
			if (strcmp(plan.actions[i].path, "/ctl/join/x") == 0) {
				assert_true(plan.actions[i].is_delete);
				assert_non_null(get("/ctl/err"));
				assert_memory_equal(get("/ctl/err"), "/ctl/join/x: ", 13);
			}
		}
		for (unsigned i = 0; i < plan.count; i++) {
			act(&plan.actions[i]);
		}
		ctl_tree_make_plan(&tree, &facts, &plan);
	}
	assert_null(get("/ctl/join/x"));
}

static void test_joining_is_refused(void **state)
{
	static const char *const wrong[] = {"", "10.0.0.1", "0.0.0.0:1", "none", "10.0.0.1:8046"};

	(void)state;
	settle(CTL_TREE_ACTIONS_MAX);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put("/ctl/err", NULL);
		put("/ctl/join/x", wrong[i]);
		assert_refusal_is_told_first();
		assert_int_equal(plan.add, 0);
	}
	put("/ctl/join/x", "10.0.0.7:8046 5"); /* it had a number, and is no member any more */
	settle(CTL_TREE_ACTIONS_MAX);
	assert_null(get("/ctl/join/x"));
	assert_int_equal(plan.add, 0);
}

/* Plans and writes to what is now a name cluster's tree. */
static void settle_names(uint64_t cluster)
{
	for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
		ctl_tree_plan_names(&tree, &facts, cluster, &plan);
		if (plan.count == 0) {
			return;
		}
		for (unsigned i = 0; i < plan.count; i++) {
			act(&plan.actions[i]);
		}
	}
	fail_msg("plans do not come to rest");
}

static const char *name_of(unsigned number)
{
	char path[CTL_TREE_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "/ctl/ns/local/%.16s", id(number));
	return get(path);
}

static void test_name_cluster_is_told_who_is_alive(void **state)
{
	(void)state;
	memset(&tree, 0, sizeof(tree));
	put("/ctl/name", "names");
	put("/ctl/ns/local/AAAAAAAAAAAAAAAA", "10.9.9.9:1");
	for (unsigned i = 0; i < 4; i++) {
		facts.members[i].is_alive = i != 1;
	}
	facts.own = 0;
	settle_names(7);
	assert_string_equal(plan.error, "");
	assert_string_equal(get("/ctl/boot/local"), "0000000000000007 10.0.0.1:8046");
	assert_string_equal(name_of(1), "10.0.0.1:8046");
	assert_null(name_of(2)); /* silent */
	assert_string_equal(name_of(3), "10.0.0.3:8046");
	assert_null(name_of(4)); /* it does not vote */
	assert_null(get("/ctl/ns/local/AAAAAAAAAAAAAAAA"));
	facts.own = 2; /* another leads; the claim is the cluster's */
	facts.members[1].is_alive = true;
	settle_names(7);
	assert_string_equal(get("/ctl/boot/local"), "0000000000000007 10.0.0.1:8046");
	assert_string_equal(name_of(2), "10.0.0.2:8046");
}

/* Whoever looks finds somebody: in whichever order the writes of a plan come to be. */
static void test_a_name_goes_when_another_has_come(void **state)
{
	(void)state;
	memset(&tree, 0, sizeof(tree));
	put("/ctl/boot/local", "0000000000000007 10.0.0.1:8046");
	put("/ctl/ns/local/AAAAAAAAAAAAAAAA", "10.0.0.1:8046"); /* an incarnation before */
	facts.own = 0;
	facts.members[0].is_alive = true;
	ctl_tree_plan_names(&tree, &facts, 7, &plan);
	assert_int_not_equal(plan.count, 0);
	for (unsigned i = 0; i < plan.count; i++) {
		assert_false(plan.actions[i].is_delete);
		act(&plan.actions[i]);
	}
	assert_non_null(name_of(1));
	settle_names(7);
	assert_null(get("/ctl/ns/local/AAAAAAAAAAAAAAAA"));
	assert_non_null(name_of(1));
}

static void test_name_of_another_is_left_alone(void **state)
{
	static const char *const claims[] = {"0000000000000008 10.0.0.1:8046", "00000000000000070",
	                                     "7", ""};

	(void)state;
	facts.own = 0;
	facts.members[0].is_alive = true;
	for (unsigned i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		memset(&tree, 0, sizeof(tree));
		put("/ctl/boot/local", claims[i]);
		ctl_tree_plan_names(&tree, &facts, 7, &plan);
		assert_int_equal(plan.count, 0);
		assert_non_null(strstr(plan.error, "/ctl/boot/local"));
	}
	memset(&tree, 0, sizeof(tree));
	put("/ctl/name", "local");
	ctl_tree_plan_names(&tree, &facts, 7, &plan);
	assert_int_equal(plan.count, 0);
	assert_non_null(strstr(plan.error, "itself"));
}

static void test_ids_look_as_doozers(void **state)
{
	char a[CTL_NODE_ID_SIZE], b[CTL_NODE_ID_SIZE];

	(void)state;
	ctl_node_id(1, 2, 3, a);
	assert_int_equal(strlen(a), 16);
	assert_int_equal(strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 16);
	for (unsigned i = 0; i < 3; i++) {
		ctl_node_id(1 + (i == 0), 2 + (i == 1), 3 + (i == 2), b);
		assert_string_not_equal(a, b);
	}
	ctl_node_id(1, 2, 3, b);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_founders_get_seats_and_records, begin),
		cmocka_unit_test_setup(test_only_who_leads_touches_seats, begin),
		cmocka_unit_test_setup(test_empty_seat_takes_a_spare, begin),
		cmocka_unit_test_setup(test_empty_seat_waits_without_a_spare, begin),
		cmocka_unit_test_setup(test_seat_that_is_gone_removes, begin),
		cmocka_unit_test_setup(test_emptied_seat_is_given_to_a_spare, begin),
		cmocka_unit_test_setup(test_refused_wishes_are_put_back, begin),
		cmocka_unit_test_setup(test_nonsense_in_a_seat_removes_nobody, begin),
		cmocka_unit_test_setup(test_demoted_voter_is_cleared_step_by_step, begin),
		cmocka_unit_test_setup(test_new_incarnation_takes_the_place_of_the_former, begin),
		cmocka_unit_test_setup(test_joining_gives_a_number_and_ends, begin),
		cmocka_unit_test_setup(test_joining_is_refused, begin),
		cmocka_unit_test_setup(test_name_cluster_is_told_who_is_alive, begin),
		cmocka_unit_test_setup(test_a_name_goes_when_another_has_come, begin),
		cmocka_unit_test_setup(test_name_of_another_is_left_alone, begin),
		cmocka_unit_test(test_ids_look_as_doozers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
