/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/replica.h"

#include <errno.h>
#include <stdlib.h>

#include "consensus/body.h"
#include "consensus/changer.h"
#include "consensus/handover.h"
#include "consensus/mend.h"
#include "consensus/outsider.h"
#include "consensus/peers.h"
#include "consensus/quorum.h"
#include "consensus/storage.h"
#include "consensus/turnover.h"
#include "consensus/watches_post.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

enum {
	APPLY_MAX = 4096, /* entries applied in one turn */
	AHEAD = 3,        /* entries: a miss takes less than it takes to apply them */
};

int paxos_replica_new(struct paxos_replica **ret_replica, const struct paxos_config *config,
                      struct store *store)
{
	struct paxos_replica *replica;
	int r;

	if (!paxos_config_is_good(config)) {
		return -EINVAL;
	}
	replica = calloc(1, sizeof(*replica));
	if (replica == NULL) {
		return -ENOMEM;
	}
	r = paxos_core_init(&replica->core, config, store);
	if (r == 0) {
		r = paxos_intake_init(&replica->intake, config);
	}
	if (r == 0) {
		r = paxos_desk_init(&replica->core, &replica->desk);
	}
	for (unsigned i = 0; i < STORE_NODES_MAX && r == 0; i++) {
		r = paxos_outlet_init(&replica->outlets[i]);
	}
	if (r < 0) {
		paxos_replica_free(replica);
		return r;
	}
	replica->core.recovering = true;
	replica->recovery.is_sure = true;
	*ret_replica = replica;
	return 0;
}

void paxos_replica_free(struct paxos_replica *replica)
{
	if (replica == NULL) {
		return;
	}
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		paxos_outlet_deinit(&replica->outlets[i], replica->core.store);
	}
	if (replica->snapshots.open != NULL) {
		store_snapshot_close(replica->core.store, replica->snapshots.open);
	}
	paxos_desk_deinit(&replica->desk);
	paxos_intake_deinit(&replica->intake);
	paxos_core_deinit(&replica->core);
	free(replica);
}

void paxos_replica_start(struct paxos_replica *replica, uint64_t now_ns)
{
	struct paxos_core *core = &replica->core;

	must(core->recovering);
	core->now_ns = now_ns;
	core->recovering = false;
	if (mutant(3)) {
		core->promised = core->accepted;
	}
	paxos_intake_end(&replica->intake);
	paxos_log_cut(&core->log, core->log.length);
	core->persisted = (struct paxos_place){.index = core->log.length + 1};
	core->durable_length = core->log.length;
	core->hint = core->decided;
	if (paxos_turnover_is_due(replica) &&
	    core->promised.configuration >= store_members(core->store)->configuration) {
		paxos_core_follow(core);
	}
	if (core->config.durability == PAXOS_MEMORY) {
		core->takes_part = core->config.founding || mutant(32);
	} else {
		/* One that has joined before it was told so knows it by its promise. */
		core->takes_part = (core->holes == 0 || mutant(38)) &&
		                   paxos_has(core->voters, core->config.node) &&
		                   (!core->config.rejoining || core->promised.configuration != 0);
	}
	core->role = core->takes_part ? PAXOS_FOLLOWER : PAXOS_OUTSIDER;
	/* "A server that starts behaves as if it had granted to an unknown ballot" (f). */
	paxos_grant_start(&core->grant, now_ns,
	                  paxos_lease_with_drift(core->config.lease_ns, core->config.drift_ppm));
	paxos_acceptor_init(&replica->acceptor);
	paxos_election_start(core, &replica->election);
	replica->desk.alive.epoch = 1;
	paxos_desk_lease(core, &replica->desk, 0);
	store_publish(core->store);
	paxos_core_trace(core, PAXOS_TRACE_STARTED, core->config.incarnation, core->takes_part);
	if (core->holes != 0) {
		paxos_core_trace(core, PAXOS_TRACE_DAMAGED, core->holes_first,
		                 core->holes_first + core->holes - 1);
	}
	if (paxos_turnover_is_due(replica)) {
		paxos_turnover_enter(replica); /* it was applied; the step was not durable */
	}
}

