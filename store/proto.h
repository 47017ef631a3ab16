/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proto.h - requests and answers of clients, as structs and as bytes
 *
 * store/PROTOCOL.md says the same byte by byte. A request or an answer is one datagram where it
 * fits; else segments, each a datagram of its own with (segment, segments), put together by
 * store/assembly and repaired by asking for the missing ones.
 *
 * Decoding refuses what encoding would not have written. What is decoded borrows from the bytes.
 * Pure.
 */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/store.h"

enum proto_verb {
	PROTO_NONE = 0,      /* answers only: refused before the verb was known */
	PROTO_OPEN = 1,      /* make a session */
	PROTO_CLOSE = 2,     /* end it */
	PROTO_ALIVE = 3,     /* keep it alive */
	PROTO_SET = 4,       /* write: condition, path, value */
	PROTO_DELETE = 5,    /* write: condition, path */
	PROTO_NOP = 6,       /* write: goes through the log, changes nothing */
	PROTO_GET = 7,       /* read: path */
	PROTO_STAT = 8,      /* read: path */
	PROTO_LIST = 9,      /* read: path, after, limit */
	PROTO_WALK = 10,     /* read: glob in `path`, after, limit */
	PROTO_REV = 11,      /* read: the store's revision */
	PROTO_SELF = 12,     /* who answers: node, role, leader; never refers */
	PROTO_WATCH = 13,    /* events that match a glob, from a revision on; any server */
	PROTO_TXN = 14,      /* write: a transaction (txn.h) in `value` */
	PROTO_SESSIONS = 15, /* read: sessions with ids above `rev`, limit; no follower answers */
	PROTO_OWNED = 16,    /* read: files of session `rev`, after, limit; no follower answers */
	PROTO_VERB_MAX = PROTO_OWNED,
};

enum {
	PROTO_FLAG_STALE = 1,   /* request: an answer from a follower's present root will do */
	PROTO_FLAG_ORDERED = 2, /* request: not before all lower numbers of the session */
	PROTO_SEGMENTS_MAX = 32,
	PROTO_MESSAGE_SIZE_MAX = 36 * 1024, /* a request or answer put together */
	PROTO_HEAD_SIZE = 44,               /* struct proto_head as bytes */
	PROTO_PIECE_SIZE = STORE_DATAGRAM_SIZE_MAX - STORE_DATAGRAM_HEADER - PROTO_HEAD_SIZE,
	PROTO_REQUEST_OVERHEAD = 40, /* a request's message without path, after, value */
	PROTO_ANSWER_OVERHEAD = 48,  /* an answer's message without value */
	PROTO_VALUE_SIZE_MAX = PROTO_MESSAGE_SIZE_MAX - PROTO_ANSWER_OVERHEAD,
};

static_assert(PROTO_PIECE_SIZE * PROTO_SEGMENTS_MAX >= PROTO_MESSAGE_SIZE_MAX,
              "the largest message has segments enough");
static_assert(PROTO_REQUEST_OVERHEAD + STORE_PATH_SIZE_MAX + STORE_VALUE_SIZE_MAX <=
                      PROTO_MESSAGE_SIZE_MAX,
              "the largest write fits a message");
static_assert(PROTO_REQUEST_OVERHEAD + 2 * STORE_PATH_SIZE_MAX <= PROTO_PIECE_SIZE,
              "only SET and TXN need more than one segment");
static_assert(PROTO_REQUEST_OVERHEAD + STORE_TXN_SIZE_MAX <= PROTO_MESSAGE_SIZE_MAX,
              "the largest transaction fits a message");

/*
 * The part of a request or answer that every segment of it carries.
 *
 * Segments. All pieces but the last are PROTO_PIECE_SIZE bytes. A message is the same however
 * often it is sent: (session, secret, number) names a request's, (number, version) an answer's.
 *
 * Repair of a request: a server that gets the last segment (segment + 1 == segments) while others
 * are missing answers with a repair note: an ANSWER with segments = 0, no piece, and in `missing`
 * a bit for each segment it lacks. The client sends these. Without a note the client's time-out
 * sends the last segment again, which asks for a note.
 *
 * Repair of an answer: the client sends the read again, with the bits it lacks in `missing` and the
 * version it has parts of in `version`. A server whose answer has that very version may send
 * those segments alone; else it sends all of its own, and the client begins anew.
 */
struct proto_head {
	uint32_t configuration; /* 0 in a request: "whichever" */
	uint64_t session;       /* 0: none (reads need none) */
	uint64_t secret;        /* requests only; 0 in answers */
	uint64_t number;        /* writes: of the session, from 1; others: any, echoed */
	uint64_t version;       /* answers: proto_answer_version(); requests: with `missing` */
	uint16_t segment;       /* from 0 */
	uint16_t segments;      /* at least 1; 0 = a repair note */
	uint32_t missing;       /* repair: bits of the segments asked for; 0: all */
};

struct proto_request {
	struct proto_head head;
	uint16_t flags;
	uint64_t cluster;
	enum proto_verb verb;
	uint64_t first_unanswered; /* writes: the lowest number still waited for */
	store_rev_t last;          /* WATCH: revision of the last event it brought; 0: none yet */
	store_rev_t seen;          /* highest revision this client was ever told */
	enum store_condition condition;
	store_rev_t rev;    /* SET, DELETE: of the condition; reads: the state after it, 0 = the
	                     * present one; WATCH: events from here on; SESSIONS, OWNED: an id */
	uint32_t ttl_ms;    /* OPEN; WATCH: how long it is kept if nothing is heard, 0 = end it */
	uint32_t offset;    /* LIST, WALK: entries to pass over first */
	uint16_t limit;     /* pages: entries at most; 0 = as many as fit */
	struct slice path;  /* or glob */
	struct slice after; /* LIST: a name; WALK, OWNED: a path; empty = from the start */
	struct slice value;
};

