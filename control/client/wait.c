/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.c - the calls that wait for their result
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "control/client/coffer.h"
#include "control/client/handle.h"
#include "control/client/left.h"
#include "store/base/check.h"
#include "store/proto_page.h"

struct call {
	struct coffer *coffer;
	struct coffer_result result;
	bool ended;
};

static void on_done(void *context, const struct coffer_result *result)
{
	struct call *call = context;

	call->result = *result;
	call->ended = true;
	if (result->value_size != 0) {
		must(result->value_size <= sizeof(call->coffer->value));
		memcpy(call->coffer->value, result->value, result->value_size);
		call->result.value = call->coffer->value;
	}
}

void ctl_handle_wait(struct coffer *coffer, int timeout_ms)
{
	struct pollfd ready = {.fd = coffer_fd(coffer), .events = POLLIN};

	/* A signal, or the poll's own failure, costs a turn; deadlines still end each request. */
	(void)poll(&ready, 1, timeout_ms);
	(void)coffer_process(coffer);
}

int coffer_call(struct coffer *coffer, const struct coffer_request *request,
                struct coffer_result *ret_result)
{
	struct call call = {.coffer = coffer};
	int r;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	for (;;) {
		r = coffer_submit(coffer, request, on_done, &call, NULL);
		if (r != -EAGAIN) {
			break;
		}
		ctl_handle_wait(coffer, -1);
	}
	if (r < 0) {
		return r;
	}
	while (!call.ended) {
		ctl_handle_wait(coffer, -1);
	}
	if (ret_result != NULL) {
		*ret_result = call.result;
	}
	return (int)call.result.outcome;
}

int coffer_set(struct coffer *coffer, const char *path, const void *value, size_t value_size,
               int64_t if_rev, struct coffer_result *ret_result)
{
	const struct coffer_request request = {
		.verb = COFFER_SET,
		.path = path,
		.value = value,
		.value_size = value_size,
		.condition = COFFER_IF_EQUAL,
		.rev = if_rev,
	};

	return coffer_call(coffer, &request, ret_result);
}

int coffer_delete(struct coffer *coffer, const char *path, int64_t if_rev,
                  struct coffer_result *ret_result)
{
	const struct coffer_request request = {
		.verb = COFFER_DELETE, .path = path, .condition = COFFER_IF_EQUAL, .rev = if_rev};

	return coffer_call(coffer, &request, ret_result);
}

static int call_verb(struct coffer *coffer, enum coffer_verb verb, const char *path,
                     struct coffer_result *ret_result)
{
	const struct coffer_request request = {.verb = verb, .path = path};

	return coffer_call(coffer, &request, ret_result);
}

int coffer_get(struct coffer *coffer, const char *path, struct coffer_result *ret_result)
{
	return call_verb(coffer, COFFER_GET, path, ret_result);
}

int coffer_stat(struct coffer *coffer, const char *path, struct coffer_result *ret_result)
{
	return call_verb(coffer, COFFER_STAT, path, ret_result);
}

int coffer_rev(struct coffer *coffer, struct coffer_result *ret_result)
{
	return call_verb(coffer, COFFER_REV, NULL, ret_result);
}

int coffer_nop(struct coffer *coffer, struct coffer_result *ret_result)
{
	return call_verb(coffer, COFFER_NOP, NULL, ret_result);
}

int coffer_self(struct coffer *coffer, struct coffer_result *ret_result)
{
	return call_verb(coffer, COFFER_SELF, NULL, ret_result);
}

/* --- pages -------------------------------------------------------------------------------- */

int coffer_page_next(const struct coffer_result *result, size_t *position,
                     struct coffer_entry *ret_entry)
{
	struct proto_page_entry entry;
	struct slice page;
	bool bad = false;

	if (*position > result->value_size) {
		return -EINVAL;
	}
	page = slice_make((const uint8_t *)result->value + *position,
	                  result->value_size - *position);
	if (!proto_page_next(&page, &entry, &bad)) {
		return bad ? -EBADMSG : 0;
	}
	*ret_entry = (struct coffer_entry){
		.name = (const char *)entry.name.data,
		.name_size = entry.name.size,
		.is_directory = entry.is_directory,
		.revision = entry.revision,
	};
	*position = result->value_size - page.size;
	return 1;
}

