/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.c - connections of Doozer's clients: bytes in and out, turns, bounds
 */
#include "control/gateway.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "control/gateway_link.h"
#include "store/base/check.h"

enum {
	BACKLOG = 1024,
	SWEEP_MS = 5000,
	SWEEPS_MAX = CTL_GATEWAY_STALLED_MS / SWEEP_MS,
	DESCRIPTORS_SPARE = 512, /* for all that is not a connection */
};

static void take_frames(struct ctl_gateway_link *link, struct slice bytes);

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

static uint64_t beyond_free(uint64_t size)
{
	return size > CTL_GATEWAY_KEPT_FREE ? size - CTL_GATEWAY_KEPT_FREE : 0;
}

static void drop_kept(struct ctl_gateway_link *link)
{
	link->gateway->kept_bytes -= beyond_free(link->kept_size);
	free(link->kept);
	link->kept = NULL;
	link->kept_size = 0;
}

static void leave_turn(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;
	struct ctl_gateway_link **at = &gateway->turn_first, *before = NULL;

	if (!link->is_held) {
		return;
	}
	while (*at != link) {
		before = *at;
		at = &before->turn;
	}
	*at = link->turn;
	if (gateway->turn_last == link) {
		gateway->turn_last = before;
	}
	link->is_held = false;
}

static void on_link_closed(uv_handle_t *handle)
{
	struct ctl_gateway_link *link = handle->data;
	struct ctl_gateway *gateway = link->gateway;

	free(link->cursor);
	free(link->kept);
	free(link);
	end_if_empty(gateway);
}

static void close_link(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;

	if (link->is_closing) {
		return;
	}
	link->is_closing = true;
	leave_turn(link);
	ctl_gateway_forget(link);
	drop_kept(link);
	if (link->next != NULL) {
		link->next->previous = link->previous;
	}
	if (link->previous != NULL) {
		link->previous->next = link->next;
	} else {
		gateway->links = link->next;
	}
	gateway->counters.connections--;
	uv_close((uv_handle_t *)&link->tcp, on_link_closed);
}

static void close_counted(struct ctl_gateway_link *link, uint64_t *counter)
{
	if (!link->is_closing) {
		(*counter)++;
		close_link(link);
	}
}

/* --- out ------------------------------------------------------------------------------------- */

struct pending_write {
	uv_write_t request;
	uint8_t bytes[];
};

static void update_reading(struct ctl_gateway_link *link);

static void on_written(uv_write_t *request, int status)
{
	struct ctl_gateway_link *link = request->handle->data;

	free(request->data);
	link->stalled = 0;
	if (status < 0) {
		close_link(link); /* it went away; UV_ECANCELED: it is closing */
	} else if (!link->is_closing) {
		ctl_gateway_resume(link);
		update_reading(link);
	}
}

static size_t out_size(const struct ctl_gateway_link *link)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&link->tcp);
}

static void queue_write(struct ctl_gateway_link *link, const uint8_t *bytes, size_t size)
{
	struct pending_write *pending = malloc(sizeof(*pending) + size);
	uv_buf_t buffer;

	if (pending == NULL || out_size(link) + size > CTL_GATEWAY_OUT_MAX) {
		free(pending);
		close_counted(link, &link->gateway->counters.unread);
		return;
	}
	memcpy(pending->bytes, bytes, size);
	pending->request.data = pending;
	buffer = uv_buf_init((char *)pending->bytes, (unsigned)size);
	if (uv_write(&pending->request, (uv_stream_t *)&link->tcp, &buffer, 1, on_written) < 0) {
		free(pending);
		close_link(link);
	}
}

