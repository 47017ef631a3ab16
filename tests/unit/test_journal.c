/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what was told durable is read again, whatever else happened to the files; and what was
 *         damaged is told as damaged, never as absent.
 * Method: a real journal in a folder under TMPDIR, small segments; records by the mailbox. Then the
 *         files are damaged by hand, one place at a time, and read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/replica.h"
#include "control/journal.h"
#include "control/journal_segment.h"
#include "control/superblock.h"

enum {
	SEGMENT_MB = CTL_SEGMENT_MB_MIN,
	SEGMENT_BLOCKS = SEGMENT_MB * 256,
	PATIENCE_MS = 20000,
	RECORD_SIZE = 1000,
	PIECES_MAX = 4096,
};

static char folder_path[256];
static int folder;
static struct ctl_journal_config config;
static struct paxos_mailbox mailbox;
static _Alignas(RING_LINE) uint8_t to_worker[RING_BYTES_MIN], from_worker[RING_BYTES_MIN];
static _Alignas(RING_LINE) uint8_t records[PAXOS_JOURNAL_RING];
static int bell; /* the worker's */
static uint64_t given;

/* What the last reading saw. */
static struct ctl_piece pieces[PIECES_MAX];
static unsigned piece_count;
static uint64_t record_next; /* of those that were read; all before it had the right bytes */
static bool bytes_wrong;

static int make_folder(void **state)
{
	const char *base = getenv("TMPDIR");
	struct ctl_reason reason;

	(void)state;
	(void)snprintf(folder_path, sizeof(folder_path), "%s/coffer-journal-%d",
	               base != NULL ? base : "/tmp", (int)getpid());
	folder = ctl_folder_open(folder_path, true, &reason);
	config = (struct ctl_journal_config){
		.folder = folder,
		.path = folder_path,
		.incarnation = 0x100000abc,
		.segment_mb = SEGMENT_MB,
	};
	bell = eventfd(0, EFD_CLOEXEC);
	given = 0;
	return folder < 0 || bell < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	ctl_journal_withdraw(&config);
	(void)close(bell);
	(void)close(folder);
	return rmdir(folder_path);
}

static void ring_worker(void *context)
{
	const uint64_t one = 1;

	(void)context;
	(void)!write(bell, &one, sizeof(one));
}

static void fill_record(uint8_t *bytes, size_t size, uint64_t number)
{
	for (size_t i = 0; i < size; i++) {
		bytes[i] = (uint8_t)(number * 131 + i * 7);
	}
}

static int see(void *context, const struct ctl_piece *piece)
{
	struct slice left = piece->records, record;
	uint8_t bytes[PAXOS_RECORD_SIZE_MAX];

	(void)context;
	assert_true(piece_count < PIECES_MAX);
	pieces[piece_count++] = *piece;
	for (uint64_t i = 0; piece->kind == CTL_PIECE_WHOLE && i < piece->count; i++) {
		if (!ctl_frame_next(&left, &record)) {
			bytes_wrong = true;
			return 0;
		}
		fill_record(bytes, record.size, piece->first + i);
		bytes_wrong |= !slice_equal(record, slice_make(bytes, record.size));
	}
	if (piece->kind == CTL_PIECE_WHOLE && piece->first == record_next) {
		record_next += piece->count;
	}
	return 0;
}

static const struct ctl_journal_reader seer = {.visit = see};

static void forget_what_was_seen(void)
{
	piece_count = 0;
	record_next = 1;
	bytes_wrong = false;
}

static struct ctl_journal *open_journal(void)
{
	struct ctl_journal *journal;
	struct ctl_reason reason;

	forget_what_was_seen();
	assert_int_equal(ctl_journal_open(&journal, &config, &seer, &reason), 0);
	return journal;
}

static struct ctl_journal *start_journal(void)
{
	struct ctl_journal *journal = open_journal();
	struct ctl_reason reason;

	paxos_mailbox_init(&mailbox, to_worker, from_worker, RING_BYTES_MIN);
	given = ctl_journal_last(journal);
	paxos_journal_init(&mailbox, records, given);
	mailbox.worker_bell = (struct paxos_bell){.ring = ring_worker};
	assert_int_equal(ctl_journal_start(journal, &mailbox, &reason), 0);
	return journal;
}

