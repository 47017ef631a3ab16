/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * udp_worker.h - the kernel shell: a replica over one UDP socket, on a thread of its own
 *
 *      burst in -> one clock read -> receive each -> mail -> tick -> effects -> burst out
 *
 * Peers are known by their source address; everybody else is a client. After a run of datagrams
 * that came close together the worker polls on for a moment, yielding its core; otherwise it
 * sleeps until a datagram, mail, or the replica's deadline. With `spin` it never sleeps.
 *
 * The poll gap of this shell is how much later than it had to a turn began: after the turn
 * before, or, if it slept, after the moment it wanted to be awake.
 *
 * Threads: start and stop belong to the thread that calls both; counters may be asked by any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/mailbox.h"
#include "consensus/replica.h"
#include "control/config_value.h"
#include "control/reason.h"
#include "control/udp.h"
#include "store/limits.h"
#include "store/store.h"

enum {
	CTL_UDP_SPIN_NS = 200000,    /* polls on for so long after a datagram of a run */
	CTL_UDP_RUN_GAP_NS = 300000, /* turns with datagrams closer than this make a run */
	CTL_UDP_RUN_MIN = 8,         /* so many: more than a round of heartbeats brings */
	CTL_UDP_SLEEP_MAX_NS = 1000000000,
};

struct ctl_udp_worker_config {
	struct ctl_address listen;
	struct ctl_address servers[STORE_NODES_MAX];
	unsigned node; /* own index; others whose ip is 0 are told by the replica */
	bool spin;
	int core; /* -1: not pinned */
	uint64_t heartbeat_ns;
};

struct ctl_udp_worker_counters {
	struct ctl_udp_sums udp;
	uint64_t turns, turns_empty, sleeps;
	uint64_t poll_gap_ns, poll_gap_max_ns; /* largest of the last second or two; ever */
	uint64_t receive_buffer;               /* bytes */
};

struct ctl_udp_worker;

/*
 * Opens the socket and starts the thread, which starts the replica. Replica, store and mailbox are
 * borrowed until stop; config is copied. Sets mailbox->worker_bell. Returns 0, or a negative errno
 * and the sentence.
 */
int ctl_udp_worker_start(struct ctl_udp_worker **ret_worker,
                         const struct ctl_udp_worker_config *config, struct paxos_replica *replica,
                         struct store *store, struct paxos_mailbox *mailbox,
                         struct ctl_reason *ret_reason);

/* Stops the thread, waits for it, closes the socket. NULL is fine. */
void ctl_udp_worker_stop(struct ctl_udp_worker *worker);

void ctl_udp_worker_counters(const struct ctl_udp_worker *worker,
                             struct ctl_udp_worker_counters *ret_counters);

/* Bytes it takes beside the replica; for the sum that is told at the start. */
uint64_t ctl_udp_worker_size(void);
