/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "consensus/replica.h"
#include "store/base/check.h"

int ctl_keeper_init(struct ctl_keeper *keeper, int data, int folder, uint32_t blocks,
                    uint64_t data_max_bytes)
{
	pthread_condattr_t attributes;

	memset(keeper, 0, sizeof(*keeper));
	keeper->used = calloc(CTL_SEGMENTS_MAX, sizeof(*keeper->used));
	if (keeper->used == NULL) {
		return -ENOMEM;
	}
	keeper->data = data;
	keeper->folder = folder;
	keeper->blocks = blocks;
	keeper->data_max_bytes = data_max_bytes;
	keeper->number_next = 1;
	must(pthread_mutex_init(&keeper->lock, NULL) == 0);
	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&keeper->changed, &attributes) == 0);
	must(pthread_condattr_destroy(&attributes) == 0);
	return 0;
}

static void lock(struct ctl_keeper *keeper)
{
	must(pthread_mutex_lock(&keeper->lock) == 0);
}

static void unlock(struct ctl_keeper *keeper)
{
	must(pthread_mutex_unlock(&keeper->lock) == 0);
}

void ctl_keeper_deinit(struct ctl_keeper *keeper)
{
	if (keeper->used == NULL) {
		return;
	}
	if (keeper->ahead.number != 0) {
		(void)close(keeper->ahead.fd);
	}
	free(keeper->used);
	keeper->used = NULL;
	(void)pthread_cond_destroy(&keeper->changed);
	(void)pthread_mutex_destroy(&keeper->lock);
}

/* --- what is there --------------------------------------------------------------------------- */

static void add_used(struct ctl_keeper *keeper, uint64_t number, uint64_t last)
{
	if (keeper->used_end == CTL_SEGMENTS_MAX) {
		keeper->used_end -= keeper->used_first;
		memmove(keeper->used, keeper->used + keeper->used_first,
		        keeper->used_end * sizeof(*keeper->used));
		keeper->used_first = 0;
	}
	must(keeper->used_end < CTL_SEGMENTS_MAX); /* there are never so many, see make() */
	keeper->used[keeper->used_end++] = (struct ctl_keeper_used){.number = number, .last = last};
}

void ctl_keeper_found(struct ctl_keeper *keeper, uint64_t number, uint64_t last, bool is_ahead)
{
	struct ctl_keeper_segment segment = {.number = number};

	must(number >= keeper->number_next);
	if (!is_ahead) {
		keeper->number_next = number + 1;
		add_used(keeper, number, last);
		return;
	}
	segment.fd = number == keeper->number_next && keeper->ahead.number == 0
	                     ? ctl_segment_open(keeper->folder, number, &segment.blocks)
	                     : -EEXIST;
	if (segment.fd >= 0 && segment.blocks == keeper->blocks) {
		keeper->number_next = number + 1;
		keeper->ahead = segment;
		return;
	}
	/* Of another size, or one too many. What cannot be removed is in nobody's way. */
	if (segment.fd >= 0) {
		(void)close(segment.fd);
	}
	(void)ctl_segment_remove(keeper->folder, number);
}