static void found(void)
{
	struct ctl_reason reason;

	assert_int_equal(ctl_journal_found(&config, &reason), 0);
	assert_int_equal(ctl_journal_settle(&config, &reason), 0);
}

static void give(size_t size)
{
	uint8_t bytes[PAXOS_RECORD_SIZE_MAX];
	struct paxos_effect effect = {
		.kind = PAXOS_EFFECT_PERSIST,
		.record = ++given,
		.bytes = slice_make(bytes, size),
	};

	effect.mark = (struct paxos_mark){.length = given * 10, .low = given * 10 - 3};
	fill_record(bytes, size, given);
	paxos_journal_give(&mailbox, &effect);
	paxos_journal_ring(&mailbox);
}

/* Sleeps until `record` is durable. False: trouble. */
static bool wait_for(uint64_t record)
{
	struct pollfd poll_fd = {.fd = bell, .events = POLLIN};
	uint64_t durable = mailbox.journal.heard, count;
	uint32_t trouble = 0;

	for (;;) {
		(void)paxos_journal_heard(&mailbox, &durable, &trouble);
		if (durable >= record || (trouble & PAXOS_DISK_FAILED) != 0) {
			return durable >= record;
		}
		if (paxos_mailbox_worker_sleeps(&mailbox)) {
			assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
			(void)!read(bell, &count, sizeof(count));
			paxos_mailbox_worker_wakes(&mailbox);
		}
	}
}

/* `count` records, each in a frame of its own. */
static void write_frames(unsigned count)
{
	struct ctl_journal *journal = start_journal();

	for (unsigned i = 0; i < count; i++) {
		give(RECORD_SIZE);
		assert_true(wait_for(given));
	}
	ctl_journal_close(journal);
}

static void read_all(void)
{
	ctl_journal_close(open_journal());
}

static unsigned count_of(enum ctl_piece_kind kind)
{
	unsigned count = 0;

	for (unsigned i = 0; i < piece_count; i++) {
		count += pieces[i].kind == kind;
	}
	return count;
}

static const struct ctl_piece *piece_with(uint64_t record)
{
	for (unsigned i = 0; i < piece_count; i++) {
		if (pieces[i].count != 0 && pieces[i].first <= record &&
		    record < pieces[i].first + pieces[i].count) {
			return &pieces[i];
		}
	}
	return NULL;
}

static int open_segment(uint64_t number, int flags)
{
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), "journal/segment-%016llx", (unsigned long long)number);
	fd = openat(folder, name, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Changes bytes of a segment. */
static void damage(uint64_t segment, uint64_t at, size_t size, uint8_t with)
{
	const int fd = open_segment(segment, O_RDWR);
	uint8_t bytes[8192];

	assert_true(size <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, size, (off_t)at), size);
	for (size_t i = 0; i < size; i++) {
		bytes[i] = with == 0 ? 0 : bytes[i] ^ with;
	}
	assert_int_equal(pwrite(fd, bytes, size, (off_t)at), size);
	assert_int_equal(close(fd), 0);
}

static void clear_block(uint32_t block)
{
	damage(1, (uint64_t)block * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
}

static void copy_block(uint64_t segment, uint32_t from, uint32_t to)
{
	const int fd = open_segment(segment, O_RDWR);
	uint8_t bytes[CTL_BLOCK_SIZE];

	assert_int_equal(pread(fd, bytes, sizeof(bytes), (off_t)from * CTL_BLOCK_SIZE),
	                 sizeof(bytes));
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)to * CTL_BLOCK_SIZE),
	                 sizeof(bytes));
	assert_int_equal(close(fd), 0);
}

/* --- whole ----------------------------------------------------------------------------------- */

static void test_records_outlive_the_journal(void **state)
{
	struct ctl_journal_counters counters;
	struct ctl_journal *journal;

	(void)state;
	found();
	for (unsigned start = 1; start <= 3; start++) {
		journal = start_journal();
		assert_int_equal(record_next, given + 1);
		assert_false(bytes_wrong);
		for (unsigned i = 0; i < 50; i++) {
			give(i % 7 == 0 ? PAXOS_RECORD_SIZE_MAX : i * 10);
			if (i % 11 == 0) {
				assert_true(wait_for(given));
			}
		}
		assert_true(wait_for(given));
		ctl_journal_counters(journal, &counters);
		assert_int_equal(counters.records, 50);
		assert_int_equal(counters.durable, 50 * start);
		assert_true(counters.groups >= 5 && counters.groups <= 50);
		assert_int_equal(counters.trouble, 0);
		ctl_journal_close(journal);
	}
	read_all();
	assert_int_equal(record_next, 151);
	assert_false(bytes_wrong);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT) + count_of(CTL_PIECE_TORN), 0);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_BLANK);
}

