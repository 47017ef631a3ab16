/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watcher.h - many watches of one client, without their sockets
 *
 *      watcher_watch(w, now_ns, &request, &tag)      tell me what matches this glob, from there on
 *      watcher_receive(w, now_ns, server, bytes)     a datagram came from that server
 *      watcher_tick(w, now_ns)                       what is overdue
 *      watcher_take(w, &effect)                      SEND a datagram; an EVENT; a NOTE; the end
 *      watcher_deadline_ns(w)                        when to tick again at the latest
 *
 * Stands beside store/client and is turned like it, over the same sockets: watcher_is_for() tells
 * whose a datagram is. Whoever turns it calls take() until it says false after each call; what
 * comes while an EVENT or a NOTE waits is dropped, and will come again.
 *
 * What a watch promises. Each change that matches its glob, from its first revision on, comes
 * once, in the order of revisions, whatever the network does and whichever servers come and go; or
 * the watch ends, LOST, because no server that can be reached keeps events that old. So it holds
 * the next revision it wants, passes over what it knows already, and never takes a page that
 * begins later.
 *
 *                 asked              answered                       event
 *      QUEUED ------------> ASKED ------------> HELD  <---------------------------- QUEUED
 *        ^                    | time-out          | a third of the time to live, or an event: ask
 *        |-- another server --+-------------------+
 *
 * Any server can keep a watch: each begins at one by chance, so many are spread, and goes to
 * another when its own is silent, refuses, or has long been out of touch with the others; now and
 * then one goes elsewhere by chance, so that they spread again when servers come back. A server
 * that keeps watches is asked something every half second, so one that died is found out for all of
 * its watches at once. At most `window` asks are under way at each server.
 *
 * Backpressure. A page is acknowledged when its last event was taken; until then the server sends
 * no other of that watch. A watch can be paused, from within its events too: it has no state at any
 * server then, costs nothing, and goes on behind the last event that was taken.
 *
 * Pure: time comes in as now_ns (monotonic), chance as a seed. All memory is taken at start, and
 * touched only when used. Work of each call is that of one watch, or for a server found silent, of
 * its watches. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/proto.h"
#include "store/proto_page.h"
#include "store/rights.h"

enum {
	WATCHER_SERVERS_MAX = 16,
	WATCHER_INDEX_BITS = 16,
	WATCHER_WATCHES_MAX = 1 << WATCHER_INDEX_BITS,
	WATCHER_WINDOW = 128, /* asks under way at one server, where nothing else is said */
};

struct watcher_config {
	unsigned servers;     /* how many there are, 1 to WATCHER_SERVERS_MAX */
	unsigned watches_max; /* at once, 1 to WATCHER_WATCHES_MAX; about 650 bytes each */
	uint64_t cluster;     /* id; 0 = whichever answers */
	uint64_t seed;        /* of jitter, and of where each watch begins */
	uint64_t secret;      /* 64 bits nobody can guess: the watches' numbers come from it */
	struct store_key key; /* of who asks; see rights.h */
	unsigned window;      /* asks under way at each server, from 1 */
	uint32_t ttl_ms;     /* how long a server keeps a watch it hears nothing of, as asked for */
	uint32_t age_max_ms; /* who is out of touch for longer is left, if others are not; as often
	                      * in that time as there are others */
	uint64_t probe_ns;   /* a server that keeps watches is asked when silent for so long */
	uint64_t silent_ns;  /* one that was heard more lately is not thought to be dead */
	uint64_t resend_first_ns; /* time-out before a round trip was measured */
	uint64_t resend_min_ns;   /* no time-out is shorter */
	uint64_t resend_max_ns;   /* no time-out or pause is longer */
};

struct watcher_request {
	struct slice glob; /* copied */
	store_rev_t from;  /* events from this revision on; 0: none yet, see watcher_resume() */
	store_rev_t last;  /* revision of the last event that is known; 0: none */
	uint16_t limit;    /* events in a page at most; 0: as many as fit */
};

enum watcher_effect_kind {
	WATCHER_EFFECT_SEND = 1, /* send `bytes` to `server` */
	WATCHER_EFFECT_EVENT,    /* `event` happened */
	WATCHER_EFFECT_NOTE,     /* all matching events below `next` were given */
	WATCHER_EFFECT_END,      /* the watch is no more; `answer` tells why */
};

