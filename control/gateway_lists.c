/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_lists.c - WALK and GETDIR: the entry at an offset, by pages
 *
 * A page of the listing is asked for, and kept for the offsets that follow; WALK then reads the
 * file. A server looks at a bounded number of files for each page, so it may take several to come
 * to an offset.
 */
#include <stdlib.h>
#include <string.h>

#include "control/gateway_link.h"
#include "store/base/check.h"
#include "store/proto_page.h"

enum {
	PAGE_ENTRIES = 64, /* of a listing that goes on */
};

/* The file of a WALK, whose path stands in the ask, as of ask->rev. */
static int read_file(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct client_request request = {
		.verb = PROTO_GET,
		.path = slice_make(ask->file, ask->file_size),
		.rev = ask->rev,
	};

	ask->stage = CTL_ASK_REQUEST;
	return ctl_gateway_submit(gateway, ask, &request);
}

void ctl_gateway_walked(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	uint8_t path[STORE_PATH_SIZE_MAX];
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	memcpy(path, ask->file, ask->file_size);
	ctl_doozer_set_event(&response, DOOZER_FLAG_SET, got->revision,
	                     slice_make(path, ask->file_size), got->value);
	ctl_gateway_answer(ask, &response);
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
	ctl_gateway_answer(ask, &response);
	return 0;
}

static bool is_same_listing(const struct ctl_gateway_cursor *cursor,
                            const struct ctl_gateway_ask *ask)
{
	return cursor != NULL && cursor->verb == ask->verb && cursor->is_named == ask->has_rev &&
	       (!ask->has_rev || cursor->rev == ask->rev) &&
	       slice_equal(cursor->path, ctl_gateway_path_of(ask));
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
		.path = ctl_gateway_path_of(ask),
		.after = slice_make(ask->file, ask->after_size),
		.rev = ask->has_rev ? ask->rev : 0,
		.offset = ask->left,
		.limit = ask->has_rev ? PAGE_ENTRIES : 1,
	};

	ask->stage = CTL_ASK_PAGE;
	return ctl_gateway_submit(gateway, ask, &request);
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
static int ask_anew(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
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

void ctl_gateway_listed(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                        const struct proto_answer *page)
{
	struct proto_page_entry entry;

	if (page->answer == STORE_BAD_PATH || page->answer == STORE_TOO_LARGE) {
		ctl_gateway_refuse(ask, ask->verb == DOOZER_WALK ? DOOZER_RANGE : DOOZER_NOENT,
		                   NULL);
		return;
	}
	if (ask->offset >= 0 &&
	    (has_moved(gateway, ask, page) || has_next_page(gateway, ask, page))) {
		return;
	}
	if (ask->offset < 0 || !entry_at(page->value, 0, &entry)) {
		ctl_gateway_refuse(ask, DOOZER_RANGE, NULL);
		return;
	}
	keep_page(ask->link, ask, page);
	/* One request has just ended, so there is room for another. */
	must(take_entry(gateway, ask, &entry) == 0);
}

int ctl_gateway_list(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct ctl_gateway_cursor *cursor = ask->link->cursor;
	struct proto_page_entry entry;

	if (ask->has_rev && is_same_listing(cursor, ask) && ask->offset >= 0 &&
	    (uint32_t)ask->offset >= cursor->base) {
		const uint32_t skip = (uint32_t)ask->offset - cursor->base;

		if (skip < cursor->count && entry_at(cursor->page, skip, &entry)) {
			return take_entry(gateway, ask, &entry);
		}
		if (skip >= cursor->count && !cursor->has_more) {
			ctl_gateway_refuse(ask, DOOZER_RANGE, NULL);
			return 0;
		}
	}
	return ask_anew(gateway, ask);
}