static void count_fault(struct paxos_replica *replica, enum store_datagram_fault fault)
{
	replica->core.counted.faults[fault]++;
	paxos_core_drop(&replica->core, PAXOS_DROP_FAULT);
}

void paxos_replica_receive(struct paxos_replica *replica, uint64_t now_ns,
                           const struct paxos_source *source, struct slice bytes)
{
	struct paxos_core *core = &replica->core;
	struct store_datagram datagram;
	const enum store_datagram_fault fault =
		store_rights_open(&core->config.keys, bytes, &datagram);

	core->now_ns = mutant(11) ? core->now_ns : now_ns;
	core->counted.datagrams_in++;
	if (core->ended) {
		return;
	}
	if (fault != STORE_DATAGRAM_GOOD) {
		count_fault(replica, fault);
		if (fault == STORE_DATAGRAM_BAD_VERSION && source->peer == PAXOS_NOBODY) {
			paxos_desk_refuse_version(core, &replica->desk, &source->address);
		}
		return;
	}
	switch (datagram.kind) {
	case STORE_DATAGRAM_REQUEST:
		paxos_desk_request(
			core, &replica->desk, core->role == PAXOS_LEADER ? &replica->leader : NULL,
			&source->address, &datagram, replica->election.rounds.number + 1);
		break;
	case STORE_DATAGRAM_PEER:
		paxos_peers_hear(replica, source->peer, &datagram);
		break;
	case STORE_DATAGRAM_ANSWER:
	default:
		paxos_core_drop(core, PAXOS_DROP_ANSWER);
		break;
	}
}

/* --- leading, and its end ------------------------------------------------------------------ */

void paxos_replica_step_down(struct paxos_replica *replica, int heir)
{
	struct paxos_core *core = &replica->core;
	const bool led = core->role == PAXOS_LEADER;

	if (core->role != PAXOS_LEADER && core->role != PAXOS_CANDIDATE) {
		return;
	}
	/* "Promising or standing higher ends the leadership first: lease end 0" (4.1 f). */
	core->role = PAXOS_FOLLOWER;
	core->leader = heir;
	paxos_desk_lease(core, &replica->desk, 0);
	paxos_rounds_end(&replica->election.rounds);
	if (replica->intake.purpose == PAXOS_INTAKE_ADOPT) {
		paxos_intake_end(&replica->intake);
	}
	paxos_election_back_off(core, &replica->election);
	if (led) {
		paxos_desk_reset(core, &replica->desk);
		paxos_core_trace(core, PAXOS_TRACE_ABDICATED, core->accepted.round, 0);
	}
}

static void give_up(struct paxos_replica *replica, enum paxos_give_up why)
{
	must(replica->core.role == PAXOS_CANDIDATE);
	paxos_core_trace(&replica->core, PAXOS_TRACE_GAVE_UP, replica->candidate.ballot.round, why);
	paxos_replica_step_down(replica, PAXOS_NOBODY);
}

void paxos_replica_nacked(struct paxos_replica *replica)
{
	if (replica->core.role == PAXOS_CANDIDATE) {
		give_up(replica, PAXOS_GAVE_UP_NACK);
	} else if (replica->core.role == PAXOS_LEADER) {
		replica->election.wants_higher = true;
	}
}

void paxos_replica_relieve(struct paxos_replica *replica)
{
	if (replica->core.role == PAXOS_LEADER && !replica->leader.deciding) {
		replica->leader.defer_until_ns =
			paxos_candidate_defer_until_ns(&replica->core, &replica->candidate);
	}
}

void paxos_replica_stand(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	/* "A server that would need a snapshot stands with priority 0" (4.1 h). */
	const bool behind =
		replica->intake.purpose == PAXOS_INTAKE_SYNC && replica->intake.wants_state;
	const struct paxos_ballot ballot =
		paxos_election_ballot(core, &replica->election, behind ? 0 : core->config.priority);

	paxos_intake_end(&replica->intake);
	replica->election.wants_higher = false;
	paxos_candidate_stand(core, &replica->candidate, ballot);
	paxos_desk_lease(core, &replica->desk, 0);
}

