/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pass.h - mbufs from one worker to another
 *
 *      workers 1..n-1 --- DATAGRAM, FRAME ---> worker 0    what only the replica may do
 *      worker 0 --------- REPLY -------------> worker k    for a client behind a link that k owns
 *
 * Each worker has an inbox (rte_ring) that any other may put into. What an mbuf is, stands in its
 * private area. An mbuf that was put belongs to the other worker; a full inbox refuses it.
 *
 * Threads: put by any worker, taken by its owner.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "consensus/replica.h"
#include "dataplane/bell.h"
#include "dataplane/config.h"
#include "dataplane/eal.h"

enum dp_pass_kind {
	DP_PASS_DATAGRAM = 1, /* from `source`, for the replica */
	DP_PASS_FRAME,        /* came in by `port`; for its ARP table */
	DP_PASS_REPLY,        /* a datagram for the link `port` */
};

struct dp_pass_mark {
	enum dp_pass_kind kind;
	unsigned port;
	struct paxos_source source;
};

static inline struct dp_pass_mark *dp_pass_mark(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}

struct dp_pass {
	unsigned worker_count;
	struct rte_ring *inboxes[DP_WORKERS_MAX]; /* owned */
	struct dp_bell bells[DP_WORKERS_MAX];     /* worker i sleeps on bells[i] */
};

/* 0, or a negative errno and a reason. */
int dp_pass_open(struct dp_pass *pass, unsigned worker_count, char reason[DP_REASON_SIZE]);
/* Frees what is still inside. A zeroed one is fine. */
void dp_pass_close(struct dp_pass *pass);

/* Puts `mbuf` (its mark filled in) into a worker's inbox and wakes it. False: full, still yours. */
bool dp_pass_put(struct dp_pass *pass, unsigned worker, struct rte_mbuf *mbuf);

/* Takes up to `max` mbufs out of a worker's own inbox; they are given to the caller. */
unsigned dp_pass_take(struct dp_pass *pass, unsigned worker, struct rte_mbuf **ret_mbufs,
                      unsigned max);

bool dp_pass_is_empty(const struct dp_pass *pass, unsigned worker);
