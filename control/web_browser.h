/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_browser.h - one page that looks at the tree, without its socket
 *
 *      ctl_web_browser_receive(b, message)     the page asks (web_request.h)
 *      ctl_web_browser_take(b)                 the next message for it, when its socket has room
 *
 *      {"say": "secret", ...}, {"say": "hello", ...}             what it may do (web_door.h)
 *      {"say": "page", "first", "more", "revision", "files": [PATH, REVISION, ...]}
 *      {"say": "events", "next", "events": [{"revision", "path", "kind", "size", "text"}, ...]}
 *      {"say": "note", "next", "age_ms"}       nothing happened below `next`; null: never in touch
 *      {"say": "end", "answer"}                the glob is refused
 *      {"say": "status", "status"}             as /status.json
 *      {"say": "answer", "id", "ok", "answer", "code", "revision", ...}
 *
 * A watch begins with the files that match, page by page, all as of one revision R; then come the
 * events from R + 1 on, each once and in order. Who comes back with `from` gets the events from
 * there; where they are not kept any more, all files again (a page that is "first").
 *
 *      NONE --watch from 0--> LISTING --last page was taken--> WATCHING --lost--> LISTING
 *        `---watch from R-----------------------------------------^
 *
 * A page that may not read is told nothing but that, and whatever it asks, it is hung up.
 *
 * Bounded by the page's own reading: the next page of files is asked for when the last was taken,
 * the watch is paused while CTL_WEB_EVENTS_SIZE of events wait, and at most CTL_WEB_ASKS_MAX
 * answers are due.
 *
 * Threads: the control thread's.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "control/inside.h"
#include "control/web_door.h"
#include "store/base/slice.h"

enum {
	CTL_WEB_EVENTS_SIZE = 64 * 1024,
	CTL_WEB_ASKS_MAX = 8,
	CTL_WEB_SECRET_MESSAGE_MAX = 4096, /* from a page that may not read */
	CTL_WEB_MESSAGE_MAX = 220 * 1024,  /* from a page: the largest value, each byte as \u00XX */
};

struct ctl_web_desk; /* what all browsers share */

struct ctl_web_desk_config {
	struct ctl_inside *inside;   /* borrowed; closed before the desk is freed */
	struct ctl_web_guard *guard; /* borrowed; its turns are the caller's */
	unsigned node;               /* number of this server */
	bool edit;                   /* SET and DELETE are obeyed, of those that may write */
};

/* NULL without memory. The desk's questions are answered as long as `inside` lives. */
struct ctl_web_desk *ctl_web_desk_new(const struct ctl_web_desk_config *config);
void ctl_web_desk_free(struct ctl_web_desk *desk);

struct ctl_web_browser;

/*
 * `wants` is called when there is something to take; `source` is the address of the page. NULL
 * without memory.
 */
struct ctl_web_browser *ctl_web_browser_new(struct ctl_web_desk *desk, uint32_t source,
                                            void (*wants)(void *context), void *context);
/* NULL is fine. */
void ctl_web_browser_free(struct ctl_web_browser *browser);

/* What it may do. */
const struct ctl_web_door *ctl_web_browser_door(const struct ctl_web_browser *browser);

/* Borrowed for the call. False: it makes no sense, hang up. */
bool ctl_web_browser_receive(struct ctl_web_browser *browser, struct slice message);

/* The server's status, borrowed for the call; once a second or so. Also gives up what is overdue.
 */
void ctl_web_browser_status(struct ctl_web_browser *browser, json_t *status);

/* The next message as an object; given (json_decref). NULL: there is none now. */
json_t *ctl_web_browser_take(struct ctl_web_browser *browser);