struct watcher_effect {
	enum watcher_effect_kind kind;
	unsigned server;            /* SEND; who said so: EVENT, NOTE */
	struct slice bytes;         /* SEND: good until the next call that takes this watcher */
	uint64_t tag;               /* all but SEND */
	struct proto_event event;   /* EVENT: good until the next take() or receive(); `previous` is
	                             * that of this watch, 0: its first */
	store_rev_t next;           /* EVENT, NOTE: where the watch goes on */
	store_rev_t store_revision; /* EVENT, NOTE: of the server's store */
	uint32_t age_ms;          /* EVENT, NOTE: since that server was in touch with a leader that
	                             * has a majority; UINT32_MAX: it never was */
	uint8_t node;             /* EVENT, NOTE: what the server calls itself, from 1 */
	enum store_answer answer; /* END: STORE_TOO_LATE, it is lost; else why it is refused */
	store_rev_t oldest;       /* END, STORE_TOO_LATE: what is still kept */
};

struct watcher_counters {
	uint64_t sent;     /* datagrams */
	uint64_t received; /* datagrams */
	uint64_t faults[STORE_DATAGRAM_FAULT_COUNT];
	uint64_t strange; /* good datagrams that make no sense */
	uint64_t unasked; /* of no watch there is: late, double, forged */
	uint64_t full;    /* came while something waited to be taken */
	uint64_t pages;   /* taken */
	uint64_t events;  /* given */
	uint64_t known;   /* pages that brought nothing new */
	uint64_t gaps;    /* pages that begin too late */
	uint64_t resent;  /* asks after a time-out */
	uint64_t moved;   /* watches that went to another server */
	uint64_t refused; /* answers that are no pages: overloaded, no leader, too late */
};

/* Fills in the defaults; servers, seed and secret are left. */
void watcher_config_default(struct watcher_config *config);

struct watcher; /* opaque */

/* Returns 0, -EINVAL (config) or -ENOMEM. Given back to watcher_free(). */
int watcher_new(struct watcher **ret_watcher, const struct watcher_config *config);
/* Says nothing to anybody. NULL is fine. */
void watcher_free(struct watcher *watcher);

/* True if a client's datagram would be a watch's, by its number. Not checked any further. */
bool watcher_is_for(struct slice bytes);

/*
 * Begins a watch.
 *
 * ret_tag  names it (never 0)
 *
 * Returns 0; -EAGAIN: there are watches_max; -EINVAL: a negative revision, or `last` is not below
 * `from`. A glob that is too long comes back as END, STORE_TOO_LARGE; one of a wrong form as
 * servers say, STORE_BAD_GLOB.
 */
int watcher_watch(struct watcher *watcher, uint64_t now_ns, const struct watcher_request *request,
                  uint64_t *ret_tag);

/* Below watches_max, and that of no other watch there is: for tables of the caller. */
static inline unsigned watcher_index(uint64_t tag)
{
	return (unsigned)(tag & (WATCHER_WATCHES_MAX - 1));
}

/*
 * Ends a watch: nothing more comes of it. The server is told, once. Its index is free when the
 * datagram was taken. Returns 0 or -ENOENT.
 */
int watcher_unwatch(struct watcher *watcher, uint64_t now_ns, uint64_t tag);

/* Nothing comes of it until it is resumed. Returns 0 or -ENOENT. */
int watcher_pause(struct watcher *watcher, uint64_t now_ns, uint64_t tag);

/*
 * Goes on, if it is paused, from `from`, or where it stopped if that is 0.
 * Returns 0, -ENOENT, or -EINVAL: it never had a revision to go on from.
 */
int watcher_resume(struct watcher *watcher, uint64_t now_ns, uint64_t tag, store_rev_t from);

/*
 * Takes one datagram that came from a server's address; borrowed for the call. What is damaged,
 * unasked or makes no sense is counted and dropped.
 */
void watcher_receive(struct watcher *watcher, uint64_t now_ns, unsigned server, struct slice bytes);

/* As client_add(). */
void watcher_add(struct watcher *watcher, uint8_t node);

/* The shell was told that nobody listens there (ECONNREFUSED). */
void watcher_unreachable(struct watcher *watcher, uint64_t now_ns, unsigned server);

void watcher_tick(struct watcher *watcher, uint64_t now_ns);

/* The next effect, or false if there is none. The watch of an END is no more. */
bool watcher_take(struct watcher *watcher, struct watcher_effect *ret_effect);

/* The next SEND, or false if there is none; leaves all others where they are. */
bool watcher_take_send(struct watcher *watcher, struct watcher_effect *ret_effect);

/* True if an EVENT, NOTE or END waits to be taken. */
bool watcher_has_news(const struct watcher *watcher);

/* When to tick at the latest; UINT64_MAX: no need. */
uint64_t watcher_deadline_ns(const struct watcher *watcher);

/* --- what can be seen ----------------------------------------------------------------------- */

/* Watches there are; those that were ended are not counted. */
unsigned watcher_count(const struct watcher *watcher);

/* The highest revision of the store that any server told. */
store_rev_t watcher_seen(const struct watcher *watcher);

void watcher_counters(const struct watcher *watcher, struct watcher_counters *ret_counters);
