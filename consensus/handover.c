/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/handover.h"

#include "consensus/quorum.h"
#include "store/base/check.h"

/* Has all that is decided, or it is on its way; and can be asked. */
static bool is_level(const struct paxos_replica *replica, unsigned node)
{
	const struct paxos_core *core = &replica->core;
	const struct paxos_follower *follower;

	if (node >= STORE_NODES_MAX || node == core->config.node ||
	    !paxos_has(paxos_election_connected(core) & core->voters, node)) {
		return false;
	}
	follower = &replica->leader.followers[node];
	return follower->state == PAXOS_LEVEL && !follower->behind &&
	       follower->link.next.index > core->decided;
}

int paxos_handover_heir(const struct paxos_replica *replica, int wanted)
{
	const struct paxos_core *core = &replica->core;
	int heir = PAXOS_NOBODY;

	must(core->role == PAXOS_LEADER);
	if (wanted != PAXOS_NOBODY) {
		return is_level(replica, (unsigned)wanted) ? wanted : PAXOS_NOBODY;
	}
	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		const struct paxos_follower *follower = &replica->leader.followers[node];

		if (!is_level(replica, node)) {
			continue;
		}
		if (heir != PAXOS_NOBODY &&
		    core->peers[node].disk_late != core->peers[heir].disk_late) {
			heir = core->peers[heir].disk_late ? (int)node : heir;
			continue;
		}
		if (heir == PAXOS_NOBODY ||
		    core->peers[node].priority > core->peers[heir].priority ||
		    (core->peers[node].priority == core->peers[heir].priority &&
		     follower->link.length > replica->leader.followers[heir].link.length)) {
			heir = (int)node;
		}
	}
	return heir;
}

/* To all: the heir stands, the others forget what they granted. */
static void tell(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_handover *handover = &replica->handover;
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_HANDOVER,
		.ballot = handover->ballot,
		.target = (uint8_t)handover->heir,
	};

	handover->again_ns = core->now_ns + core->config.resend_ns;
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		if (peer != core->config.node) {
			paxos_core_send(core, peer, &msg, false);
		}
	}
}

void paxos_handover_begin(struct paxos_replica *replica, unsigned heir)
{
	struct paxos_core *core = &replica->core;

	must(core->role == PAXOS_LEADER);
	must(paxos_has(core->voters, heir) && heir != core->config.node);
	paxos_core_trace(core, PAXOS_TRACE_HANDOVER, replica->leader.ballot.round, heir);
	replica->handover = (struct paxos_handover){
		.ballot = replica->leader.ballot,
		.heir = heir,
		.until_ns = core->now_ns + core->config.suspicion_ns / 2,
	};
	paxos_replica_step_down(replica, (int)heir);
	tell(replica);
}

enum paxos_transfer paxos_handover_wish(struct paxos_replica *replica, int to)
{
	struct paxos_core *core = &replica->core;
	int heir;

	if (to != PAXOS_NOBODY && !paxos_has(core->voters, (unsigned)to)) {
		return PAXOS_TRANSFER_NO_MEMBER;
	}
	if (core->leader == PAXOS_NOBODY) {
		return PAXOS_TRANSFER_NO_LEADER;
	}
	if (core->leader == to) {
		return PAXOS_TRANSFER_LEADS;
	}
	if (core->role != PAXOS_LEADER) {
		struct paxos_msg wish = {
			.kind = PAXOS_MSG_HANDOVER,
			.ballot = core->promised,
			.target = to == PAXOS_NOBODY ? PAXOS_ANYBODY : (uint8_t)to,
		};

		paxos_core_send(core, (unsigned)core->leader, &wish, false);
		return PAXOS_TRANSFER_PASSED_ON;
	}
	heir = paxos_handover_heir(replica, to);
	if (heir == PAXOS_NOBODY) {
		return PAXOS_TRANSFER_NOT_LEVEL;
	}
	paxos_handover_begin(replica, (unsigned)heir);
	return PAXOS_TRANSFER_BEGUN;
}

void paxos_handover_hear(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;

	if (core->role == PAXOS_LEADER && paxos_ballot_equal(msg->ballot, replica->leader.ballot)) {
		const int wanted = msg->target == PAXOS_ANYBODY ? PAXOS_NOBODY : msg->target;
		const int heir = paxos_handover_heir(replica, wanted);

		if (heir != PAXOS_NOBODY) {
			paxos_handover_begin(replica, (unsigned)heir);
		}
	} else if (core->role == PAXOS_FOLLOWER && msg->ballot.node == msg->node &&
	           msg->target == core->config.node &&
	           paxos_ballot_equal(core->promised, msg->ballot) &&
	           paxos_ballot_equal(core->accepted, msg->ballot)) {
		replica->election.called = msg->ballot;
	}
}

bool paxos_handover_tick(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	struct paxos_handover *handover = &replica->handover;

	must(core->role == PAXOS_FOLLOWER);
	if (paxos_ballot_is_none(handover->ballot)) {
		return false;
	}
	if (!paxos_ballot_equal(core->promised, handover->ballot)) {
		handover->ballot = (struct paxos_ballot){0}; /* somebody took over */
		return false;
	}
	if (core->now_ns >= handover->until_ns) {
		handover->ballot = (struct paxos_ballot){0};
		return paxos_is_majority(paxos_election_connected(core), core->voters);
	}
	if (core->now_ns >= handover->again_ns) {
		tell(replica);
	}
	return false;
}

uint64_t paxos_handover_deadline_ns(const struct paxos_replica *replica)
{
	const struct paxos_handover *handover = &replica->handover;

	if (paxos_ballot_is_none(handover->ballot)) {
		return UINT64_MAX;
	}
	return handover->again_ns < handover->until_ns ? handover->again_ns : handover->until_ns;
}
