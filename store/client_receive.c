/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_receive.c - what a datagram from a server means: client_receive()
 */
#include "store/base/check.h"
#include "store/client.h"
#include "store/client_session.h"
#include "store/client_state.h"

/* Whose answer this may be, or NULL. */
static struct client_slot *find_slot(struct client *client, unsigned server,
                                     const struct proto_head *head)
{
	const struct client_session_state *session = &client->session;
	struct client_slot *slot = &client->own;

	if (slot->state != CLIENT_SLOT_FREE && slot->number == head->number) {
		/* Its NOP has a number of the session. */
	} else if ((head->number & CLIENT_NUMBER_LOOSE) == 0) {
		const unsigned index = session->by_number[head->number % CLIENT_REQUESTS_MAX];

		if (index == CLIENT_NO_SLOT) {
			return NULL;
		}
		slot = &client->slots[index];
	} else {
		slot = &client->slots[head->number & (CLIENT_REQUESTS_MAX - 1)];
	}
	if (slot->state != CLIENT_SLOT_SENT && slot->state != CLIENT_SLOT_PAUSED) {
		return NULL;
	}
	if (slot->number != head->number || slot->session != head->session ||
	    (slot->asked >> server & 1) == 0) {
		return NULL;
	}
	return slot;
}

static void on_repair(struct client *client, uint64_t now_ns, unsigned server,
                      struct client_slot *slot, const struct proto_head *head)
{
	const uint32_t missing = head->missing & proto_segment_bits(proto_segments(slot->size));

	if (slot->state != CLIENT_SLOT_SENT || slot->server != server || missing == 0 ||
	    slot->repairs >= CLIENT_REPAIRS_MAX) {
		return;
	}
	slot->repairs++;
	slot->silences = 0;
	slot->to_send |= missing;
	slot->due_ns = now_ns + client_route_timeout_ns(&client->route, 0);
	if (slot != &client->own) {
		client->sending |= (uint64_t)1 << client_slot_index(client, slot);
	}
	client->counters.repairs += (unsigned)__builtin_popcount(missing);
}

/* NOT_LEADER, or NO_QUORUM. */
static void on_referral(struct client *client, uint64_t now_ns, unsigned server,
                        struct client_slot *slot, const struct proto_answer *answer)
{
	const bool knows = answer->answer == STORE_NOT_LEADER;
	const unsigned aim = client->route.aim;
	bool is_worth_it;

	slot->follows = true; /* a stale read that nobody near wants to answer */
	if (slot->state != CLIENT_SLOT_SENT || slot->server != server) {
		return; /* of an earlier sending; it waits for another server by now */
	}
	is_worth_it =
		client_route_redirect(&client->route, now_ns, server, knows ? answer->leader : 0);
	if (knows && is_worth_it && slot->hops < CLIENT_HOPS_MAX) {
		slot->hops++;
		client_slot_send(client, now_ns, slot);
	} else {
		client_slot_pause(client, now_ns, slot, client->config.pause_max_ns);
	}
	if (is_worth_it && client->route.aim != aim) {
		client_slot_wake(client, now_ns);
	}
}

/* True if the answer is one that another sending of the same request cannot contradict. */
static bool is_definite(const struct client_slot *slot, enum store_answer answer)
{
	const bool is_said_by_one_server =
		answer == STORE_BAD_REQUEST || answer == STORE_BAD_VERSION ||
		answer == STORE_WRONG_CLUSTER || answer == STORE_BAD_VERB || answer == STORE_DENIED;

	if (!proto_is_write(slot->verb)) {
		return true;
	}
	return !(is_said_by_one_server && slot->sends > 1);
}

static void on_final(struct client *client, uint64_t now_ns, unsigned server,
                     struct client_slot *slot, const struct proto_answer *answer)
{
	const bool is_linear = slot->follows;
	const bool is_close = slot->verb == PROTO_CLOSE;
	enum client_outcome outcome = CLIENT_REFUSED;

	if (answer->answer == STORE_OK) {
		outcome = CLIENT_DONE;
	} else if (!is_definite(slot, answer->answer)) {
		outcome = CLIENT_UNKNOWN;
	}
	if (slot == &client->own) {
		client_session_answer(client, now_ns, answer);
	} else {
		client_slot_end(client, slot, outcome, answer);
		if (is_close) {
			client_session_closed(client);
		}
		client_session_pump(client, now_ns);
	}
	if (is_linear && answer->answer == STORE_OK && client->route.aim != server) {
		client->route.aim = server;
		client_slot_wake(client, now_ns);
	}
}

static void note_answer(struct client_slot *slot, unsigned server, enum store_answer answer)
{
	slot->heard = true;
	slot->last = answer;
	slot->last_server = server;
}

