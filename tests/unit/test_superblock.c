/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a folder says who the server is, counts its starts, and never lets two processes or a
 *         wrong server in.
 * Method: a folder under TMPDIR; a child process for the second holder of the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/superblock.h"
#include "store/base/crc32c.h"
#include "store/base/wire.h"

static char folder_path[256];
static int folder;
static struct ctl_reason reason;
static bool is_disk;

static int found(uint64_t cluster, uint8_t node, uint32_t chance,
                 struct ctl_superblock *ret_superblock)
{
	*ret_superblock = ctl_superblock_first(cluster, node, 7, is_disk, chance);
	return ctl_superblock_found(folder, folder_path, ret_superblock, &reason);
}

static int start(uint64_t cluster, uint8_t node, uint32_t chance,
                 struct ctl_superblock *ret_superblock)
{
	const struct ctl_superblock first = ctl_superblock_first(cluster, node, 7, is_disk, chance);

	return ctl_superblock_start(folder, folder_path, &first, ret_superblock, &reason);
}

static int make_folder(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	is_disk = false;
	(void)snprintf(folder_path, sizeof(folder_path), "%s/coffer-superblock-%d",
	               base != NULL ? base : "/tmp", (int)getpid());
	folder = ctl_folder_open(folder_path, true, &reason);
	return folder < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlinkat(folder, "superblock", 0);
	(void)unlinkat(folder, "superblock.new", 0);
	(void)close(folder);
	return rmdir(folder_path);
}

static void test_bytes_come_back_and_no_changed_bit_passes(void **state)
{
	const struct ctl_superblock superblock = {
		.sequence = 4,
		.cluster = 0x1122334455667788,
		.incarnation = 0x900000abc,
		.starts = 9,
		.configuration = 5,
		.voters = 0x1c,
		.node = 3,
		.member = true,
		.rejoining = true,
		.is_disk = true,
	};
	uint8_t bytes[CTL_SUPERBLOCK_SIZE + 1] = {0};
	struct ctl_superblock back;

	(void)state;
	ctl_superblock_encode(&superblock, bytes);
	assert_int_equal(ctl_superblock_decode(slice_make(bytes, CTL_SUPERBLOCK_SIZE), &back), 0);
	assert_int_equal(back.cluster, superblock.cluster);
	assert_int_equal(back.incarnation, superblock.incarnation);
	assert_int_equal(back.starts, 9);
	assert_int_equal(back.node, 3);
	assert_int_equal(back.configuration, 5);
	assert_int_equal(back.voters, 0x1c);
	assert_int_equal(back.sequence, 4);
	assert_true(back.member);
	assert_true(back.rejoining);
	assert_true(back.is_disk);
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		assert_int_equal(ctl_superblock_decode(slice_make(bytes, size), &back),
		                 size == CTL_SUPERBLOCK_SIZE ? 0 : -EBADMSG);
	}
	for (unsigned bit = 0; bit < CTL_SUPERBLOCK_SIZE * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			ctl_superblock_decode(slice_make(bytes, CTL_SUPERBLOCK_SIZE), &back),
			-EBADMSG);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_each_start_is_a_new_incarnation(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(found(7, 2, 0xaa, &superblock), 0);
	assert_int_equal(superblock.incarnation, 0x1000000aa);
	assert_int_equal(superblock.starts, 1);
	assert_true(superblock.member);
	for (uint32_t number = 2; number < 5; number++) {
		assert_int_equal(start(7, 2, 0xbb, &superblock), 0);
		assert_int_equal(superblock.starts, number);
		assert_int_equal(superblock.incarnation, (uint64_t)number << 32 | 0xbb);
		assert_true(superblock.member);
	}
	assert_int_equal(faccessat(folder, "superblock.new", F_OK, 0), -1);
}

static void test_second_founding_is_refused(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(found(7, 2, 0, &superblock), 0);
	assert_int_equal(found(7, 2, 0, &superblock), -EEXIST);
	assert_non_null(strstr(reason.text, "without --new-cluster"));
}

static void test_start_without_founding_is_refused(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(start(7, 2, 0, &superblock), -ENOENT);
	assert_non_null(strstr(reason.text, "--new-cluster"));
	assert_non_null(strstr(reason.text, "member replace"));
}

static void test_another_server_or_cluster_is_refused(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(found(7, 2, 0, &superblock), 0);
	assert_int_equal(start(7, 3, 0, &superblock), -EPERM);
	assert_non_null(strstr(reason.text, "server 2"));
	assert_int_equal(start(8, 2, 0, &superblock), -EPERM);
	/* Refused starts are not counted. */
	assert_int_equal(start(7, 2, 0, &superblock), 0);
	assert_int_equal(superblock.starts, 2);
}

static void test_mode_disk_keeps_its_incarnation(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	is_disk = true;
	assert_int_equal(found(7, 2, 0xaa, &superblock), 0);
	assert_int_equal(start(7, 2, 0xbb, &superblock), 0);
	assert_int_equal(superblock.incarnation, 0x1000000aa);
	is_disk = false;
	assert_int_equal(start(7, 2, 0xbb, &superblock), -EPERM);
	assert_non_null(strstr(reason.text, "durability = disk"));
}

