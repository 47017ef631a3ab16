/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.c - connections of Doozer's clients: listening, rights, turns, the end of each
 */
#include "control/gateway.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "control/clock.h"
#include "control/gateway_link.h"
#include "store/base/check.h"

enum {
	BACKLOG = 1024,
	SWEEPS_MAX = 6, /* of its patience */
	/* Until the rest of the loop had its turn: */
	FRAMES_MAX = 256,
	ACCEPTS_MAX = 64,
	ACCEPTS_TLS_MAX = 8, /* as many as shake hands */
};

/* --- lists ----------------------------------------------------------------------------------- */

static struct ctl_gateway_list *list_of(struct ctl_gateway_link *link)
{
	return link->is_shaking ? &link->gateway->shaking : &link->gateway->links;
}

static void join(struct ctl_gateway_link *link)
{
	struct ctl_gateway_list *list = list_of(link);

	link->previous = NULL;
	link->next = list->first;
	if (link->next != NULL) {
		link->next->previous = link;
	} else {
		list->last = link;
	}
	list->first = link;
	list->count++;
}

static void leave(struct ctl_gateway_link *link)
{
	struct ctl_gateway_list *list = list_of(link);

	if (link->next != NULL) {
		link->next->previous = link->previous;
	} else {
		list->last = link->previous;
	}
	if (link->previous != NULL) {
		link->previous->next = link->next;
	} else {
		list->first = link->next;
	}
	list->count--;
}

void ctl_gateway_shaken(struct ctl_gateway_link *link)
{
	leave(link);
	link->is_shaking = false;
	link->stalled = 0;
	join(link);
	link->gateway->counters.tls++;
}

/* --- closing --------------------------------------------------------------------------------- */

static void end_if_empty(struct ctl_gateway *gateway)
{
	gateway->handles_open--;
	if (gateway->handles_open == 0) {
		must(gateway->is_closing);
		free(gateway);
	}
}

static void on_closed(uv_handle_t *handle)
{
	end_if_empty(handle->data);
}

static void on_link_closed(uv_handle_t *handle)
{
	struct ctl_gateway_link *link = handle->data;
	struct ctl_gateway *gateway = link->gateway;

	free(link->cursor);
	ctl_tls_free(link->tls);
	free(link);
	end_if_empty(gateway);
}

static void on_more(uv_idle_t *more);

void ctl_gateway_pause(struct ctl_gateway *gateway)
{
	must(uv_idle_start(&gateway->more, on_more) == 0);
}

void ctl_gateway_drop(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;

	if (link->is_closing) {
		return;
	}
	link->is_closing = true;
	ctl_gateway_stop(link);
	ctl_gateway_forget(link);
	if (gateway->turn_first != NULL) {
		ctl_gateway_pause(gateway); /* what it left may be another's */
	}
	leave(link);
	gateway->counters.connections--;
	uv_close((uv_handle_t *)&link->tcp, on_link_closed);
}

void ctl_gateway_drop_counted(struct ctl_gateway_link *link, uint64_t *counter)
{
	if (!link->is_closing) {
		(*counter)++;
		ctl_gateway_drop(link);
	}
}

/* --- rights ---------------------------------------------------------------------------------- */

/* Of the client; 0 if it is gone. */
static uint32_t address_of(const struct ctl_gateway_link *link)
{
	struct sockaddr_storage peer = {0};
	int size = sizeof(peer);

	if (uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&peer, &size) < 0) {
		return 0;
	}
	return ntohl(((const struct sockaddr_in *)&peer)->sin_addr.s_addr);
}

bool ctl_gateway_access(struct ctl_gateway_link *link, struct slice secret)
{
	const unsigned rights = ctl_gateway_guard_judge(&link->gateway->guard, ctl_clock_ns(),
	                                                address_of(link), secret);

	link->rights |= rights;
	return rights != 0;
}

/* --- listening ------------------------------------------------------------------------------- */

