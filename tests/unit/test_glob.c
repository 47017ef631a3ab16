/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   globs match what Doozer's match, and a hostile glob costs no more than its size allows.
 * Method: the matrix recorded from Doozer; characters beyond ASCII; all short globs and random
 *         longer ones against a plain recursive matcher; long ones against a table; and the globs
 *         that make backtracking matchers explode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/glob.h"

static bool matches(const char *glob, const char *path)
{
	return store_glob_match(slice_text(glob), slice_text(path));
}

/* Each glob with all the paths of `paths` it matches, as recorded from Doozer's own matcher. */
static const struct {
	const char *glob;
	const char *matched;
} matrix[] = {
	{"/", "/"},
	{"/*", "/ /a /ab /b /a.b /axb /a-b /ba"},
	{"/**", "/ /a /ab /b /a/b /a/b/c /x/a /a/x/b /a/x/y/b /x/y/a /a.b /axb /a-b /ab/c /ba"},
	{"/a/*", "/a/b"},
	{"/a/**", "/a/b /a/b/c /a/x/b /a/x/y/b"},
	{"/**/a", "/x/a /x/y/a"},
	{"/a**", "/a /ab /a/b /a/b/c /a/x/b /a/x/y/b /a.b /axb /a-b /ab/c"},
	{"/*/*", "/a/b /x/a /ab/c"},
	{"/a?", "/ab"},
	{"/?", "/a /b"},
	{"/***", "/ /a /ab /b /a/b /a/b/c /x/a /a/x/b /a/x/y/b /x/y/a /a.b /axb /a-b /ab/c /ba"},
	{"/*a*", "/a /ab /a.b /axb /a-b /ba"},
	{"/a/**/b", "/a/x/b /a/x/y/b"},
	{"/**/*", "/a/b /a/b/c /x/a /a/x/b /a/x/y/b /x/y/a /ab/c"},
	{"/a.b", "/a.b"},
	{"/**a**", "/a /ab /a/b /a/b/c /x/a /a/x/b /a/x/y/b /x/y/a /a.b /axb /a-b /ab/c /ba"},
	{"/*-b", "/a-b"},
};

static const char *const paths[] = {
	"/",        "/a",     "/ab",  "/b",   "/a/b", "/a/b/c", "/x/a", "/a/x/b",
	"/a/x/y/b", "/x/y/a", "/a.b", "/axb", "/a-b", "/ab/c",  "/ba",
};

static bool is_listed(const char *list, const char *path)
{
	const size_t size = strlen(path);
	const char *at = list;

	for (; (at = strstr(at, path)) != NULL; at += size) {
		if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0')) {
			return true;
		}
	}
	return false;
}

static void test_matrix_of_doozer_holds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
		assert_int_equal(store_glob_check(slice_text(matrix[i].glob)), STORE_PATH_GOOD);
		for (unsigned k = 0; k < sizeof(paths) / sizeof(paths[0]); k++) {
			assert_int_equal(matches(matrix[i].glob, paths[k]),
			                 is_listed(matrix[i].matched, paths[k]));
		}
	}
}

static void test_bad_globs_are_refused(void **state)
{
	static const char *const bad[] = {"",  "a",   "//",    "/a/",    "/a//b", "*",        "**",
	                                  "?", "/*/", "/\xff", "/*\x80", "/\n",   "/\xc2\x85"};
	static const char *const good[] = {"/", "/*", "/?", "/[a]", "/a b", "/.*", "/-?*", "/***"};
	uint8_t large[STORE_GLOB_SIZE_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_glob_check(slice_text(bad[i])), STORE_PATH_BAD);
	}
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(store_glob_check(slice_text(good[i])), STORE_PATH_GOOD);
	}
	memset(large, '*', sizeof(large));
	large[0] = '/';
	assert_int_equal(store_glob_check(slice_make(large, sizeof(large) - 1)), STORE_PATH_GOOD);
	assert_int_equal(store_glob_check(slice_make(large, sizeof(large))), STORE_PATH_LONG);
}

static void test_question_mark_is_one_character(void **state)
{
	(void)state;
	assert_true(matches("/?", "/\xc3\xa9"));
	assert_true(matches("/?", "/\xf0\x9f\x98\x80"));
	assert_false(matches("/??", "/\xc3\xa9"));
	assert_true(matches("/a?b", "/a\xe2\x82\xac"
	                            "b"));
	assert_true(matches("/\xc3\xa9*", "/\xc3\xa9t\xc3\xa9"));
	assert_false(matches("/\xc3\xa9", "/\xc3\xa8"));
}

static void test_literal_part_is_found(void **state)
{
	(void)state;
	assert_int_equal(store_glob_literal(slice_text("/a/b")), 4);
	assert_int_equal(store_glob_literal(slice_text("/a/*")), 3);
	assert_int_equal(store_glob_literal(slice_text("/?")), 1);
}

