/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a read at a former revision answers, whatever came later, what the store answered then;
 *         one that is no longer kept, or has not come, says so, and which is the oldest.
 * Method: random sets and deletes over a few paths that get into each other's way, published in
 *         batches of any size, with a plain copy of every state that there was. After each publish
 *         all answers at the borders of what is kept, and at revisions between them, are compared
 *         with what a look at every file of the copy says. The ring overflows by number and by
 *         bytes; stores are restored and refounded on the way. A sanitizer build sees what is freed
 *         too early.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/glob.h"
#include "store/history.h"
#include "store/path.h"
#include "store/snapshot.h"
#include "tests/unit/store_fixture.h"

/* In tree order. */
static const char *const paths[] = {
	"/a",     "/a/b", "/a/b/c", "/a/b/d", "/a/b-",  "/a/bb", "/a/e", "/a-",      "/a.b",
	"/a.b/c", "/b",   "/b/x",   "/c/x/y", "/c/x/z", "/c/y",  "/d",   "/e/e/e/e",
};
static const char *const others[] = {"/",      "/c",         "/c/x",  "/e",      "/e/e",
                                     "/e/e/e", "/e/e/e/e/e", "/none", "/a/b/c/d"};
static const char *const globs[] = {"/**", "/a/**", "/a*", "/*", "/a/b", "/a/?", "/c/*/y", "/x*"};

enum {
	PATHS = sizeof(paths) / sizeof(paths[0]),
	OTHERS = sizeof(others) / sizeof(others[0]),
	GLOBS = sizeof(globs) / sizeof(globs[0]),
	STATES = 4096,
	VALUE_MAX = 100,
};

/* The revision of each path, 0 where there was no file. */
struct copy {
	store_rev_t revs[PATHS];
};

struct world {
	struct fixture fixture;
	struct prng prng;
	struct copy *states; /* by revision, from `first` on */
	store_rev_t first, last;
	uint64_t checked, too_late;
};

static bool is_below(const char *path, const char *directory)
{
	const size_t size = strcmp(directory, "/") == 0 ? 0 : strlen(directory);

	return strlen(path) > 1 && strncmp(path, directory, size) == 0 && path[size] == '/';
}

/* A file's value tells its revision; its size is a function of that. */
static struct slice value_of(store_rev_t revision, char *memory)
{
	const int size = snprintf(memory, VALUE_MAX, "%lld", (long long)revision);

	memset(memory + size, 'v', VALUE_MAX - (size_t)size);
	return slice_make(memory, (size_t)size + (size_t)(revision % 50));
}

static enum store_answer what(const struct copy *copy, const char *path, store_rev_t *ret_rev)
{
	if (strcmp(path, "/") == 0) {
		return STORE_IS_DIRECTORY;
	}
	for (unsigned i = 0; i < PATHS; i++) {
		if (copy->revs[i] == 0) {
			continue;
		}
		if (strcmp(paths[i], path) == 0) {
			*ret_rev = copy->revs[i];
			return STORE_OK;
		}
		if (is_below(paths[i], path)) {
			return STORE_IS_DIRECTORY;
		}
		if (is_below(path, paths[i])) {
			return STORE_NOT_DIRECTORY;
		}
	}
	return STORE_NOT_FOUND;
}

/* --- comparing -------------------------------------------------------------------------------- */

static const struct store_root *root_of(const struct world *world)
{
	return store_root(world->fixture.store);
}

static struct store_view view_at(const struct world *world, store_rev_t rev)
{
	struct store_view view;

	assert_int_equal(store_past(world->fixture.store, root_of(world), rev, &view), STORE_OK);
	assert_false(store_view_is_lost(&view));
	return view;
}

static unsigned expected_names(const struct copy *copy, const char *directory, const char *after,
                               char names[][32], bool *is_directory, store_rev_t *revs)
{
	const size_t start = strcmp(directory, "/") == 0 ? 1 : strlen(directory) + 1;
	unsigned count = 0;

	for (unsigned i = 0; i < PATHS; i++) {
		char name[32];

		if (copy->revs[i] == 0 || !is_below(paths[i], directory)) {
			continue;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(paths[i] + start, "/"),
		               paths[i] + start);
		if (strcmp(name, after) <= 0 ||
		    (count > 0 && strcmp(names[count - 1], name) == 0)) {
			continue;
		}
		strcpy(names[count], name);
		is_directory[count] = strchr(paths[i] + start, '/') != NULL;
		revs[count] = is_directory[count] ? 0 : copy->revs[i];
		count++;
	}
	return count;
}