/* What keeps the session from being opened keeps the writes that wait for it. */
static void note_answer_for_held(struct client *client, unsigned server, enum store_answer answer)
{
	for (uint64_t left = answer != STORE_OK ? client->held : 0; left != 0; left &= left - 1) {
		note_answer(&client->slots[__builtin_ctzll(left)], server, answer);
	}
}

static void on_answer(struct client *client, uint64_t now_ns, unsigned server,
                      struct client_slot *slot, const struct proto_answer *answer)
{
	const bool is_of_session = proto_is_write(slot->verb) || slot->verb == PROTO_ALIVE;

	note_answer(slot, server, answer->answer);
	if (slot == &client->own) {
		note_answer_for_held(client, server, answer->answer);
	}
	slot->silences = 0;
	if (answer->answer == STORE_NOT_LEADER) {
		client->counters.redirected++;
		on_referral(client, now_ns, server, slot, answer);
	} else if (answer->answer == STORE_NO_QUORUM) {
		client->counters.no_quorum++;
		on_referral(client, now_ns, server, slot, answer);
	} else if (answer->answer == STORE_OVERLOADED || answer->answer == STORE_WINDOW ||
	           answer->answer == STORE_TOO_EARLY) {
		client->counters.overloaded++;
		if (slot->state == CLIENT_SLOT_SENT && slot->server == server) {
			client_slot_pause(client, now_ns, slot, client->config.resend_max_ns);
		}
	} else if (is_of_session &&
	           (answer->answer == STORE_NO_SESSION || answer->answer == STORE_BAD_SECRET ||
	            (answer->answer == STORE_STALE && slot != &client->own))) {
		/* STALE, and waited for: somebody else goes on with the session. */
		client_session_lost(client, now_ns, answer->answer);
	} else {
		on_final(client, now_ns, server, slot, answer);
	}
}

/* One message that was put together. False: it makes no sense as an answer to this request. */
static bool on_message(struct client *client, uint64_t now_ns, unsigned server, uint64_t cluster,
                       struct client_slot *slot, struct slice message, bool is_sample)
{
	struct proto_answer answer;

	if (!proto_answer_decode(message, &answer)) {
		return false;
	}
	if (answer.verb != slot->verb && answer.verb != PROTO_NONE) {
		return false;
	}
	if (client->config.cluster != 0 && cluster != client->config.cluster &&
	    answer.answer != STORE_WRONG_CLUSTER) {
		return false;
	}
	answer.cluster = cluster;
	client_route_heard(&client->route, now_ns, server, answer.node);
	if (answer.store_revision > client->seen) {
		client->seen = answer.store_revision;
	}
	if (is_sample && answer.answer == STORE_OK) {
		if (slot->sends == 1) {
			client_route_sample(&client->route, now_ns - slot->sent_ns);
		} else if (slot->silences != 0) {
			client_route_late(&client->route, now_ns - slot->asked_ns);
		}
	}
	on_answer(client, now_ns, server, slot, &answer);
	return true;
}

static void on_segment(struct client *client, uint64_t now_ns, unsigned server, uint64_t cluster,
                       const struct proto_head *head, struct slice piece)
{
	struct client_slot *slot = find_slot(client, server, head);
	struct slice message;
	uint32_t missing = 0;

	if (slot == NULL) {
		client->counters.unasked++;
		return;
	}
	if (proto_is_repair(head)) {
		on_repair(client, now_ns, server, slot, head);
		return;
	}
	switch (assembly_add(client->assembly, now_ns, 0, head, piece, &message, &missing)) {
	case ASSEMBLY_WHOLE:
		slot->missing = 0;
		if (!on_message(client, now_ns, server, cluster, slot, message,
		                head->segments == 1)) {
			client->counters.strange++;
		}
		break;
	case ASSEMBLY_PARTIAL:
		slot->missing = missing;
		slot->version = head->version;
		slot->silences = 0;
		client_route_heard(&client->route, now_ns, server, 0);
		if (slot->state == CLIENT_SLOT_SENT) {
			slot->due_ns = now_ns + client_route_timeout_ns(&client->route, 0);
		}
		break;
	case ASSEMBLY_BAD:
		slot->missing = 0;
		client->counters.strange++;
		break;
	}
}

void client_receive(struct client *client, uint64_t now_ns, unsigned server, struct slice bytes)
{
	struct store_datagram datagram;
	enum store_datagram_fault fault;
	struct proto_head head;
	struct slice piece;

	must(server < client->config.servers);
	client->counters.received++;
	fault = store_datagram_open(bytes, &datagram);
	if (fault != STORE_DATAGRAM_GOOD) {
		client->counters.faults[fault]++;
	} else if (datagram.kind != STORE_DATAGRAM_ANSWER ||
	           !proto_segment_decode(&datagram, &head, &piece)) {
		client->counters.strange++;
	} else {
		on_segment(client, now_ns, server, datagram.cluster, &head, piece);
	}
}
