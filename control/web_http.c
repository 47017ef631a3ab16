/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_http.c - requests over HTTP: the page, and what the replica says of itself
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "control/secret.h"
#include "control/web_inner.h"

enum {
	CTL_WEB_GUESS_S = 20, /* longer than all that may be before it wait */
};

/* --- the status ------------------------------------------------------------------------------ */

static int answer_status(const struct ctl_web *web, struct ctl_web_asked *asked)
{
	const char *sentence;

	switch (asked->what) {
	case HEALTH:
		sentence = ctl_web_unhealthy(web->status);
		return ctl_web_answer_sentence(&asked->answer, asked->wsi,
		                               sentence == NULL ? HTTP_STATUS_OK
		                                                : HTTP_STATUS_SERVICE_UNAVAILABLE,
		                               sentence == NULL ? "ok" : sentence);
	case METRICS:
		return ctl_web_answer_text(&asked->answer, asked->wsi, HTTP_STATUS_OK,
		                           "text/plain; version=0.0.4; charset=utf-8",
		                           ctl_web_metrics(web->status));
	case STATUS:
		return ctl_web_answer_text(&asked->answer, asked->wsi, HTTP_STATUS_OK,
		                           "application/json",
		                           json_dumps(web->status, JSON_COMPACT));
	}
	return -1;
}

static void forget(struct ctl_web *web, struct ctl_web_asked *asked)
{
	for (struct ctl_web_asked **at = &web->waiting; *at != NULL; at = &(*at)->next) {
		if (*at == asked) {
			*at = asked->next;
			break;
		}
	}
	asked->waits = false;
}

static void hang_up(const struct ctl_web_asked *asked)
{
	lws_set_timeout(asked->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

void ctl_web_http_tell(struct ctl_web *web)
{
	while (web->waiting != NULL) {
		struct ctl_web_asked *asked = web->waiting;

		forget(web, asked);
		if (answer_status(web, asked) != 0) {
			hang_up(asked);
		}
	}
}

/* --- requests over HTTP ---------------------------------------------------------------------- */

static int wait_for_status(struct ctl_web *web, struct ctl_web_asked *asked)
{
	asked->waits = true;
	asked->next = web->waiting;
	web->waiting = asked;
	lws_set_timeout(asked->wsi, PENDING_TIMEOUT_HTTP_CONTENT, CTL_WEB_PATIENCE_S);
	ctl_web_ask_status(web);
	return 0;
}

static int say_shut(struct ctl_web_asked *asked)
{
	return ctl_web_answer_sentence(&asked->answer, asked->wsi, HTTP_STATUS_UNAUTHORIZED,
	                               "it needs a secret: Authorization: Bearer SECRET");
}

static void on_judged(void *context, unsigned rights)
{
	struct ctl_web_asked *asked = context;
	const int r =
		rights == 0 ? say_shut(asked) : wait_for_status(ctl_web_of(asked->wsi), asked);

	if (r != 0) {
		hang_up(asked);
	}
}

/* It tells addresses, so it asks for the secret as the page does. */
static int on_status(struct ctl_web *web, struct ctl_web_asked *asked)
{
	static const char scheme[] = "Bearer ";
	char host[CTL_WEB_HOST_SIZE_MAX], told[CTL_SECRET_SIZE_MAX + sizeof(scheme)] = "";

	if (lws_hdr_copy(asked->wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0 ||
	    !ctl_web_host_good(host, web->name)) {
		return ctl_web_answer_sentence(&asked->answer, asked->wsi, HTTP_STATUS_FORBIDDEN,
		                               "this server is not called so; ask by its address");
	}
	asked->what = STATUS;
	if ((ctl_web_guard_rights(&web->guard) & STORE_MAY_READ) != 0) {
		return wait_for_status(web, asked);
	}
	if (lws_hdr_copy(asked->wsi, told, sizeof(told), WSI_TOKEN_HTTP_AUTHORIZATION) < 0 ||
	    strncasecmp(told, scheme, strlen(scheme)) != 0) {
		return say_shut(asked);
	}
	asked->guess = (struct ctl_web_guess){
		.judged = on_judged, .context = asked, .source = ctl_web_source(asked->wsi)};
	if (!ctl_web_guard_ask(&web->guard, &asked->guess, slice_text(told + strlen(scheme)))) {
		return ctl_web_answer_sentence(&asked->answer, asked->wsi,
		                               HTTP_STATUS_SERVICE_UNAVAILABLE,
		                               "too many secrets are told; again, later");
	}
	lws_set_timeout(asked->wsi, PENDING_TIMEOUT_HTTP_CONTENT, CTL_WEB_GUESS_S);
	ctl_web_judge(web);
	return 0;
}

static int on_request(struct ctl_web *web, struct ctl_web_asked *asked, const char *uri)
{
	if (lws_hdr_total_length(asked->wsi, WSI_TOKEN_GET_URI) == 0) {
		return ctl_web_answer_sentence(&asked->answer, asked->wsi,
		                               HTTP_STATUS_METHOD_NOT_ALLOWED, "only GET is known");
	}
	if (strcmp(uri, "/") == 0) {
		return ctl_web_answer_page(&asked->answer, asked->wsi);
	}
	if (strcmp(uri, "/health") == 0) {
		asked->what = HEALTH;
		return wait_for_status(web, asked);
	}
	if (strcmp(uri, "/metrics") == 0) {
		asked->what = METRICS;
		return wait_for_status(web, asked);
	}
	if (strcmp(uri, "/status.json") == 0) {
		return on_status(web, asked);
	}
	return ctl_web_answer_sentence(&asked->answer, asked->wsi, HTTP_STATUS_NOT_FOUND,
	                               "there are /, /health, /metrics and /status.json");
}

int ctl_web_on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
	struct ctl_web_asked *asked = user;
	char uri[CTL_WEB_URI_SIZE_MAX] = "";

	/* There are some hundred reasons; these are those of use. */
	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		if (size < sizeof(uri)) {
			memcpy(uri, in, size);
		}
		asked->wsi = wsi;
		return on_request(ctl_web_of(wsi), asked, uri);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return ctl_web_answer_go_on(&asked->answer, wsi);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* a WebSocket of another kind */
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (asked != NULL) {
			ctl_web_guard_forget(&ctl_web_of(wsi)->guard, &asked->guess);
			if (asked->waits) {
				forget(ctl_web_of(wsi), asked);
			}
			ctl_web_answer_drop(&asked->answer);
		}
		return 0;
	default:
		return 0;
	}
}
