/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/reads.h"

#include "store/base/check.h"

static uint32_t configuration_of(const struct dp_reads *reads)
{
	return atomic_load_explicit(&reads->view->configuration, memory_order_relaxed);
}

/* Opens a request that fits one datagram. */
static bool open_request(const struct dp_reads *reads, struct slice bytes,
                         struct proto_request *ret_request)
{
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;
	bool bad_verb;

	if (store_datagram_open(bytes, &datagram) != STORE_DATAGRAM_GOOD ||
	    datagram.kind != STORE_DATAGRAM_REQUEST ||
	    (datagram.cluster != 0 && datagram.cluster != reads->cluster)) {
		return false;
	}
	if (!proto_segment_decode(&datagram, &head, &piece) || head.segments != 1 ||
	    (head.configuration != 0 && head.configuration != configuration_of(reads))) {
		return false;
	}
	if (!proto_request_decode(piece, ret_request, &bad_verb)) {
		return false;
	}
	ret_request->head = head;
	ret_request->flags = datagram.flags;
	ret_request->cluster = datagram.cluster;
	return true;
}

static void send(struct dp_reads *reads, const struct proto_head *asked, uint64_t version,
                 struct slice message, const struct paxos_address *address, struct dp_tx *tx)
{
	struct proto_head head = {
		.configuration = configuration_of(reads),
		.session = asked->session,
		.number = asked->number,
		.version = version,
		.segments = (uint16_t)proto_segments(message.size),
	};
	const bool some = asked->missing != 0 && asked->version == version;

	for (; head.segment < head.segments; head.segment++) {
		size_t size;

		if (some && (asked->missing >> head.segment & 1) == 0) {
			continue;
		}
		size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, reads->cluster,
		                            message, reads->datagram);
		must(size != 0);
		dp_tx_reply(tx, address, slice_make(reads->datagram, size));
	}
}

bool dp_reads_answer(struct dp_reads *reads, uint64_t now_ns, const struct dp_packet *packet,
                     struct dp_tx *tx)
{
	struct proto_request request;
	uint64_t version;
	size_t size;

	if (!open_request(reads, packet->bytes, &request)) {
		return false;
	}
	if (paxos_read(reads->view, reads->store, now_ns, reads->node, reads->durability, &request,
	               reads->message, &size, &version) != PAXOS_READ_ANSWERED) {
		return false;
	}
	send(reads, &request.head, version, slice_make(reads->message, size),
	     &packet->source.address, tx);
	return true;
}
