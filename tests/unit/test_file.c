/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   of every path it is told rightly what stands there: a file, a directory, nothing, or a
 *         file in the way.
 * Method: random sets of files from names that share beginnings, "-" and "." (which stand before
 *         and behind "/" as bytes) among them; all paths over these names are compared with what a
 *         look at every file says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/file.h"

enum {
	FILES_MAX = 40,
	DEPTH_MAX = 3,
	SEEDS = 200,
};

static const char *const names[] = {"a", "a-", "a.", "ab", "b", "-"};

struct world {
	struct store_alloc *alloc;
	struct store_reclaim reclaim;
	struct store_node *root;
	unsigned count;
	char paths[FILES_MAX][32];
};

static bool is_below(const char *path, const char *directory)
{
	const size_t size = strlen(directory);

	if (strcmp(directory, "/") == 0) {
		return strcmp(path, "/") != 0;
	}
	return strncmp(path, directory, size) == 0 && path[size] == '/';
}

static void random_path(struct prng *prng, char *ret_path, size_t size)
{
	const uint64_t depth = 1 + prng_below(prng, DEPTH_MAX);
	size_t at = 0;

	for (uint64_t i = 0; i < depth; i++) {
		const char *name = names[prng_below(prng, sizeof(names) / sizeof(names[0]))];

		at += (size_t)snprintf(ret_path + at, size - at, "/%s", name);
	}
}

static enum store_answer expected(const struct world *world, const char *path)
{
	if (strcmp(path, "/") == 0) {
		return STORE_IS_DIRECTORY;
	}
	for (unsigned i = 0; i < world->count; i++) {
		if (strcmp(world->paths[i], path) == 0) {
			return STORE_OK;
		}
		if (is_below(world->paths[i], path)) {
			return STORE_IS_DIRECTORY;
		}
		if (is_below(path, world->paths[i])) {
			return STORE_NOT_DIRECTORY;
		}
	}
	return STORE_NOT_FOUND;
}

static void check_path(const struct world *world, const char *path)
{
	const struct store_item *item = NULL;
	const enum store_answer answer = store_file_look(world->root, slice_text(path), &item);

	assert_int_equal(answer, expected(world, path));
	if (answer == STORE_OK) {
		assert_true(slice_equal(store_item_key(item), slice_text(path)));
	} else {
		assert_null(item);
	}
}

static void check_all(const struct world *world, char *path, size_t size, unsigned depth)
{
	const size_t at = strlen(path);

	for (unsigned i = 0; depth > 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path + at, size - at, "/%s", names[i]);
		check_path(world, path);
		check_all(world, path, size, depth - 1);
	}
	path[at] = '\0';
}

static void begin(struct world *world)
{
	*world = (struct world){0};
	assert_int_equal(store_alloc_new(&world->alloc, 1 << 24), 0);
	store_reclaim_init(&world->reclaim, world->alloc, 1);
}

static void add(struct world *world, const char *path)
{
	(void)snprintf(world->paths[world->count++], sizeof(world->paths[0]), "%s", path);
	assert_null(store_tree_put(
		&world->root, &world->reclaim,
		store_item_new(&world->reclaim, slice_text(path), 0, (store_rev_t)world->count)));
}

static void end(struct world *world)
{
	store_tree_list(&world->root, &world->reclaim);
	store_alloc_free(world->alloc);
}

static void test_look_and_count_like_a_list(void **state)
{
	static struct world world;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct prng prng;
		char path[32] = "";
		uint64_t tries;

		prng_init(&prng, seed);
		tries = prng_below(&prng, FILES_MAX);
		begin(&world);
		for (uint64_t i = 0; i < tries; i++) {
			random_path(&prng, path, sizeof(path));
			if (expected(&world, path) == STORE_NOT_FOUND) {
				add(&world, path);
			}
		}
		path[0] = '\0';
		check_path(&world, "/");
		check_all(&world, path, sizeof(path), DEPTH_MAX + 1);
		end(&world);
	}
}

static void test_paths_of_bad_form(void **state)
{
	static char longest[STORE_PATH_SIZE_MAX + 2];
	const struct store_item *item;
	static struct world world;

	(void)state;
	for (unsigned i = 0; i < STORE_PATH_SIZE_MAX + 1; i++) {
		longest[i] = i % 2 == 0 ? '/' : 'a';
	}
	begin(&world);
	add(&world, "/a");
	assert_int_equal(store_file_look(world.root, slice_text(""), &item), STORE_BAD_PATH);
	assert_int_equal(store_file_look(world.root, slice_text("a"), &item), STORE_BAD_PATH);
	assert_int_equal(store_file_look(world.root, slice_text("/a/"), &item), STORE_BAD_PATH);
	assert_int_equal(store_file_look(world.root, slice_text("/a//b"), &item), STORE_BAD_PATH);
	assert_int_equal(store_file_look(world.root, slice_text("/a/*"), &item), STORE_BAD_PATH);
	longest[STORE_PATH_SIZE_MAX] = 'a';
	assert_int_equal(store_file_look(world.root, slice_text(longest), &item), STORE_TOO_LARGE);
	longest[STORE_PATH_SIZE_MAX] = '\0';
	assert_int_equal(store_file_look(world.root, slice_text(longest), &item),
	                 STORE_NOT_DIRECTORY);
	assert_int_equal(store_file_look(NULL, slice_text(longest), &item), STORE_NOT_FOUND);
	assert_int_equal(store_file_look(NULL, slice_text("/"), &item), STORE_IS_DIRECTORY);
	end(&world);
}

static void test_forms_and_cost(void **state)
{
	(void)state;
	assert_int_equal(store_file_form(STORE_PATH_GOOD), STORE_OK);
	assert_int_equal(store_file_form(STORE_PATH_BAD), STORE_BAD_PATH);
	assert_int_equal(store_file_form(STORE_PATH_LONG), STORE_TOO_LARGE);
	assert_int_equal(store_file_cost(2, 0), 2 + STORE_FILE_OVERHEAD);
	assert_int_equal(store_file_cost(512, 32768), 512 + 32768 + STORE_FILE_OVERHEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look_and_count_like_a_list),
		cmocka_unit_test(test_paths_of_bad_form),
		cmocka_unit_test(test_forms_and_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
