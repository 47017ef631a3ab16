/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * snapshot.h - the whole store to bytes and back
 *
 *      store_snapshot_open(root) -> read, read, read ... -> end
 *      store_restore_begin()     -> feed, feed, feed ... -> store_restore_end(): the store is that
 *
 * The bytes are a function of the replicated state alone, so two servers at the same index write
 * the same ones: magic, version, index, time, revision, members, sessions with their kept
 * answers, files in tree order, and at the end the XXH3-128 digest of all before it.
 *
 * Pure. Threads: the writer's; only store_snapshot_read() and store_snapshot_index() may be called
 * by any one thread, while the writer goes on: what they read is pinned and immutable.
 */

#include "store/store.h"

struct store_snapshot; /* a place in the stream of one pinned root */
struct store_restore;  /* a state that is being put together */

/*
 * Begins to read the store at its published root, which is pinned until close. Sessions and
 * members belong to that root, too.
 * Returns 0, -EBUSY (too many pinned) or -ENOMEM. Given back to store_snapshot_close().
 */
int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot);
void store_snapshot_close(struct store *store, struct store_snapshot *snapshot);

/* Index and time at which the snapshot stands. */
uint64_t store_snapshot_index(const struct store_snapshot *snapshot);

/* Copies the next bytes. Less than `size` only at the end; 0 at the end. */
size_t store_snapshot_read(struct store_snapshot *snapshot, void *memory, size_t size);

/* Begins with nothing, beside the store's present state. 0 or -ENOMEM. */
int store_restore_begin(struct store *store, struct store_restore **ret_restore);

/* Takes the next bytes (copied). 0, -EBADMSG (makes no sense), -ENOMEM or -EDQUOT. */
int store_restore_feed(struct store_restore *restore, struct slice bytes);

/*
 * Replaces the store's state by what was fed, in one step, and publishes it. The old state is
 * freed like any other, after a grace period. The event ring is empty afterwards.
 * Returns 0, or -EBADMSG if the bytes are not whole or the digest is wrong; then the store is as
 * it was. Either way `restore` is gone.
 */
int store_restore_end(struct store *store, struct store_restore *restore);
void store_restore_abort(struct store_restore *restore);

/* The index of the state being fed; 0 if it was not fed yet. */
uint64_t store_restore_index(const struct store_restore *restore);

/* The members of the state being fed; all zeros if they were not fed yet. */
const struct store_members *store_restore_members(const struct store_restore *restore);
