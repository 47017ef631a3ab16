/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/stream.h"

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/limits.h"

struct paxos_place paxos_stream_next(const struct paxos_log *log)
{
	return (struct paxos_place){
		.index = log->length + 1,
		.offset = log->partial_size != 0 ? log->partial_have : 0,
	};
}

struct paxos_place paxos_stream_pack(const struct paxos_log *log, struct paxos_place place,
                                     uint64_t last, struct wire_writer *writer)
{
	must(place.index > log->base);
	must(last <= log->length);
	while (place.index <= last && wire_room(writer) > sizeof(uint32_t)) {
		const struct slice entry = paxos_log_entry(log, place.index);
		const size_t room = wire_room(writer) - sizeof(uint32_t);
		const size_t left = entry.size - place.offset;
		const size_t size = left < room ? left : room;

		wire_put_u32(writer, (uint32_t)entry.size);
		wire_put(writer, slice_make(entry.data + place.offset, size));
		if (size < left) {
			place.offset += (uint32_t)size;
			break;
		}
		place = (struct paxos_place){.index = place.index + 1};
	}
	must(wire_written_ok(writer));
	return place;
}

/* Takes one (size, bytes) off the reader. False if it makes no sense. */
static bool next_chunk(struct wire_reader *reader, uint32_t offset, uint32_t *ret_size,
                       struct slice *ret_chunk)
{
	const uint32_t size = wire_u32(reader);
	size_t left;

	if (!wire_ok(reader) || size == 0 || size > STORE_ENTRY_SIZE_MAX || offset >= size) {
		return false;
	}
	left = size - offset;
	*ret_size = size;
	*ret_chunk = wire_bytes(reader, left < wire_left(reader) ? left : wire_left(reader));
	return ret_chunk->size != 0;
}

bool paxos_stream_skip(struct paxos_place *place, struct slice *body)
{
	struct wire_reader reader = wire_reader_make(*body);
	struct slice chunk;
	uint32_t size;

	if (!next_chunk(&reader, place->offset, &size, &chunk) ||
	    place->offset + chunk.size < size) {
		*body = (struct slice){0};
		return true;
	}
	*place = (struct paxos_place){.index = place->index + 1};
	*body = wire_bytes(&reader, wire_left(&reader));
	return false;
}

static enum paxos_unpack take_chunk(struct paxos_log *log, struct paxos_place place, uint32_t size,
                                    struct slice chunk)
{
	const struct paxos_place next = paxos_stream_next(log);
	uint32_t skip = 0;

	if (place.index < next.index) {
		return PAXOS_UNPACK_TAKEN;
	}
	if ((place.index > next.index && !mutant(10)) || place.offset > next.offset) {
		return PAXOS_UNPACK_GAP;
	}
	skip = next.offset - place.offset;
	if (skip >= chunk.size) {
		return PAXOS_UNPACK_TAKEN;
	}
	chunk = slice_make(chunk.data + skip, chunk.size - skip);
	if (next.offset != 0 && log->partial_size != size) {
		return PAXOS_UNPACK_BAD;
	}
	return paxos_log_append_part(log, size, next.offset, chunk) ? PAXOS_UNPACK_TAKEN
	                                                            : PAXOS_UNPACK_FULL;
}

enum paxos_unpack paxos_stream_unpack(struct paxos_log *log, struct paxos_place place,
                                      struct slice body)
{
	struct wire_reader reader = wire_reader_make(body);

	while (wire_left(&reader) != 0) {
		enum paxos_unpack unpacked;
		struct slice chunk;
		uint32_t size;

		if (!next_chunk(&reader, place.offset, &size, &chunk)) {
			return PAXOS_UNPACK_BAD;
		}
		unpacked = take_chunk(log, place, size, chunk);
		if (unpacked != PAXOS_UNPACK_TAKEN) {
			return unpacked;
		}
		if (place.offset + chunk.size == size) {
			place = (struct paxos_place){.index = place.index + 1};
		} else if (wire_left(&reader) != 0) {
			return PAXOS_UNPACK_BAD;
		}
	}
	return PAXOS_UNPACK_TAKEN;
}