/*
 * The next of a cursor with `looks` at a time; as often as it is cut another one goes on, and it
 * is counted.
 */
static unsigned cuts;

static bool next_with(struct store_cursor *cursor, uint32_t looks, struct store_file *ret_file)
{
	while (!store_cursor_next(cursor, ret_file)) {
		uint8_t memory[STORE_PATH_SIZE_MAX + 1];
		struct store_view view = cursor->view;
		struct slice after, pattern;

		if (!store_cursor_cut(cursor, &after)) {
			return false;
		}
		cuts++;
		memcpy(memory, after.data, after.size);
		after.data = memory;
		pattern = slice_make(cursor->pattern, cursor->pattern_size);
		if (cursor->is_list && pattern.size > 1) {
			pattern.size--;
		}
		view.looks = UINT32_MAX;
		assert_int_equal(cursor->is_list ? store_list_at(cursor, &view, pattern, after)
		                                 : store_walk_at(cursor, &view, pattern, after),
		                 STORE_OK);
		cursor->view.looks = looks;
	}
	return true;
}

static unsigned check_list(struct store_view *view, const struct copy *copy, const char *directory,
                           const char *after, uint32_t looks)
{
	const size_t start = strcmp(directory, "/") == 0 ? 1 : strlen(directory) + 1;
	char names[PATHS][32];
	bool is_directory[PATHS];
	store_rev_t revs[PATHS];
	const unsigned count = expected_names(copy, directory, after, names, is_directory, revs);
	struct store_cursor cursor;
	struct store_file file;

	assert_int_equal(store_list_at(&cursor, view, slice_text(directory), slice_text(after)),
	                 STORE_OK);
	cursor.view.looks = looks;
	for (unsigned i = 0; i < count; i++) {
		assert_true(next_with(&cursor, looks, &file));
		assert_true(file.path.size > start);
		assert_true(slice_equal(slice_make(file.path.data + start, file.path.size - start),
		                        slice_text(names[i])));
		assert_int_equal(file.is_directory, is_directory[i]);
		assert_true(file.revision == revs[i]);
	}
	assert_false(next_with(&cursor, looks, &file));
	assert_false(store_view_is_lost(&cursor.view));
	return count;
}

static void check_walk(const struct store_view *view, const struct copy *copy, const char *glob,
                       const char *after, uint32_t looks)
{
	struct store_cursor cursor;
	struct store_file file;
	char memory[VALUE_MAX];

	assert_int_equal(store_walk_at(&cursor, view, slice_text(glob), slice_text(after)),
	                 STORE_OK);
	cursor.view.looks = looks;
	for (unsigned i = 0; i < PATHS; i++) {
		if (copy->revs[i] == 0 ||
		    !store_glob_match(slice_text(glob), slice_text(paths[i])) ||
		    (after[0] != '\0' &&
		     store_path_compare(slice_text(paths[i]), slice_text(after)) <= 0)) {
			continue;
		}
		assert_true(next_with(&cursor, looks, &file));
		assert_true(slice_equal(file.path, slice_text(paths[i])));
		assert_true(file.revision == copy->revs[i]);
		assert_true(slice_equal(file.value, value_of(copy->revs[i], memory)));
	}
	assert_false(next_with(&cursor, looks, &file));
	assert_false(store_view_is_lost(&cursor.view));
}

/* One pass from any key on, as lists and walks are made of. */
static void check_pass(struct store_view *view, const struct copy *copy, const char *key)
{
	struct store_history history;
	struct store_file file;

	store_history_seek(&history, view, slice_text(key));
	for (unsigned i = 0; i < PATHS; i++) {
		if (copy->revs[i] == 0 ||
		    store_path_compare(slice_text(paths[i]), slice_text(key)) < 0) {
			continue;
		}
		assert_true(store_history_next(&history, &file));
		assert_true(slice_equal(file.path, slice_text(paths[i])));
		assert_true(file.revision == copy->revs[i]);
	}
	assert_false(store_history_next(&history, &file));
}