static void on_refused(uv_handle_t *handle)
{
	struct ctl_gateway_link *link = handle->data;
	struct ctl_gateway *gateway = link->gateway;

	ctl_tls_free(link->tls);
	free(link);
	end_if_empty(gateway);
}

/*
 * Makes its half of TLS, if there is any. Whoever does not finish keeps no newcomer out: the oldest
 * of those goes. False: no memory.
 */
static bool begin_tls(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;

	if (gateway->certificate == NULL) {
		return true;
	}
	if (gateway->shaking.count >= CTL_GATEWAY_SHAKING_MAX) {
		ctl_gateway_drop_counted(gateway->shaking.last, &gateway->counters.tls_slow);
	}
	link->tls = ctl_tls_new(gateway->certificate);
	link->is_shaking = true;
	return link->tls != NULL;
}

static void accept_one(struct ctl_gateway *gateway)
{
	uv_stream_t *listener = (uv_stream_t *)&gateway->listener;
	struct ctl_gateway_link *link;

	link = calloc(1, sizeof(*link));
	if (link == NULL || uv_tcp_init(gateway->config.inside.loop, &link->tcp) < 0) {
		free(link);
		gateway->counters.refused++;
		return;
	}
	link->gateway = gateway;
	link->tcp.data = link;
	gateway->handles_open++;
	if (uv_accept(listener, (uv_stream_t *)&link->tcp) < 0 ||
	    gateway->counters.connections >= gateway->config.connections_max || !begin_tls(link)) {
		gateway->counters.refused++;
		uv_close((uv_handle_t *)&link->tcp, on_refused);
		return;
	}
	(void)uv_tcp_nodelay(&link->tcp, 1); /* slower without, not wrong */
	(void)uv_tcp_keepalive(&link->tcp, 1, 60);
	join(link);
	gateway->counters.connections++;
	gateway->counters.accepted++;
	link->is_member = gateway->config.member;
	link->rights = store_rights_earned(gateway->config.keys, &(struct store_key){0});
	ctl_gateway_update(link);
}

/* One that is not accepted stops the listener until it is. */
static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl_gateway *gateway = listener->data;

	if (status < 0) {
		gateway->counters.refused++; /* no descriptor is left */
	} else if (gateway->accepts_left == 0) {
		gateway->is_accept_due = true;
		ctl_gateway_pause(gateway);
	} else {
		gateway->accepts_left--;
		accept_one(gateway);
	}
}

static void begin_turn(struct ctl_gateway *gateway)
{
	gateway->frames_left = FRAMES_MAX;
	gateway->accepts_left = gateway->certificate != NULL ? ACCEPTS_TLS_MAX : ACCEPTS_MAX;
}

static void on_more(uv_idle_t *more)
{
	struct ctl_gateway *gateway = more->data;

	must(uv_idle_stop(more) == 0);
	begin_turn(gateway);
	if (gateway->is_accept_due) {
		gateway->is_accept_due = false;
		accept_one(gateway);
	}
	ctl_gateway_go_on(gateway);
}

/* Whoever takes no answer for long, or does not finish its handshake, is closed. */
static void on_sweep(uv_timer_t *timer)
{
	struct ctl_gateway *gateway = timer->data;
	struct ctl_gateway_link *link, *next;

	for (link = gateway->links.first; link != NULL; link = next) {
		next = link->next;
		if (ctl_gateway_out_size(link) == 0) {
			link->stalled = 0;
		} else if (++link->stalled > SWEEPS_MAX) {
			ctl_gateway_drop_counted(link, &gateway->counters.unread);
		}
	}
	for (link = gateway->shaking.first; link != NULL; link = next) {
		next = link->next;
		if (++link->stalled > SWEEPS_MAX) {
			ctl_gateway_drop_counted(link, &gateway->counters.tls_slow);
		}
	}
}

static int listen_at(struct ctl_gateway *gateway, const struct ctl_address *address)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
	                               .sin_addr.s_addr = htonl(address->ip),
	                               .sin_port = htons(address->port)};
	int r;

	r = uv_tcp_bind(&gateway->listener, (const struct sockaddr *)&at, 0);
	return r < 0 ? r : uv_listen((uv_stream_t *)&gateway->listener, BACKLOG, on_connection);
}

