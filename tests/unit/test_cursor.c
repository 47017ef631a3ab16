/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a list gives the names of a directory, a walk the files of a glob, in order, each once,
 *         from wherever one goes on; bad questions get typed answers.
 * Method: a small tree that has every neighbourhood that can be mistaken (a-b beside a, a/b), and
 *         the answers written out. Larger ones are compared in test_store_model.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/glob.h"
#include "tests/unit/store_fixture.h"

static void begin(struct fixture *fixture)
{
	static const char *const paths[] = {
		"/a/b", "/a/b-",  "/a/c/d", "/a/c/e/f", "/a/\xc3\xa9/x",
		"/a-b", "/a.c/x", "/b",     "/zz/z",
	};

	fixture_begin(fixture);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(fixture_set(fixture, paths[i], paths[i]).answer, STORE_OK);
	}
	store_publish(fixture->store);
}

/* Everything a cursor gives, with blanks between; "d:" before a directory. */
static const char *all(struct store_cursor *cursor)
{
	static char text[1024];
	struct store_file file;
	size_t size = 0;

	text[0] = '\0';
	while (store_cursor_next(cursor, &file)) {
		if (size != 0) {
			text[size++] = ' ';
		}
		if (file.is_directory) {
			memcpy(text + size, "d:", 2);
			size += 2;
			assert_true(file.revision == 0);
		} else {
			assert_true(slice_equal(file.path, file.value));
			assert_true(file.revision > 0);
		}
		memcpy(text + size, file.path.data, file.path.size);
		size += file.path.size;
		text[size] = '\0';
	}
	assert_false(store_cursor_next(cursor, &file));
	return text;
}

static const char *list(struct fixture *fixture, const char *path, const char *after)
{
	struct store_cursor cursor;

	assert_int_equal(store_list(&cursor, store_root(fixture->store), slice_text(path),
	                            slice_text(after)),
	                 STORE_OK);
	return all(&cursor);
}

static const char *walk(struct fixture *fixture, const char *glob, const char *after)
{
	struct store_cursor cursor;

	assert_int_equal(store_walk(&cursor, store_root(fixture->store), slice_text(glob),
	                            slice_text(after)),
	                 STORE_OK);
	return all(&cursor);
}

static void test_list_gives_names_once_and_in_order(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	assert_string_equal(list(&fixture, "/", ""), "d:/a /a-b d:/a.c /b d:/zz");
	assert_string_equal(list(&fixture, "/a", ""), "/a/b /a/b- d:/a/c d:/a/\xc3\xa9");
	assert_string_equal(list(&fixture, "/a/c", ""), "/a/c/d d:/a/c/e");
	assert_string_equal(list(&fixture, "/zz", ""), "/zz/z");
	fixture_end(&fixture);
}

static void test_list_goes_on_after_a_name(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	assert_string_equal(list(&fixture, "/", "a"), "/a-b d:/a.c /b d:/zz");
	assert_string_equal(list(&fixture, "/", "a-b"), "d:/a.c /b d:/zz");
	assert_string_equal(list(&fixture, "/", "a-a"), "/a-b d:/a.c /b d:/zz");
	assert_string_equal(list(&fixture, "/", "zz"), "");
	assert_string_equal(list(&fixture, "/a", "b"), "/a/b- d:/a/c d:/a/\xc3\xa9");
	assert_string_equal(list(&fixture, "/a", "c"), "d:/a/\xc3\xa9");
	assert_string_equal(list(&fixture, "/a/c", "e"), "");
	fixture_end(&fixture);
}

static void test_walk_gives_files_in_tree_order(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	assert_string_equal(walk(&fixture, "/**", ""),
	                    "/a/b /a/b- /a/c/d /a/c/e/f /a/\xc3\xa9/x /a-b /a.c/x /b /zz/z");
	assert_string_equal(walk(&fixture, "/*", ""), "/a-b /b");
	assert_string_equal(walk(&fixture, "/a/*", ""), "/a/b /a/b-");
	assert_string_equal(walk(&fixture, "/a/?/?", ""), "/a/c/d /a/\xc3\xa9/x");
	assert_string_equal(walk(&fixture, "/a**", ""),
	                    "/a/b /a/b- /a/c/d /a/c/e/f /a/\xc3\xa9/x /a-b /a.c/x");
	assert_string_equal(walk(&fixture, "/**/x", ""), "/a/\xc3\xa9/x /a.c/x");
	assert_string_equal(walk(&fixture, "/b", ""), "/b");
	assert_string_equal(walk(&fixture, "/a", ""), "");
	assert_string_equal(walk(&fixture, "/", ""), "");
	assert_string_equal(walk(&fixture, "/x*", ""), "");
	fixture_end(&fixture);
}

