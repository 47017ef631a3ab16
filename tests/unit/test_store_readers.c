/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   readers on other threads see one root at a time, whole, while the writer changes,
 *         publishes and frees; events come after the root that has them.
 * Method: the writer keeps two files equal in each batch and counts in them; readers under QSBR
 *         look at both, walk, and follow the events. Grace periods are run by the writer, as a
 *         shell would, by counters of quiescent states that the thread sanitizer understands;
 *         liburcu's own are run beside them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <urcu/urcu-qsbr.h>

#include <cmocka.h>

#include "tests/unit/store_fixture.h"

enum {
	READERS = 2,
	BATCHES = 4000,
	FILES = 200,
};

struct reader {
	pthread_t thread;
	struct store *store;
	_Alignas(64) _Atomic uint64_t quiescent; /* how often this thread held nothing */
	_Atomic bool *stop;
	uint64_t looks, events, torn;
	store_rev_t last;
};

static void look(struct reader *reader)
{
	const struct store_root *root = store_root(reader->store);
	struct store_file a, b;
	struct store_cursor cursor;
	uint64_t files = 0;

	if (store_get(root, slice_text("/pair/a"), &a) == STORE_OK) {
		if (store_get(root, slice_text("/pair/z"), &b) != STORE_OK ||
		    !slice_equal(a.value, b.value)) {
			reader->torn++;
		}
	}
	if (reader->looks % 16 == 0 &&
	    store_walk(&cursor, root, slice_text("/many/*"), (struct slice){0}) == STORE_OK) {
		while (store_cursor_next(&cursor, &a)) {
			files++;
		}
		/* All of them or none: they come and go in one batch. */
		reader->torn += files != 0 && files != FILES;
	}
	reader->looks++;
}

static void follow(struct reader *reader)
{
	const struct store_event *event;
	enum store_answer answer;

	while ((answer = store_event(reader->store, reader->last + 1, &event)) == STORE_OK) {
		struct store_file file;
		const struct store_root *root = store_root(reader->store);

		/* The root that is seen with an event has it. */
		reader->torn += store_root_revision(root) < event->revision;
		if (event->kind == STORE_EVENT_SET &&
		    store_get(root, event->path, &file) == STORE_OK) {
			reader->torn += file.revision < event->revision;
		}
		reader->last = event->revision;
		reader->events++;
	}
	if (answer == STORE_TOO_LATE) {
		reader->last = store_root_revision(store_root(reader->store));
	}
}

static void *read_on(void *argument)
{
	struct reader *reader = argument;

	urcu_qsbr_register_thread();
	while (!atomic_load_explicit(reader->stop, memory_order_acquire)) {
		look(reader);
		follow(reader);
		urcu_qsbr_quiescent_state();
		atomic_fetch_add_explicit(&reader->quiescent, 1, memory_order_acq_rel);
	}
	urcu_qsbr_unregister_thread();
	return NULL;
}

static void many(struct fixture *fixture, bool is_there)
{
	char path[32];

	for (unsigned i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "/many/%u", i);
		if (is_there) {
			assert_int_equal(fixture_set(fixture, path, "x").answer, STORE_OK);
		} else {
			assert_int_equal(fixture_delete(fixture, path).answer, STORE_OK);
		}
	}
}

/* True if every reader passed a quiescent state that began after `marks` were taken. */
static bool has_passed(struct reader *readers, const uint64_t *marks)
{
	for (unsigned i = 0; i < READERS; i++) {
		/* The turn in which the mark was taken may have begun before: two are sure. */
		if (atomic_load_explicit(&readers[i].quiescent, memory_order_acquire) <
		    marks[i] + 2) {
			return false;
		}
	}
	return true;
}

static void write_on(struct fixture *fixture, struct reader *readers)
{
	uint64_t marks[READERS] = {0}, wanted = 0;
	char value[32];

	for (unsigned i = 0; i < BATCHES || !has_passed(readers, marks); i++) {
		if (i < BATCHES) {
			(void)snprintf(value, sizeof(value), "%u", i);
			(void)fixture_set(fixture, "/pair/a", value);
			if (i % 100 == 0) {
				many(fixture, i % 200 == 0);
			}
			(void)fixture_set(fixture, "/pair/z", value);
			store_publish(fixture->store);
		}
		if (has_passed(readers, marks)) {
			store_grace_passed(fixture->store, wanted);
			wanted = store_grace_wanted(fixture->store);
			for (unsigned k = 0; k < READERS; k++) {
				marks[k] = atomic_load_explicit(&readers[k].quiescent,
				                                memory_order_acquire);
			}
		}
	}
}

static void test_readers_see_whole_batches(void **state)
{
	static struct reader readers[READERS];
	_Atomic bool stop = false;
	struct store_counters counters;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].store = fixture.store;
		readers[i].stop = &stop;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_on, &readers[i]), 0);
	}
	write_on(&fixture, readers);
	urcu_qsbr_synchronize_rcu();
	atomic_store_explicit(&stop, true, memory_order_release);
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].torn, 0);
		assert_true(readers[i].looks > 1);
	}
	/* Grace periods did end, and what waited was freed on the way. */
	store_counters(fixture.store, &counters);
	assert_true(counters.memory_bytes < 32 << 20);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers_see_whole_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