static void begin_to_lead(struct paxos_replica *replica, const struct paxos_adoption *adoption)
{
	struct paxos_core *core = &replica->core;

	paxos_leader_begin(core, &replica->leader, &replica->candidate, adoption);
	paxos_rounds_end(&replica->election.rounds);
	paxos_desk_reset(core, &replica->desk);
	paxos_upkeep_reset(core, &replica->upkeep);
	memset(replica->naming, 0, sizeof(replica->naming));
	memset(replica->learned, 0, sizeof(replica->learned));
	memset(replica->learned_ns, 0, sizeof(replica->learned_ns));
	replica->turnover.change_index = 0;
	replica->election.wants_higher = false;
	replica->election.next_round_ns = core->now_ns;
}

static struct paxos_ballot leading(const struct paxos_replica *replica)
{
	return replica->core.role == PAXOS_LEADER ? replica->leader.ballot
	                                          : (struct paxos_ballot){0};
}

void paxos_replica_hand_over(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct paxos_ballot ballot = leading(replica);

	if (core->role == PAXOS_LEADER) {
		const int heir = paxos_handover_heir(replica, PAXOS_NOBODY);

		if (heir != PAXOS_NOBODY) {
			paxos_handover_begin(replica, (unsigned)heir);
		} else {
			paxos_replica_step_down(replica, PAXOS_NOBODY);
		}
		/* The others stand in their time if the heir does not. */
		paxos_election_round(core, &replica->election, ballot,
		                     PAXOS_FLAG_LEADER | PAXOS_FLAG_RESIGNED);
	}
	paxos_replica_step_down(replica, PAXOS_NOBODY);
}

enum paxos_transfer paxos_replica_transfer(struct paxos_replica *replica, uint64_t now_ns, int to)
{
	replica->core.now_ns = now_ns;
	return paxos_handover_wish(replica, to);
}

void paxos_replica_resign(struct paxos_replica *replica, uint64_t now_ns)
{
	replica->core.now_ns = now_ns;
	replica->resigned = true;
	paxos_replica_hand_over(replica);
}

/* --- a turn -------------------------------------------------------------------------------- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t role_target(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint64_t own = paxos_core_own_vote(core);

	switch (core->role) {
	case PAXOS_LEADER:
		return paxos_leader_decided(core, &replica->leader);
	case PAXOS_FOLLOWER:
	case PAXOS_CANDIDATE:
		return paxos_acceptor_decided(core, &replica->acceptor);
	case PAXOS_OUTSIDER:
	default:
		if (core->holes != 0) {
			return core->decided; /* nothing behind them may be applied */
		}
		return smaller(replica->catchup.decided, own);
	}
}

static uint64_t decided_target(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint64_t own = paxos_core_own_vote(core);
	const uint64_t known = core->known < own ? core->known : own;
	const uint64_t target = role_target(replica);

	return target > known ? target : known;
}

/* Chosen, applied, root published; the answers leave when the shell takes them (DESIGN 3). */
static void apply(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint64_t target = decided_target(replica);
	unsigned applied = 0;
	bool cuts = false;

	while (!paxos_turnover_is_due(replica) && core->decided < target && applied < APPLY_MAX &&
	       !cuts) {
		const uint64_t log_bytes = store_log_bytes(core->store);
		struct store_result result = {0};
		struct store_entry entry;

		if (core->decided + AHEAD <= target) {
			paxos_core_ahead(core, core->decided + AHEAD);
		}
		paxos_core_apply(core, &entry, &result);
		paxos_desk_applied(core, &replica->desk, core->decided, &entry, &result);
		paxos_upkeep_applied(core, &replica->upkeep);
		cuts = paxos_snapshots_is_due(core, &replica->snapshots, log_bytes);
		applied++;
	}
	replica->more = core->decided < target;
	if (paxos_turnover_is_due(replica)) {
		store_publish(core->store);
		paxos_turnover_enter(replica);
		replica->more = false;
	}
	if (mutant(29) && applied != 0) {
		return;
	}
	if (applied != 0 || store_root_index(store_root(core->store)) != core->decided) {
		store_publish(core->store);
	}
	if (cuts) {
		paxos_snapshots_cut(core, &replica->snapshots);
	}
}

