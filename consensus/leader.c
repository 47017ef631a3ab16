/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/leader.h"

#include "consensus/quorum.h"
#include "store/base/check.h"

enum {
	TELL_AFTER_NS = 100 * 1000, /* longer than a busy leader needs for its next ACCEPT */
};

static void await(struct paxos_core *core, struct paxos_follower *follower,
                  enum paxos_follower_state state)
{
	follower->state = state;
	follower->again_ns = 0;
	follower->wait_ns = core->config.resend_ns;
}

void paxos_leader_begin(struct paxos_core *core, struct paxos_leader *leader,
                        const struct paxos_candidate *candidate,
                        const struct paxos_adoption *adoption)
{
	must(core->role == PAXOS_CANDIDATE);
	must(paxos_ballot_equal(core->accepted, candidate->ballot));
	must(adoption->decided <= core->log.length);
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		struct paxos_follower *follower = &leader->followers[peer];

		follower->vow = candidate->vows[peer];
		follower->behind = false;
		follower->incarnation = 0;
		follower->start = 0;
		follower->link.length = 0;
		await(core, follower, follower->vow.have ? PAXOS_UNEVEN : PAXOS_UNPREPARED);
	}
	leader->ballot = candidate->ballot;
	leader->rank = adoption->rank;
	leader->adopted = core->log.length;
	leader->known_decided = adoption->decided;
	leader->defer_until_ns = adoption->defer_until_ns;
	leader->deciding = false;
	leader->began_ns = core->now_ns;
	leader->secret = prng_next(&core->prng);
	leader->time_base_ns = store_time_ns(core->store);
	if (core->log.length > core->log.base) {
		const uint64_t last_ns =
			store_entry_time_ns(paxos_log_entry(&core->log, core->log.length));

		leader->time_base_ns =
			last_ns > leader->time_base_ns ? last_ns : leader->time_base_ns;
	}
	core->role = PAXOS_LEADER;
	core->leader = core->config.node;
	paxos_core_trace(core, PAXOS_TRACE_ADOPTED, leader->ballot.round, leader->adopted);
}

void paxos_leader_promise(struct paxos_core *core, struct paxos_leader *leader,
                          const struct paxos_msg *msg)
{
	struct paxos_follower *follower = &leader->followers[msg->node];

	must(paxos_ballot_equal(msg->ballot, leader->ballot));
	/* "Later promises never change the adopted log"; what they tell as decided is in it. */
	if (msg->decided > leader->known_decided && msg->decided <= leader->adopted) {
		leader->known_decided = msg->decided;
	}
	if (follower->state == PAXOS_LEVEL && follower->incarnation == msg->incarnation &&
	    follower->start == msg->start) {
		return;
	}
	paxos_vow_take(&follower->vow, msg, core->now_ns);
	await(core, follower, PAXOS_UNEVEN);
}

void paxos_leader_accepted(struct paxos_core *core, struct paxos_leader *leader,
                           const struct paxos_msg *msg)
{
	struct paxos_follower *follower = &leader->followers[msg->node];
	bool same;

	must(paxos_ballot_equal(msg->ballot, leader->ballot));
	if (msg->length > core->log.length || msg->length < leader->adopted) {
		/* Nobody holds more of a ballot than its leader, or less than was adopted. */
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		return;
	}
	same = follower->incarnation == msg->incarnation && follower->start == msg->start;
	if (follower->state != PAXOS_LEVEL || !same) {
		await(core, follower, PAXOS_LEVEL);
		follower->incarnation = msg->incarnation;
		follower->start = msg->start;
		follower->behind = false;
		follower->told = 0;
		if (!same || msg->length > follower->link.length) {
			follower->link.length = msg->length;
		}
		paxos_link_reset(core, &follower->link, follower->link.length);
		return;
	}
	paxos_link_acked(core, &follower->link, msg);
}

void paxos_leader_asked(struct paxos_core *core, struct paxos_leader *leader, unsigned peer)
{
	struct paxos_follower *follower = &leader->followers[peer];

	if (follower->state != PAXOS_UNPREPARED) {
		await(core, follower, PAXOS_UNPREPARED);
	}
}

uint64_t paxos_leader_decided(struct paxos_core *core, struct paxos_leader *leader)
{
	const uint64_t own = paxos_core_own_vote(core);
	uint64_t decided = leader->known_decided;
	uint64_t votes[STORE_NODES_MAX];

	must(core->role == PAXOS_LEADER);
	if (!leader->deciding && core->now_ns >= leader->defer_until_ns) {
		leader->deciding = true;
		paxos_core_trace(core, PAXOS_TRACE_LEADS, leader->ballot.round, leader->adopted);
	}
	if (leader->deciding) {
		uint64_t counted;

		for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
			votes[peer] = peer == core->config.node
			                      ? own
			                      : leader->followers[peer].link.length;
		}
		counted = paxos_majority_reached(votes, core->voters);
		decided = counted > decided ? counted : decided;
	}
	/* "No server ... stores or reports a decided above its own durable length" (e). */
	return decided < own ? decided : own;
}

uint64_t paxos_leader_time_ns(const struct paxos_core *core, const struct paxos_leader *leader)
{
	return leader->time_base_ns + (core->now_ns - leader->began_ns);
}

