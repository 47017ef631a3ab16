/* SPDX-License-Identifier: Apache-2.0 */
#include "control/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/web_answer.h"
#include "control/web_browser.h"
#include "control/web_reigns.h"
#include "control/web_text.h"
#include "store/base/check.h"

enum {
	STATUS_MS = 1000, /* between two asks when nothing happens */
	STIRRED_MS = 50,  /* and when something does */
	IDLE_S = 15,      /* of a connection that asks nothing */
	URI_SIZE_MAX = 64,
	PING_S = 10,         /* a silent browser is asked whether it is there */
	GONE_S = 25,         /* and given up */
	STUCK_S = 20,        /* a browser that does not read is given up */
	RECEIVE_SIZE = 4096, /* of a message, at once */
	/* One for each browser, and histories. */
	WATCHES_MAX = CTL_WEB_BROWSERS_MAX + CLIENT_REQUESTS_MAX,
};

/* A request over HTTP. All zero until the first; libwebsockets owns it. */
struct asked {
	struct lws *wsi;
	struct asked *next; /* while it waits for a status */
	bool waits;
	enum {
		HEALTH,
		METRICS,
		STATUS
	} what;
	struct ctl_web_answer answer;
};

/* A WebSocket. All zero until it is there; libwebsockets owns it. */
struct viewer {
	struct lws *wsi;
	struct viewer *next;
	struct ctl_web_browser *browser;
	uint8_t *message; /* owned; as far as it has come */
	size_t size;
	bool hang_up;
};

struct ctl_web {
	struct ctl_web_config config;
	struct ctl_inside *inside;
	struct ctl_web_desk *desk;
	struct viewer *viewers;
	unsigned viewer_count;
	struct lws_context *lws;
	uv_timer_t timer;
	struct asked *waiting;
	json_t *status; /* the last, or NULL */
	bool asked;     /* a status is under way */
	bool closing;
	char name[CTL_WEB_HOST_SIZE_MAX]; /* of this machine */
	struct ctl_web_reigns reigns;
};

/* --- the status ------------------------------------------------------------------------------ */

static void ask_status(struct ctl_web *web)
{
	const struct paxos_address address = paxos_address_inside(CTL_INSIDE_WEB);

	if (!web->asked && !web->closing) {
		web->asked = web->config.ask(web->config.context, &address);
	}
}

static int answer_status(const struct ctl_web *web, struct asked *asked)
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

static void forget(struct ctl_web *web, struct asked *asked)
{
	for (struct asked **at = &web->waiting; *at != NULL; at = &(*at)->next) {
		if (*at == asked) {
			*at = asked->next;
			break;
		}
	}
	asked->waits = false;
}

/* What cofferctl's status lacks. */
static void add_ours(struct ctl_web *web)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	ctl_web_reigns_note(&web->reigns, web->status,
	                    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

bool ctl_web_is_for(const struct paxos_address *address)
{
	return paxos_address_inside_of(address) == CTL_INSIDE_WEB;
}

void ctl_web_status(struct ctl_web *web, json_t *status)
{
	web->asked = false;
	if (status == NULL || web->closing) {
		json_decref(status);
		return;
	}
	json_decref(web->status);
	web->status = status;
	add_ours(web);
	for (struct viewer *viewer = web->viewers; viewer != NULL; viewer = viewer->next) {
		ctl_web_browser_status(viewer->browser, web->status);
	}
	while (web->waiting != NULL) {
		struct asked *asked = web->waiting;

		forget(web, asked);
		if (answer_status(web, asked) != 0) {
			lws_set_timeout(asked->wsi, PENDING_TIMEOUT_USER_REASON_BASE,
			                LWS_TO_KILL_ASYNC);
		}
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct ctl_web *web = timer->data;

	must(uv_timer_start(timer, on_timer, STATUS_MS, 0) == 0);
	ask_status(web);
}

void ctl_web_stir(struct ctl_web *web)
{
	if (web != NULL && !web->closing && uv_timer_get_due_in(&web->timer) > STIRRED_MS) {
		must(uv_timer_start(&web->timer, on_timer, STIRRED_MS, 0) == 0);
	}
}

/* --- requests over HTTP ---------------------------------------------------------------------- */

static int wait_for_status(struct ctl_web *web, struct asked *asked)
{
	asked->waits = true;
	asked->next = web->waiting;
	web->waiting = asked;
	lws_set_timeout(asked->wsi, PENDING_TIMEOUT_HTTP_CONTENT, CTL_WEB_PATIENCE_S);
	ask_status(web);
	return 0;
}

static int on_request(struct ctl_web *web, struct asked *asked, const char *uri)
{
	char host[CTL_WEB_HOST_SIZE_MAX];

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
		if (lws_hdr_copy(asked->wsi, host, sizeof(host), WSI_TOKEN_HOST) < 0 ||
		    !ctl_web_host_good(host, web->name)) {
			return ctl_web_answer_sentence(
				&asked->answer, asked->wsi, HTTP_STATUS_FORBIDDEN,
				"this server is not called so; ask by its address");
		}
		asked->what = STATUS;
		return wait_for_status(web, asked);
	}
	return ctl_web_answer_sentence(&asked->answer, asked->wsi, HTTP_STATUS_NOT_FOUND,
	                               "there are /, /health, /metrics and /status.json");
}

static struct ctl_web *web_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

static int on_http(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t size)
{
	struct asked *asked = user;
	char uri[URI_SIZE_MAX] = "";

	/* There are some hundred reasons; these are those of use. */
	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		if (size < sizeof(uri)) {
			memcpy(uri, in, size);
		}
		asked->wsi = wsi;
		return on_request(web_of(wsi), asked, uri);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return ctl_web_answer_go_on(&asked->answer, wsi);
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* a WebSocket of another kind */
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (asked != NULL) {
			if (asked->waits) {
				forget(web_of(wsi), asked);
			}
			ctl_web_answer_drop(&asked->answer);
		}
		return 0;
	default:
		return 0;
	}
}