int coffer_page_rest(const struct coffer_result *result, char after[COFFER_PATH_SIZE_MAX + 1],
                     uint32_t *ret_offset)
{
	struct proto_page_mark mark;

	if (!result->has_more ||
	    !proto_page_rest(slice_make(result->value, result->value_size), &mark) ||
	    mark.after.size > COFFER_PATH_SIZE_MAX) {
		return -EBADMSG;
	}
	memcpy(after, mark.after.data, mark.after.size);
	after[mark.after.size] = '\0';
	*ret_offset = mark.offset;
	return 0;
}

/* Gives the entries of one page. 1: it was ended. */
static int give_page(const struct coffer_result *page, coffer_entry_fn *each, void *context,
                     int *ret_stopped)
{
	struct coffer_entry entry;
	size_t position = 0;
	int r;

	for (;;) {
		r = coffer_page_next(page, &position, &entry);
		if (r <= 0) {
			return r;
		}
		r = each(context, &entry);
		if (r != 0) {
			if (ret_stopped != NULL) {
				*ret_stopped = r;
			}
			return 1;
		}
	}
}

int coffer_each(struct coffer *coffer, const struct coffer_request *request, coffer_entry_fn *each,
                void *context, int *ret_stopped, struct coffer_result *ret_result)
{
	struct coffer_request next = *request;
	char last[COFFER_PATH_SIZE_MAX + 1] = "";
	char before[sizeof(last)];
	struct coffer_result page;
	int r, outcome;

	if (request->verb != COFFER_LIST && request->verb != COFFER_FIND &&
	    request->verb != COFFER_OWNED) {
		return -EINVAL;
	}
	for (;;) {
		outcome = coffer_call(coffer, &next, &page);
		if (outcome != COFFER_DONE) {
			break;
		}
		r = give_page(&page, each, context, ret_stopped);
		if (r > 0 || (r == 0 && !page.has_more)) {
			break;
		}
		memcpy(before, last, sizeof(last));
		r = r == 0 ? coffer_page_rest(&page, last, &next.offset) : r;
		if (r < 0 || strcmp(before, last) == 0) {
			return -EBADMSG; /* it would go round for ever */
		}
		next.after = last;
	}
	if (outcome >= 0 && ret_result != NULL) {
		*ret_result = page;
	}
	return outcome;
}

int coffer_list(struct coffer *coffer, const char *path, coffer_entry_fn *each, void *context,
                struct coffer_result *ret_result)
{
	const struct coffer_request request = {.verb = COFFER_LIST, .path = path};

	return coffer_each(coffer, &request, each, context, NULL, ret_result);
}

int coffer_find(struct coffer *coffer, const char *glob, coffer_entry_fn *each, void *context,
                struct coffer_result *ret_result)
{
	const struct coffer_request request = {.verb = COFFER_FIND, .path = glob};

	return coffer_each(coffer, &request, each, context, NULL, ret_result);
}

/* --- sessions ------------------------------------------------------------------------------ */

int coffer_session_next(const struct coffer_result *result, size_t *position,
                        struct coffer_session_entry *ret_entry)
{
	struct proto_session session;
	struct slice page;
	bool bad = false;

	if (*position > result->value_size) {
		return -EINVAL;
	}
	page = slice_make((const uint8_t *)result->value + *position,
	                  result->value_size - *position);
	if (!proto_session_next(&page, &session, &bad)) {
		return bad ? -EBADMSG : 0;
	}
	*ret_entry = (struct coffer_session_entry){
		.id = session.id,
		.ttl_ms = session.ttl_ms,
		.left_ms = session.left_ms,
		.owned = session.owned,
	};
	*position = result->value_size - page.size;
	return 1;
}

