/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "consensus/replica.h"
#include "control/journal_disk.h"
#include "control/journal_keeper.h"
#include "control/wakeup.h"
#include "store/base/check.h"

#define NAME     CTL_JOURNAL_NAME
#define NAME_NEW CTL_JOURNAL_NAME ".new"

/* What the threads count; one writer each. */
struct counts {
	_Atomic uint64_t frames, groups, records, bytes;
	_Atomic uint64_t flush_last_ns, flush_worst_ns, flush_since_ns;
};

struct ctl_journal {
	struct ctl_journal_config config;
	int folder;
	struct ctl_journal_end end;
	struct ctl_keeper keeper;
	struct ctl_keeper_segment current;
	struct ctl_disk disk;
	uint8_t *memory;
	struct ctl_frame frame;
	struct paxos_mailbox *mailbox;
	pthread_t thread;
	bool runs;
	bool repeated; /* the heads of the last frame stand in a frame behind it */
	_Atomic bool stop;
	struct ctl_reason failure; /* written before FAILED is told */
	struct counts counts;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void set(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, value, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- one frame ------------------------------------------------------------------------------- */

static int write_frame(struct ctl_journal *journal)
{
	const struct ctl_frame_head *head = &journal->frame.head;
	struct counts *counts = &journal->counts;
	const size_t size = (size_t)head->blocks * CTL_BLOCK_SIZE;
	const uint64_t begin_ns = clock_ns();
	uint64_t took_ns;
	int r;

	set(&counts->flush_since_ns, begin_ns);
	r = ctl_disk_write(&journal->disk, journal->current.fd, journal->memory, size,
	                   (uint64_t)head->block * CTL_BLOCK_SIZE);
	took_ns = clock_ns() - begin_ns;
	set(&counts->flush_since_ns, 0);
	set(&counts->flush_last_ns, took_ns);
	if (took_ns > get(&counts->flush_worst_ns)) {
		set(&counts->flush_worst_ns, took_ns);
	}
	if (r == 0) {
		set(&counts->frames, get(&counts->frames) + 1);
		set(&counts->groups, get(&counts->groups) + (head->count != 0));
		set(&counts->records, get(&counts->records) + head->count);
		set(&counts->bytes, get(&counts->bytes) + size);
	}
	return r;
}

/* Where the next frame does not fit any more, the next segment begins. -ECANCELED: no room. */
static int make_place(struct ctl_journal *journal)
{
	const uint32_t blocks = ctl_frame_blocks(&journal->frame);
	struct ctl_keeper_segment next;

	if (blocks <= journal->current.blocks - journal->end.block) {
		return 0;
	}
	if (!ctl_keeper_next(&journal->keeper, journal->current.number, journal->end.record - 1,
	                     &next)) {
		return -ECANCELED;
	}
	(void)close(journal->current.fd); /* all of it is durable */
	journal->current = next;
	journal->end.segment = next.number;
	journal->end.block = 0;
	return 0;
}

/* Writes the frame that was gathered, and goes behind it. 0 or a negative errno. */
static int put_frame(struct ctl_journal *journal)
{
	struct ctl_journal_end *end = &journal->end;
	struct ctl_frame_head *head = &journal->frame.head;
	int r = make_place(journal);

	if (r < 0) {
		return r;
	}
	head->segment = end->segment;
	head->block = end->block;
	head->segment_size = journal->current.blocks;
	head->number = end->number;
	if (head->count == 0) {
		head->mark = end->before[0].mark;
		head->mark.low = UINT64_MAX; /* it changes nothing */
	}
	ctl_frame_end(&journal->frame, journal->config.incarnation, end->before);
	r = write_frame(journal);
	if (r < 0) {
		return r;
	}
	end->before[1] = end->before[0];
	end->before[0] = *head;
	end->block += head->blocks;
	end->number++;
	end->record += head->count;
	journal->repeated = head->count == 0;
	return 0;
}

/* --- the writer ------------------------------------------------------------------------------ */

/* Takes what is in the ring. True if there are records to write. */
static bool gather(struct ctl_journal *journal)
{
	struct ctl_frame *frame = &journal->frame;
	struct paxos_journal_order order;

	ctl_frame_begin(frame, journal->end.record);
	while (paxos_journal_peek(journal->mailbox, &order)) {
		if (order.forget) {
			if (frame->head.count != 0) {
				break; /* what came before it is durable first */
			}
			ctl_keeper_forget(&journal->keeper, order.record);
		} else {
			must(order.record == frame->head.first + frame->head.count);
			if (!ctl_frame_add(frame, &order.mark, order.bytes)) {
				break;
			}
		}
		paxos_journal_pop(journal->mailbox);
	}
	return frame->head.count != 0;
}

/* The end of this journal, for this process. */
static void fail(struct ctl_journal *journal, int r)
{
	ctl_reason_say(&journal->failure,
	               "%s/" NAME "/segment-%016" PRIx64 ": cannot be written (%s); what a device "
	               "did after an error is not known, so this server ends: look at the disk "
	               "before you start it again",
	               journal->config.path, journal->end.segment, strerror(-r));
	paxos_journal_trouble(journal->mailbox, PAXOS_DISK_FAILED, true);
}

/*
 * Sleeps at once: who waited awake, where threads share cores, would have the core that a worker
 * needs to send for the next record, and under load that one is there already.
 */
static void rest(struct ctl_journal *journal)
{
	if (paxos_journal_sleeps(journal->mailbox)) {
		ctl_disk_wait(&journal->disk,
		              journal->repeated ? UINT64_MAX / 4 : CTL_JOURNAL_IDLE_NS);
		paxos_journal_wakes(journal->mailbox);
	}
}

static void *run(void *argument)
{
	struct ctl_journal *journal = argument;
	uint64_t idle_ns = clock_ns();
	int r = 0;

	ctl_wakeup_first();
	while (r == 0) {
		const bool stops = atomic_load_explicit(&journal->stop, memory_order_acquire);

		if (gather(journal)) {
			r = put_frame(journal);
			if (r == 0) {
				paxos_journal_durable(journal->mailbox, journal->end.record - 1);
			}
			idle_ns = clock_ns();
		} else if (!journal->repeated &&
		           (stops || clock_ns() - idle_ns >= CTL_JOURNAL_IDLE_NS)) {
			r = put_frame(journal);
		} else if (stops) {
			break;
		} else {
			rest(journal);
		}
	}
	if (r < 0 && r != -ECANCELED) {
		fail(journal, r);
	}
	return NULL;
}

/* --- starting and stopping ------------------------------------------------------------------- */

/* The segment to go on in: where the last frame stands. */
static int open_current(struct ctl_journal *journal)
{
	struct ctl_keeper_segment *current = &journal->current;

	current->number = journal->end.segment;
	current->fd = ctl_segment_open(journal->folder, current->number, &current->blocks);
	if (current->fd < 0) {
		return current->fd;
	}
	return journal->end.block <= current->blocks ? 0 : -EBADMSG;
}

static int start_thread(struct ctl_journal *journal)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&journal->thread, NULL, run, journal);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	journal->runs = r == 0;
	return r;
}

