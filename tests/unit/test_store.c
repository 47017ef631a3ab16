/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every entry has the answer that op.h and store.h promise; readers see what was
 *         published and nothing else; the quota holds.
 * Method: say a few operations, look at each answer and at the published root. The random
 *         comparison with a model is in test_store_model.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

#define assert_result(result, want_answer, want_revision)                                          \
	do {                                                                                       \
		const struct store_result got = (result);                                          \
		assert_int_equal(got.answer, want_answer);                                         \
		assert_true(got.revision == (want_revision));                                      \
	} while (0)

static void assert_get(struct fixture *fixture, const char *path, const char *value,
                       store_rev_t revision)
{
	struct store_file file;

	assert_int_equal(store_get(store_root(fixture->store), slice_text(path), &file), STORE_OK);
	assert_true(slice_equal(file.path, slice_text(path)));
	assert_true(slice_equal(file.value, slice_text(value)));
	assert_true(file.revision == revision);
	assert_false(file.is_directory);
}

static enum store_answer get(struct fixture *fixture, const char *path)
{
	struct store_file file;

	return store_get(store_root(fixture->store), slice_text(path), &file);
}

static void test_what_is_set_can_be_read_once_published(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_result(fixture_set(&fixture, "/a/b", "one"), STORE_OK, 1);
	assert_int_equal(get(&fixture, "/a/b"), STORE_NOT_FOUND);
	store_publish(fixture.store);
	assert_get(&fixture, "/a/b", "one", 1);
	assert_true(store_root_revision(store_root(fixture.store)) == 1);
	assert_true(store_root_index(store_root(fixture.store)) == 2);
	assert_true(store_root_files(store_root(fixture.store)) == 1);
	assert_true(store_root_bytes(store_root(fixture.store)) == 4 + 3 + STORE_FILE_OVERHEAD);

	assert_result(fixture_set(&fixture, "/a/b", ""), STORE_OK, 2);
	assert_get(&fixture, "/a/b", "one", 1);
	store_publish(fixture.store);
	assert_get(&fixture, "/a/b", "", 2);
	assert_result(fixture_delete(&fixture, "/a/b"), STORE_OK, 3);
	store_publish(fixture.store);
	assert_int_equal(get(&fixture, "/a/b"), STORE_NOT_FOUND);
	assert_true(store_root_bytes(store_root(fixture.store)) == 0);
	assert_true(store_root_files(store_root(fixture.store)) == 0);
	fixture_end(&fixture);
}

static void test_a_name_is_a_file_or_a_directory(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_result(fixture_set(&fixture, "/a", "file"), STORE_OK, 1);
	assert_result(fixture_set(&fixture, "/a/b", ""), STORE_NOT_DIRECTORY, 0);
	assert_result(fixture_set(&fixture, "/a/b/c", ""), STORE_NOT_DIRECTORY, 0);
	assert_result(fixture_delete(&fixture, "/a/b"), STORE_NOT_DIRECTORY, 0);
	assert_result(fixture_set(&fixture, "/a-b", ""), STORE_OK, 2);
	assert_result(fixture_delete(&fixture, "/a"), STORE_OK, 3);
	assert_result(fixture_set(&fixture, "/a/b/c", ""), STORE_OK, 4);
	assert_result(fixture_set(&fixture, "/a", ""), STORE_IS_DIRECTORY, 0);
	assert_result(fixture_set(&fixture, "/a/b", ""), STORE_IS_DIRECTORY, 0);
	assert_result(fixture_delete(&fixture, "/a"), STORE_IS_DIRECTORY, 0);
	assert_result(fixture_set(&fixture, "/", ""), STORE_IS_DIRECTORY, 0);
	assert_result(fixture_delete(&fixture, "/"), STORE_IS_DIRECTORY, 0);
	store_publish(fixture.store);
	assert_int_equal(get(&fixture, "/"), STORE_IS_DIRECTORY);
	assert_int_equal(get(&fixture, "/a"), STORE_IS_DIRECTORY);
	assert_int_equal(get(&fixture, "/a/b"), STORE_IS_DIRECTORY);
	assert_int_equal(get(&fixture, "/a/b/c/d"), STORE_NOT_DIRECTORY);
	/* The last file takes its directories with it. */
	assert_result(fixture_delete(&fixture, "/a/b/c"), STORE_OK, 5);
	assert_result(fixture_set(&fixture, "/a", "file again"), STORE_OK, 6);
	fixture_end(&fixture);
}

