/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - watches of a handle: callbacks around store/watcher
 *
 * A watch "from now on" asks for the store's present revision first. One such request is under way
 * at a time; it serves all watches that were begun before it was sent.
 */
#include <errno.h>
#include <string.h>

#include "control/client/coffer.h"
#include "control/client/handle.h"
#include "store/base/check.h"

static_assert((int)COFFER_EVENT_SET == (int)STORE_EVENT_SET, "kinds are the store's");
static_assert((int)COFFER_EVENT_DELETE == (int)STORE_EVENT_DELETE, "kinds are the store's");
static_assert((int)COFFER_CAUSE_RELEASED == (int)STORE_CAUSE_RELEASED &&
                      (int)COFFER_CAUSE_RESTED == (int)STORE_CAUSE_RESTED,
              "causes are the store's");

/* The watch of this id, or NULL. */
static struct ctl_watch *find(struct coffer *coffer, uint64_t id)
{
	const unsigned index = watcher_index(id);

	if (index >= coffer->watches_max || coffer->watches[index].fn == NULL ||
	    coffer->watches[index].id != id) {
		return NULL;
	}
	return &coffer->watches[index];
}

static void forget(struct coffer *coffer, struct ctl_watch *watch)
{
	coffer->unbegun -= watch->turn != 0 ? 1 : 0;
	*watch = (struct ctl_watch){0};
}

static void tell(struct coffer *coffer, const struct ctl_watch *watch,
                 const struct coffer_news *news)
{
	coffer->calling_back = true;
	watch->fn(watch->context, news);
	coffer->calling_back = false;
}

/* --- from now on ---------------------------------------------------------------------------- */

void ctl_watch_ask_rev(struct coffer *coffer, uint64_t now_ns)
{
	const struct client_request request = {.verb = PROTO_REV, .context = CTL_PENDING_REV};

	/* -EAGAIN: as many requests as there may be; asked when one of them has ended. */
	if (coffer->unbegun != 0 && !coffer->rev_is_asked &&
	    client_submit(coffer->client, now_ns, &request, NULL) == 0) {
		coffer->rev_is_asked = true;
		coffer->rev_turn++;
	}
}

/* The next watch that this REV is for, from `*index` on; NULL: no more. */
static struct ctl_watch *next_served(struct coffer *coffer, unsigned *index)
{
	for (; *index < coffer->watches_max && coffer->unbegun != 0; (*index)++) {
		struct ctl_watch *watch = &coffer->watches[*index];

		if (watch->turn != 0 && watch->turn <= coffer->rev_turn) {
			return watch;
		}
	}
	return NULL;
}

static void begin_at(struct coffer *coffer, uint64_t now_ns, struct ctl_watch *watch, int64_t from)
{
	coffer->unbegun--;
	watch->turn = 0;
	must(watcher_resume(coffer->watcher, now_ns, watch->id, from) == 0);
	if (watch->is_paused) {
		must(watcher_pause(coffer->watcher, now_ns, watch->id) == 0);
	}
}

int ctl_watch_on_rev(struct coffer *coffer, uint64_t now_ns, const struct client_result *result)
{
	struct ctl_watch *watch;
	unsigned index = 0;
	int called = 0;

	coffer->rev_is_asked = false;
	if (result->outcome == CLIENT_UNREACHED) {
		return 0; /* a watch has no time-out: the next turn asks again */
	}
	for (; (watch = next_served(coffer, &index)) != NULL; index++) {
		const struct ctl_watch told = *watch;
		const struct coffer_news end = {
			.kind = COFFER_NEWS_END,
			.id = told.id,
			.answer = (enum coffer_answer)result->answer.answer,
		};

		if (result->outcome == CLIENT_DONE) {
			begin_at(coffer, now_ns, watch, result->answer.store_revision + 1);
			continue;
		}
		(void)coffer_unwatch(coffer, told.id);
		tell(coffer, &told, &end);
		called++;
	}
	return called;
}

/* --- news ----------------------------------------------------------------------------------- */

