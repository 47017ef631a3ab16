/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the store answers, whatever was done to it, what a plain list of files would answer; a
 *         pinned root answers what the list was then; nothing is freed that can still be seen.
 * Method: random operations from seeds on both, with few names so that files and directories get
 *         into each other's way. The list is searched from end to end by the words of store.h,
 *         without trees, heads or seeks. A sanitizer build sees what is freed too early.
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
#include "store/path.h"
#include "store/snapshot.h"
#include "tests/unit/store_fixture.h"

enum {
	FILES_MAX = 1200,
	PINS = 4,
	QUOTA = 60000,
};

struct row {
	char path[64];
	char value[200];
	size_t value_size;
	store_rev_t revision;
};

/* The list, in tree order. */
struct model {
	unsigned count;
	store_rev_t revision;
	uint64_t bytes;
	struct row rows[FILES_MAX];
};

struct world {
	struct fixture fixture;
	struct prng prng;
	struct model now;
	struct model kept[PINS];
	const struct store_root *pins[PINS];
};

static bool is_below(const char *path, const char *directory)
{
	const size_t size = strlen(directory);

	if (strcmp(directory, "/") == 0) {
		return strcmp(path, "/") != 0;
	}
	return strncmp(path, directory, size) == 0 && path[size] == '/';
}

static struct row *find(struct model *model, const char *path)
{
	for (unsigned i = 0; i < model->count; i++) {
		if (strcmp(model->rows[i].path, path) == 0) {
			return &model->rows[i];
		}
	}
	return NULL;
}

/* OK, NOT_FOUND, IS_DIRECTORY or NOT_DIRECTORY. */
static enum store_answer what(struct model *model, const char *path)
{
	if (strcmp(path, "/") == 0) {
		return STORE_IS_DIRECTORY;
	}
	for (unsigned i = 0; i < model->count; i++) {
		if (strcmp(model->rows[i].path, path) == 0) {
			return STORE_OK;
		}
		if (is_below(model->rows[i].path, path)) {
			return STORE_IS_DIRECTORY;
		}
		if (is_below(path, model->rows[i].path)) {
			return STORE_NOT_DIRECTORY;
		}
	}
	return STORE_NOT_FOUND;
}

static bool holds(const struct store_op *op, store_rev_t current)
{
	if (op->rev == -1) {
		return true;
	}
	if (op->condition == STORE_IF_EQUAL) {
		return current == op->rev;
	}
	return op->rev >= 0 && current <= op->rev;
}

static void model_insert(struct model *model, const char *path, struct slice value)
{
	struct row *row = find(model, path);

	if (row == NULL) {
		unsigned i = model->count;

		assert_true(model->count < FILES_MAX);
		while (i > 0 && store_path_compare(slice_text(model->rows[i - 1].path),
		                                   slice_text(path)) > 0) {
			model->rows[i] = model->rows[i - 1];
			i--;
		}
		model->count++;
		row = &model->rows[i];
		(void)snprintf(row->path, sizeof(row->path), "%s", path);
		model->bytes += strlen(path) + STORE_FILE_OVERHEAD;
		row->value_size = 0;
	}
	model->bytes += value.size - row->value_size;
	memcpy(row->value, value.data, value.size);
	row->value_size = value.size;
	row->revision = ++model->revision;
}

static void model_remove(struct model *model, struct row *row)
{
	const size_t i = (size_t)(row - model->rows);

	model->bytes -= strlen(row->path) + row->value_size + STORE_FILE_OVERHEAD;
	model->count--;
	memmove(row, row + 1, (model->count - i) * sizeof(*row));
	model->revision++;
}

/* What the operation must answer; done to the list as well. */
static struct store_result expected(struct model *model, const char *path,
                                    const struct store_op *op)
{
	struct row *row = find(model, path);
	const store_rev_t current = row == NULL ? 0 : row->revision;
	struct store_result result = {.answer = what(model, path)};

	if (result.answer != STORE_OK && result.answer != STORE_NOT_FOUND) {
		/* as it is */
	} else if (!holds(op, current)) {
		result.answer = STORE_MISMATCH;
		result.revision = current;
	} else if (op->verb == STORE_VERB_DELETE) {
		if (row != NULL) {
			model_remove(model, row);
			result.revision = model->revision;
		}
	} else {
		const uint64_t then = row == NULL ? 0 : strlen(path) + row->value_size + 64;
		const uint64_t next = strlen(path) + op->value.size + 64;

		if (next > then && model->bytes - then + next > QUOTA) {
			result.answer = STORE_QUOTA;
			result.revision = current;
		} else {
			model_insert(model, path, op->value);
			result.answer = STORE_OK;
			result.revision = model->revision;
		}
	}
	result.store_revision = model->revision;
	return result;
}