/* How many of the used ones are not needed any more. */
static size_t forgotten_count(const struct ctl_keeper *keeper)
{
	size_t count = 0;

	while (keeper->used_first + count < keeper->used_end &&
	       keeper->used[keeper->used_first + count].last < keeper->forgotten) {
		count++;
	}
	return count;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Makes a new segment, if that is allowed. The lock is not held. */
static int make(const struct ctl_keeper *keeper, uint64_t number, size_t used)
{
	const uint64_t size = (uint64_t)keeper->blocks * CTL_BLOCK_SIZE;

	if (used + 2 >= CTL_SEGMENTS_MAX) {
		return -ENOSPC;
	}
	if (keeper->data_max_bytes != 0 &&
	    ctl_folder_bytes(keeper->data) + ctl_folder_bytes(keeper->folder) + size >
	            keeper->data_max_bytes) {
		return -EDQUOT;
	}
	return ctl_segment_make(keeper->folder, number, keeper->blocks, &keeper->stop);
}

/* Gets one segment ahead. Called and returns with the lock; what takes time is done without. */
static void get_ahead(struct ctl_keeper *keeper)
{
	const uint64_t number = keeper->number_next++;
	const size_t used = keeper->used_end - keeper->used_first;
	struct ctl_keeper_segment segment = {.number = number, .fd = -1};
	uint64_t old = 0;
	int r;

	if (forgotten_count(keeper) > 0) {
		old = keeper->used[keeper->used_first++].number;
	}
	unlock(keeper);
	r = old != 0 ? ctl_segment_renumber(keeper->folder, old, number)
	             : make(keeper, number, used);
	if (r == 0) {
		segment.fd = ctl_segment_open(keeper->folder, number, &segment.blocks);
		r = segment.fd < 0 ? segment.fd : 0;
	}
	lock(keeper);
	if (r == 0) {
		keeper->ahead = segment;
		must(pthread_cond_broadcast(&keeper->changed) == 0);
	} else {
		keeper->number_next = number; /* no gap: it would look like a lost segment */
	}
	if (keeper->full != (r < 0) && r != -ECANCELED) {
		keeper->full = r < 0;
		paxos_journal_trouble(keeper->mailbox, PAXOS_DISK_FULL, keeper->full);
		must(pthread_cond_broadcast(&keeper->changed) == 0);
	}
}

/* Gives space back. As above. */
static void give_back(struct ctl_keeper *keeper)
{
	const uint64_t old = keeper->used[keeper->used_first++].number;

	unlock(keeper);
	(void)ctl_segment_remove(keeper->folder, old); /* if not: it lies there, and is skipped */
	lock(keeper);
}

static void rest(struct ctl_keeper *keeper)
{
	struct timespec end;

	/* The lock was let go since the last look. */
	if (atomic_load_explicit(&keeper->stop, memory_order_relaxed)) {
		return;
	}
	if (!keeper->full) {
		must(pthread_cond_wait(&keeper->changed, &keeper->lock) == 0);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CTL_KEEPER_AGAIN_MS / 1000;
	(void)pthread_cond_timedwait(&keeper->changed, &keeper->lock, &end);
}

static void *run(void *argument)
{
	struct ctl_keeper *keeper = argument;

	lock(keeper);
	while (!atomic_load_explicit(&keeper->stop, memory_order_relaxed)) {
		if (keeper->ahead.number == 0) {
			get_ahead(keeper);
		} else if (forgotten_count(keeper) > CTL_KEEPER_SPARED) {
			give_back(keeper);
		}
		if (keeper->ahead.number == 0 ? keeper->full
		                              : forgotten_count(keeper) <= CTL_KEEPER_SPARED) {
			rest(keeper);
		}
	}
	unlock(keeper);
	return NULL;
}

int ctl_keeper_start(struct ctl_keeper *keeper, struct paxos_mailbox *mailbox)
{
	sigset_t all, before;
	int r;

	keeper->mailbox = mailbox;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&keeper->thread, NULL, run, keeper);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	keeper->runs = r == 0;
	return r;
}

void ctl_keeper_stop(struct ctl_keeper *keeper)
{
	if (!keeper->runs) {
		return;
	}
	lock(keeper);
	atomic_store_explicit(&keeper->stop, true, memory_order_relaxed);
	must(pthread_cond_broadcast(&keeper->changed) == 0);
	unlock(keeper);
	must(pthread_join(keeper->thread, NULL) == 0);
	keeper->runs = false;
}

/* --- the writer ------------------------------------------------------------------------------ */

void ctl_keeper_hurry(struct ctl_keeper *keeper)
{
	lock(keeper);
	keeper->ends = true;
	must(pthread_cond_broadcast(&keeper->changed) == 0);
	unlock(keeper);
}

bool ctl_keeper_next(struct ctl_keeper *keeper, uint64_t number, uint64_t last,
                     struct ctl_keeper_segment *ret_segment)
{
	bool got;

	lock(keeper);
	add_used(keeper, number, last);
	while (keeper->ahead.number == 0 && !(keeper->ends && keeper->full)) {
		must(pthread_cond_wait(&keeper->changed, &keeper->lock) == 0);
	}
	got = keeper->ahead.number != 0;
	if (got) {
		*ret_segment = keeper->ahead;
		keeper->ahead = (struct ctl_keeper_segment){0};
		must(pthread_cond_broadcast(&keeper->changed) == 0);
	}
	unlock(keeper);
	return got;
}

void ctl_keeper_forget(struct ctl_keeper *keeper, uint64_t record)
{
	lock(keeper);
	must(record >= keeper->forgotten);
	keeper->forgotten = record;
	must(pthread_cond_broadcast(&keeper->changed) == 0);
	unlock(keeper);
}
