/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   whichever call of the system is the one for which the disk has no room, or fails: the
 *         process says so in a sentence, what was told durable is there at the next start, and
 *         that start, for which the disk works, needs nobody. A device that failed is not used
 *         again by that process.
 * Method: the calls are wrapped at link time, and the n-th of a life fails, for every n: lives that
 *         found a data folder, start again, and set it aside; each keeps records and a snapshot.
 *         The journal's writes are numbered apart: which calls of other threads come before them
 *         is chance.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/recover.h"
#include "control/snapshot_file.h"
#include "tests/unit/home_fixture.h"

enum {
	RECORDS = 3, /* of a life */
	CALLS_MAX = 1000
};

/* --- the calls ------------------------------------------------------------------------------- */

enum kind {
	CALL,
	RECORD, /* a write of the journal */
	KINDS
};

static _Atomic unsigned calls[KINDS];
static enum kind fails;
static unsigned fails_at; /* number of a call of that kind, from 1; 0: none */
static int error;
static int full = -1;          /* /dev/full */
static _Atomic bool is_broken; /* a write of the journal failed in this life */
static _Atomic unsigned used_again;

static bool is_nth(enum kind kind)
{
	return atomic_fetch_add(&calls[kind], 1) + 1 == fails_at && kind == fails;
}

static bool is_failing(void)
{
	return is_nth(CALL);
}

#define WRAP(name, parameters, arguments)                                                          \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		if (is_failing()) {                                                                \
			errno = error;                                                             \
			return -1;                                                                 \
		}                                                                                  \
		return __real_##name arguments;                                                    \
	}

WRAP(fsync, (int fd), (fd))
WRAP(fdatasync, (int fd), (fd))
WRAP(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
WRAP(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))

int __real_openat64(int at, const char *path, int flags, mode_t mode);
int __wrap_openat64(int at, const char *path, int flags, mode_t mode);
ssize_t __real_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_posix_fallocate64(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t size);
int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count);

int __wrap_openat64(int at, const char *path, int flags, mode_t mode)
{
	if ((flags & O_CREAT) != 0 && is_failing()) {
		errno = error;
		return -1;
	}
	return __real_openat64(at, path, flags, mode);
}

ssize_t __wrap_pwrite64(int fd, const void *bytes, size_t size, off_t offset)
{
	if (is_failing()) {
		errno = error;
		return -1;
	}
	return __real_pwrite64(fd, bytes, size, offset);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	struct stat status;

	/* The bell of a thread is no file. */
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && is_failing()) {
		errno = error;
		return -1;
	}
	return __real_write(fd, bytes, size);
}

int __wrap_posix_fallocate64(int fd, off_t offset, off_t size)
{
	return is_failing() ? error : __real_posix_fallocate64(fd, offset, size);
}

/* A write goes to a device that has no room, or to none. */
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned count)
{
	struct io_uring_sqe *sqe = &ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask];

	if (sqe->opcode == IORING_OP_WRITE) {
		atomic_fetch_add(&used_again, atomic_load(&is_broken));
		if (is_nth(RECORD)) {
			sqe->fd = error == ENOSPC ? full : -1;
			atomic_store(&is_broken, true);
		}
	}
	return __real_io_uring_submit_and_wait(ring, count);
}

/* --- a life ---------------------------------------------------------------------------------- */

static char base[200], command[300];
static struct ctl_config config;
static struct ctl_home home;
static struct ctl_reason reason;
static struct paxos_mailbox mailbox;
static _Alignas(RING_LINE) uint8_t to_worker[RING_BYTES_MIN], from_worker[RING_BYTES_MIN];
static _Alignas(RING_LINE) uint8_t records[PAXOS_JOURNAL_RING];
static struct store *store;
static struct paxos_replica *replica;
static uint64_t durable; /* records that the present journal was told to hold */

static void remove_folder(void)
{
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", config.data);
	assert_int_equal(system(command), 0);
	durable = 0;
}

static bool is_there(const char *name)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", config.data, name);
	return access(path, F_OK) == 0;
}

/* 0, or what did not become durable is told in a sentence. */
static int keep_records(struct ctl_journal *journal)
{
	const uint64_t last = ctl_journal_last(journal);
	int r;

	paxos_mailbox_init(&mailbox, to_worker, from_worker, RING_BYTES_MIN);
	paxos_journal_init(&mailbox, records, last);
	r = ctl_journal_start(journal, &mailbox, &reason);
	if (r < 0) {
		return r;
	}
	for (uint64_t number = last + 1; number <= last + RECORDS; number++) {
		home_give_promise(&mailbox, number, 0);
	}
	ctl_journal_stop(journal); /* it writes what was given */
	durable = atomic_load(&mailbox.journal.durable);
	if (durable != last + RECORDS) {
		ctl_journal_failure(journal, &reason);
		return -EIO;
	}
	return 0;
}