static void test_many_records_become_few_groups(void **state)
{
	struct ctl_journal_counters counters;
	struct ctl_journal *journal;

	(void)state;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 20000; i++) {
		give(100);
	}
	assert_true(wait_for(given));
	ctl_journal_counters(journal, &counters);
	assert_true(counters.groups < 2000);
	ctl_journal_close(journal);
	read_all();
	assert_int_equal(record_next, 20001);
	assert_false(bytes_wrong);
}

static void test_what_is_in_the_ring_is_written_at_the_stop(void **state)
{
	struct ctl_journal *journal;

	(void)state;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 100; i++) {
		give(500);
	}
	ctl_journal_close(journal);
	read_all();
	assert_int_equal(record_next, 101);
}

static void test_second_founding_and_missing_journal_are_refused(void **state)
{
	struct ctl_journal *journal;
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_journal_open(&journal, &config, &seer, &reason), -ENOENT);
	found();
	assert_int_equal(ctl_journal_found(&config, &reason), -EEXIST);
	assert_non_null(strstr(reason.text, "empty folder"));
}

/* The first start ended between its two halves: the second finds the journal all the same. */
static void test_founding_that_was_cut_short_is_finished(void **state)
{
	struct ctl_reason reason;

	(void)state;
	assert_int_equal(ctl_journal_found(&config, &reason), 0);
	read_all();
	assert_int_equal(piece_count, 2);
	assert_int_equal(pieces[0].kind, CTL_PIECE_WHOLE);
	assert_int_equal(pieces[1].kind, CTL_PIECE_BLANK);
}

/* The first start was killed while it made its first segment. */
static void test_founding_goes_on_over_a_segment_that_was_not_made(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdirat(config.folder, "journal.new", 0700), 0);
	fd = openat(config.folder, "journal.new/segment.new", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	found();
}

/* --- segments -------------------------------------------------------------------------------- */

static void forget(uint64_t record)
{
	paxos_journal_give(&mailbox,
	                   &(struct paxos_effect){.kind = PAXOS_EFFECT_FORGET, .record = record});
	paxos_journal_ring(&mailbox);
}

static void test_forgotten_segments_are_used_again(void **state)
{
	const unsigned rounds = 12;
	struct ctl_segment_list list;
	struct ctl_journal *journal;
	int journal_folder;

	(void)state;
	found();
	journal = start_journal();
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < 32; i++) { /* a segment or so */
			give(PAXOS_RECORD_SIZE_MAX);
		}
		assert_true(wait_for(given));
		forget(given);
	}
	give(10);
	assert_true(wait_for(given));
	ctl_journal_close(journal);

	journal_folder = openat(folder, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(ctl_segment_list(journal_folder, &list), 0);
	assert_true(list.count <= 6);
	assert_true(list.numbers[0] > 4);
	free(list.numbers);
	assert_int_equal(close(journal_folder), 0);

	/* Old frames in them are nobody's; what is left begins somewhere and goes on to the end. */
	forget_what_was_seen();
	journal = open_journal();
	assert_int_equal(ctl_journal_last(journal), given);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
	assert_false(bytes_wrong);
	record_next = pieces[0].first;
	for (unsigned i = 0; i < piece_count; i++) {
		assert_int_equal(pieces[i].first, record_next);
		record_next += pieces[i].count;
	}
	assert_int_equal(record_next, given + 1);
	ctl_journal_close(journal);
	write_frames(3);
	assert_int_equal(given, rounds * 32 + 4);
}

static void wait_for_trouble(uint32_t trouble)
{
	struct pollfd poll_fd = {.fd = bell, .events = POLLIN};
	uint64_t count;

	while (atomic_load(&mailbox.journal.trouble) != trouble) {
		uint64_t durable;
		uint32_t ignored;

		(void)paxos_journal_heard(&mailbox, &durable, &ignored);
		if (paxos_mailbox_worker_sleeps(&mailbox)) {
			assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
			(void)!read(bell, &count, sizeof(count));
			paxos_mailbox_worker_wakes(&mailbox);
		}
	}
}

