/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_inner.h - what the files of the web view share
 *
 *      web.c         listens; the status; turns of the guard; closing
 *      web_http.c    requests over HTTP
 *      web_viewers.c pages: WebSockets
 *
 * Threads: the control thread's.
 */

#include <jansson.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "control/web_answer.h"
#include "control/web_browser.h"
#include "control/web_guard.h"
#include "control/web_reigns.h"
#include "control/web_text.h"
#include "control/web_types.h"

enum {
	CTL_WEB_URI_SIZE_MAX = 64,
};

/* A request over HTTP. All zero until the first; libwebsockets owns it. */
struct ctl_web_asked {
	struct lws *wsi;
	struct ctl_web_asked *next; /* while it waits for a status */
	bool waits;
	enum {
		HEALTH,
		METRICS,
		STATUS
	} what;
	struct ctl_web_guess guess; /* STATUS: the secret that it needs */
	struct ctl_web_answer answer;
};

/* A WebSocket. All zero until it is there; libwebsockets owns it. */
struct ctl_web_viewer {
	struct lws *wsi;
	struct ctl_web_viewer *next;
	struct ctl_web_browser *browser;
	uint8_t *message; /* owned; as far as it has come */
	size_t size;
	uint64_t spoken_ns; /* when it was sent what it has not taken; 0: it has taken all */
};

struct ctl_web {
	struct ctl_web_config config;
	struct ctl_inside *inside;
	struct ctl_web_desk *desk;
	struct ctl_web_viewer *viewers;
	struct lws_context *lws;
	uv_timer_t timer;
	uv_timer_t pace; /* while secrets wait to be judged */
	struct ctl_web_guard guard;
	struct {
		uint64_t refused, malformed, unread; /* pages */
	} counters;
	struct ctl_web_asked *waiting;
	json_t *status; /* the last, or NULL */
	bool asked;     /* a status is under way */
	bool closing;
	char name[CTL_WEB_HOST_SIZE_MAX]; /* of this machine */
	struct ctl_web_reigns reigns;
};

/* Asks the worker for its status, if that is not under way. */
void ctl_web_ask_status(struct ctl_web *web);

/* Judges the secrets whose turn it is, and sees that the others have theirs. */
void ctl_web_judge(struct ctl_web *web);

/* The address at the other end. */
uint32_t ctl_web_source(struct lws *wsi);

/* The web view that it is of. */
struct ctl_web *ctl_web_of(struct lws *wsi);

/* Answers those that wait for a status, which is there. */
void ctl_web_http_tell(struct ctl_web *web);

/* As libwebsockets calls them. */
int ctl_web_on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size);
int ctl_web_on_watch(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t size);

/* Lets all pages go. */
void ctl_web_dismiss_all(struct ctl_web *web);
