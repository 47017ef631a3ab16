/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/lookout.h"

#include "store/base/check.h"
#include "tests/sim/chance.h"

/* --- what it is given ------------------------------------------------------------------------ */

static unsigned place_of(const struct lookout *lookout, uint64_t tag)
{
	unsigned i = 0;

	while (lookout->watches[i].tag != tag) {
		i++;
		must(i < lookout->options->watches);
	}
	return i;
}

static void begin(struct lookout *lookout, struct stage *stage, unsigned i, const char *glob,
                  store_rev_t from, store_rev_t last)
{
	const struct watcher_request request = {
		.glob = slice_text(glob),
		.from = from,
		.last = last,
		.limit = prng_chance(&stage->prng, 1, 4) ? 1 : 0,
	};

	lookout->watches[i].is_paused = false;
	must(watcher_watch(lookout->watcher, stage->now_ns, &request, &lookout->watches[i].tag) ==
	     0);
	watchbook_begin(&stage->watchbook, lookout->watches[i].tag, glob, from, last);
}

/* Returns true if a watch came to its end, and another begins. */
static bool take(struct lookout *lookout, struct stage *stage, const struct watcher_effect *effect)
{
	struct watchbook *book = &stage->watchbook;

	switch (effect->kind) {
	case WATCHER_EFFECT_SEND:
		stage_send(stage, stage->now_ns, NET_CLIENT + lookout->index, effect->server,
		           effect->bytes);
		break;
	case WATCHER_EFFECT_EVENT:
		watchbook_event(book, stage->now_ns, effect->tag, &effect->event);
		break;
	case WATCHER_EFFECT_NOTE:
		watchbook_note(book, stage->now_ns, effect->tag, effect->next);
		break;
	case WATCHER_EFFECT_END:
	default:
		watchbook_end(book, stage->now_ns, effect->tag, effect->answer, effect->oldest);
		return true;
	}
	return false;
}

static void take_all(struct lookout *lookout, struct stage *stage)
{
	struct watcher_effect effect;

	while (watcher_take(lookout->watcher, &effect)) {
		if (take(lookout, stage, &effect)) {
			const struct watchbook_watch ended =
				*watchbook_of(&stage->watchbook, effect.tag);

			begin(lookout, stage, place_of(lookout, effect.tag), ended.glob,
			      effect.oldest, 0);
		}
	}
}

/* --- what it wants --------------------------------------------------------------------------- */

static const char *draw_glob(struct prng *prng)
{
	static const char *const globs[] = {
		"/**", "/d*/*", "/n?/**", "/d0/*", "/d1/key-1", "/*/key-?", "/d2/**", "/n0/key-*",
	};

	return globs[prng_below(prng, sizeof(globs) / sizeof(globs[0]))];
}

static void change_mind(struct lookout *lookout, struct stage *stage)
{
	const unsigned i = (unsigned)prng_below(&stage->prng, lookout->options->watches);
	const uint64_t tag = lookout->watches[i].tag;
	const struct watchbook_watch before = *watchbook_of(&stage->watchbook, tag);

	lookout->acts++;
	if (lookout->watches[i].is_paused) {
		lookout->watches[i].is_paused = false;
		must(watcher_resume(lookout->watcher, stage->now_ns, tag, 0) == 0);
	} else if (prng_chance(&stage->prng, 1, 2)) {
		lookout->watches[i].is_paused = true;
		must(watcher_pause(lookout->watcher, stage->now_ns, tag) == 0);
	} else if (watcher_count(lookout->watcher) < lookout->options->watcher.watches_max) {
		must(watcher_unwatch(lookout->watcher, stage->now_ns, tag) == 0);
		if (prng_chance(&stage->prng, 1, 2)) {
			begin(lookout, stage, i, before.glob, before.given, before.given_last);
		} else {
			begin(lookout, stage, i, draw_glob(&stage->prng),
			      1 + (store_rev_t)prng_below(&stage->prng, (uint64_t)before.given + 4),
			      0);
		}
	}
}

void lookout_tick(struct lookout *lookout, struct stage *stage)
{
	if (lookout->watcher == NULL) {
		return;
	}
	watcher_tick(lookout->watcher, stage->now_ns);
	take_all(lookout, stage);
	if (!lookout->is_steady && stage->now_ns >= lookout->whim_ns) {
		lookout->whim_ns =
			stage->now_ns + chance_exponential(&stage->prng, lookout->options->whim_ns);
		change_mind(lookout, stage);
		take_all(lookout, stage);
	}
}

void lookout_arrival(struct lookout *lookout, struct stage *stage, unsigned server,
                     struct slice bytes)
{
	if (lookout->watcher != NULL) {
		watcher_receive(lookout->watcher, stage->now_ns, server, bytes);
		take_all(lookout, stage);
	}
}

uint64_t lookout_deadline_ns(const struct lookout *lookout)
{
	uint64_t deadline_ns;

	if (lookout->watcher == NULL) {
		return UINT64_MAX;
	}
	deadline_ns = watcher_deadline_ns(lookout->watcher);
	return !lookout->is_steady && lookout->whim_ns < deadline_ns ? lookout->whim_ns
	                                                             : deadline_ns;
}

void lookout_calm(struct lookout *lookout, struct stage *stage)
{
	if (lookout->watcher == NULL) {
		return;
	}
	lookout->is_steady = true;
	for (unsigned i = 0; i < lookout->options->watches; i++) {
		if (lookout->watches[i].is_paused) {
			lookout->watches[i].is_paused = false;
			must(watcher_resume(lookout->watcher, stage->now_ns,
			                    lookout->watches[i].tag, 0) == 0);
		}
	}
	take_all(lookout, stage);
}

bool lookout_has_seen(const struct lookout *lookout, const struct stage *stage,
                      store_rev_t revision)
{
	for (unsigned i = 0; lookout->watcher != NULL && i < lookout->options->watches; i++) {
		if (watchbook_of(&stage->watchbook, lookout->watches[i].tag)->given <= revision) {
			return false;
		}
	}
	return true;
}

void lookout_init(struct lookout *lookout, unsigned index, const struct lookout_options *options,
                  struct stage *stage)
{
	struct watcher_config config = options->watcher;

	*lookout = (struct lookout){.index = index, .options = options};
	if (options->watches == 0) {
		return;
	}
	must(options->watches <= LOOKOUT_WATCHES_MAX);
	config.seed = prng_next(&stage->prng);
	config.secret = prng_next(&stage->prng);
	must(watcher_new(&lookout->watcher, &config) == 0);
	lookout->whim_ns = stage->now_ns + chance_exponential(&stage->prng, options->whim_ns);
	for (unsigned i = 0; i < options->watches; i++) {
		begin(lookout, stage, i, draw_glob(&stage->prng),
		      1 + (store_rev_t)prng_below(&stage->prng, 4), 0);
	}
}

void lookout_deinit(struct lookout *lookout)
{
	watcher_free(lookout->watcher);
	lookout->watcher = NULL;
}