void ctl_watch_news(struct coffer *coffer, const struct watcher_effect *effect)
{
	const struct proto_event *in = &effect->event;
	struct ctl_watch *watch = find(coffer, effect->tag);
	const struct ctl_watch told = watch != NULL ? *watch : (struct ctl_watch){0};
	const struct coffer_event event = {
		.revision = in->revision,
		.previous = in->previous,
		.entry_last = in->revision + in->rest,
		.kind = (enum coffer_event_kind)in->kind,
		.cause = (enum coffer_cause)in->cause,
		.path = (const char *)in->path.data,
		.path_size = in->path.size,
		.value = in->value.data,
		.value_size = in->value.size,
	};
	struct coffer_news news = {
		.kind = COFFER_NEWS_NOTE,
		.id = effect->tag,
		.next = effect->next,
		.store_revision = effect->store_revision,
		.age_ms = effect->age_ms,
		.node = effect->node,
	};

	must(watch != NULL);
	if (effect->kind == WATCHER_EFFECT_EVENT) {
		news.kind = COFFER_NEWS_EVENT;
		news.event = &event;
	} else if (effect->kind == WATCHER_EFFECT_END) {
		news.kind = COFFER_NEWS_END;
		news.answer = (enum coffer_answer)effect->answer;
		news.oldest = effect->oldest;
		forget(coffer, watch);
	}
	tell(coffer, &told, &news);
}

unsigned ctl_watch_left(const struct coffer *coffer)
{
	const unsigned taken = watcher_count(coffer->watcher) + coffer->watches_reserved;

	return taken < coffer->watches_max ? coffer->watches_max - taken : 0;
}

/* --- watching ------------------------------------------------------------------------------- */

int ctl_watch_begin(struct coffer *coffer, const char *glob, int64_t from, uint16_t limit,
                    coffer_news_fn *fn, void *context, uint64_t *ret_id)
{
	const uint64_t now_ns = ctl_handle_now_ns();
	struct watcher_request request = {.from = from, .limit = limit};
	struct ctl_watch *watch;
	uint64_t id;
	int r;

	if (glob == NULL || fn == NULL) {
		return -EINVAL;
	}
	if (ctl_watch_left(coffer) == 0) {
		return -EAGAIN;
	}
	request.glob = slice_text(glob);
	r = watcher_watch(coffer->watcher, now_ns, &request, &id);
	if (r < 0) {
		return r;
	}
	watch = &coffer->watches[watcher_index(id)];
	must(watch->fn == NULL);
	*watch = (struct ctl_watch){.fn = fn, .context = context, .id = id};
	if (from == 0) {
		watch->turn = coffer->rev_turn + 1;
		coffer->unbegun++;
		ctl_watch_ask_rev(coffer, now_ns);
	}
	if (ret_id != NULL) {
		*ret_id = id;
	}
	ctl_handle_flush(coffer);
	return 0;
}

int coffer_watch(struct coffer *coffer, const char *glob, int64_t from, coffer_news_fn *fn,
                 void *context, uint64_t *ret_id)
{
	return ctl_watch_begin(coffer, glob, from, 0, fn, context, ret_id);
}

int coffer_unwatch(struct coffer *coffer, uint64_t id)
{
	struct ctl_watch *watch = find(coffer, id);

	if (watch == NULL) {
		return -ENOENT;
	}
	forget(coffer, watch);
	must(watcher_unwatch(coffer->watcher, ctl_handle_now_ns(), id) == 0);
	ctl_handle_flush(coffer);
	return 0;
}

int coffer_pause(struct coffer *coffer, uint64_t id)
{
	struct ctl_watch *watch = find(coffer, id);

	if (watch == NULL) {
		return -ENOENT;
	}
	watch->is_paused = true;
	must(watcher_pause(coffer->watcher, ctl_handle_now_ns(), id) == 0);
	ctl_handle_flush(coffer);
	return 0;
}

int coffer_resume(struct coffer *coffer, uint64_t id)
{
	struct ctl_watch *watch = find(coffer, id);

	if (watch == NULL) {
		return -ENOENT;
	}
	watch->is_paused = false;
	if (watch->turn == 0) {
		must(watcher_resume(coffer->watcher, ctl_handle_now_ns(), id, 0) == 0);
	}
	ctl_handle_flush(coffer);
	return 0;
}

unsigned coffer_watches(const struct coffer *coffer)
{
	return watcher_count(coffer->watcher);
}

void ctl_watch_end_all(struct coffer *coffer, uint64_t now_ns)
{
	for (unsigned i = 0; i < coffer->watches_max; i++) {
		struct ctl_watch *watch = &coffer->watches[i];

		if (watch->fn != NULL) {
			must(watcher_unwatch(coffer->watcher, now_ns, watch->id) == 0);
			forget(coffer, watch);
		}
	}
}