static void test_conditions_are_those_of_the_header(void **state)
{
	const enum store_condition equal = STORE_IF_EQUAL, at_most = STORE_IF_AT_MOST;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, 1), STORE_MISMATCH, 0);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, -2), STORE_MISMATCH, 0);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, 0), STORE_OK, 1);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, 0), STORE_MISMATCH, 1);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, 2), STORE_MISMATCH, 1);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, 1), STORE_OK, 2);
	assert_result(fixture_set_if(&fixture, "/a", "", equal, -1), STORE_OK, 3);

	assert_result(fixture_set_if(&fixture, "/a", "", at_most, 2), STORE_MISMATCH, 3);
	assert_result(fixture_set_if(&fixture, "/a", "", at_most, 0), STORE_MISMATCH, 3);
	assert_result(fixture_set_if(&fixture, "/a", "", at_most, -5), STORE_MISMATCH, 3);
	assert_result(fixture_set_if(&fixture, "/a", "", at_most, 3), STORE_OK, 4);
	assert_result(fixture_set_if(&fixture, "/a", "", at_most, INT64_MAX), STORE_OK, 5);
	assert_result(fixture_set_if(&fixture, "/a", "", at_most, -1), STORE_OK, 6);
	assert_result(fixture_set_if(&fixture, "/b", "", at_most, 0), STORE_OK, 7);
	assert_result(fixture_set_if(&fixture, "/c", "", at_most, 99), STORE_OK, 8);

	assert_result(fixture_delete_if(&fixture, "/a", equal, 5), STORE_MISMATCH, 6);
	assert_result(fixture_delete_if(&fixture, "/a", equal, 0), STORE_MISMATCH, 6);
	assert_result(fixture_delete_if(&fixture, "/a", equal, 6), STORE_OK, 9);
	assert_result(fixture_delete_if(&fixture, "/a", equal, 6), STORE_MISMATCH, 0);
	assert_result(fixture_delete_if(&fixture, "/a", equal, -1), STORE_NOT_FOUND, 0);
	assert_result(fixture_delete_if(&fixture, "/a", equal, 0), STORE_NOT_FOUND, 0);
	assert_result(fixture_delete_if(&fixture, "/a", at_most, 6), STORE_NOT_FOUND, 0);
	assert_result(fixture_delete_if(&fixture, "/b", at_most, 6), STORE_MISMATCH, 7);
	assert_result(fixture_delete_if(&fixture, "/b", at_most, 7), STORE_OK, 10);
	fixture_end(&fixture);
}

static void test_malformed_operations_get_typed_answers(void **state)
{
	static uint8_t bulk[STORE_VALUE_SIZE_MAX + 1];
	struct store_op op = {.verb = STORE_VERB_SET,
	                      .condition = STORE_IF_EQUAL,
	                      .rev = STORE_REV_ANY,
	                      .path = slice_text("/a")};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_result(fixture_set(&fixture, "", ""), STORE_BAD_PATH, 0);
	assert_result(fixture_set(&fixture, "a", ""), STORE_BAD_PATH, 0);
	assert_result(fixture_set(&fixture, "/a/", ""), STORE_BAD_PATH, 0);
	assert_result(fixture_set(&fixture, "/a*", ""), STORE_BAD_PATH, 0);
	assert_result(fixture_delete(&fixture, "//"), STORE_BAD_PATH, 0);
	op.value = slice_make(bulk, sizeof(bulk));
	assert_result(fixture_op(&fixture, op), STORE_TOO_LARGE, 0);
	op.value.size--;
	assert_result(fixture_op(&fixture, op), STORE_OK, 1);
	memset(bulk, 'x', sizeof(bulk));
	bulk[0] = '/';
	op = (struct store_op){.verb = STORE_VERB_SET, .path = slice_make(bulk, 513)};
	assert_result(fixture_op(&fixture, op), STORE_TOO_LARGE, 0);
	op.path.size = 257;
	assert_result(fixture_op(&fixture, op), STORE_TOO_LARGE, 0);
	op.verb = (enum store_verb)77;
	assert_result(fixture_op(&fixture, op), STORE_BAD_VERB, 0);
	assert_true(store_root_revision(fixture_root(&fixture)) == 1);
	fixture_end(&fixture);
}

