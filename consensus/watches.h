/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watches.h - who waits for which glob since which revision, and what is owed to them
 *
 *      ask ---------> page at once, often empty; few events of the past are looked at for it
 *          |               |
 *          | too few       v        an event matches              pushed, again and again
 *          |             QUIET -----------------------> FOUND, queued -----------------> SENT
 *          v               ^                              ^                               |
 *        BEHIND -----------'-- the past is searched ------'                               |
 *          ^               ^                                                              |
 *          '---------------'------------- the next ask acknowledges ----------------------'
 *
 * Soft state: a client asks anew before its time to live has passed, here or at any other server,
 * with the revision from which it goes on. So nothing is lost that is forgotten here, and what is
 * sent twice is passed over there. store/PROTOCOL.md has the client's side.
 *
 * Each event is taken from the store's ring once, and matched against the watches that can match it
 * (watches_table.h). The work of a turn is bounded, whatever waits: events and watches looked at,
 * pages and bytes sent; what is left goes on in the next turn where it stopped, and the queue is
 * served in the order in which watches came to it. Of a watch that was QUIET all along no event up
 * to where the fan-out is matches, so that to ask again costs no search, and is not too late
 * although older events are gone.
 *
 * The past is searched for all who are BEHIND together, in the same way: a second walk along the
 * ring, from the first event that any of them wants up to the present, a few events at a time. Who
 * comes too late for it takes part in the next one. So what it costs hangs on the ring, not on how
 * many ask, and each has what it wants after two walks at most. Whoever found nothing is sent an
 * empty page, once.
 *
 * If the ring overtakes a walk, or a page that waits, the watches concerned are told TOO_LATE.
 *
 * Pure: all memory is taken at start, and touched when used. Threads: one for each, a registered
 * liburcu-qsbr reader of the store; pages are copies.
 */

#include <stdint.h>

#include "consensus/effect.h"
#include "store/proto.h"
#include "store/store.h"

enum {
	PAXOS_WATCH_TTL_MS_MIN = 100,
	PAXOS_WATCH_TTL_MS_MAX = 60000,
	PAXOS_WATCH_PAGE_LOOKS = 16,  /* events that are looked at for a page */
	PAXOS_WATCH_PAST_LOOKS = 256, /* events and watches that a step through the past looks at */
	PAXOS_WATCH_LOOKS_MAX = 1024, /* events and watches that the fan-out looks at in a turn */
	PAXOS_WATCH_DUE_MAX = 1024,   /* watches whose time has come, in a turn */
	PAXOS_WATCH_PAGES_MAX = 64,   /* pages pushed in a turn, empty ones too */
	PAXOS_WATCH_BYTES_MAX = 64 * 1024, /* after which no further page is pushed in a turn */
};

#define PAXOS_WATCH_RESEND_NS     UINT64_C(20000000) /* at first; doubles */
#define PAXOS_WATCH_RESEND_MAX_NS UINT64_C(500000000)
#define PAXOS_WATCH_PAST_STEP_NS  UINT64_C(250000) /* from one step to the next */

struct paxos_watch_counters {
	uint64_t watches; /* kept now */
	uint64_t asks;
	uint64_t events;   /* in pages, each time they are sent */
	uint64_t pages;    /* that brought events, sent the first time */
	uint64_t resent;   /* sent again because nobody acknowledged them */
	uint64_t too_late; /* ended because events are gone */
	uint64_t full;     /* refused because there is no room */
	uint64_t expired;  /* forgotten because nothing was heard */
};

/*
 * How an answer leaves. `asked` is whom it answers; of a page that nobody asked for it has the
 * number alone. The owner fills in who answers and how old that is; the value is good for the call.
 */
struct paxos_watch_post {
	void (*send)(void *context, const struct paxos_address *address,
	             const struct proto_head *asked, struct proto_answer *answer);
	void *context;
};

struct paxos_watches; /* opaque */

/* For at most `max` of `store` (borrowed). 0 or -ENOMEM. Given back to paxos_watches_free(). */
int paxos_watches_new(struct paxos_watches **ret_watches, uint32_t max, const struct store *store);
/* Says nothing to anybody. NULL is fine. */
void paxos_watches_free(struct paxos_watches *watches);
/* What paxos_watches_new() takes for so many. */
uint64_t paxos_watches_bytes(uint32_t max);

/* A WATCH, decoded, with its head. It is answered before this returns. */
void paxos_watches_ask(struct paxos_watches *watches, uint64_t now_ns,
                       const struct paxos_address *address, const struct proto_request *request,
                       const struct paxos_watch_post *post);

/* Once a turn, last: new events to those who wait, what was lost again, who is silent forgotten. */
void paxos_watches_turn(struct paxos_watches *watches, uint64_t now_ns,
                        const struct paxos_watch_post *post);

/* When to turn at the latest. 0: at once, work is left; UINT64_MAX: not before the next ask. */
uint64_t paxos_watches_deadline_ns(const struct paxos_watches *watches);

/* Good as long as the watches. */
const struct paxos_watch_counters *paxos_watches_counters(const struct paxos_watches *watches);
