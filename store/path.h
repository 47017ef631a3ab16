/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * path.h - what a path is, and how paths are ordered
 *
 *      path := "/" | ( "/" name )+
 *      name := 1 to 255 bytes of valid UTF-8 without control characters, "/", "*", "?"
 *
 * Control characters are U+0000 to U+001F, U+007F and U+0080 to U+009F. Names such as "." and
 * ".." are ordinary ones. A path has at most STORE_PATH_SIZE_MAX bytes.
 *
 * Tree order: as byte order, but "/" stands before every other byte. So a directory's files
 * stand together, right behind the place where a file of the directory's name would stand:
 *
 *      /a   /a/b   /a/b/c   /a-b   /a.c   /b
 *
 * Pure. Any thread. Nothing here can fail but by its answer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/limits.h"

enum store_path_form {
	STORE_PATH_GOOD,
	STORE_PATH_BAD,  /* not a path */
	STORE_PATH_LONG, /* the path, or a name in it, is over the limit */
};

/* Checks a whole path. */
enum store_path_form store_path_check(struct slice path);

/* Checks one name, as it may stand between two separators. */
enum store_path_form store_path_check_name(struct slice name);

/* True of "/" alone. */
bool store_path_is_root(struct slice path);

/* True if `path` lies somewhere below `directory`; both are good paths, and "/" has all below. */
bool store_path_is_below(struct slice path, struct slice directory);

/* Less than, equal to or greater than 0, as `a` stands before, at or behind `b` in tree order. */
int store_path_compare(struct slice a, struct slice b);

/* How many bytes two paths have in common at their beginning. */
size_t store_path_common(struct slice a, struct slice b);

/* Where a byte stands in tree order. */
static inline uint8_t store_path_rank(uint8_t byte)
{
	return byte == '/' ? 1 : byte;
}

/*
 * The size, 1 to 4 bytes, of the character at the front of `text`; 0 if nothing stands there, or
 * what is not UTF-8, or a control character.
 */
unsigned store_path_character(struct slice text);