static void test_walk_goes_on_after_a_path(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	assert_string_equal(walk(&fixture, "/**", "/a/c/d"),
	                    "/a/c/e/f /a/\xc3\xa9/x /a-b /a.c/x /b /zz/z");
	assert_string_equal(walk(&fixture, "/**", "/a"),
	                    "/a/b /a/b- /a/c/d /a/c/e/f /a/\xc3\xa9/x /a-b /a.c/x /b /zz/z");
	assert_string_equal(walk(&fixture, "/a/*", "/a/b"), "/a/b-");
	assert_string_equal(walk(&fixture, "/a/*", "/"), "/a/b /a/b-");
	assert_string_equal(walk(&fixture, "/a/*", "/b"), "");
	assert_string_equal(walk(&fixture, "/b", "/b"), "");
	assert_string_equal(walk(&fixture, "/**", "/zz/z"), "");
	fixture_end(&fixture);
}

/* A random path or glob of such names, up to five deep. */
static const char *draw(struct prng *prng, const char *const *names, unsigned count)
{
	static char text[64];
	const uint64_t depth = 1 + prng_below(prng, 5);

	text[0] = '\0';
	for (uint64_t i = 0; i < depth; i++) {
		strcat(text, "/");
		strcat(text, names[prng_below(prng, count)]);
	}
	return text;
}

/* The next of a walk that is cut now and then, and goes on. */
static bool next_of(struct store_cursor *cursor, struct store_view *view, const char *glob,
                    struct store_file *ret_file)
{
	uint8_t after[STORE_PATH_SIZE_MAX];
	struct slice mark;

	while (!store_cursor_next(cursor, ret_file)) {
		if (!store_cursor_cut(cursor, &mark)) {
			return false;
		}
		memcpy(after, mark.data, mark.size);
		assert_int_equal(
			store_walk_at(cursor, view, slice_text(glob), slice_make(after, mark.size)),
			STORE_OK);
	}
	return true;
}

/* A walk goes over what cannot match, and gives all the same; also in pages of few looks each. */
static void check_walk(const struct store_root *root, const char *glob, uint32_t looks)
{
	struct store_view view = store_present(root);
	struct store_cursor every, cursor;
	struct store_file file, found;

	view.looks = looks;
	assert_int_equal(store_walk(&every, root, slice_text("/**"), slice_text("")), STORE_OK);
	assert_int_equal(store_walk_at(&cursor, &view, slice_text(glob), slice_text("")), STORE_OK);
	while (store_cursor_next(&every, &file)) {
		if (store_glob_match(slice_text(glob), file.path)) {
			assert_true(next_of(&cursor, &view, glob, &found));
			assert_true(slice_equal(found.path, file.path));
		}
	}
	assert_false(next_of(&cursor, &view, glob, &found));
}

static void test_walk_passes_over_what_cannot_match(void **state)
{
	static const char *const names[] = {"a", "b", "ab", "a-", "c"};
	static const char *const globs[] = {"a", "*", "?", "b*", "**", "a*c", "c", "?b"};
	struct fixture fixture;
	struct prng prng;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		prng_init(&prng, seed);
		fixture_begin(&fixture);
		for (unsigned i = 0; i < 400; i++) {
			(void)fixture_set(&fixture, draw(&prng, names, 5), "");
		}
		store_publish(fixture.store);
		for (unsigned i = 0; i < 200; i++) {
			const char *glob = draw(&prng, globs, 8);

			check_walk(store_root(fixture.store), glob, UINT32_MAX);
			check_walk(store_root(fixture.store), glob, 1 + i % 30);
		}
		fixture_end(&fixture);
	}
}

