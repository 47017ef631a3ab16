/* SPDX-License-Identifier: Apache-2.0 */
#include "store/client_state.h"

#include "store/base/check.h"

static bool is_own(const struct client *client, const struct client_slot *slot)
{
	return slot == &client->own;
}

unsigned client_slot_index(const struct client *client, const struct client_slot *slot)
{
	must(slot >= client->slots && slot < client->slots + CLIENT_REQUESTS_MAX);
	return (unsigned)(slot - client->slots);
}

static uint64_t bit_of(const struct client *client, const struct client_slot *slot)
{
	return (uint64_t)1 << client_slot_index(client, slot);
}

uint64_t client_slot_loose_number(struct client *client, const struct client_slot *slot)
{
	const uint64_t index = is_own(client, slot) ? 0 : client_slot_index(client, slot);
	const uint64_t chance = prng_next(&client->prng) << CLIENT_SLOT_BITS;

	return CLIENT_NUMBER_LOOSE | chance | index;
}

/* Which segments go out: all to a server that has none; else one that asks what is missing. */
static uint32_t segments_for(const struct client_slot *slot, unsigned server)
{
	const unsigned segments = proto_segments(slot->size);

	if (slot->sends != 0 && segments > 1 && server == slot->server) {
		return (uint32_t)1 << (segments - 1);
	}
	return proto_segment_bits(segments);
}

/*
 * A keep-alive is sent again several times before the session is over, however long other requests
 * wait, but not before an answer can be here.
 */
static uint64_t hasten(struct client *client, const struct client_slot *slot, uint64_t wait_ns)
{
	uint64_t most_ns = client->session.ttl_ns / 6;

	if (!is_own(client, slot) || slot->verb == PROTO_OPEN || wait_ns <= most_ns) {
		return wait_ns;
	}
	if (client->route.smooth_ns != 0) {
		const uint64_t least_ns = client_route_timeout_ns(&client->route, 0);

		most_ns = least_ns > most_ns ? least_ns : most_ns;
	}
	return wait_ns < most_ns ? wait_ns : most_ns;
}

void client_slot_send(struct client *client, uint64_t now_ns, struct client_slot *slot)
{
	const unsigned server = slot->follows ? client->route.aim : client->route.near;

	must(slot->state != CLIENT_SLOT_FREE && slot->state != CLIENT_SLOT_ENDED);
	if (slot->sends == 0 || proto_segments(slot->size) == 1) {
		proto_request_stamp(slot->message, slot->size,
		                    proto_is_write(slot->verb) ? client->session.first : 0,
		                    client->seen);
	}
	if (slot->sends != 0) {
		client->counters.resent++;
	}
	slot->to_send = segments_for(slot, server);
	slot->server = server;
	slot->asked |= (uint32_t)1 << server;
	slot->sends++;
	slot->repairs = 0;
	slot->sent_ns = now_ns;
	if (slot->silences == 0) {
		slot->asked_ns = now_ns;
	}
	slot->due_ns = now_ns + hasten(client, slot,
	                               client_route_timeout_ns(&client->route, slot->silences));
	slot->state = CLIENT_SLOT_SENT;
	if (!is_own(client, slot)) {
		client->sending |= bit_of(client, slot);
	}
}

void client_slot_pause(struct client *client, uint64_t now_ns, struct client_slot *slot,
                       uint64_t most_ns)
{
	slot->state = CLIENT_SLOT_PAUSED;
	slot->to_send = 0;
	if (!is_own(client, slot)) {
		client->sending &= ~bit_of(client, slot);
	}
	slot->due_ns =
		now_ns +
		hasten(client, slot, client_route_pause_ns(&client->route, slot->pauses, most_ns));
	slot->pauses++;
}

void client_slot_overdue(struct client *client, uint64_t now_ns, struct client_slot *slot)
{
	if (slot->state == CLIENT_SLOT_SENT) {
		slot->silences++;
		client_route_silence(&client->route, now_ns, slot->server, slot->sent_ns);
	}
	slot->hops = 0;
	client_slot_send(client, now_ns, slot);
}

