/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watches_table.h - where watches stand: by name, by what they wait for, by when they are due
 *
 *      names   (address, number) --hash--> chain
 *      index   glob without wildcard: its path --hash--> list
 *              other globs: the directory of what stands before the first wildcard --hash--> list
 *      lines   WHEEL_SLOTS of a wheel, a tick of 4 ms each; and queues: each watch is in one
 *
 * A handle is the place of a watch, from 1; 0 is none. Memory that was never used is not touched.
 *
 * For consensus/watches.c. Pure: allocates only in init. Threads: one for each table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/effect.h"
#include "store/base/slice.h"
#include "store/limits.h"

enum {
	PAXOS_WATCH_TICK_BITS = 22, /* of ns */
	PAXOS_WATCH_WHEEL = 1 << 14,
	PAXOS_WATCH_QUEUE = PAXOS_WATCH_WHEEL, /* behind the wheel: who is sent a page */
	PAXOS_WATCH_PAST,                      /* two: who takes part in a search of the past */
	PAXOS_WATCH_LINES = PAXOS_WATCH_PAST + 2,
	PAXOS_WATCH_NO_LINE,
	PAXOS_WATCH_CURSORS = 2,
	PAXOS_WATCH_LISTS_MAX = STORE_PATH_SIZE_MAX / 2 + 2, /* that one event concerns */
};

enum paxos_watch_state {
	PAXOS_WATCH_NEW,    /* what is behind `clear` was not looked at */
	PAXOS_WATCH_BEHIND, /* likewise; it waits in the past's lines until it is */
	PAXOS_WATCH_QUIET,  /* nothing that matches is known behind `clear` */
	PAXOS_WATCH_FOUND,  /* the event behind `clear` matches; it waits in the queue */
	PAXOS_WATCH_SENT,   /* and was sent: again, until it is acknowledged */
};

struct paxos_watch {
	struct paxos_address address;
	uint64_t number;
	store_rev_t acked; /* where the client goes on, as it said last */
	store_rev_t clear; /* no event from `acked` to here matches */
	store_rev_t last;  /* the last event the client knows of */
	uint64_t expires_ns, due_ns;
	uint32_t ttl_ms, resend_ns;
	uint32_t name_next, list_next, list_previous, line_next, line_previous;
	uint32_t list, line;
	uint16_t limit, glob_size;
	uint8_t state; /* enum paxos_watch_state */
	uint8_t glob[STORE_GLOB_SIZE_MAX];
};

struct paxos_watch_line {
	uint32_t first, last;
};

struct paxos_watch_table {
	struct paxos_watch *watches;
	uint32_t max, count, fresh, free; /* fresh: places never used begin behind it */
	uint32_t mask;                    /* of names and lists */
	uint32_t *names, *lists;
	/* The next of a list under way, or 0: moved on if it is removed. */
	uint32_t cursors[PAXOS_WATCH_CURSORS];
	struct paxos_watch_line *lines;
	uint64_t *busy; /* a bit for each line of the wheel that is not empty */
	uint64_t tick;  /* lines of earlier ticks are empty */
};

/* 0 or -ENOMEM. */
int paxos_watch_table_init(struct paxos_watch_table *table, uint32_t max);
void paxos_watch_table_deinit(struct paxos_watch_table *table);
uint64_t paxos_watch_table_bytes(uint32_t max);

static inline struct paxos_watch *paxos_watch_at(const struct paxos_watch_table *table,
                                                 uint32_t handle)
{
	return &table->watches[handle - 1];
}

static inline struct slice paxos_watch_glob(const struct paxos_watch *watch)
{
	return slice_make(watch->glob, watch->glob_size);
}

uint32_t paxos_watch_find(const struct paxos_watch_table *table,
                          const struct paxos_address *address, uint64_t number);

/* A new one, in no line yet, `glob` being good. 0: the table is full. */
uint32_t paxos_watch_add(struct paxos_watch_table *table, const struct paxos_address *address,
                         uint64_t number, struct slice glob);
void paxos_watch_remove(struct paxos_watch_table *table, uint32_t handle);

/*
 * The lists in which watches that match a path can stand. Writes their numbers into ret_lists, and
 * returns how many there are. A list holds others, too.
 */
unsigned paxos_watch_lists(const struct paxos_watch_table *table, struct slice path,
                           uint32_t ret_lists[PAXOS_WATCH_LISTS_MAX]);

/* To the end of a line, QUEUE or beyond, out of wherever it was. */
void paxos_watch_enqueue(struct paxos_watch_table *table, uint32_t handle, uint32_t line);
/* Into the wheel: due no earlier than due_ns, and not much later. */
void paxos_watch_schedule(struct paxos_watch_table *table, uint32_t handle, uint64_t due_ns);

/* Takes the first of such a line; one that is due. 0: there is none. */
uint32_t paxos_watch_take_queued(struct paxos_watch_table *table, uint32_t line);
uint32_t paxos_watch_take_due(struct paxos_watch_table *table, uint64_t now_ns);

/* When the next one is due; UINT64_MAX: none is in the wheel. */
uint64_t paxos_watch_due_ns(const struct paxos_watch_table *table);
