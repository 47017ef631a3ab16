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

	if (store_rights_open(reads->keys, bytes, &datagram) != STORE_DATAGRAM_GOOD ||
	    datagram.kind != STORE_DATAGRAM_REQUEST ||
	    (datagram.cluster != 0 && datagram.cluster != reads->cluster)) {
		return false;
	}
	if (!proto_segment_decode(&datagram, &head, &piece) || head.segments != 1 ||
	    (head.configuration != 0 && head.configuration != configuration_of(reads))) {
		return false;
	}
	if (!proto_request_decode(piece, ret_request, &bad_verb) ||
	    !store_rights_allow(datagram.rights, ret_request->verb)) {
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
	struct proto_head head =
		proto_answer_head(asked, configuration_of(reads), version, message.size);

	for (; head.segment < head.segments; head.segment++) {
		size_t size;

		if (!proto_is_wanted(asked, version, head.segment)) {
			continue;
		}
		size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, reads->cluster,
		                            message, reads->datagram);
		must(size != 0);
		dp_tx_reply(tx, address, slice_make(reads->datagram, size));
	}
}

/* --- watches ------------------------------------------------------------------------------ */

struct post {
	struct dp_reads *reads;
	struct dp_tx *tx;
	uint64_t now_ns;
};

static void post_page(void *context, const struct paxos_address *address,
                      const struct proto_head *asked, struct proto_answer *answer)
{
	const struct post *post = context;
	struct dp_reads *reads = post->reads;
	size_t size;

	answer->node = (uint8_t)(reads->node + 1);
	answer->leader = (uint8_t)atomic_load_explicit(&reads->view->leader, memory_order_relaxed);
	answer->role = (uint8_t)atomic_load_explicit(&reads->view->role, memory_order_relaxed);
	answer->durability = reads->durability;
	answer->age_ms = paxos_lease_view_age_ms(reads->view, post->now_ns);
	size = proto_answer_encode(answer, reads->message, sizeof(reads->message));
	must(size != 0);
	send(reads, asked, proto_answer_version(answer), slice_make(reads->message, size), address,
	     post->tx);
}

/* An outsider's store may be old: the replica refers the client. */
static bool keeps_watches(const struct dp_reads *reads)
{
	return reads->watches != NULL &&
	       atomic_load_explicit(&reads->view->role, memory_order_relaxed) != PAXOS_OUTSIDER;
}

void dp_reads_turn(struct dp_reads *reads, uint64_t now_ns, struct dp_tx *tx)
{
	struct post post = {.reads = reads, .tx = tx, .now_ns = now_ns};

	paxos_watches_turn(reads->watches, now_ns,
	                   &(struct paxos_watch_post){.send = post_page, .context = &post});
}

uint64_t dp_reads_deadline_ns(const struct dp_reads *reads)
{
	return paxos_watches_deadline_ns(reads->watches);
}

/* --- a datagram --------------------------------------------------------------------------- */

bool dp_reads_answer(struct dp_reads *reads, uint64_t now_ns, const struct dp_packet *packet,
                     struct dp_tx *tx)
{
	struct proto_request request;
	uint64_t version;
	size_t size;

	if (!open_request(reads, packet->bytes, &request)) {
		return false;
	}
	if (request.verb == PROTO_WATCH && keeps_watches(reads)) {
		struct post post = {.reads = reads, .tx = tx, .now_ns = now_ns};

		paxos_watches_ask(reads->watches, now_ns, &packet->source.address, &request,
		                  &(struct paxos_watch_post){.send = post_page, .context = &post});
		return true;
	}
	if (paxos_read(reads->view, reads->store, now_ns, &reads->looks, reads->node,
	               reads->durability, &request, reads->message, &size,
	               &version) != PAXOS_READ_ANSWERED) {
		return false;
	}
	send(reads, &request.head, version, slice_make(reads->message, size),
	     &packet->source.address, tx);
	return true;
}
