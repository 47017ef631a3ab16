/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/turnover.h"

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

bool paxos_turnover_is_due(const struct paxos_replica *replica)
{
	return store_members(replica->core.store)->configuration > replica->core.configuration;
}

/* --- entering ------------------------------------------------------------------------------- */

/*
 * Who took part goes on doing so. Who did not begins with the next configuration only if its
 * present incarnation was named before: then no earlier one of it can have promised there (4.1 i).
 */
static bool may_vote(const struct paxos_replica *replica, uint32_t voters)
{
	const struct paxos_core *core = &replica->core;
	const struct store_members *members = store_members(core->store);
	const struct store_member *self = &members->member[core->config.node];

	if (!paxos_has(voters, core->config.node)) {
		return false;
	}
	return core->takes_part || (self->incarnation == core->config.incarnation &&
	                            (self->named < members->since || mutant(42)));
}

/* The member of the next configuration that is most level, or STORE_NODES_MAX. */
static unsigned most_level(const struct paxos_replica *replica, uint32_t voters)
{
	const struct paxos_core *core = &replica->core;
	unsigned best = STORE_NODES_MAX;
	uint64_t best_length = 0;

	for (unsigned node = 0; paxos_each(voters, &node); node++) {
		const struct paxos_follower *follower = &replica->leader.followers[node];
		const bool voted = paxos_has(core->voters, node);
		const uint64_t length = voted ? follower->link.length : replica->learned[node];

		if (voted && follower->state != PAXOS_LEVEL) {
			continue;
		}
		if (best == STORE_NODES_MAX || length > best_length) {
			best = node;
			best_length = length;
		}
	}
	return best;
}

/* What is known of who is no member any more belongs to a machine that is gone. */
static void forget_others(struct paxos_core *core)
{
	const struct store_members *members = store_members(core->store);

	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		if (!paxos_has(core->voters | members->learners, node)) {
			core->peers[node] = (struct paxos_peer){0};
		}
	}
}

/* Everything that belongs to the configuration that has ended, but the log. */
static void leave(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;

	paxos_replica_step_down(replica, PAXOS_NOBODY);
	must(core->role == PAXOS_FOLLOWER || core->role == PAXOS_OUTSIDER);
	/* Rounds go on, so that they have one order for people, too. */
	paxos_election_seen(&replica->election, core->promised.round);
	paxos_acceptor_init(&replica->acceptor);
	replica->catchup = (struct paxos_catchup){0};
	replica->handover = (struct paxos_handover){0};
	replica->election.called = (struct paxos_ballot){0};
	replica->turnover.change_index = 0;
}

/* The atomic step was taken: what this server is from here on. */
static void settle(struct paxos_replica *replica, bool votes)
{
	struct paxos_core *core = &replica->core;

	core->takes_part = votes;
	core->role = votes ? PAXOS_FOLLOWER : PAXOS_OUTSIDER;
	core->leader = PAXOS_NOBODY;
	paxos_election_heard(core, &replica->election, 0);
	paxos_desk_lease(core, &replica->desk, 0);
	forget_others(core);
	paxos_core_trace(core, PAXOS_TRACE_CONFIGURATION, core->configuration, core->voters);
}

void paxos_turnover_enter(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct store_members *members = store_members(core->store);
	const bool led = core->role == PAXOS_LEADER;
	const struct paxos_ballot ballot = replica->leader.ballot;
	const bool votes = may_vote(replica, members->voters);
	const unsigned next = led ? most_level(replica, members->voters) : STORE_NODES_MAX;

	must(paxos_turnover_is_due(replica));
	leave(replica);
	if (led) {
		/* The last word in it: what is decided. Followers need not ask for it then. */
		paxos_election_round(core, &replica->election, ballot, PAXOS_FLAG_LEADER);
	}
	paxos_intake_end(&replica->intake);
	if (votes || core->takes_part) {
		paxos_core_enter(core, members->configuration, members->voters,
		                 mutant(43) ? core->log.length : core->decided, NULL, false);
	} else {
		/* Who stood outside has no word to keep; its log is decided, and may be longer. */
		paxos_core_follow(core);
	}
	settle(replica, votes);
	if (led && votes && !replica->resigned) {
		paxos_replica_stand(replica);
	} else if (led && next != STORE_NODES_MAX && next != core->config.node) {
		paxos_turnover_stopped(replica, next, PAXOS_FLAG_STAND);
	}
}

/* --- a later configuration ------------------------------------------------------------------ */

static bool is_stuck(const struct paxos_core *core, const struct paxos_intake *intake)
{
	return core->decided > intake->cut ||
	       core->now_ns >= intake->progress_ns + 4 * core->config.heartbeat_ns;
}