static const char *random_path(struct prng *prng, char *path)
{
	static const char *const names[] = {"a",          "b",          "a-",       "a.b", "c",
	                                    "instance-1", "instance-2", "\xc3\xa9", "zz",  "0"};
	size_t size = 0;

	for (uint64_t depth = 1 + prng_below(prng, 4); depth > 0; depth--) {
		size += (size_t)snprintf(path + size, 64 - size, "/%s",
		                         names[prng_below(prng, depth > 1 ? 4 : 10)]);
	}
	return path;
}

static void change(struct world *world)
{
	static uint8_t value[200];
	struct store_result got, want;
	struct store_op op = {0};
	char path[64];

	random_path(&world->prng, path);
	memset(value, (int)prng_below(&world->prng, 256), sizeof(value));
	op.path = slice_text(path);
	op.verb = prng_chance(&world->prng, 2, 3) ? STORE_VERB_SET : STORE_VERB_DELETE;
	op.condition = prng_chance(&world->prng, 1, 2) ? STORE_IF_EQUAL : STORE_IF_AT_MOST;
	op.rev = STORE_REV_ANY;
	if (prng_chance(&world->prng, 1, 3)) {
		const struct row *row = find(&world->now, path);

		op.rev = row != NULL && prng_chance(&world->prng, 1, 2)
		                 ? row->revision
		                 : (store_rev_t)prng_below(&world->prng, 1000) - 3;
	}
	if (op.verb == STORE_VERB_SET) {
		op.value = slice_make(value, prng_below(&world->prng, sizeof(value)));
	}
	want = expected(&world->now, path, &op);
	got = fixture_op(&world->fixture, op);
	assert_int_equal(got.answer, want.answer);
	assert_true(got.revision == want.revision);
	assert_true(got.store_revision == want.store_revision);
}

static uint32_t children(struct model *model, const char *directory)
{
	const size_t start = strcmp(directory, "/") == 0 ? 1 : strlen(directory) + 1;
	const char *last = "";
	size_t last_size = 0;
	uint32_t count = 0;

	for (unsigned i = 0; i < model->count; i++) {
		const char *path = model->rows[i].path;

		if (is_below(path, directory)) {
			const size_t size = strcspn(path + start, "/");

			if (size != last_size || memcmp(path + start, last, size) != 0) {
				count++;
				last = path + start;
				last_size = size;
			}
		}
	}
	return count;
}

static void check_path(const struct store_root *root, struct model *model, const char *path)
{
	const enum store_answer answer = what(model, path);
	const struct row *row = find(model, path);
	struct store_file file;

	assert_int_equal(store_get(root, slice_text(path), &file), answer);
	if (answer == STORE_OK) {
		assert_true(slice_equal(file.value, slice_make(row->value, row->value_size)));
		assert_true(file.revision == row->revision);
	}
	assert_int_equal(store_stat(root, slice_text(path), &file),
	                 answer == STORE_IS_DIRECTORY ? STORE_OK : answer);
	if (answer == STORE_IS_DIRECTORY) {
		assert_true(file.is_directory);
		assert_int_equal(file.children, children(model, path));
	}
}

static void check_walk(const struct store_root *root, struct model *model, const char *glob,
                       const char *after)
{
	struct store_cursor cursor;
	struct store_file file;

	assert_int_equal(store_walk(&cursor, root, slice_text(glob), slice_text(after)), STORE_OK);
	for (unsigned i = 0; i < model->count; i++) {
		const struct slice path = slice_text(model->rows[i].path);

		if (store_glob_match(slice_text(glob), path) &&
		    (after[0] == '\0' || store_path_compare(path, slice_text(after)) > 0)) {
			assert_true(store_cursor_next(&cursor, &file));
			assert_true(slice_equal(file.path, path));
			assert_true(file.revision == model->rows[i].revision);
		}
	}
	assert_false(store_cursor_next(&cursor, &file));
}

static void check_list(const struct store_root *root, struct model *model, const char *directory)
{
	const enum store_answer answer = what(model, directory);
	struct store_cursor cursor;
	struct store_file file;
	uint32_t count = 0;

	if (answer != STORE_IS_DIRECTORY) {
		assert_int_equal(
			store_list(&cursor, root, slice_text(directory), (struct slice){0}),
			answer == STORE_OK ? STORE_NOT_DIRECTORY : answer);
		return;
	}
	assert_int_equal(store_list(&cursor, root, slice_text(directory), (struct slice){0}),
	                 STORE_OK);
	while (store_cursor_next(&cursor, &file)) {
		char path[64] = {0};

		memcpy(path, file.path.data, file.path.size);
		assert_true(is_below(path, directory));
		assert_int_equal(what(model, path),
		                 file.is_directory ? STORE_IS_DIRECTORY : STORE_OK);
		count++;
	}
	assert_int_equal(count, children(model, directory));
}

