/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/outsider.h"

#include "consensus/mend.h"
#include "consensus/quorum.h"
#include "consensus/turnover.h"
#include "store/base/check.h"

/* The leader, as far as one is heard; else one server after the other. */
static void follow_somebody(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;
	const bool catches_up = intake->purpose == PAXOS_INTAKE_CATCHUP;
	const uint64_t patience_ns = 4 * core->config.heartbeat_ns;
	unsigned peer;

	if (core->leader != PAXOS_NOBODY &&
	    core->now_ns >= core->peers[core->leader].heard_ns + core->config.suspicion_ns) {
		core->leader = PAXOS_NOBODY;
	}
	if (core->leader != PAXOS_NOBODY) {
		if (catches_up && intake->peer == (unsigned)core->leader) {
			return;
		}
		peer = (unsigned)core->leader;
	} else {
		if (core->now_ns < replica->turnover.probe_ns ||
		    (catches_up && core->now_ns < intake->progress_ns + patience_ns &&
		     core->log.length < replica->catchup.decided)) {
			return;
		}
		replica->turnover.probe_ns = core->now_ns + patience_ns;
		peer = paxos_turnover_probe(replica);
	}
	replica->catchup.ballot = (struct paxos_ballot){0};
	paxos_intake_begin(core, intake, PAXOS_INTAKE_CATCHUP, peer, (struct paxos_ballot){0},
	                   core->log.length, 0, false);
}

/* A leader has told everything that it has decided, and this server is not in it any more. */
static bool is_removed(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	const struct store_members *members = store_members(core->store);

	return replica->catchup.decided == core->decided && core->decided > members->since &&
	       members->configuration == core->configuration &&
	       !paxos_has(members->voters | members->learners, core->config.node);
}

/* Who asked here hears so first: the shell may end with the trace. */
static void end_as_removed(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const unsigned self = core->config.node;

	replica->removed = true;
	paxos_intake_end(&replica->intake);
	for (unsigned i = 0; i < PAXOS_ASKS_MAX; i++) {
		const struct paxos_ask *ask = &replica->asks.slots[i];
		struct paxos_told told;

		paxos_tell(&told,
		           paxos_has(ask->change.remove, self) ? PAXOS_CHANGE_DONE
		                                               : PAXOS_CHANGE_REFUSED,
		           "server %u is no member any more: configuration %u goes on without it",
		           self + 1, core->configuration);
		paxos_asks_told(&replica->asks, ask->id, &told);
	}
	paxos_asks_tick(core, &replica->asks);
	paxos_core_trace(core, PAXOS_TRACE_REMOVED, core->configuration, 0);
}

/* It takes part from here on. */
static void enter(struct paxos_replica *replica)
{
	replica->core.takes_part = true;
	replica->core.role = PAXOS_FOLLOWER;
	paxos_election_heard(&replica->core, &replica->election, 0);
}

/*
 * "It then begins with promised = accepted = b", the ballot of the leader that told it so: when its
 * REJOIN is applied, everything through L0 of b too, and nothing that b has not told as decided.
 */
void paxos_outsider_tick(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct paxos_catchup *catchup = &replica->catchup;

	if (core->holes != 0) {
		if (!paxos_turnover_learns(replica) && paxos_mend_tick(core, &replica->intake)) {
			enter(replica);
		}
		return;
	}
	if (replica->removed) {
		return;
	}
	follow_somebody(replica);
	if (paxos_ballot_is_none(catchup->ballot) || catchup->decided < core->decided ||
	    catchup->ballot.configuration != core->configuration ||
	    core->decided < catchup->adopted || core->log.length != core->decided) {
		return;
	}
	if (is_removed(replica)) {
		end_as_removed(replica);
		return;
	}
	if (!paxos_has(core->voters, core->config.node) ||
	    store_member_incarnation(core->store, core->config.node) != core->config.incarnation) {
		return;
	}
	paxos_core_join(core, catchup->ballot);
	paxos_intake_end(&replica->intake);
	enter(replica);
	paxos_acceptor_owe(core, &replica->acceptor);
	paxos_core_trace(core, PAXOS_TRACE_REJOINED, core->decided, 0);
}
