/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web_viewers.c - pages that look at the tree: their WebSockets
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/web_inner.h"

enum {
	STUCK_S = 20, /* a browser that does not read is given up */
};

static void on_wants(void *context)
{
	lws_callback_on_writable(context);
}

static void copy_header(struct lws *wsi, enum lws_token_indexes token, char *text, int size)
{
	if (lws_hdr_copy(wsi, text, size, token) < 0) {
		(void)snprintf(text, (size_t)size, "?"); /* too long to be believed */
	}
}

static void dismiss(struct ctl_web *web, struct ctl_web_viewer *viewer)
{
	if (viewer->browser == NULL) {
		return;
	}
	if (viewer->spoken_ns != 0 &&
	    ctl_clock_ns() - viewer->spoken_ns >= STUCK_S * (uint64_t)1000000000) {
		web->counters.unread++;
	}
	for (struct ctl_web_viewer **at = &web->viewers; *at != NULL; at = &(*at)->next) {
		if (*at == viewer) {
			*at = viewer->next;
			break;
		}
	}
	ctl_web_browser_free(viewer->browser);
	free(viewer->message);
	*viewer = (struct ctl_web_viewer){0};
}

/*
 * Room for one more page; false: there is none. Who has told no secret, and does not wait for a
 * word on it, makes room, the oldest first.
 */
static bool make_room(struct ctl_web *web)
{
	struct ctl_web_viewer *oldest = NULL;
	unsigned all = 0, strangers = 0;

	for (struct ctl_web_viewer *viewer = web->viewers; viewer != NULL; viewer = viewer->next) {
		const struct ctl_web_door *door = ctl_web_browser_door(viewer->browser);

		all++;
		if (!ctl_web_door_is_open(door)) {
			strangers++;
			oldest = door->guess.waits ? oldest : viewer; /* the newest stands first */
		}
	}
	if (all < CTL_WEB_BROWSERS_MAX && strangers < CTL_WEB_STRANGERS_MAX) {
		return true;
	}
	if (oldest == NULL) {
		return false;
	}
	lws_set_timeout(oldest->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
	dismiss(web, oldest);
	return true;
}

/* Whether a WebSocket is let in. */
static bool is_welcome(struct ctl_web *web, struct lws *wsi)
{
	char host[CTL_WEB_HOST_SIZE_MAX] = "", origin[CTL_WEB_HOST_SIZE_MAX] = "";
	char uri[CTL_WEB_URI_SIZE_MAX] = "";

	copy_header(wsi, WSI_TOKEN_HOST, host, sizeof(host));
	copy_header(wsi, WSI_TOKEN_GET_URI, uri, sizeof(uri));
	copy_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
	if (strcmp(uri, "/watch") != 0) {
		(void)lws_return_http_status(wsi, HTTP_STATUS_NOT_FOUND, NULL);
		return false;
	}
	if (!ctl_web_host_good(host, web->name) || !ctl_web_origin_good(origin, host)) {
		(void)lws_return_http_status(wsi, HTTP_STATUS_FORBIDDEN, NULL);
		return false;
	}
	if (web->closing || !make_room(web)) {
		(void)lws_return_http_status(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL);
		return false;
	}
	return true;
}

static int greet(struct ctl_web *web, struct ctl_web_viewer *viewer, struct lws *wsi)
{
	struct ctl_web_browser *browser = NULL;

	if (!web->closing && make_room(web)) {
		browser = ctl_web_browser_new(web->desk, ctl_web_source(wsi), on_wants, wsi);
	}
	if (browser == NULL) {
		return -1;
	}
	*viewer = (struct ctl_web_viewer){.wsi = wsi, .browser = browser, .next = web->viewers};
	web->viewers = viewer;
	if (web->status != NULL) {
		ctl_web_browser_status(browser, web->status);
	}
	on_wants(wsi);
	return 0;
}

static int hang_up(struct ctl_web_viewer *viewer)
{
	ctl_web_of(viewer->wsi)->counters.malformed++;
	return -1;
}

/* Nonzero: hang up, as libwebsockets has it. */
static int hear(struct ctl_web_viewer *viewer, const void *in, size_t size)
{
	uint8_t *more;
	size_t most;
	bool sense;

	if (viewer->browser == NULL) {
		return -1;
	}
	most = ctl_web_door_is_open(ctl_web_browser_door(viewer->browser))
	               ? CTL_WEB_MESSAGE_MAX
	               : CTL_WEB_SECRET_MESSAGE_MAX;
	if (viewer->size > most ||
	    size + lws_remaining_packet_payload(viewer->wsi) > most - viewer->size) {
		return hang_up(viewer);
	}
	more = realloc(viewer->message, viewer->size + size + 1);
	if (more == NULL) {
		return -1;
	}
	memcpy(more + viewer->size, in, size);
	viewer->message = more;
	viewer->size += size;
	if (lws_remaining_packet_payload(viewer->wsi) != 0 || !lws_is_final_fragment(viewer->wsi)) {
		return 0;
	}
	sense = !lws_frame_is_binary(viewer->wsi) &&
	        ctl_web_browser_receive(viewer->browser, slice_make(viewer->message, viewer->size));
	free(viewer->message);
	viewer->message = NULL;
	viewer->size = 0;
	ctl_web_judge(ctl_web_of(viewer->wsi));
	return sense ? 0 : hang_up(viewer);
}

/* One message; libwebsockets keeps what the socket does not take, and calls again after that. */
static int speak(struct ctl_web_viewer *viewer)
{
	int written = -1;
	json_t *object;
	uint8_t *bytes;
	size_t size;

	if (viewer->browser == NULL) {
		return -1;
	}
	object = ctl_web_browser_take(viewer->browser);
	if (object == NULL) {
		lws_set_timeout(viewer->wsi, NO_PENDING_TIMEOUT, 0);
		viewer->spoken_ns = 0;
		return 0;
	}
	size = json_dumpb(object, NULL, 0, JSON_COMPACT);
	bytes = malloc(LWS_PRE + size);
	if (bytes != NULL) {
		(void)json_dumpb(object, (char *)bytes + LWS_PRE, size, JSON_COMPACT);
		written = lws_write(viewer->wsi, bytes + LWS_PRE, size, LWS_WRITE_TEXT);
		free(bytes);
	}
	json_decref(object);
	viewer->spoken_ns = ctl_clock_ns();
	lws_set_timeout(viewer->wsi, PENDING_TIMEOUT_USER_REASON_BASE, STUCK_S);
	lws_callback_on_writable(viewer->wsi);
	return written < (int)size ? -1 : 0;
}

int ctl_web_on_watch(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                     size_t size)
{
	struct ctl_web_viewer *viewer = user;

	/* There are some hundred reasons; these are those of use. */
	switch ((int)reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		if (!is_welcome(ctl_web_of(wsi), wsi)) {
			ctl_web_of(wsi)->counters.refused++;
			return -1;
		}
		return 0;
	case LWS_CALLBACK_ESTABLISHED:
		return greet(ctl_web_of(wsi), viewer, wsi);
	case LWS_CALLBACK_RECEIVE:
		return hear(viewer, in, size);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return speak(viewer);
	case LWS_CALLBACK_CLOSED:
		dismiss(ctl_web_of(wsi), viewer);
		return 0;
	default:
		return 0;
	}
}

void ctl_web_dismiss_all(struct ctl_web *web)
{
	while (web->viewers != NULL) {
		dismiss(web, web->viewers);
	}
}
