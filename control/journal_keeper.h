/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * journal_keeper.h - has the next segment ready, and takes back what is forgotten
 *
 *      used:  [ 3 ][ 4 ][ 5 ] --> current: 6 (the writer's) --> ahead: 7
 *               ^ forgotten: becomes 8, when 7 is the writer's
 *
 * One segment is ready ahead, always: made new, or one that was forgotten. Where that cannot be
 * had, FULL is told when the writer has just begun the last one: as much as one segment holds is
 * left for what makes room. The keeper tries again every second.
 *
 * Threads: one of its own, between start and stop. _next, _forget: the writer's.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "consensus/mailbox.h"
#include "control/journal_segment.h"
#include "control/reason.h"

enum {
	CTL_KEEPER_AGAIN_MS = 1000, /* between two tries to make room */
	CTL_KEEPER_SPARED = 2,      /* forgotten segments that wait for their next use */
};

struct ctl_keeper_segment {
	uint64_t number; /* 0: none */
	int fd;
	uint32_t blocks;
};

struct ctl_keeper_used {
	uint64_t number;
	uint64_t last; /* number of its last record */
};

struct ctl_keeper {
	int data, folder; /* borrowed */
	uint32_t blocks;  /* of a new segment */
	uint64_t data_max_bytes;
	struct paxos_mailbox *mailbox;
	pthread_t thread;
	bool runs;
	_Atomic bool stop;

	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t changed;
	struct ctl_keeper_used *used; /* lowest first, from used_first on */
	size_t used_first, used_end;
	struct ctl_keeper_segment ahead;
	uint64_t number_next; /* without gaps */
	uint64_t forgotten;   /* records below are */
	bool full;
	bool ends; /* the writer does not wait for room any more */
};

/* 0 or -ENOMEM. */
int ctl_keeper_init(struct ctl_keeper *keeper, int data, int folder, uint32_t blocks,
                    uint64_t data_max_bytes);
/* Zeros are fine. */
void ctl_keeper_deinit(struct ctl_keeper *keeper);

/* Before start: a segment that is there. `last` is the last record in it or below; 0: none. */
void ctl_keeper_found(struct ctl_keeper *keeper, uint64_t number, uint64_t last, bool is_ahead);

/* Starts the thread. The mailbox is borrowed until stop. 0 or a negative errno. */
int ctl_keeper_start(struct ctl_keeper *keeper, struct paxos_mailbox *mailbox);
void ctl_keeper_stop(struct ctl_keeper *keeper);

/* The writer shall end: it is not kept waiting for room that is not there. */
void ctl_keeper_hurry(struct ctl_keeper *keeper);

/*
 * The writer has filled a segment, and is done with it; its last record is `last`. Waits for the
 * next one, which is given (close its fd). False: it shall not wait any longer.
 */
bool ctl_keeper_next(struct ctl_keeper *keeper, uint64_t number, uint64_t last,
                     struct ctl_keeper_segment *ret_segment);

/* Records below `record` are not needed any more. */
void ctl_keeper_forget(struct ctl_keeper *keeper, uint64_t record);