/* A leader that knows all sessions, and may decide (4.1 g, k). */
static bool may_serve(const struct paxos_replica *replica)
{
	return replica->leader.deciding && replica->core.decided >= replica->leader.adopted;
}

static void tick_leader(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_election *election = &replica->election;

	if (paxos_election_must_abdicate(core, election, replica->leader.began_ns)) {
		election->unhappy = false;
		paxos_replica_step_down(replica, PAXOS_NOBODY);
		return;
	}
	if (election->wants_higher && core->now_ns >= election->may_stand_ns &&
	    paxos_is_majority(paxos_election_connected(core), core->voters)) {
		paxos_replica_step_down(replica, PAXOS_NOBODY);
		paxos_replica_stand(replica);
		return;
	}
	if (may_serve(replica)) {
		paxos_changer_name_members(replica);
		paxos_changer_tick(replica);
		paxos_upkeep_tick(core, &replica->upkeep, &replica->desk.alive, &replica->leader);
	}
	paxos_core_flush(core);
	paxos_leader_tick(core, &replica->leader);
}

static void tick_candidate(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_adoption adoption;

	if (paxos_candidate_advance(core, &replica->candidate, &replica->intake, &adoption)) {
		begin_to_lead(replica, &adoption);
	} else if (!paxos_candidate_tick(core, &replica->candidate, &replica->intake)) {
		give_up(replica, PAXOS_GAVE_UP_TIME);
	}
}

static void tick_follower(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;

	if (intake->purpose == PAXOS_INTAKE_SYNC && paxos_intake_is_whole(intake)) {
		if (paxos_ballot_equal(core->accepted, intake->ballot) &&
		    intake->cut <= core->log.length) {
			/* "If accepted = b already, SYNC never cuts." The log came in time. */
			paxos_intake_end(intake);
		} else if (paxos_intake_commit(core, intake)) {
			paxos_acceptor_owe(core, &replica->acceptor);
		}
	}
	paxos_acceptor_take_early(core, &replica->acceptor);
	paxos_core_flush(core);
	paxos_acceptor_flush(core, &replica->acceptor);
	if ((paxos_handover_tick(replica) || paxos_election_may_stand(core, &replica->election)) &&
	    !replica->resigned && !core->stalled) {
		paxos_replica_stand(replica);
	}
}

static void tick_role(struct paxos_replica *replica)
{
	switch (replica->core.role) {
	case PAXOS_LEADER:
		tick_leader(replica);
		break;
	case PAXOS_CANDIDATE:
		tick_candidate(replica);
		break;
	case PAXOS_FOLLOWER:
		tick_follower(replica);
		break;
	case PAXOS_OUTSIDER:
	default:
		paxos_outsider_tick(replica);
		break;
	}
}

uint64_t paxos_replica_lease_end_ns(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	const uint64_t sent_ns = replica->election.rounds.majority_sent_ns;

	if (core->role != PAXOS_LEADER || core->config.lease_ns == 0 || sent_ns == 0 ||
	    (core->decided < replica->leader.adopted && !mutant(33)) || replica->more) {
		return 0;
	}
	return sent_ns + core->config.lease_ns;
}

static void tick_reads(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_election *election = &replica->election;

	if (core->role != PAXOS_LEADER) {
		return;
	}
	if (core->decided >= replica->leader.adopted && !replica->more) {
		paxos_desk_rounds(core, &replica->desk, election->rounds.majority_number);
	}
	if (paxos_desk_wants_round(&replica->desk, election->rounds.number)) {
		election->next_round_ns = core->now_ns;
	}
}

void paxos_replica_change(struct paxos_replica *replica, uint64_t now_ns,
                          const struct paxos_address *address, const struct paxos_change *change,
                          uint64_t deadline_ns)
{
	replica->core.now_ns = now_ns;
	paxos_asks_put(&replica->core, &replica->asks, address, change, deadline_ns);
}

