/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/grpc.h"

#include "store/base/check.h"

enum {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_RST_STREAM = 3,
	FRAME_SETTINGS = 4,
	FRAME_PING = 6,
	FRAME_GOAWAY = 7,
	FRAME_WINDOW_UPDATE = 8,
	FRAME_HEAD = 9,
	FLAG_END_STREAM = 1,
	FLAG_ACK = 1,
	FLAG_END_HEADERS = 4,
	SETTING_INITIAL_WINDOW = 4,
	WINDOW_FIRST = 65535,             /* RFC 9113, 6.9.2 */
	WINDOW_MORE = 0x7fffffff - 65535, /* what we add to the connection's at the start */
	WINDOW_RENEW = 1 << 28,           /* give back after as many bytes */
	STREAM_MAX = 0x7ffffff0,
	TEXT_MAX = 120, /* of authority and path: their length fits one byte of HPACK */
};

static void put(struct grpc *grpc, const void *data, size_t size)
{
	must(grpc->out_first + grpc->out_size + size <= GRPC_OUT_SIZE);
	memcpy(grpc->out + grpc->out_first + grpc->out_size, data, size);
	grpc->out_size += size;
}

static void put_byte(struct grpc *grpc, unsigned value)
{
	const uint8_t byte = (uint8_t)value;

	put(grpc, &byte, 1);
}

static void put_u32(struct grpc *grpc, uint32_t value)
{
	const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
	                          (uint8_t)(value >> 8), (uint8_t)value};

	put(grpc, bytes, sizeof(bytes));
}

static void put_frame(struct grpc *grpc, size_t size, unsigned type, unsigned flags,
                      uint32_t stream)
{
	put_byte(grpc, (unsigned)(size >> 16));
	put_byte(grpc, (unsigned)(size >> 8));
	put_byte(grpc, (unsigned)size);
	put_byte(grpc, type);
	put_byte(grpc, flags);
	put_u32(grpc, stream);
}

/* True if a whole request, or an answer to the server's own frames, has room. */
static bool has_room(struct grpc *grpc, size_t size)
{
	if (grpc->out_first + grpc->out_size + size > GRPC_OUT_SIZE && grpc->out_first != 0) {
		memmove(grpc->out, grpc->out + grpc->out_first, grpc->out_size);
		grpc->out_first = 0;
	}
	return grpc->out_size + size <= GRPC_OUT_SIZE;
}

void grpc_init(struct grpc *grpc, const char *authority, const char *path)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

	must(strlen(authority) <= TEXT_MAX);
	must(strlen(path) <= TEXT_MAX);
	memset(grpc, 0, sizeof(*grpc));
	grpc->authority = authority;
	grpc->path = path;
	grpc->next_stream = 1;
	grpc->window = WINDOW_FIRST;
	put(grpc, preface, sizeof(preface) - 1);
	put_frame(grpc, 6, FRAME_SETTINGS, 0, 0);
	put_byte(grpc, 0);
	put_byte(grpc, SETTING_INITIAL_WINDOW);
	put_u32(grpc, 0x7fffffff);
	put_frame(grpc, 4, FRAME_WINDOW_UPDATE, 0, 0);
	put_u32(grpc, WINDOW_MORE);
}

/* --- messages ------------------------------------------------------------------------------- */

static void put_varint(struct wire_writer *writer, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		wire_put_u8(writer, (uint8_t)(0x80 | (value & 0x7f)));
	}
	wire_put_u8(writer, (uint8_t)value);
}

void grpc_put_number(struct wire_writer *writer, unsigned field, uint64_t value)
{
	put_varint(writer, field << 3);
	put_varint(writer, value);
}

void grpc_put_bytes(struct wire_writer *writer, unsigned field, struct slice bytes)
{
	put_varint(writer, field << 3 | 2);
	put_varint(writer, bytes.size);
	wire_put(writer, bytes);
}

/* --- asking --------------------------------------------------------------------------------- */

/* A header with a name of HPACK's static table (6 bits), remembered in the dynamic one. */
static size_t add_header(uint8_t *out, unsigned name, const char *value)
{
	const size_t size = strlen(value);

	out[0] = (uint8_t)(0x40 | name);
	out[1] = (uint8_t)size;
	memcpy(out + 2, value, size);
	return size + 2;
}

/*
 * :method POST and :scheme http stand in the static table (3 and 6). The other four go into the
 * dynamic table with the first request, where the newest has the lowest index, 62.
 */
static size_t make_headers(const struct grpc *grpc, uint8_t *out)
{
	static const uint8_t te[] = {0x40, 2, 't', 'e', 8, 't', 'r', 'a', 'i', 'l', 'e', 'r', 's'};
	size_t size = 0;

	out[size++] = 0x80 | 3;
	out[size++] = 0x80 | 6;
	if (grpc->next_stream != 1) {
		for (unsigned index = 65; index >= 62; index--) {
			out[size++] = (uint8_t)(0x80 | index);
		}
		return size;
	}
	size += add_header(out + size, 4, grpc->path);
	size += add_header(out + size, 1, grpc->authority);
	size += add_header(out + size, 31, "application/grpc");
	memcpy(out + size, te, sizeof(te));
	return size + sizeof(te);
}

