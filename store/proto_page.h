/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proto_page.h - what stands in the value of a LIST, a WALK, a WATCH or a SESSIONS
 *
 *      LIST, WALK   count x (revision i64, kind u8, name size u16, name), perhaps a mark
 *      WATCH        count x (revision i64, previous i64, rest u32, kind u8, cause u8,
 *                            path size u16, path, value size u32, value)
 *      SESSIONS     count x (id u64, ttl u32, left u32, owned u32), times in ms
 *
 * Pure. What is taken off a page borrows from it.
 */

#include <stdbool.h>

#include "store/base/slice.h"
#include "store/event.h"
#include "store/op.h"

struct proto_page_entry {
	store_rev_t revision;
	bool is_directory;
	struct slice name; /* LIST: the name; WALK: the path */
};

/* Appends an entry to a page in `memory`. Returns the new size, or 0 if it does not fit. */
size_t proto_page_put(void *memory, size_t size, size_t size_max,
                      const struct proto_page_entry *entry);
/*
 * Takes the next entry off a page. False at the end, or at a mark; *bad is set if the bytes make no
 * sense.
 */
bool proto_page_next(struct slice *page, struct proto_page_entry *ret_entry, bool *bad);

/*
 * A mark ends a page that is not the last, if it is not the last entry behind which the next page
 * begins, or if some of the offset is left. It is no entry.
 */
struct proto_page_mark {
	struct slice after; /* of the request for the next page */
	uint32_t offset;    /* likewise */
};

/* As proto_page_put(). */
size_t proto_page_put_mark(void *memory, size_t size, size_t size_max,
                           const struct proto_page_mark *mark);
/* Where a page that is not the last goes on, with or without a mark. False: it makes no sense. */
bool proto_page_rest(struct slice page, struct proto_page_mark *ret_mark);

/* An event as a watch brings it. */
struct proto_event {
	store_rev_t revision;
	store_rev_t
		previous; /* revision of the event before it on this watch; 0: it is the first */
	uint32_t rest;    /* changes of the same entry behind it, whether they match or not */
	enum store_event_kind kind;
	enum store_cause cause;
	struct slice path;
	struct slice value; /* empty for DELETE */
};

enum {
	PROTO_EVENT_OVERHEAD = 28, /* an event without path and value */
};

/* As the two above, of events. */
size_t proto_event_put(void *memory, size_t size, size_t size_max, const struct proto_event *event);
bool proto_event_next(struct slice *page, struct proto_event *ret_event, bool *bad);

/* A session as the leader sees it. */
struct proto_session {
	uint64_t id;
	uint32_t ttl_ms;
	uint32_t left_ms; /* until it is over if it is not heard; a little more is always added */
	uint32_t owned;   /* files and locks that go with it */
};

enum {
	PROTO_SESSION_SIZE = 20, /* as bytes */
};

/* As the first two, of sessions. */
size_t proto_session_put(void *memory, size_t size, size_t size_max,
                         const struct proto_session *session);
bool proto_session_next(struct slice *page, struct proto_session *ret_session, bool *bad);
