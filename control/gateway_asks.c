/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_asks.c - what Doozer's verbs ask of the cluster, and the answers
 *
 *      GET STAT         a read, at the present or at a revision
 *      SET DEL          a write if the file is not newer: STORE_IF_AT_MOST
 *      REV NOP          likewise; nothing overtakes a REV
 *      WALK GETDIR      a page of a listing, kept for the offsets that follow; WALK reads the file
 *      WAIT             a watch, until its first event
 *
 * A read of a revision that has not come waits for it by a watch of everything from there on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/gateway_link.h"
#include "store/base/check.h"
#include "store/proto_page.h"

enum {
	PAGE_ENTRIES = 64, /* of a listing that goes on */
};

/* As WAIT and WALK tell a file. */
static void set_event(Doozer__Response *response, int32_t flags, store_rev_t rev, struct slice path,
                      struct slice value)
{
	response->has_flags = true;
	response->flags = flags;
	ctl_doozer_set_rev(response, rev);
	response->has_path = true;
	response->path = ctl_doozer_bytes(path);
	ctl_doozer_set_value(response, value);
}

/* --- asks ------------------------------------------------------------------------------------ */

static void put_ask(struct ctl_gateway_ask **list, struct ctl_gateway_ask *ask)
{
	ask->previous = NULL;
	ask->next = *list;
	if (ask->next != NULL) {
		ask->next->previous = ask;
	}
	*list = ask;
}

static struct ctl_gateway_ask *new_ask(struct ctl_gateway_link *link,
                                       const Doozer__Request *request)
{
	const size_t size = request->path.len > STORE_PATH_SIZE_MAX ? STORE_PATH_SIZE_MAX + 1
	                                                            : request->path.len;
	const bool is_listing = request->verb == DOOZER_WALK || request->verb == DOOZER_GETDIR;
	/* A file's path behind the glob that finds it. */
	struct ctl_gateway_ask *ask =
		calloc(1, sizeof(*ask) + size + (is_listing ? STORE_PATH_SIZE_MAX : 0));

	if (ask == NULL) {
		return NULL;
	}
	ask->gateway = link->gateway;
	ask->link = link;
	ask->has_tag = request->has_tag;
	ask->tag = request->tag;
	ask->verb = request->verb;
	ask->offset = request->offset;
	ask->has_rev = request->has_rev;
	ask->rev = request->rev;
	ask->path_size = (uint16_t)size;
	ask->file = ask->path + size;
	if (size != 0) {
		memcpy(ask->path, request->path.data, size);
	}
	put_ask(&link->asks, ask);
	link->ask_count++;
	link->wait_count += ask->verb == DOOZER_WAIT ? 1 : 0;
	link->gateway->counters.waits += ask->verb == DOOZER_WAIT ? 1 : 0;
	return ask;
}

static void leave_list(struct ctl_gateway_ask *ask)
{
	struct ctl_gateway_ask **list =
		ask->link != NULL ? &ask->link->asks : &ask->gateway->orphans;

	if (ask->next != NULL) {
		ask->next->previous = ask->previous;
	}
	if (ask->previous != NULL) {
		ask->previous->next = ask->next;
	} else {
		*list = ask->next;
	}
}

static void end_ask(struct ctl_gateway_ask *ask)
{
	struct ctl_gateway_link *link = ask->link;

	leave_list(ask);
	ctl_gateway_end_opening(ask);
	if (link != NULL) {
		link->ask_count--;
		link->wait_count -= ask->verb == DOOZER_WAIT ? 1 : 0;
		link->is_fence = link->is_fence && ask->verb != DOOZER_REV;
	}
	ask->gateway->counters.waits -= ask->verb == DOOZER_WAIT ? 1 : 0;
	free(ask);
}

void ctl_gateway_forget(struct ctl_gateway_link *link)
{
	while (link->asks != NULL) {
		struct ctl_gateway_ask *ask = link->asks;

		if (ask->stage == CTL_ASK_WATCH) {
			(void)ctl_inside_unwatch(link->gateway->inside, ask->watch);
			end_ask(ask);
			continue;
		}
		leave_list(ask);
		ask->link = NULL;
		put_ask(&link->gateway->orphans, ask);
	}
}

void ctl_gateway_free_orphans(struct ctl_gateway *gateway)
{
	while (gateway->orphans != NULL) {
		end_ask(gateway->orphans);
	}
}

static struct slice path_of(const struct ctl_gateway_ask *ask)
{
	return slice_make(ask->path, ask->path_size);
}