/* --- browsers -------------------------------------------------------------------------------- */

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

/* Whether a WebSocket is let in. */
static bool is_welcome(struct ctl_web *web, struct lws *wsi)
{
	char host[CTL_WEB_HOST_SIZE_MAX] = "", origin[CTL_WEB_HOST_SIZE_MAX] = "";
	char uri[URI_SIZE_MAX] = "";

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
	if (web->closing || web->viewer_count >= CTL_WEB_BROWSERS_MAX) {
		(void)lws_return_http_status(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, NULL);
		return false;
	}
	return true;
}

static int greet(struct ctl_web *web, struct viewer *viewer, struct lws *wsi)
{
	struct ctl_web_browser *browser = NULL;

	if (!web->closing && web->viewer_count < CTL_WEB_BROWSERS_MAX) {
		browser = ctl_web_browser_new(web->desk, on_wants, wsi);
	}
	if (browser == NULL) {
		return -1;
	}
	*viewer = (struct viewer){.wsi = wsi, .browser = browser, .next = web->viewers};
	web->viewers = viewer;
	web->viewer_count++;
	if (web->status != NULL) {
		ctl_web_browser_status(browser, web->status);
	}
	on_wants(wsi);
	return 0;
}

static void dismiss(struct ctl_web *web, struct viewer *viewer)
{
	if (viewer->browser == NULL) {
		return;
	}
	for (struct viewer **at = &web->viewers; *at != NULL; at = &(*at)->next) {
		if (*at == viewer) {
			*at = viewer->next;
			web->viewer_count--;
			break;
		}
	}
	ctl_web_browser_free(viewer->browser);
	free(viewer->message);
	*viewer = (struct viewer){0};
}