static void check(struct world *world, const struct store_root *root, struct model *model)
{
	static const char *const globs[] = {"/**",     "/*",   "/a/**", "/*/*", "/**/a",
	                                    "/a*/?/*", "/a/b", "/**-*", "/?"};
	char path[64], after[64];

	assert_true(store_root_revision(root) == model->revision);
	assert_true(store_root_bytes(root) == model->bytes);
	assert_true(store_root_files(root) == model->count);
	for (unsigned i = 0; i < 20; i++) {
		check_path(root, model, random_path(&world->prng, path));
		check_list(root, model, random_path(&world->prng, path));
		check_walk(root, model, globs[prng_below(&world->prng, 9)],
		           i % 2 == 0 ? "" : random_path(&world->prng, after));
	}
	check_path(root, model, "/");
	check_list(root, model, "/");
}

/* Undoes the events back to a pinned root's revision: what is left is what it had. */
static void check_events(struct world *world, unsigned pin)
{
	static struct model undone;
	const struct model *kept = &world->kept[pin];

	undone = world->now;
	for (store_rev_t r = world->now.revision; r > kept->revision; r--) {
		const struct store_event *event;
		char path[64] = {0};
		struct row *row;

		if (store_event(world->fixture.store, r, &event) != STORE_OK) {
			return; /* no longer kept */
		}
		memcpy(path, event->path.data, event->path.size);
		row = find(&undone, path);
		assert_int_equal(row != NULL, event->kind == STORE_EVENT_SET);
		if (event->former_revision != 0) {
			model_insert(&undone, path, event->former_value);
			find(&undone, path)->revision = event->former_revision;
		} else {
			model_remove(&undone, row);
		}
	}
	assert_int_equal(undone.count, kept->count);
	for (unsigned i = 0; i < kept->count; i++) {
		assert_string_equal(undone.rows[i].path, kept->rows[i].path);
		assert_true(undone.rows[i].revision == kept->rows[i].revision);
		assert_int_equal(undone.rows[i].value_size, kept->rows[i].value_size);
	}
}

static void move_pin(struct world *world)
{
	const unsigned pin = (unsigned)prng_below(&world->prng, PINS);

	if (world->pins[pin] != NULL) {
		check(world, world->pins[pin], &world->kept[pin]);
		check_events(world, pin);
		store_unpin(world->fixture.store, world->pins[pin]);
		world->pins[pin] = NULL;
	} else {
		world->pins[pin] = store_pin(world->fixture.store);
		assert_non_null(world->pins[pin]);
		world->kept[pin] = world->now;
	}
}

/* Through a snapshot into another store, and the same digest. */
static void check_snapshot(struct world *world)
{
	struct store_snapshot *snapshot;
	struct store_restore *restore;
	struct store_digest a, b;
	struct fixture other;
	uint8_t bytes[1000];
	size_t size;

	fixture_begin(&other);
	assert_int_equal(store_snapshot_open(world->fixture.store, &snapshot), 0);
	assert_int_equal(store_restore_begin(other.store, &restore), 0);
	while ((size = store_snapshot_read(snapshot, bytes, sizeof(bytes))) > 0) {
		assert_int_equal(store_restore_feed(restore, slice_make(bytes, size)), 0);
	}
	assert_int_equal(store_restore_end(other.store, restore), 0);
	store_snapshot_close(world->fixture.store, snapshot);
	check(world, store_root(other.store), &world->now);
	a = store_digest(other.store, store_root(other.store));
	b = store_digest(world->fixture.store, store_root(world->fixture.store));
	assert_true(a.low == b.low && a.high == b.high);
	fixture_end(&other);
}

static void play(uint64_t seed, unsigned turns)
{
	static struct world world;
	uint64_t wanted = 0;

	memset(&world, 0, sizeof(world));
	prng_init(&world.prng, seed);
	fixture_begin_with(
		&world.fixture,
		&(struct store_config){.quota_bytes = QUOTA, .sessions_max = 4, .events_max = 256});
	for (unsigned i = 0; i < turns; i++) {
		for (uint64_t n = prng_below(&world.prng, 30); n > 0; n--) {
			change(&world);
		}
		store_publish(world.fixture.store);
		check(&world, store_root(world.fixture.store), &world.now);
		/* Grace periods end late, and not after each publish. */
		if (prng_chance(&world.prng, 1, 3)) {
			store_grace_passed(world.fixture.store, wanted);
			wanted = store_grace_wanted(world.fixture.store);
		}
		if (prng_chance(&world.prng, 1, 4)) {
			move_pin(&world);
		}
		if (i % 50 == 49) {
			check_snapshot(&world);
		}
	}
	fixture_end(&world.fixture);
}

static void test_store_answers_as_a_plain_list_would(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		play(seed, 150);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_answers_as_a_plain_list_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
