/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_asks.c - what Doozer's verbs ask of the cluster, and the answers
 *
 *      GET STAT         a read, at the present or at a revision
 *      SET DEL          a write if the file is not newer: STORE_IF_AT_MOST
 *      REV NOP          likewise; nothing overtakes a REV
 *      WALK GETDIR      gateway_lists.c
 *      WAIT             a watch, until its first event
 *
 * A read of a revision that has not come waits for it by a watch of everything from there on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/gateway_link.h"
#include "store/base/check.h"

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

void ctl_gateway_answer(struct ctl_gateway_ask *ask, Doozer__Response *response)
{
	struct ctl_gateway_link *link = ask->link;

	response->has_tag = ask->has_tag;
	response->tag = ask->tag;
	end_ask(ask);
	ctl_gateway_reply(link, response);
}

void ctl_gateway_refuse(struct ctl_gateway_ask *ask, enum ctl_doozer_error error,
                        const char *detail)
{
	Doozer__Response response = DOOZER__RESPONSE__INIT;

	ctl_doozer_set_error(&response, error,
	                     detail == NULL ? (struct slice){0} : slice_text(detail));
	ctl_gateway_answer(ask, &response);
}

static void on_done(void *context, const struct client_result *result);

int ctl_gateway_submit(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
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
	ctl_gateway_answer(ask, &response);
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
	ctl_gateway_answer(ask, &response);
}

/* Begins a read that need not wait for its revision. Returns 0 or -EAGAIN. */
static int begin_read(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct client_request request = {
		.verb = ask->verb == DOOZER_GET ? PROTO_GET : PROTO_STAT,
		.path = ctl_gateway_path_of(ask),
		.rev = ask->has_rev ? ask->rev : 0,
	};

	if (ask->verb == DOOZER_GET || ask->verb == DOOZER_STAT) {
		ask->stage = CTL_ASK_REQUEST;
		return ctl_gateway_submit(gateway, ask, &request);
	}
	return ctl_gateway_list(gateway, ask);
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

	ctl_doozer_set_event(&response,
	                     event->kind == STORE_EVENT_SET ? DOOZER_FLAG_SET : DOOZER_FLAG_DEL,
	                     event->revision, event->path, event->value);
	ctl_gateway_answer(ask, &response);
}

static void on_news(void *context, const struct watcher_effect *news)
{
	struct ctl_gateway_ask *ask = context;
	struct ctl_gateway *gateway = ask->gateway;
	const uint64_t watch = ask->watch;
	enum ctl_doozer_error error;
	const char *detail;

	if (news->kind == WATCHER_EFFECT_NOTE) {
		return;
	}
	if (ask->verb != DOOZER_WAIT) {
		put_turn(gateway, ask); /* what the read says of its revision is the answer */
	} else if (news->kind == WATCHER_EFFECT_EVENT) {
		answer_event(ask, &news->event);
	} else {
		error = ctl_doozer_error_of(news->answer, &detail);
		ctl_gateway_refuse(ask, error, detail);
	}
	if (news->kind == WATCHER_EFFECT_EVENT) {
		(void)ctl_inside_unwatch(gateway->inside, watch); /* gone if its link was closed */
	}
	ctl_gateway_go_on(gateway);
}

/* Watches for a WAIT, or until a revision comes. */
static void begin_watch(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask)
{
	const struct watcher_request request = {
		.glob = ask->verb == DOOZER_WAIT ? ctl_gateway_path_of(ask) : slice_text("/**"),
		.from = ask->rev,
		.limit = 1,
	};

	ask->stage = CTL_ASK_WATCH;
	if (ctl_inside_watch(gateway->inside, &request, on_news, ask, &ask->watch) < 0) {
		ask->stage = CTL_ASK_REQUEST; /* there is no watch to be ended */
		ctl_gateway_refuse(ask, DOOZER_OTHER, "too many waits at this server");
	}
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
		return ctl_gateway_submit(gateway, ask, &judge);
	}
	return ctl_gateway_submit(gateway, ask, &request);
}

static void judge_write(struct ctl_gateway_ask *ask, const struct proto_answer *got)
{
	if (got->answer == STORE_NOT_DIRECTORY) {
		ctl_gateway_refuse(ask, DOOZER_NOTDIR, NULL);
	} else if (got->answer == STORE_OK && got->is_directory && ask->rev == -2) {
		ctl_gateway_refuse(ask, DOOZER_ISDIR, NULL);
	} else {
		ctl_gateway_refuse(ask, DOOZER_REV_MISMATCH, NULL);
	}
}

/* --- what came back -------------------------------------------------------------------------- */

static void refuse_as(struct ctl_gateway_ask *ask, enum store_answer said)
{
	const char *detail;
	const enum ctl_doozer_error error = ctl_doozer_error_of(said, &detail);

	ctl_gateway_refuse(ask, error, detail);
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
		ctl_gateway_answer(ask, &response);
	} else if (got->answer != STORE_OK) {
		refuse_as(ask, got->answer);
	} else if (ask->verb == DOOZER_WALK) {
		ctl_gateway_walked(ask, got);
	} else {
		if (ask->verb == DOOZER_SET) {
			ctl_doozer_set_rev(&response, got->revision);
		} else if (ask->verb == DOOZER_REV) {
			ctl_doozer_set_rev(&response, got->store_revision);
		}
		ctl_gateway_answer(ask, &response);
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
		ctl_gateway_refuse(ask, DOOZER_OTHER,
		                   "no majority of the servers answers; nothing was done");
	} else if (result->outcome == CLIENT_UNKNOWN) {
		ctl_gateway_refuse(ask, DOOZER_OTHER,
		                   "nobody answered in time; it may have been done");
	} else if (ask->stage == CTL_ASK_JUDGE) {
		judge_write(ask, &result->answer);
	} else if (ask->stage == CTL_ASK_PAGE &&
	           (result->answer.answer == STORE_OK || result->answer.answer == STORE_BAD_PATH ||
	            result->answer.answer == STORE_TOO_LARGE)) {
		ctl_gateway_listed(gateway, ask, &result->answer);
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
		return ctl_gateway_submit(gateway, ask, &rev);
	default:
		break;
	}
	ask->rev = ask->has_rev && ask->rev < 1 ? 1 : ask->rev;
	if (ask->verb == DOOZER_WAIT ||
	    (ask->has_rev && ask->rev > ctl_inside_seen(gateway->inside))) {
		begin_watch(gateway, ask);
		return 0;
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
