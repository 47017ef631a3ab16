/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_browser.h"

#include <stdlib.h>
#include <string.h>

#include "control/web_door.h"
#include "control/web_history.h"
#include "control/web_reply.h"
#include "control/web_request.h"
#include "store/answer.h"
#include "store/base/check.h"
#include "store/path.h"
#include "store/proto_page.h"

/* One thing asked of the servers. */
struct question {
	bool taken;
	bool is_page; /* of the listing of its browser */
	struct ctl_web_desk *desk;
	struct ctl_web_browser *browser; /* NULL: it went away */
	unsigned turn;                   /* is_page: of which listing */
	json_int_t id;
	size_t most;
	struct ctl_web_history history; /* if it is one */
};

struct ctl_web_desk {
	struct ctl_web_desk_config config;
	struct question questions[CLIENT_REQUESTS_MAX];
};

struct ctl_web_browser {
	struct ctl_web_desk *desk;
	void (*wants)(void *context);
	void *context;
	struct ctl_web_door door;
	json_t *status;  /* owned; the last that was not taken */
	json_t *answers; /* owned; an array of what is to be said */
	unsigned due;    /* questions without a page, and answers not taken */

	enum {
		NONE,
		LISTING,
		WATCHING
	} phase;
	char glob[STORE_PATH_SIZE_MAX];
	size_t glob_size;
	unsigned turn; /* of the listing, so that late pages of another are known */
	bool is_asked; /* a page is under way */
	bool is_first;
	store_rev_t revision; /* of the listing; 0: not known yet */
	char after[STORE_PATH_SIZE_MAX];
	size_t after_size;
	json_t *page; /* owned; to be taken */
	bool more;    /* pages behind it */

	uint64_t tag; /* of the watch; 0: none */
	bool paused;
	json_t *events; /* owned; an array, to be taken */
	size_t events_size;
	store_rev_t next;
	bool note;
	uint32_t age_ms;
	const char *ended; /* why the watch is no more, to be told; else NULL */
};

/* --- questions ------------------------------------------------------------------------------- */

static struct question *take_question(struct ctl_web_browser *browser, json_int_t id)
{
	struct ctl_web_desk *desk = browser->desk;

	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct question *question = &desk->questions[i];

		if (!question->taken) {
			*question = (struct question){
				.taken = true, .desk = desk, .browser = browser, .id = id};
			return question;
		}
	}
	return NULL;
}

static void give_question(struct question *question)
{
	if (question != NULL) {
		*question = (struct question){0};
	}
}

/* Takes `object`, which may be NULL without memory; then the page waits in vain, and asks again. */
static void say_answer(struct ctl_web_browser *browser, json_int_t id, bool ok, json_t *object)
{
	(void)json_object_set_new(object, "say", json_string("answer"));
	(void)json_object_set_new(object, "id", json_integer(id));
	(void)json_object_set_new(object, "ok", json_boolean(ok));
	if (object == NULL || json_array_append_new(browser->answers, object) < 0) {
		browser->due--;
	}
	browser->wants(browser->context);
}

static void say_refused(struct ctl_web_browser *browser, json_int_t id, const char *why)
{
	say_answer(browser, id, false, json_pack("{s:s}", "answer", why));
}

/* --- the listing ----------------------------------------------------------------------------- */

static void ask_page(struct ctl_web_browser *browser);

static void begin_listing(struct ctl_web_browser *browser)
{
	browser->phase = LISTING;
	browser->turn++;
	browser->is_asked = false;
	browser->is_first = true;
	browser->revision = 0;
	browser->after_size = 0;
	json_decref(browser->page);
	browser->page = NULL;
	ask_page(browser);
}

static void end_watch(struct ctl_web_browser *browser)
{
	if (browser->tag != 0) {
		(void)ctl_inside_unwatch(browser->desk->config.inside, browser->tag);
		browser->tag = 0;
	}
	browser->paused = false;
	browser->note = false;
	(void)json_array_clear(browser->events);
	browser->events_size = 0;
}

static void refuse_glob(struct ctl_web_browser *browser, const char *why)
{
	end_watch(browser);
	browser->phase = NONE;
	browser->ended = why;
	browser->wants(browser->context);
}

