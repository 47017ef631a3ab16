/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a snapshot file is whole or refused: no byte of it can change, go missing or move
 *         without being found, and what is refused leaves the store as it was.
 * Method: files of a small store, written in a folder of the test's own; every byte flipped, every
 *         length cut, chunks doubled and exchanged; the folder with names that are not snapshots.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/restore.h"
#include "control/snapshot_file.h"
#include "tests/unit/store_fixture.h"

enum {
	IMAGE_MAX = 1 << 20
};

static struct {
	char path[64];
	int folder;
	uint8_t image[IMAGE_MAX];
	size_t size;
} house;

static int open_house(void **state)
{
	(void)state;
	(void)snprintf(house.path, sizeof(house.path), "/tmp/coffer-snapshot-XXXXXX");
	assert_non_null(mkdtemp(house.path));
	house.folder = open(house.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return house.folder < 0 ? -1 : 0;
}

static int close_house(void **state)
{
	(void)state;
	assert_int_equal(ctl_snapshot_remove_below(house.folder, UINT64_MAX), 0);
	(void)unlinkat(house.folder, "copy", 0);
	assert_int_equal(close(house.folder), 0);
	return rmdir(house.path);
}

static int write_file(struct store *store, const char *name, bool fresh,
                      struct store_digest *ret_digest)
{
	struct store_snapshot *snapshot;
	struct ctl_snapshot_head head = {.cluster = 77, .node = 2};
	struct ctl_reason reason;
	int r;

	store_publish(store);
	assert_int_equal(store_snapshot_open(store, &snapshot), 0);
	head.index = store_snapshot_index(snapshot);
	r = ctl_snapshot_write(house.folder, name, fresh, &head, snapshot, NULL, ret_digest,
	                       &reason);
	store_snapshot_close(store, snapshot);
	return r;
}

static int load_file(struct store *store, const char *name, struct ctl_snapshot_head *ret_head)
{
	struct store_digest digest;
	struct ctl_reason reason = {{0}};
	const int r = ctl_snapshot_load(house.folder, name, store, ret_head, &digest, &reason);

	if (r != 0) {
		assert_non_null(strstr(reason.text, name));
	} else {
		const struct store_digest true_digest = store_digest(store, store_root(store));

		assert_true(digest.low == true_digest.low && digest.high == true_digest.high);
	}
	return r;
}

/* The file as bytes. */
static void take_image(const char *name)
{
	const int fd = openat(house.folder, name, O_RDONLY | O_CLOEXEC);
	const ssize_t size = read(fd, house.image, IMAGE_MAX);

	assert_true(size > 0 && size < IMAGE_MAX);
	assert_int_equal(close(fd), 0);
	house.size = (size_t)size;
}

static void put_image(const uint8_t *bytes, size_t size)
{
	const int fd = openat(house.folder, "copy", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	assert_int_equal(close(fd), 0);
}

/* 100 files of 1 to 3,000 bytes: several chunks. */
static void fill(struct fixture *fixture)
{
	char path[32], value[3001];

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < 100; i++) {
		value[i * 30] = '\0';
		(void)snprintf(path, sizeof(path), "/d%u/f%u", i % 7, i);
		assert_int_equal(fixture_set(fixture, path, value).answer, STORE_OK);
		value[i * 30] = 'v';
	}
}

static void test_file_brings_the_store_back(void **state)
{
	struct fixture from, to;
	struct ctl_snapshot_head head;
	struct store_digest digest;
	struct stat status;

	(void)state;
	fixture_begin(&from);
	fixture_begin(&to);
	fill(&from);
	assert_int_equal(write_file(from.store, "snapshot-0000000000000065", false, &digest), 0);
	assert_int_equal(fstatat(house.folder, "snapshot-0000000000000065", &status, 0), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(load_file(to.store, "snapshot-0000000000000065", &head), 0);
	assert_true(head.cluster == 77 && head.node == 2 && head.index == 101);
	assert_true(store_applied(to.store) == 101);
	/* It is written over only where that is asked for. */
	assert_int_equal(write_file(to.store, "snapshot-0000000000000065", true, &digest), -EEXIST);
	assert_int_equal(write_file(to.store, "snapshot-0000000000000065", false, &digest), 0);
	fixture_end(&from);
	fixture_end(&to);
}

static void assert_refused(struct store *store, struct store_digest before)
{
	struct ctl_snapshot_head head;
	struct store_digest after;

	assert_int_equal(load_file(store, "copy", &head), -EBADMSG);
	after = store_digest(store, store_root(store));
	assert_true(before.low == after.low && before.high == after.high);
}

static void test_no_byte_can_change(void **state)
{
	struct fixture fixture;
	struct store_digest digest, before;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(fixture_set(&fixture, "/a", "one").answer, STORE_OK);
	assert_int_equal(write_file(fixture.store, "snapshot-0000000000000002", false, &digest), 0);
	take_image("snapshot-0000000000000002");
	assert_int_equal(fixture_set(&fixture, "/a", "two").answer, STORE_OK);
	store_publish(fixture.store);
	before = store_digest(fixture.store, store_root(fixture.store));
	for (size_t i = 0; i < house.size; i++) {
		house.image[i] ^= (uint8_t)(1u << (i % 8));
		put_image(house.image, house.size);
		assert_refused(fixture.store, before);
		house.image[i] ^= (uint8_t)(1u << (i % 8));
	}
	for (size_t size = 0; size < house.size; size++) {
		put_image(house.image, size);
		assert_refused(fixture.store, before);
	}
	house.image[house.size] = 0;
	put_image(house.image, house.size + 1);
	assert_refused(fixture.store, before);
	fixture_end(&fixture);
}

static void test_no_chunk_can_move(void **state)
{
	enum {
		HEAD = 44,
		CHUNK = 8 + 64 * 1024
	};
	static uint8_t moved[IMAGE_MAX];
	struct fixture fixture;
	struct store_digest digest, before;

	(void)state;
	fixture_begin(&fixture);
	fill(&fixture);
	assert_int_equal(write_file(fixture.store, "snapshot-0000000000000065", false, &digest), 0);
	take_image("snapshot-0000000000000065");
	assert_true(house.size > HEAD + 2 * CHUNK);
	store_publish(fixture.store);
	before = store_digest(fixture.store, store_root(fixture.store));

	memcpy(moved, house.image, house.size); /* two exchanged */
	memcpy(moved + HEAD, house.image + HEAD + CHUNK, CHUNK);
	memcpy(moved + HEAD + CHUNK, house.image + HEAD, CHUNK);
	put_image(moved, house.size);
	assert_refused(fixture.store, before);

	memcpy(moved, house.image, HEAD + CHUNK); /* one doubled */
	memcpy(moved + HEAD + CHUNK, house.image + HEAD, house.size - HEAD);
	put_image(moved, house.size + CHUNK);
	assert_refused(fixture.store, before);

	memcpy(moved, house.image, HEAD); /* one left out */
	memcpy(moved + HEAD, house.image + HEAD + CHUNK, house.size - HEAD - CHUNK);
	put_image(moved, house.size - CHUNK);
	assert_refused(fixture.store, before);
	fixture_end(&fixture);
}

static void test_folder_tells_the_newest(void **state)
{
	static const char *const others[] = {"snapshot-", "snapshot-12",
	                                     "snapshot-00000000000000FF",
	                                     "snapshot-00000000000000ff0"};
	struct fixture fixture;
	struct store_digest digest;
	uint64_t index = 7;

	(void)state;
	assert_int_equal(ctl_snapshot_newest(house.folder, UINT64_MAX, &index), -ENOENT);
	fixture_begin(&fixture);
	assert_int_equal(write_file(fixture.store, "snapshot-0000000000000011", false, &digest), 0);
	assert_int_equal(write_file(fixture.store, "snapshot-00000000000000f0", false, &digest), 0);
	assert_int_equal(write_file(fixture.store, "snapshot-0000000000000fff.new", false, &digest),
	                 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(write_file(fixture.store, others[i], true, &digest), 0);
	}
	assert_int_equal(ctl_snapshot_newest(house.folder, UINT64_MAX, &index), 0);
	assert_true(index == 0xf0);
	assert_int_equal(ctl_snapshot_newest(house.folder, 0xf0, &index), 0);
	assert_true(index == 0x11);
	assert_int_equal(ctl_snapshot_newest(house.folder, 0x11, &index), -ENOENT);
	assert_int_equal(ctl_snapshot_remove_below(house.folder, 0xf0), 0);
	assert_int_equal(ctl_snapshot_newest(house.folder, UINT64_MAX, &index), 0);
	assert_true(index == 0xf0);
	assert_int_equal(ctl_snapshot_newest(house.folder, 0xf0, &index), -ENOENT);
	assert_int_equal(faccessat(house.folder, "snapshot-0000000000000fff.new", F_OK, 0), -1);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(unlinkat(house.folder, others[i], 0),
		                 0); /* not ours: left alone */
	}
	fixture_end(&fixture);
}

static void test_what_cannot_be_written_is_said(void **state)
{
	struct fixture fixture;
	struct store_digest digest;
	struct ctl_snapshot_head head;
	struct store_snapshot *snapshot;
	struct ctl_reason reason;
	ctl_snapshot_cancel_t cancel = true;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(write_file(fixture.store, "nowhere/file", true, &digest), -ENOENT);
	assert_int_equal(load_file(fixture.store, "not-there", &head), -ENOENT);
	head = (struct ctl_snapshot_head){.cluster = 1, .index = 1, .node = 1};
	assert_int_equal(store_snapshot_open(fixture.store, &snapshot), 0);
	assert_int_equal(ctl_snapshot_write(AT_FDCWD, "/dev/full/x", true, &head, snapshot, NULL,
	                                    &digest, &reason),
	                 -ENOTDIR);
	assert_int_equal(ctl_snapshot_write(house.folder, "snapshot-0000000000000001", true, &head,
	                                    snapshot, &cancel, &digest, &reason),
	                 -ECANCELED);
	assert_int_equal(ctl_snapshot_newest(house.folder, UINT64_MAX, &head.index), -ENOENT);
	store_snapshot_close(fixture.store, snapshot);
	fixture_end(&fixture);
}

static void test_another_cluster_begins_higher(void **state)
{
	const store_rev_t raise = (store_rev_t)1 << 40;
	const struct store_event *event;
	struct fixture fixture;
	struct store_file file;
	store_rev_t before;

	(void)state;
	fixture_begin(&fixture);
	before = fixture_set(&fixture, "/a", "one").revision;
	store_publish(fixture.store);
	store_refound(fixture.store, raise);
	assert_true(store_root_revision(store_root(fixture.store)) == before + raise);
	assert_int_equal(store_get(store_root(fixture.store), slice_text("/a"), &file), STORE_OK);
	assert_true(file.revision == before);
	assert_int_equal(store_session_count(fixture.store), 0);
	assert_int_equal(store_event(fixture.store, before, &event), STORE_TOO_LATE);
	fixture.session = fixture_open(&fixture, 99).session;
	fixture.number = 0;
	assert_true(fixture_set(&fixture, "/a", "two").revision == before + raise + 1);
	fixture_end(&fixture);
}

static struct store *new_store(void)
{
	const struct store_config config = {
		.quota_bytes = 16 << 20, .sessions_max = 64, .events_max = 1024};
	struct store *store;

	assert_int_equal(store_new(&store, &config), 0);
	return store;
}

static void test_restore_begins_another_cluster(void **state)
{
	struct fixture from;
	struct store *a, *b;
	struct ctl_snapshot_head head;
	struct ctl_reason reason;
	struct store_digest digest, other;
	char path[128];

	(void)state;
	fixture_begin(&from);
	fill(&from);
	assert_int_equal(write_file(from.store, "copy", true, &digest), 0);
	(void)snprintf(path, sizeof(path), "%s/copy", house.path);
	a = new_store();
	b = new_store();
	assert_int_equal(ctl_restore(a, path, house.folder, 78, 1, &digest, &reason), 0);
	assert_int_equal(ctl_restore(b, path, house.folder, 78, 2, &other, &reason), 0);
	assert_true(digest.low == other.low && digest.high == other.high);
	assert_true(store_root_revision(store_root(a)) == 100 + CTL_RESTORE_RAISE);
	/* What the next start finds. */
	store_free(b);
	b = new_store();
	assert_int_equal(load_file(b, "snapshot-0000000000000065", &head), 0);
	assert_true(head.cluster == 78 && head.node == 2);
	store_free(b);
	b = new_store();
	assert_int_equal(ctl_restore(b, path, house.folder, 77, 1, &digest, &reason), -EEXIST);
	assert_non_null(strstr(reason.text, "id of its own"));
	store_free(a);
	store_free(b);
	fixture_end(&from);
}

#define IN_HOUSE(test) cmocka_unit_test_setup_teardown(test, open_house, close_house)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(test_file_brings_the_store_back),
		IN_HOUSE(test_no_byte_can_change),
		IN_HOUSE(test_no_chunk_can_move),
		IN_HOUSE(test_folder_tells_the_newest),
		IN_HOUSE(test_what_cannot_be_written_is_said),
		IN_HOUSE(test_another_cluster_begins_higher),
		IN_HOUSE(test_restore_begins_another_cluster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
