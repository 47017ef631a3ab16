/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * grace.h - a thread that waits until all readers have let go
 *
 *      worker: mailbox.grace_wanted = n ---> grace: synchronize_rcu() ---> bell, passed = n
 *                                                                            |
 *      worker <-- PAXOS_MAIL_GRACE n ---- control thread <-------------------+
 *
 * synchronize_rcu() blocks, so neither a worker nor the control thread may call it. The thread
 * looks every millisecond while the store changes and every CTL_GRACE_IDLE_MS when it does not:
 * memory that was replaced waits so much longer, nothing else.
 *
 * Threads: start and stop belong to the thread that calls both; the bell rings on the grace
 *          thread.
 */

#include <stdint.h>

#include "consensus/mailbox.h"
#include "control/reason.h"

enum {
	CTL_GRACE_IDLE_MS = 32
};

struct ctl_grace;

/* The mailbox is borrowed until stop. 0, or a negative errno and the sentence. */
int ctl_grace_start(struct ctl_grace **ret_grace, struct paxos_mailbox *mailbox,
                    struct paxos_bell bell, struct ctl_reason *ret_reason);

/* The highest number for which a grace period has passed; 0: none. Any thread. */
uint64_t ctl_grace_passed(const struct ctl_grace *grace);

/* Stops and waits for it. Readers must still pass quiescent states, or be gone. NULL is fine. */
void ctl_grace_stop(struct ctl_grace *grace);
