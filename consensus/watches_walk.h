/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watches_walk.h - two walks along the ring, which show each event to the watches that wait
 *
 *      ring     | . . . . . . past.done | . . . . . . . . . present.done | . . last |
 *                    BEHIND     past ->                        QUIET  present ->
 *
 * An event is looked up by its path (watches_table.h), and shown to those watches that can match it
 * and take part in the walk. Whose glob matches is FOUND, and goes to the queue.
 *
 * All who are QUIET take part in the present's walk. Who is BEHIND takes part in the one through
 * the past that is under way, if it comes to all events that are wanted; else it waits in the other
 * line for the next, which begins at the first event that anybody wants who waits there.
 *
 * If the ring overtakes a walk, `lost` is where it goes on; who takes part and is not clear up to
 * there missed something: it goes to the queue like one that is FOUND, and its page is too late.
 *
 * For consensus/watches.c. Pure: allocates nothing. Threads: one for each table.
 */

#include "consensus/watches_table.h"
#include "store/store.h"

struct paxos_watch_walk {
	store_rev_t done; /* events up to here were shown to all who take part */
	store_rev_t lost; /* and those up to here were not all, since the ring overtook us */
	/* The event behind `done`, as far as it has come. */
	uint32_t *cursor; /* of the table: next in the list */
	unsigned lists_done;
	bool is_in_list;
};

struct paxos_watch_walks {
	const struct store *store;       /* borrowed */
	struct paxos_watch_table *table; /* borrowed */
	struct paxos_watch_walk present, past;
	uint32_t line;    /* of those who take part in `past`: PAXOS_WATCH_PAST or the one behind */
	store_rev_t next; /* the next walk through the past begins behind this event */
};

void paxos_watch_walks_init(struct paxos_watch_walks *walks, struct paxos_watch_table *table,
                            const struct store *store);

/* The table is empty: the present's walk begins behind the last event there is. */
void paxos_watch_walks_begin(struct paxos_watch_walks *walks);

/* What is known of a quiet watch: `clear` is where the walk is, unless it missed something. */
void paxos_watch_walks_clear(const struct paxos_watch_walks *walks, struct paxos_watch *watch);

/*
 * A watch of which no event up to `clear` matches: QUIET if the present's walk shows it all that
 * is behind, and stays in its line. Else BEHIND, in one of the past's.
 */
void paxos_watch_walks_join(struct paxos_watch_walks *walks, uint32_t handle);

/* True if nobody is BEHIND. */
bool paxos_watch_walks_is_past_idle(const struct paxos_watch_walks *walks);

/* Goes on at the present, looking at about so many events and watches. */
void paxos_watch_walks_go_on(struct paxos_watch_walks *walks, unsigned looks);

/*
 * Goes on through the past, and takes what it looks at from *looks. Returns a watch of which it
 * has come to the present, NEW and in no line; 0: there was none within so many looks, or at all.
 */
uint32_t paxos_watch_walks_search(struct paxos_watch_walks *walks, unsigned *looks);
