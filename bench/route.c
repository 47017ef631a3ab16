/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/route.h"

#include <stdbool.h>

#include "store/datagram.h"
#include "store/proto.h"

void route_init(struct route *route)
{
	for (unsigned i = 0; i < ROUTE_PLACES; i++) {
		route->places[i].session = 0;
		route->places[i].number = 0;
		route->places[i].client = ROUTE_ALL;
	}
}

static unsigned place_of(uint64_t session, uint64_t number)
{
	const uint64_t mixed = (session * 0x9e3779b97f4a7c15u + number) * 0xbf58476d1ce4e5b9u;

	return (unsigned)(mixed >> 48) % ROUTE_PLACES;
}

/* The head without the sum over the bytes: the client checks that itself. */
static bool head_of(struct slice bytes, enum store_datagram_kind kind, struct proto_head *ret_head)
{
	struct store_datagram datagram = {.kind = kind};
	struct slice piece;

	if (bytes.size < STORE_DATAGRAM_HEADER) {
		return false;
	}
	datagram.body =
		slice_make(bytes.data + STORE_DATAGRAM_HEADER, bytes.size - STORE_DATAGRAM_HEADER);
	return proto_segment_decode(&datagram, ret_head, &piece);
}

void route_sent(struct route *route, uint32_t client, struct slice bytes)
{
	struct proto_head head;

	if (head_of(bytes, STORE_DATAGRAM_REQUEST, &head)) {
		const unsigned place = place_of(head.session, head.number);

		route->places[place].session = head.session;
		route->places[place].number = head.number;
		route->places[place].client = client;
	}
}

uint32_t route_find(const struct route *route, struct slice bytes)
{
	struct proto_head head;
	unsigned place;

	if (!head_of(bytes, STORE_DATAGRAM_ANSWER, &head)) {
		return ROUTE_ALL;
	}
	place = place_of(head.session, head.number);
	if (route->places[place].session != head.session ||
	    route->places[place].number != head.number) {
		return ROUTE_ALL;
	}
	return route->places[place].client;
}