void ctl_gateway_reply(struct ctl_gateway_link *link, const Doozer__Response *response)
{
	struct ctl_gateway *gateway = link->gateway;
	const size_t size = ctl_doozer_reply(response, gateway->out);
	uv_buf_t buffer = uv_buf_init((char *)gateway->out, (unsigned)size);
	int sent = UV_EAGAIN;

	if (link->is_closing) {
		return;
	}
	gateway->counters.answers++;
	if (out_size(link) == 0) {
		sent = uv_try_write((uv_stream_t *)&link->tcp, &buffer, 1);
	}
	if (sent < 0 && sent != UV_EAGAIN) {
		close_link(link);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	if ((size_t)sent < size) {
		queue_write(link, gateway->out + sent, size - (size_t)sent);
	}
}

/* --- in -------------------------------------------------------------------------------------- */

static bool may_take(const struct ctl_gateway_link *link)
{
	return !link->is_closing && !link->is_held && !link->is_fence &&
	       out_size(link) <= CTL_GATEWAY_OUT_PAUSE;
}

/* Frames stay where they are until the link has its turn. */
static void hold(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;

	must(!link->is_held);
	link->is_held = true;
	link->turn = NULL;
	if (gateway->turn_last != NULL) {
		gateway->turn_last->turn = link;
	} else {
		gateway->turn_first = link;
	}
	gateway->turn_last = link;
}

/* Takes the frames at the front of `bytes`; returns how much of it. */
static size_t take_whole(struct ctl_gateway_link *link, struct slice bytes)
{
	struct ctl_gateway_counters *counters = &link->gateway->counters;
	size_t taken = 0;

	while (may_take(link)) {
		Doozer__Request *request;
		struct slice message;
		const int r = ctl_doozer_cut(slice_make(bytes.data + taken, bytes.size - taken),
		                             &message);

		if (r < 0) {
			close_counted(link, &counters->long_frames);
		}
		if (r <= 0) {
			break;
		}
		request = ctl_doozer_request(message);
		if (request == NULL) {
			close_counted(link, &counters->malformed);
			break;
		}
		if (!ctl_gateway_take(link, request)) {
			hold(link);
		} else {
			counters->requests++;
			taken += CTL_DOOZER_HEAD + message.size;
		}
		doozer__request__free_unpacked(request, NULL);
	}
	return taken;
}

/* Keeps what was not taken. */
static void keep(struct ctl_gateway_link *link, struct slice rest)
{
	struct ctl_gateway *gateway = link->gateway;
	uint8_t *memory;

	if (rest.size == 0 || link->is_closing) {
		if (!link->is_closing) {
			drop_kept(link);
		}
		return;
	}
	memory = gateway->kept_bytes - beyond_free(link->kept_size) + beyond_free(rest.size) <=
	                         CTL_GATEWAY_KEPT_MAX
	                 ? malloc(rest.size)
	                 : NULL;
	if (memory == NULL) {
		close_counted(link, &gateway->counters.kept);
		return;
	}
	memcpy(memory, rest.data, rest.size);
	drop_kept(link);
	link->kept = memory;
	link->kept_size = (uint32_t)rest.size;
	gateway->kept_bytes += beyond_free(rest.size);
}

/* Takes what was kept, and what came now. */
static void take_frames(struct ctl_gateway_link *link, struct slice bytes)
{
	uint8_t *whole = NULL;
	size_t taken;

	if (link->kept == NULL && bytes.size == 0) {
		update_reading(link);
		return;
	}
	if (link->kept != NULL && bytes.size != 0) {
		whole = malloc(link->kept_size + bytes.size);
		if (whole == NULL) {
			close_counted(link, &link->gateway->counters.kept);
			return;
		}
		memcpy(whole, link->kept, link->kept_size);
		memcpy(whole + link->kept_size, bytes.data, bytes.size);
		bytes = slice_make(whole, link->kept_size + bytes.size);
	} else if (link->kept != NULL) {
		/* It lies in memory of the link, which closing it frees: taken out for the call. */
		whole = link->kept;
		bytes = slice_make(whole, link->kept_size);
		link->gateway->kept_bytes -= beyond_free(link->kept_size);
		link->kept = NULL;
		link->kept_size = 0;
	}
	taken = take_whole(link, bytes);
	keep(link, slice_make(bytes.data + taken, bytes.size - taken));
	free(whole);
	update_reading(link);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct ctl_gateway_link *link = handle->data;

	(void)suggested;
	*ret_buffer = uv_buf_init((char *)link->gateway->in, sizeof(link->gateway->in));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct ctl_gateway_link *link = stream->data;

	if (size < 0) {
		close_link(link);
	} else if (size > 0) {
		take_frames(link, slice_make(buffer->base, (size_t)size));
	}
}

static void update_reading(struct ctl_gateway_link *link)
{
	const bool wanted = may_take(link);

	if (link->is_closing || wanted == link->is_reading) {
		return;
	}
	link->is_reading = wanted;
	if (!wanted) {
		(void)uv_read_stop((uv_stream_t *)&link->tcp);
	} else if (uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read) < 0) {
		close_link(link);
	}
}

void ctl_gateway_resume(struct ctl_gateway_link *link)
{
	if (may_take(link)) {
		take_frames(link, (struct slice){0});
	}
}

/* One after the other, from where the last one stood. */
void ctl_gateway_go_on(struct ctl_gateway *gateway)
{
	struct ctl_gateway_link *link;

	if (!ctl_gateway_take_turns(gateway)) {
		return;
	}
	while (gateway->turn_first != NULL) {
		link = gateway->turn_first;
		leave_turn(link);
		ctl_gateway_resume(link);
		if (link->is_held) {
			break; /* as far as there is room */
		}
	}
}

/* --- rights ---------------------------------------------------------------------------------- */

