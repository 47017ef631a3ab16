/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer as a client takes it: datagram, segment or repair note, message. What is decoded is
 * encoded again and must be the same bytes.
 */
#include "store/base/check.h"
#include "store/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[PROTO_MESSAGE_SIZE_MAX];

static void try_message(struct slice message)
{
	struct proto_answer answer;

	if (!proto_answer_decode(message, &answer)) {
		return;
	}
	must(proto_answer_encode(&answer, memory, sizeof(memory)) == message.size);
	must(memcmp(memory, message.data, message.size) == 0);
	must(store_answer_text(answer.answer) != NULL);
}

static void try_body(struct slice body)
{
	const struct store_datagram datagram = {.kind = STORE_DATAGRAM_ANSWER, .body = body};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct store_datagram again;
	struct proto_head head;
	struct slice piece;
	size_t size;

	if (!proto_segment_decode(&datagram, &head, &piece)) {
		return;
	}
	if (proto_is_repair(&head)) {
		must(piece.size == 0);
		size = proto_repair_encode(&head, head.missing, 0, bytes);
	} else if (head.segments == 1) {
		size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, 0, piece, bytes);
		try_message(piece);
	} else {
		return;
	}
	must(store_datagram_open(slice_make(bytes, size), &again) == STORE_DATAGRAM_GOOD);
	must(slice_equal(again.body, body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_datagram datagram;

	if (store_datagram_open(slice_make(data, size), &datagram) == STORE_DATAGRAM_GOOD) {
		try_body(datagram.body);
	} else if (size > STORE_DATAGRAM_HEADER && size <= STORE_DATAGRAM_SIZE_MAX) {
		try_body(slice_make(data + STORE_DATAGRAM_HEADER, size - STORE_DATAGRAM_HEADER));
	}
	try_message(slice_make(data, size));
	return 0;
}
