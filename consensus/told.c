/* SPDX-License-Identifier: Apache-2.0 */
/*
 * told.c - what the slow side tells a replica: records that are durable, troubles, snapshots
 * (replica.h)
 */
#include "consensus/body.h"
#include "consensus/replica.h"
#include "store/base/check.h"

void paxos_replica_durable(struct paxos_replica *replica, uint64_t now_ns, uint64_t record)
{
	replica->core.now_ns = now_ns;
	if (!replica->core.ended) {
		paxos_core_durable(&replica->core, record);
		paxos_snapshots_durable(&replica->core, &replica->snapshots);
	}
}

void paxos_replica_disk(struct paxos_replica *replica, uint64_t now_ns, unsigned troubles)
{
	struct paxos_core *core = &replica->core;
	const unsigned former = core->disk;

	core->now_ns = now_ns;
	core->disk = troubles | (former & PAXOS_DISK_FAILED);
	if ((core->disk & PAXOS_DISK_FAILED) != 0 && (former & PAXOS_DISK_FAILED) == 0) {
		paxos_core_trace(core, PAXOS_TRACE_DISK_FAILED, 0, 0);
		paxos_replica_hand_over(replica);
		paxos_desk_lease(core, &replica->desk, 0);
		paxos_core_end(core, PAXOS_END_DISK_FAILED);
	}
}

void paxos_replica_snapshot_done(struct paxos_replica *replica, uint64_t now_ns,
                                 struct store_snapshot *snapshot, const struct store_digest *digest)
{
	struct paxos_core *core = &replica->core;
	const uint64_t index = store_snapshot_index(snapshot);

	must(snapshot == replica->snapshots.open);
	core->now_ns = now_ns;
	replica->snapshots.open = NULL;
	store_snapshot_close(core->store, snapshot);
	if (digest != NULL && !core->ended) {
		paxos_snapshots_kept(core, &replica->snapshots, index, digest);
	}
}
