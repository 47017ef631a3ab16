/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_change.c - changes that can be taken back until they are kept
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "store/base/prng.h"
#include "store/change.h"
#include "store/owned.h"
#include "tests/unit/store_fixture.h"

enum {
	FILES = 40,
	CHANGES = 100,
};

static void put(struct fixture *fixture, const char *path, uint64_t owner)
{
	struct store *store = fixture->store;
	struct store_item *item =
		store_item_new(&store->reclaim, slice_text(path), 3, store->state.revision + 1);

	memcpy(store_item_memory(item), "new", 3);
	item->owner = owner;
	store_change_put(store, item, STORE_CAUSE_ASKED);
}

/* Files of nobody, of the session and of locks that rest, put and removed by chance. */
static void change_some(struct fixture *fixture, struct prng *prng)
{
	const uint64_t owners[] = {0, fixture->session, STORE_OWNER_DELAYED};

	for (unsigned i = 0; i < CHANGES; i++) {
		const struct store_item *item;
		char path[32];

		(void)snprintf(path, sizeof(path), "/file/%u", (unsigned)prng_below(prng, FILES));
		item = store_tree_get(fixture->store->state.files, slice_text(path));
		if (item != NULL && prng_chance(prng, 1, 2)) {
			store_change_remove(fixture->store, store_item_key(item),
			                    STORE_CAUSE_EXPIRED);
		} else {
			put(fixture, path, owners[prng_below(prng, 3)]);
		}
	}
}

/* What a root of now would say of itself. */
static struct store_digest digest(struct fixture *fixture)
{
	struct store_root root = {.state = fixture->store->state};

	return store_digest(fixture->store, &root);
}

/* As the index has it. */
static uint32_t owned_by(struct fixture *fixture, uint64_t owner)
{
	struct slice path = slice_text("/");
	char behind[64];
	uint32_t count = 0;

	for (;;) {
		path = store_owned_next(fixture->store->state.owned, owner, path);
		if (path.size == 0) {
			return count;
		}
		assert_true(store_tree_get(fixture->store->state.files, path)->owner == owner);
		count++;
		memcpy(behind, path.data, path.size);
		behind[path.size] = 0;
		path = slice_make(behind, path.size + 1);
	}
}

static void test_undone_changes_leave_nothing_behind(void **state)
{
	struct fixture fixture;
	struct prng prng;

	(void)state;
	prng_init(&prng, 5);
	fixture_begin(&fixture);
	for (unsigned round = 0; round < 50; round++) {
		struct store_digest before, after;
		struct store_state was;

		change_some(&fixture, &prng);
		store_change_commit(fixture.store);
		was = fixture.store->state;
		before = digest(&fixture);
		change_some(&fixture, &prng);
		store_change_undo(fixture.store);
		after = digest(&fixture);
		assert_true(before.low == after.low && before.high == after.high);
		assert_true(fixture.store->state.bytes == was.bytes);
		assert_true(fixture.store->state.revision == was.revision);
		assert_int_equal(store_session(fixture.store, fixture.session)->owned,
		                 owned_by(&fixture, fixture.session));
	}
	fixture_end(&fixture);
}

static void test_committed_changes_are_events(void **state)
{
	const struct store_event *event;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	put(&fixture, "/a", fixture.session);
	put(&fixture, "/b", 0);
	store_change_remove(fixture.store, slice_text("/a"), STORE_CAUSE_RELEASED);
	store_change_commit(fixture.store);
	store_events_bind(&fixture.store->events, 1, 3);
	store_events_publish(&fixture.store->events);
	assert_int_equal(store_event(fixture.store, 1, &event), STORE_OK);
	assert_true(event->owner == fixture.session && event->first == 1 && event->last == 3);
	assert_int_equal(store_event(fixture.store, 3, &event), STORE_OK);
	assert_int_equal(event->cause, STORE_CAUSE_RELEASED);
	assert_int_equal(event->kind, STORE_EVENT_DELETE);
	assert_true(event->former_owner == fixture.session && event->former_revision == 1);
	assert_int_equal(store_event(fixture.store, 4, &event), STORE_NOT_FOUND);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undone_changes_leave_nothing_behind),
		cmocka_unit_test(test_committed_changes_are_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
