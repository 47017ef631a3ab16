/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/watches_walk.h"

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/glob.h"

/* --- one walk ---------------------------------------------------------------------------- */

static void begin_behind(struct paxos_watch_walk *walk, store_rev_t revision)
{
	walk->done = revision;
	walk->lists_done = 0;
	walk->is_in_list = false;
	*walk->cursor = 0;
}

/* Of events up to here a watch that begins to take part now may see none. */
static store_rev_t begun(const struct paxos_watch_walk *walk)
{
	return walk->done + (walk->lists_done != 0 || walk->is_in_list ? 1 : 0);
}

static bool takes_part(const struct paxos_watch_walks *walks, const struct paxos_watch_walk *walk,
                       const struct paxos_watch *watch)
{
	return walk == &walks->present ? watch->state == PAXOS_WATCH_QUIET
	                               : watch->line == walks->line;
}

static void visit(struct paxos_watch_walks *walks, const struct paxos_watch_walk *walk,
                  uint32_t handle, const struct store_event *event)
{
	struct paxos_watch *watch = paxos_watch_at(walks->table, handle);

	if (!takes_part(walks, walk, watch) || watch->clear >= event->revision) {
		return;
	}
	if (watch->clear >= walk->lost || mutant(47)) {
		if (!store_glob_match(paxos_watch_glob(watch), event->path)) {
			return;
		}
		watch->clear = event->revision - 1;
	}
	watch->state = PAXOS_WATCH_FOUND;
	paxos_watch_enqueue(walks->table, handle, PAXOS_WATCH_QUEUE);
}

/* Shows one event to those who may wait for it. Returns how many; no more than `looks`. */
static unsigned show(struct paxos_watch_walks *walks, struct paxos_watch_walk *walk,
                     const struct store_event *event, unsigned looks)
{
	struct paxos_watch_table *table = walks->table;
	uint32_t lists[PAXOS_WATCH_LISTS_MAX];
	const unsigned count = paxos_watch_lists(table, event->path, lists);
	unsigned looked = 0;

	for (; walk->lists_done < count; walk->lists_done++) {
		if (!walk->is_in_list) {
			*walk->cursor = table->lists[lists[walk->lists_done]];
			walk->is_in_list = true;
		}
		while (*walk->cursor != 0) {
			const uint32_t handle = *walk->cursor;

			if (looked == looks) {
				return looked;
			}
			*walk->cursor = paxos_watch_at(table, handle)->list_next;
			visit(walks, walk, handle, event);
			looked++;
		}
		walk->is_in_list = false;
	}
	begin_behind(walk, event->revision);
	return looked;
}

/* One event on, or part of the way; takes what it looks at from *looks. False: there is none. */
static bool step(struct paxos_watch_walks *walks, struct paxos_watch_walk *walk, unsigned *looks)
{
	const struct store_event *event;
	const enum store_answer answer = store_event(walks->store, walk->done + 1, &event);

	if (answer == STORE_OK) {
		*looks -= show(walks, walk, event, *looks);
	} else if (answer == STORE_TOO_LATE) {
		/* Events are gone: whoever takes part does not know what it missed. */
		walk->lost = store_event_first(walks->store) - 1;
		begin_behind(walk, walk->lost);
	} else {
		return false;
	}
	*looks -= *looks != 0;
	return true;
}

/* --- both -------------------------------------------------------------------------------- */

void paxos_watch_walks_init(struct paxos_watch_walks *walks, struct paxos_watch_table *table,
                            const struct store *store)
{
	*walks = (struct paxos_watch_walks){
		.store = store,
		.table = table,
		.present.cursor = &table->cursors[0],
		.past.cursor = &table->cursors[1],
		.line = PAXOS_WATCH_PAST,
	};
}

void paxos_watch_walks_begin(struct paxos_watch_walks *walks)
{
	must(walks->table->count == 0);
	begin_behind(&walks->present, store_event_last(walks->store));
}

void paxos_watch_walks_clear(const struct paxos_watch_walks *walks, struct paxos_watch *watch)
{
	if (watch->state == PAXOS_WATCH_QUIET && watch->clear >= walks->present.lost &&
	    watch->clear < walks->present.done) {
		watch->clear = walks->present.done;
	}
}

void paxos_watch_walks_go_on(struct paxos_watch_walks *walks, unsigned looks)
{
	while (looks != 0 && step(walks, &walks->present, &looks)) {
	}
}

/* --- the past ---------------------------------------------------------------------------- */

static bool is_line_empty(const struct paxos_watch_walks *walks, uint32_t line)
{
	return walks->table->lines[line].first == 0;
}

static uint32_t other_line(const struct paxos_watch_walks *walks)
{
	return PAXOS_WATCH_PAST + (walks->line == PAXOS_WATCH_PAST ? 1 : 0);
}

bool paxos_watch_walks_is_past_idle(const struct paxos_watch_walks *walks)
{
	return is_line_empty(walks, PAXOS_WATCH_PAST) && is_line_empty(walks, PAXOS_WATCH_PAST + 1);
}

static void begin_past(struct paxos_watch_walks *walks, store_rev_t revision)
{
	begin_behind(&walks->past, revision);
	walks->past.lost = 0;
	walks->next = INT64_MAX;
}

void paxos_watch_walks_join(struct paxos_watch_walks *walks, uint32_t handle)
{
	struct paxos_watch *watch = paxos_watch_at(walks->table, handle);
	uint32_t line = walks->line;

	if (watch->state == PAXOS_WATCH_QUIET || watch->clear >= begun(&walks->present)) {
		watch->state = PAXOS_WATCH_QUIET;
		return;
	}
	if (paxos_watch_walks_is_past_idle(walks)) {
		begin_past(walks, watch->clear);
	} else if (watch->clear < begun(&walks->past) && !mutant(53)) {
		line = other_line(walks);
		walks->next = watch->clear < walks->next ? watch->clear : walks->next;
	}
	watch->state = PAXOS_WATCH_BEHIND;
	paxos_watch_enqueue(walks->table, handle, line);
}

/* It has come to the present: all that it wants was shown to it, but what is lost. */
static uint32_t take_done(struct paxos_watch_walks *walks)
{
	const uint32_t handle = paxos_watch_take_queued(walks->table, walks->line);
	struct paxos_watch *watch = paxos_watch_at(walks->table, handle);

	watch->state = PAXOS_WATCH_NEW;
	if (watch->clear >= walks->past.lost && watch->clear < walks->past.done) {
		watch->clear = walks->past.done;
	}
	return handle;
}

uint32_t paxos_watch_walks_search(struct paxos_watch_walks *walks, unsigned *looks)
{
	while (*looks != 0 && !paxos_watch_walks_is_past_idle(walks)) {
		if (is_line_empty(walks, walks->line)) {
			walks->line = other_line(walks);
			begin_past(walks, walks->next);
		} else if (walks->past.done >= begun(&walks->present)) {
			(*looks)--;
			return take_done(walks);
		} else {
			must(step(walks, &walks->past, looks));
		}
	}
	return 0;
}