/* Time does not tell how much of it was right. */
static bool is_secret(struct slice given, const char *secret)
{
	const size_t size = strlen(secret);
	uint8_t differs = given.size != size ? 1 : 0;

	for (size_t i = 0; i < given.size && size != 0; i++) {
		differs |= (uint8_t)(given.data[i] ^ (uint8_t)secret[i % size]);
	}
	return differs == 0;
}

bool ctl_gateway_access(struct ctl_gateway_link *link, struct slice secret)
{
	if (is_secret(secret, link->gateway->rw_secret)) {
		link->may_read = link->may_write = true;
		return true;
	}
	if (is_secret(secret, link->gateway->ro_secret)) {
		link->may_read = true;
		return true;
	}
	return false;
}

/* --- listening ------------------------------------------------------------------------------- */

static void on_refused(uv_handle_t *handle)
{
	struct ctl_gateway_link *link = handle->data;
	struct ctl_gateway *gateway = link->gateway;

	free(link);
	end_if_empty(gateway);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl_gateway *gateway = listener->data;
	struct ctl_gateway_link *link;

	if (status < 0) {
		gateway->counters.refused++; /* no descriptor is left */
		return;
	}
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
	    gateway->counters.connections >= gateway->config.connections_max) {
		gateway->counters.refused++;
		uv_close((uv_handle_t *)&link->tcp, on_refused);
		return;
	}
	(void)uv_tcp_nodelay(&link->tcp, 1); /* slower without, not wrong */
	(void)uv_tcp_keepalive(&link->tcp, 1, 60);
	link->next = gateway->links;
	if (link->next != NULL) {
		link->next->previous = link;
	}
	gateway->links = link;
	gateway->counters.connections++;
	gateway->counters.accepted++;
	link->is_member = gateway->config.member;
	(void)ctl_gateway_access(link, (struct slice){0}); /* as if it had said ACCESS "" */
	update_reading(link);
}

/* Whoever takes no answer for long is closed. */
static void on_sweep(uv_timer_t *timer)
{
	struct ctl_gateway *gateway = timer->data;
	struct ctl_gateway_link *link, *next;

	for (link = gateway->links; link != NULL; link = next) {
		next = link->next;
		if (out_size(link) == 0) {
			link->stalled = 0;
		} else if (++link->stalled > SWEEPS_MAX) {
			close_counted(link, &gateway->counters.unread);
		}
	}
}

/* A connection takes a descriptor. As many as the system grants; beyond that they are refused. */
static void raise_descriptors(unsigned connections)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < connections + DESCRIPTORS_SPARE) {
		limit.rlim_cur = limit.rlim_max < connections + DESCRIPTORS_SPARE
		                         ? limit.rlim_max
		                         : connections + DESCRIPTORS_SPARE;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
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

int ctl_gateway_open(struct ctl_gateway **ret_gateway, const struct ctl_gateway_config *config,
                     struct ctl_reason *ret_reason)
{
	struct ctl_gateway *gateway = calloc(1, sizeof(*gateway));
	int r;

	must(strlen(config->rw_secret) < CTL_SECRET_SIZE_MAX);
	must(strlen(config->ro_secret) < CTL_SECRET_SIZE_MAX);
	if (gateway == NULL) {
		ctl_reason_say(ret_reason, "no memory for the gateway; free some");
		return -ENOMEM;
	}
	gateway->config = *config;
	memcpy(gateway->rw_secret, config->rw_secret, strlen(config->rw_secret));
	memcpy(gateway->ro_secret, config->ro_secret, strlen(config->ro_secret));
	must(uv_tcp_init(config->inside.loop, &gateway->listener) == 0);
	must(uv_timer_init(config->inside.loop, &gateway->sweep) == 0);
	gateway->listener.data = gateway->sweep.data = gateway;
	gateway->handles_open = 2;
	raise_descriptors(config->connections_max);
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
		ctl_gateway_close(gateway);
		return r;
	}
	must(uv_timer_start(&gateway->sweep, on_sweep, SWEEP_MS, SWEEP_MS) == 0);
	*ret_gateway = gateway;
	return 0;
}

void ctl_gateway_member(struct ctl_gateway *gateway)
{
	gateway->config.member = true;
}

void ctl_gateway_counters(const struct ctl_gateway *gateway,
                          struct ctl_gateway_counters *ret_counters)
{
	*ret_counters = gateway->counters;
}

void ctl_gateway_close(struct ctl_gateway *gateway)
{
	if (gateway == NULL) {
		return;
	}
	gateway->is_closing = true;
	while (gateway->links != NULL) {
		close_link(gateway->links);
	}
	ctl_inside_close(gateway->inside);
	ctl_gateway_free_orphans(gateway);
	uv_close((uv_handle_t *)&gateway->listener, on_closed);
	uv_close((uv_handle_t *)&gateway->sweep, on_closed);
}