/* FULL comes while one segment is left; what is given goes on; room ends it. */
static void test_full_is_told_one_segment_ahead_and_ends(void **state)
{
	struct ctl_journal *journal;

	(void)state;
	config.data_max_mb = 3 * SEGMENT_MB;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 80; i++) { /* begins the third */
		give(PAXOS_RECORD_SIZE_MAX / 2 + PAXOS_RECORD_SIZE_MAX / 3);
	}
	assert_true(wait_for(given));
	wait_for_trouble(PAXOS_DISK_FULL);
	give(PAXOS_RECORD_SIZE_MAX);
	assert_true(wait_for(given));
	assert_int_equal(atomic_load(&mailbox.journal.trouble), PAXOS_DISK_FULL);
	forget(given);
	wait_for_trouble(0);
	ctl_journal_close(journal);
	read_all();
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
}

static void test_full_journal_can_be_stopped(void **state)
{
	struct ctl_journal *journal;

	(void)state;
	config.data_max_mb = 2 * SEGMENT_MB;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 200; i++) { /* more than there is room for */
		give(PAXOS_RECORD_SIZE_MAX / 2);
	}
	wait_for_trouble(PAXOS_DISK_FULL);
	ctl_journal_close(journal);
	read_all();
	assert_true(record_next > 1 && record_next <= given);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
}

static void test_device_that_refuses_is_not_used_again(void **state)
{
	struct rlimit before, now;
	struct ctl_reason reason;
	struct ctl_journal *journal;
	uint64_t durable;

	(void)state;
	found();
	journal = start_journal();
	give(RECORD_SIZE);
	assert_true(wait_for(given));
	durable = given;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	give(RECORD_SIZE);
	assert_false(wait_for(given));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	give(RECORD_SIZE);
	ctl_journal_failure(journal, &reason);
	assert_non_null(strstr(reason.text, "cannot be written"));
	assert_int_equal(atomic_load(&mailbox.journal.durable), durable);
	ctl_journal_close(journal);
	read_all();
	assert_int_equal(record_next, durable + 1);
}

/* --- damage ---------------------------------------------------------------------------------- */

/*
 * Frames of one block each: 1 is the founding's, then those of the records and some without any.
 * Returns the piece that holds the record.
 */
static struct ctl_piece frames_around(uint64_t record)
{
	found();
	write_frames(8);
	read_all();
	assert_int_equal(record_next, 9);
	assert_non_null(piece_with(record));
	return *piece_with(record);
}

static void assert_lost(uint64_t record, bool has_mark)
{
	const struct ctl_piece *piece;

	read_all();
	assert_false(bytes_wrong);
	assert_int_equal(record_next, record);
	piece = piece_with(record);
	assert_non_null(piece);
	assert_int_equal(piece->kind, CTL_PIECE_CORRUPT);
	assert_int_equal(piece->has_mark, has_mark);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_BLANK);
	if (has_mark) {
		assert_int_equal(piece->first, record);
		assert_int_equal(piece->count, 1);
		assert_int_equal(piece->mark.length, record * 10);
		assert_int_equal(piece->mark.low, record * 10 - 3);
	}
}

static void test_damaged_body_is_corrupt_and_keeps_its_mark(void **state)
{
	const struct ctl_piece piece = frames_around(4);

	(void)state;
	for (uint64_t at = CTL_SECTOR_SIZE; at < CTL_BLOCK_SIZE; at += 239) {
		damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + at, 1, 0x10);
		assert_lost(4, true);
		damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + at, 1, 0x10);
	}
}

static void test_damaged_head_is_known_from_the_next_frame(void **state)
{
	const struct ctl_piece piece = frames_around(4);

	(void)state;
	for (uint64_t at = 0; at < CTL_SECTOR_SIZE; at += 37) {
		damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + at, 1, 0x01);
		assert_lost(4, true);
		damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + at, 1, 0x01);
	}
}

static void test_blank_in_the_middle_is_corrupt(void **state)
{
	const struct ctl_piece piece = frames_around(4);

	(void)state;
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	assert_lost(4, true);
}

