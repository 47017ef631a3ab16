/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/rest.h"

#include <sched.h>
#include <urcu/urcu-qsbr.h>

#include "dataplane/clock.h"
#include "store/base/check.h"

#define SECOND_NS     UINT64_C(1000000000)
#define FIRST_STEP_NS UINT64_C(20000)
#define WORTH_NS      UINT64_C(5000) /* a shorter sleep costs more than it gives */

static_assert(DP_PORTS_MAX + 1 <= DP_BELLS_MAX, "a worker can sleep on everything it has");

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool dp_rest_turn(struct dp_rest *rest, uint64_t now_ns, uint64_t *ret_gap_ns)
{
	const uint64_t told = most(rest->gap_now_ns, rest->gap_last_ns);
	const uint64_t since = rest->turn_ns == 0 ? 0 : now_ns - rest->turn_ns;
	const uint64_t gap = since - least(since, rest->excused_ns);
	uint64_t now_told;

	rest->turn_ns = now_ns;
	rest->excused_ns = 0;
	if (now_ns - rest->window_ns >= SECOND_NS) {
		rest->window_ns = now_ns;
		rest->gap_last_ns = rest->gap_now_ns;
		rest->gap_now_ns = 0;
	}
	rest->gap_now_ns = most(rest->gap_now_ns, gap);
	now_told = most(rest->gap_now_ns, rest->gap_last_ns);
	if (now_told == told) {
		return false;
	}
	dp_count_set(rest->counters, DP_POLL_GAP_NS, now_told);
	if (gap > dp_counted(rest->counters, DP_POLL_GAP_MAX_NS)) {
		dp_count_set(rest->counters, DP_POLL_GAP_MAX_NS, gap);
	}
	*ret_gap_ns = now_told;
	return true;
}

/* The inbox's bell first: where only one can be waited for, it is the mailbox's, too. */
static unsigned gather(const struct dp_rx *rx, struct dp_bell *ret_bells[DP_PORTS_MAX + 1])
{
	const struct dp_tx *tx = rx->tx;
	unsigned count = 0;

	ret_bells[count++] = &tx->pass->bells[rx->worker];
	for (unsigned i = 0; i < tx->port_count; i++) {
		if (tx->ports[i].kind == DP_PORT_LINK && tx->ports[i].owner == rx->worker) {
			ret_bells[count++] = dp_link_bell(tx->ports[i].link);
		}
	}
	return count;
}

static void sleep_on_bells(struct dp_rest *rest, struct dp_rx *rx, struct paxos_mailbox *mailbox,
                           uint64_t for_ns)
{
	struct dp_bell *bells[DP_PORTS_MAX + 1];
	const unsigned count = gather(rx, bells);

	dp_bells_arm(bells, count);
	if ((mailbox == NULL || paxos_mailbox_worker_sleeps(mailbox)) && !dp_rx_is_waiting(rx)) {
		const uint64_t begin_ns = dp_clock_ns();

		urcu_qsbr_thread_offline();
		if (dp_bells_wait(bells, count, for_ns)) {
			dp_count(rest->counters, DP_WAKES, 1);
		}
		urcu_qsbr_thread_online();
		dp_count(rest->counters, DP_SLEEPS, 1);
		if (!rest->has_ethdev) {
			rest->excused_ns += least(for_ns, dp_clock_ns() - begin_ns);
		}
	}
	if (mailbox != NULL) {
		paxos_mailbox_worker_wakes(mailbox);
	}
	dp_bells_disarm(bells, count);
}

void dp_rest_idle(struct dp_rest *rest, struct dp_rx *rx, struct paxos_mailbox *mailbox,
                  uint64_t now_ns, uint64_t deadline_ns)
{
	uint64_t for_ns;

	if (rest->spins) {
		return;
	}
	if (rest->idle_since_ns == 0) {
		rest->idle_since_ns = now_ns;
		rest->step_ns = FIRST_STEP_NS;
	}
	for_ns = least(deadline_ns > now_ns ? deadline_ns - now_ns : 0, rest->sleep_max_ns);
	if (rest->has_ethdev) {
		for_ns = least(for_ns, rest->step_ns);
	}
	/* What waits for a full port must be tried again soon. */
	if (now_ns - rest->idle_since_ns < DP_YIELD_NS || for_ns < WORTH_NS ||
	    dp_tx_has_backlog(rx->tx)) {
		(void)sched_yield();
		return;
	}
	rest->step_ns = least(2 * rest->step_ns, rest->sleep_max_ns);
	sleep_on_bells(rest, rx, mailbox, for_ns);
}
