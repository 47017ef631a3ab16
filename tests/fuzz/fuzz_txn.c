/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever transactions do: a store takes them one after the other from two sessions, which end
 * now and then. What is refused changes nothing, what is done keeps the locks in order, and the
 * whole comes back from a snapshot.
 *
 *      input    (what u8, size u8, transaction) ...
 */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/claim.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	SESSIONS = 2,
	SNAPSHOT_MAX = 1 << 20,
};

struct world {
	struct store *store;
	uint64_t sessions[SESSIONS];
	uint64_t numbers[SESSIONS];
};

static struct store *new_store(void)
{
	const struct store_config config = {
		.quota_bytes = 64 << 10, .sessions_max = 4, .events_max = 64};
	struct store *store;

	must(store_new(&store, &config) == 0);
	return store;
}

static struct store_result apply(struct world *world, const struct store_entry *entry)
{
	struct store_result result = {0};

	store_apply(world->store, store_applied(world->store) + 1, entry, &result);
	return result;
}

static void open_session(struct world *world, unsigned i)
{
	world->sessions[i] =
		apply(world, &(struct store_entry){.kind = STORE_ENTRY_OPEN, .ttl_ms = 1}).session;
	world->numbers[i] = 0;
}

/* A session ends, and what rests after it rests for long enough. */
static void expire(struct world *world, unsigned i)
{
	struct store_entry entry = {.kind = STORE_ENTRY_EXPIRE,
	                            .time_ns = store_time_ns(world->store),
	                            .expired_count = 1,
	                            .expired = {world->sessions[i]}};
	uint8_t copy[STORE_PATH_SIZE_MAX];
	struct slice path;

	(void)apply(world, &entry);
	entry = (struct store_entry){.kind = STORE_ENTRY_UNDELAY};
	while (store_delayed_next(world->store, slice_make(NULL, 0), &path, &entry.time_ns)) {
		memcpy(copy, path.data, path.size);
		entry.op.path = slice_make(copy, path.size);
		(void)apply(world, &entry);
	}
	open_session(world, i);
}

static void run(struct world *world, unsigned i, struct slice txn)
{
	const uint64_t number = ++world->numbers[i];
	const struct store_root *root;
	struct store_result result;
	store_rev_t before;

	store_publish(world->store);
	root = store_root(world->store);
	before = store_root_revision(root);
	result = apply(world, &(struct store_entry){.kind = STORE_ENTRY_TXN,
	                                            .session = world->sessions[i],
	                                            .number = number,
	                                            .first_unanswered = number,
	                                            .txn = txn});
	store_publish(world->store);
	root = store_root(world->store);
	must(result.store_revision == store_root_revision(root));
	must(result.answer == STORE_OK || store_root_revision(root) == before);
	store_grace_passed(world->store, store_grace_wanted(world->store));
}

/* What locks keep makes sense to others, and so does a snapshot of all of it. */
static void check_whole(struct world *world)
{
	static uint8_t bytes[SNAPSHOT_MAX];
	struct store_snapshot *snapshot;
	struct store_restore *restore;
	struct store *other = new_store();
	struct store_digest a, b;
	size_t size;

	store_publish(world->store);
	must(store_snapshot_open(world->store, &snapshot) == 0);
	size = store_snapshot_read(snapshot, bytes, sizeof(bytes));
	store_snapshot_close(world->store, snapshot);
	must(store_restore_begin(other, &restore) == 0);
	must(store_restore_feed(restore, slice_make(bytes, size)) == 0);
	must(store_restore_end(other, restore) == 0);
	a = store_digest(world->store, store_root(world->store));
	b = store_digest(other, store_root(other));
	must(a.low == b.low && a.high == b.high);
	store_refound(other, 1);
	store_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {.store = new_store()};
	size_t at = 0;

	for (unsigned i = 0; i < SESSIONS; i++) {
		open_session(&world, i);
	}
	while (at + 2 <= size && at + 2 + data[at + 1] <= size) {
		const unsigned i = data[at] % SESSIONS;
		const struct slice bytes = slice_make(data + at + 2, data[at + 1]);
		struct store_txn txn;

		if (data[at] / SESSIONS % 8 == 7) {
			expire(&world, i);
		} else if (store_txn_decode(bytes, &txn)) {
			run(&world, i, bytes);
		}
		at += 2 + bytes.size;
	}
	check_whole(&world);
	store_free(world.store);
	return 0;
}