/* A directory with very many files below costs a search, where none of them can match. */
static void test_large_directory_beside_a_walk_costs_little(void **state)
{
	struct store_view view;
	struct store_cursor cursor;
	struct fixture fixture;
	struct store_file file;
	char path[64];

	(void)state;
	fixture_begin(&fixture);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(path, sizeof(path), "/ctl/long/a/.queue/255-%016x", i);
		assert_int_equal(fixture_set(&fixture, path, "").answer, STORE_OK);
	}
	(void)fixture_set(&fixture, "/ctl/name", "");
	store_publish(fixture.store);
	view = store_present(store_root(fixture.store));
	view.looks = 40;
	assert_int_equal(store_walk_at(&cursor, &view, slice_text("/ctl/*"), slice_text("")),
	                 STORE_OK);
	assert_true(store_cursor_next(&cursor, &file));
	assert_true(slice_equal(file.path, slice_text("/ctl/name")));
	assert_false(store_cursor_next(&cursor, &file));
	assert_false(store_cursor_cut(&cursor, &file.path));
	fixture_end(&fixture);
}

static void test_bad_questions_get_typed_answers(void **state)
{
	char name[STORE_PATH_SIZE_MAX + 2];
	struct store_cursor cursor;
	const struct store_root *root;
	struct fixture fixture;

	(void)state;
	begin(&fixture);
	root = store_root(fixture.store);
	memset(name, 'x', sizeof(name));
#define LIST(path, after) store_list(&cursor, root, path, after)
#define WALK(glob, after) store_walk(&cursor, root, glob, after)
	assert_int_equal(LIST(slice_text("/b"), slice_text("")), STORE_NOT_DIRECTORY);
	assert_int_equal(LIST(slice_text("/b/c"), slice_text("")), STORE_NOT_DIRECTORY);
	assert_int_equal(LIST(slice_text("/c"), slice_text("")), STORE_NOT_FOUND);
	assert_int_equal(LIST(slice_text("/a/"), slice_text("")), STORE_BAD_PATH);
	assert_int_equal(LIST(slice_text(""), slice_text("")), STORE_BAD_PATH);
	assert_int_equal(LIST(slice_text("/"), slice_text("a/b")), STORE_BAD_PATH);
	assert_int_equal(LIST(slice_text("/"), slice_text("\xff")), STORE_BAD_PATH);
	assert_int_equal(LIST(slice_text("/"), slice_make(name, 256)), STORE_TOO_LARGE);
	assert_int_equal(LIST(slice_text("/"), slice_make(name, 255)), STORE_OK);
	name[0] = '/';
	assert_int_equal(LIST(slice_make(name, 513), slice_text("")), STORE_TOO_LARGE);
	assert_int_equal(WALK(slice_text(""), slice_text("")), STORE_BAD_GLOB);
	assert_int_equal(WALK(slice_text("*"), slice_text("")), STORE_BAD_GLOB);
	assert_int_equal(WALK(slice_text("/a/"), slice_text("")), STORE_BAD_GLOB);
	assert_int_equal(WALK(slice_make(name, 513), slice_text("")), STORE_TOO_LARGE);
	assert_int_equal(WALK(slice_text("/*"), slice_text("/a/")), STORE_BAD_PATH);
	assert_int_equal(WALK(slice_make(name, 512), slice_text("")), STORE_OK);
	fixture_end(&fixture);
}

static void test_longest_names_can_be_listed(void **state)
{
	char path[STORE_PATH_SIZE_MAX + 1] = {0};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	memset(path, 'x', STORE_PATH_SIZE_MAX);
	path[0] = '/';
	path[256] = '/';
	assert_int_equal(fixture_set(&fixture, path, path).answer, STORE_OK);
	store_publish(fixture.store);
	assert_string_equal(walk(&fixture, "/**", ""), path);
	assert_string_equal(walk(&fixture, "/**", path), "");
	path[256] = '\0';
	assert_int_equal(strlen(list(&fixture, path, "")), STORE_PATH_SIZE_MAX);
	assert_string_equal(list(&fixture, path, path + 1), "");
	fixture_end(&fixture);
}

static void test_empty_store_has_an_empty_root(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_string_equal(list(&fixture, "/", ""), "");
	assert_string_equal(walk(&fixture, "/**", ""), "");
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_gives_names_once_and_in_order),
		cmocka_unit_test(test_list_goes_on_after_a_name),
		cmocka_unit_test(test_walk_gives_files_in_tree_order),
		cmocka_unit_test(test_walk_goes_on_after_a_path),
		cmocka_unit_test(test_walk_passes_over_what_cannot_match),
		cmocka_unit_test(test_large_directory_beside_a_walk_costs_little),
		cmocka_unit_test(test_bad_questions_get_typed_answers),
		cmocka_unit_test(test_longest_names_can_be_listed),
		cmocka_unit_test(test_empty_store_has_an_empty_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
