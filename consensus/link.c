/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/link.h"

#include "store/base/check.h"

enum {
	REORDER_MAX = 3
}; /* RFC 9002, 6.1.1 */

#define WAIT_MAX_NS ((uint64_t)200 * 1000 * 1000)

static struct paxos_flight *flight_of(struct paxos_link *link, uint64_t number)
{
	return &link->flights[number % PAXOS_WINDOW_MAX];
}

static uint64_t wait_of(const struct paxos_core *core, const struct paxos_link *link)
{
	const uint64_t wait_ns = 4 * link->round_trip_ns;

	return wait_ns > core->config.resend_ns ? wait_ns : core->config.resend_ns;
}

void paxos_link_reset(struct paxos_core *core, struct paxos_link *link, uint64_t length)
{
	if (link->next_number == 0) {
		link->next_number = 1;
	}
	link->first = link->next_number;
	link->next = (struct paxos_place){.index = length + 1};
	link->wait_ns = wait_of(core, link);
	link->moved_ns = core->now_ns;
}

static void measure(struct paxos_link *link, uint64_t sample_ns)
{
	if (link->round_trip_ns == 0) {
		link->round_trip_ns = sample_ns;
	} else {
		link->round_trip_ns = (7 * link->round_trip_ns + sample_ns) / 8;
	}
}

static void settle(struct paxos_core *core, struct paxos_link *link, uint64_t number,
                   const struct paxos_msg *acked)
{
	struct paxos_flight *flight = flight_of(link, number);
	const struct paxos_place reached = {.index = acked->length + 1};
	bool taken = number == acked->number;

	if (flight->done) {
		return;
	}
	if (number < acked->number && acked->number - number <= 64) {
		taken = (acked->mask >> (acked->number - number - 1) & 1) != 0;
	}
	if (taken && number == acked->number) {
		measure(link, core->now_ns - flight->sent_ns);
	}
	if (taken || !paxos_place_before(reached, flight->to)) {
		flight->done = true;
	} else if (number + REORDER_MAX <= acked->number) {
		flight->lost = true;
	}
}

static void forget_done(struct paxos_link *link)
{
	while (link->first < link->next_number && flight_of(link, link->first)->done) {
		link->first++;
	}
}

void paxos_link_acked(struct paxos_core *core, struct paxos_link *link,
                      const struct paxos_msg *acked)
{
	const uint64_t first = link->first;

	if (acked->number >= link->next_number) {
		return; /* not of this stream */
	}
	for (uint64_t number = link->first; number < link->next_number; number++) {
		settle(core, link, number, acked);
	}
	forget_done(link);
	if (link->first != first || acked->length > link->length) {
		link->wait_ns = wait_of(core, link);
		link->moved_ns = core->now_ns;
	}
	if (acked->length > link->length) {
		link->length = acked->length;
	}
	if (link->next.index <= acked->length) {
		link->next = (struct paxos_place){.index = acked->length + 1};
	}
}

/* Sends [from, up to entry `last`) as a new number. False if there was no room. */
static bool send_range(struct paxos_core *core, struct paxos_link *link, unsigned peer,
                       struct paxos_place from, uint64_t last, struct paxos_place *ret_to)
{
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_ACCEPT,
		.ballot = core->accepted,
		.number = link->next_number,
		.decided = core->decided,
		.index = from.index,
		.offset = from.offset,
	};
	struct wire_writer body;

	if (!paxos_core_open(core, &msg, &body)) {
		return false;
	}
	*ret_to = paxos_stream_pack(&core->log, from, last, &body);
	paxos_core_close(core, peer, &body, false);
	*flight_of(link, link->next_number) =
		(struct paxos_flight){.from = from, .to = *ret_to, .sent_ns = core->now_ns};
	link->next_number++;
	return true;
}

static bool window_is_open(const struct paxos_core *core, const struct paxos_link *link)
{
	return link->next_number - link->first < core->config.window;
}

/* The time-out has passed: the two oldest are probes for the rest (RFC 9002, 6.2). */
static void probe(struct paxos_core *core, struct paxos_link *link)
{
	unsigned probes = 0;

	if (core->now_ns < paxos_link_deadline_ns(link)) {
		return;
	}
	for (uint64_t n = link->first; n < link->next_number && probes < 2; n++) {
		if (!flight_of(link, n)->done) {
			flight_of(link, n)->lost = true;
			probes++;
		}
	}
	if (probes == 0) {
		/* All was taken, yet the length lags: the follower has lost what it had taken. */
		paxos_link_reset(core, link, link->length);
		return;
	}
	link->moved_ns = core->now_ns;
	link->wait_ns = 2 * link->wait_ns < WAIT_MAX_NS ? 2 * link->wait_ns : WAIT_MAX_NS;
}

static bool send_lost(struct paxos_core *core, struct paxos_link *link, unsigned peer)
{
	const struct paxos_place reached = {.index = link->length + 1};
	const uint64_t end = link->next_number;

	for (uint64_t number = link->first; number < end; number++) {
		struct paxos_flight *flight = flight_of(link, number);
		struct paxos_place from = flight->from, to;
		uint64_t last;

		if (flight->done || !flight->lost) {
			continue;
		}
		/* What it holds of a datagram is not sent again, and may be in the log no more. */
		if (paxos_place_before(from, reached)) {
			from = reached;
		}
		if (from.index <= core->log.base) {
			return false;
		}
		last = flight->to.offset != 0 ? flight->to.index : flight->to.index - 1;
		/* Its own place in the window may be needed for the new number. */
		flight->done = true;
		forget_done(link);
		if (!window_is_open(core, link) || !send_range(core, link, peer, from, last, &to)) {
			flight->done = false;
			link->first = number < link->first ? number : link->first;
			return true;
		}
		link->resent++;
		core->counted.resent++;
	}
	return true;
}

bool paxos_link_send(struct paxos_core *core, struct paxos_link *link, unsigned peer)
{
	probe(core, link);
	if (!send_lost(core, link, peer)) {
		return false;
	}
	if (link->next.index <= core->log.base) {
		return false;
	}
	while (link->next.index <= core->log.length && window_is_open(core, link)) {
		if (link->first == link->next_number) {
			link->moved_ns = core->now_ns;
		}
		if (!send_range(core, link, peer, link->next, core->log.length, &link->next)) {
			break;
		}
	}
	return true;
}

uint64_t paxos_link_deadline_ns(const struct paxos_link *link)
{
	if (link->first != link->next_number) {
		return link->moved_ns + link->wait_ns;
	}
	if (link->next.index > link->length + 1 || link->next.offset != 0) {
		return link->moved_ns + 32 * link->wait_ns;
	}
	return UINT64_MAX;
}
