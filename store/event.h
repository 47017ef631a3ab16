/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * event.h - the changes of the last revisions, for all who wait
 *
 *      slot = revision modulo size:   | r+1 | r+2 | ... | r+size |      head = the last published
 *
 * An event has what stood before, so that a read at an older revision can undo it. It owns the
 * former item from the moment the tree lost it; when the event leaves the ring, both are listed
 * for freeing. So the ring is bounded in events and in the bytes of former values it holds.
 *
 * All events of a path are a chain, from the last one back (`earlier`). It begins at the revision
 * of the file; for a file that was deleted, at that of its delete, which `gone` has: a tree of all
 * paths whose last event is a delete that is still in the ring. Some links of the chain are long:
 *
 *      earlier   7 > 6 > 5 > 4 > 3 > 2 > 1        the 7th event of a path, the 6th ...
 *      leap      7 ----------------------> 0
 *                    6 ------> 3 ------> 0        (5, 4, 2, 1: one back)
 *
 * An event leaps as far as the one before it and that one's leap together, if both are equally far;
 * else one back. So from any event of n the first one behind a revision is 3 log2(n) links away at
 * most. Source: Myers, "An applicative random-access stack" (1983).
 *
 * Threads: one writer; store_events_get() any registered reader. An event is immutable, and good
 * until the reader's next quiescent state.
 */

#include <stdatomic.h>

#include "store/answer.h"
#include "store/tree.h"

enum store_event_kind {
	STORE_EVENT_SET = 1,
	STORE_EVENT_DELETE = 2,
};

/* Why a file changed or went. Numbers are part of the protocol. */
enum store_cause {
	STORE_CAUSE_ASKED = 0,    /* by a write */
	STORE_CAUSE_RELEASED = 1, /* unlocked, or its session was closed */
	STORE_CAUSE_EXPIRED = 2,  /* its session was not heard for its time to live */
	STORE_CAUSE_REVOKED = 3,  /* an operator broke the lock or killed the session */
	STORE_CAUSE_GRANTED = 4,  /* a lock: to who waited for it */
	STORE_CAUSE_RESTED = 5,   /* a lock: its delay after the holder's death is over */
};

/* One change. Immutable; good until the reader's next quiescent state. */
struct store_event {
	store_rev_t revision;
	enum store_event_kind kind;
	enum store_cause cause;
	store_rev_t first, last;      /* of the entry that made it: nobody sees a part of that */
	uint64_t owner, former_owner; /* sessions, or 0 */
	store_rev_t former_revision;  /* 0: the file was absent */
	store_rev_t earlier;          /* of the path's event before this; 0: none was kept then */
	store_rev_t leap;             /* of one farther back in its chain; 0: none */
	struct slice path;
	struct slice value;        /* empty for DELETE */
	struct slice former_value; /* empty if the file was absent */
};

/* How far an event leaps: for the writer alone, who needs two of them for the next. */
struct store_leap {
	uint32_t revisions; /* 0: not at all */
	uint32_t events;    /* of the path */
};

struct store_events {
	void **slots;             /* struct event *, published; size is a power of two */
	struct store_leap *leaps; /* of the same revisions; side by side, where a cache has them */
	uint32_t size;
	struct store_node *gone;  /* owned; keys are paths, revisions those of the deletes */
	uint64_t bytes;           /* of former items and events in the ring, and of `gone` */
	uint64_t bytes_max;       /* beyond it the oldest go */
	store_rev_t oldest;       /* the first revision in the ring */
	store_rev_t newest;       /* the last one; oldest - 1 if the ring is empty */
	_Atomic store_rev_t head; /* readers see events up to here */
};

/* 0 or -ENOMEM. `size` is a power of two. */
int store_events_init(struct store_events *events, uint32_t size, uint64_t bytes_max);

/* The ring is empty (store_events_clear). */
void store_events_deinit(struct store_events *events);

/*
 * Adds the event of revision newest + 1 (must).
 *
 * item    what stands now, or NULL for a DELETE; the tree has it
 * former  what stood before, or NULL (taken)
 */
void store_events_add(struct store_events *events, struct store_reclaim *reclaim,
                      store_rev_t revision, const struct store_item *item,
                      struct store_item *former, enum store_cause cause);

/* Events of these revisions belong together. Before they are published. */
void store_events_bind(struct store_events *events, store_rev_t first, store_rev_t last);

/* Lets readers see what was added; the root is published before. */
void store_events_publish(struct store_events *events);

/* Empties the ring; the next event is that of `revision` + 1. */
void store_events_clear(struct store_events *events, struct store_reclaim *reclaim,
                        store_rev_t revision);

/* The event of a revision that some root has, or NULL if it is no longer kept. */
const struct store_event *store_events_find(const struct store_events *events,
                                            store_rev_t revision);

/*
 * Of the chain that ends with the event of `last`: the first behind `rev`, which is below `last`.
 * NULL: it may have been dropped, and *ret_lost is above `rev`. Each event that is looked at adds
 * one to *steps. Any registered reader, for revisions that its root has.
 */
const struct store_event *store_events_behind(const struct store_events *events, store_rev_t last,
                                              store_rev_t rev, uint32_t *steps,
                                              store_rev_t *ret_lost);

/* OK, TOO_LATE (no longer kept) or NOT_FOUND (not yet published). */
enum store_answer store_events_get(const struct store_events *events, store_rev_t revision,
                                   const struct store_event **ret_event);

/* As published. Any registered reader. */
store_rev_t store_events_last(const struct store_events *events);

/* The first that is kept, found by bisection; last + 1 if none is. Any registered reader. */
store_rev_t store_events_first(const struct store_events *events);
