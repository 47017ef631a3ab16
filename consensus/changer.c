/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/changer.h"
#include "consensus/propose.h"

#include "store/base/check.h"

enum {
	LAG_MAX = 256 /* entries that a level server may lack; less if the log is short */
};

static const struct store_members *members_of(const struct paxos_replica *replica)
{
	return store_members(replica->core.store);
}

void paxos_changer_learned(struct paxos_replica *replica, unsigned node, uint64_t index)
{
	if (index <= replica->core.log.length) {
		replica->learned[node] = index;
		replica->learned_ns[node] = replica->core.now_ns;
	}
}

/* --- who could vote ------------------------------------------------------------------------- */

static bool was_heard(const struct paxos_core *core, uint64_t heard_ns)
{
	return heard_ns != 0 && core->now_ns < heard_ns + 4 * core->config.heartbeat_ns;
}

static bool lags(const struct paxos_core *core, uint64_t length)
{
	const uint64_t lag_max =
		core->log.slots_count / 4 < LAG_MAX ? core->log.slots_count / 4 : LAG_MAX;

	return length + lag_max < core->decided;
}

/* A voter or learner that would vote at once: live, level, and named as it runs now. */
static bool is_ready(const struct paxos_replica *replica, unsigned node)
{
	const struct paxos_core *core = &replica->core;
	const struct paxos_follower *follower = &replica->leader.followers[node];

	if (node == core->config.node) {
		return true;
	}
	if (paxos_has(core->voters, node)) {
		return follower->state == PAXOS_LEVEL &&
		       paxos_has(paxos_election_connected(core), node) &&
		       !lags(core, follower->link.length);
	}
	return was_heard(core, replica->learned_ns[node]) && !lags(core, replica->learned[node]) &&
	       members_of(replica)->member[node].incarnation == core->peers[node].incarnation;
}

static uint32_t ready_set(const struct paxos_replica *replica, uint32_t set)
{
	uint32_t ready = 0;

	for (unsigned node = 0; paxos_each(set, &node); node++) {
		ready |= is_ready(replica, node) ? paxos_bit(node) : 0;
	}
	return ready;
}

/* What keeps the first of `set` that is not ready from voting. */
static void tell_missing(const struct paxos_replica *replica, uint32_t set, struct paxos_told *told)
{
	const struct paxos_core *core = &replica->core;
	unsigned node = 0;

	for (; paxos_each(set, &node) && is_ready(replica, node); node++) {
	}
	if (!was_heard(core, replica->learned_ns[node])) {
		paxos_tell(told, PAXOS_CHANGE_WAITS,
		           "server %u was not heard of: is it started with --join, and reached "
		           "from here?",
		           node + 1);
	} else {
		paxos_tell(told, PAXOS_CHANGE_WAITS,
		           "server %u is brought level: it holds %U of %U entries", node + 1,
		           replica->learned[node], core->decided);
	}
}

/* --- proposing ------------------------------------------------------------------------------ */

static bool propose(struct paxos_replica *replica, struct store_entry *entry)
{
	struct paxos_core *core = &replica->core;

	if (!paxos_propose(core, &replica->leader, entry)) {
		return false;
	}
	replica->turnover.change_index = core->log.length;
	return true;
}

static bool is_pending(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;

	/* L0 is applied: what an earlier leader proposed is decided, but for a stop-sign. */
	return replica->turnover.change_index > core->decided || paxos_core_is_stopped(core);
}

static bool propose_learner(struct paxos_replica *replica, unsigned node, bool is_added,
                            struct store_address address)
{
	struct store_entry entry = {.kind = STORE_ENTRY_LEARNER,
	                            .node = (uint8_t)node,
	                            .is_added = is_added,
	                            .address = address};

	return propose(replica, &entry);
}

static bool propose_members(struct paxos_replica *replica, uint32_t voters, uint32_t learners)
{
	const struct store_members *members = members_of(replica);
	struct store_entry entry = {.kind = STORE_ENTRY_MEMBERS,
	                            .configuration = members->configuration + 1,
	                            .voters = voters,
	                            .learners = learners};

	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		entry.addresses[node] = members->configuration == 0
		                                ? replica->core.config.addresses[node]
		                                : members->member[node].address;
	}
	return propose(replica, &entry);
}

/* --- a step --------------------------------------------------------------------------------- */

static uint32_t wanted_voters(const struct paxos_replica *replica,
                              const struct paxos_change *change)
{
	const uint32_t add = change->as_learners ? 0 : change->add;

	return (replica->core.voters | add) & ~change->remove;
}

