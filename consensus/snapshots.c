/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/snapshots.h"

#include "consensus/quorum.h"
#include "store/base/check.h"

bool paxos_snapshots_is_due(const struct paxos_core *core, const struct paxos_snapshots *snapshots,
                            uint64_t before)
{
	const uint64_t step = core->config.snapshot_bytes;

	return step != 0 && snapshots->open == NULL &&
	       before / step != store_log_bytes(core->store) / step;
}

void paxos_snapshots_cut(struct paxos_core *core, struct paxos_snapshots *snapshots)
{
	struct paxos_effect effect = {.kind = PAXOS_EFFECT_SNAPSHOT};

	must(snapshots->open == NULL);
	must(store_root_index(store_root(core->store)) == core->decided);
	if (store_snapshot_open(core->store, &snapshots->open) < 0) {
		snapshots->open = NULL; /* too many are being given to others: the next point */
		return;
	}
	effect.snapshot = snapshots->open;
	paxos_outbox_tell(&core->outbox, &effect);
	paxos_core_trace(core, PAXOS_TRACE_CHECKPOINT, core->decided,
	                 core->log.length - core->decided);
}

static bool is_equal(struct store_digest a, struct store_digest b)
{
	return a.low == b.low && a.high == b.high;
}

/* Whom a majority contradicts is wrong. Whoever differs is told of once. */
static void compare(struct paxos_core *core, uint64_t index, struct store_digest digest)
{
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		struct paxos_peer *one = &core->peers[peer];
		uint32_t alike = 0;

		if (peer == core->config.node || one->snapshot_index != index ||
		    is_equal(one->snapshot_digest, digest)) {
			continue;
		}
		for (unsigned other = 0; paxos_each(core->voters, &other); other++) {
			if (other != core->config.node &&
			    core->peers[other].snapshot_index == index &&
			    is_equal(core->peers[other].snapshot_digest, one->snapshot_digest)) {
				alike |= paxos_bit(other);
			}
		}
		if (!one->differs) {
			one->differs = true;
			paxos_core_trace(core, PAXOS_TRACE_DIFFERS, index, peer);
		}
		if (paxos_is_majority(alike, core->voters)) {
			paxos_core_end(core, PAXOS_END_DIFFERS);
		}
	}
}

void paxos_snapshots_kept(struct paxos_core *core, struct paxos_snapshots *snapshots,
                          uint64_t index, const struct store_digest *digest)
{
	snapshots->digests[snapshots->next].index = index;
	snapshots->digests[snapshots->next].digest = *digest;
	snapshots->next = (snapshots->next + 1) % PAXOS_DIGESTS_MAX;
	if (index > core->snapshot_index) {
		core->snapshot_index = index;
		core->snapshot_digest = *digest;
	}
	paxos_core_trace(core, PAXOS_TRACE_KEPT, index, 0);
	compare(core, index, *digest);
}

void paxos_snapshots_heard(struct paxos_core *core, const struct paxos_snapshots *snapshots,
                           const struct paxos_msg *msg)
{
	struct paxos_peer *peer = &core->peers[msg->node];

	if (msg->snapshot <= peer->snapshot_index) {
		return;
	}
	peer->snapshot_index = msg->snapshot;
	peer->snapshot_digest = (struct store_digest){msg->digest_low, msg->digest_high};
	peer->differs = false;
	for (unsigned i = 0; i < PAXOS_DIGESTS_MAX; i++) {
		if (snapshots->digests[i].index == msg->snapshot) {
			compare(core, msg->snapshot, snapshots->digests[i].digest);
		}
	}
}

void paxos_snapshots_tick(struct paxos_core *core, struct paxos_snapshots *snapshots, bool staging)
{
	uint32_t have = paxos_bit(core->config.node);

	if (core->snapshot_index <= snapshots->base_index || !paxos_core_is_disk(core) ||
	    !core->takes_part) {
		return;
	}
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		if (core->peers[peer].snapshot_index >= core->snapshot_index) {
			have |= paxos_bit(peer);
		}
	}
	if (!paxos_is_majority(have, core->voters)) {
		return;
	}
	if (!staging) {
		core->durable.stage_record = 0; /* of an intake that was given up */
	}
	snapshots->base_index = core->snapshot_index;
	snapshots->forget_record =
		paxos_core_base(core, core->snapshot_index, &snapshots->forget_from);
}

void paxos_snapshots_durable(struct paxos_core *core, struct paxos_snapshots *snapshots)
{
	const struct paxos_effect effect = {
		.kind = PAXOS_EFFECT_FORGET,
		.record = snapshots->forget_from,
		.index = snapshots->base_index,
	};

	if (snapshots->forget_record == 0 ||
	    core->outbox.record_durable < snapshots->forget_record) {
		return;
	}
	snapshots->forget_record = 0;
	if (snapshots->forget_from > snapshots->forgot) {
		snapshots->forgot = snapshots->forget_from;
		paxos_outbox_tell(&core->outbox, &effect);
		paxos_core_trace(core, PAXOS_TRACE_FORGOT, snapshots->forgot, 0);
	}
}