int ctl_journal_start(struct ctl_journal *journal, struct paxos_mailbox *mailbox,
                      struct ctl_reason *ret_reason)
{
	int r;

	journal->mailbox = mailbox;
	r = ctl_disk_open(&journal->disk, ret_reason);
	if (r < 0) {
		return r;
	}
	mailbox->journal.bell =
		(struct paxos_bell){.ring = ctl_disk_ring, .context = &journal->disk};
	r = open_current(journal);
	r = r < 0 ? r : ctl_keeper_start(&journal->keeper, mailbox);
	r = r < 0 ? r : start_thread(journal);
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s/" NAME ": cannot be written (%s)",
		               journal->config.path, strerror(-r));
	}
	return r;
}

void ctl_journal_stop(struct ctl_journal *journal)
{
	if (journal == NULL) {
		return;
	}
	if (journal->runs) {
		atomic_store_explicit(&journal->stop, true, memory_order_release);
		ctl_keeper_hurry(&journal->keeper);
		ctl_disk_ring(&journal->disk);
		must(pthread_join(journal->thread, NULL) == 0);
		journal->runs = false;
	}
	ctl_keeper_stop(&journal->keeper);
}

void ctl_journal_close(struct ctl_journal *journal)
{
	if (journal == NULL) {
		return;
	}
	ctl_journal_stop(journal);
	ctl_keeper_deinit(&journal->keeper);
	ctl_disk_close(&journal->disk);
	if (journal->current.number != 0 && journal->current.fd >= 0) {
		(void)close(journal->current.fd);
	}
	(void)close(journal->folder);
	free(journal->memory);
	free(journal);
}

/* --- the first start ------------------------------------------------------------------------- */

