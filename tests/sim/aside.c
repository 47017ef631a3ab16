/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/aside.h"

#include "consensus/reader.h"
#include "store/proto.h"

/* Opens a request of one segment. False if it is anything else. */
static bool open_request(struct slice bytes, struct proto_request *ret_request)
{
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;
	bool bad_verb;

	if (store_datagram_open(bytes, &datagram) != STORE_DATAGRAM_GOOD ||
	    datagram.kind != STORE_DATAGRAM_REQUEST ||
	    !proto_segment_decode(&datagram, &head, &piece) || head.segments != 1 ||
	    head.missing != 0 || !proto_request_decode(piece, ret_request, &bad_verb)) {
		return false;
	}
	ret_request->head = head;
	ret_request->flags = datagram.flags;
	ret_request->cluster = datagram.cluster;
	return true;
}

bool aside_read(struct stage *stage, const struct paxos_replica *replica, const struct store *store,
                uint64_t local_ns, unsigned node, enum paxos_durability durability, uint32_t source,
                struct slice bytes)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	struct paxos_looks looks = {.turn_ns = local_ns}; /* a busy turn: pages are short */
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
	struct proto_request request;
	struct proto_head head;
	uint64_t version = 0;
	size_t size = 0;

	if (!open_request(bytes, &request) ||
	    paxos_read(paxos_replica_lease_view(replica), store, local_ns, &looks, (uint8_t)node,
	               (uint8_t)durability, &request, message, &size,
	               &version) != PAXOS_READ_ANSWERED) {
		return false;
	}
	head = (struct proto_head){.configuration = request.head.configuration,
	                           .session = request.head.session,
	                           .number = request.head.number,
	                           .version = version,
	                           .segments = (uint16_t)proto_segments(size)};
	for (; head.segment < head.segments; head.segment++) {
		const size_t datagram_size =
			proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, request.cluster,
		                             slice_make(message, size), datagram);

		stage_send(stage, stage->now_ns, node, source, slice_make(datagram, datagram_size));
	}
	return true;
}
