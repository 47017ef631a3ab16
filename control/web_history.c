/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web_history.h"

#include <string.h>

#include "control/web_text.h"
#include "store/answer.h"
#include "store/base/check.h"

enum {
	TRIES_MAX = 5 /* to begin where events are still kept */
};

json_t *ctl_web_event_json(const struct proto_event *event)
{
	json_t *object =
		json_pack("{s:I, s:s, s:o}", "revision", (json_int_t)event->revision, "kind",
	                  event->kind == STORE_EVENT_SET ? "set" : "delete", "path",
	                  json_stringn((const char *)event->path.data, event->path.size));

	if (event->kind == STORE_EVENT_SET) {
		(void)ctl_web_put_bytes(object, event->value, CTL_WEB_PREVIEW_MAX);
	}
	return object;
}

bool ctl_web_history_end(struct ctl_web_history *history)
{
	if (history->events == NULL) {
		return false;
	}
	if (history->tag != 0) {
		(void)ctl_inside_unwatch(history->inside, history->tag);
	}
	json_decref(history->events);
	history->events = NULL;
	return true;
}

/* `why` NULL: it is as it should be. */
static void tell(struct ctl_web_history *history, const char *why)
{
	json_t *events = why == NULL ? json_incref(history->events) : NULL;

	(void)ctl_web_history_end(history);
	history->told(history->context, events, why);
}

static void on_news(void *context, const struct watcher_effect *news);

static void watch_from(struct ctl_web_history *history, store_rev_t from)
{
	const struct watcher_request request = {
		.glob = slice_make(history->path, history->path_size),
		.from = from,
	};

	history->tag = 0;
	if (++history->tries > TRIES_MAX ||
	    ctl_inside_watch(history->inside, &request, on_news, history, &history->tag) < 0) {
		tell(history, "it cannot be read now; try again");
	}
}

static void on_news(void *context, const struct watcher_effect *news)
{
	struct ctl_web_history *history = context;

	must(history->events != NULL);
	if (news->kind == WATCHER_EFFECT_END) {
		history->tag = 0;
		if (news->answer == STORE_TOO_LATE) {
			watch_from(history, news->oldest);
		} else {
			tell(history, store_answer_text(news->answer));
		}
		return;
	}
	if (news->kind == WATCHER_EFFECT_EVENT) {
		(void)json_array_append_new(history->events, ctl_web_event_json(&news->event));
		if (json_array_size(history->events) > CTL_WEB_HISTORY_MAX) {
			(void)json_array_remove(history->events, 0);
		}
	}
	if (news->next > news->store_revision) {
		tell(history, NULL);
	}
}

void ctl_web_history_begin(struct ctl_web_history *history, struct ctl_inside *inside,
                           struct slice path, ctl_web_history_fn *told, void *context)
{
	must(path.size <= sizeof(history->path));
	*history = (struct ctl_web_history){
		.inside = inside,
		.told = told,
		.context = context,
		.events = json_array(),
		.path_size = path.size,
	};
	memcpy(history->path, path.data, path.size);
	if (history->events == NULL) {
		told(context, NULL, store_answer_text(STORE_OVERLOADED));
		return;
	}
	watch_from(history, 1);
}

void ctl_web_history_tick(struct ctl_web_history *history)
{
	if (history->events != NULL && ++history->ticks > CTL_WEB_HISTORY_TICKS) {
		tell(history, NULL);
	}
}