/* Two processes from copies of one folder have start numbers of their own. */
static void test_mode_disk_starts_step_by_chance(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	is_disk = true;
	assert_int_equal(found(7, 2, 0xaa, &superblock), 0);
	assert_int_equal(superblock.starts, 1);
	assert_int_equal(start(7, 2, 0, &superblock), 0);
	assert_int_equal(superblock.starts, 2);
	assert_int_equal(start(7, 2, 999, &superblock), 0);
	assert_int_equal(superblock.starts, 1002);
	assert_int_equal(start(7, 2, 65535, &superblock), 0);
	assert_int_equal(superblock.starts, 1002 + 65536);
	assert_int_equal(start(7, 2, UINT32_MAX, &superblock), 0);
	assert_in_range(superblock.starts, 1002 + 65536 + 1, 1002 + 2 * 65536);
	assert_int_equal(superblock.incarnation, 0x1000000aa);
}

static void test_starts_come_to_an_end(void **state)
{
	struct ctl_superblock superblock;
	unsigned count = 0;
	int r;

	(void)state;
	is_disk = true;
	assert_int_equal(found(7, 2, 0xaa, &superblock), 0);
	superblock.starts = UINT32_MAX - 3 * 65536;
	assert_int_equal(ctl_superblock_write(folder, folder_path, &superblock, &reason), 0);
	assert_int_equal(start(7, 2, 3, &superblock), 0);
	assert_int_equal(superblock.starts, UINT32_MAX - 3 * 65536 + 4);
	superblock.starts = UINT32_MAX - 3;
	assert_int_equal(ctl_superblock_write(folder, folder_path, &superblock, &reason), 0);
	while ((r = start(7, 2, UINT32_MAX, &superblock)) == 0) {
		assert_int_equal(superblock.starts, UINT32_MAX - 2 + count);
		count++;
	}
	assert_int_equal(count, 3);
	assert_int_equal(r, -EOVERFLOW);
	assert_non_null(strstr(reason.text, "last start"));
}

static int truncateat(const char *name, off_t size)
{
	const int fd = openat(folder, name, O_WRONLY);
	const int r = ftruncate(fd, size);

	return close(fd) < 0 ? -1 : r;
}

static void damage(unsigned copy, off_t at)
{
	const int fd = openat(folder, "superblock", O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, copy * CTL_SUPERBLOCK_SIZE + at), 1);
	assert_int_equal(close(fd), 0);
}

static void test_one_good_copy_is_enough_and_heals_the_others(void **state)
{
	bool good[CTL_SUPERBLOCK_COPIES];
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(found(7, 2, 0, &superblock), 0);
	for (unsigned kept = 0; kept < CTL_SUPERBLOCK_COPIES; kept++) {
		for (unsigned copy = 0; copy < CTL_SUPERBLOCK_COPIES; copy++) {
			if (copy != kept) {
				damage(copy, 100 + copy);
			}
		}
		assert_int_equal(ctl_superblock_read(folder, good, &superblock), 1);
		assert_true(good[kept]);
		assert_int_equal(start(7, 2, 0, &superblock), 0);
		assert_int_equal(superblock.starts, 2 + kept);
		assert_int_equal(ctl_superblock_read(folder, good, &superblock), 4);
		assert_int_equal(superblock.starts, 2 + kept);
	}
}

/* As version 2 wrote it: nothing behind the flags. */
static void make_older(const struct ctl_superblock *superblock, uint8_t bytes[CTL_SUPERBLOCK_SIZE])
{
	struct wire_writer writer = wire_writer_make(bytes, CTL_SUPERBLOCK_SIZE);

	ctl_superblock_encode(superblock, bytes);
	writer.next += 4;
	wire_put_u32(&writer, 2);
	memset(bytes + 40, 0, 8);
	writer.next = bytes + CTL_SUPERBLOCK_SIZE - 4;
	wire_put_u32(&writer, crc32c(0, slice_make(bytes, CTL_SUPERBLOCK_SIZE - 4)));
}

static void test_older_version_is_read_and_written_anew(void **state)
{
	struct ctl_superblock superblock, back;
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	int fd;

	(void)state;
	is_disk = true;
	assert_int_equal(found(7, 2, 0xaa, &superblock), 0);
	make_older(&superblock, bytes);
	assert_int_equal(ctl_superblock_decode(slice_make(bytes, sizeof(bytes)), &back), 0);
	assert_int_equal(back.incarnation, superblock.incarnation);
	assert_int_equal(back.configuration, 0);
	assert_int_equal(back.voters, 0);
	fd = openat(folder, "superblock", O_WRONLY);
	for (unsigned copy = 0; copy < CTL_SUPERBLOCK_COPIES; copy++) {
		assert_int_equal(
			pwrite(fd, bytes, sizeof(bytes), (off_t)copy * CTL_SUPERBLOCK_SIZE),
			sizeof(bytes));
	}
	assert_int_equal(close(fd), 0);
	assert_int_equal(start(7, 2, 0, &superblock), 0);
	assert_int_equal(superblock.starts, 2);
	assert_int_equal(superblock.configuration, 0);
	superblock.configuration = 3;
	superblock.voters = 2;
	assert_int_equal(ctl_superblock_write(folder, folder_path, &superblock, &reason), 0);
	assert_int_equal(start(7, 2, 0, &superblock), 0);
	assert_int_equal(superblock.configuration, 3);
	assert_int_equal(superblock.voters, 2);
	bytes[4] = 4; /* of a later release */
	assert_int_equal(ctl_superblock_decode(slice_make(bytes, sizeof(bytes)), &back), -EBADMSG);
}

