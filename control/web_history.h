/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_history.h - the changes of one file that are still kept
 *
 * A watch of its own, whose glob is the path: begun at the first revision, again at the oldest that
 * is kept, and ended when it has come to the present, or after CTL_WEB_HISTORY_TICKS ticks with
 * what it has.
 *
 * Threads: the control thread's.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/inside.h"
#include "store/limits.h"
#include "store/proto_page.h"

enum {
	CTL_WEB_HISTORY_MAX = 100, /* events that are told, the last ones */
	CTL_WEB_HISTORY_TICKS = 8, /* about a second each */
	CTL_WEB_PREVIEW_MAX = 200, /* bytes of an event's value that are told */
};

/* Once: `events` is given; NULL: none, and a sentence (static). The history is over then. */
typedef void ctl_web_history_fn(void *context, json_t *events, const char *why);

/* All zero: there is none. */
struct ctl_web_history {
	struct ctl_inside *inside;
	ctl_web_history_fn *told;
	void *context;
	json_t *events; /* owned; NULL: there is none */
	uint64_t tag;   /* 0: no watch */
	unsigned tries, ticks;
	size_t path_size;
	char path[STORE_PATH_SIZE_MAX];
};

/* Begins one; `path` is a good path, copied. `told` may be called at once. */
void ctl_web_history_begin(struct ctl_web_history *history, struct ctl_inside *inside,
                           struct slice path, ctl_web_history_fn *told, void *context);

/* Time passes. Does nothing if there is none. */
void ctl_web_history_tick(struct ctl_web_history *history);

/* Ends it without a word. False: there was none. */
bool ctl_web_history_end(struct ctl_web_history *history);

/* An event as a page is told it; given, NULL without memory. */
json_t *ctl_web_event_json(const struct proto_event *event);
