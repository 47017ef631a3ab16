/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_types.h - what goes into a client and comes out of it; store/client.h is the manual
 *
 * Apart so that the modules a client is made of need not include the client.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/proto.h"
#include "store/rights.h"

enum {
	CLIENT_SERVERS_MAX = 16,
	CLIENT_REQUESTS_MAX = STORE_ANSWERS_MAX, /* outstanding at once: the window of a session */
};

struct client_config {
	unsigned servers;       /* how many there are, 1 to CLIENT_SERVERS_MAX */
	unsigned requests_max;  /* outstanding at once, 1 to CLIENT_REQUESTS_MAX; memory is taken
	                        * for as many messages each way (touched only when used) */
	uint64_t cluster;       /* id; 0 = whichever answers */
	uint64_t seed;          /* of jitter and of the numbers of reads */
	uint64_t secret;        /* 64 bits nobody can guess: the sessions' secrets come from it */
	struct store_key key;   /* of who asks; see rights.h */
	uint32_t ttl_ms;        /* of the session, as asked for; the server may grant another */
	uint32_t drift_ppm;     /* taken off the validity of the session, beside what servers add */
	bool one_session;       /* true: when the session is gone, writes fail with what ended it;
	                        * false: the next write opens another */
	uint64_t resume;        /* a session to go on with, 0: none; implies one_session */
	uint64_t resume_secret; /* of it */
	uint64_t timeout_ns;    /* deadline of a request that names none, from its submission */
	uint64_t resend_first_ns; /* time-out before a round trip was measured */
	uint64_t resend_min_ns;   /* no time-out is shorter */
	uint64_t resend_max_ns;   /* no time-out or pause is longer */
	uint64_t pause_max_ns;    /* between two asks while servers answer but nobody leads */
};

struct client_request {
	enum proto_verb verb;           /* all but OPEN, ALIVE, which the client does itself, and
	                                 * WATCH, which is the watcher's */
	uint16_t flags;                 /* PROTO_FLAG_ */
	enum store_condition condition; /* SET, DELETE; 0 = whatever stands */
	store_rev_t rev;                /* SET, DELETE with a condition; reads: 0 = the present */
	uint32_t offset;                /* LIST, WALK: entries to pass over */
	uint16_t limit;                 /* LIST, WALK: entries at most; 0 = as many as fit */
	struct slice path;              /* or glob; this and the next two are copied */
	struct slice after;             /* LIST, WALK */
	struct slice value;             /* SET, TXN */
	bool owns;                      /* TXN: what it makes goes with the session: when that is
	                                 * gone, writes fail until client_renew() */
	uint64_t deadline_ns;           /* absolute; 0 = now + config.timeout_ns */
	uint64_t context;               /* the caller's own, handed back with the result */
};

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
	bool heard;         /* a server said something about this request, or about the session it
	                     * waited for, if only a referral */
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