static void send_sync(struct paxos_core *core, const struct paxos_leader *leader, unsigned peer,
                      uint64_t cut)
{
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_SYNC,
		.ballot = leader->ballot,
		.base = cut,
		.length = leader->adopted,
		.decided = core->decided,
		.index = cut + 1,
	};
	struct wire_writer body;

	if (cut < core->log.base) {
		msg.flags = PAXOS_FLAG_STATE;
		msg.index = core->log.base;
	}
	if (!paxos_core_open(core, &msg, &body)) {
		return;
	}
	if (cut >= core->log.base) {
		(void)paxos_stream_pack(&core->log, (struct paxos_place){.index = cut + 1},
		                        core->log.length, &body);
	}
	paxos_core_close(core, peer, &body, false);
}

/* Where SYNC starts (4.1 c). */
static uint64_t sync_cut(const struct paxos_leader *leader, const struct paxos_vow *vow)
{
	if (paxos_ballot_equal(vow->accepted, leader->ballot)) {
		return vow->length;
	}
	if (paxos_ballot_equal(vow->accepted, leader->rank)) {
		return vow->length < leader->adopted ? vow->length : leader->adopted;
	}
	return vow->decided;
}

static bool is_due(struct paxos_core *core, struct paxos_follower *follower)
{
	if (core->now_ns < follower->again_ns) {
		return false;
	}
	if (follower->again_ns != 0 && follower->wait_ns < core->config.heartbeat_ns) {
		follower->wait_ns *= 2;
	}
	follower->again_ns = core->now_ns + follower->wait_ns;
	return true;
}

/*
 * What is decided goes out with the next ACCEPT; where none follows soon, alone. Only the
 * follower's readers and watchers wait for it; a busy leader tells it with what it sends anyway.
 */
static void tell_decided(struct paxos_core *core, struct paxos_follower *follower, unsigned peer)
{
	if (follower->told == core->decided) {
		follower->told_at_ns = 0;
	} else if (follower->told_at_ns == 0) {
		follower->told_at_ns = core->now_ns + TELL_AFTER_NS;
	} else if (core->now_ns >= follower->told_at_ns) {
		struct paxos_msg msg = {
			.kind = PAXOS_MSG_DECIDED,
			.ballot = core->accepted,
			.decided = core->decided,
		};

		paxos_core_send(core, peer, &msg, false);
		follower->told = core->decided;
		follower->told_at_ns = 0;
	}
}

static void tend_level(struct paxos_core *core, struct paxos_leader *leader, unsigned peer)
{
	struct paxos_follower *follower = &leader->followers[peer];
	const uint64_t number = follower->link.next_number;

	if (follower->behind && is_due(core, follower)) {
		send_sync(core, leader, peer, follower->link.length);
	}
	follower->behind = !paxos_link_send(core, &follower->link, peer);
	if (follower->link.next_number != number) {
		follower->told = core->decided;
	}
	tell_decided(core, follower, peer);
}

static void send_prepare(struct paxos_core *core, const struct paxos_leader *leader, unsigned peer)
{
	struct paxos_msg prepare = {
		.kind = PAXOS_MSG_PREPARE,
		.ballot = leader->ballot,
		.accepted = core->accepted,
		.length = leader->adopted,
		.mask = core->voters,
	};

	paxos_core_send(core, peer, &prepare, true);
}

static void tend(struct paxos_core *core, struct paxos_leader *leader, unsigned peer)
{
	struct paxos_follower *follower = &leader->followers[peer];

	switch (follower->state) {
	case PAXOS_UNPREPARED:
		if (is_due(core, follower)) {
			send_prepare(core, leader, peer);
		}
		break;
	case PAXOS_UNEVEN:
		if (is_due(core, follower)) {
			const uint64_t cut = sync_cut(leader, &follower->vow);

			/* A vow that cannot be true is a broken peer's; it waits for a better. */
			if (cut <= core->log.length) {
				send_sync(core, leader, peer, cut);
			}
		}
		break;
	case PAXOS_LEVEL:
		tend_level(core, leader, peer);
		break;
	default:
		must(false);
	}
}

void paxos_leader_tick(struct paxos_core *core, struct paxos_leader *leader)
{
	must(core->role == PAXOS_LEADER);
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		if (peer != core->config.node) {
			tend(core, leader, peer);
		}
	}
}

uint64_t paxos_leader_deadline_ns(const struct paxos_core *core, const struct paxos_leader *leader)
{
	uint64_t deadline_ns = leader->deciding ? UINT64_MAX : leader->defer_until_ns;

	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		const struct paxos_follower *follower = &leader->followers[peer];
		uint64_t due_ns = follower->again_ns;

		if (peer == core->config.node) {
			continue;
		}
		if (follower->state == PAXOS_LEVEL && !follower->behind) {
			due_ns = paxos_link_deadline_ns(&follower->link);
		}
		if (follower->state == PAXOS_LEVEL && follower->told_at_ns != 0 &&
		    follower->told_at_ns < due_ns) {
			due_ns = follower->told_at_ns;
		}
		deadline_ns = due_ns < deadline_ns ? due_ns : deadline_ns;
	}
	return deadline_ns;
}