/* The device told that it wrote the last frame, and did not: the frame behind it knows better. */
static void test_last_record_that_vanished_is_corrupt(void **state)
{
	const struct ctl_piece piece = frames_around(8);

	(void)state;
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	assert_lost(8, true);
}

static void test_last_record_and_what_repeats_it_damaged(void **state)
{
	const struct ctl_piece piece = frames_around(8);
	const uint64_t at = (uint64_t)piece.block * CTL_BLOCK_SIZE;

	(void)state;
	damage(1, at + 1000, 1, 0x40);
	damage(1, at + CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0x40);
	read_all();
	assert_int_equal(record_next, 8);
	assert_int_equal(piece_with(8)->kind, CTL_PIECE_CORRUPT);
	assert_true(piece_with(8)->has_mark); /* its own head is whole */
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_CORRUPT);
	assert_false(pieces[piece_count - 1].has_mark);
}

static void test_three_lost_in_a_row_have_marks_for_two(void **state)
{
	const struct ctl_piece first = frames_around(3);
	const uint64_t at = (uint64_t)first.block * CTL_BLOCK_SIZE;
	unsigned marked = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		damage(1, at + i * CTL_BLOCK_SIZE, CTL_SECTOR_SIZE, 0x40);
	}
	read_all();
	assert_int_equal(record_next, 3);
	assert_false(piece_with(3)->has_mark);
	for (unsigned i = 0; i < piece_count; i++) {
		marked += pieces[i].kind == CTL_PIECE_CORRUPT && pieces[i].has_mark;
	}
	assert_int_equal(marked, 2);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_BLANK);
}

static void test_misdirected_frame_is_corrupt_in_both_places(void **state)
{
	const struct ctl_piece from = frames_around(6);
	const struct ctl_piece to = *piece_with(3);

	(void)state;
	copy_block(1, from.block, to.block);
	assert_lost(3, true);
	assert_int_equal(piece_with(6)->kind, CTL_PIECE_WHOLE);
}

static void test_stale_block_is_corrupt(void **state)
{
	const struct ctl_piece piece = frames_around(5);

	(void)state;
	damage(1, (uint64_t)(piece.block + piece.blocks) * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + 600, 10, 0x33);
	assert_lost(5, true);
}

static void test_file_cut_short_is_corrupt(void **state)
{
	const struct ctl_piece piece = frames_around(6);
	const int fd = open_segment(1, O_RDWR);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)piece.block * CTL_BLOCK_SIZE), 0);
	assert_int_equal(close(fd), 0);
	read_all();
	assert_int_equal(record_next, 6);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_CORRUPT);
	assert_false(pieces[piece_count - 1].has_mark);
}

static void test_empty_file_is_corrupt(void **state)
{
	(void)state;
	found();
	write_frames(2);
	assert_int_equal(close(open_segment(1, O_RDWR | O_TRUNC)), 0);
	read_all();
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_CORRUPT);
}

static void test_missing_segment_is_corrupt(void **state)
{
	struct ctl_journal *journal;

	(void)state;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 100; i++) {
		give(PAXOS_RECORD_SIZE_MAX);
		assert_true(wait_for(given));
	}
	ctl_journal_close(journal);
	assert_int_equal(unlinkat(folder, "journal/segment-0000000000000002", 0), 0);
	read_all();
	assert_true(record_next > 20 && record_next < 40);
	assert_int_equal(piece_with(record_next)->kind, CTL_PIECE_CORRUPT);
	assert_non_null(piece_with(100));
	assert_int_equal(piece_with(100)->kind, CTL_PIECE_WHOLE);
}

/* Segments are made ahead by a thread of their own. */
static void wait_for_segment(uint64_t number)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "journal/segment-%016llx", (unsigned long long)number);
	for (unsigned i = 0; i < PATIENCE_MS && faccessat(folder, name, F_OK, 0) != 0; i++) {
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(faccessat(folder, name, F_OK, 0), 0);
}

/* So many large records more. Returns the last segment that holds any; one is ahead of it. */
static uint64_t segments_of_records(unsigned count)
{
	struct ctl_journal *journal = start_journal();

	for (unsigned i = 0; i < count; i++) {
		give(PAXOS_RECORD_SIZE_MAX);
		assert_true(wait_for(given));
	}
	ctl_journal_close(journal);
	read_all();
	return piece_with(given)->segment;
}

