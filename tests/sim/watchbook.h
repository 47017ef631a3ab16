/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watchbook.h - what watches brought, held against what was decided
 *
 * At the server, of each page as it leaves:
 *   1. it has every change of [from, next) that matches its glob, as it was, and nothing else; each
 *      tells where the entry that made it ends, so that nobody need take a part for the whole
 *   2. `previous` is the last change before it, since the watch began, that matches
 *   3. it promises no more than the server has: next - 1 is at most the store's revision, or it
 *      stands where it was asked from
 *   4. TOO_LATE is said only of events that this server does not keep
 *   5. `age` is no less than the time, by its own clock, since it took a packet of another server,
 *      or was the one voter
 * At the client, of what store/watcher gives, whichever servers it came from:
 *   6. events come in order, once, and none is missing between two of them, or before a note
 *   7. a watch ends by itself as TOO_LATE only, and only if something was lost
 *
 * What the ledger does not know yet, because of a hole in what servers have shown, waits.
 * Pure but for malloc. Threads: one.
 */

#include "store/proto_page.h"
#include "tests/sim/ledger.h"

struct watchbook_watch {
	uint64_t number;
	char glob[LEDGER_PATH_MAX];
	store_rev_t begin, last; /* as it was begun with */
	store_rev_t given;       /* all before it was given */
	store_rev_t given_last;
	store_rev_t entry_last; /* as the last event told */
};

/* A statement: nothing in [from, to) matches; and if it is an event, that it happened at `to`. */
struct watchbook_fact {
	size_t watch;
	store_rev_t from, to;
	bool is_event, is_delete;
	char path[LEDGER_PATH_MAX];
	enum store_cause cause;
	store_rev_t entry_last;
	uint32_t size, crc; /* of the value */
};

struct watchbook {
	struct scroll *scroll; /* borrowed */
	const struct ledger *ledger;
	struct watchbook_watch *watches; /* owned; all there ever were */
	size_t count, room;
	struct watchbook_fact *facts; /* owned; those that wait, in order */
	size_t fact_count, fact_room;
	uint64_t pages, events, notes, lost, refused; /* counts */
	uint64_t amid; /* events whose entry had brought one to the same watch before */
};

void watchbook_init(struct watchbook *book, struct scroll *scroll, const struct ledger *ledger);
void watchbook_deinit(struct watchbook *book);

/* A watch begins: `number` names it. */
void watchbook_begin(struct watchbook *book, uint64_t number, const char *glob, store_rev_t from,
                     store_rev_t last);

/*
 * A server answers a client, before anybody hears of it. `heard_ns`: how long ago, by its clock,
 * it took a packet of another server.
 */
void watchbook_sent(struct watchbook *book, uint64_t now_ns, unsigned node,
                    const struct store *store, uint64_t heard_ns, struct slice bytes);

/* A client was given this. */
void watchbook_event(struct watchbook *book, uint64_t now_ns, uint64_t number,
                     const struct proto_event *event);
void watchbook_note(struct watchbook *book, uint64_t now_ns, uint64_t number, store_rev_t next);
void watchbook_end(struct watchbook *book, uint64_t now_ns, uint64_t number,
                   enum store_answer answer, store_rev_t oldest);

/* Up to where the watch was given everything; where and with what to go on. */
const struct watchbook_watch *watchbook_of(const struct watchbook *book, uint64_t number);

/* At the end: nothing waits. */
void watchbook_close(struct watchbook *book, uint64_t now_ns);
