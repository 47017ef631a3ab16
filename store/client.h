/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client.h - a client without its sockets
 *
 *      client_submit(c, now_ns, &request, &tag)      ask for something
 *      client_receive(c, now_ns, server, bytes)      a datagram came from that server
 *      client_tick(c, now_ns)                        what is overdue
 *      client_take(c, &effect)                       SEND a datagram, or a request is DONE
 *      client_deadline_ns(c)                         when to tick again at the latest
 *
 * Whoever turns a client (libcoffer, coffer-bench, the simulator) calls take() until it says
 * false after each submit, receive or tick. `server` is an index, from 0, into the list of
 * servers that only the shell knows the addresses of.
 *
 * Sessions. Reads need none. The first write opens one through the log; it is kept alive each
 * third of its time to live. Writes are numbered in the order of their submission; a retry keeps
 * session and number, so that it has one effect, whichever server takes it. When the session is
 * gone, a write of it that was ever sent is UNKNOWN and is never sent again under another session;
 * writes that were not yet sent go out under a new one (or fail, see one_session).
 *
 * Outcomes. Every submitted request comes back once as DONE, at its deadline at the latest:
 *
 *      DONE       a server answered STORE_OK
 *      REFUSED    a server answered something else, and that is final: it had no effect
 *      UNREACHED  nobody gave a final answer in time; it had no effect (a read, or never sent)
 *      UNKNOWN    a write was sent, and nobody gave a final answer: it may have happened, and for
 *                 a while it may still happen
 *
 * Retries. A time-out of a few round trips (measured), doubled at each silence; NOT_LEADER is
 * followed, silent servers are passed over, OVERLOADED waits. Of a request in several segments
 * only those are sent again that the server misses; likewise of an answer.
 *
 * Reads are linearizable, or with PROTO_FLAG_STALE whatever one server has.
 *
 * Pure: time comes in as now_ns (monotonic), chance as a seed, the sessions' secrets as 64 bits
 * of the caller. All memory is taken at start. The same calls give the same effects.
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/proto.h"

enum {
	CLIENT_SERVERS_MAX = 16,
	CLIENT_REQUESTS_MAX = STORE_ANSWERS_MAX, /* outstanding at once: the window of a session */
};

struct client_config {
	unsigned servers;         /* how many there are, 1 to CLIENT_SERVERS_MAX */
	unsigned requests_max;    /* outstanding at once, 1 to CLIENT_REQUESTS_MAX; memory is taken
	                        * for as many messages each way (touched only when used) */
	uint64_t cluster;         /* id; 0 = whichever answers */
	uint64_t seed;            /* of jitter and of the numbers of reads */
	uint64_t secret;          /* 64 bits nobody can guess: the sessions' secrets come from it */
	uint32_t ttl_ms;          /* of the session, as asked for; the server may grant another */
	bool one_session;         /* true: when the session is gone, writes fail with NO_SESSION;
	                        * false: the next write opens another */
	uint64_t timeout_ns;      /* deadline of a request that names none, from its submission */
	uint64_t resend_first_ns; /* time-out before a round trip was measured */
	uint64_t resend_min_ns;   /* no time-out is shorter */
	uint64_t resend_max_ns;   /* no time-out or pause is longer */
	uint64_t pause_max_ns;    /* between two asks while servers answer but nobody leads */
};

/* Fills in the defaults; servers, seed and secret are left. */
void client_config_default(struct client_config *config);

struct client; /* opaque */

/* Returns 0, -EINVAL (config) or -ENOMEM. Given back to client_free(). */
int client_new(struct client **ret_client, const struct client_config *config);
/* Says nothing to anybody; to end a session first, submit PROTO_CLOSE. NULL is fine. */
void client_free(struct client *client);

struct client_request {
	enum proto_verb verb;           /* all but OPEN and ALIVE, which the client does itself */
	uint16_t flags;                 /* PROTO_FLAG_ */
	enum store_condition condition; /* SET, DELETE; 0 = whatever stands */
	store_rev_t rev;                /* SET, DELETE with a condition */
	uint16_t limit;                 /* LIST, WALK: entries at most; 0 = as many as fit */
	struct slice path;              /* or glob; this and the next two are copied */
	struct slice after;             /* LIST, WALK */
	struct slice value;             /* SET */
	uint64_t deadline_ns;           /* absolute; 0 = now + config.timeout_ns */
	uint64_t context;               /* the caller's own, handed back with the result */
};

