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

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/limits.h"
#include "store/store.h"

enum proto_verb {
	PROTO_OPEN = 1,   /* make a session */
	PROTO_CLOSE = 2,  /* end it */
	PROTO_ALIVE = 3,  /* keep it alive */
	PROTO_SET = 4,    /* write: condition, path, value */
	PROTO_DELETE = 5, /* write: condition, path */
	PROTO_NOP = 6,    /* write: goes through the log, changes nothing */
	PROTO_GET = 7,    /* read: path */
	PROTO_STAT = 8,   /* read: path */
	PROTO_LIST = 9,   /* read: path, after, limit */
	PROTO_WALK = 10,  /* read: glob in `path`, after, limit */
	PROTO_REV = 11,   /* read: the store's revision */
	PROTO_SELF = 12,  /* who answers: node, role, leader; never refers */
};

enum {
	PROTO_FLAG_STALE = 1,   /* request: an answer from a follower's present root will do */
	PROTO_FLAG_ORDERED = 2, /* request: not before all lower numbers of the session */
	PROTO_SEGMENTS_MAX = 32,
	PROTO_MESSAGE_SIZE_MAX = 36 * 1024, /* a request or answer put together */
};

/* The part of a request or answer that every segment of it carries. */
struct proto_head {
	uint32_t configuration; /* 0 in a request: "whichever" */
	uint64_t session;       /* 0: none (reads need none) */
	uint64_t secret;        /* requests only; 0 in answers */
	uint64_t number;        /* writes: of the session, from 1; reads: any, echoed */
	uint16_t segment;       /* from 0 */
	uint16_t segments;      /* at least 1 */
	uint32_t missing;       /* repair: bits of the segments asked for; 0: all */
};

struct proto_request {
	struct proto_head head;
	uint16_t flags;
	uint64_t cluster;
	enum proto_verb verb;
	uint64_t first_unanswered; /* writes: the lowest number still waited for */
	store_rev_t seen;          /* highest revision this client was ever told */
	enum store_condition condition;
	store_rev_t rev;
	uint32_t ttl_ms;    /* OPEN */
	uint16_t limit;     /* LIST, WALK: entries at most; 0 = as many as fit */
	struct slice path;  /* or glob */
	struct slice after; /* LIST: a name; WALK: a path; empty = from the start */
	struct slice value;
};

struct proto_answer {
	struct proto_head head;
	uint16_t flags;
	uint64_t cluster;
	enum proto_verb verb; /* of the request */
	enum store_answer answer;
	uint8_t node;               /* who answers, from 1 */
	uint8_t leader;             /* who leads as far as known, from 1; 0 = not known */
	uint8_t role;               /* enum paxos_role */
	uint8_t durability;         /* enum paxos_durability */
	bool has_more;              /* LIST, WALK: the page is full, go on after the last */
	store_rev_t revision;       /* of the change or the file */
	store_rev_t store_revision; /* of the store when it was answered */
	uint64_t session;           /* OPEN: the new session */
	uint32_t ttl_ms;            /* OPEN, ALIVE: time to live as granted */
	uint32_t children;          /* STAT of a directory */
	uint32_t count;             /* LIST, WALK: entries in value; STAT: size of the file */
	bool is_directory;          /* STAT */
	struct slice value;         /* GET: the value; LIST, WALK: entries, see proto_page */
};

/* A page of LIST or WALK: in `value`, count x (rev i64, is_directory u8, name size u16, name). */
struct proto_page_entry {
	store_rev_t revision;
	bool is_directory;
	struct slice name; /* LIST: the name; WALK: the path */
};

/* Appends an entry to a page in `memory`. Returns the new size, or 0 if it does not fit. */
size_t proto_page_put(void *memory, size_t size, size_t size_max,
                      const struct proto_page_entry *entry);
/* Takes the next entry off a page. False at the end; *bad is set if the bytes make no sense. */
bool proto_page_next(struct slice *page, struct proto_page_entry *ret_entry, bool *bad);

/*
 * Message bytes (what the segments carry when put together): everything but head, flags and
 * cluster. Returns the size, 0 if it does not fit. Decode: false if it makes no sense;
 * ret_bad_verb tells an unknown verb from other nonsense.
 */
size_t proto_request_encode(const struct proto_request *request, void *memory, size_t size);
bool proto_request_decode(struct slice message, struct proto_request *ret_request,
                          bool *ret_bad_verb);
size_t proto_answer_encode(const struct proto_answer *answer, void *memory, size_t size);
bool proto_answer_decode(struct slice message, struct proto_answer *ret_answer);

/*
 * One segment of a message as a datagram (with header and CRC), into STORE_DATAGRAM_SIZE_MAX
 * bytes at `memory`. head->segment says which. Returns the datagram's size.
 */
unsigned proto_segments(size_t message_size); /* how many are needed, at least 1 */
size_t proto_segment_encode(const struct proto_head *head, enum store_datagram_kind kind,
                            uint16_t flags, uint64_t cluster, struct slice message, void *memory);
/* The head and piece of message that an opened datagram's body holds. False: makes no sense. */
bool proto_segment_decode(const struct store_datagram *datagram, struct proto_head *ret_head,
                          struct slice *ret_piece);