static void tell_done(const struct paxos_replica *replica, struct paxos_told *told)
{
	const struct store_members *members = members_of(replica);
	char voters[PAXOS_SET_TEXT_MAX], learners[PAXOS_SET_TEXT_MAX];

	paxos_tell(told, PAXOS_CHANGE_DONE, "configuration %u: servers %s vote, %s learn%s",
	           members->configuration, paxos_set_text(members->voters, voters),
	           paxos_set_text(members->learners, learners),
	           members->learners != 0 && (members->learners & (members->learners - 1)) == 0
	                   ? "s"
	                   : "");
}

static void tell_begun(const struct paxos_replica *replica, struct paxos_told *told)
{
	paxos_tell(told, PAXOS_CHANGE_WAITS, "server %u has only begun to lead",
	           replica->core.config.node + 1);
}

/* Adds or drops one learner, if that is to be done. False if there is none. */
static bool step_learners(struct paxos_replica *replica, const struct paxos_change *change,
                          struct paxos_told *told)
{
	const struct store_members *members = members_of(replica);
	const uint32_t drop = change->demotes ? 0 : change->remove & members->learners;

	for (unsigned node = 0; paxos_each(change->add & ~members->voters, &node); node++) {
		const struct store_address address = change->addresses[node];
		const struct store_address known = members->member[node].address;

		if (paxos_has(members->learners, node) &&
		    (address.ip == 0 || (address.ip == known.ip && address.port == known.port))) {
			continue;
		}
		(void)propose_learner(replica, node, true, address);
		paxos_tell(told, PAXOS_CHANGE_WAITS, "server %u becomes a learner", node + 1);
		return true;
	}
	for (unsigned node = 0; paxos_each(drop, &node); node++) {
		(void)propose_learner(replica, node, false, (struct store_address){0});
		paxos_tell(told, PAXOS_CHANGE_WAITS, "server %u is dropped", node + 1);
		return true;
	}
	return false;
}

/* Of those that would vote, only `ready` are live and level. */
static void tell_too_few(const struct paxos_replica *replica, uint32_t voters, uint32_t ready,
                         struct paxos_told *told)
{
	const struct paxos_core *core = &replica->core;
	char all[PAXOS_SET_TEXT_MAX], some[PAXOS_SET_TEXT_MAX];

	if (core->now_ns < replica->leader.began_ns + core->config.suspicion_ns) {
		tell_begun(replica, told); /* it has not yet heard all who are live */
		return;
	}
	paxos_tell(told, PAXOS_CHANGE_REFUSED,
	           "of the %u servers (%s) that would vote, %u (%s) are live and level, "
	           "and %u are needed",
	           paxos_count(voters), paxos_set_text(voters, all), paxos_count(ready),
	           paxos_set_text(ready, some), paxos_majority(voters));
}

/* False, and said, if these may not be the voters. */
static bool check_voters(struct paxos_replica *replica, const struct paxos_change *change,
                         uint32_t voters, struct paxos_told *told)
{
	const uint32_t ready = ready_set(replica, voters);
	const unsigned count = paxos_count(voters);
	char all[PAXOS_SET_TEXT_MAX];

	if (count == 0) {
		paxos_tell(told, PAXOS_CHANGE_REFUSED, "no server would be left to vote");
	} else if (count > STORE_VOTERS_MAX) {
		paxos_tell(told, PAXOS_CHANGE_REFUSED,
		           "%u servers would vote; at most %u do (add learners instead)", count,
		           STORE_VOTERS_MAX);
	} else if (count % 2 == 0 && !change->is_even) {
		paxos_tell(told, PAXOS_CHANGE_REFUSED,
		           "%u servers (%s) would vote, which survive the loss of %u, as %u do; "
		           "change two at once, or say --even",
		           count, paxos_set_text(voters, all), count - paxos_majority(voters),
		           count - 1);
	} else if ((voters & ~replica->core.voters & ~ready) != 0) {
		tell_missing(replica, voters & ~replica->core.voters, told);
	} else if (!paxos_is_majority(ready, voters)) {
		tell_too_few(replica, voters, ready, told);
	} else {
		return true;
	}
	return false;
}

void paxos_changer_step(struct paxos_replica *replica, const struct paxos_change *change,
                        struct paxos_told *ret_told)
{
	struct paxos_core *core = &replica->core;
	const struct store_members *members = members_of(replica);
	const uint32_t voters = wanted_voters(replica, change);