/* Answers and ends it. */
static void answer(struct ctl_gateway_ask *ask, Doozer__Response *response)
{
	struct ctl_gateway_link *link = ask->link;

	response->has_tag = ask->has_tag;
	response->tag = ask->tag;
	end_ask(ask);
	ctl_gateway_reply(link, response);
}

static void refuse(struct ctl_gateway_ask *ask, enum ctl_doozer_error error, const char *detail)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	ctl_doozer_set_error(&response, error,
	                     detail == NULL ? (struct slice){0} : slice_text(detail));
	answer(ask, &response);
}

static void on_done(void *context, const struct client_result *result);

/* Returns as ctl_inside_submit(). */
static int submit(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                  const struct client_request *request)
{
	return ctl_inside_submit(gateway->inside, request, on_done, ask, NULL);
}

/* --- reads ----------------------------------------------------------------------------------- */

static bool is_missing(enum store_answer answer)
{
	return answer == STORE_NOT_FOUND || answer == STORE_NOT_DIRECTORY ||
	       answer == STORE_BAD_PATH || answer == STORE_TOO_LARGE;
}

static void answer_get(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	ctl_doozer_set_rev(&response, got->answer == STORE_OK ? got->revision : 0);
	ctl_doozer_set_value(&response, got->answer == STORE_OK ? got->value : (struct slice){0});
	answer(ask, &response);
}

static void answer_stat(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	ctl_doozer_set_rev(&response, got->answer != STORE_OK ? 0
	                              : got->is_directory     ? -2
	                                                      : got->revision);
	ctl_doozer_set_len(&response, got->answer != STORE_OK ? 0
	                              : got->is_directory     ? got->children
	                                                      : got->count);
	answer(ask, &response);
}

/* The file of a WALK, whose path stands in the ask, as of ask->rev. */
static int read_file(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct client_request request = {
		.verb = PROTO_GET,
		.path = slice_make(ask->file, ask->file_size),
		.rev = ask->rev,
	};

	ask->stage = CTL_ASK_REQUEST;
	return submit(gateway, ask, &request);
}

static void answer_walk(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	uint8_t path[STORE_PATH_SIZE_MAX];
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	memcpy(path, ask->file, ask->file_size);
	set_event(&response, DOOZER_FLAG_SET, got->revision, slice_make(path, ask->file_size),
	          got->value);
	answer(ask, &response);
}

/* The entry that stands `skip` behind the front of a page; false: there is none. */
static bool entry_at(struct slice page, uint32_t skip, struct proto_page_entry *ret_entry)
{
	bool bad = false;

	do {
		if (!proto_page_next(&page, ret_entry, &bad)) {
			return false;
		}
	} while (skip-- != 0);
	return ret_entry->name.size <= STORE_PATH_SIZE_MAX;
}

/* One entry of a listing. -EAGAIN: its file cannot be asked for now. */
static int take_entry(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                      const struct proto_page_entry *entry)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	if (ask->verb == DOOZER_WALK) {
		memcpy(ask->file, entry->name.data, entry->name.size);
		ask->file_size = (uint16_t)entry->name.size;
		return read_file(gateway, ask);
	}
	response.has_path = true;
	response.path = ctl_doozer_bytes(entry->name);
	answer(ask, &response);
	return 0;
}

static bool is_same_listing(const struct ctl_gateway_cursor *cursor,
                            const struct ctl_gateway_ask *ask)
{
	return cursor != NULL && cursor->verb == ask->verb && cursor->is_named == ask->has_rev &&
	       (!ask->has_rev || cursor->rev == ask->rev) &&
	       slice_equal(cursor->path, path_of(ask));
}

/* A listing at a revision never changes: its page serves the offsets that follow. */
static void keep_page(struct ctl_gateway_link *link, const struct ctl_gateway_ask *ask,
                      const struct proto_answer *page)
{
	struct ctl_gateway_cursor *cursor =
		malloc(sizeof(*cursor) + ask->path_size + page->value.size);
	struct proto_page_mark rest;

	free(link->cursor);
	link->cursor = NULL;
	if (cursor == NULL || ask->is_moved) {
		free(cursor); /* it is asked for again */
		return;
	}
	memcpy(cursor->memory, ask->path, ask->path_size);
	memcpy(cursor->memory + ask->path_size, page->value.data, page->value.size);
	cursor->verb = ask->verb;
	cursor->is_named = ask->has_rev;
	cursor->rev = ask->rev;
	cursor->base = (uint32_t)ask->offset;
	cursor->count = page->count;
	cursor->has_more = page->has_more;
	cursor->path = slice_make(cursor->memory, ask->path_size);
	cursor->page = slice_make(cursor->memory + ask->path_size, page->value.size);
	if (!proto_page_rest(cursor->page, &rest) || rest.after.size > STORE_PATH_SIZE_MAX) {
		free(cursor);
		return;
	}
	cursor->last = rest.after;
	link->cursor = cursor;
}