static void say_unmade(const struct ctl_journal_config *config, int r,
                       struct ctl_reason *ret_reason)
{
	ctl_reason_say(ret_reason,
	               "%s/" NAME ": cannot be made (%s); make room for some segments of %" PRIu32
	               " MiB, or lower segment_mb",
	               config->path, strerror(-r), config->segment_mb);
}

static void remove_folder(int data, const char *name)
{
	const int folder = openat(data, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ctl_segment_list list;

	if (folder < 0) {
		return;
	}
	if (ctl_segment_list(folder, &list) == 0) {
		for (size_t i = 0; i < list.count; i++) {
			(void)ctl_segment_remove(folder, list.numbers[i]);
		}
		free(list.numbers);
	}
	ctl_segment_remove_unmade(folder);
	(void)close(folder);
	(void)unlinkat(data, name, AT_REMOVEDIR);
}

void ctl_journal_withdraw(const struct ctl_journal_config *config)
{
	remove_folder(config->folder, NAME_NEW);
	remove_folder(config->folder, NAME);
}

static int new_journal(const struct ctl_journal_config *config, struct ctl_journal **ret_journal)
{
	struct ctl_journal *journal = calloc(1, sizeof(*journal));

	if (journal == NULL) {
		return -ENOMEM;
	}
	journal->config = *config;
	journal->folder = -1;
	journal->disk.bell = -1;
	journal->memory = aligned_alloc(CTL_BLOCK_SIZE, CTL_FRAME_SIZE_MAX);
	if (journal->memory == NULL) {
		free(journal);
		return -ENOMEM;
	}
	memset(journal->memory, 0, CTL_FRAME_SIZE_MAX);
	journal->frame.memory = journal->memory;
	*ret_journal = journal;
	return 0;
}

static uint32_t segment_blocks(const struct ctl_journal_config *config)
{
	must(config->segment_mb >= CTL_SEGMENT_MB_MIN && config->segment_mb <= CTL_SEGMENT_MB_MAX);
	return config->segment_mb * ((1u << 20) / CTL_BLOCK_SIZE);
}

/* One segment with one frame without records: an empty journal is not like one that was lost. */
static int found(struct ctl_journal *journal)
{
	int r = ctl_segment_make(journal->folder, 1, segment_blocks(&journal->config), NULL);

	if (r < 0) {
		return r;
	}
	journal->end = (struct ctl_journal_end){.segment = 1, .number = 1, .record = 1};
	r = open_current(journal);
	ctl_frame_begin(&journal->frame, 1);
	return r < 0 ? r : put_frame(journal);
}

int ctl_journal_found(const struct ctl_journal_config *config, struct ctl_reason *ret_reason)
{
	struct ctl_journal *journal;
	int r;

	if (faccessat(config->folder, NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		ctl_reason_say(ret_reason,
		               "%s/" NAME
		               ": is there although the superblock is not; if this server "
		               "shall begin anew, give it an empty folder",
		               config->path);
		return -EEXIST;
	}
	remove_folder(config->folder, NAME_NEW); /* of a first start that did not end */
	r = new_journal(config, &journal);
	if (r < 0) {
		say_unmade(config, r, ret_reason);
		return r;
	}
	r = mkdirat(config->folder, NAME_NEW, 0700) < 0 ? -errno : 0;
	if (r == 0) {
		journal->folder =
			openat(config->folder, NAME_NEW, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = journal->folder < 0 ? -errno : 0;
	}
	if (r < 0) {
		say_unmade(config, r, ret_reason);
	} else {
		r = ctl_disk_open(&journal->disk, ret_reason);
		if (r == 0) {
			r = found(journal);
			if (r < 0) {
				say_unmade(config, r, ret_reason);
			}
		}
	}
	ctl_journal_close(journal);
	if (r < 0) {
		remove_folder(config->folder, NAME_NEW);
	}
	return r;
}

int ctl_journal_settle(const struct ctl_journal_config *config, struct ctl_reason *ret_reason)
{
	const int r = renameat(config->folder, NAME_NEW, config->folder, NAME) < 0 ||
	                              fsync(config->folder) < 0
	                      ? -errno
	                      : 0;

	if (r < 0) {
		say_unmade(config, r, ret_reason);
	}
	return r;
}

/* --- opening --------------------------------------------------------------------------------- */

/* A reader between: notes the last record of each segment. */
struct noting {
	const struct ctl_journal_reader *reader;
	struct ctl_segment_list list;
	uint64_t *lasts;
};

static int note(void *context, const struct ctl_piece *piece)
{
	struct noting *noting = context;

	for (size_t i = 0; i < noting->list.count; i++) {
		if (noting->list.numbers[i] == piece->segment && piece->count != 0) {
			noting->lasts[i] = piece->first + piece->count - 1;
		}
	}
	return noting->reader->visit(noting->reader->context, piece);
}

/* Tells the keeper what there is. */
static void hand_over(struct ctl_journal *journal, const struct noting *noting)
{
	uint64_t last = 0;

	for (size_t i = 0; i < noting->list.count; i++) {
		const uint64_t number = noting->list.numbers[i];

		last = noting->lasts[i] > last ? noting->lasts[i] : last;
		if (number == journal->end.segment) {
			journal->keeper.number_next = number + 1;
		} else {
			ctl_keeper_found(&journal->keeper, number, last,
			                 number > journal->end.segment);
		}
	}
}

static int read_first(struct ctl_journal *journal, const struct ctl_journal_reader *reader)
{
	struct noting noting = {.reader = reader};
	const struct ctl_journal_reader between = {.visit = note, .context = &noting};
	int r = ctl_segment_list(journal->folder, &noting.list);

	if (r < 0) {
		return r;
	}
	noting.lasts = calloc(noting.list.count + 1, sizeof(*noting.lasts));
	r = noting.lasts == NULL ? -ENOMEM
	                         : ctl_journal_scan(journal->folder, journal->config.incarnation,
	                                            &between, &journal->end);
	if (r == 0) {
		hand_over(journal, &noting);
	}
	free(noting.lasts);
	free(noting.list.numbers);
	return r;
}

static int open_folder(struct ctl_journal *journal)
{
	journal->folder = openat(journal->config.folder, NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return journal->folder < 0 ? -errno : 0;
}

int ctl_journal_open(struct ctl_journal **ret_journal, const struct ctl_journal_config *config,
                     const struct ctl_journal_reader *reader, struct ctl_reason *ret_reason)
{
	struct ctl_journal *journal;
	int r;

	if (faccessat(config->folder, NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		/* The first start may have ended between the superblock and this. */
		(void)renameat(config->folder, NAME_NEW, config->folder, NAME);
	}
	r = new_journal(config, &journal);
	if (r == 0) {
		r = open_folder(journal);
		r = r < 0 ? r
		          : ctl_keeper_init(&journal->keeper, config->folder, journal->folder,
		                            segment_blocks(config), config->data_max_mb << 20);
		r = r < 0 ? r : read_first(journal, reader);
		if (r != 0) {
			ctl_journal_close(journal);
		}
	}
	if (r < 0) {
		ctl_reason_say(ret_reason, "%s/" NAME ": cannot be read (%s)", config->path,
		               strerror(-r));
	}
	if (r == 0) {
		*ret_journal = journal;
	}
	return r;
}

int ctl_journal_read(struct ctl_journal *journal, const struct ctl_journal_reader *reader,
                     struct ctl_reason *ret_reason)
{
	struct ctl_journal_end end;
	const int r = ctl_journal_scan(journal->folder, journal->config.incarnation, reader, &end);

	if (r < 0) {
		ctl_reason_say(ret_reason, "%s/" NAME ": cannot be read (%s)", journal->config.path,
		               strerror(-r));
	}
	return r;
}

uint64_t ctl_journal_last(const struct ctl_journal *journal)
{
	return journal->end.record - 1;
}

/* --- what can be seen ------------------------------------------------------------------------ */

void ctl_journal_counters(const struct ctl_journal *journal,
                          struct ctl_journal_counters *ret_counters)
{
	*ret_counters = (struct ctl_journal_counters){0};
	if (journal == NULL) {
		return;
	}
	ret_counters->frames = get(&journal->counts.frames);
	ret_counters->groups = get(&journal->counts.groups);
	ret_counters->records = get(&journal->counts.records);
	ret_counters->bytes = get(&journal->counts.bytes);
	ret_counters->flush_last_ns = get(&journal->counts.flush_last_ns);
	ret_counters->flush_worst_ns = get(&journal->counts.flush_worst_ns);
	ret_counters->flush_since_ns = get(&journal->counts.flush_since_ns);
	if (journal->mailbox != NULL) {
		ret_counters->durable = get(&journal->mailbox->journal.durable);
		ret_counters->trouble = atomic_load_explicit(&journal->mailbox->journal.trouble,
		                                             memory_order_acquire);
	}
}

void ctl_journal_failure(const struct ctl_journal *journal, struct ctl_reason *ret_reason)
{
	*ret_reason = journal->failure;
}
