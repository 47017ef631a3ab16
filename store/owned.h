/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owned.h - which files go with which session: a tree of (session, path)
 *
 * It follows from the owners that the files themselves name, and is in no snapshot. Locks that rest
 * after their holder's death stand under STORE_OWNER_DELAYED, those that are still being passed on
 * under STORE_OWNER_PASSING.
 *
 * Pure. Threads: the writer's.
 */

#include <stdbool.h>

#include "store/session.h"
#include "store/tree.h"

/* Not there before (must), or there (must). The path is copied. */
void store_owned_add(struct store_node **root, struct store_reclaim *reclaim, uint64_t owner,
                     struct slice path);
void store_owned_remove(struct store_node **root, struct store_reclaim *reclaim, uint64_t owner,
                        struct slice path);

/* The owner's first path at or behind `from` in tree order; empty: none. Good until a change. */
struct slice store_owned_next(const struct store_node *root, uint64_t owner, struct slice from);
