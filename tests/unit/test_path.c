/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the grammar is the one of path.h to the byte, and tree order keeps a subtree together.
 * Method: lists of good and bad paths, every code point once, and random paths for the order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/path.h"

static enum store_path_form check(const char *path)
{
	return store_path_check(slice_text(path));
}

static void test_good_paths_are_good(void **state)
{
	static const char *const paths[] = {
		"/",
		"/a",
		"/a/b",
		"/.",
		"/..",
		"/...",
		"/-",
		"/a b",
		"/_",
		"/a.b-c",
		"/\xc3\xa9",
		"/\xc2\xa0",
		"/\xe0\xa0\x80",
		"/\xed\x9f\xbf",
		"/\xee\x80\x80",
		"/\xef\xbf\xbf",
		"/\xf0\x90\x80\x80",
		"/\xf4\x8f\xbf\xbf",
		"/a/\xe2\x82\xac/[x]{y},\\",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(check(paths[i]), STORE_PATH_GOOD);
	}
}

static void test_bad_paths_are_bad(void **state)
{
	static const char *const paths[] = {
		"",
		"a",
		"a/b",
		"//",
		"/a/",
		"/a//b",
		"//a",
		"/*",
		"/?",
		"/a*b",
		"/a?",
		"/\x01",
		"/\x1f",
		"/\n",
		"/a\x7f",
		"/\xc2\x80",
		"/\xc2\x9f", /* control characters */
		"/\x80",
		"/\xbf",
		"/\xc3",
		"/\xc3(",
		"/\xc0\xaf",
		"/\xc1\xbf", /* not UTF-8 */
		"/\xe0\x80\xaf",
		"/\xe0\x9f\xbf",
		"/\xf0\x80\x80\xaf",
		"/\xf0\x8f\xbf\xbf", /* long */
		"/\xed\xa0\x80",
		"/\xed\xbf\xbf", /* surrogates */
		"/\xf4\x90\x80\x80",
		"/\xf5\x80\x80\x80", /* beyond U+10FFFF */
		"/\xff",
		"/\xfe",
		"/\xe2\x82",
		"/\xe2\x82/",
		"/\xf0\x90\x80",
		"/\xe2(\x82",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(check(paths[i]), STORE_PATH_BAD);
	}
	assert_int_equal(store_path_check(slice_make("/a\0b", 4)), STORE_PATH_BAD);
	assert_int_equal(store_path_check((struct slice){0}), STORE_PATH_BAD);
}

static void test_limits_are_exact(void **state)
{
	uint8_t path[STORE_PATH_SIZE_MAX + 1];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	assert_int_equal(store_path_check(slice_make(path, 256)), STORE_PATH_GOOD);
	assert_int_equal(store_path_check(slice_make(path, 257)), STORE_PATH_LONG);
	path[256] = '/';
	assert_int_equal(store_path_check(slice_make(path, 512)), STORE_PATH_GOOD);
	assert_int_equal(store_path_check(slice_make(path, 513)), STORE_PATH_LONG);
	assert_int_equal(store_path_check_name(slice_make(path + 1, 255)), STORE_PATH_GOOD);
	path[256] = 'x';
	assert_int_equal(store_path_check_name(slice_make(path + 1, 256)), STORE_PATH_LONG);
	assert_int_equal(store_path_check_name(slice_make(path, 2)), STORE_PATH_BAD);
	assert_int_equal(store_path_check_name((struct slice){0}), STORE_PATH_BAD);
}

static bool is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

/* The plain definition, to compare with. */
static size_t utf8(uint32_t point, uint8_t *bytes)
{
	const size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	static const uint8_t marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = size - 1; i > 0; i--) {
		bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	bytes[0] = (uint8_t)(marks[size] | point);
	return size;
}

static void test_every_code_point_is_judged_rightly(void **state)
{
	uint8_t bytes[8];

	(void)state;
	for (uint32_t point = 0; point < 0x110000 + 0x1000; point++) {
		const size_t size = utf8(point, bytes);
		const bool is_good = !is_control(point) && point < 0x110000 &&
		                     (point < 0xd800 || point > 0xdfff);

		assert_int_equal(store_path_character(slice_make(bytes, size)), is_good ? size : 0);
		if (is_good) {
			assert_int_equal(store_path_character(slice_make(bytes, size - 1)), 0);
		}
	}
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void test_order_goes_name_by_name(void **state)
{
	static const char *const paths[] = {
		"/",    "/a",     "/a/b", "/a/b/c", "/a/b c", "/a/c", "/a a",      "/a!",
		"/a-b", "/a-b/c", "/a.c", "/aa",    "/ab",    "/b",   "/\xc3\xa9",
	};
	const unsigned count = sizeof(paths) / sizeof(paths[0]);

	(void)state;
	for (unsigned i = 0; i < count; i++) {
		for (unsigned k = 0; k < count; k++) {
			const int order =
				store_path_compare(slice_text(paths[i]), slice_text(paths[k]));

			assert_int_equal(sign(order), (i > k) - (i < k));
		}
	}
}

static struct slice random_path(struct prng *prng, uint8_t *bytes)
{
	static const char letters[] = "ab-.";
	size_t size = 0;

	for (uint64_t names = 1 + prng_below(prng, 4); names > 0; names--) {
		bytes[size++] = '/';
		for (uint64_t rest = 1 + prng_below(prng, 6); rest > 0; rest--) {
			bytes[size++] = (uint8_t)letters[prng_below(prng, 4)];
		}
	}
	return slice_make(bytes, size);
}

static void test_subtree_is_contiguous(void **state)
{
	uint8_t bytes[3][64];
	struct prng prng;

	(void)state;
	prng_init(&prng, 3);
	for (unsigned i = 0; i < 200000; i++) {
		const struct slice a = random_path(&prng, bytes[0]);
		const struct slice b = random_path(&prng, bytes[1]);
		const struct slice c = random_path(&prng, bytes[2]);
		const bool is_between =
			store_path_compare(a, b) < 0 && store_path_compare(b, c) < 0;

		assert_int_equal(sign(store_path_compare(a, b)), -sign(store_path_compare(b, a)));
		assert_int_equal(store_path_compare(a, b) == 0, slice_equal(a, b));
		if (is_between) {
			assert_true(store_path_compare(a, c) < 0);
			assert_true(!store_path_is_below(c, a) || store_path_is_below(b, a));
		}
	}
}

static void test_below_is_whole_names(void **state)
{
	(void)state;
	assert_true(store_path_is_below(slice_text("/a"), slice_text("/")));
	assert_false(store_path_is_below(slice_text("/"), slice_text("/")));
	assert_true(store_path_is_below(slice_text("/a/b"), slice_text("/a")));
	assert_false(store_path_is_below(slice_text("/a"), slice_text("/a")));
	assert_false(store_path_is_below(slice_text("/ab"), slice_text("/a")));
	assert_false(store_path_is_below(slice_text("/b/c"), slice_text("/a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_paths_are_good),
		cmocka_unit_test(test_bad_paths_are_bad),
		cmocka_unit_test(test_limits_are_exact),
		cmocka_unit_test(test_every_code_point_is_judged_rightly),
		cmocka_unit_test(test_order_goes_name_by_name),
		cmocka_unit_test(test_subtree_is_contiguous),
		cmocka_unit_test(test_below_is_whole_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