/* By the table of glob.h, word for word; exponential, so for short ones only. */
static bool plainly(const char *glob, const char *path)
{
	if (*glob == '\0') {
		return *path == '\0';
	}
	if (glob[0] == '*') {
		const bool is_double = glob[1] == '*';

		return plainly(glob + (is_double ? 2 : 1), path) ||
		       (*path != '\0' && (is_double || *path != '/') && plainly(glob, path + 1));
	}
	if (*path == '\0' || (glob[0] == '?' ? *path == '/' : *path != glob[0])) {
		return false;
	}
	return plainly(glob + 1, path + 1);
}

static void random_text(struct prng *prng, const char *letters, char *ret_text)
{
	const uint64_t size = 1 + prng_below(prng, 9);

	*ret_text++ = '/';
	for (uint64_t i = 0; i < size; i++) {
		*ret_text++ = letters[prng_below(prng, strlen(letters))];
	}
	*ret_text = '\0';
}

/* Below a directory that is hopeless nothing matches. */
static void check_hopeless(const char *glob, const char *path)
{
	static const char *const names[] = {"a", "b", "aa", "ab", "ba", "a/b", "b/a", "a/b/b"};
	const size_t size = store_glob_hopeless(slice_text(glob), slice_text(path));
	char below[24];

	assert_true(size < strlen(path));
	if (size == 0) {
		return;
	}
	assert_int_equal(path[size], '/');
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(below, sizeof(below), "%.*s/%s", (int)size, path, names[i]);
		assert_false(plainly(glob, below));
	}
}

static void test_what_is_hopeless(void **state)
{
	static const struct {
		const char *glob, *path;
		size_t size;
	} cases[] = {
		{"/ctl/*", "/ctl/lock/a/.holder/1", 9},
		{"/ctl/*", "/ctl/err", 0},
		{"/ctl/*/addr", "/ctl/node/ID/hostname", 12},
		{"/ctl/*/ad?r", "/ctl/node/hostname", 0},
		{"/ctl/**", "/ctl/lock/a/.holder/1", 0},
		{"/a/*/b/*", "/a/x/c/d/e", 6},
		{"/a/*", "/b/c/d", 0},
		{"/a", "/a/b/c", 2},
		{"/?/b", "/xy/b/c", 3},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			store_glob_hopeless(slice_text(cases[i].glob), slice_text(cases[i].path)),
			cases[i].size);
	}
}

static void test_random_globs_match_as_the_plain_matcher_says(void **state)
{
	char glob[16], path[16];
	unsigned tried = 0, matched = 0;
	struct prng prng;

	(void)state;
	prng_init(&prng, 5);
	for (unsigned i = 0; i < 1000000; i++) {
		random_text(&prng, "ab/*?*", glob);
		random_text(&prng, "ab/", path);
		if (store_glob_check(slice_text(glob)) == STORE_PATH_GOOD &&
		    store_path_check(slice_text(path)) == STORE_PATH_GOOD) {
			const bool is_match = matches(glob, path);

			tried++;
			matched += is_match;
			assert_int_equal(is_match, plainly(glob, path));
			check_hopeless(glob, path);
		}
	}
	assert_true(tried > 100000);
	assert_true(matched > 5000);
}

/* The next text over `letters`, shorter ones first: counts, with the first letter as the lowest. */
static bool step(const char *letters, char *text, size_t size_max)
{
	const size_t last = strlen(letters) - 1;
	size_t i;

	for (i = 1; text[i] == letters[last]; i++) {
		text[i] = letters[0];
	}
	if (text[i] != '\0') {
		text[i] = strchr(letters, text[i])[1];
	} else if (i < size_max) {
		text[i] = letters[0];
		text[i + 1] = '\0';
	} else {
		return false;
	}
	return true;
}

static void test_all_short_globs_match_as_the_plain_matcher_says(void **state)
{
	char glob[8] = "/", path[8];
	unsigned tried = 0, matched = 0;

	(void)state;
	do {
		if (store_glob_check(slice_text(glob)) != STORE_PATH_GOOD) {
			continue;
		}
		memcpy(path, "/", 2);
		do {
			const bool is_match = matches(glob, path);

			if (store_path_check(slice_text(path)) != STORE_PATH_GOOD) {
				continue;
			}
			tried++;
			matched += is_match;
			if (is_match != plainly(glob, path)) {
				fail_msg("%s %s", glob, path);
			}
		} while (step("ab/", path, 7));
	} while (step("ab/*?", glob, 7));
	assert_true(tried > 500000);
	assert_true(matched > 10000);
}

