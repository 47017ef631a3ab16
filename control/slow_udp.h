/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * slow_udp.h - the way of ordinary clients to a replica that polls ports of DPDK
 *
 *      client -- kernel UDP --> slow_udp -- PAXOS_MAIL_CLIENT --> worker
 *             <----------------          <- PAXOS_MAIL_REPLY  --
 *
 * Datagrams pass through as they are; nothing here looks into them. Both ways go in bursts. What
 * finds the mailbox full is dropped and counted: clients ask again.
 *
 * Threads: the control thread's, on its loop.
 */

#include <stdint.h>
#include <uv.h>

#include "consensus/mailbox.h"
#include "control/config_value.h"
#include "control/logger.h"
#include "control/reason.h"
#include "control/udp.h"

struct ctl_slow_udp;

struct ctl_slow_udp_counters {
	struct ctl_udp_sums udp;
	uint64_t dropped_mailbox;
};

/* Mailbox and logger are borrowed until close. 0, or a negative errno and the sentence. */
int ctl_slow_udp_open(struct ctl_slow_udp **ret_slow, uv_loop_t *loop,
                      const struct ctl_address *listen, struct paxos_mailbox *mailbox,
                      struct ctl_logger *logger, struct ctl_reason *ret_reason);

/* Queues an answer (copied); it leaves at the next flush, or when a burst is full. */
void ctl_slow_udp_reply(struct ctl_slow_udp *slow, const struct paxos_address *address,
                        struct slice bytes);
void ctl_slow_udp_flush(struct ctl_slow_udp *slow);

void ctl_slow_udp_counters(const struct ctl_slow_udp *slow,
                           struct ctl_slow_udp_counters *ret_counters);

/* Begins to close; the loop has to run until nothing is left in it. NULL is fine. */
void ctl_slow_udp_close(struct ctl_slow_udp *slow);
