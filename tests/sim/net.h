/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net.h - a network that loses, doubles, delays, reorders, damages and cuts
 *
 * End points are servers (from 0) and clients (from NET_CLIENT). Each direction of each pair is a
 * link of its own. What may happen to a packet is drawn when it is sent; a cut is looked at when
 * it is sent, so a packet under way passes a cut that comes later, and a late one may meet
 * another incarnation than it was meant for.
 *
 * A filter, set by a story, sees every packet before chance does. It may drop it, or keep it (or
 * a copy) for later: net_release() sends what was kept.
 *
 * Packets come from a free list: steady traffic allocates nothing. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/prng.h"
#include "store/base/slice.h"
#include "store/limits.h"
#include "tests/sim/queue.h"

enum {
	NET_CLIENT = 8, /* index of the first client's end point */
	NET_CLIENTS_MAX = 16,
	NET_ENDS_MAX = NET_CLIENT + NET_CLIENTS_MAX,
	NET_PACKET_MAX = STORE_DATAGRAM_SIZE_MAX + 64, /* room for an oversized one */
};

struct packet {
	struct packet *next; /* free list, receive queue, or those kept by a filter */
	uint32_t source, target;
	uint64_t sent_ns;
	bool damaged;
	uint32_t size;
	uint8_t bytes[NET_PACKET_MAX];
};

enum net_verdict {
	NET_PASS = 0,
	NET_DROP,
	NET_KEEP, /* not sent; kept until net_release() or net_forget() */
	NET_COPY, /* sent, and a copy is kept */
};

typedef enum net_verdict net_filter(void *context, uint32_t source, uint32_t target,
                                    struct slice bytes);

struct net_link {
	bool cut;
	uint32_t loss_ppm;   /* beside the network's own */
	uint64_t clogged_ns; /* what is sent before it arrives after it */
	uint64_t slow_ns;    /* added to each delay */
	uint64_t last_ns;    /* when the latest packet arrives, for links that keep order */
};

/* What may happen on every link. */
struct net_options {
	uint32_t loss_ppm;
	uint32_t duplicate_ppm;
	uint32_t flip_ppm; /* damaged: bits flipped, bytes cut off or added */
	uint32_t late_ppm; /* comes again or only after late_ns on average: older than old */
	uint64_t late_ns;
	uint64_t delay_min_ns, delay_mean_ns;
	bool in_order; /* each link keeps the order of what it does not lose */
};

struct net_counts {
	uint64_t sent, delivered, lost, cut, duplicated, damaged, late, filtered, overrun;
};

struct net {
	struct net_options options;
	struct net_link links[NET_ENDS_MAX][NET_ENDS_MAX];
	struct net_counts counts;
	net_filter *filter; /* or NULL */
	void *filter_context;
	struct packet *kept, *kept_last;
	struct packet *unused;
};

void net_init(struct net *net, const struct net_options *options);
void net_deinit(struct net *net);

/* Sends a datagram (copied); arrivals go to the queue. */
void net_send(struct net *net, struct prng *prng, struct queue *queue, uint64_t now_ns,
              uint32_t source, uint32_t target, struct slice bytes);

/* Gives a packet back that came with an EVENT_ARRIVAL. */
void net_done(struct net *net, struct packet *packet);

/* Cuts or opens all links from one set to another (bit i: end point i). */
void net_cut(struct net *net, uint32_t sources, uint32_t targets, bool cut);

/* Opens every link and makes it as good as the others. Options stay. */
void net_heal(struct net *net);

/* Sends what the filter kept, in the order it came, `copies` times each; returns how many. */
unsigned net_release(struct net *net, struct queue *queue, uint64_t now_ns, unsigned copies);
/* Forgets what the filter kept. */
void net_forget(struct net *net);