/* As plainly(), from both ends back by a table: for long ones. */
static bool by_table(const char *glob, const char *path)
{
	static bool ends[STORE_GLOB_SIZE_MAX + 1][STORE_PATH_SIZE_MAX + 1];
	const size_t globs = strlen(glob), paths_size = strlen(path);

	for (size_t g = globs + 1; g-- > 0;) {
		for (size_t p = paths_size + 1; p-- > 0;) {
			const unsigned size = store_path_character(slice_text(path + p));

			if (g == globs) {
				ends[g][p] = p == paths_size;
			} else if (glob[g] == '*') {
				const bool is_double = glob[g + 1] == '*';

				ends[g][p] = ends[g + (is_double ? 2 : 1)][p] ||
				             (size != 0 && (is_double || path[p] != '/') &&
				              ends[g][p + size]);
			} else if (glob[g] == '?') {
				ends[g][p] = size != 0 && path[p] != '/' && ends[g + 1][p + size];
			} else {
				ends[g][p] = glob[g] == path[p] && ends[g + 1][p + 1];
			}
		}
	}
	return ends[0][0];
}

/* A path, and a glob made of it by putting wildcards for parts, and sometimes another letter. */
static void long_texts(struct prng *prng, char *ret_glob, char *ret_path)
{
	static const char *const letters[] = {"a", "b", "/", "\xc3\xa9", "\xe2\x82\xac"};
	static const char *const wilds[] = {"?", "*", "**", "***", "?*", "****?", "*a*"};
	const uint64_t count = 40 + prng_below(prng, 110);
	char *glob = ret_glob, *path = ret_path;
	uint64_t passed = 0;

	glob = stpcpy(glob, "/");
	path = stpcpy(path, "/");
	for (uint64_t i = 0; i < count; i++) {
		const char *letter =
			letters[path[-1] == '/' ? prng_below(prng, 2) : prng_below(prng, 5)];

		path = stpcpy(path, i + 1 == count && letter[0] == '/' ? "a" : letter);
		if (passed > 0) {
			passed--;
		} else if (prng_chance(prng, 1, 6)) {
			glob = stpcpy(glob, wilds[prng_below(prng, 7)]);
			passed = prng_below(prng, 4);
		} else {
			glob = stpcpy(glob, prng_chance(prng, 1, 200) ? "b" : letter);
		}
	}
}

static void test_long_globs_match_as_the_table_says(void **state)
{
	char glob[STORE_GLOB_SIZE_MAX + 1], path[STORE_PATH_SIZE_MAX + 1];
	unsigned tried = 0, matched = 0;
	struct prng prng;

	(void)state;
	prng_init(&prng, 6);
	for (unsigned i = 0; i < 10000; i++) {
		long_texts(&prng, glob, path);
		if (store_glob_check(slice_text(glob)) == STORE_PATH_GOOD &&
		    store_path_check(slice_text(path)) == STORE_PATH_GOOD) {
			const bool is_match = matches(glob, path);

			tried++;
			matched += is_match;
			if (is_match != by_table(glob, path)) {
				fail_msg("%s %s", glob, path);
			}
		}
	}
	assert_true(tried > 1000);
	assert_true(matched > 100);
	assert_true(tried - matched > 100);
}

static void test_hostile_globs_end(void **state)
{
	char glob[STORE_GLOB_SIZE_MAX + 1] = "/", path[STORE_PATH_SIZE_MAX + 1] = "/";

	(void)state;
	for (unsigned i = 1; i + 4 < sizeof(glob); i += 4) {
		memcpy(glob + i, i % 8 == 1 ? "**a*" : "a**a", 5);
	}
	memcpy(glob + strlen(glob), "b", 2);
	memset(path + 1, 'a', sizeof(path) - 2);
	for (unsigned i = 200; i < 512; i += 200) {
		path[i] = '/';
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_false(matches(glob, path));
	}
	path[sizeof(path) - 2] = 'b';
	assert_true(matches(glob, path));
	/* Stars alone, as many as there may be: each was a place of its own once, and 100 ms. */
	memset(glob + 1, '*', sizeof(glob) - 2);
	memcpy(glob + sizeof(glob) - 5, "a?*b", 4);
	for (unsigned i = 0; i < 200; i++) {
		assert_true(matches(glob, path));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix_of_doozer_holds),
		cmocka_unit_test(test_bad_globs_are_refused),
		cmocka_unit_test(test_question_mark_is_one_character),
		cmocka_unit_test(test_literal_part_is_found),
		cmocka_unit_test(test_what_is_hopeless),
		cmocka_unit_test(test_random_globs_match_as_the_plain_matcher_says),
		cmocka_unit_test(test_all_short_globs_match_as_the_plain_matcher_says),
		cmocka_unit_test(test_long_globs_match_as_the_table_says),
		cmocka_unit_test(test_hostile_globs_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