static int open_guard(struct ctl_gateway *gateway, struct ctl_reason *ret_reason)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		ctl_reason_say(ret_reason, "the system gave no chance (%s)", strerror(errno));
		return -errno;
	}
	ctl_gateway_guard_init(&gateway->guard, gateway->config.keys, seed);
	return 0;
}

int ctl_gateway_open(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *config,
                     struct ctl_reason *ret_reason)
{
	struct ctl_gateway *gateway = calloc(1, sizeof(*gateway));
	const uint64_t sweep_ms = config->patience_ms / SWEEPS_MAX;
	int r;

	must(sweep_ms != 0);
	if (gateway == NULL) {
		ctl_reason_say(ret_reason, "no memory for the gateway; free some");
		return -ENOMEM;
	}
	gateway->config = *config;
	must(uv_tcp_init(config->inside.loop, &gateway->listener) == 0);
	must(uv_timer_init(config->inside.loop, &gateway->sweep) == 0);
	must(uv_idle_init(config->inside.loop, &gateway->more) == 0);
	gateway->listener.data = gateway->sweep.data = gateway->more.data = gateway;
	gateway->handles_open = 3;
	r = open_guard(gateway, ret_reason);
	if (r == 0 && config->tls_cert != NULL) {
		r = ctl_gateway_renew(gateway, ret_reason);
	}
	if (r < 0) {
		goto close_gateway;
	}
	begin_turn(gateway);
	r = listen_at(gateway, &config->listen);
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "`gateway`: cannot listen there by TCP (%s); name another address "
		               "or none",
		               strerror(-r));
	} else {
		r = ctl_inside_open(&gateway->inside, &config->inside, ret_reason);
	}
	if (r < 0) {
		goto close_gateway;
	}
	must(uv_timer_start(&gateway->sweep, on_sweep, sweep_ms, sweep_ms) == 0);
	*ret_gateway = gateway;
	return 0;

close_gateway:
	ctl_gateway_close(gateway);
	return r;
}

int ctl_gateway_renew(struct ctl_gateway *gateway, struct ctl_reason *ret_reason)
{
	struct ctl_tls_certificate *fresh;
	const int r = ctl_tls_certificate_load(&fresh, gateway->config.tls_cert,
	                                       gateway->config.tls_key, ret_reason);

	if (r == 0) {
		ctl_tls_certificate_free(gateway->certificate);
		gateway->certificate = fresh;
	}
	return r;
}

const struct ctl_tls_certificate *ctl_gateway_certificate(const struct ctl_gateway *gateway)
{
	return gateway->certificate;
}

void ctl_gateway_member(struct ctl_gateway *gateway)
{
	if (gateway != NULL) {
		gateway->config.member = true;
	}
}

void ctl_gateway_counters(const struct ctl_gateway *gateway,
                          struct ctl_gateway_counters *ret_counters)
{
	*ret_counters = gateway->counters;
	ret_counters->denied = gateway->guard.denied;
	ret_counters->unjudged = gateway->guard.unjudged;
}

void ctl_gateway_close(struct ctl_gateway *gateway)
{
	if (gateway == NULL) {
		return;
	}
	gateway->is_closing = true;
	while (gateway->links.first != NULL) {
		ctl_gateway_drop(gateway->links.first);
	}
	while (gateway->shaking.first != NULL) {
		ctl_gateway_drop(gateway->shaking.first);
	}
	ctl_tls_certificate_free(gateway->certificate);
	gateway->certificate = NULL;
	ctl_inside_close(gateway->inside);
	ctl_gateway_free_orphans(gateway);
	uv_close((uv_handle_t *)&gateway->listener, on_closed);
	uv_close((uv_handle_t *)&gateway->sweep, on_closed);
	uv_close((uv_handle_t *)&gateway->more, on_closed);
}
