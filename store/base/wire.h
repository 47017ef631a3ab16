/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * wire.h - a cursor over bytes, with an error that sticks
 *
 * Little-endian. A reader that ran past the end answers zeros from then on, a writer that ran
 * past the end writes no more: decode or encode the whole message, then ask wire_ok() once.
 * (The idea is Knot's wire_ctx.)
 *
 * Pure; the bytes are the caller's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/base/slice.h"

struct wire_reader {
	const uint8_t *next;
	const uint8_t *end;
	bool failed;
};

struct wire_writer {
	uint8_t *start;
	uint8_t *next;
	uint8_t *end;
	bool failed;
};

static inline struct wire_reader wire_reader_make(struct slice bytes)
{
	static const uint8_t nothing[1];
	const uint8_t *data = bytes.data != NULL ? bytes.data : nothing;

	return (struct wire_reader){.next = data, .end = data + bytes.size};
}

static inline size_t wire_left(const struct wire_reader *reader)
{
	return (size_t)(reader->end - reader->next);
}

/* True if nothing ran past the end so far. */
static inline bool wire_ok(const struct wire_reader *reader)
{
	return !reader->failed;
}

/* True if nothing ran past the end and nothing is left over. */
static inline bool wire_done(const struct wire_reader *reader)
{
	return !reader->failed && reader->next == reader->end;
}

static inline struct slice wire_bytes(struct wire_reader *reader, size_t size)
{
	struct slice bytes;

	if (reader->failed || size > wire_left(reader)) {
		reader->failed = true;
		return (struct slice){0};
	}
	bytes = slice_make(reader->next, size);
	reader->next += size;
	return bytes;
}

static inline uint64_t wire_unsigned(struct wire_reader *reader, unsigned size)
{
	const struct slice bytes = wire_bytes(reader, size);
	uint64_t value = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		value |= (uint64_t)bytes.data[i] << (8 * i);
	}
	return value;
}

static inline uint8_t wire_u8(struct wire_reader *reader)
{
	return (uint8_t)wire_unsigned(reader, 1);
}

static inline uint16_t wire_u16(struct wire_reader *reader)
{
	return (uint16_t)wire_unsigned(reader, 2);
}

static inline uint32_t wire_u32(struct wire_reader *reader)
{
	return (uint32_t)wire_unsigned(reader, 4);
}

static inline uint64_t wire_u64(struct wire_reader *reader)
{
	return wire_unsigned(reader, 8);
}

static inline struct wire_writer wire_writer_make(void *data, size_t size)
{
	return (struct wire_writer){.start = data, .next = data, .end = (uint8_t *)data + size};
}

static inline bool wire_written_ok(const struct wire_writer *writer)
{
	return !writer->failed;
}

/* What was written so far; borrows from the writer's memory. */
static inline struct slice wire_written(const struct wire_writer *writer)
{
	return slice_make(writer->start, (size_t)(writer->next - writer->start));
}

static inline size_t wire_room(const struct wire_writer *writer)
{
	return (size_t)(writer->end - writer->next);
}

static inline void wire_put(struct wire_writer *writer, struct slice bytes)
{
	if (writer->failed || bytes.size > wire_room(writer)) {
		writer->failed = true;
		return;
	}
	/* What was put together in place already needs no copy. */
	if (bytes.size != 0 && bytes.data != writer->next) {
		memcpy(writer->next, bytes.data, bytes.size);
	}
	writer->next += bytes.size;
}

static inline void wire_put_unsigned(struct wire_writer *writer, uint64_t value, unsigned size)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < size; i++) {
		bytes[i] = (uint8_t)(value >> (8 * i));
	}
	wire_put(writer, slice_make(bytes, size));
}

static inline void wire_put_u8(struct wire_writer *writer, uint8_t value)
{
	wire_put_unsigned(writer, value, 1);
}

static inline void wire_put_u16(struct wire_writer *writer, uint16_t value)
{
	wire_put_unsigned(writer, value, 2);
}

static inline void wire_put_u32(struct wire_writer *writer, uint32_t value)
{
	wire_put_unsigned(writer, value, 4);
}

static inline void wire_put_u64(struct wire_writer *writer, uint64_t value)
{
	wire_put_unsigned(writer, value, 8);
}
