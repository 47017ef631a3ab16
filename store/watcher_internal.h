/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watcher_internal.h - the table of watches, and what a watch can go through
 *
 *      FREE      in the list of free ones, or never used
 *      QUEUED    waits in its server's lane until an ask may leave; intent says what it asks
 *      ASKED     waits for an answer until due_ns             \
 *      HELD      the server keeps it; asks again at due_ns     > in the heap, by due_ns
 *      WAITING   asks again at due_ns: servers were of no use /
 *      STOPPED   paused: no server knows it
 *      ENDED     in the list of those whose END waits
 *
 * A watch is in exactly one of these structures; watcher_slot_...() moves it between them. Shared
 * by watcher.c, watcher_state.c and watcher_receive.c alone.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/assembly.h"
#include "store/base/prng.h"
#include "store/client_route.h"
#include "store/watcher.h"

#define WATCHER_NONE UINT32_MAX /* as an index */

enum watcher_state {
	WATCHER_FREE = 0,
	WATCHER_QUEUED,
	WATCHER_ASKED,
	WATCHER_HELD,
	WATCHER_WAITING,
	WATCHER_STOPPED,
	WATCHER_ENDED,
};

enum watcher_intent {
	WATCHER_ASK = 0, /* for events */
	WATCHER_MOVE,    /* tell the server to forget it, then ask another */
	WATCHER_STOP,    /* tell the server to forget it, then STOPPED */
	WATCHER_LEAVE,   /* tell the server to forget it, then FREE */
};

struct watcher_slot {
	uint8_t state, intent; /* enum watcher_state, enum watcher_intent */
	uint8_t server;        /* that keeps it, or is asked */
	uint8_t silences, pauses, hops;
	uint8_t leaves;         /* from servers out of touch, since left_ns */
	uint8_t answer;         /* ENDED: enum store_answer */
	bool is_resent;         /* the ask under way is a second one */
	uint32_t heap_at;       /* ASKED, HELD, WAITING: where in the heap */
	uint32_t before, after; /* in the list it is in, or WATCHER_NONE */
	uint32_t asked;         /* bits of the servers it was ever sent to */
	uint32_t too_late;      /* bits of the servers that keep nothing so old */
	uint32_t missing;       /* bits of the page's segments that are missing; 0: none came */
	uint16_t limit, glob_size;
	uint64_t version; /* of the page in parts */
	uint64_t number;
	uint64_t due_ns, sent_ns, left_ns;
	uint64_t asked_ns;      /* when what is asked a second time was asked first */
	store_rev_t next, last; /* what it wants; the revision of its last event */
	store_rev_t oldest; /* the lowest that servers who said TOO_LATE keep; 0: none said so */
	uint8_t glob[STORE_GLOB_SIZE_MAX];
};

struct watcher_list {
	uint32_t first, last; /* or WATCHER_NONE */
};

struct watcher_lane { /* what is between us and one server */
	struct watcher_list queue;
	unsigned queued, asked, held; /* watches in these states */
	uint32_t cursor;              /* where the search for one to probe goes on */
	uint64_t away_until_ns;       /* it was out of touch with the others, so told lately */
};

struct watcher_page {   /* one that came and was not wholly taken */
	uint32_t index; /* whose; WATCHER_NONE: none */
	unsigned server;
	struct slice left;          /* of `memory` */
	struct proto_answer answer; /* its value is of no use */
	uint8_t memory[PROTO_MESSAGE_SIZE_MAX];
};

struct watcher {
	struct watcher_config config;
	struct client_route route; /* who is silent, and the time-outs */
	struct prng numbers;
	struct watcher_slot *slots; /* owned: watches_max of them */
	uint32_t *heap;             /* owned: slots by due_ns */
	uint32_t heap_size;
	uint32_t fresh; /* slots from here on were never used */
	unsigned count;
	struct watcher_list free, ended;
	struct watcher_lane lanes[WATCHER_SERVERS_MAX];
	unsigned turn; /* the lane that may send next */
	uint64_t now_ns;
	store_rev_t seen;
	struct watcher_counters counters;
	struct assembly *assembly; /* owned */
	struct watcher_page page;
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
};

uint32_t watcher_slot_index(const struct watcher *watcher, const struct watcher_slot *slot);

/* A slot with a number of its own, in no structure yet; NULL: there are watches_max. */
struct watcher_slot *watcher_slot_new(struct watcher *watcher);
void watcher_slot_free(struct watcher *watcher, struct watcher_slot *slot);

/* The slot of this number, or NULL. One that is leaving is not found. */
struct watcher_slot *watcher_slot_find(struct watcher *watcher, uint64_t number);

/* Into a server's lane. */
void watcher_slot_queue(struct watcher *watcher, struct watcher_slot *slot, unsigned server,
                        enum watcher_intent intent);
/* Out of it: the ask leaves now; or, for a page that comes in parts, is taken as having left. */
void watcher_slot_expect(struct watcher *watcher, struct watcher_slot *slot);
/* The server keeps it, for ttl_ms. */
void watcher_slot_hold(struct watcher *watcher, struct watcher_slot *slot, uint32_t ttl_ms);
/* Asks that server in a little while; grows with each pause. */
void watcher_slot_wait(struct watcher *watcher, struct watcher_slot *slot, unsigned server);
void watcher_slot_stop(struct watcher *watcher, struct watcher_slot *slot);
void watcher_slot_end(struct watcher *watcher, struct watcher_slot *slot, enum store_answer answer);

/* Forgets the parts of a page that came. */
void watcher_slot_forget_parts(struct watcher *watcher, struct watcher_slot *slot);

/*
 * Another server than this one that is worth asking: none of `except` (bits), not silent, and if
 * there is a choice, not out of touch. The number of servers if there is none.
 */
unsigned watcher_other_server(struct watcher *watcher, unsigned server, uint32_t except);

/* True if it said lately that it is out of touch with the others. */
bool watcher_is_away(const struct watcher *watcher, unsigned server);

/* All watches that this server has to do with go to others. */
void watcher_evacuate(struct watcher *watcher, unsigned server);
