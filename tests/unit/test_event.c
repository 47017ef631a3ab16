/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   every change has one event, which tells what stood before; old ones go, and say so.
 * Method: changes through the store, and the ring looked at from one revision to the next. The way
 *         back along a path is compared, from every revision to every other, with one step at a
 *         time, and its steps are counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/limits.h"
#include "store/state.h"
#include "tests/unit/store_fixture.h"

enum {
	WHOLE_RING = 1 << 16, /* as a server has it */
};

static const struct store_event *event(struct fixture *fixture, store_rev_t revision)
{
	const struct store_event *found = NULL;

	assert_int_equal(store_event(fixture->store, revision, &found), STORE_OK);
	assert_true(found->revision == revision);
	return found;
}

static enum store_answer answer(struct fixture *fixture, store_rev_t revision)
{
	const struct store_event *found;

	return store_event(fixture->store, revision, &found);
}

static void test_event_tells_what_stood_before(void **state)
{
	const struct store_event *found;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	(void)fixture_set(&fixture, "/a", "one");
	(void)fixture_set(&fixture, "/b", "");
	(void)fixture_set(&fixture, "/a", "two");
	(void)fixture_set_if(&fixture, "/a", "no", STORE_IF_EQUAL, 0);
	(void)fixture_delete(&fixture, "/a");
	store_publish(fixture.store);

	found = event(&fixture, 1);
	assert_int_equal(found->kind, STORE_EVENT_SET);
	assert_true(found->former_revision == 0);
	assert_true(slice_equal(found->path, slice_text("/a")));
	assert_true(slice_equal(found->value, slice_text("one")));
	assert_int_equal(found->former_value.size, 0);
	found = event(&fixture, 3);
	assert_true(found->former_revision == 1);
	assert_true(slice_equal(found->value, slice_text("two")));
	assert_true(slice_equal(found->former_value, slice_text("one")));
	found = event(&fixture, 4);
	assert_int_equal(found->kind, STORE_EVENT_DELETE);
	assert_true(found->former_revision == 3);
	assert_true(slice_equal(found->path, slice_text("/a")));
	assert_int_equal(found->value.size, 0);
	assert_true(slice_equal(found->former_value, slice_text("two")));
	assert_int_equal(answer(&fixture, 5), STORE_NOT_FOUND);
	assert_int_equal(answer(&fixture, 0), STORE_TOO_LATE);
	assert_int_equal(answer(&fixture, -7), STORE_TOO_LATE);
	fixture_end(&fixture);
}

static void test_event_waits_for_publication(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(store_event_first(fixture.store), 1);
	assert_int_equal(store_event_last(fixture.store), 0);
	(void)fixture_set(&fixture, "/a", "");
	assert_int_equal(answer(&fixture, 1), STORE_NOT_FOUND);
	store_publish(fixture.store);
	assert_int_equal(answer(&fixture, 1), STORE_OK);
	fixture_end(&fixture);
}

static void test_ring_keeps_the_last_and_says_what_is_too_late(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 1 << 20, .sessions_max = 1, .events_max = 8});
	for (unsigned i = 1; i <= 100; i++) {
		(void)fixture_set(&fixture, "/a", i % 2 == 0 ? "even" : "odd");
		if (i % 3 == 0) {
			fixture_grace(&fixture);
		}
	}
	store_publish(fixture.store);
	assert_int_equal(store_event_first(fixture.store), 93);
	assert_int_equal(store_event_last(fixture.store), 100);
	for (store_rev_t r = 1; r <= 92; r++) {
		assert_int_equal(answer(&fixture, r), STORE_TOO_LATE);
	}
	for (store_rev_t r = 93; r <= 100; r++) {
		assert_true(event(&fixture, r)->former_revision == r - 1);
		assert_true(slice_equal(event(&fixture, r)->former_value,
		                        slice_text(r % 2 == 0 ? "odd" : "even")));
	}
	fixture_end(&fixture);
}

static void test_batch_may_be_larger_than_the_ring(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 1 << 20, .sessions_max = 1, .events_max = 4});
	(void)fixture_set(&fixture, "/a", "old");
	store_publish(fixture.store);
	for (unsigned i = 0; i < 10; i++) {
		(void)fixture_set(&fixture, "/a", "new");
	}
	/* The slot of revision 1 was taken by one that is not published. */
	assert_int_equal(answer(&fixture, 1), STORE_TOO_LATE);
	assert_int_equal(answer(&fixture, 9), STORE_NOT_FOUND);
	assert_int_equal(store_event_first(fixture.store), 2); /* of those published, none */
	assert_int_equal(store_event_last(fixture.store), 1);
	store_publish(fixture.store);
	assert_int_equal(store_event_first(fixture.store), 8);
	assert_int_equal(answer(&fixture, 7), STORE_TOO_LATE);
	assert_int_equal(answer(&fixture, 8), STORE_OK);
	assert_int_equal(answer(&fixture, 11), STORE_OK);
	fixture_end(&fixture);
}

