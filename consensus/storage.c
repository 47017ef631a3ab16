/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/storage.h"

#include "consensus/handover.h"
#include "consensus/quorum.h"

/* Is there somebody to lead whose disk does better? Where all stall, each change costs more. */
static bool has_better(const struct paxos_replica *replica)
{
	int heir;

	if (replica->core.role != PAXOS_LEADER) {
		return true; /* a candidacy is given up in any case */
	}
	heir = paxos_handover_heir(replica, PAXOS_NOBODY);
	return heir != PAXOS_NOBODY && !replica->core.peers[heir].disk_late;
}

/* A leader whose own vote waits for its disk leads nobody. */
static void tick_stall(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint64_t age_ns = paxos_durable_age_ns(&core->durable, core->now_ns);
	const bool stalled = age_ns > core->config.suspicion_ns;

	if (stalled && !core->stalled) {
		paxos_core_trace(core, PAXOS_TRACE_DISK_STALLED, age_ns, 0);
	}
	core->stalled = stalled;
	if (stalled && has_better(replica)) {
		paxos_replica_hand_over(replica);
	}
}

/* "The leader full, or a majority": then nobody can say where what grows would stand. */
static void tick_full(struct paxos_core *core)
{
	uint32_t full = 0;
	bool is_full = (core->disk & PAXOS_DISK_FULL) != 0;

	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		full |= core->peers[peer].disk_full ? paxos_bit(peer) : 0;
	}
	is_full |= paxos_is_majority(full, core->voters);
	if (is_full != core->is_full) {
		core->is_full = is_full;
		paxos_core_trace(core, PAXOS_TRACE_DISK_FULL, is_full, 0);
	}
}

void paxos_storage_tick(struct paxos_replica *replica)
{
	tick_stall(replica);
	tick_full(&replica->core);
}