static int ask_page(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct client_request request = {
		.verb = ask->verb == DOOZER_WALK ? PROTO_WALK : PROTO_LIST,
		.path = path_of(ask),
		.after = slice_make(ask->file, ask->after_size),
		.rev = ask->has_rev ? ask->rev : 0,
		.offset = ask->left,
		.limit = ask->has_rev ? PAGE_ENTRIES : 1,
	};

	ask->stage = CTL_ASK_PAGE;
	return submit(gateway, ask, &request);
}

static void go_behind(struct ctl_gateway_ask *ask, struct slice after, uint32_t left)
{
	must(after.size <= STORE_PATH_SIZE_MAX);
	if (after.size != 0) {
		memcpy(ask->file, after.data, after.size);
	}
	ask->after_size = (uint16_t)after.size;
	ask->left = left;
}

/* The whole listing, up to the offset. */
static void go_to_offset(struct ctl_gateway_ask *ask)
{
	/* GETDIR of a negative offset: only what kind of thing stands there matters. */
	go_behind(ask, (struct slice){0}, ask->offset < 0 ? 0 : (uint32_t)ask->offset);
	ask->is_resumed = ask->is_moved = false;
	ask->rev = ask->has_rev ? ask->rev : 0;
}

/* Asks for the page that holds the offset. */
static int begin_listing(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct ctl_gateway_cursor *cursor = ask->link->cursor;

	go_to_offset(ask);
	if (is_same_listing(cursor, ask) && ask->left == cursor->base + cursor->count) {
		go_behind(ask, cursor->last, 0);
		ask->is_resumed = true;
		ask->rev = cursor->rev;
	}
	return ask_page(gateway, ask);
}

/*
 * A server looks at a bounded number of files for each page: it may have ended before the offset.
 * True if another page is under way.
 */
static bool has_next_page(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                          const struct proto_answer *page)
{
	struct proto_page_mark rest;

	if (page->count != 0 || !page->has_more || !proto_page_rest(page->value, &rest) ||
	    rest.after.size > STORE_PATH_SIZE_MAX ||
	    slice_equal(rest.after, slice_make(ask->file, ask->after_size))) {
		return false;
	}
	go_behind(ask, rest.after, rest.offset);
	must(ask_page(gateway, ask) == 0); /* one has just ended, so there is room for another */
	return true;
}

/* Of a listing that names no revision. True if it is begun anew. */
static bool has_moved(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                      const struct proto_answer *page)
{
	if (!ask->has_rev && page->store_revision != ask->rev) {
		ask->is_moved = ask->rev != 0;
		ask->rev = page->store_revision; /* the file is read as the page saw it */
		if (ask->is_resumed) {
			go_to_offset(ask);
			must(ask_page(gateway, ask) == 0);
			return true;
		}
	}
	return false;
}

static void on_page(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                    const struct proto_answer *page)
{
	struct proto_page_entry entry;

	if (page->answer == STORE_BAD_PATH || page->answer == STORE_TOO_LARGE) {
		refuse(ask, ask->verb == DOOZER_WALK ? DOOZER_RANGE : DOOZER_NOENT, NULL);
		return;
	}
	if (ask->offset >= 0 &&
	    (has_moved(gateway, ask, page) || has_next_page(gateway, ask, page))) {
		return;
	}
	if (ask->offset < 0 || !entry_at(page->value, 0, &entry)) {
		refuse(ask, DOOZER_RANGE, NULL);
		return;
	}
	keep_page(ask->link, ask, page);
	/* One request has just ended, so there is room for another. */
	must(take_entry(gateway, ask, &entry) == 0);
}

/* Begins a read that need not wait for its revision. Returns 0 or -EAGAIN. */
static int begin_read(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct ctl_gateway_cursor *cursor = ask->link->cursor;
	const struct client_request request = {
		.verb = ask->verb == DOOZER_GET ? PROTO_GET : PROTO_STAT,
		.path = path_of(ask),
		.rev = ask->has_rev ? ask->rev : 0,
	};
	struct proto_page_entry entry;

	if (ask->verb == DOOZER_GET || ask->verb == DOOZER_STAT) {
		ask->stage = CTL_ASK_REQUEST;
		return submit(gateway, ask, &request);
	}
	if (ask->has_rev && is_same_listing(cursor, ask) && ask->offset >= 0 &&
	    (uint32_t)ask->offset >= cursor->base) {
		const uint32_t skip = (uint32_t)ask->offset - cursor->base;

		if (skip < cursor->count && entry_at(cursor->page, skip, &entry)) {
			return take_entry(gateway, ask, &entry);
		}
		if (skip >= cursor->count && !cursor->has_more) {
			refuse(ask, DOOZER_RANGE, NULL);
			return 0;
		}
	}
	return begin_listing(gateway, ask);
}

