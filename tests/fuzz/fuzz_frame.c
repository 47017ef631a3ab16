/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a frame: parsed, and what was good comes back the same from a frame built of it; an
 * ARP frame goes into a table, an echo request is turned round and is then none any more.
 */
#include <stdint.h>
#include <stdlib.h>

#include "dataplane/arp.h"
#include "dataplane/frame.h"
#include "store/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void build_again(const struct dp_frame *frame)
{
	static uint8_t memory[DP_FRAME_SIZE_MAX];
	const struct dp_way way = {
		.source_mac = frame->source_mac,
		.target_mac = frame->target_mac,
		.source = frame->source,
		.target = frame->target,
		.source_port = frame->source_port,
		.target_port = frame->target_port,
	};
	struct dp_frame again;
	size_t size;

	(void)dp_frame_udp_sum(frame);
	if (frame->payload.size > STORE_DATAGRAM_SIZE_MAX) {
		return;
	}
	size = dp_frame_build_udp(memory, &way, frame->payload, 0);
	must(dp_frame_parse(slice_make(memory, size), &again) == DP_FRAME_GOOD);
	must(dp_frame_udp_sum(&again) == DP_SUM_GOOD);
	must(slice_equal(frame->payload, again.payload));
	must(frame->source == again.source);
	must(frame->target == again.target);
	must(frame->source_port == again.source_port);
	must(frame->target_port == again.target_port);
	must(memcmp(&frame->source_mac, &again.source_mac, DP_MAC_SIZE) == 0);
}

static void hear(const struct dp_frame *frame)
{
	static uint8_t memory[DP_ARP_SIZE];
	const struct dp_mac mac = {.bytes = {2, 0, 0, 0, 0, 1}};
	struct dp_frame answer;
	struct dp_mac found;
	struct dp_arp arp;

	dp_arp_init(&arp, &mac, 0x0a4d0001, 24, 0);
	(void)dp_arp_find(&arp, 1, 0x0a4d0002, &found);
	if (dp_arp_receive(&arp, 1, frame, memory) == DP_ARP_ANSWER) {
		must(dp_frame_parse(slice_make(memory, sizeof(memory)), &answer) == DP_FRAME_GOOD);
		must(answer.operation == DP_ARP_REPLY);
	}
}

static void turn(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size);
	struct dp_frame frame;

	must(copy != NULL);
	memcpy(copy, data, size);
	dp_frame_turn_echo(copy, size);
	must(dp_frame_parse(slice_make(copy, size), &frame) != DP_FRAME_GOOD);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dp_frame frame;

	if (dp_frame_parse(slice_make(data, size), &frame) != DP_FRAME_GOOD) {
		return 0;
	}
	switch (frame.kind) {
	case DP_FRAME_UDP:
		build_again(&frame);
		break;
	case DP_FRAME_ARP:
		hear(&frame);
		break;
	case DP_FRAME_ECHO:
		turn(data, size);
		break;
	}
	return 0;
}