/* With few looks a count may be too low, but says so. */
static void check_count(const struct store_view *view, const char *path, unsigned count)
{
	struct store_file file;

	for (uint32_t looks = 1; looks < 4 * PATHS; looks += 3) {
		struct store_view few = *view;

		few.looks = looks;
		assert_int_equal(store_stat_at(&few, slice_text(path), &file), STORE_OK);
		assert_true(file.has_more ? file.children <= count : file.children == count);
		cuts += file.has_more;
	}
}

static void check_path(struct store_view *view, const struct copy *copy, const char *path)
{
	store_rev_t rev = 0;
	const enum store_answer answer = what(copy, path, &rev);
	struct store_cursor cursor;
	struct store_file file;
	char memory[VALUE_MAX];

	assert_int_equal(store_get_at(view, slice_text(path), &file), answer);
	if (answer == STORE_OK) {
		assert_true(slice_equal(file.path, slice_text(path)));
		assert_true(file.revision == rev);
		assert_true(slice_equal(file.value, value_of(rev, memory)));
	}
	if (answer == STORE_IS_DIRECTORY) {
		const unsigned count = check_list(view, copy, path, "", UINT32_MAX);

		assert_int_equal(store_stat_at(view, slice_text(path), &file), STORE_OK);
		assert_true(file.is_directory);
		assert_int_equal(file.children, count);
		assert_false(file.has_more);
		check_count(view, path, count);
		return;
	}
	assert_int_equal(store_stat_at(view, slice_text(path), &file), answer);
	if (answer == STORE_OK) {
		assert_true(file.revision == rev);
	}
	assert_int_equal(store_list_at(&cursor, view, slice_text(path), (struct slice){0}),
	                 answer == STORE_OK ? STORE_NOT_DIRECTORY : answer);
}

static void check_state(struct world *world, store_rev_t rev)
{
	static const char *const afters[] = {"a", "a-", "b", "b-", "e", "x", "zz"};
	const struct copy *copy = &world->states[rev - world->first];
	struct store_view view = view_at(world, rev);
	store_rev_t ignored;

	for (unsigned i = 0; i < PATHS; i++) {
		check_path(&view, copy, paths[i]);
		check_walk(&view, copy, globs[i % GLOBS], paths[i], UINT32_MAX);
		check_pass(&view, copy, paths[i]);
	}
	for (unsigned i = 0; i < OTHERS; i++) {
		check_path(&view, copy, others[i]);
	}
	for (unsigned i = 0; i < GLOBS; i++) {
		check_walk(&view, copy, globs[i], "", UINT32_MAX);
		check_walk(&view, copy, globs[i], "", 1 + i % 3);
	}
	for (unsigned i = 0; i < sizeof(afters) / sizeof(afters[0]); i++) {
		(void)check_list(&view, copy, "/", afters[i], UINT32_MAX);
		(void)check_list(&view, copy, "/", afters[i], 1 + i % 8);
		if (what(copy, "/a", &ignored) == STORE_IS_DIRECTORY) {
			(void)check_list(&view, copy, "/a", afters[i], 1 + i % 8);
		}
	}
	assert_int_equal(store_get_at(&view, slice_text("a"), &(struct store_file){0}),
	                 STORE_BAD_PATH);
	world->checked++;
}

/* The oldest that can be read, by the one answer that tells it. */
static store_rev_t oldest(struct world *world)
{
	const store_rev_t revision = store_root_revision(root_of(world));
	struct store_view view;

	assert_int_equal(store_past(world->fixture.store, root_of(world), revision + 1, &view),
	                 STORE_TOO_EARLY);
	return view.oldest;
}

static void check_all(struct world *world)
{
	const store_rev_t revision = store_root_revision(root_of(world));
	const store_rev_t least = oldest(world) < 1 ? 1 : oldest(world);
	struct store_view view;

	assert_true(revision == world->last);
	assert_true(least >= world->first || least == 1);
	if (revision == 0) {
		return;
	}
	check_state(world, least);
	check_state(world, revision);
	for (unsigned i = 0; i < 4; i++) {
		check_state(world, least + (store_rev_t)prng_below(
						   &world->prng, (uint64_t)(revision - least + 1)));
	}
	if (least > 1) {
		assert_int_equal(store_past(world->fixture.store, root_of(world), least - 1, &view),
		                 STORE_TOO_LATE);
		assert_true(view.oldest == least);
		world->too_late++;
	}
	view = view_at(world, 0);
	assert_true(view.rev == revision);
}

