/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * dataplane.h - start, stop and look at the DPDK shell; free of DPDK types
 *
 *      ports (links between processes, ethdevs) --> workers (one core each) --> replica
 *                                                      ^
 *      consensus/mailbox.h: slow path, status ---------+
 *
 * Threads: dp_start and dp_stop belong to the thread that calls both. dp_counters may be asked by
 * any thread, by one at a time.
 */

#include <stdint.h>

#include "consensus/mailbox.h"
#include "consensus/replica.h"
#include "dataplane/config.h"
#include "dataplane/counters.h"
#include "store/store.h"

struct dp;

/*
 * Starts EAL, ports and workers; once in a process. The replica must have been made and not
 * started; worker 0 starts it and turns it from now on. Sets mailbox->worker_bell; control_bell is
 * the caller's. A PAXOS_MAIL_STATUS is struct paxos_status, then the counters as dp_counters()
 * gives them, without drop_port. Ignores SIGPIPE.
 *
 * Returns 0, or a negative errno; then ret_reason (if not NULL) holds one sentence that says
 * what, where and how to mend it, in at most 256 bytes.
 */
int dp_start(struct dp **ret_dp, const struct dp_config *config, struct paxos_replica *replica,
             struct store *store, struct paxos_mailbox *mailbox, char ret_reason[256]);

/* Stops the workers, waits for them, gives everything back. NULL is fine. */
void dp_stop(struct dp *dp);

/* Sums over all workers and ports; of the poll gaps the largest. */
void dp_counters(const struct dp *dp, uint64_t ret_counters[DP_COUNTER_COUNT]);