/*
 * Takes a request over. CLOSE ends the session when all writes submitted before it are answered;
 * without a session it is done at once.
 *
 * ret_tag  names the request (never 0); may be NULL
 *
 * Returns 0; -EAGAIN: requests_max are outstanding; -EINVAL: no such verb, condition or flag. What
 * does not fit a message comes back as REFUSED, STORE_TOO_LARGE.
 */
int client_submit(struct client *client, uint64_t now_ns, const struct client_request *request,
                  uint64_t *ret_tag);

/*
 * Gives up on a request: it comes back as at its deadline, UNREACHED or UNKNOWN.
 * Returns 0 or -ENOENT (no such request, or its result waits already).
 */
int client_cancel(struct client *client, uint64_t tag);

/*
 * Takes one datagram that came from a server's address; borrowed for the call. What is damaged,
 * unasked or makes no sense is counted and dropped.
 */
void client_receive(struct client *client, uint64_t now_ns, unsigned server, struct slice bytes);

/* The shell could not reach a server (ECONNREFUSED): worth as much as one time-out. */
void client_unreachable(struct client *client, uint64_t now_ns, unsigned server);

void client_tick(struct client *client, uint64_t now_ns);

enum client_outcome {
	CLIENT_DONE = 0,
	CLIENT_REFUSED = 1,
	CLIENT_UNREACHED = 2,
	CLIENT_UNKNOWN = 3,
};

struct client_result {
	uint64_t tag;
	uint64_t context;
	enum proto_verb verb;
	enum client_outcome outcome;
	bool heard;         /* a server said something about this request, if only a referral */
	unsigned server;    /* who gave the answer; of use if heard */
	unsigned sends;     /* how often it was sent */
	uint64_t submit_ns; /* when it was submitted */
	struct proto_answer answer; /* DONE, REFUSED: the answer. Else answer.answer is what was
	                             * last heard, STORE_NO_QUORUM if nothing; the rest is zero */
};

enum client_effect_kind {
	CLIENT_EFFECT_SEND = 1, /* send `bytes` to `server` */
	CLIENT_EFFECT_DONE,     /* `result`: a request came to its end */
};

struct client_effect {
	enum client_effect_kind kind;
	unsigned server;
	struct slice bytes;          /* SEND: good until the next call that takes this client */
	struct client_result result; /* DONE: its slices are good until the next client_take() */
};

/* The next effect, or false if there is none. The request of a DONE is outstanding no more. */
bool client_take(struct client *client, struct client_effect *ret_effect);

/* When to tick at the latest; UINT64_MAX: no need. */
uint64_t client_deadline_ns(const struct client *client);

/* --- what can be seen ----------------------------------------------------------------------- */

/* Requests whose result was not taken yet. */
unsigned client_outstanding(const struct client *client);

/* The session as the servers name it, or 0 if none is open. */
uint64_t client_session(const struct client *client);

/* The highest revision of the store that any server told. */
store_rev_t client_seen(const struct client *client);

/* The server that linearizable requests go to now. */
unsigned client_aim(const struct client *client);

struct client_counters {
	uint64_t sent;     /* datagrams */
	uint64_t resent;   /* requests sent again, whole or in part */
	uint64_t received; /* datagrams */
	uint64_t faults[STORE_DATAGRAM_FAULT_COUNT];
	uint64_t strange; /* good datagrams that make no sense: not an answer, of another cluster */
	uint64_t unasked; /* answers nobody waits for: late, double or forged */
	uint64_t redirected; /* NOT_LEADER */
	uint64_t overloaded;
	uint64_t no_quorum;
	uint64_t repairs;       /* segments sent again because a server named them */
	uint64_t sessions;      /* opened */
	uint64_t lost;          /* sessions found gone */
	uint64_t round_trip_ns; /* smoothed; 0 = not known */
};

void client_counters(const struct client *client, struct client_counters *ret_counters);
