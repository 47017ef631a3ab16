/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   readers on other threads see one root at a time, whole, while the writer changes,
 *         publishes and frees; events come after the root that has them; a former revision reads as
 *         it was, or is lost.
 * Method: the writer keeps two files equal in each batch and counts in them; readers under QSBR
 *         look at both, walk, and follow the events. In a second run it makes some files and
 *         deletes them again, over and over, so that each revision tells which there are; readers
 *         look at former ones as far back as the ring goes. Grace periods are run by the writer,
 *         as a shell would, by counters of quiescent states that the thread sanitizer understands;
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

#include "store/base/prng.h"
#include "tests/unit/store_fixture.h"

enum {
	READERS = 2,
	BATCHES = 4000,
	FILES = 200,
	CYCLE = 100,     /* files that are made and deleted again */
	CHANGES = 40000, /* of these */
};

struct reader {
	pthread_t thread;
	struct store *store;
	_Alignas(64) _Atomic uint64_t quiescent; /* how often this thread held nothing */
	_Atomic bool *stop;
	uint64_t looks, events, torn, kept, lost;
	store_rev_t last;
	struct prng prng;
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

/* --- former revisions ------------------------------------------------------------------------- */

static void cycle_path(unsigned file, char *path)
{
	(void)snprintf(path, 32, "/cycle/%02u/file", file);
}

/* The revision that a file has at `rev`, 0 if it is not there: see change(). */
static store_rev_t cycle_rev(unsigned file, store_rev_t rev)
{
	const store_rev_t start = (rev - 1) / (2 * CYCLE) * (2 * CYCLE) + 1;
	const store_rev_t made = start + file;

	return rev >= made && rev < made + CYCLE ? made : 0;
}

/* The change that gives this revision. */
static void change(struct fixture *fixture, store_rev_t rev)
{
	const unsigned step = (unsigned)((rev - 1) % (2 * CYCLE));
	char path[32];

	cycle_path(step % CYCLE, path);
	if (step < CYCLE) {
		assert_true(fixture_set(fixture, path, path).revision == rev);
	} else {
		assert_true(fixture_delete(fixture, path).revision == rev);
	}
}

/* False: the view was lost on the way. */
static bool look_at(struct reader *reader, struct store_view *view)
{
	const unsigned file = (unsigned)prng_below(&reader->prng, CYCLE);
	const store_rev_t rev = cycle_rev(file, view->rev);
	const bool is_list = prng_chance(&reader->prng, 1, 2);
	unsigned count = 0, expected = 0;
	enum store_answer answer;
	struct store_cursor cursor;
	struct store_file found;
	char path[32];

	cycle_path(file, path);
	answer = store_get_at(view, slice_text(path), &found);
	if (answer == STORE_TOO_LATE) {
		return false;
	}
	reader->torn += answer != (rev != 0 ? STORE_OK : STORE_NOT_FOUND);
	reader->torn += answer == STORE_OK &&
	                (found.revision != rev || !slice_equal(found.value, slice_text(path)));
	for (unsigned i = 0; i < CYCLE; i++) {
		expected += cycle_rev(i, view->rev) != 0;
	}
	answer = is_list ? store_list_at(&cursor, view, slice_text("/cycle"), (struct slice){0})
	                 : store_walk_at(&cursor, view, slice_text("/**"), (struct slice){0});
	if (answer == STORE_TOO_LATE) {
		return false;
	}
	reader->torn += answer != (is_list && expected == 0 ? STORE_NOT_FOUND : STORE_OK);
	while (answer == STORE_OK && store_cursor_next(&cursor, &found)) {
		count++;
	}
	if (answer == STORE_OK && store_view_is_lost(&cursor.view)) {
		return false;
	}
	reader->torn += count != expected;
	return true;
}

static void look_back(struct reader *reader)
{
	const struct store_root *root = store_root(reader->store);
	const store_rev_t revision = store_root_revision(root);
	enum store_answer answer;
	struct store_view view;
	store_rev_t rev;

	if (store_past(reader->store, root, revision + 1, &view) != STORE_TOO_EARLY ||
	    revision == 0) {
		reader->torn += revision != 0;
		return;
	}
	/* Often the very oldest, which goes first. */
	rev = view.oldest < 1 ? 1 : view.oldest;
	if (prng_chance(&reader->prng, 1, 2)) {
		rev += (store_rev_t)prng_below(&reader->prng, (uint64_t)(revision - rev + 1));
	}
	answer = store_past(reader->store, root, rev, &view);
	reader->torn += answer != STORE_OK && answer != STORE_TOO_LATE;
	if (answer == STORE_OK && look_at(reader, &view)) {
		reader->kept++;
	} else {
		reader->lost++;
	}
	reader->looks++;
}

static void *read_back(void *argument)
{
	struct reader *reader = argument;

	urcu_qsbr_register_thread();
	while (!atomic_load_explicit(reader->stop, memory_order_acquire)) {
		look_back(reader);
		urcu_qsbr_quiescent_state();
		atomic_fetch_add_explicit(&reader->quiescent, 1, memory_order_acq_rel);
	}
	urcu_qsbr_unregister_thread();
	return NULL;
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

static void write_pair(struct fixture *fixture, unsigned i)
{
	char value[32];

	(void)snprintf(value, sizeof(value), "%u", i);
	(void)fixture_set(fixture, "/pair/a", value);
	if (i % 100 == 0) {
		many(fixture, i % 200 == 0);
	}
	(void)fixture_set(fixture, "/pair/z", value);
}

/* Batches of ten, so that most revisions were never a root. */
static void write_cycle(struct fixture *fixture, unsigned i)
{
	for (store_rev_t rev = 10 * (store_rev_t)i + 1; rev <= 10 * (store_rev_t)i + 10; rev++) {
		change(fixture, rev);
	}
}

static void write_on(struct fixture *fixture, struct reader *readers, unsigned batches,
                     void (*write)(struct fixture *fixture, unsigned i))
{
	uint64_t marks[READERS] = {0}, wanted = 0;

	for (unsigned i = 0; i < batches || !has_passed(readers, marks); i++) {
		if (i < batches) {
			write(fixture, i);
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

/* Readers beside the writer, from beginning to end. */
static void run(struct reader *readers, void *(*read)(void *), unsigned batches,
                void (*write)(struct fixture *fixture, unsigned i))
{
	_Atomic bool stop = false;
	struct store_counters counters;
	struct fixture fixture;

	fixture_begin(&fixture);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].store = fixture.store;
		readers[i].stop = &stop;
		prng_init(&readers[i].prng, i);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read, &readers[i]), 0);
	}
	write_on(&fixture, readers, batches, write);
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

static void test_readers_see_whole_batches(void **state)
{
	static struct reader readers[READERS];

	(void)state;
	run(readers, read_on, BATCHES, write_pair);
}

static void test_readers_look_back_while_the_writer_goes_on(void **state)
{
	static struct reader readers[READERS];

	(void)state;
	run(readers, read_back, CHANGES / 10, write_cycle);
	for (unsigned i = 0; i < READERS; i++) {
		assert_true(readers[i].kept > 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers_see_whole_batches),
		cmocka_unit_test(test_readers_look_back_while_the_writer_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