	must(core->role == PAXOS_LEADER);
	if (!replica->leader.deciding || core->decided < replica->leader.adopted ||
	    members->configuration == 0 || core->decided == members->since) {
		tell_begun(replica, ret_told);
		return;
	}
	if (is_pending(replica)) {
		paxos_tell(ret_told, PAXOS_CHANGE_WAITS, "a change is being decided");
		return;
	}
	if (change->as_learners && (change->add & members->voters) != 0) {
		paxos_tell(ret_told, PAXOS_CHANGE_REFUSED,
		           "who votes is not made a learner; remove it first");
		return;
	}
	if (paxos_count(voters) <= STORE_VOTERS_MAX && step_learners(replica, change, ret_told)) {
		return;
	}
	if (voters == members->voters) {
		tell_done(replica, ret_told);
		return;
	}
	if (!check_voters(replica, change, voters, ret_told)) {
		return;
	}
	if (propose_members(replica, voters,
	                    (members->learners & ~voters & ~change->remove) |
	                            (change->demotes ? change->remove & members->voters : 0))) {
		paxos_tell(ret_told, PAXOS_CHANGE_WAITS, "configuration %u is being decided",
		           members->configuration + 1);
	} else {
		paxos_tell(ret_told, PAXOS_CHANGE_WAITS, "the leader is busy");
	}
}

void paxos_changer_asked(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct paxos_msg answer = {.kind = PAXOS_MSG_TOLD, .round = msg->round};
	uint8_t bytes[1 + PAXOS_TOLD_TEXT_MAX];
	struct paxos_change change;
	struct paxos_told told;
	struct wire_writer body;

	if (!paxos_change_decode(msg->body, &change)) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		return;
	}
	if (core->role != PAXOS_LEADER) {
		return;
	}
	paxos_changer_step(replica, &change, &told);
	if (paxos_core_open(core, &answer, &body)) {
		wire_put(&body, slice_make(bytes, paxos_told_encode(&told, bytes)));
		paxos_core_close(core, msg->node, &body, true);
	}
}

/* --- by itself ------------------------------------------------------------------------------ */

/* A voter that was silent for so long, or STORE_NODES_MAX. */
static unsigned find_dead(const struct paxos_replica *replica)
{
	const struct paxos_core *core = &replica->core;
	const uint64_t wait_ns = core->config.promote_ns;
	unsigned node = 0;

	for (; paxos_each(core->voters, &node); node++) {
		const uint64_t heard_ns = core->peers[node].heard_ns;

		if (node != core->config.node && core->now_ns >= heard_ns + wait_ns &&
		    core->now_ns >= replica->leader.began_ns + wait_ns) {
			return node;
		}
	}
	return STORE_NODES_MAX;
}

/* Replaces a dead voter by a learner. The dead one may come back as a learner. */
static void promote(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const uint32_t spares = ready_set(replica, members_of(replica)->learners);
	const unsigned dead = find_dead(replica);
	struct paxos_change change = {.demotes = true, .is_even = true};
	struct paxos_told told;

	replica->turnover.next_change_ns = core->now_ns + core->config.heartbeat_ns;
	if (dead == STORE_NODES_MAX || spares == 0) {
		return;
	}
	change.remove = paxos_bit(dead);
	change.add = spares & -spares;
	paxos_changer_step(replica, &change, &told);
}

static void name(struct paxos_replica *replica, unsigned node, uint64_t incarnation)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_REJOIN, .node = (uint8_t)node, .incarnation = incarnation};

	if (paxos_propose(&replica->core, &replica->leader, &entry)) {
		replica->naming[node] = incarnation;
	}
}

void paxos_changer_name_members(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		const struct paxos_follower *follower = &replica->leader.followers[node];
		const bool self = node == core->config.node;
		const uint64_t incarnation =
			self ? core->config.incarnation : follower->incarnation;

		if (store_member_incarnation(core->store, node) == 0 &&
		    (self || follower->state == PAXOS_LEVEL) &&
		    replica->naming[node] != incarnation) {
			name(replica, node, incarnation);
		}
	}
}

/* So that a configuration that has begun decides something. */
static void propose_nop(struct paxos_replica *replica)
{
	struct store_entry nop = {
		.kind = STORE_ENTRY_OP,
		.op = {.verb = STORE_VERB_NOP, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY},
	};

	(void)paxos_propose(&replica->core, &replica->leader, &nop);
}

void paxos_changer_tick(struct paxos_replica *replica)
{
	struct paxos_core *core = &replica->core;
	const struct store_members *members = members_of(replica);

	must(core->role == PAXOS_LEADER);
	if (is_pending(replica)) {
		return;
	}
	if (members->configuration == 0) {
		(void)propose_members(replica, core->voters, 0);
	} else if (core->log.length == members->since) {
		propose_nop(replica);
	} else if (core->config.promote_ns != 0 &&
	           core->now_ns >= replica->turnover.next_change_ns) {
		promote(replica);
	}
}
