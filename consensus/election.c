/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/election.h"

#include "consensus/quorum.h"
#include "store/base/check.h"

/* Rounds shown by others are believed up to here, so that ours can always be higher. */
#define ROUND_MAX ((uint64_t)1 << 62)

static uint64_t chance_below(struct paxos_core *core, uint64_t bound)
{
	return bound == 0 ? 0 : prng_below(&core->prng, bound);
}

void paxos_election_start(struct paxos_core *core, struct paxos_election *election)
{
	*election = (struct paxos_election){
		.next_round_ns = core->now_ns,
		.leader_heard_ns = core->now_ns,
		.last_turn_ns = core->now_ns,
	};
	/* At the first start nobody leads: the one of highest priority need not wait long. */
	election->may_stand_ns = core->now_ns + chance_below(core, core->config.heartbeat_ns);
}

void paxos_election_heard(struct paxos_core *core, struct paxos_election *election,
                          uint64_t poll_gap_ns)
{
	election->leader_heard_ns = core->now_ns;
	election->leader_gap_ns = poll_gap_ns;
	election->unhappy = false;
	election->bereaved = false;
}

static void become_unhappy(struct paxos_core *core, struct paxos_election *election)
{
	const uint64_t slot_ns = core->config.heartbeat_ns;

	if (election->unhappy) {
		return;
	}
	election->unhappy = true;
	core->leader = core->role == PAXOS_FOLLOWER ? PAXOS_NOBODY : core->leader;
	/* Higher priority stands earlier; chance parts equals. */
	election->may_stand_ns = core->now_ns +
	                         slot_ns * (uint64_t)(255 - core->config.priority) / 256 +
	                         chance_below(core, slot_ns);
	/* The notes of the others are as old as the last round: ask for new ones. */
	election->next_round_ns = core->now_ns;
	paxos_core_trace(core, PAXOS_TRACE_UNHAPPY, core->now_ns - election->leader_heard_ns, 0);
}

void paxos_election_resigned(struct paxos_core *core, struct paxos_election *election)
{
	become_unhappy(core, election);
}

/* How many of the connected come before this server in taking over from `dead`. */
static unsigned heirs_before(const struct paxos_core *core, unsigned dead)
{
	const unsigned own = (core->config.node + STORE_NODES_MAX - dead) % STORE_NODES_MAX;
	const uint32_t others = paxos_election_connected(core) & ~paxos_bit(core->config.node);
	unsigned before = 0;

	for (unsigned peer = 0; paxos_each(others, &peer); peer++) {
		const unsigned turn = (peer + STORE_NODES_MAX - dead) % STORE_NODES_MAX;
		const uint8_t priority = core->peers[peer].priority;

		before += priority > core->config.priority ||
		          (priority == core->config.priority && turn < own);
	}
	return before;
}

void paxos_election_bereaved(struct paxos_core *core, struct paxos_election *election,
                             unsigned dead)
{
	const uint64_t slot_ns = core->config.heartbeat_ns;
	const unsigned before = heirs_before(core, dead);

	become_unhappy(core, election);
	election->bereaved = true;
	/* All know it at once: they stand in turn, lest they stand against each other. */
	election->may_stand_ns =
		core->now_ns + before * slot_ns + (before == 0 ? 0 : chance_below(core, slot_ns));
}

void paxos_election_seen(struct paxos_election *election, uint64_t round)
{
	if (round > election->highest_round && round < ROUND_MAX) {
		election->highest_round = round;
	}
}

/* Silence is told from slowness by the poll gaps of both sides (DESIGN 4, suspicion). */
static uint64_t allowed_ns(const struct paxos_core *core, uint64_t other_gap_ns)
{
	const uint64_t floor_ns = core->poll_gap_ns + other_gap_ns + 3 * core->config.heartbeat_ns;
	const uint64_t bound_ns = 4 * core->config.suspicion_ns;

	return floor_ns < bound_ns ? floor_ns : bound_ns;
}

/* On starved cores an answer is as late as the turn that takes it: `patient` allows for that. */
static uint32_t connected(const struct paxos_core *core, bool patient)
{
	uint32_t set = paxos_bit(core->config.node);

	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		const struct paxos_peer *state = &core->peers[peer];
		const uint64_t within_ns = patient ? allowed_ns(core, state->poll_gap_ns)
		                                   : 3 * core->config.heartbeat_ns;

		if (state->answered_ns != 0 && core->now_ns < state->answered_ns + within_ns) {
			set |= paxos_bit(peer);
		}
	}
	return set;
}

uint32_t paxos_election_connected(const struct paxos_core *core)
{
	return connected(core, false);
}

void paxos_election_round(struct paxos_core *core, struct paxos_election *election,
                          struct paxos_ballot ballot, uint16_t flags)
{
	/* What is told as the log's rank must be durable (rank.h). */
	const bool is_durable = paxos_core_is_accepted(core);
	uint32_t set = core->voters;
	const uint64_t number =
		paxos_rounds_begin(&election->rounds, core->now_ns, core->config.node);