/* Nonzero: hang up, as libwebsockets has it. */
static int hear(struct viewer *viewer, const void *in, size_t size)
{
	uint8_t *more;
	bool sense;

	if (viewer->browser == NULL ||
	    size + lws_remaining_packet_payload(viewer->wsi) > CTL_WEB_MESSAGE_MAX - viewer->size) {
		return -1;
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
	return sense ? 0 : -1;
}

/* One message; libwebsockets keeps what the socket does not take, and calls again after that. */
static int speak(struct viewer *viewer)
{
	json_t *object = viewer->browser != NULL ? ctl_web_browser_take(viewer->browser) : NULL;
	uint8_t *bytes;
	size_t size;
	int written = -1;

	if (object == NULL) {
		lws_set_timeout(viewer->wsi, NO_PENDING_TIMEOUT, 0);
		return viewer->browser != NULL ? 0 : -1;
	}
	size = json_dumpb(object, NULL, 0, JSON_COMPACT);
	bytes = malloc(LWS_PRE + size);
	if (bytes != NULL) {
		(void)json_dumpb(object, (char *)bytes + LWS_PRE, size, JSON_COMPACT);
		written = lws_write(viewer->wsi, bytes + LWS_PRE, size, LWS_WRITE_TEXT);
		free(bytes);
	}
	json_decref(object);
	lws_set_timeout(viewer->wsi, PENDING_TIMEOUT_USER_REASON_BASE, STUCK_S);
	lws_callback_on_writable(viewer->wsi);
	return written < (int)size ? -1 : 0;
}

static int on_watch(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
	struct viewer *viewer = user;

	/* There are some hundred reasons; these are those of use. */
	switch ((int)reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return is_welcome(web_of(wsi), wsi) ? 0 : -1;
	case LWS_CALLBACK_ESTABLISHED:
		return greet(web_of(wsi), viewer, wsi);
	case LWS_CALLBACK_RECEIVE:
		return hear(viewer, in, size);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return speak(viewer);
	case LWS_CALLBACK_CLOSED:
		dismiss(web_of(wsi), viewer);
		return 0;
	default:
		return 0;
	}
}

/* --- opening and closing --------------------------------------------------------------------- */

static const struct lws_protocols protocols[] = {
	{"http", on_http, sizeof(struct asked), 0, 0, NULL, 0},
	{"coffer-watch", on_watch, sizeof(struct viewer), RECEIVE_SIZE, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

static const lws_retry_bo_t patience = {
	.secs_since_valid_ping = PING_S,
	.secs_since_valid_hangup = GONE_S,
};

static struct lws_context *make_context(struct ctl_web *web, uv_loop_t *loop)
{
	const struct ctl_address *address = &web->config.config->web;
	void *loops[1] = {loop};
	char ip[INET_ADDRSTRLEN];
	const struct in_addr number = {.s_addr = htonl(address->ip)};
	const struct lws_context_creation_info info = {
		.port = address->port,
		.iface = address->ip == 0 ? NULL : inet_ntop(AF_INET, &number, ip, sizeof(ip)),
		.protocols = protocols,
		.gid = -1,
		.uid = -1,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DISABLE_IPV6 |
	                   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
		.foreign_loops = loops,
		.user = web,
		.server_string = "coffer",
		.timeout_secs = IDLE_S,
		.fd_limit_per_thread = CTL_WEB_CONNECTIONS_MAX + 4, /* its own descriptors */
		.pt_serv_buf_size = 4096,
		.retry_and_idle_policy = &patience,
	};

	lws_set_log_level(0, NULL);
	return lws_create_context(&info);
}

static int open_desk(struct ctl_web *web, uv_loop_t *loop, struct ctl_reason *ret_reason)
{
	const struct ctl_inside_config inside = {
		.loop = loop,
		.mailbox = web->config.mailbox,
		.insides = web->config.insides,
		.config = web->config.config,
		.watches_max = WATCHES_MAX,
	};
	struct ctl_web_desk_config desk = {
		.node = (unsigned)web->config.config->node,
		.edit = web->config.config->web_edit != 0,
	};
	const int r = ctl_inside_open(&web->inside, &inside, ret_reason);

	if (r < 0) {
		return r;
	}
	desk.inside = web->inside;
	web->desk = ctl_web_desk_new(&desk);
	if (web->desk == NULL) {
		ctl_reason_say(ret_reason, "no memory for the web view; free some");
		return -ENOMEM;
	}
	return 0;
}

/* libwebsockets shares a port without a word, or tries again later. 0 or a negative errno. */
static int try_listening(const struct ctl_address *address)
{
	const struct sockaddr_in name = {
		.sin_family = AF_INET,
		.sin_port = htons(address->port),
		.sin_addr.s_addr = htonl(address->ip),
	};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 1) < 0) {
		r = -errno;
	}
	(void)close(fd);
	return r;
}

int ctl_web_open(struct ctl_web **ret_web, uv_loop_t *loop, const struct ctl_web_config *config,
                 struct ctl_reason *ret_reason)
{
	struct ctl_web *web = calloc(1, sizeof(*web));
	char at[CTL_ADDRESS_TEXT_SIZE];
	int r;

	if (config->insides->key.is_set) {
		free(web);
		ctl_reason_say(ret_reason, "the web view asks for no secret, so it would show "
		                           "everything to everybody; remove `web`, or the secrets");
		return -EINVAL;
	}
	if (web == NULL) {
		ctl_reason_say(ret_reason, "no memory for the web view; free some");
		return -ENOMEM;
	}
	web->config = *config;
	(void)gethostname(web->name, sizeof(web->name) - 1);
	must(uv_timer_init(loop, &web->timer) == 0);
	web->timer.data = web;
	r = try_listening(&config->config->web);
	web->lws = r < 0 ? NULL : make_context(web, loop);
	*ret_web = web;
	if (web->lws == NULL) {
		r = r < 0 ? r : -EADDRINUSE;
		ctl_address_text((struct store_address){.ip = config->config->web.ip,
		                                        .port = config->config->web.port},
		                 at);
		ctl_reason_say(ret_reason,
		               "`web = %s`: cannot listen there by TCP (%s); name an address of "
		               "this machine and a port that nobody uses, or none",
		               at, strerror(-r));
		return r;
	}
	r = open_desk(web, loop, ret_reason);
	if (r < 0) {
		return r;
	}
	must(uv_timer_start(&web->timer, on_timer, 0, 0) == 0);
	return 0;
}

void ctl_web_close(struct ctl_web *web)
{
	if (web == NULL) {
		return;
	}
	web->closing = true;
	uv_close((uv_handle_t *)&web->timer, NULL);
	while (web->viewers != NULL) {
		dismiss(web, web->viewers);
	}
	ctl_inside_close(web->inside);
	if (web->lws != NULL) {
		lws_context_destroy(web->lws);
	}
}

void ctl_web_free(struct ctl_web *web)
{
	if (web != NULL) {
		/* On a loop that is not its own it goes in two parts: this is the second. */
		if (web->lws != NULL) {
			lws_context_destroy(web->lws);
		}
		json_decref(web->status);
		ctl_web_desk_free(web->desk);
		free(web);
	}
}
