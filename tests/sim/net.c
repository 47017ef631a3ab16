/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "tests/sim/chance.h"

void net_init(struct net *net, const struct net_options *options)
{
	memset(net, 0, sizeof(*net));
	net->options = *options;
}

static void free_list(struct packet *packet)
{
	while (packet != NULL) {
		struct packet *next = packet->next;

		free(packet);
		packet = next;
	}
}

void net_deinit(struct net *net)
{
	free_list(net->unused);
	free_list(net->kept);
	net->unused = NULL;
	net->kept = NULL;
}

static struct packet *packet_new(struct net *net, uint32_t source, uint32_t target,
                                 struct slice bytes, uint64_t now_ns)
{
	struct packet *packet = net->unused;

	must(bytes.size <= NET_PACKET_MAX);
	if (packet != NULL) {
		net->unused = packet->next;
	} else {
		packet = malloc(sizeof(*packet));
		must(packet != NULL);
	}
	packet->next = NULL;
	packet->source = source;
	packet->target = target;
	packet->sent_ns = now_ns;
	packet->damaged = false;
	packet->size = (uint32_t)bytes.size;
	memcpy(packet->bytes, bytes.data, bytes.size);
	return packet;
}

void net_done(struct net *net, struct packet *packet)
{
	packet->next = net->unused;
	net->unused = packet;
}

static void keep(struct net *net, struct packet *packet)
{
	if (net->kept == NULL) {
		net->kept = packet;
	} else {
		net->kept_last->next = packet;
	}
	net->kept_last = packet;
}

/*
 * Up to three bits of a packet are flipped, or it loses or gains bytes. CRC-32C finds all of these
 * but one in 2^32 of the last two kinds; the size in the header finds those.
 */
static void damage(struct net *net, struct prng *prng, struct packet *packet)
{
	const uint64_t way = prng_below(prng, 8);

	net->counts.damaged++;
	packet->damaged = true;
	if (way == 0) {
		packet->size = (uint32_t)prng_below(prng, packet->size);
	} else if (way == 1 && packet->size + 1 < NET_PACKET_MAX) {
		const uint32_t more =
			(uint32_t)chance_between(prng, 1, NET_PACKET_MAX - packet->size);

		memset(packet->bytes + packet->size, 0x5a, more);
		packet->size += more;
	} else {
		for (uint64_t flips = chance_between(prng, 1, 3); flips > 0; flips--) {
			const uint64_t bit = prng_below(prng, (uint64_t)packet->size * 8);

			packet->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void arrive(struct queue *queue, struct packet *packet, uint64_t time_ns)
{
	queue_put(queue, (struct event){.time_ns = time_ns,
	                                .kind = EVENT_ARRIVAL,
	                                .node = packet->target,
	                                .data = packet});
}

/* One copy of the packet goes its way. */
static void travel(struct net *net, struct prng *prng, struct queue *queue, uint64_t now_ns,
                   struct packet *packet)
{
	const struct net_options *options = &net->options;
	struct net_link *link = &net->links[packet->source][packet->target];
	uint64_t time_ns = now_ns + options->delay_min_ns + link->slow_ns +
	                   chance_exponential(prng, options->delay_mean_ns);

	if (time_ns < link->clogged_ns) {
		time_ns = link->clogged_ns;
	}
	if (chance_ppm(prng, options->late_ppm)) {
		net->counts.late++;
		time_ns += chance_exponential(prng, options->late_ns);
	} else if (options->in_order && time_ns < link->last_ns) {
		time_ns = link->last_ns;
	} else {
		link->last_ns = time_ns;
	}
	if (packet->size != 0 && chance_ppm(prng, options->flip_ppm)) {
		damage(net, prng, packet);
	}
	arrive(queue, packet, time_ns);
}

/* What the filter says; true if the packet goes on. */
static bool passes_filter(struct net *net, uint64_t now_ns, uint32_t source, uint32_t target,
                          struct slice bytes)
{
	const enum net_verdict verdict =
		net->filter == NULL ? NET_PASS
				    : net->filter(net->filter_context, source, target, bytes);

	if (verdict == NET_PASS) {
		return true;
	}
	net->counts.filtered++;
	if (verdict == NET_KEEP || verdict == NET_COPY) {
		keep(net, packet_new(net, source, target, bytes, now_ns));
	}
	return verdict == NET_COPY;
}

void net_send(struct net *net, struct prng *prng, struct queue *queue, uint64_t now_ns,
              uint32_t source, uint32_t target, struct slice bytes)
{
	const struct net_link *link;
	unsigned copies = 1;

	must(source < NET_ENDS_MAX);
	must(target < NET_ENDS_MAX);
	link = &net->links[source][target];
	net->counts.sent++;
	if (!passes_filter(net, now_ns, source, target, bytes)) {
		return;
	}
	if (link->cut) {
		net->counts.cut++;
		return;
	}
	if (chance_ppm(prng, net->options.loss_ppm) || chance_ppm(prng, link->loss_ppm)) {
		net->counts.lost++;
		return;
	}
	if (chance_ppm(prng, net->options.duplicate_ppm)) {
		net->counts.duplicated++;
		copies = 2;
	}
	for (unsigned i = 0; i < copies; i++) {
		travel(net, prng, queue, now_ns, packet_new(net, source, target, bytes, now_ns));
	}
}

void net_cut(struct net *net, uint32_t sources, uint32_t targets, bool cut)
{
	for (unsigned i = 0; i < NET_ENDS_MAX; i++) {
		for (unsigned j = 0; j < NET_ENDS_MAX; j++) {
			if (i != j && (sources >> i & 1) != 0 && (targets >> j & 1) != 0) {
				net->links[i][j].cut = cut;
			}
		}
	}
}

void net_heal(struct net *net)
{
	for (unsigned i = 0; i < NET_ENDS_MAX; i++) {
		for (unsigned j = 0; j < NET_ENDS_MAX; j++) {
			const uint64_t last_ns = net->links[i][j].last_ns;

			net->links[i][j] = (struct net_link){.last_ns = last_ns};
		}
	}
}

unsigned net_release(struct net *net, struct queue *queue, uint64_t now_ns, unsigned copies)
{
	unsigned count = 0;

	for (const struct packet *packet = net->kept; packet != NULL; packet = packet->next) {
		for (unsigned i = 0; i < copies; i++) {
			arrive(queue,
			       packet_new(net, packet->source, packet->target,
			                  slice_make(packet->bytes, packet->size), now_ns),
			       now_ns);
			count++;
		}
	}
	net_forget(net);
	return count;
}

void net_forget(struct net *net)
{
	while (net->kept != NULL) {
		struct packet *packet = net->kept;

		net->kept = packet->next;
		net_done(net, packet);
	}
	net->kept_last = NULL;
}
