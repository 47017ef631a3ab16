/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_owned.c - which files go with which session
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/owned.h"

static void test_paths_of_one_owner_come_in_tree_order(void **state)
{
	static const char *const paths[] = {"/a", "/a/b", "/a-b", "/b"};
	char longest[STORE_PATH_SIZE_MAX];
	struct store_node *root = NULL;
	struct store_reclaim reclaim;
	struct store_alloc *alloc;

	(void)state;
	assert_int_equal(store_alloc_new(&alloc, 16 << 20), 0);
	store_reclaim_init(&reclaim, alloc, 1);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	assert_int_equal(store_owned_next(root, 5, slice_text("/")).size, 0);
	for (unsigned i = 0; i < 4; i++) {
		store_owned_add(&root, &reclaim, 4, slice_text(paths[i]));
		store_owned_add(&root, &reclaim, 5, slice_text(paths[3 - i]));
		store_owned_add(&root, &reclaim, UINT64_MAX, slice_text(paths[i]));
	}
	store_owned_add(&root, &reclaim, 4, slice_make(longest, sizeof(longest)));
	for (unsigned i = 0; i < 4; i++) {
		assert_true(slice_equal(store_owned_next(root, 5, slice_text("/")),
		                        slice_text(paths[i])));
		assert_true(slice_equal(store_owned_next(root, 5, slice_text(paths[i])),
		                        slice_text(paths[i])));
		store_owned_remove(&root, &reclaim, 5, slice_text(paths[i]));
	}
	assert_int_equal(store_owned_next(root, 5, slice_text("/")).size, 0);
	assert_int_equal(store_owned_next(root, 4, slice_text("/c")).size, sizeof(longest));
	assert_int_equal(store_owned_next(root, 3, slice_text("/")).size, 0);
	assert_int_equal(store_owned_next(root, 6, slice_text("/")).size, 0);
	assert_true(slice_equal(store_owned_next(root, UINT64_MAX, slice_text("/a/c")),
	                        slice_text("/a-b")));
	store_tree_list(&root, &reclaim);
	store_alloc_free(alloc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_of_one_owner_come_in_tree_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