static void test_nop_and_failed_writes_take_no_revision(void **state)
{
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	(void)fixture_set(&fixture, "/a", "");
	result = fixture_op(&fixture, (struct store_op){.verb = STORE_VERB_NOP});
	assert_result(result, STORE_OK, 1);
	assert_true(result.store_revision == 1);
	result = fixture_set_if(&fixture, "/a", "", STORE_IF_EQUAL, 0);
	assert_true(result.store_revision == 1);
	result = fixture_set(&fixture, "/a", "");
	assert_result(result, STORE_OK, 2);
	assert_true(result.store_revision == 2);
	/* The leader's own, without a session. */
	result = fixture_request(&fixture, 0, 0, 0, (struct store_op){.verb = STORE_VERB_NOP});
	assert_result(result, STORE_OK, 2);
	result = fixture_request(&fixture, 0, 0, 0, (struct store_op){.verb = STORE_VERB_SET});
	assert_result(result, STORE_NO_SESSION, 0);
	fixture_end(&fixture);
}

static void test_quota_refuses_what_grows_and_nothing_else(void **state)
{
	char value[600];
	struct fixture fixture;

	(void)state;
	memset(value, 'v', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 1000, .sessions_max = 2, .events_max = 4});
	assert_result(fixture_set(&fixture, "/a", value), STORE_OK, 1);
	assert_result(fixture_set(&fixture, "/b", value), STORE_QUOTA, 0);
	value[270] = '\0';
	assert_result(fixture_set(&fixture, "/b", value), STORE_QUOTA, 0); /* 665 + 336 */
	value[269] = '\0';
	assert_result(fixture_set(&fixture, "/b", value), STORE_OK, 2);
	assert_true(store_root_bytes(fixture_root(&fixture)) == 1000);
	assert_result(fixture_set(&fixture, "/b", value), STORE_OK, 3);
	assert_result(fixture_set(&fixture, "/c", ""), STORE_QUOTA, 0);
	value[269] = 'v';
	assert_result(fixture_set(&fixture, "/b", value), STORE_QUOTA, 3);
	assert_int_equal(fixture_open(&fixture, 1).answer, STORE_OK);
	assert_result(fixture_set(&fixture, "/b", "less"), STORE_OK, 4);
	assert_result(fixture_delete(&fixture, "/a"), STORE_OK, 5);
	assert_result(fixture_set(&fixture, "/c", ""), STORE_OK, 6);
	fixture_end(&fixture);
}

static void test_stat_counts_names_in_a_directory(void **state)
{
	struct fixture fixture;
	struct store_file file;

	(void)state;
	fixture_begin(&fixture);
	(void)fixture_set(&fixture, "/a/b", "123");
	(void)fixture_set(&fixture, "/a/c/d", "");
	(void)fixture_set(&fixture, "/a/c/e", "");
	(void)fixture_set(&fixture, "/a/c-", "");
	(void)fixture_set(&fixture, "/b", "");
	(void)fixture_root(&fixture);
	assert_int_equal(store_stat(store_root(fixture.store), slice_text("/"), &file), STORE_OK);
	assert_true(file.is_directory);
	assert_int_equal(file.children, 2);
	assert_int_equal(store_stat(store_root(fixture.store), slice_text("/a"), &file), STORE_OK);
	assert_int_equal(file.children, 3);
	assert_int_equal(store_stat(store_root(fixture.store), slice_text("/a/c"), &file),
	                 STORE_OK);
	assert_int_equal(file.children, 2);
	assert_int_equal(store_stat(store_root(fixture.store), slice_text("/a/b"), &file),
	                 STORE_OK);
	assert_false(file.is_directory);
	assert_int_equal(file.value.size, 3);
	assert_int_equal(store_stat(store_root(fixture.store), slice_text("/x"), &file),
	                 STORE_NOT_FOUND);
	fixture_end(&fixture);
}

static void test_time_and_members_are_remembered(void **state)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_REJOIN, .node = 3, .incarnation = 77, .time_ns = 1000};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_true(store_member_incarnation(fixture.store, 3) == 0);
	(void)fixture_apply(&fixture, &entry);
	assert_true(store_member_incarnation(fixture.store, 3) == 77);
	assert_true(store_time_ns(fixture.store) == 1000);
	entry.time_ns = 500;
	entry.node = STORE_NODES_MAX; /* nonsense; no harm */
	(void)fixture_apply(&fixture, &entry);
	assert_true(store_time_ns(fixture.store) == 1000);
	assert_true(store_applied(fixture.store) == 3);
	fixture_end(&fixture);
}