static void tick_asks(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_ask *ask;

	while ((ask = paxos_asks_due(core, &replica->asks)) != NULL) {
		struct paxos_told told;

		if (core->role == PAXOS_LEADER) {
			paxos_changer_step(replica, &ask->change, &told);
			paxos_asks_told(&replica->asks, ask->id, &told);
		} else if (core->leader != PAXOS_NOBODY) {
			paxos_asks_send(core, ask, (unsigned)core->leader);
		}
	}
	paxos_asks_tick(core, &replica->asks);
}

void paxos_replica_tick(struct paxos_replica *replica, uint64_t now_ns)
{
	struct paxos_core *core = &replica->core;

	must(!core->recovering);
	core->now_ns = now_ns;
	if (core->ended) {
		return;
	}
	paxos_election_tick(core, &replica->election);
	paxos_storage_tick(replica);
	apply(replica);
	paxos_turnover_learn(replica);
	tick_role(replica);
	tick_asks(replica);
	paxos_turnover_tell(replica);
	tick_reads(replica);
	if (core->now_ns >= replica->election.next_round_ns) {
		paxos_election_round(core, &replica->election, leading(replica),
		                     core->role == PAXOS_LEADER ? PAXOS_FLAG_LEADER : 0);
	}
	paxos_core_flush(core);
	paxos_snapshots_tick(core, &replica->snapshots,
	                     replica->intake.purpose != PAXOS_INTAKE_NONE);
	paxos_intake_tick(core, &replica->intake);
	for (unsigned peer = 0; peer < STORE_NODES_MAX; peer++) {
		paxos_outlet_tick(core, &replica->outlets[peer]);
	}
	if (core->role == PAXOS_LEADER &&
	    replica->election.rounds.majority_sent_ns > core->touched_ns) {
		core->touched_ns = replica->election.rounds.majority_sent_ns;
	}
	paxos_desk_lease(core, &replica->desk, paxos_replica_lease_end_ns(replica));
	paxos_watches_post_turn(core, &replica->desk.view, replica->desk.message,
	                        replica->desk.watches);
	must(core->log.base <= core->decided);
	must(core->decided <= core->log.length);
	must(paxos_ballot_compare(core->accepted, core->promised) <= 0);
}

bool paxos_replica_take(struct paxos_replica *replica, struct paxos_effect *ret_effect)
{
	return paxos_outbox_take(&replica->core.outbox, ret_effect);
}

uint64_t paxos_replica_deadline_ns(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	uint64_t deadline_ns = paxos_election_deadline_ns(core, &replica->election);
	uint64_t other_ns = paxos_intake_deadline_ns(&replica->intake);

	if (core->ended) {
		return UINT64_MAX;
	}
	if (replica->more) {
		return core->now_ns;
	}
	deadline_ns = other_ns < deadline_ns ? other_ns : deadline_ns;
	other_ns = paxos_handover_deadline_ns(replica);
	deadline_ns = other_ns < deadline_ns ? other_ns : deadline_ns;
	other_ns = paxos_asks_deadline_ns(&replica->asks);
	deadline_ns = other_ns < deadline_ns ? other_ns : deadline_ns;
	other_ns = paxos_watches_deadline_ns(replica->desk.watches);
	if (other_ns < core->now_ns) {
		return core->now_ns;
	}
	deadline_ns = other_ns < deadline_ns ? other_ns : deadline_ns;
	if (core->role == PAXOS_LEADER) {
		other_ns = paxos_leader_deadline_ns(core, &replica->leader);
		if (may_serve(replica)) {
			deadline_ns = smaller(
				deadline_ns,
				paxos_upkeep_deadline_ns(&replica->upkeep, &replica->desk.alive));
		}
	} else if (core->role == PAXOS_CANDIDATE) {
		other_ns = paxos_candidate_deadline_ns(&replica->candidate);
	}
	return other_ns < deadline_ns ? other_ns : deadline_ns;
}

void paxos_replica_poll_gap(struct paxos_replica *replica, uint64_t gap_ns)
{
	replica->core.poll_gap_ns = gap_ns;
	paxos_alive_gap(&replica->desk.alive, gap_ns);
}