/* False: it makes no sense. */
static bool read_page(struct ctl_web_browser *browser, const struct proto_answer *answer)
{
	struct proto_page_mark rest = {.after = slice_text("")};
	json_t *files = ctl_web_reply_files(answer);

	if (files == NULL || (answer->has_more && (!proto_page_rest(answer->value, &rest) ||
	                                           rest.after.size > sizeof(browser->after)))) {
		json_decref(files);
		return false;
	}
	memcpy(browser->after, rest.after.data, rest.after.size);
	browser->after_size = rest.after.size;
	browser->more = answer->has_more;
	browser->page = json_pack("{s:s, s:b, s:b, s:I, s:o}", "say", "page", "first",
	                          browser->is_first, "more", browser->more, "revision",
	                          (json_int_t)browser->revision, "files", files);
	browser->is_first = false;
	return browser->page != NULL;
}

static void on_page(struct ctl_web_browser *browser, const struct client_result *result)
{
	const struct proto_answer *answer = &result->answer;

	browser->is_asked = false;
	if (result->outcome == CLIENT_REFUSED && answer->answer == STORE_TOO_LATE) {
		begin_listing(browser); /* so many changes came meanwhile */
		return;
	}
	if (result->outcome == CLIENT_REFUSED && answer->answer != STORE_OVERLOADED &&
	    answer->answer != STORE_NO_QUORUM && answer->answer != STORE_TOO_EARLY) {
		refuse_glob(browser, store_answer_text(answer->answer));
		return;
	}
	if (result->outcome != CLIENT_DONE) {
		return; /* the next status asks again */
	}
	if (browser->revision == 0) {
		browser->revision = answer->store_revision;
	}
	if (read_page(browser, answer)) {
		browser->wants(browser->context);
	}
}

/* --- answers --------------------------------------------------------------------------------- */

static void answer_question(struct ctl_web_browser *browser, const struct question *question,
                            const struct client_result *result)
{
	bool ok;
	json_t *object = ctl_web_reply(result, question->most, &ok);

	say_answer(browser, question->id, ok, object);
}

static void on_done(void *context, const struct client_result *result)
{
	struct question *question = context;
	struct ctl_web_browser *browser = question->browser;
	const struct question asked = *question;

	give_question(question);
	if (browser == NULL) {
		return;
	}
	if (!asked.is_page) {
		answer_question(browser, &asked, result);
	} else if (asked.turn == browser->turn && browser->phase == LISTING) {
		on_page(browser, result);
	}
}

static void ask_page(struct ctl_web_browser *browser)
{
	struct question *question;
	const struct client_request request = {
		.verb = PROTO_WALK,
		.flags = PROTO_FLAG_STALE,
		.rev = browser->revision,
		.path = slice_make(browser->glob, browser->glob_size),
		.after = slice_make(browser->after, browser->after_size),
	};

	if (browser->phase != LISTING || browser->is_asked || browser->page != NULL) {
		return;
	}
	question = take_question(browser, 0);
	if (question == NULL) {
		return; /* the next status asks again */
	}
	question->is_page = true;
	question->turn = browser->turn;
	if (ctl_inside_submit(browser->desk->config.inside, &request, on_done, question, NULL) <
	    0) {
		give_question(question);
		return;
	}
	browser->is_asked = true;
}

/* --- the watch ------------------------------------------------------------------------------- */

static void on_event(struct ctl_web_browser *browser, const struct watcher_effect *news)
{
	(void)json_array_append_new(browser->events, ctl_web_event_json(&news->event));
	browser->events_size += news->event.path.size + CTL_WEB_PREVIEW_MAX;
	browser->next = news->next;
	if (browser->events_size >= CTL_WEB_EVENTS_SIZE && !browser->paused) {
		browser->paused = true;
		(void)ctl_inside_pause(browser->desk->config.inside, browser->tag);
	}
	browser->wants(browser->context);
}

static void on_news(void *context, const struct watcher_effect *news)
{
	struct ctl_web_browser *browser = context;

	switch (news->kind) {
	case WATCHER_EFFECT_EVENT:
		on_event(browser, news);
		break;
	case WATCHER_EFFECT_NOTE:
		browser->next = news->next;
		browser->age_ms = news->age_ms;
		browser->note = true;
		browser->wants(browser->context);
		break;
	case WATCHER_EFFECT_END:
		browser->tag = 0;
		if (news->answer == STORE_TOO_LATE) {
			end_watch(browser);
			begin_listing(browser);
		} else {
			refuse_glob(browser, store_answer_text(news->answer));
		}
		break;
	case WATCHER_EFFECT_SEND:
		must(false); /* inside.h keeps those */
	}
}