/* --- changing --------------------------------------------------------------------------------- */

static void change(struct world *world)
{
	const unsigned i = (unsigned)prng_below(&world->prng, PATHS);
	const struct copy *now = &world->states[world->last - world->first];
	struct store_op op = {.verb = STORE_VERB_SET,
	                      .condition = STORE_IF_EQUAL,
	                      .rev = STORE_REV_ANY,
	                      .path = slice_text(paths[i])};
	char memory[VALUE_MAX];
	struct copy *next;

	if (prng_chance(&world->prng, 1, 2)) {
		op.verb = STORE_VERB_DELETE;
	} else {
		op.value = value_of(world->last + 1, memory);
	}
	if (fixture_op(&world->fixture, op).answer != STORE_OK) {
		return;
	}
	world->last++;
	assert_true(world->last - world->first < STATES);
	next = &world->states[world->last - world->first];
	*next = *now;
	next->revs[i] = op.verb == STORE_VERB_SET ? world->last : 0;
}

static void begin(struct world *world, uint64_t seed, uint64_t quota, uint32_t events_max)
{
	memset(world, 0, sizeof(*world));
	prng_init(&world->prng, seed);
	world->states = calloc(STATES, sizeof(world->states[0]));
	assert_non_null(world->states);
	fixture_begin_with(&world->fixture, &(struct store_config){.quota_bytes = quota,
	                                                           .sessions_max = 4,
	                                                           .events_max = events_max});
}

static void end(struct world *world)
{
	fixture_end(&world->fixture);
	free(world->states);
}

static void run(struct world *world, unsigned batches, unsigned batch_max)
{
	for (unsigned i = 0; i < batches; i++) {
		for (uint64_t k = prng_below(&world->prng, batch_max + 1); k > 0; k--) {
			change(world);
		}
		store_publish(world->fixture.store);
		check_all(world);
		if (prng_chance(&world->prng, 1, 3)) {
			fixture_grace(&world->fixture);
			check_all(world);
		}
	}
}

/* What stands becomes the oldest that can be read. */
static void forget(struct world *world, store_rev_t revision)
{
	const struct copy copy = world->states[world->last - world->first];

	world->states[0] = copy;
	world->first = world->last = revision;
	assert_true(oldest(world) == revision);
}

static void restore(struct world *world, struct store *from)
{
	static uint8_t bytes[1 << 20];
	struct store_snapshot *snapshot;
	struct store_restore *restore;
	size_t size;

	assert_int_equal(store_snapshot_open(from, &snapshot), 0);
	size = store_snapshot_read(snapshot, bytes, sizeof(bytes));
	assert_true(size < sizeof(bytes));
	store_snapshot_close(from, snapshot);
	assert_int_equal(store_restore_begin(world->fixture.store, &restore), 0);
	assert_int_equal(store_restore_feed(restore, slice_make(bytes, size)), 0);
	assert_int_equal(store_restore_end(world->fixture.store, restore), 0);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void test_every_kept_revision_reads_as_it_was(void **state)
{
	struct world world;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		begin(&world, seed, 1 << 20, 1 << seed);
		run(&world, 200, seed % 2 == 0 ? 8 : 20);
		/* As many as the ring has events. */
		assert_true(world.last - oldest(&world) == 1 << seed);
		assert_true(world.checked > 500 && world.too_late > 20);
		end(&world);
	}
	assert_true(cuts > 100000);
}

static void test_ring_bounded_in_bytes_keeps_fewer(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 77, 6000, 1024);
	run(&world, 200, 10);
	assert_true(oldest(&world) > 100);
	assert_true(world.last - oldest(&world) < 200);
	assert_true(world.too_late > 100);
	end(&world);
}

