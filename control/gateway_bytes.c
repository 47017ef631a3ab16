/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway_bytes.c - bytes of a connection: frames out of what came, answers into what leaves;
 *                   through TLS, where there is some
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/gateway_link.h"
#include "store/base/check.h"

enum {
	FRAMES_OF_ONE = 64, /* of a connection, before the next has its turn */
	SHAKE_FRAMES = 32,  /* a step of a handshake: a signature, up to 0.5 ms with RSA */
};

/* --- out ------------------------------------------------------------------------------------- */

struct pending_write {
	uv_write_t request;
	uint8_t bytes[];
};

static void on_written(uv_write_t *request, int status)
{
	struct ctl_gateway_link *link = request->handle->data;

	free(request->data);
	link->stalled = link->is_shaking ? link->stalled : 0;
	if (status < 0) {
		ctl_gateway_drop(link); /* it went away; UV_ECANCELED: it is closing */
	} else if (!link->is_closing) {
		ctl_gateway_resume(link);
		ctl_gateway_update(link);
	}
}

static void queue_write(struct ctl_gateway_link *link, const uint8_t *bytes, size_t size)
{
	struct pending_write *pending = malloc(sizeof(*pending) + size);
	uv_buf_t buffer;

	if (pending == NULL || ctl_gateway_out_size(link) + size > CTL_GATEWAY_OUT_MAX) {
		free(pending);
		ctl_gateway_drop_counted(link, &link->gateway->counters.unread);
		return;
	}
	memcpy(pending->bytes, bytes, size);
	pending->request.data = pending;
	buffer = uv_buf_init((char *)pending->bytes, (unsigned)size);
	if (uv_write(&pending->request, (uv_stream_t *)&link->tcp, &buffer, 1, on_written) < 0) {
		free(pending);
		ctl_gateway_drop(link);
	}
}

static void send_bytes(struct ctl_gateway_link *link, struct slice bytes)
{
	uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
	int sent = UV_EAGAIN;

	if (ctl_gateway_out_size(link) == 0) {
		sent = uv_try_write((uv_stream_t *)&link->tcp, &buffer, 1);
	}
	if (sent < 0 && sent != UV_EAGAIN) {
		ctl_gateway_drop(link);
		return;
	}
	sent = sent < 0 ? 0 : sent;
	if ((size_t)sent < bytes.size) {
		queue_write(link, bytes.data + sent, bytes.size - (size_t)sent);
	}
}

/* Whatever TLS has to say. */
static void send_tls(struct ctl_gateway_link *link)
{
	const struct slice out = ctl_tls_out(link->tls);

	if (out.size != 0 && !link->is_closing) {
		send_bytes(link, out);
		ctl_tls_sent(link->tls);
	}
}

void ctl_gateway_reply(struct ctl_gateway_link *link, const Doozer__Response *response)
{
	struct ctl_gateway *gateway = link->gateway;
	const struct slice bytes =
		slice_make(gateway->out, ctl_doozer_reply(response, gateway->out));

	if (link->is_closing) {
		return;
	}
	gateway->counters.answers++;
	if (link->tls == NULL) {
		send_bytes(link, bytes);
	} else if (ctl_tls_write(link->tls, bytes) == 0) {
		send_tls(link);
	} else {
		ctl_gateway_drop_counted(link, &gateway->counters.tls_bad);
	}
}

/* --- in -------------------------------------------------------------------------------------- */

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

void ctl_gateway_stop(struct ctl_gateway_link *link)
{
	leave_turn(link);
	free(detach_kept(link).memory);
}

static bool may_take(const struct ctl_gateway_link *link)
{
	return !link->is_closing && !link->is_held && !link->is_fence &&
	       ctl_gateway_out_size(link) <= CTL_GATEWAY_OUT_PAUSE;
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
			ctl_gateway_pause(
				gateway); /* others may be held, though this one is done */
		}
		return true;
	}
	ctl_gateway_pause(gateway);
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
			ctl_gateway_drop_counted(link, &counters->long_frames);
		}
		if (r <= 0 || !may_go_on(link, frames++)) {
			break;
		}
		request = ctl_doozer_request(message);
		if (request == NULL) {
			ctl_gateway_drop_counted(link, &counters->malformed);
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
		ctl_gateway_drop_counted(link, &gateway->counters.kept);
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
		ctl_gateway_drop_counted(link, &link->gateway->counters.kept);
	}
	attach_kept(link, kept);
	ctl_gateway_update(link);
}

/* A handshake costs as much of a turn as many frames. False: it is held, for a turn. */
static bool may_shake(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;
	const bool may = gateway->frames_left != 0;

	gateway->frames_left -=
		gateway->frames_left < SHAKE_FRAMES ? gateway->frames_left : SHAKE_FRAMES;
	if (gateway->frames_left == 0) {
		ctl_gateway_pause(gateway);
	}
	if (!may) {
		hold(link);
	}
	return may;
}

/* Goes on with a handshake, then takes the frames out of what was fed: all of it. */
static void take_tls(struct ctl_gateway_link *link)
{
	struct ctl_gateway *gateway = link->gateway;
	int size = link->is_shaking && !may_shake(link) ? 0 : 1;

	while (size > 0 && !link->is_closing) {
		size = ctl_tls_read(link->tls, gateway->in, sizeof(gateway->in));
		if (link->is_shaking && ctl_tls_is_open(link->tls)) {
			ctl_gateway_shaken(link);
		}
		if (size == -EPIPE) {
			ctl_tls_bye(link->tls);
		}
		send_tls(link);
		if (size > 0 && !link->is_closing) {
			take_frames(link, slice_make(gateway->in, (size_t)size));
		}
	}
	if (size == -EPIPE) {
		ctl_gateway_drop(link);
	} else if (size < 0) {
		ctl_gateway_drop_counted(link, &gateway->counters.tls_bad);
	}
	ctl_gateway_update(link);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct ctl_gateway_link *link = handle->data;

	(void)suggested;
	*ret_buffer = uv_buf_init((char *)link->gateway->in, sizeof(link->gateway->in));
}

static void feed_tls(struct ctl_gateway_link *link, struct slice bytes)
{
	struct ctl_gateway_counters *counters = &link->gateway->counters;
	const int r = ctl_tls_feed(link->tls, bytes);

	if (r == 0) {
		take_tls(link);
	} else {
		ctl_gateway_drop_counted(link, r == -ENOMEM ? &counters->kept : &counters->tls_bad);
	}
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct ctl_gateway_link *link = stream->data;

	if (size < 0) {
		ctl_gateway_drop(link);
	} else if (size > 0 && link->tls == NULL) {
		take_frames(link, slice_make(buffer->base, (size_t)size));
	} else if (size > 0) {
		feed_tls(link, slice_make(buffer->base, (size_t)size));
	}
}

void ctl_gateway_update(struct ctl_gateway_link *link)
{
	const bool wanted = may_take(link);

	if (link->is_closing || wanted == link->is_reading) {
		return;
	}
	link->is_reading = wanted;
	if (!wanted) {
		(void)uv_read_stop((uv_stream_t *)&link->tcp);
	} else if (uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read) < 0) {
		ctl_gateway_drop(link);
	}
}

void ctl_gateway_resume(struct ctl_gateway_link *link)
{
	if (!may_take(link)) {
		return;
	}
	if (link->is_shaking) {
		take_tls(link);
	} else {
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
