/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.c - connections of Doozer's clients: bytes in and out, turns, bounds
 */
#include "control/gateway.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "control/gateway_link.h"
#include "store/base/check.h"

enum {
	BACKLOG = 1024,
	SWEEP_MS = 5000,
	SWEEPS_MAX = CTL_GATEWAY_STALLED_MS / SWEEP_MS,
	/* Until the rest of the loop had its turn: */
	FRAMES_MAX = 256,
	FRAMES_OF_ONE = 64, /* of a connection, before the next */
	ACCEPTS_MAX = 64,
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

/* Takes it out of the link, which may be closed meanwhile. */
static struct ctl_gateway_kept detach_kept(struct ctl_gateway_link *link)
{
	const struct ctl_gateway_kept kept = link->kept;

	link->gateway->kept_bytes -= beyond_free(kept.room);
	link->kept = (struct ctl_gateway_kept){0};
	return kept;
}

static void leave_turn(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;

	if (!link->is_held) {
		return;
	}
	if (link->turn != NULL) {
		link->turn->turn_before = link->turn_before;
	} else {
		gateway->turn_last = link->turn_before;
	}
	if (link->turn_before != NULL) {
		link->turn_before->turn = link->turn;
	} else {
		gateway->turn_first = link->turn;
	}
	link->is_held = false;
}

static void on_link_closed(uv_handle_t *handle)
{
	struct ctl_gateway_link *link = handle->data;
	struct ctl_gateway *gateway = link->gateway;

	free(link->cursor);
	free(link);
	end_if_empty(gateway);
}

static void on_more(uv_idle_t *more);

/* The rest of the loop has its turn; then it goes on here. */
static void pause_frames(struct ctl_gateway *gateway)
{
	must(uv_idle_start(&gateway->more, on_more) == 0);
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
	free(detach_kept(link).memory);
	if (gateway->turn_first != NULL) {
		pause_frames(gateway); /* what it left may be another's */
	}
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
	link->turn_before = gateway->turn_last;
	if (gateway->turn_last != NULL) {
		gateway->turn_last->turn = link;
	} else {
		gateway->turn_first = link;
	}
	gateway->turn_last = link;
}

/* One more frame of this connection, its `taken`th? Else it is held, for a turn. */
static bool may_go_on(struct ctl_gateway_link *link, unsigned taken)
{
	struct ctl_gateway *gateway = link->gateway;

	if (gateway->frames_left != 0 && taken < FRAMES_OF_ONE) {
		gateway->frames_left--;
		if (gateway->frames_left == 0) {
			pause_frames(gateway); /* others may be held, though this one is done */
		}
		return true;
	}
	pause_frames(gateway);
	hold(link);
	return false;
}

/* Takes the frames at the front of `bytes`; returns how much of it. */
static size_t take_whole(struct ctl_gateway_link *link, struct slice bytes)
{
	struct ctl_gateway_counters *counters = &link->gateway->counters;
	unsigned frames = 0;
	size_t taken = 0;

	while (may_take(link)) {
		Doozer__Request *request;
		struct slice message;
		const int r = ctl_doozer_cut(slice_make(bytes.data + taken, bytes.size - taken),
		                             &message);

		if (r < 0) {
			close_counted(link, &counters->long_frames);
		}
		if (r <= 0 || !may_go_on(link, frames++)) {
			break;
		}
		request = ctl_doozer_request(message);
		if (request == NULL) {
			close_counted(link, &counters->malformed);
			break;
		}
		if (!ctl_gateway_take(link, request)) {
			link->gateway->is_full = true;
			hold(link);
		} else {
			counters->requests++;
			taken += CTL_DOOZER_HEAD + message.size;
		}
		doozer__request__free_unpacked(request, NULL);
	}
	return taken;
}

/* More at the end of what is kept. Twice the room each time, so that bytes which come singly cost
 * no copy each. */
static bool append(struct ctl_gateway_kept *kept, struct slice bytes)
{
	const size_t size = kept->size + bytes.size;

	if (size > kept->room) {
		const size_t room = kept->room == 0 || size > 2 * (size_t)kept->room
		                            ? size
		                            : 2 * (size_t)kept->room;
		uint8_t *memory = realloc(kept->memory, room);

		if (memory == NULL) {
			return false;
		}
		kept->memory = memory;
		kept->room = (uint32_t)room;
	}
	memcpy(kept->memory + kept->size, bytes.data, bytes.size);
	kept->size = (uint32_t)size;
	return true;
}

/* Keeps it in the link again, if there is anything and room for it. */
static void attach_kept(struct ctl_gateway_link *link, struct ctl_gateway_kept kept)
{
	struct ctl_gateway *gateway = link->gateway;

	if (kept.size == 0 || link->is_closing) {
		free(kept.memory);
		return;
	}
	if (gateway->kept_bytes + beyond_free(kept.room) > CTL_GATEWAY_KEPT_MAX) {
		free(kept.memory);
		close_counted(link, &gateway->counters.kept);
		return;
	}
	gateway->kept_bytes += beyond_free(kept.room);
	link->kept = kept;
}

/* Takes what was kept, and what came now. */
static void take_frames(struct ctl_gateway_link *link, struct slice bytes)
{
	struct ctl_gateway_kept kept = detach_kept(link);
	bool is_good = true;
	size_t taken;

	if (kept.size == 0) {
		taken = take_whole(link, bytes);
		bytes = slice_make(bytes.data + taken, bytes.size - taken);
		is_good = bytes.size == 0 || link->is_closing || append(&kept, bytes);
	} else {
		is_good = bytes.size == 0 || append(&kept, bytes);
		taken = is_good ? take_whole(link, slice_make(kept.memory, kept.size)) : 0;
		if (taken != 0) {
			kept.size -= (uint32_t)taken;
			memmove(kept.memory, kept.memory + taken, kept.size);
		}
	}
	if (!is_good) {
		close_counted(link, &link->gateway->counters.kept);
	}
	attach_kept(link, kept);
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
	gateway->is_full = false;
	while (gateway->turn_first != NULL && !gateway->is_full && gateway->frames_left != 0) {
		link = gateway->turn_first;
		leave_turn(link);
		ctl_gateway_resume(link);
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
	if (is_secret(secret, link->gateway->config.rw_secret)) {
		link->may_read = link->may_write = true;
		return true;
	}
	if (is_secret(secret, link->gateway->config.ro_secret)) {
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

/* One that is not accepted stops the listener until it is. */
static void on_connection(uv_stream_t *listener, int status)
{
	struct ctl_gateway *gateway = listener->data;

	if (status < 0) {
		gateway->counters.refused++; /* no descriptor is left */
	} else if (gateway->accepts_left == 0) {
		gateway->is_accept_due = true;
		pause_frames(gateway);
	} else {
		gateway->accepts_left--;
		accept_one(gateway);
	}
}

static void on_more(uv_idle_t *more)
{
	struct ctl_gateway *gateway = more->data;

	must(uv_idle_stop(more) == 0);
	gateway->frames_left = FRAMES_MAX;
	gateway->accepts_left = ACCEPTS_MAX;
	if (gateway->is_accept_due) {
		gateway->is_accept_due = false;
		accept_one(gateway);
	}
	ctl_gateway_go_on(gateway);
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
	gateway->frames_left = FRAMES_MAX;
	gateway->accepts_left = ACCEPTS_MAX;
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
	uv_close((uv_handle_t *)&gateway->more, on_closed);
}
