/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * file.h - files and directories over a tree of paths
 *
 * Only files are kept. A directory is there as long as a file stands below it; tree order makes
 * both questions cheap: what stands below a path comes right behind it, and a file that is in
 * the way (a proper ancestor) comes right before it.
 *
 * Pure. Any thread that may hold the root.
 */

#include "store/answer.h"
#include "store/path.h"
#include "store/tree.h"

/* GOOD is OK; the other forms are BAD_PATH and TOO_LARGE. */
enum store_answer store_file_form(enum store_path_form form);

/*
 * What stands at a path of any form: OK and the item, NOT_FOUND, IS_DIRECTORY, NOT_DIRECTORY,
 * BAD_PATH or TOO_LARGE. ret_item is written if the answer is OK.
 */
enum store_answer store_file_look(const struct store_node *root, struct slice path,
                                  const struct store_item **ret_item);

/* The same, and for OK the place of the item, for store_tree_replace(). */
enum store_answer store_file_find(const struct store_node *root, struct slice path,
                                  const struct store_item **ret_item,
                                  struct store_place *ret_place);

/* What a file costs of the quota. */
static inline uint64_t store_file_cost(size_t path_size, size_t value_size)
{
	return (uint64_t)path_size + value_size + STORE_FILE_OVERHEAD;
}