/* From browser->next on. */
static void begin_watch(struct ctl_web_browser *browser)
{
	const struct watcher_request request = {
		.glob = slice_make(browser->glob, browser->glob_size),
		.from = browser->next,
	};

	browser->phase = WATCHING;
	if (ctl_inside_watch(browser->desk->config.inside, &request, on_news, browser,
	                     &browser->tag) < 0) {
		refuse_glob(browser, "too many pages are open at this server");
	}
}

static void watch(struct ctl_web_browser *browser, const struct ctl_web_request *request)
{
	end_watch(browser);
	browser->ended = NULL;
	browser->turn++;
	json_decref(browser->page);
	browser->page = NULL;
	if (request->path.size > sizeof(browser->glob)) {
		refuse_glob(browser, store_answer_text(STORE_TOO_LARGE));
		return;
	}
	memcpy(browser->glob, request->path.data, request->path.size);
	browser->glob_size = request->path.size;
	if (request->rev == 0) {
		begin_listing(browser);
		return;
	}
	browser->next = request->rev;
	begin_watch(browser);
}

/* --- the history of a file ------------------------------------------------------------------- */

static void on_told(void *context, json_t *events, const char *why)
{
	struct question *question = context;
	struct ctl_web_browser *browser = question->browser;
	const json_int_t id = question->id;

	give_question(question);
	if (events != NULL) {
		say_answer(browser, id, true, json_pack("{s:o}", "events", events));
	} else {
		say_refused(browser, id, why);
	}
}

static void ask_history(struct ctl_web_browser *browser, const struct ctl_web_request *request)
{
	struct question *question;

	if (store_path_check(request->path) != STORE_PATH_GOOD) {
		say_refused(browser, request->id, store_answer_text(STORE_BAD_PATH));
		return;
	}
	question = take_question(browser, request->id);
	if (question == NULL) {
		say_refused(browser, request->id, store_answer_text(STORE_OVERLOADED));
		return;
	}
	ctl_web_history_begin(&question->history, browser->desk->config.inside, request->path,
	                      on_told, question);
}

/* --- what a page asks ------------------------------------------------------------------------ */

static void ask(struct ctl_web_browser *browser, const struct ctl_web_request *asked)
{
	static const enum proto_verb verbs[] = {
		[CTL_WEB_GET] = PROTO_GET,
		[CTL_WEB_STAT] = PROTO_STAT,
		[CTL_WEB_SET] = PROTO_SET,
		[CTL_WEB_DELETE] = PROTO_DELETE,
	};
	const bool writes = asked->verb == CTL_WEB_SET || asked->verb == CTL_WEB_DELETE;
	const struct client_request request = {
		.verb = verbs[asked->verb],
		.flags = writes ? 0 : PROTO_FLAG_STALE,
		.condition = writes ? STORE_IF_EQUAL : (enum store_condition)0,
		.rev = asked->rev,
		.path = asked->path,
		.value = asked->text,
	};
	struct question *question;

	if (writes && !ctl_web_door_may_edit(&browser->door)) {
		say_refused(browser, asked->id,
		            "read-only: web_edit = no, or no secret that lets write was told");
		return;
	}
	question = take_question(browser, asked->id);
	if (question != NULL) {
		question->most = asked->most;
	}
	if (question == NULL || ctl_inside_submit(browser->desk->config.inside, &request, on_done,
	                                          question, NULL) < 0) {
		give_question(question);
		say_refused(browser, asked->id, store_answer_text(STORE_OVERLOADED));
	}
}

/* False: it makes no sense, or it was told how many, or what it needs. */
static bool obey(struct ctl_web_browser *browser, const struct ctl_web_request *request)
{
	if (request->verb == CTL_WEB_ACCESS) {
		return ctl_web_door_ask(&browser->door, request->text);
	}
	if (!ctl_web_door_is_open(&browser->door)) {
		return false;
	}
	if (request->verb == CTL_WEB_WATCH) {
		watch(browser, request);
		return true;
	}
	if (browser->due >= CTL_WEB_ASKS_MAX) {
		return false;
	}
	browser->due++;
	if (request->verb == CTL_WEB_HISTORY) {
		ask_history(browser, request);
	} else {
		ask(browser, request);
	}
	return true;
}

bool ctl_web_browser_receive(struct ctl_web_browser *browser, struct slice message)
{
	struct ctl_web_request request;
	bool sense;

	if (!ctl_web_request_parse(message, &request)) {
		return false;
	}
	sense = obey(browser, &request);
	ctl_web_request_free(&request);
	return sense;
}

/* --- what it is told ------------------------------------------------------------------------- */

