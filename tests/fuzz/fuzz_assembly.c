/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in whatever order and shape. The input is a list of steps of 8 bytes: who, number,
 * version, segment, segments, size (u16), fill. A message that comes out whole is made of the
 * fills that its own segments brought.
 */
#include "store/assembly.h"
#include "store/base/check.h"
#include "store/base/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct assembly *assembly, struct wire_reader *reader, uint64_t now_ns)
{
	static uint8_t bytes[2 * PROTO_PIECE_SIZE];
	const uint64_t who = wire_u8(reader);
	struct proto_head head = {0};
	struct slice message;
	uint32_t missing = 0;
	size_t size;

	head.number = wire_u8(reader);
	head.version = wire_u8(reader) & 3;
	head.segment = wire_u8(reader);
	head.segments = wire_u8(reader);
	size = wire_u16(reader);
	memset(bytes, wire_u8(reader), sizeof(bytes));
	if (size > sizeof(bytes)) {
		size = PROTO_PIECE_SIZE;
	}
	switch (assembly_add(assembly, now_ns, who, &head, slice_make(bytes, size), &message,
	                     &missing)) {
	case ASSEMBLY_WHOLE:
		must(message.size >= 1 && message.size <= PROTO_MESSAGE_SIZE_MAX);
		must(proto_segments(message.size) == head.segments);
		for (size_t i = 0; i < message.size; i++) {
			must(message.data[i] ==
			     message.data[i / PROTO_PIECE_SIZE * PROTO_PIECE_SIZE]);
		}
		break;
	case ASSEMBLY_PARTIAL:
		must(missing != 0);
		must((missing & ~proto_segment_bits(head.segments)) == 0);
		must((missing >> head.segment & 1) == 0);
		break;
	case ASSEMBLY_BAD:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = wire_reader_make(slice_make(data, size));
	struct assembly *assembly;

	if (assembly_new(&assembly, 3) != 0) {
		return 0;
	}
	for (uint64_t now_ns = 1; wire_left(&reader) >= 8; now_ns++) {
		step(assembly, &reader, now_ns);
	}
	assembly_free(assembly);
	return 0;
}