/* --- watches --------------------------------------------------------------------------------- */

static void put_turn(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	ask->stage = CTL_ASK_TURN;
	ask->turn = NULL;
	if (gateway->ask_last != NULL) {
		gateway->ask_last->turn = ask;
	} else {
		gateway->ask_first = ask;
	}
	gateway->ask_last = ask;
}

bool ctl_gateway_take_turns(struct ctl_gateway *gateway)
{
	while (gateway->ask_first != NULL) {
		struct ctl_gateway_ask *ask = gateway->ask_first;

		gateway->ask_first = ask->turn;
		gateway->ask_last = ask->turn == NULL ? NULL : gateway->ask_last;
		if (ask->link == NULL) {
			end_ask(ask);
		} else if (begin_read(gateway, ask) == -EAGAIN) {
			ask->stage = CTL_ASK_TURN;
			ask->turn = gateway->ask_first;
			gateway->ask_first = ask;
			gateway->ask_last = gateway->ask_last == NULL ? ask : gateway->ask_last;
			return false;
		}
	}
	return true;
}

static void answer_event(struct ctl_gateway_ask *ask, const struct proto_event *event)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	set_event(&response, event->kind == STORE_EVENT_SET ? DOOZER_FLAG_SET : DOOZER_FLAG_DEL,
	          event->revision, event->path, event->value);
	answer(ask, &response);
}

static void on_news(void *context, const struct watcher_effect *news)
{
	struct ctl_gateway_ask *ask = context;
	struct ctl_gateway *gateway = ask->gateway;
	const uint64_t watch = ask->watch;
	enum ctl_doozer_error error;
	const char *detail;

	ctl_gateway_end_opening(ask);
	if (news->kind == WATCHER_EFFECT_NOTE) {
		ctl_gateway_go_on(gateway);
		return;
	}
	if (ask->verb != DOOZER_WAIT) {
		put_turn(gateway, ask); /* what the read says of its revision is the answer */
	} else if (news->kind == WATCHER_EFFECT_EVENT) {
		answer_event(ask, &news->event);
	} else {
		error = ctl_doozer_error_of(news->answer, &detail);
		refuse(ask, error, detail);
	}
	if (news->kind == WATCHER_EFFECT_EVENT) {
		(void)ctl_inside_unwatch(gateway->inside, watch); /* gone if its link was closed */
	}
	ctl_gateway_go_on(gateway);
}

/* Watches for a WAIT, or until a revision comes. Returns 0 or -EAGAIN. */
static int begin_watch(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct watcher_request request = {
		.glob = ask->verb == DOOZER_WAIT ? path_of(ask) : slice_text("/**"),
		.from = ask->rev,
		.limit = 1,
	};

	if (gateway->opening == CTL_GATEWAY_OPENING_MAX) {
		return -EAGAIN; /* a burst of datagrams would push those of the servers out */
	}
	ask->stage = CTL_ASK_WATCH;
	if (ctl_inside_watch(gateway->inside, &request, on_news, ask, &ask->watch) < 0) {
		ask->stage = CTL_ASK_REQUEST; /* there is no watch to be ended */
		refuse(ask, DOOZER_OTHER, "too many waits at this server");
		return 0;
	}
	ask->is_opening = true;
	gateway->opening++;
	return 0;
}

/* --- writes ---------------------------------------------------------------------------------- */

static int begin_write(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                       const Doozer__Request *in)
{
	const struct client_request request = {
		.verb = in->verb == DOOZER_SET   ? PROTO_SET
	                : in->verb == DOOZER_DEL ? PROTO_DELETE
	                                         : PROTO_NOP,
		.condition = in->verb == DOOZER_NOP || in->rev == -1 ? (enum store_condition)0
	                                                             : STORE_IF_AT_MOST,
		.rev = in->verb == DOOZER_NOP ? 0 : in->rev,
		.path = in->verb == DOOZER_NOP ? (struct slice){0}
	                                       : slice_make(in->path.data, in->path.len),
		.value = in->verb == DOOZER_SET ? slice_make(in->value.data, in->value.len)
	                                        : (struct slice){0},
	};
	const struct client_request judge = {.verb = PROTO_STAT, .path = request.path};

	if (in->verb != DOOZER_NOP && in->rev < -1) {
		/* No revision is that old: only a directory, which is -2, is another error. */
		ask->stage = CTL_ASK_JUDGE;
		return submit(gateway, ask, &judge);
	}
	return submit(gateway, ask, &request);
}

