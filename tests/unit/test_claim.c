/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_claim.c - the files of locks: names and values
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/claim.h"

static void test_paths_come_back(void **state)
{
	const struct slice name = slice_text("/db/master");
	const struct store_claim_path holder = store_claim_holder(name, 0x12ab);
	const struct store_claim_path waiter = store_claim_waiter(name, 7, INT64_MAX);
	const struct store_claim_path broken = store_claim_broken(name);
	enum store_claim_kind kind;
	store_rev_t number;
	struct slice out;

	(void)state;
	assert_true(slice_equal(store_claim_slice(&holder),
	                        slice_text("/ctl/lock/db/master/.holder/00000000000012ab")));
	assert_true(slice_equal(store_claim_slice(&waiter),
	                        slice_text("/ctl/lock/db/master/.queue/248-7fffffffffffffff")));
	assert_true(
		slice_equal(store_claim_slice(&broken), slice_text("/ctl/lock/db/master/.broken")));
	assert_true(store_claim_path_read(store_claim_slice(&holder), &out, &kind, &number));
	assert_true(slice_equal(out, name) && kind == STORE_CLAIM_HOLDER && number == 0x12ab);
	assert_true(store_claim_path_read(store_claim_slice(&waiter), &out, &kind, &number));
	assert_true(slice_equal(out, name) && kind == STORE_CLAIM_WAITER && number == INT64_MAX);
	assert_true(store_claim_path_read(store_claim_slice(&broken), &out, &kind, &number));
	assert_true(slice_equal(out, name) && kind == STORE_CLAIM_BROKEN);
}

static void test_other_paths_are_none_of_a_locks(void **state)
{
	static const char *const paths[] = {
		"/ctl/lock",
		"/ctl/lock/a",
		"/ctl/locks/a/.holder/00000000000012ab",
		"/ctl/lock/a/.holder/00000000000012aB",
		"/ctl/lock/a/.holder/0000000000000000",
		"/ctl/lock/a/.holder/8000000000000000",
		"/ctl/lock/a/.holder/000000000012ab",
		"/ctl/lock/a/.queue/00000000000012ab",
		"/ctl/lock/a/.queue/001-00000000000012a",
		"/ctl/lock/a/.broken/b",
		"/ctl/lock/a/.other/00000000000012ab",
	};
	enum store_claim_kind kind;
	store_rev_t number;
	struct slice name;

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_false(store_claim_path_read(slice_text(paths[i]), &name, &kind, &number));
	}
	assert_true(store_lock_guards(slice_text("/ctl/lock")));
	assert_true(store_lock_guards(slice_text("/ctl/lock/a")));
	assert_false(store_lock_guards(slice_text("/ctl/locks")));
	assert_false(store_lock_guards(slice_text("/ctl")));
}

static void test_names_have_a_form_and_a_limit(void **state)
{
	char name[STORE_LOCK_NAME_MAX + 2];
	struct store_claim_path path;

	(void)state;
	assert_int_equal(store_lock_check_name(slice_text("/a")), STORE_OK);
	assert_int_equal(store_lock_check_name(slice_text("/a.b/c")), STORE_OK);
	assert_int_equal(store_lock_check_name(slice_text("/")), STORE_BAD_PATH);
	assert_int_equal(store_lock_check_name(slice_text("")), STORE_BAD_PATH);
	assert_int_equal(store_lock_check_name(slice_text("a")), STORE_BAD_PATH);
	assert_int_equal(store_lock_check_name(slice_text("/a/")), STORE_BAD_PATH);
	assert_int_equal(store_lock_check_name(slice_text("/.a")), STORE_BAD_PATH);
	assert_int_equal(store_lock_check_name(slice_text("/a/.holder")), STORE_BAD_PATH);
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < sizeof(name); i += 100) {
		name[i] = '/';
	}
	assert_int_equal(store_lock_check_name(slice_make(name, STORE_LOCK_NAME_MAX)), STORE_OK);
	path = store_claim_waiter(slice_make(name, STORE_LOCK_NAME_MAX), 0, 1);
	assert_in_range(path.size, STORE_PATH_SIZE_MAX - 8, STORE_PATH_SIZE_MAX);
	assert_int_equal(store_lock_check_name(slice_make(name, STORE_LOCK_NAME_MAX + 1)),
	                 STORE_TOO_LARGE);
}

static void test_values_come_back(void **state)
{
	const struct store_claim claim = {
		.session = UINT64_MAX,
		.limit = 3,
		.count = UINT32_MAX,
		.delay_ms = UINT32_MAX,
		.ttl_ms = UINT32_MAX,
		.until_ns = UINT64_MAX,
	};
	char memory[STORE_CLAIM_HEAD_MAX + 4];
	const size_t size = store_claim_write(&claim, memory);
	struct store_claim out;

	(void)state;
	memcpy(memory + size, "a b\n", 4);
	assert_true(store_claim_read(slice_make(memory, size + 4), &out));
	assert_true(out.session == claim.session && out.limit == 3 && out.count == claim.count &&
	            out.delay_ms == claim.delay_ms && out.ttl_ms == claim.ttl_ms &&
	            out.until_ns == claim.until_ns);
	assert_true(slice_equal(out.data, slice_text("a b\n")));
	for (size_t cut = 0; cut < size; cut++) {
		assert_false(store_claim_read(slice_make(memory, cut), &out));
	}
}

static void test_other_values_are_refused(void **state)
{
	static const char *const values[] = {
		"",
		"1 1 1 1 1\n",
		"1 1 1 1 1 1 1\n",
		"1  1 1 1 1 1\n",
		"-1 1 1 1 1 1\n",
		"18446744073709551616 1 1 1 1 1\n",
		"1 4294967296 1 1 1 1\n",
		"1 1 1 1 1 x\n",
		"1 1 1 1 1 1",
	};
	struct store_claim out;

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_false(store_claim_read(slice_text(values[i]), &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_come_back),
		cmocka_unit_test(test_other_paths_are_none_of_a_locks),
		cmocka_unit_test(test_names_have_a_form_and_a_limit),
		cmocka_unit_test(test_values_come_back),
		cmocka_unit_test(test_other_values_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