static int keep_snapshot(void)
{
	struct ctl_snapshot_head head = {.cluster = config.cluster, .node = 1};
	struct store_snapshot *snapshot;
	struct store_digest digest;
	int r;

	store_publish(store);
	assert_int_equal(store_snapshot_open(store, &snapshot), 0);
	head.index = store_snapshot_index(snapshot);
	r = ctl_snapshot_write(home.folder, "copy", false, &head, snapshot, NULL, &digest, &reason);
	store_snapshot_close(store, snapshot);
	return r;
}

/* `ret_lost`: what is there cannot be mended in place. */
static int use(bool *ret_lost)
{
	struct ctl_recovered recovered;
	struct ctl_journal *journal = NULL;
	struct paxos_status status;
	int r;

	home_make_replica(&home.superblock, &store, &replica);
	r = ctl_recover(&journal, &home.journal, config.cluster, replica, store, &recovered,
	                &reason);
	*ret_lost = r == -EBADMSG;
	if (r == 0) {
		paxos_replica_status(replica, &status);
		assert_true(status.promised.round >= durable);
		r = keep_records(journal);
	}
	r = r < 0 ? r : keep_snapshot();
	ctl_journal_close(journal);
	paxos_replica_free(replica);
	store_free(store);
	return r;
}

enum life {
	FOUND,
	AGAIN,
	ASIDE, /* sets aside what is there, and begins anew */
	LIVES
};

static int set_aside(void)
{
	durable = 0;
	return ctl_home_rejoin(&home, &reason);
}

static void begin_life(void)
{
	atomic_store(&calls[CALL], 0);
	atomic_store(&calls[RECORD], 0);
	atomic_store(&is_broken, false);
	memset(&reason, 0, sizeof(reason));
}

static int live(enum life life)
{
	const enum ctl_start start =
		is_there("superblock") ? CTL_START_AGAIN : CTL_START_NEW_CLUSTER;
	bool is_lost;
	int r;

	assert_true(life == FOUND || start == CTL_START_AGAIN);
	begin_life();
	r = ctl_home_open(&home, &config, start, &reason);
	r = r < 0 || life != ASIDE ? r : set_aside();
	r = r < 0 ? r : use(&is_lost);
	if (r < 0 && durable == 0) {
		ctl_home_withdraw(&home); /* it has not yet said a word */
	}
	ctl_home_close(&home);
	assert_true(r == 0 || reason.text[0] != 0);
	assert_int_equal(atomic_load(&used_again), 0);
	return r;
}

/* What a start does that finds a folder half set aside. */
static int live_on(enum life life)
{
	bool is_lost = false;
	int r;

	if (life != ASIDE) {
		return live(is_there("superblock") ? AGAIN : FOUND);
	}
	begin_life();
	r = ctl_home_open(&home, &config, CTL_START_AGAIN, &reason);
	r = r < 0 ? r : use(&is_lost);
	r = !is_lost ? r : set_aside();
	r = r < 0 || !is_lost ? r : use(&is_lost);
	ctl_home_close(&home);
	return r;
}

/* False if the life was over before so many calls. */
static bool fail_call(enum life life, enum kind kind, unsigned number, unsigned *failures)
{
	bool came_so_far;

	remove_folder();
	assert_true(life == FOUND || live(FOUND) == 0);
	fails = kind;
	fails_at = number;
	*failures += live(life) < 0;
	fails_at = 0;
	came_so_far = atomic_load(&calls[kind]) >= number;
	assert_int_equal(live_on(life), 0);
	assert_int_equal(live_on(AGAIN), 0);
	return came_so_far;
}

/* Returns how many lives failed. */
static unsigned fail_each(enum life life, enum kind kind)
{
	unsigned number = 1, failures = 0;

	while (fail_call(life, kind, number, &failures)) {
		assert_true(number < CALLS_MAX);
		number++;
	}
	return failures;
}

static void fail_each_call(int with)
{
	error = with;
	for (enum life life = FOUND; life < LIVES; life++) {
		assert_true(fail_each(life, CALL) > 5);
		/* Not each: what repeats the last heads may fail, as nothing hangs on it. */
		assert_true(fail_each(life, RECORD) > 0);
	}
}

static void test_no_room_at_any_call(void **state)
{
	(void)state;
	fail_each_call(ENOSPC);
}

static void test_error_at_any_call(void **state)
{
	(void)state;
	fail_each_call(EIO);
}

static int make_base(void **state)
{
	/* Some hundred lives: in memory, if there is a file system in it. */
	const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	(void)state;
	home.folder = -1;
	full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	return full < 0 ? -1 : home_make_base(place, base, sizeof(base), &config);
}

static int remove_base(void **state)
{
	(void)state;
	(void)close(full);
	remove_folder();
	return rmdir(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_room_at_any_call),
		cmocka_unit_test(test_error_at_any_call),
	};

	return cmocka_run_group_tests(tests, make_base, remove_base);
}