/* Gives those of one page; *last is the id of the last. 1: it was ended. */
static int give_sessions(const struct coffer_result *page, coffer_session_fn *each, void *context,
                         int64_t *last)
{
	struct coffer_session_entry entry;
	size_t position = 0;
	int r;

	while ((r = coffer_session_next(page, &position, &entry)) == 1) {
		if (entry.id > INT64_MAX || (int64_t)entry.id <= *last) {
			return -EBADMSG; /* it would go round for ever */
		}
		*last = (int64_t)entry.id;
		if (each(context, &entry) != 0) {
			return 1;
		}
	}
	return r;
}

int coffer_sessions(struct coffer *coffer, coffer_session_fn *each, void *context,
                    struct coffer_result *ret_result)
{
	struct coffer_request request = {.verb = COFFER_SESSIONS};
	struct coffer_result page = {.has_more = true};
	int outcome = COFFER_DONE;

	while (outcome == COFFER_DONE && page.has_more) {
		const int64_t before = request.rev;
		int r;

		outcome = coffer_call(coffer, &request, &page);
		if (outcome != COFFER_DONE) {
			break;
		}
		r = give_sessions(&page, each, context, &request.rev);
		if (r < 0 || (page.has_more && request.rev == before)) {
			return r < 0 ? r : -EBADMSG;
		}
		if (r == 1) {
			break;
		}
	}
	if (outcome >= 0 && ret_result != NULL) {
		*ret_result = page;
	}
	return outcome;
}

/* --- one event ------------------------------------------------------------------------------ */

struct wait {
	struct coffer *coffer;
	struct coffer_event event;
	struct coffer_result result;
	bool ended;
};

/* Path and value, one behind the other, into the handle's memory. */
static void keep_event(struct wait *wait, const struct coffer_event *event)
{
	uint8_t *memory = wait->coffer->value;

	must(event->path_size + event->value_size <= sizeof(wait->coffer->value));
	wait->event = *event;
	memcpy(memory, event->path, event->path_size);
	wait->event.path = (const char *)memory;
	if (event->value_size != 0) {
		memcpy(memory + event->path_size, event->value, event->value_size);
		wait->event.value = memory + event->path_size;
	}
}

static void on_news(void *context, const struct coffer_news *news)
{
	struct wait *wait = context;

	if (news->kind == COFFER_NEWS_END) {
		wait->ended = true;
		wait->result.outcome = COFFER_REFUSED;
		wait->result.answer = news->answer;
		wait->result.revision = news->oldest;
		wait->result.heard = true;
		return;
	}
	wait->result.heard = true;
	wait->result.answer = COFFER_OK;
	wait->result.revision = news->next;
	wait->result.store_revision = news->store_revision;
	wait->result.node = news->node;
	if (news->kind == COFFER_NEWS_EVENT) {
		wait->ended = true;
		wait->result.outcome = COFFER_DONE;
		wait->result.revision = news->event->revision;
		keep_event(wait, news->event);
		(void)coffer_unwatch(wait->coffer, news->id);
	}
}

int coffer_wait(struct coffer *coffer, const char *glob, int64_t from, uint32_t timeout_ms,
                struct coffer_event *ret_event, struct coffer_result *ret_result)
{
	const uint64_t since_ns = ctl_handle_now_ns();
	struct wait wait = {
		.coffer = coffer,
		.result = {.outcome = COFFER_UNREACHED, .answer = COFFER_NO_QUORUM},
	};
	uint64_t id;
	int r, left = -1;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	r = ctl_watch_begin(coffer, glob, from, 1, on_news, &wait, &id);
	if (r < 0) {
		return r;
	}
	while (!wait.ended && left != 0) {
		left = ctl_left_ms(since_ns, timeout_ms, ctl_handle_now_ns());
		ctl_handle_wait(coffer, left);
	}
	if (!wait.ended) {
		(void)coffer_unwatch(coffer, id);
	}
	wait.result.latency_ns = ctl_handle_now_ns() - since_ns;
	if (wait.result.outcome == COFFER_DONE) {
		*ret_event = wait.event;
	}
	if (ret_result != NULL) {
		*ret_result = wait.result;
	}
	return (int)wait.result.outcome;
}