static void test_ring_is_bounded_in_bytes(void **state)
{
	static char value[STORE_VALUE_SIZE_MAX];
	struct store_counters counters;
	struct fixture fixture;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	fixture_begin_with(&fixture, &(struct store_config){.quota_bytes = 1 << 20,
	                                                    .sessions_max = 1,
	                                                    .events_max = 4096});
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(fixture_set(&fixture, "/a", value).answer, STORE_OK);
		fixture_grace(&fixture);
	}
	store_counters(fixture.store, &counters);
	assert_true(counters.memory_bytes < 2 << 20);
	assert_int_equal(answer(&fixture, 1), STORE_TOO_LATE);
	assert_int_equal(answer(&fixture, 995), STORE_OK);
	assert_true(slice_equal(event(&fixture, 1000)->former_value, slice_text(value)));
	fixture_end(&fixture);
}

/* --- back along a path ------------------------------------------------------------------------ */

/* Three for each doubling of the events that are kept. */
static unsigned steps_max(uint32_t size)
{
	unsigned doublings = 1;

	while (1u << doublings < size) {
		doublings++;
	}
	return 3 * doublings;
}

/* From one event of a path back to the first behind `rev`, as the chain says. NULL: dropped. */
static const struct store_event *slowly(const struct store_events *events, store_rev_t last,
                                        store_rev_t rev)
{
	const struct store_event *found = store_events_find(events, last);

	while (found != NULL && found->earlier > rev) {
		found = store_events_find(events, found->earlier);
	}
	return found;
}

/* Returns the most steps that a search took. */
static uint32_t check_chain(const struct store_events *events, store_rev_t last, store_rev_t least)
{
	uint32_t most = 0;

	for (store_rev_t rev = last - 1; rev >= least; rev--) {
		const struct store_event *found;
		store_rev_t lost = 0;
		uint32_t steps = 0;

		found = store_events_behind(events, last, rev, &steps, &lost);
		assert_ptr_equal(found, slowly(events, last, rev));
		assert_true(found != NULL ? lost == 0 : lost > rev);
		most = steps > most ? steps : most;
	}
	return most;
}

static void change_any(struct fixture *fixture, struct prng *prng, unsigned paths)
{
	const char path[] = {'/', (char)('a' + prng_below(prng, paths)), '\0'};

	if (prng_chance(prng, 1, 4)) {
		(void)fixture_delete(fixture, path);
	} else {
		(void)fixture_set(fixture, path, "");
	}
}

static void test_way_back_is_right_and_short(void **state)
{
	struct fixture fixture;
	struct prng prng;

	(void)state;
	prng_init(&prng, 4);
	for (unsigned shift = 0; shift <= 7; shift++) {
		const store_rev_t size = 1 << shift;

		fixture_begin_with(&fixture, &(struct store_config){.quota_bytes = 1 << 20,
		                                                    .sessions_max = 1,
		                                                    .events_max = (uint32_t)size});
		for (unsigned i = 0; i < 600; i++) {
			const struct store_events *events = &fixture.store->events;
			const store_rev_t last = events->newest;

			change_any(&fixture, &prng, 1 + shift % 3);
			/* Also of events before the last, and of what is dropped. */
			for (store_rev_t from = last; from > 0 && from > last - 3; from--) {
				const store_rev_t least = from > 2 * size ? from - 2 * size : 0;

				assert_true(check_chain(events, from, least) <=
				            steps_max((uint32_t)size));
			}
			if (prng_chance(&prng, 1, 5)) {
				fixture_grace(&fixture);
			}
		}
		fixture_end(&fixture);
	}
}

/* All that the ring can hold are of one file: what a GET looks at is counted by its view. */
static void test_way_back_over_a_whole_ring_is_short(void **state)
{
	struct fixture fixture;
	struct store_file file;
	struct store_view view;
	store_rev_t last;

	(void)state;
	fixture_begin_with(&fixture, &(struct store_config){.quota_bytes = 64 << 20,
	                                                    .sessions_max = 1,
	                                                    .events_max = WHOLE_RING});
	for (unsigned i = 0; i < 2 * WHOLE_RING + 12345; i++) {
		(void)fixture_set(&fixture, "/a", "");
		if (i % 1024 == 0) {
			fixture_grace(&fixture);
		}
	}
	last = store_root_revision(fixture_root(&fixture));
	for (store_rev_t rev = last - WHOLE_RING; rev < last; rev++) {
		assert_int_equal(store_past(fixture.store, store_root(fixture.store), rev, &view),
		                 STORE_OK);
		assert_int_equal(store_get_at(&view, slice_text("/a"), &file), STORE_OK);
		assert_true(file.revision == rev);
		assert_true(UINT32_MAX - view.looks <= steps_max(WHOLE_RING));
	}
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_tells_what_stood_before),
		cmocka_unit_test(test_event_waits_for_publication),
		cmocka_unit_test(test_ring_keeps_the_last_and_says_what_is_too_late),
		cmocka_unit_test(test_batch_may_be_larger_than_the_ring),
		cmocka_unit_test(test_ring_is_bounded_in_bytes),
		cmocka_unit_test(test_way_back_is_right_and_short),
		cmocka_unit_test(test_way_back_over_a_whole_ring_is_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
