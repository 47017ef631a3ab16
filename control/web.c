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

#include "control/clock.h"
#include "control/status.h"
#include "control/web_inner.h"
#include "store/base/check.h"

enum {
	STATUS_MS = 1000,    /* between two asks when nothing happens */
	STIRRED_MS = 50,     /* and when something does */
	IDLE_S = 15,         /* of a connection that asks nothing */
	PING_S = 10,         /* a silent browser is asked whether it is there */
	GONE_S = 25,         /* and given up */
	RECEIVE_SIZE = 4096, /* of a message, at once */
	/* One for each browser, and histories. */
	WATCHES_MAX = CTL_WEB_BROWSERS_MAX + CLIENT_REQUESTS_MAX,
};

/* --- the status ------------------------------------------------------------------------------ */

void ctl_web_ask_status(struct ctl_web *web)
{
	const struct paxos_address address = paxos_address_inside(CTL_INSIDE_WEB);

	if (!web->asked && !web->closing) {
		web->asked = web->config.ask(web->config.context, &address);
	}
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
	for (struct ctl_web_viewer *viewer = web->viewers; viewer != NULL; viewer = viewer->next) {
		ctl_web_browser_status(viewer->browser, web->status);
	}
	ctl_web_http_tell(web);
}

static void on_timer(uv_timer_t *timer)
{
	struct ctl_web *web = timer->data;

	must(uv_timer_start(timer, on_timer, STATUS_MS, 0) == 0);
	ctl_web_ask_status(web);
}

void ctl_web_stir(struct ctl_web *web)
{
	if (web != NULL && !web->closing && uv_timer_get_due_in(&web->timer) > STIRRED_MS) {
		must(uv_timer_start(&web->timer, on_timer, STIRRED_MS, 0) == 0);
	}
}

/* --- secrets ---------------------------------------------------------------------------------- */

static void on_pace(uv_timer_t *timer)
{
	ctl_web_judge(timer->data);
}

void ctl_web_judge(struct ctl_web *web)
{
	uint64_t wait_ns;

	if (web->closing) {
		return;
	}
	wait_ns = ctl_web_guard_turn(&web->guard, ctl_clock_ns());
	if (wait_ns != 0) {
		must(uv_timer_start(&web->pace, on_pace, wait_ns / 1000000 + 1, 0) == 0);
	}
}

uint32_t ctl_web_source(struct lws *wsi)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct in_addr address = {0};

	(void)lws_get_peer_simple(wsi, text, sizeof(text));
	(void)inet_pton(AF_INET, text, &address); /* else all of them are one */
	return address.s_addr;
}

struct ctl_web *ctl_web_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

void ctl_web_add_counters(const struct ctl_web *web, json_t *status)
{
	if (web != NULL) {
		ctl_status_add(status, "drops", "web_denied", web->guard.denied);
		ctl_status_add(status, "drops", "web_refused", web->counters.refused);
		ctl_status_add(status, "drops", "web_malformed", web->counters.malformed);
		ctl_status_add(status, "drops", "web_unread", web->counters.unread);
	}
}

/* --- opening and closing --------------------------------------------------------------------- */

static const struct lws_protocols protocols[] = {
	{"http", ctl_web_on_http, sizeof(struct ctl_web_asked), 0, 0, NULL, 0},
	{"coffer-watch", ctl_web_on_watch, sizeof(struct ctl_web_viewer), RECEIVE_SIZE, 0, NULL, 0},
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
		.guard = &web->guard,
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

	if (web == NULL) {
		ctl_reason_say(ret_reason, "no memory for the web view; free some");
		return -ENOMEM;
	}
	web->config = *config;
	(void)gethostname(web->name, sizeof(web->name) - 1);
	must(uv_timer_init(loop, &web->timer) == 0);
	must(uv_timer_init(loop, &web->pace) == 0);
	web->timer.data = web->pace.data = web;
	ctl_web_guard_init(&web->guard, config->keys);
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
	uv_close((uv_handle_t *)&web->pace, NULL);
	ctl_web_dismiss_all(web);
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