static void judge_write(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	if (got->answer == STORE_NOT_DIRECTORY) {
		refuse(ask, DOOZER_NOTDIR, NULL);
	} else if (got->answer == STORE_OK && got->is_directory && ask->rev == -2) {
		refuse(ask, DOOZER_ISDIR, NULL);
	} else {
		refuse(ask, DOOZER_REV_MISMATCH, NULL);
	}
}

/* --- what came back -------------------------------------------------------------------------- */

static void refuse_as(struct ctl_gateway_ask *ask, enum store_answer said)
{
	const char *detail;
	const enum ctl_doozer_error error = ctl_doozer_error_of(said, &detail);

	refuse(ask, error, detail);
}

static void on_request(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;
	const bool missing = is_missing(got->answer);

	if (ask->verb == DOOZER_GET && (got->answer == STORE_OK || missing)) {
		answer_get(ask, got);
	} else if (ask->verb == DOOZER_STAT && (got->answer == STORE_OK || missing)) {
		answer_stat(ask, got);
	} else if (ask->verb == DOOZER_DEL && got->answer == STORE_NOT_FOUND) {
		answer(ask, &response);
	} else if (got->answer != STORE_OK) {
		refuse_as(ask, got->answer);
	} else if (ask->verb == DOOZER_WALK) {
		answer_walk(ask, got);
	} else {
		if (ask->verb == DOOZER_SET) {
			ctl_doozer_set_rev(&response, got->revision);
		} else if (ask->verb == DOOZER_REV) {
			ctl_doozer_set_rev(&response, got->store_revision);
		}
		answer(ask, &response);
	}
}

static void on_done(void *context, const struct client_result *result)
{
	struct ctl_gateway_ask *ask = context;
	struct ctl_gateway *gateway = ask->gateway;
	struct ctl_gateway_link *link = ask->link;
	const bool was_fence = link != NULL && ask->verb == DOOZER_REV;

	if (link == NULL) {
		end_ask(ask);
	} else if (result->outcome == CLIENT_UNREACHED) {
		refuse(ask, DOOZER_OTHER, "no majority of the servers answers; nothing was done");
	} else if (result->outcome == CLIENT_UNKNOWN) {
		refuse(ask, DOOZER_OTHER, "nobody answered in time; it may have been done");
	} else if (ask->stage == CTL_ASK_JUDGE) {
		judge_write(ask, &result->answer);
	} else if (ask->stage == CTL_ASK_PAGE &&
	           (result->answer.answer == STORE_OK || result->answer.answer == STORE_BAD_PATH ||
	            result->answer.answer == STORE_TOO_LARGE)) {
		on_page(gateway, ask, &result->answer);
	} else if (ask->stage == CTL_ASK_PAGE) {
		refuse_as(ask, result->answer.answer);
	} else {
		on_request(ask, &result->answer);
	}
	if (was_fence) {
		ctl_gateway_resume(link);
	}
	ctl_gateway_go_on(gateway);
}

/* --- asking ---------------------------------------------------------------------------------- */

/* Returns 0 or -EAGAIN. */
static int begin(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                 const Doozer__Request *request)
{
	const struct client_request rev = {.verb = PROTO_REV};

	switch (request->verb) {
	case DOOZER_SET:
	case DOOZER_DEL:
	case DOOZER_NOP:
		return begin_write(gateway, ask, request);
	case DOOZER_REV:
		ask->link->is_fence = true;
		return submit(gateway, ask, &rev);
	default:
		break;
	}
	ask->rev = ask->has_rev && ask->rev < 1 ? 1 : ask->rev;
	if (ask->verb == DOOZER_WAIT ||
	    (ask->has_rev && ask->rev > ctl_inside_seen(gateway->inside))) {
		return begin_watch(gateway, ask);
	}
	return begin_read(gateway, ask);
}

int ctl_gateway_ask(struct ctl_gateway_link *link, const Doozer__Request *request)
{
	struct ctl_gateway_ask *ask = new_ask(link, request);
	int r;

	if (ask == NULL) {
		return -ENOMEM;
	}
	r = begin(link->gateway, ask, request);
	if (r == -EAGAIN) {
		end_ask(ask);
	}
	must(r == 0 || r == -EAGAIN); /* it was judged before */
	return r;
}