static void commit(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;
	struct paxos_stop stop;
	bool votes;

	if (!paxos_intake_stop(core, intake, &stop)) {
		return;
	}
	votes = paxos_has(stop.voters, core->config.node);
	leave(replica);
	if (paxos_intake_enter(core, intake, &stop)) {
		settle(replica, votes);
	}
}

bool paxos_turnover_learns(const struct paxos_replica *replica)
{
	return replica->intake.purpose == PAXOS_INTAKE_LEARN;
}

/* Its word in a configuration binds, whether its entries are known or not: only a later one. */
static bool may_learn(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	const uint32_t later = replica->turnover.later;

	return later > core->configuration &&
	       (core->takes_part || (core->holes != 0 && later > core->promised.configuration));
}

void paxos_turnover_learn(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;
	struct paxos_turnover *turnover = &replica->turnover;

	if (paxos_turnover_learns(replica) && is_stuck(core, intake) && core->holes != 0) {
		turnover->later = 0; /* asks all again for what it lacks: another may tell */
		paxos_intake_end(intake);
	} else if (may_learn(replica) &&
	           (!paxos_turnover_learns(replica) || is_stuck(core, intake))) {
		if (core->role == PAXOS_CANDIDATE) {
			paxos_replica_step_down(replica, PAXOS_NOBODY);
		}
		paxos_intake_begin(core, intake, PAXOS_INTAKE_LEARN, turnover->later_node,
		                   (struct paxos_ballot){0}, core->decided, UINT64_MAX,
		                   core->holes != 0);
	}
	if (paxos_turnover_learns(replica) && paxos_intake_is_whole(intake)) {
		commit(replica);
	}
	if (turnover->stand_in == core->configuration && turnover->stand_in != 0 &&
	    core->role == PAXOS_FOLLOWER && paxos_ballot_is_none(core->promised) &&
	    !replica->resigned) {
		turnover->stand_in = 0;
		paxos_replica_stand(replica);
	}
}

unsigned paxos_turnover_probe(struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	struct paxos_turnover *turnover = &replica->turnover;
	/* Now those who vote as far as is known, now whoever has a number. */
	const uint32_t all = (paxos_first(STORE_NODES_MAX) & ~paxos_bit(core->config.node));
	const uint32_t some = core->voters & all;
	const uint32_t set = turnover->probed % 2 == 0 && some != 0 ? some : all;
	unsigned skip = turnover->probed++ / 2 % paxos_count(set);
	unsigned node = 0;

	for (; paxos_each(set, &node) && skip > 0; node++) {
		skip--;
	}
	return node;
}

void paxos_turnover_stopped(struct paxos_replica *replica, unsigned peer, uint16_t flags)
{
	struct paxos_core *core = &replica->core;
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_STOPPED,
		.flags = flags,
		.mask = core->voters,
		.length = store_members(core->store)->since,
	};

	paxos_core_send(core, peer, &msg, true);
}

void paxos_turnover_heard(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_turnover *turnover = &replica->turnover;

	if (msg->kind == PAXOS_MSG_STOPPED && (msg->flags & PAXOS_FLAG_STAND) != 0) {
		turnover->stand_in = msg->configuration;
	}
	if (msg->configuration <= replica->core.configuration) {
		return;
	}
	turnover->later = msg->configuration;
	turnover->later_node = msg->node;
	if (!replica->core.takes_part && msg->kind == PAXOS_MSG_HEARTBEAT &&
	    (msg->flags & PAXOS_FLAG_LEADER) != 0) {
		replica->core.leader = msg->node;
	}
}

/* --- what the shell has to know -------------------------------------------------------------- */

static void tell_entered(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint32_t entered = core->accepted.configuration;

	if (entered > replica->turnover.entered && entered == core->configuration &&
	    paxos_core_is_accepted(core)) {
		replica->turnover.entered = entered;
		paxos_core_trace(core, PAXOS_TRACE_ENTERED, entered, core->voters);
	}
}

static void tell_address(struct paxos_core *core, unsigned node, struct store_address at)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_PEER, .peer = node, .at = at};

	paxos_outbox_tell(&core->outbox, &effect);
}

void paxos_turnover_tell(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct store_members *members = store_members(core->store);

	tell_entered(replica);
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		const struct store_address at = members->member[node].address;
		struct store_address *told = &replica->turnover.told[node];

		if (node == core->config.node || at.ip == 0 ||
		    (at.ip == told->ip && at.port == told->port)) {
			continue;
		}
		*told = at;
		tell_address(core, node, at);
	}
}
