/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/aside.h"

#include "consensus/reader.h"
#include "store/base/check.h"
#include "store/proto.h"

static uint32_t configuration_of(const struct aside *aside)
{
	return paxos_replica_lease_view(aside->replica)->configuration;
}

/* Opens a request of one segment, as dataplane/reads.c does. False if it is anything else. */
static bool open_request(const struct aside *aside, struct slice bytes,
                         struct proto_request *ret_request)
{
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;
	bool bad_verb;

	if (store_datagram_open(bytes, &datagram) != STORE_DATAGRAM_GOOD ||
	    datagram.kind != STORE_DATAGRAM_REQUEST ||
	    (datagram.cluster != 0 && datagram.cluster != aside->cluster) ||
	    !proto_segment_decode(&datagram, &head, &piece) || head.segments != 1 ||
	    (head.configuration != 0 && head.configuration != configuration_of(aside)) ||
	    !proto_request_decode(piece, ret_request, &bad_verb)) {
		return false;
	}
	ret_request->head = head;
	ret_request->flags = datagram.flags;
	ret_request->cluster = datagram.cluster;
	return true;
}

/* In as many datagrams as it takes, or those of them that were asked for. */
static void send(const struct aside *aside, const struct proto_head *asked, uint64_t version,
                 struct slice message, uint32_t source)
{
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head =
		proto_answer_head(asked, configuration_of(aside), version, message.size);

	for (; head.segment < head.segments; head.segment++) {
		size_t size;

		if (!proto_is_wanted(asked, version, head.segment)) {
			continue;
		}
		size = proto_segment_encode(&head, STORE_DATAGRAM_ANSWER, 0, aside->cluster,
		                            message, datagram);
		must(size != 0);
		watchbook_sent(&aside->stage->watchbook, aside->stage->now_ns, aside->node,
		               aside->store, aside->heard_ns, slice_make(datagram, size));
		stage_send(aside->stage, aside->stage->now_ns, aside->node, source,
		           slice_make(datagram, size));
	}
}

bool aside_read(const struct aside *aside, uint32_t source, struct slice bytes)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	struct paxos_looks looks = {.turn_ns = aside->local_ns}; /* a busy turn: pages are short */
	struct proto_request request;
	uint64_t version = 0;
	size_t size = 0;

	if (!open_request(aside, bytes, &request) ||
	    paxos_read(paxos_replica_lease_view(aside->replica), aside->store, aside->local_ns,
	               &looks, (uint8_t)aside->node, (uint8_t)aside->durability, &request, message,
	               &size, &version) != PAXOS_READ_ANSWERED) {
		return false;
	}
	send(aside, &request.head, version, slice_make(message, size), source);
	return true;
}

/* --- watches --------------------------------------------------------------------------------- */

static void post_page(void *context, const struct paxos_address *address,
                      const struct proto_head *asked, struct proto_answer *answer)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	const struct aside *aside = context;
	const struct paxos_lease_view *view = paxos_replica_lease_view(aside->replica);
	uint32_t source;
	size_t size;

	memcpy(&source, address->bytes, sizeof(source));
	answer->node = (uint8_t)(aside->node + 1);
	answer->role = (uint8_t)view->role;
	answer->leader = (uint8_t)view->leader;
	answer->durability = (uint8_t)aside->durability;
	answer->age_ms = paxos_lease_view_age_ms(view, aside->local_ns);
	size = proto_answer_encode(answer, message, sizeof(message));
	must(size != 0);
	send(aside, asked, proto_answer_version(answer), slice_make(message, size), source);
}

static struct paxos_watch_post post_of(const struct aside *aside)
{
	return (struct paxos_watch_post){.send = post_page,
	                                 .context = (struct aside *)(uintptr_t)aside};
}

bool aside_watch(const struct aside *aside, uint32_t source, struct slice bytes)
{
	const struct paxos_watch_post post = post_of(aside);
	struct paxos_address address = {{0}};
	struct proto_request request;

	if (!open_request(aside, bytes, &request) || request.verb != PROTO_WATCH ||
	    paxos_replica_lease_view(aside->replica)->role == PAXOS_OUTSIDER) {
		return false;
	}
	memcpy(address.bytes, &source, sizeof(source));
	paxos_watches_ask(aside->watches, aside->local_ns, &address, &request, &post);
	return true;
}

void aside_turn(const struct aside *aside)
{
	const struct paxos_watch_post post = post_of(aside);

	paxos_watches_turn(aside->watches, aside->local_ns, &post);
}
