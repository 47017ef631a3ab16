/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as a server takes it: datagram, segment, message. What is decoded is encoded again
 * and must be the same bytes. An input that is no datagram is tried as a message too, because a
 * checksum keeps mutations out.
 */
#include <stdlib.h>

#include "store/base/check.h"
#include "store/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[PROTO_MESSAGE_SIZE_MAX];

static void try_message(struct slice message)
{
	struct proto_request request;
	bool bad_verb;

	if (!proto_request_decode(message, &request, &bad_verb)) {
		return;
	}
	must(!bad_verb);
	must(proto_request_encode(&request, memory, sizeof(memory)) == message.size);
	must(memcmp(memory, message.data, message.size) == 0);
}

static void try_body(struct slice body, uint16_t flags)
{
	const struct store_datagram datagram = {
		.kind = STORE_DATAGRAM_REQUEST, .flags = flags, .body = body};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct store_datagram again;
	struct proto_head head;
	struct slice piece;
	size_t size;

	if (!proto_segment_decode(&datagram, &head, &piece)) {
		return;
	}
	must(head.segment < head.segments);
	if (head.segments == 1) {
		size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, flags, 0, piece, bytes);
		must(store_datagram_open(slice_make(bytes, size), &again) == STORE_DATAGRAM_GOOD);
		must(slice_equal(again.body, body));
		try_message(piece);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_datagram datagram;
	enum store_datagram_fault fault;

	fault = store_datagram_open(slice_make(data, size), &datagram);
	must(fault < STORE_DATAGRAM_FAULT_COUNT);
	if (fault == STORE_DATAGRAM_GOOD) {
		try_body(datagram.body, datagram.flags);
	} else if (size > STORE_DATAGRAM_HEADER && size <= STORE_DATAGRAM_SIZE_MAX) {
		try_body(slice_make(data + STORE_DATAGRAM_HEADER, size - STORE_DATAGRAM_HEADER), 0);
	}
	try_message(slice_make(data, size));
	return 0;
}