static uint64_t segments_filled(void)
{
	struct ctl_journal *journal;
	uint64_t last;

	found();
	last = segments_of_records(100);
	journal = start_journal(); /* the one ahead may not have been made in time */
	wait_for_segment(last + 1);
	ctl_journal_close(journal);
	read_all();
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
	assert_int_equal(record_next, 101);
	assert_int_equal(close(open_segment(last + 1, O_RDONLY)), 0);
	return last;
}

static void assert_end_is_lost(void)
{
	read_all();
	assert_in_range(record_next, 2, 100);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_CORRUPT);
	assert_false(pieces[piece_count - 1].has_mark);
}

/* No frame is behind it, but the segment that was made ahead. */
static void test_missing_last_segment_is_corrupt(void **state)
{
	const uint64_t last = segments_filled();
	char name[64];

	(void)state;
	(void)snprintf(name, sizeof(name), "journal/segment-%016llx", (unsigned long long)last);
	assert_int_equal(unlinkat(folder, name, 0), 0);
	assert_end_is_lost();
}

static void test_empty_last_segment_is_corrupt(void **state)
{
	const uint64_t last = segments_filled();

	(void)state;
	assert_int_equal(close(open_segment(last, O_RDWR | O_TRUNC)), 0);
	assert_end_is_lost();
}

static void test_journal_of_another_folder_is_corrupt(void **state)
{
	(void)state;
	found();
	write_frames(3);
	config.incarnation++;
	read_all();
	assert_int_equal(record_next, 1);
	assert_int_equal(piece_count, 1);
	assert_int_equal(pieces[0].kind, CTL_PIECE_CORRUPT);
}

/* --- torn ------------------------------------------------------------------------------------ */

/* A frame of many blocks whose write did not end: the sectors that came are its own. */
static void test_torn_tail_is_cut_and_written_over(void **state)
{
	struct ctl_piece piece;

	(void)state;
	found();
	write_frames(3);
	/* Written as one frame without anything behind it: what a crash leaves. */
	for (unsigned torn = 0; torn < 4; torn++) {
		struct ctl_journal *journal = start_journal();

		give(20000);
		assert_true(wait_for(given));
		ctl_journal_close(journal);
		read_all();
		piece = *piece_with(given);
		assert_true(piece.blocks >= 5);
		/* Take away what repeats its head, and some of it. */
		clear_block(piece.block + piece.blocks);
		clear_block(piece.block + torn);
		read_all();
		assert_int_equal(record_next, given);
		assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_TORN);
		assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
		/* The number is given again. */
		journal = start_journal();
		assert_int_equal(given + 1, record_next);
		give(100);
		assert_true(wait_for(given));
		ctl_journal_close(journal);
		read_all();
		assert_int_equal(record_next, given + 1);
		assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
		assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_BLANK);
	}
}

static void test_last_frame_with_a_changed_bit_is_not_torn(void **state)
{
	struct ctl_piece piece;

	(void)state;
	piece = frames_around(8);
	/* Nothing behind it: as if the server was killed right after it was durable. */
	damage(1, (uint64_t)(piece.block + 1) * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + 700, 1, 0x02);
	assert_lost(8, true);
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + 70, 1, 0x02);
	read_all();
	assert_int_equal(record_next, 8);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_CORRUPT);
	assert_false(pieces[piece_count - 1].has_mark);
}

/* Takes away all that stands in blocks of a segment. */
static void clear_blocks(uint64_t segment, uint32_t from, uint32_t count)
{
	for (uint32_t block = from; block < from + count; block++) {
		damage(segment, (uint64_t)block * CTL_BLOCK_SIZE, CTL_BLOCK_SIZE, 0);
	}
}

/*
 * A frame was torn at the beginning of a segment; the one that has its number now is smaller, and
 * still fitted the segment before. What is left of the torn one is no excuse for damage of it.
 */