bool grpc_call(struct grpc *grpc, uint64_t now_ns, struct slice message)
{
	uint8_t headers[512];
	struct grpc_call *place = &grpc->places[grpc->next_stream / 2 % GRPC_PLACES];
	const size_t data_size = message.size + 5;
	size_t headers_size;

	must(message.size <= GRPC_MESSAGE_SIZE_MAX);
	if (grpc->broken || grpc->under_way == GRPC_CALLS_MAX || place->stream != 0 ||
	    grpc->next_stream > STREAM_MAX || grpc->window < (int64_t)data_size ||
	    !has_room(grpc, sizeof(headers) + 2 * FRAME_HEAD + data_size)) {
		return false;
	}
	headers_size = make_headers(grpc, headers);
	put_frame(grpc, headers_size, FRAME_HEADERS, FLAG_END_HEADERS, grpc->next_stream);
	put(grpc, headers, headers_size);
	put_frame(grpc, data_size, FRAME_DATA, FLAG_END_STREAM, grpc->next_stream);
	put_byte(grpc, 0); /* not compressed */
	put_u32(grpc, (uint32_t)message.size);
	put(grpc, message.data, message.size);
	grpc->window -= (int64_t)data_size;
	*place = (struct grpc_call){.stream = grpc->next_stream, .start_ns = now_ns};
	grpc->next_stream += 2;
	grpc->under_way++;
	return true;
}

struct slice grpc_output(const struct grpc *grpc)
{
	return slice_make(grpc->out + grpc->out_first, grpc->out_size);
}

void grpc_sent(struct grpc *grpc, size_t size)
{
	must(size <= grpc->out_size);
	grpc->out_first += size;
	grpc->out_size -= size;
	if (grpc->out_size == 0) {
		grpc->out_first = 0;
	}
}

/* --- hearing -------------------------------------------------------------------------------- */

static struct grpc_call *find_call(struct grpc *grpc, uint32_t stream)
{
	struct grpc_call *place = &grpc->places[stream / 2 % GRPC_PLACES];

	return stream != 0 && place->stream == stream ? place : NULL;
}

static void end_call(struct grpc *grpc, struct grpc_call *call, bool went_well)
{
	struct grpc_call *done =
		&grpc->done[(grpc->done_first + grpc->done_count) % GRPC_CALLS_MAX];

	must(grpc->done_count < GRPC_CALLS_MAX);
	*done = *call;
	done->answered = call->answered && went_well;
	grpc->done_count++;
	call->stream = 0;
	grpc->under_way--;
}

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static bool on_stream(struct grpc *grpc, unsigned type, unsigned flags, uint32_t stream,
                      size_t size)
{
	struct grpc_call *call = find_call(grpc, stream);

	if (type == FRAME_DATA) {
		grpc->consumed += size;
		if (grpc->consumed >= WINDOW_RENEW) {
			if (!has_room(grpc, FRAME_HEAD + 4)) {
				return false;
			}
			put_frame(grpc, 4, FRAME_WINDOW_UPDATE, 0, 0);
			put_u32(grpc, (uint32_t)grpc->consumed);
			grpc->consumed = 0;
		}
		if (call != NULL && size > 5) {
			call->answered = true;
		}
	}
	if (call != NULL && type == FRAME_RST_STREAM) {
		end_call(grpc, call, false);
	} else if (call != NULL && (flags & FLAG_END_STREAM) != 0) {
		end_call(grpc, call, true);
	}
	return true;
}

static bool on_frame(struct grpc *grpc, const uint8_t *frame, size_t size)
{
	const unsigned type = frame[3], flags = frame[4];
	const uint32_t stream = read_u32(frame + 5) & 0x7fffffff;

	switch (type) {
	case FRAME_DATA:
	case FRAME_HEADERS:
	case FRAME_RST_STREAM:
		return on_stream(grpc, type, flags, stream, size);
	case FRAME_SETTINGS:
	case FRAME_PING:
		if ((flags & FLAG_ACK) != 0) {
			return true;
		}
		size = type == FRAME_PING ? size : 0; /* a ping is echoed, settings are taken */
		if (size > 8 || !has_room(grpc, FRAME_HEAD + size)) {
			return false;
		}
		put_frame(grpc, size, type, FLAG_ACK, 0);
		put(grpc, frame + FRAME_HEAD, size);
		return true;
	case FRAME_WINDOW_UPDATE:
		if (size == 4 && stream == 0) {
			grpc->window += read_u32(frame + FRAME_HEAD) & 0x7fffffff;
		}
		return size == 4;
	case FRAME_GOAWAY:
		return false;
	default:
		return true; /* RFC 9113, 4.1: unknown types are passed over */
	}
}

static bool take_frames(struct grpc *grpc)
{
	size_t used = 0;

	while (grpc->in_size - used >= FRAME_HEAD) {
		const uint8_t *frame = grpc->in + used;
		const size_t size = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];

		if (size > GRPC_IN_SIZE - FRAME_HEAD) {
			return false;
		}
		if (grpc->in_size - used < FRAME_HEAD + size) {
			break;
		}
		if (!on_frame(grpc, frame, size)) {
			return false;
		}
		used += FRAME_HEAD + size;
	}
	memmove(grpc->in, grpc->in + used, grpc->in_size - used);
	grpc->in_size -= used;
	return true;
}

bool grpc_feed(struct grpc *grpc, struct slice bytes)
{
	while (!grpc->broken && bytes.size != 0) {
		const size_t room = GRPC_IN_SIZE - grpc->in_size;
		const size_t size = bytes.size < room ? bytes.size : room;

		memcpy(grpc->in + grpc->in_size, bytes.data, size);
		grpc->in_size += size;
		bytes = slice_make(bytes.data + size, bytes.size - size);
		grpc->broken = !take_frames(grpc);
	}
	return !grpc->broken;
}

bool grpc_next(struct grpc *grpc, struct grpc_call *ret_call)
{
	if (grpc->done_count == 0) {
		return false;
	}
	*ret_call = grpc->done[grpc->done_first];
	grpc->done_first = (grpc->done_first + 1) % GRPC_CALLS_MAX;
	grpc->done_count--;
	return true;
}
