/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rest.h - what a worker does when there is nothing to do, and how long its turns are apart
 *
 *      work  -->  yield after each empty turn  -->  sleep: on the bells of its links, inbox and
 *       ^            for DP_YIELD_NS                mailbox; an ethdev cannot ring, so with one the
 *       |                                           steps start short and double
 *       +------ a bell, a datagram, a deadline <----+
 *
 * SPIN does none of this. A sleep ends at sleep_max_ns or at the deadline, whichever is first.
 *
 * The poll gap is the largest time between two turns in which a datagram could have waited: a
 * sleep that a bell would have ended counts only for what it lasted longer than asked for.
 *
 * Threads: the worker's. liburcu: the worker is offline while it sleeps.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/mailbox.h"
#include "dataplane/counters.h"
#include "dataplane/rx.h"

#define DP_YIELD_NS UINT64_C(50000)

struct dp_rest {
	bool spins;
	bool has_ethdev; /* something that cannot ring is read here */
	uint64_t sleep_max_ns;
	uint64_t step_ns;       /* of the next sleep, while has_ethdev */
	uint64_t idle_since_ns; /* 0: was busy */
	uint64_t turn_ns;       /* of the last turn; 0: none yet */
	uint64_t excused_ns;    /* since then, in sleeps that a bell would have ended */
	uint64_t window_ns;     /* start of the second that is measured */
	uint64_t gap_now_ns;    /* largest of this second */
	uint64_t gap_last_ns;   /* and of the one before */
	struct dp_counters *counters;
};

/* Notes a turn at now_ns. Returns true if the gap of the last second, *ret_gap_ns, has changed. */
bool dp_rest_turn(struct dp_rest *rest, uint64_t now_ns, uint64_t *ret_gap_ns);

/*
 * After an empty turn: yields or sleeps, until `deadline_ns` at the latest. mailbox may be NULL
 * (workers beyond 0). Returns when it is worth looking again.
 */
void dp_rest_idle(struct dp_rest *rest, struct dp_rx *rx, struct paxos_mailbox *mailbox,
                  uint64_t now_ns, uint64_t deadline_ns);

/* After a turn that was not empty. */
static inline void dp_rest_busy(struct dp_rest *rest)
{
	rest->idle_since_ns = 0;
}