static void test_pinned_root_stays_and_lets_go(void **state)
{
	struct store_counters before, pinned, after;
	const struct store_root *root;
	struct fixture fixture;
	struct store_file file;

	(void)state;
	fixture_begin(&fixture);
	(void)fixture_set(&fixture, "/a", "old");
	fixture_grace(&fixture);
	root = store_pin(fixture.store);
	assert_non_null(root);
	store_counters(fixture.store, &before);
	for (unsigned i = 0; i < 5000; i++) {
		(void)fixture_set(&fixture, "/a", "new");
		fixture_grace(&fixture);
	}
	store_counters(fixture.store, &pinned);
	assert_true(pinned.memory_waiting > 5000);
	assert_int_equal(store_get(root, slice_text("/a"), &file), STORE_OK);
	assert_true(slice_equal(file.value, slice_text("old")));
	assert_true(store_root_index(root) == 2);

	store_unpin(fixture.store, root);
	for (unsigned i = 0; i < 200; i++) {
		fixture_grace(&fixture);
	}
	store_counters(fixture.store, &after);
	assert_true(after.memory_waiting < 10000);
	assert_int_equal(after.applied, 5002);
	assert_int_equal(after.answers[STORE_OK], 5002);
	fixture_end(&fixture);
}

static void test_only_so_many_roots_can_be_pinned(void **state)
{
	const struct store_root *roots[1000];
	struct fixture fixture;
	unsigned count = 0;

	(void)state;
	fixture_begin(&fixture);
	while (count < 1000 && (roots[count] = store_pin(fixture.store)) != NULL) {
		count++;
	}
	assert_in_range(count, 8, 999);
	while (count > 1) {
		store_unpin(fixture.store, roots[--count]);
	}
	fixture_end(&fixture); /* with one pin left */
}

static void test_publish_of_nothing_leaves_the_root(void **state)
{
	const struct store_root *root;
	struct fixture fixture;
	uint64_t wanted;

	(void)state;
	fixture_begin(&fixture);
	root = fixture_root(&fixture);
	wanted = store_grace_wanted(fixture.store);
	assert_ptr_equal(fixture_root(&fixture), root);
	assert_true(store_grace_wanted(fixture.store) == wanted);
	(void)fixture_op(&fixture, (struct store_op){.verb = STORE_VERB_NOP});
	assert_true(store_root_index(fixture_root(&fixture)) == 2);
	assert_true(store_grace_wanted(fixture.store) > wanted);
	fixture_end(&fixture);
}

static void test_arena_holds_two_states_while_one_is_restored(void **state)
{
	struct store_config config = {.quota_bytes = 1 << 30, .sessions_max = 10, .events_max = 4};

	(void)state;
	assert_true(store_arena_bytes(&config) >= 4 * config.quota_bytes);
	config.arena_bytes = 256 << 10;
	assert_int_equal(store_arena_bytes(&config), 256 << 10);
}

static void test_bad_configuration_is_refused(void **state)
{
	const struct store_config good = {.quota_bytes = 1000, .sessions_max = 1, .events_max = 1};
	struct store_config config = good;
	struct store *store = NULL;

	(void)state;
	config.quota_bytes = 0;
	assert_int_equal(store_new(&store, &config), -EINVAL);
	config.quota_bytes = STORE_QUOTA_MAX + 1;
	assert_int_equal(store_new(&store, &config), -EINVAL);
	config = good;
	config.sessions_max = STORE_SESSIONS_MAX + 1;
	assert_int_equal(store_new(&store, &config), -EINVAL);
	config = good;
	config.events_max = 3;
	assert_int_equal(store_new(&store, &config), -EINVAL);
	assert_null(store);
	store_free(NULL);
	assert_int_equal(store_new(&store, &good), 0);
	store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_set_can_be_read_once_published),
		cmocka_unit_test(test_a_name_is_a_file_or_a_directory),
		cmocka_unit_test(test_conditions_are_those_of_the_header),
		cmocka_unit_test(test_malformed_operations_get_typed_answers),
		cmocka_unit_test(test_nop_and_failed_writes_take_no_revision),
		cmocka_unit_test(test_quota_refuses_what_grows_and_nothing_else),
		cmocka_unit_test(test_stat_counts_names_in_a_directory),
		cmocka_unit_test(test_time_and_members_are_remembered),
		cmocka_unit_test(test_pinned_root_stays_and_lets_go),
		cmocka_unit_test(test_only_so_many_roots_can_be_pinned),
		cmocka_unit_test(test_publish_of_nothing_leaves_the_root),
		cmocka_unit_test(test_arena_holds_two_states_while_one_is_restored),
		cmocka_unit_test(test_bad_configuration_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
