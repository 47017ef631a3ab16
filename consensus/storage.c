/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/storage.h"

#include "consensus/quorum.h"

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
	if (stalled) {
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
