/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a pinned root keeps all it had while the store goes on, and nothing longer than it must
 *         be kept; what is replaced does not pile up.
 * Method: a file is changed again and again; roots are kept and looked into later, and the bytes
 *         that wait are watched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/state.h"
#include "tests/unit/store_fixture.h"

static int begin(void **state)
{
	static struct fixture fixture;

	/* Few events: what stood before waits for the roots alone. */
	fixture_begin_with(&fixture, &(struct store_config){.quota_bytes = 16 << 20,
	                                                    .sessions_max = 64,
	                                                    .events_max = 16});
	*state = &fixture;
	return 0;
}

static int end(void **state)
{
	fixture_end(*state);
	return 0;
}

static void set(struct fixture *fixture, unsigned number)
{
	char value[32];

	(void)snprintf(value, sizeof(value), "value %u", number);
	assert_int_equal(fixture_set(fixture, "/a", value).answer, STORE_OK);
}

static void check(const struct store_root *root, unsigned number)
{
	struct store_file file;
	char value[32];

	(void)snprintf(value, sizeof(value), "value %u", number);
	assert_int_equal(store_get(root, slice_text("/a"), &file), STORE_OK);
	assert_true(slice_equal(file.value, slice_text(value)));
}

static void test_root_changes_only_when_published(void **state)
{
	struct fixture *fixture = *state;
	const struct store_root *before, *after;

	set(fixture, 1);
	store_state_publish(fixture->store);
	before = store_state_root(fixture->store);
	set(fixture, 2);
	assert_ptr_equal(store_state_root(fixture->store), before);
	check(before, 1);
	store_state_publish(fixture->store);
	after = store_state_root(fixture->store);
	assert_ptr_not_equal(after, before);
	check(after, 2);
	assert_int_equal(after->state.revision, before->state.revision + 1);
}

static void test_pinned_roots_stay(void **state)
{
	struct fixture *fixture = *state;
	const struct store_root *roots[STORE_PINS_MAX];

	for (unsigned i = 0; i < STORE_PINS_MAX; i++) {
		set(fixture, i);
		fixture_grace(fixture);
		roots[i] = store_state_pin(fixture->store);
		assert_ptr_equal(roots[i], store_state_root(fixture->store));
	}
	assert_null(store_state_pin(fixture->store));
	for (unsigned i = 0; i < 100; i++) {
		set(fixture, 1000 + i);
		fixture_grace(fixture);
	}
	/* In an order of its own: 37 has no divisor in common with 64. */
	for (unsigned i = 0; i < STORE_PINS_MAX; i++) {
		const unsigned at = i * 37 % STORE_PINS_MAX;

		check(roots[at], at);
		store_state_unpin(fixture->store, roots[at]);
		/* What was freed wrongly is used again at once. */
		for (unsigned j = 0; j < 32; j++) {
			set(fixture, 1000 + j);
			fixture_grace(fixture);
		}
	}
	assert_non_null(roots[0] = store_state_pin(fixture->store));
	check(roots[0], 1031);
	store_state_unpin(fixture->store, roots[0]);
}

static uint64_t waiting(const struct fixture *fixture)
{
	return store_reclaim_waiting(&fixture->store->reclaim);
}

static void test_what_was_replaced_goes(void **state)
{
	struct fixture *fixture = *state;
	const struct store_root *root;
	uint64_t usual;

	for (unsigned i = 0; i < 1000; i++) {
		set(fixture, i);
		fixture_grace(fixture);
	}
	store_state_collect(fixture->store);
	usual = waiting(fixture);

	root = store_state_pin(fixture->store);
	for (unsigned i = 0; i < 1000; i++) {
		set(fixture, i);
		fixture_grace(fixture);
	}
	assert_true(waiting(fixture) > usual + 1000 * sizeof(struct store_root));
	store_state_unpin(fixture->store, root);
	/* Never all at once. */
	assert_true(waiting(fixture) > usual);
	for (unsigned i = 0; i < 1000; i++) {
		set(fixture, i);
		fixture_grace(fixture);
	}
	store_state_collect(fixture->store);
	assert_true(waiting(fixture) <= usual);
}

static void test_nothing_goes_before_its_grace_period(void **state)
{
	struct fixture *fixture = *state;
	const struct store_root *root = store_state_root(fixture->store);

	set(fixture, 1);
	store_state_publish(fixture->store);
	store_state_collect(fixture->store);
	/* A reader that found it may still be there. */
	assert_true(waiting(fixture) >= sizeof(*root));
	assert_int_equal(store_state_root(fixture->store)->number,
	                 store_grace_wanted(fixture->store));
	store_grace_passed(fixture->store, store_grace_wanted(fixture->store));
	store_state_collect(fixture->store);
	assert_int_equal(waiting(fixture), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root_changes_only_when_published, begin, end),
		cmocka_unit_test_setup_teardown(test_pinned_roots_stay, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_replaced_goes, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_goes_before_its_grace_period, begin,
	                                        end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