static void test_restored_store_has_no_past(void **state)
{
	struct world world, other;

	(void)state;
	begin(&world, 5, 1 << 20, 64);
	run(&world, 50, 5);
	begin(&other, 6, 1 << 20, 64);
	run(&other, 20, 5);
	store_publish(world.fixture.store);
	restore(&other, world.fixture.store);
	other.last = 0;
	other.states[0] = world.states[world.last];
	forget(&other, world.last);
	check_all(&other);
	other.fixture.number = world.fixture.number;
	run(&other, 50, 5);
	fixture_grace(&other.fixture);
	end(&other);
	end(&world);
}

static void test_refounded_store_has_no_past(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 9, 1 << 20, 64);
	run(&world, 50, 5);
	store_refound(world.fixture.store, 1000);
	forget(&world, world.last + 1000);
	check_all(&world);
	world.fixture.session = fixture_open(&world.fixture, 5).session;
	world.fixture.number = 0;
	run(&world, 50, 5);
	assert_true(oldest(&world) >= world.first);
	end(&world);
}

/* A file that was deleted and made again is followed over the time when it was not there. */
static void test_file_that_came_again_has_its_former_life(void **state)
{
	struct fixture fixture;
	struct store_file file;
	struct store_view view;

	(void)state;
	fixture_begin(&fixture);
	(void)fixture_set(&fixture, "/a", "first");
	(void)fixture_delete(&fixture, "/a");
	(void)fixture_set(&fixture, "/a", "second");
	(void)fixture_set(&fixture, "/a", "third");
	store_publish(fixture.store);
	assert_int_equal(store_past(fixture.store, store_root(fixture.store), 1, &view), STORE_OK);
	assert_int_equal(store_get_at(&view, slice_text("/a"), &file), STORE_OK);
	assert_true(slice_equal(file.value, slice_text("first")));
	assert_int_equal(store_past(fixture.store, store_root(fixture.store), 2, &view), STORE_OK);
	assert_int_equal(store_get_at(&view, slice_text("/a"), &file), STORE_NOT_FOUND);
	fixture_end(&fixture);
}

/* The writer goes on while a reader has a root: what it still needs may be dropped. */
static void test_view_is_lost_when_its_events_go(void **state)
{
	struct fixture fixture;
	struct store_cursor list, walk;
	struct store_file file;
	struct store_view view;

	(void)state;
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 1 << 20, .sessions_max = 1, .events_max = 8});
	(void)fixture_set(&fixture, "/a/x", "one");
	(void)fixture_set(&fixture, "/a/y", "one");
	(void)fixture_delete(&fixture, "/a/x");
	(void)fixture_set(&fixture, "/a/y", "two");
	store_publish(fixture.store);
	assert_int_equal(store_past(fixture.store, store_root(fixture.store), 2, &view), STORE_OK);
	assert_int_equal(store_list_at(&list, &view, slice_text("/a"), (struct slice){0}),
	                 STORE_OK);
	assert_int_equal(store_walk_at(&walk, &view, slice_text("/**"), (struct slice){0}),
	                 STORE_OK);
	assert_true(store_cursor_next(&list, &file));
	for (unsigned i = 0; i < 8; i++) {
		(void)fixture_set(&fixture, "/b", "new");
	}
	store_publish(fixture.store);
	assert_int_equal(store_get_at(&view, slice_text("/b"), &file), STORE_NOT_FOUND);
	assert_false(store_cursor_next(&list, &file));
	assert_true(store_view_is_lost(&list.view));
	assert_false(store_cursor_next(&walk, &file));
	assert_true(store_view_is_lost(&walk.view));
	assert_int_equal(store_get_at(&view, slice_text("/a/x"), &file), STORE_TOO_LATE);
	assert_true(view.oldest > 2);
	assert_int_equal(store_stat_at(&view, slice_text("/a"), &file), STORE_TOO_LATE);
	assert_int_equal(store_list_at(&list, &view, slice_text("/a"), (struct slice){0}),
	                 STORE_TOO_LATE);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kept_revision_reads_as_it_was),
		cmocka_unit_test(test_ring_bounded_in_bytes_keeps_fewer),
		cmocka_unit_test(test_restored_store_has_no_past),
		cmocka_unit_test(test_refounded_store_has_no_past),
		cmocka_unit_test(test_file_that_came_again_has_its_former_life),
		cmocka_unit_test(test_view_is_lost_when_its_events_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
