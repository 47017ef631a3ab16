/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.c - what can be seen of a replica, and the names of things (replica.h)
 */
#include "consensus/admit.h"
#include "consensus/body.h"
#include "consensus/quorum.h"
#include "consensus/replica.h"
#include "store/base/check.h"

uint64_t paxos_replica_bytes(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;

	return sizeof(*replica) + PAXOS_RECORD_SIZE_MAX + paxos_outbox_bytes() +
	       paxos_log_memory(&core->log) + paxos_log_memory(&replica->intake.stage) +
	       paxos_desk_bytes(core, &replica->desk) +
	       STORE_NODES_MAX * (uint64_t)PAXOS_STATE_WINDOW;
}

static void see_peers(const struct paxos_replica *replica, struct paxos_status *status)
{
	const struct paxos_core *core = &replica->core;
	const uint32_t connected = paxos_election_connected(core);

	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		const struct paxos_peer *peer = &core->peers[i];
		const struct paxos_follower *follower = &replica->leader.followers[i];

		status->peers[i] = (struct paxos_peer_status){
			.connected = (connected & paxos_bit(i)) != 0,
			.unhappy = peer->unhappy,
			.incarnation = peer->incarnation,
			.poll_gap_ns = peer->poll_gap_ns,
			.heard_ns = peer->heard_ns,
			.snapshot_index = peer->snapshot_index,
			.disk_full = peer->disk_full,
			.rolled_back = peer->rank.falls,
			.rank_accepted = peer->rank.accepted,
			.rank_length = peer->rank.length,
			.round_trip_ns = follower->link.round_trip_ns,
			.resent = follower->link.resent,
			.address = store_members(core->store)->member[i].address,
			.named = store_members(core->store)->member[i].incarnation,
			.learned = replica->learned[i],
		};
		if (core->role == PAXOS_LEADER) {
			status->peers[i].accepted = follower->link.length;
		}
	}
	status->peers[core->config.node].incarnation = core->config.incarnation;
}

void paxos_replica_status(const struct paxos_replica *replica, struct paxos_status *ret_status)
{
	const struct paxos_core *core = &replica->core;
	struct paxos_status *status = ret_status;

	*status = core->counted;
	status->role = core->role;
	status->durability = core->config.durability;
	status->node = core->config.node;
	status->configuration = core->configuration;
	status->learners = store_members(core->store)->learners;
	status->since = store_members(core->store)->since;
	status->is_removed = replica->removed;
	status->voters = core->voters;
	status->leader = core->leader;
	status->promised = core->promised;
	status->accepted = core->accepted;
	status->log_start = core->log.base + 1;
	status->length = core->log.length;
	status->durable =
		core->config.durability == PAXOS_DISK ? core->durable_length : core->log.length;
	status->decided = core->decided;
	status->applied = store_applied(core->store);
	if (core->role == PAXOS_LEADER) {
		status->adopted_length = replica->leader.adopted;
		status->deciding = replica->leader.deciding;
	}
	status->holes = core->holes;
	status->snapshot_index = core->snapshot_index;
	status->base_record = replica->snapshots.forgot;
	status->disk = core->disk;
	status->disk_stalled = core->stalled;
	status->lease_end_ns = paxos_replica_lease_end_ns(replica);
	status->now_ns = core->now_ns;
	status->expiry_late_ns = replica->desk.alive.late_ns;
	status->ttl_floor_ms = paxos_admit_ttl_floor_ms(core);
	status->datagrams_out = core->outbox.sent;
	status->watches = *paxos_replica_watches(replica);
	see_peers(replica, status);
}

struct slice paxos_replica_entry(const struct paxos_replica *replica, uint64_t index)
{
	const struct paxos_log *log = &replica->core.log;

	if (index <= log->base || index > log->length) {
		return (struct slice){0};
	}
	return paxos_log_entry(log, index);
}

const struct paxos_lease_view *paxos_replica_lease_view(const struct paxos_replica *replica)
{
	return &replica->desk.view;
}

