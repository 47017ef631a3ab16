/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/arp.h"

#include "store/base/check.h"

#define MS            UINT64_C(1000000)
#define ASK_FIRST_NS  (20 * MS)
#define ASK_LAST_NS   (1000 * MS)
#define ASK_AGAIN_NS  (10000 * MS)
#define FORGET_NS     (60000 * MS)
#define WANTED_FOR_NS (5000 * MS)

static const struct dp_mac everybody = {.bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void dp_arp_init(struct dp_arp *arp, const struct dp_mac *mac, uint32_t address, uint8_t prefix,
                 uint32_t gateway)
{
	must(prefix <= 32);
	memset(arp, 0, sizeof(*arp));
	arp->mac = *mac;
	arp->address = address;
	arp->gateway = gateway;
	arp->mask = prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

/* Who is to be asked for `address`: itself, the gateway, or nobody (0). */
static uint32_t next_hop(const struct dp_arp *arp, uint32_t address)
{
	return (address & arp->mask) == (arp->address & arp->mask) ? address : arp->gateway;
}

static struct dp_neighbour *look_up(struct dp_arp *arp, uint32_t address)
{
	for (unsigned i = 0; i < DP_ARP_NEIGHBOURS; i++) {
		if (arp->neighbours[i].address == address) {
			return &arp->neighbours[i];
		}
	}
	return NULL;
}

/* A free place, or the one that was not wanted for the longest time. */
static struct dp_neighbour *make_place(struct dp_arp *arp, uint64_t now_ns, uint32_t address)
{
	struct dp_neighbour *place = &arp->neighbours[0];

	for (unsigned i = 0; i < DP_ARP_NEIGHBOURS && place->address != 0; i++) {
		if (arp->neighbours[i].address == 0 ||
		    arp->neighbours[i].wanted_ns < place->wanted_ns) {
			place = &arp->neighbours[i];
		}
	}
	*place = (struct dp_neighbour){
		.address = address,
		.ask_ns = now_ns,
		.gap_ns = ASK_FIRST_NS,
	};
	return place;
}

bool dp_arp_find(struct dp_arp *arp, uint64_t now_ns, uint32_t address, struct dp_mac *ret_mac)
{
	const uint32_t hop = next_hop(arp, address);
	struct dp_neighbour *neighbour;

	if (hop == 0) {
		return false;
	}
	neighbour = look_up(arp, hop);
	if (neighbour == NULL) {
		neighbour = make_place(arp, now_ns, hop);
	}
	neighbour->wanted_ns = now_ns;
	if (neighbour->is_known && now_ns - neighbour->heard_ns > FORGET_NS) {
		neighbour->is_known = false;
		neighbour->gap_ns = ASK_FIRST_NS;
	}
	if (neighbour->is_known) {
		*ret_mac = neighbour->mac;
	}
	return neighbour->is_known;
}

enum dp_arp_result dp_arp_receive(struct dp_arp *arp, uint64_t now_ns, const struct dp_frame *frame,
                                  void *memory)
{
	struct dp_neighbour *neighbour;

	must(frame->kind == DP_FRAME_ARP);
	if (frame->source == arp->address) {
		return DP_ARP_BAD;
	}
	neighbour = frame->source != 0 ? look_up(arp, frame->source) : NULL;
	if (neighbour != NULL) {
		neighbour->is_known = true;
		neighbour->mac = frame->sender_mac;
		neighbour->heard_ns = now_ns;
		neighbour->ask_ns = now_ns + ASK_AGAIN_NS;
		neighbour->gap_ns = ASK_FIRST_NS;
	}
	if (frame->operation == DP_ARP_REQUEST && frame->target == arp->address) {
		/* Back to where it came from. */
		const struct dp_way way = {
			.source_mac = arp->mac,
			.target_mac = frame->source_mac,
			.source = arp->address,
			.target = frame->source,
		};

		(void)dp_frame_build_arp(memory, DP_ARP_REPLY, &way);
		return DP_ARP_ANSWER;
	}
	return neighbour != NULL ? DP_ARP_LEARNED : DP_ARP_NOT_OURS;
}

bool dp_arp_poll(struct dp_arp *arp, uint64_t now_ns, void *memory)
{
	for (unsigned i = 0; i < DP_ARP_NEIGHBOURS; i++) {
		struct dp_neighbour *neighbour = &arp->neighbours[i];
		const struct dp_way way = {
			.source_mac = arp->mac,
			.target_mac = everybody,
			.source = arp->address,
			.target = neighbour->address,
		};

		if (neighbour->address == 0 || now_ns < neighbour->ask_ns ||
		    now_ns - neighbour->wanted_ns > WANTED_FOR_NS) {
			continue;
		}
		neighbour->ask_ns = now_ns + neighbour->gap_ns;
		if (neighbour->gap_ns < ASK_LAST_NS) {
			neighbour->gap_ns = 2 * neighbour->gap_ns < ASK_LAST_NS
			                            ? 2 * neighbour->gap_ns
			                            : ASK_LAST_NS;
		}
		(void)dp_frame_build_arp(memory, DP_ARP_REQUEST, &way);
		return true;
	}
	return false;
}