	/* Alone it is its own majority. */
	paxos_rounds_answer(&election->rounds, number, core->config.node, core->voters);
	election->next_round_ns = core->now_ns + core->config.heartbeat_ns;
	if (!core->takes_part) {
		return;
	}
	if (election->unhappy) {
		flags |= PAXOS_FLAG_UNHAPPY;
	}
	flags |= paxos_core_disk_flags(core);
	if ((flags & PAXOS_FLAG_LEADER) != 0) {
		/* Learners need to know whom to follow. */
		set |= store_members(core->store)->learners;
	}
	for (unsigned peer = 0; paxos_each(set, &peer); peer++) {
		struct paxos_msg msg = {
			.kind = PAXOS_MSG_HEARTBEAT,
			.flags = flags,
			.ballot = ballot,
			.round = number,
			.mask = core->voters,
			.decided = core->decided,
			.length = paxos_core_own_vote(core),
			.poll_gap_ns = core->poll_gap_ns,
			.secret = core->config.secret,
			.priority = core->config.priority,
			.snapshot = core->snapshot_index,
			.digest_low = core->snapshot_digest.low,
			.digest_high = core->snapshot_digest.high,
		};

		if (is_durable) {
			msg.flags |= PAXOS_FLAG_RANK;
			msg.accepted = core->accepted;
		}
		if (peer != core->config.node) {
			paxos_core_send(core, peer, &msg, false);
		}
	}
}

static uint64_t patience_ns(const struct paxos_core *core, const struct paxos_election *election)
{
	const uint64_t wished_ns = allowed_ns(core, election->leader_gap_ns);

	return wished_ns > core->config.suspicion_ns ? wished_ns : core->config.suspicion_ns;
}

void paxos_election_tick(struct paxos_core *core, struct paxos_election *election)
{
	const uint64_t gap_ns = core->now_ns - election->last_turn_ns;
	const uint64_t counts_ns = core->config.suspicion_ns / 2;

	election->last_turn_ns = core->now_ns;
	if (gap_ns > 3 * core->config.heartbeat_ns) {
		paxos_core_trace(core, PAXOS_TRACE_SLEPT, gap_ns, 0);
	}
	if (gap_ns > counts_ns) {
		/* It slept: that it heard nothing says little of the others, but not nothing. */
		election->leader_heard_ns += gap_ns - counts_ns;
	}
	if (election->leader_heard_ns > core->now_ns) {
		election->leader_heard_ns = core->now_ns;
	}
	if (core->role == PAXOS_LEADER) {
		election->leader_heard_ns = core->now_ns;
		election->unhappy = false;
		return;
	}
	if (core->now_ns >= election->leader_heard_ns + patience_ns(core, election)) {
		become_unhappy(core, election);
	}
}

/* HANDOVER calls once, and only while nothing was promised beyond the ballot that it ends. */
static bool is_called(const struct paxos_core *core, struct paxos_election *election)
{
	const struct paxos_ballot called = election->called;

	election->called = (struct paxos_ballot){0};
	return !paxos_ballot_is_none(called) && paxos_ballot_equal(called, core->promised);
}

bool paxos_election_may_stand(struct paxos_core *core, struct paxos_election *election)
{
	const uint32_t near = connected(core, true);
	uint32_t unhappy = paxos_bit(core->config.node);

	if (core->role == PAXOS_FOLLOWER && is_called(core, election)) {
		return paxos_is_majority(near, core->voters);
	}
	if (!core->takes_part || core->role != PAXOS_FOLLOWER || !election->unhappy ||
	    core->now_ns < election->may_stand_ns) {
		return false;
	}
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		if ((near & paxos_bit(peer)) != 0 && core->peers[peer].unhappy) {
			unhappy |= paxos_bit(peer);
		}
	}
	return paxos_is_majority(near, core->voters) &&
	       (election->bereaved || paxos_is_majority(unhappy, core->voters));
}

bool paxos_election_must_abdicate(const struct paxos_core *core,
                                  const struct paxos_election *election, uint64_t led_since_ns)
{
	const uint64_t answered_ns = election->rounds.majority_sent_ns;
	const uint64_t since_ns = answered_ns > led_since_ns ? answered_ns : led_since_ns;

	return core->now_ns > since_ns + patience_ns(core, election);
}

void paxos_election_back_off(struct paxos_core *core, struct paxos_election *election)
{
	const uint64_t step_ns = core->config.heartbeat_ns;

	election->may_stand_ns = core->now_ns + step_ns + chance_below(core, 4 * step_ns);
	election->bereaved = false;
}

struct paxos_ballot paxos_election_ballot(const struct paxos_core *core,
                                          const struct paxos_election *election, uint8_t priority)
{
	uint64_t round = core->promised.round;

	round = election->highest_round > round ? election->highest_round : round;
	return (struct paxos_ballot){
		.configuration = core->configuration,
		.round = round + 1,
		.priority = priority,
		.node = core->config.node,
		.incarnation = core->config.incarnation,
		.start = core->config.start,
	};
}

uint64_t paxos_election_deadline_ns(const struct paxos_core *core,
                                    const struct paxos_election *election)
{
	uint64_t deadline_ns = election->next_round_ns;

	if (core->role != PAXOS_LEADER && election->unhappy &&
	    election->may_stand_ns > core->now_ns && election->may_stand_ns < deadline_ns) {
		deadline_ns = election->may_stand_ns;
	}
	return deadline_ns;
}
