/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * queue.h - what will happen, in order of time
 *
 * Events come out ordered by (time, sequence); the sequence is the order in which they were put
 * in. So two events of one instant happen in the order in which they were planned, always.
 *
 * Pure but for malloc: the heap grows. Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
	EVENT_ARRIVAL = 1, /* data: struct packet, taken by the one who handles it */
	EVENT_TURN,        /* of server `node`, if `tag` is still its turn's */
	EVENT_DISK,     /* of server `node`: the write under way ends, if `tag` is still its tag */
	EVENT_SNAPSHOT, /* of server `node`: its snapshot is written, if `tag` is its run's */
	EVENT_GRACE,    /* of server `node`: a grace period for number `value` has passed */
	EVENT_USER,     /* client `node` has something to do, if `tag` is still its wake-up's */
	EVENT_LOCKER,   /* locker `node` likewise */
	EVENT_ACT,      /* what lock `node` guards is touched under token `value` */
	EVENT_ROOM,     /* of server `node`: its disk is full no more */
	EVENT_UP,       /* server `node` starts again, if `tag` is its run's */
	EVENT_KIND_COUNT
};

struct event {
	uint64_t time_ns;
	uint64_t sequence;
	enum event_kind kind;
	uint32_t node;
	uint64_t tag;
	uint64_t value;
	void *data;
};

struct queue {
	struct event *heap; /* owned */
	size_t count, room;
	uint64_t sequence;
};

void queue_init(struct queue *queue);
void queue_deinit(struct queue *queue);

/* Puts an event; its sequence is filled in. */
void queue_put(struct queue *queue, struct event event);

/* The time of the next event, or UINT64_MAX. */
uint64_t queue_next_ns(const struct queue *queue);

/* Takes the next event. False if there is none. */
bool queue_take(struct queue *queue, struct event *ret_event);