static void test_configuration_without_voters_makes_no_sense(void **state)
{
	struct ctl_superblock superblock = ctl_superblock_first(7, 2, 7, true, 0);
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];

	(void)state;
	superblock.voters = 0;
	ctl_superblock_encode(&superblock, bytes);
	assert_int_equal(ctl_superblock_decode(slice_make(bytes, sizeof(bytes)), &superblock),
	                 -EBADMSG);
}

static void test_journal_of_an_earlier_configuration_is_older(void **state)
{
	(void)state;
	assert_true(ctl_superblock_is_ahead(3, 2));
	assert_true(ctl_superblock_is_ahead(2, 0));
	assert_false(ctl_superblock_is_ahead(3, 3));
	assert_false(ctl_superblock_is_ahead(3, 4)); /* a crash before the superblock */
	assert_false(ctl_superblock_is_ahead(1, 0)); /* founders need no record for it */
	assert_false(ctl_superblock_is_ahead(0, 0));
}

/* A write that ended between its two halves, and one that tore in the first. */
static void test_newest_whole_copy_counts(void **state)
{
	struct ctl_superblock superblock, newer;
	bool good[CTL_SUPERBLOCK_COPIES];
	uint8_t bytes[CTL_SUPERBLOCK_SIZE];
	int fd;

	(void)state;
	assert_int_equal(found(7, 2, 0, &superblock), 0);
	newer = superblock;
	newer.sequence++;
	newer.starts = 2;
	newer.incarnation = (uint64_t)2 << 32;
	ctl_superblock_encode(&newer, bytes);
	fd = openat(folder, "superblock", O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 2 * CTL_SUPERBLOCK_SIZE), sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, 32, 3 * CTL_SUPERBLOCK_SIZE), 32);
	assert_int_equal(close(fd), 0);
	assert_int_equal(ctl_superblock_read(folder, good, &superblock), 3);
	assert_int_equal(superblock.starts, 2);
	damage(2, 5);
	assert_int_equal(ctl_superblock_read(folder, good, &superblock), 2);
	assert_int_equal(superblock.starts, 1);
}

static void test_file_without_a_good_copy_is_refused_and_kept(void **state)
{
	struct ctl_superblock superblock;

	(void)state;
	assert_int_equal(found(7, 2, 0, &superblock), 0);
	for (unsigned copy = 0; copy < CTL_SUPERBLOCK_COPIES; copy++) {
		damage(copy, 20);
	}
	assert_int_equal(start(7, 2, 0, &superblock), -EBADMSG);
	assert_non_null(strstr(reason.text, "member replace"));
	assert_int_equal(found(7, 2, 0, &superblock), -EEXIST);
	assert_int_equal(truncateat("superblock", 10), 0);
	assert_int_equal(start(7, 2, 0, &superblock), -EBADMSG);
}

static void test_second_process_is_shut_out(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		_exit(ctl_folder_open(folder_path, false, &reason) == -EBUSY &&
		                      strstr(reason.text, "another cofferd") != NULL
		              ? 0
		              : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_folder_that_is_not_there_is_named(void **state)
{
	(void)state;
	assert_int_equal(ctl_folder_open("/nowhere/at/all", false, &reason), -ENOENT);
	assert_non_null(strstr(reason.text, "/nowhere/at/all"));
	assert_non_null(strstr(reason.text, "member replace"));
	assert_int_equal(ctl_folder_open("/nowhere/at/all", true, &reason), -ENOENT);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_come_back_and_no_changed_bit_passes),
		WITH_FOLDER(test_each_start_is_a_new_incarnation),
		WITH_FOLDER(test_second_founding_is_refused),
		WITH_FOLDER(test_start_without_founding_is_refused),
		WITH_FOLDER(test_another_server_or_cluster_is_refused),
		WITH_FOLDER(test_mode_disk_keeps_its_incarnation),
		WITH_FOLDER(test_mode_disk_starts_step_by_chance),
		WITH_FOLDER(test_starts_come_to_an_end),
		WITH_FOLDER(test_one_good_copy_is_enough_and_heals_the_others),
		WITH_FOLDER(test_newest_whole_copy_counts),
		WITH_FOLDER(test_older_version_is_read_and_written_anew),
		cmocka_unit_test(test_configuration_without_voters_makes_no_sense),
		cmocka_unit_test(test_journal_of_an_earlier_configuration_is_older),
		WITH_FOLDER(test_file_without_a_good_copy_is_refused_and_kept),
		WITH_FOLDER(test_second_process_is_shut_out),
		cmocka_unit_test(test_folder_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
