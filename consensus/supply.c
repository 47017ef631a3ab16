/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/supply.h"

#include "consensus/changer.h"
#include "consensus/mend.h"
#include "consensus/propose.h"
#include "consensus/quorum.h"
#include "consensus/turnover.h"
#include "store/base/check.h"
#include "store/base/hash.h"
#include "store/base/mutant.h"

static bool is_member(const struct paxos_core *core, unsigned node)
{
	return paxos_has(core->voters | store_members(core->store)->learners, node);
}

/*
 * A learner, once it follows in the present configuration: what a machine sends that had its number
 * before is late, and of an earlier one.
 */
static bool may_be_named(const struct paxos_core *core, const struct paxos_msg *msg)
{
	return is_member(core, msg->node) && msg->configuration == core->configuration &&
	       store_member_incarnation(core->store, msg->node) != msg->incarnation;
}

/* What only who hears this leader's answers can say. */
static uint64_t proof_for(const struct paxos_replica *replica, const struct paxos_msg *msg)
{
	const uint64_t life = hash_pair(msg->incarnation, (uint64_t)msg->start << 8 | msg->node);

	return hash_pair(replica->leader.secret ^ life, replica->leader.secret) | 1;
}

static void rejoin(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct store_entry entry = {
		.kind = STORE_ENTRY_REJOIN,
		.node = msg->node,
		.incarnation = msg->incarnation,
	};

	if (core->decided < replica->leader.adopted ||
	    replica->naming[msg->node] == msg->incarnation) {
		return;
	}
	if (paxos_has(core->voters, msg->node)
	            ? store_member_incarnation(core->store, msg->node) >= msg->incarnation
	            : !may_be_named(core, msg)) {
		return;
	}
	if (paxos_propose(core, &replica->leader, &entry)) {
		replica->naming[msg->node] = msg->incarnation;
	}
}

/*
 * Decided entries are given to members; to who was one and has not heard that it is none any more;
 * and by who stands outside only to those that are behind it.
 */
static bool may_be_given(const struct paxos_replica *replica, const struct paxos_msg *msg)
{
	const struct paxos_core *core = &replica->core;

	if (msg->configuration == 0 && !is_member(core, msg->node)) {
		return false;
	}
	return core->takes_part || msg->configuration < core->configuration;
}

void paxos_supply_fetch(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	const bool wants_state = (msg->flags & PAXOS_FLAG_STATE) != 0;

	if ((msg->flags & PAXOS_FLAG_REPAIR) != 0) {
		if (!paxos_mend_give(core, msg) && msg->configuration < core->configuration) {
			paxos_turnover_stopped(replica, msg->node, 0);
		}
		return;
	}
	if (paxos_ballot_is_none(msg->ballot)) {
		if (!may_be_given(replica, msg)) {
			return;
		}
		if (core->role == PAXOS_LEADER && (msg->flags & PAXOS_FLAG_OUTSIDER) != 0 &&
		    msg->proof == proof_for(replica, msg)) {
			rejoin(replica, msg);
			paxos_changer_learned(replica, msg->node, msg->index - 1);
		}
	} else if (!paxos_ballot_equal(msg->ballot, core->promised)) {
		return; /* "FETCH is answered only while promised = b" */
	}
	if (wants_state) {
		paxos_outlet_state(core, &replica->outlets[msg->node], msg);
	} else if (paxos_ballot_is_none(msg->ballot)) {
		/* Only a leader's word is good for joining (4.1 i). */
		const bool leads = core->role == PAXOS_LEADER;

		paxos_outlet_entries(core, msg,
		                     leads ? replica->leader.ballot : (struct paxos_ballot){0},
		                     core->decided, leads ? replica->leader.adopted : 0,
		                     leads ? proof_for(replica, msg) : 0);
	} else {
		paxos_outlet_entries(core, msg, msg->ballot, core->log.length, core->decided, 0);
	}
}

void paxos_supply_entries(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_intake *intake = &replica->intake;

	(void)paxos_intake_entries(&replica->core, intake, msg);
	if (intake->purpose != PAXOS_INTAKE_CATCHUP || intake->peer != msg->node ||
	    intake->transfer != msg->transfer) {
		return;
	}
	intake->proof = msg->proof;
	replica->catchup = (struct paxos_catchup){.adopted = msg->decided, .decided = msg->length};
	if (!paxos_ballot_is_none(msg->ballot) && msg->ballot.node == msg->node) {
		replica->catchup.ballot = msg->ballot;
		replica->core.leader = msg->node;
	} else if (replica->core.leader == msg->node) {
		replica->core.leader = PAXOS_NOBODY; /* it leads no more */
	}
}