static void test_damaged_frame_whose_torn_forerunner_is_behind(void **state)
{
	struct ctl_journal *journal;
	struct ctl_piece piece;

	(void)state;
	found();
	journal = start_journal();
	for (unsigned i = 0; i < 40; i++) {
		give(60000); /* 16 blocks; some are left over in a segment */
		assert_true(wait_for(given));
	}
	ctl_journal_close(journal);
	read_all();
	for (given = 1; piece_with(given)->segment == 1; given++) {
	}
	/* All behind the beginning of this one never came to the disk. */
	piece = *piece_with(given);
	assert_true(piece.block == 0 && piece.blocks > 2);
	clear_blocks(2, 2, SEGMENT_BLOCKS - 2);
	read_all();
	assert_int_equal(record_next, given);
	assert_int_equal(pieces[piece_count - 1].kind, CTL_PIECE_TORN);
	journal = start_journal();
	give(100);
	assert_true(wait_for(given));
	ctl_journal_close(journal);
	read_all();
	piece = *piece_with(given);
	assert_int_equal(piece.segment, 1);
	assert_int_equal(record_next, given + 1);
	/* As if the server was killed before it repeated the head; then the bit. */
	clear_blocks(1, piece.block + 1, 1);
	read_all();
	assert_int_equal(record_next, given + 1);
	damage(1, (uint64_t)piece.block * CTL_BLOCK_SIZE + 700, 1, 0x02);
	assert_lost(given, true);
}

/*
 * What no journal can tell: its last frame, and what repeats its head, are as they were before, as
 * if they had never been written. Whoever heard of the record knows it (consensus/rank.h).
 */
static void test_end_put_back_as_it_was_is_not_seen(void **state)
{
	const struct ctl_piece piece = frames_around(8);

	(void)state;
	clear_blocks(1, piece.block, 2);
	read_all();
	assert_int_equal(record_next, 8);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
}

/* No gap is left in the numbers where the segments shall have another size. */
static void test_segments_of_another_size_follow(void **state)
{
	(void)state;
	found();
	write_frames(3);
	config.segment_mb++;
	(void)segments_of_records(60);
	assert_true(piece_with(63)->segment > 1);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
	assert_int_equal(record_next, 64);
	config.segment_mb--;
	(void)segments_of_records(40);
	assert_int_equal(count_of(CTL_PIECE_CORRUPT), 0);
	assert_int_equal(record_next, 104);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_records_outlive_the_journal),
		WITH_FOLDER(test_many_records_become_few_groups),
		WITH_FOLDER(test_what_is_in_the_ring_is_written_at_the_stop),
		WITH_FOLDER(test_second_founding_and_missing_journal_are_refused),
		WITH_FOLDER(test_founding_that_was_cut_short_is_finished),
		WITH_FOLDER(test_founding_goes_on_over_a_segment_that_was_not_made),
		WITH_FOLDER(test_forgotten_segments_are_used_again),
		WITH_FOLDER(test_full_is_told_one_segment_ahead_and_ends),
		WITH_FOLDER(test_full_journal_can_be_stopped),
		WITH_FOLDER(test_device_that_refuses_is_not_used_again),
		WITH_FOLDER(test_damaged_body_is_corrupt_and_keeps_its_mark),
		WITH_FOLDER(test_damaged_head_is_known_from_the_next_frame),
		WITH_FOLDER(test_blank_in_the_middle_is_corrupt),
		WITH_FOLDER(test_last_record_that_vanished_is_corrupt),
		WITH_FOLDER(test_last_record_and_what_repeats_it_damaged),
		WITH_FOLDER(test_three_lost_in_a_row_have_marks_for_two),
		WITH_FOLDER(test_misdirected_frame_is_corrupt_in_both_places),
		WITH_FOLDER(test_stale_block_is_corrupt),
		WITH_FOLDER(test_file_cut_short_is_corrupt),
		WITH_FOLDER(test_empty_file_is_corrupt),
		WITH_FOLDER(test_missing_segment_is_corrupt),
		WITH_FOLDER(test_missing_last_segment_is_corrupt),
		WITH_FOLDER(test_empty_last_segment_is_corrupt),
		WITH_FOLDER(test_journal_of_another_folder_is_corrupt),
		WITH_FOLDER(test_torn_tail_is_cut_and_written_over),
		WITH_FOLDER(test_last_frame_with_a_changed_bit_is_not_torn),
		WITH_FOLDER(test_damaged_frame_whose_torn_forerunner_is_behind),
		WITH_FOLDER(test_end_put_back_as_it_was_is_not_seen),
		WITH_FOLDER(test_segments_of_another_size_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