static json_t *take_events(struct ctl_web_browser *browser)
{
	json_t *object = json_pack("{s:s, s:I, s:O}", "say", "events", "next",
	                           (json_int_t)browser->next, "events", browser->events);
	json_t *empty = json_array();

	json_decref(browser->events);
	browser->events = empty;
	browser->events_size = 0;
	if (browser->paused) {
		browser->paused = false;
		(void)ctl_inside_resume(browser->desk->config.inside, browser->tag);
	}
	return object;
}

static json_t *take_page(struct ctl_web_browser *browser)
{
	json_t *page = browser->page;

	browser->page = NULL;
	if (browser->more) {
		ask_page(browser);
	} else {
		browser->next = browser->revision + 1;
		begin_watch(browser);
	}
	return page;
}

static json_t *take_answer(struct ctl_web_browser *browser)
{
	json_t *answer = json_incref(json_array_get(browser->answers, 0));

	(void)json_array_remove(browser->answers, 0);
	browser->due--;
	return answer;
}

static json_t *take_rest(struct ctl_web_browser *browser)
{
	json_t *object, *status;

	if (browser->ended != NULL) {
		object = json_pack("{s:s, s:s}", "say", "end", "answer", browser->ended);
		browser->ended = NULL;
		return object;
	}
	if (browser->note) {
		browser->note = false;
		return json_pack("{s:s, s:I, s:o}", "say", "note", "next",
		                 (json_int_t)browser->next, "age_ms",
		                 browser->age_ms == UINT32_MAX ? json_null()
		                                               : json_integer(browser->age_ms));
	}
	status = browser->status;
	browser->status = NULL;
	return status == NULL ? NULL : json_pack("{s:s, s:o}", "say", "status", "status", status);
}

json_t *ctl_web_browser_take(struct ctl_web_browser *browser)
{
	json_t *object = ctl_web_door_take(&browser->door);

	if (object != NULL || !ctl_web_door_is_open(&browser->door)) {
		return object;
	}
	if (json_array_size(browser->answers) != 0) {
		return take_answer(browser);
	}
	if (browser->page != NULL) {
		return take_page(browser);
	}
	if (json_array_size(browser->events) != 0) {
		return take_events(browser);
	}
	return take_rest(browser);
}

void ctl_web_browser_status(struct ctl_web_browser *browser, json_t *status)
{
	struct ctl_web_desk *desk = browser->desk;

	json_decref(browser->status);
	browser->status = json_incref(status);
	ask_page(browser);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct question *question = &desk->questions[i];

		if (question->browser == browser) {
			ctl_web_history_tick(&question->history);
		}
	}
	browser->wants(browser->context);
}

struct ctl_web_desk *ctl_web_desk_new(const struct ctl_web_desk_config *config)
{
	struct ctl_web_desk *desk = calloc(1, sizeof(*desk));

	if (desk != NULL) {
		desk->config = *config;
	}
	return desk;
}

void ctl_web_desk_free(struct ctl_web_desk *desk)
{
	free(desk);
}

const struct ctl_web_door *ctl_web_browser_door(const struct ctl_web_browser *browser)
{
	return &browser->door;
}

struct ctl_web_browser *ctl_web_browser_new(struct ctl_web_desk *desk, uint32_t source,
                                            void (*wants)(void *context), void *context)
{
	struct ctl_web_browser *browser = calloc(1, sizeof(*browser));

	if (browser == NULL) {
		return NULL;
	}
	*browser = (struct ctl_web_browser){
		.desk = desk,
		.wants = wants,
		.context = context,
		.answers = json_array(),
		.events = json_array(),
	};
	ctl_web_door_init(&browser->door, &(struct ctl_web_door_config){.guard = desk->config.guard,
	                                                                .source = source,
	                                                                .node = desk->config.node,
	                                                                .asks = CTL_WEB_ASKS_MAX,
	                                                                .edit = desk->config.edit,
	                                                                .wants = wants,
	                                                                .context = context});
	return browser;
}

void ctl_web_browser_free(struct ctl_web_browser *browser)
{
	if (browser == NULL) {
		return;
	}
	end_watch(browser);
	ctl_web_door_deinit(&browser->door);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		struct question *question = &browser->desk->questions[i];

		if (question->browser == browser) {
			question->browser = NULL;
			if (ctl_web_history_end(&question->history)) {
				give_question(question);
			}
		}
	}
	json_decref(browser->status);
	json_decref(browser->answers);
	json_decref(browser->page);
	json_decref(browser->events);
	free(browser);
}
