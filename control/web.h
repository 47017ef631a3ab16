/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web.h - the web view: HTTP and WebSocket for people, on the control thread's loop
 *
 *      GET /             the page (web_page.html, embedded); all it needs is in it
 *      GET /health       200 and "ok", or 503 and a sentence
 *      GET /metrics      counters and indexes in Prometheus' text format
 *      GET /status.json  the status of cofferctl, with "time_ms" and "leaders"
 *      WebSocket /watch  the tree, live (web_browser.h); subprotocol coffer-watch
 *
 * What it tells of the replica it asks the worker, once a second, and at once when something
 * happened there; of that it also keeps who led when. Whoever asks over HTTP waits for the next
 * answer, for CTL_WEB_PATIENCE_S at most.
 *
 * Where the server has secrets the page asks for one, and /status.json takes it as a bearer token;
 * wrong ones are judged slowly (web_guard.h). /health and /metrics, which name no file and no
 * address, stay open, as a balancer and a scraper expect. Secrets cross the wire as they are.
 *
 * Bounded: CTL_WEB_CONNECTIONS_MAX connections, of them CTL_WEB_BROWSERS_MAX WebSockets, and
 * CTL_WEB_STRANGERS_MAX of those without the secret they need; requests of 4 KiB; a connection that
 * neither asks nor reads is closed. A WebSocket is taken only from a page of this server
 * (web_text.h says how that is judged).
 *
 * Threads: the control thread's. libwebsockets' log is switched off for the whole process.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "control/reason.h"
#include "control/web_types.h"

struct ctl_web;

/*
 * Listens. Everything is borrowed until close. Returns 0, or a negative errno and the sentence;
 * then, too, the loop has to run once more, so that what was begun is closed.
 */
int ctl_web_open(struct ctl_web **ret_web, uv_loop_t *loop, const struct ctl_web_config *config,
                 struct ctl_reason *ret_reason);

/* Whether a status is for the web view: its address is CTL_INSIDE_WEB's. */
bool ctl_web_is_for(const struct paxos_address *address);

/* The status that was asked for; taken. NULL: it made no sense, or no memory. */
void ctl_web_status(struct ctl_web *web, json_t *status);

/* What it refused, into a status (control/status.h). NULL is fine. */
void ctl_web_add_counters(const struct ctl_web *web, json_t *status);

/* Something happened at the replica: ask for its status soon. NULL is fine. */
void ctl_web_stir(struct ctl_web *web);

/*
 * Begins to close: the loop has to run until nothing is left in it, and then ctl_web_free().
 * NULL is fine, for both.
 */
void ctl_web_close(struct ctl_web *web);
void ctl_web_free(struct ctl_web *web);