static void release_number(struct client *client, const struct client_slot *slot)
{
	struct client_session_state *session = &client->session;
	uint8_t *place = &session->by_number[slot->number % CLIENT_REQUESTS_MAX];

	if (slot->session == 0 || slot->session != session->id) {
		return;
	}
	must(*place == client_slot_index(client, slot));
	*place = CLIENT_NO_SLOT;
	while (session->first < session->next &&
	       session->by_number[session->first % CLIENT_REQUESTS_MAX] == CLIENT_NO_SLOT) {
		session->first++;
	}
}

void client_slot_end(struct client *client, struct client_slot *slot, enum client_outcome outcome,
                     const struct proto_answer *answer)
{
	const unsigned index = client_slot_index(client, slot);
	const uint64_t bit = bit_of(client, slot);

	must(slot->state != CLIENT_SLOT_FREE && slot->state != CLIENT_SLOT_ENDED);
	must(client->ended_count < CLIENT_REQUESTS_MAX);
	if (slot->missing != 0) {
		assembly_forget(client->assembly, 0, slot->number);
	}
	if (proto_is_write(slot->verb) && slot->number != 0) {
		release_number(client, slot);
	}
	slot->outcome = outcome;
	slot->answer = *answer;
	if (answer->value.size != 0) {
		memmove(slot->message, answer->value.data, answer->value.size);
		slot->answer.value = slice_make(slot->message, answer->value.size);
	}
	slot->state = CLIENT_SLOT_ENDED;
	client->held &= ~bit;
	client->sending &= ~bit;
	client->ended_order[(client->ended_first + client->ended_count) % CLIENT_REQUESTS_MAX] =
		(uint8_t)index;
	client->ended_count++;
}

void client_slot_give_up(struct client *client, struct client_slot *slot)
{
	const bool may_have_happened = proto_is_write(slot->verb) && slot->sends != 0;
	const struct proto_answer answer = {
		.verb = slot->verb,
		.answer = slot->heard ? slot->last : STORE_NO_QUORUM,
	};

	client_slot_end(client, slot, may_have_happened ? CLIENT_UNKNOWN : CLIENT_UNREACHED,
	                &answer);
}

struct slice client_slot_take(struct client *client, struct client_slot *slot)
{
	const struct proto_head head = {
		.session = slot->session,
		.secret = slot->secret,
		.number = slot->number,
		.version = slot->missing != 0 ? slot->version : 0,
		.segment = (uint16_t)__builtin_ctz(slot->to_send),
		.segments = (uint16_t)proto_segments(slot->size),
		.missing = slot->missing,
	};
	size_t size;

	must(slot->to_send != 0);
	slot->to_send &= slot->to_send - 1;
	if (slot->to_send == 0 && !is_own(client, slot)) {
		client->sending &= ~bit_of(client, slot);
	}
	size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, slot->flags,
	                            client->config.cluster, slice_make(slot->message, slot->size),
	                            client->datagram);
	store_rights_seal(&client->config.key, client->datagram, size);
	client->counters.sent++;
	return slice_make(client->datagram, size);
}

static void wake(struct client *client, uint64_t now_ns, struct client_slot *slot)
{
	const bool waits = slot->state == CLIENT_SLOT_PAUSED ||
	                   (slot->state == CLIENT_SLOT_SENT &&
	                    client_route_is_silent(&client->route, now_ns, slot->server));

	if (waits && slot->follows && slot->server != client->route.aim &&
	    slot->hops < CLIENT_HOPS_MAX) {
		slot->hops++;
		client_slot_send(client, now_ns, slot);
	}
}

void client_slot_wake(struct client *client, uint64_t now_ns)
{
	for (unsigned i = 0; i < client->config.requests_max; i++) {
		wake(client, now_ns, &client->slots[i]);
	}
	wake(client, now_ns, &client->own);
}