struct proto_answer {
	struct proto_head head;
	uint16_t flags;
	uint64_t cluster;
	enum proto_verb verb; /* of the request */
	enum store_answer answer;
	uint8_t node;       /* who answers, from 1 */
	uint8_t leader;     /* who leads as far as known, from 1; 0 = not known */
	uint8_t role;       /* enum paxos_role */
	uint8_t durability; /* enum paxos_durability */
	bool has_more; /* LIST, WALK, WATCH, SESSIONS: the page is full, go on after the last */
	store_rev_t revision; /* of the change or the file; WATCH: what to ask from next; TOO_LATE:
	                             * the oldest that is kept */
	store_rev_t store_revision; /* of the store when it was answered */
	uint64_t session;           /* OPEN: the new session; GET, STAT: that the file goes with;
	                             * ALIVE: the base of the session */
	store_rev_t from;           /* WATCH: where the page begins */
	store_rev_t first;          /* TXN: of the first change; `revision` is the last one's */
	int64_t number;             /* TXN: as in struct store_result */
	uint8_t result;             /* TXN: STORE_RESULT_ bits */
	uint32_t ttl_ms;            /* OPEN, ALIVE: time to live as granted; WATCH: likewise */
	uint32_t age_ms;    /* WATCH: since this server was in touch with a leader's majority;
	                             * UINT32_MAX: it never was */
	uint32_t children;  /* STAT of a directory */
	uint32_t count;     /* LIST, WALK, WATCH: entries in value; STAT: size of the file;
	                     * TXN: which compare or operation was refused */
	bool is_directory;  /* STAT */
	struct slice value; /* GET: the value; LIST, WALK, WATCH, SESSIONS: see proto_page.h */
};

/*
 * Message bytes (what the segments carry when put together): everything but head, flags and
 * cluster. Returns the size, 0 if it does not fit in `size` or PROTO_MESSAGE_SIZE_MAX. Decode:
 * false if it makes no sense; ret_bad_verb tells an unknown verb from other nonsense. head, flags
 * and cluster of the decoded struct are zero: they come from the segment and the datagram.
 *
 * A request's fields that its verb does not use are written as zero, and must be zero when read.
 * Paths and values over the store's limits, but within a message, are decoded all the same: to
 * answer TOO_LARGE or BAD_PATH is the server's business.
 */
size_t proto_request_encode(const struct proto_request *request, void *memory, size_t size);
bool proto_request_decode(struct slice message, struct proto_request *ret_request,
                          bool *ret_bad_verb);
/* Writes the two fields that change while a request waits into its encoded message. */
void proto_request_stamp(void *memory, size_t size, uint64_t first_unanswered, store_rev_t seen);
size_t proto_answer_encode(const struct proto_answer *answer, void *memory, size_t size);
bool proto_answer_decode(struct slice message, struct proto_answer *ret_answer);

/*
 * One segment of a message as a datagram (with header and CRC), into STORE_DATAGRAM_SIZE_MAX
 * bytes at `memory`. head->segment says which. Returns the datagram's size.
 */
unsigned proto_segments(size_t message_size); /* how many are needed, at least 1 */
size_t proto_segment_encode(const struct proto_head *head, enum store_datagram_kind kind,
                            uint16_t flags, uint64_t cluster, struct slice message, void *memory);
/*
 * Names the bytes of an answer among all answers to the same request: GET: the file's revision;
 * WATCH: where the page begins and ends; others: the store's. Two answers of one version differ in
 * who answered at most.
 */
uint64_t proto_answer_version(const struct proto_answer *answer);

/*
 * A repair note: asks the sender of `head` (a request's) for the segments named in `missing`,
 * which is not 0. Returns the datagram's size.
 */
size_t proto_repair_encode(const struct proto_head *head, uint32_t missing, uint64_t cluster,
                           void *memory);
/* True if a decoded ANSWER's head is a repair note. */
static inline bool proto_is_repair(const struct proto_head *head)
{
	return head->segments == 0;
}

/* The head of an answer of this version and size to what was asked; its first segment's. */
struct proto_head proto_answer_head(const struct proto_head *asked, uint32_t configuration,
                                    uint64_t version, size_t message_size);
/* False for a segment of an answer of this version that the asker has already. */
bool proto_is_wanted(const struct proto_head *asked, uint64_t version, unsigned segment);

/* A bit for each of `segments`, 1 to PROTO_SEGMENTS_MAX. */
static inline uint32_t proto_segment_bits(unsigned segments)
{
	return UINT32_MAX >> (PROTO_SEGMENTS_MAX - segments);
}

/* True for what goes through the log under a number of a session. */
static inline bool proto_is_write(enum proto_verb verb)
{
	return verb == PROTO_SET || verb == PROTO_DELETE || verb == PROTO_NOP ||
	       verb == PROTO_CLOSE || verb == PROTO_TXN;
}

/* The head and piece of message that an opened datagram's body holds. False: makes no sense. */
bool proto_segment_decode(const struct store_datagram *datagram, struct proto_head *ret_head,
                          struct slice *ret_piece);