const struct store_keys *paxos_replica_keys(const struct paxos_replica *replica)
{
	return &replica->core.config.keys;
}

const struct paxos_watch_counters *paxos_replica_watches(const struct paxos_replica *replica)
{
	return paxos_watches_counters(replica->desk.watches);
}

const char *paxos_trace_text(enum paxos_trace_kind kind)
{
	static const char *const texts[PAXOS_TRACE_COUNT] = {
		[PAXOS_TRACE_STARTED] = "started",
		[PAXOS_TRACE_UNHAPPY] = "unhappy",
		[PAXOS_TRACE_STANDS] = "stands",
		[PAXOS_TRACE_PROMISED] = "promised",
		[PAXOS_TRACE_GAVE_UP] = "gave_up",
		[PAXOS_TRACE_ADOPTED] = "adopted",
		[PAXOS_TRACE_LEADS] = "leads",
		[PAXOS_TRACE_ABDICATED] = "abdicated",
		[PAXOS_TRACE_CUT] = "cut",
		[PAXOS_TRACE_REJOINED] = "rejoined",
		[PAXOS_TRACE_SNAPSHOT_IN] = "snapshot_in",
		[PAXOS_TRACE_SNAPSHOT_OUT] = "snapshot_out",
		[PAXOS_TRACE_EXPIRED] = "expired",
		[PAXOS_TRACE_SLEPT] = "slept",
		[PAXOS_TRACE_CHECKPOINT] = "checkpoint",
		[PAXOS_TRACE_KEPT] = "kept",
		[PAXOS_TRACE_FORGOT] = "forgot",
		[PAXOS_TRACE_DISK_FULL] = "disk_full",
		[PAXOS_TRACE_DISK_STALLED] = "disk_stalled",
		[PAXOS_TRACE_DISK_FAILED] = "disk_failed",
		[PAXOS_TRACE_DIFFERS] = "differs",
		[PAXOS_TRACE_DAMAGED] = "damaged",
		[PAXOS_TRACE_REPAIRED] = "repaired",
		[PAXOS_TRACE_ROLLED_BACK] = "rolled_back",
		[PAXOS_TRACE_HANDOVER] = "handover",
		[PAXOS_TRACE_REPORTED_DEAD] = "reported_dead",
		[PAXOS_TRACE_CONFIGURATION] = "configuration",
		[PAXOS_TRACE_ENTERED] = "entered",
		[PAXOS_TRACE_REMOVED] = "removed",
	};

	return kind > 0 && kind < PAXOS_TRACE_COUNT ? texts[kind] : "?";
}

const char *paxos_drop_text(enum paxos_drop drop)
{
	static const char *const texts[PAXOS_DROP_COUNT] = {
		[PAXOS_DROP_FAULT] = "fault",
		[PAXOS_DROP_CLUSTER] = "cluster",
		[PAXOS_DROP_CONFIGURATION] = "configuration",
		[PAXOS_DROP_NOT_A_PEER] = "not_a_peer",
		[PAXOS_DROP_IMPOSTOR] = "impostor",
		[PAXOS_DROP_INCARNATION] = "incarnation",
		[PAXOS_DROP_MESSAGE] = "message",
		[PAXOS_DROP_REQUEST] = "request",
		[PAXOS_DROP_ANSWER] = "answer",
		[PAXOS_DROP_NOTE] = "note",
		[PAXOS_DROP_OUTBOX] = "outbox",
		[PAXOS_DROP_ROLLED_BACK] = "rolled_back",
		[PAXOS_DROP_DENIED] = "denied",
	};

	return drop < PAXOS_DROP_COUNT ? texts[drop] : "?";
}

const char *paxos_role_text(enum paxos_role role)
{
	static const char *const texts[] = {
		[PAXOS_FOLLOWER] = "follower",
		[PAXOS_CANDIDATE] = "candidate",
		[PAXOS_LEADER] = "leader",
		[PAXOS_OUTSIDER] = "outsider",
	};

	return role >= PAXOS_FOLLOWER && role <= PAXOS_OUTSIDER ? texts[role] : "?";
}
