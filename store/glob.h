/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glob.h - ? * ** over paths
 *
 *      glob := "/" | ( "/" gname )+        gname: as a name, but "*" and "?" may stand in it
 *
 *      ?    one character other than "/" (a character is one UTF-8 code point)
 *      *    any number of characters other than "/", also none
 *      **   any number of characters, "/" too, also none
 *
 * A run of stars pairs up from the left. The whole path has to match. The rules are Doozer's:
 *
 *      /a/STARS      everything below /a, but not /a     (STARS: two stars)
 *      /aSTARS       /a, /ab, /a/b
 *      /STARS        everything, "/" too
 *      /a/STARS/b    /a/x/b, /a/x/y/b, but not /a/b
 *
 * Matching walks all places of the glob at which it can stand at once, 64 in a step, so its work is
 * bounded by the product of both sizes, whatever the glob: some 0.1 ms for two of 512 bytes.
 *
 * Pure. Any thread.
 */

#include <stdbool.h>

#include "store/base/slice.h"
#include "store/path.h"

/* GOOD, BAD or LONG, as for a path. */
enum store_path_form store_glob_check(struct slice glob);

/* True if a good path matches a good glob. */
bool store_glob_match(struct slice glob, struct slice path);

/*
 * How long that directory of the path is, the uppermost, below which nothing matches. 0: there is
 * none, or the path does not begin with the glob's literal part.
 */
size_t store_glob_hopeless(struct slice glob, struct slice path);

/* How many bytes stand before the first "?" or "*": every match begins with them. */
size_t store_glob_literal(struct slice glob);
