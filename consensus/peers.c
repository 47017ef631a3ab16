/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/peers.h"

#include "consensus/changer.h"
#include "consensus/handover.h"
#include "consensus/mend.h"
#include "consensus/note.h"
#include "consensus/quorum.h"
#include "consensus/rank.h"
#include "consensus/supply.h"
#include "consensus/turnover.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

#define LEASE_LEFT_MAX_NS ((uint64_t)60 * 1000 * 1000 * 1000)
#define ROUND_MAX         ((uint64_t)1 << 62)

/* How long an incarnation or start that was only heard shuts out lower ones, in suspicion times. */
enum {
	HEARD_SUSPICIONS = 10
};

static int against_promised(const struct paxos_core *core, const struct paxos_msg *msg)
{
	return paxos_ballot_compare(msg->ballot, core->promised);
}

static bool is_own_ballot(const struct paxos_replica *replica, const struct paxos_msg *msg)
{
	switch (replica->core.role) {
	case PAXOS_CANDIDATE:
		return paxos_ballot_equal(msg->ballot, replica->candidate.ballot);
	case PAXOS_LEADER:
		return paxos_ballot_equal(msg->ballot, replica->leader.ballot);
	case PAXOS_FOLLOWER:
	case PAXOS_OUTSIDER:
	default:
		return false;
	}
}

static bool ballot_is_the_senders(const struct paxos_core *core, const struct paxos_msg *msg)
{
	return msg->ballot.node == msg->node && msg->ballot.incarnation == msg->incarnation &&
	       msg->ballot.start == msg->start &&
	       msg->ballot.configuration == core->configuration && msg->ballot.round != 0 &&
	       msg->ballot.round < ROUND_MAX;
}

/* --- heartbeats ---------------------------------------------------------------------------- */

static void hear_leader(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;

	if (!core->takes_part) {
		core->leader = msg->node;
		return;
	}
	if (against_promised(core, msg) < 0) {
		paxos_acceptor_nack(core, msg->node, msg->ballot);
		return;
	}
	if (against_promised(core, msg) > 0) {
		paxos_acceptor_ask(core, msg->node, msg->ballot);
	}
	if (core->role != PAXOS_FOLLOWER) {
		return; /* it will be asked to promise, and step down then */
	}
	paxos_acceptor_told(core, &replica->acceptor, msg->ballot, msg->decided);
	if ((msg->flags & PAXOS_FLAG_RESIGNED) != 0) {
		paxos_election_resigned(core, &replica->election);
		return;
	}
	core->leader = msg->node;
	if (against_promised(core, msg) == 0) {
		core->touched_ns = core->now_ns;
	}
	paxos_election_heard(core, &replica->election, msg->poll_gap_ns);
}

/* A leader that goes says that its ballot is over: no grant to it counts any more (4.1 g). */
static void note_over(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_peer *peer = &replica->core.peers[msg->node];

	if (ballot_is_the_senders(&replica->core, msg) &&
	    (msg->kind == PAXOS_MSG_HANDOVER || (msg->flags & PAXOS_FLAG_RESIGNED) != 0) &&
	    paxos_ballot_compare(msg->ballot, peer->over) > 0) {
		peer->over = msg->ballot;
		if (paxos_ballot_equal(replica->core.grant.ballot, msg->ballot)) {
			paxos_grant_void(&replica->core.grant);
		}
		paxos_replica_relieve(replica);
	}
}

static void on_heartbeat(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	const bool leads = (msg->flags & PAXOS_FLAG_LEADER) != 0;
	struct paxos_msg ack = {
		.kind = PAXOS_MSG_HEARTBEAT_ACK,
		.ballot = msg->ballot,
		.round = msg->round,
		.round_start = msg->start,
		.round_incarnation = msg->incarnation,
		.poll_gap_ns = core->poll_gap_ns,
	};

	if (core->takes_part && msg->mask != core->voters) {
		/* It was founded otherwise: two majorities would not meet. */
		paxos_core_drop(core, PAXOS_DROP_CONFIGURATION);
		return;
	}
	core->peers[msg->node].unhappy = (msg->flags & PAXOS_FLAG_UNHAPPY) != 0;
	core->peers[msg->node].disk_full = (msg->flags & PAXOS_FLAG_FULL) != 0;
	core->peers[msg->node].disk_late = (msg->flags & PAXOS_FLAG_LATE) != 0;
	core->peers[msg->node].poll_gap_ns = msg->poll_gap_ns;
	if (core->peers[msg->node].secret == 0) {
		core->peers[msg->node].secret = msg->secret; /* the first that a start tells */
	}
	core->peers[msg->node].priority = msg->priority;
	paxos_snapshots_heard(core, &replica->snapshots, msg);
	if (leads) {
		note_over(replica, msg);
		hear_leader(replica, msg);
	}
	if (!core->takes_part) {
		return;
	}
	if (leads && against_promised(core, msg) == 0 && core->role == PAXOS_FOLLOWER &&
	    (msg->flags & PAXOS_FLAG_RESIGNED) == 0) {
		paxos_grant_give(
			&core->grant, core->now_ns,
			paxos_lease_with_drift(core->config.lease_ns, core->config.drift_ppm),
			msg->ballot);
		ack.flags |= PAXOS_FLAG_GRANTED;
	}
	if (replica->election.unhappy) {
		ack.flags |= PAXOS_FLAG_UNHAPPY;
	}
	ack.flags |= paxos_core_disk_flags(core);
	paxos_core_send(core, msg->node, &ack, false);
}

static void on_heartbeat_ack(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct paxos_rounds *rounds = &replica->election.rounds;
	struct paxos_peer *peer = &core->peers[msg->node];
	uint64_t sent_ns;

	if (msg->round_start != core->config.start ||
	    msg->round_incarnation != core->config.incarnation) {
		return; /* asked by an earlier process of ours, or by who had this number before */
	}
	if ((msg->flags & PAXOS_FLAG_ROLLED_BACK) != 0) {
		paxos_core_end(core, PAXOS_END_ROLLED_BACK);
		return;
	}
	peer->unhappy = (msg->flags & PAXOS_FLAG_UNHAPPY) != 0;
	peer->disk_full = (msg->flags & PAXOS_FLAG_FULL) != 0;
	peer->disk_late = (msg->flags & PAXOS_FLAG_LATE) != 0;
	peer->poll_gap_ns = msg->poll_gap_ns;
	sent_ns = paxos_rounds_sent_ns(rounds, msg->round);
	if (sent_ns > peer->answered_ns) {
		peer->answered_ns = sent_ns;
	}
	if (sent_ns != 0 && msg->start > peer->rank.answered) {
		peer->rank.answered = msg->start; /* nobody else knew of this round */
	}
	if ((msg->flags & PAXOS_FLAG_GRANTED) != 0 && core->role == PAXOS_LEADER &&
	    is_own_ballot(replica, msg)) {
		paxos_rounds_answer(rounds, msg->round, msg->node, core->voters);
		if (mutant(13) && rounds->majority_number == msg->round) {
			rounds->majority_sent_ns = core->now_ns;
		}
		paxos_desk_lease(core, &replica->desk, paxos_replica_lease_end_ns(replica));
	}
}

/* --- prepare ------------------------------------------------------------------------------- */

static void on_prepare(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	const int compared = against_promised(core, msg);

	if (!ballot_is_the_senders(core, msg) || msg->mask != core->voters) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		return;
	}
	if (compared < 0) {
		paxos_acceptor_nack(core, msg->node, msg->ballot);
		return;
	}
	if (compared > 0) {
		if (core->role == PAXOS_CANDIDATE) {
			paxos_core_trace(core, PAXOS_TRACE_GAVE_UP, replica->candidate.ballot.round,
			                 PAXOS_GAVE_UP_HIGHER);
		}
		paxos_replica_step_down(replica, PAXOS_NOBODY);
		paxos_intake_end(&replica->intake);
		paxos_core_promise(core, msg->ballot);
		/* It has voted for another: it does not stand against it at once. */
		paxos_election_back_off(core, &replica->election);
	}
	paxos_acceptor_promise(core, msg->node);
}

static void on_promise(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct paxos_msg vow = *msg;

	if (!is_own_ballot(replica, msg)) {
		return;
	}
	if (paxos_ballot_compare(msg->accepted, msg->ballot) > 0 || msg->decided > msg->length ||
	    msg->base > msg->decided || (msg->flags & PAXOS_FLAG_REVOKED) == 0 ||
	    (paxos_ballot_equal(msg->accepted, msg->ballot) && core->role == PAXOS_CANDIDATE)) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		return;
	}
	if (vow.lease_left_ns > LEASE_LEFT_MAX_NS) {
		vow.lease_left_ns = LEASE_LEFT_MAX_NS;
	}
	if (core->role == PAXOS_CANDIDATE) {
		paxos_candidate_promise(core, &replica->candidate, &vow);
	} else {
		paxos_leader_promise(core, &replica->leader, &vow);
	}
}

static void on_nack(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	if (is_own_ballot(replica, msg) && paxos_ballot_compare(msg->accepted, msg->ballot) > 0) {
		paxos_election_seen(&replica->election, msg->accepted.round);
		paxos_replica_nacked(replica);
	}
}

static void on_prepare_ask(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	const struct paxos_vow *vow = &replica->leader.followers[msg->node].vow;

	if (replica->core.role != PAXOS_LEADER || !is_own_ballot(replica, msg)) {
		return;
	}
	if (paxos_core_is_disk(&replica->core) && vow->have &&
	    vow->incarnation == msg->incarnation && vow->start < msg->start && !mutant(39)) {
		paxos_rank_fell(&replica->core, msg); /* it promised this before its last start */
		return;
	}
	paxos_leader_asked(&replica->core, &replica->leader, msg->node);
}

/* --- sync and accept ----------------------------------------------------------------------- */

/* True if the message is of the promised ballot; else the sender is told, if it may be. */
static bool is_promised(struct paxos_core *core, const struct paxos_msg *msg)
{
	const int compared = against_promised(core, msg);

	if (compared < 0) {
		paxos_acceptor_nack(core, msg->node, msg->ballot);
	} else if (compared > 0) {
		paxos_acceptor_ask(core, msg->node, msg->ballot);
	}
	return compared == 0 && core->role == PAXOS_FOLLOWER && msg->ballot.node == msg->node;
}

static void begin_sync(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;
	struct paxos_intake *intake = &replica->intake;
	const bool level = paxos_ballot_equal(core->accepted, msg->ballot);
	const bool wants_state = (msg->flags & PAXOS_FLAG_STATE) != 0;
	/*
	 * The promise may have waited for the disk while what stood before it became durable and
	 * was decided: what is decided here is in every log that can be adopted, and need not come.
	 */
	const uint64_t cut = msg->base < core->decided && !mutant(9) ? core->decided : msg->base;
	const bool same = intake->purpose == PAXOS_INTAKE_SYNC && intake->peer == msg->node &&
	                  paxos_ballot_equal(intake->ballot, msg->ballot);
	/* Who came into the configuration by a snapshot may hold more of it than was adopted. */
	const uint64_t need = cut > msg->length ? cut : msg->length;

	if (!wants_state && cut > core->log.length) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		return;
	}
	if (!same) {
		paxos_intake_begin(core, intake, PAXOS_INTAKE_SYNC, msg->node, msg->ballot, cut,
		                   level ? 0 : need, wants_state);
	}
	if (!wants_state && intake->cut == cut) {
		paxos_intake_push(core, intake, msg);
	}
}

static void on_sync(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;

	if (!is_promised(core, msg)) {
		return;
	}
	if (!paxos_ballot_equal(core->accepted, msg->ballot)) {
		begin_sync(replica, msg);
		return;
	}
	/* "If accepted = b already, SYNC never cuts." It may bring a snapshot from beyond. */
	if ((msg->flags & PAXOS_FLAG_STATE) != 0 && core->log.length < msg->index) {
		begin_sync(replica, msg);
	}
	paxos_acceptor_owe(core, &replica->acceptor);
	paxos_acceptor_told(core, &replica->acceptor, msg->ballot, msg->decided);
}

static void on_accept(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;

	if (is_promised(core, msg) && paxos_ballot_equal(core->accepted, msg->ballot)) {
		paxos_acceptor_accept(core, &replica->acceptor, msg);
	}
}

static void on_accepted(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	/* "A reply counts only for the ballot it was asked for." */
	if (replica->core.role == PAXOS_LEADER && (is_own_ballot(replica, msg) || mutant(5))) {
		struct paxos_msg own = *msg;

		own.ballot = replica->leader.ballot;
		paxos_leader_accepted(&replica->core, &replica->leader, &own);
	}
}

/* --- changes of the members ---------------------------------------------------------------- */

static void on_told(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_told told;

	if (paxos_told_decode(msg->body, &told)) {
		paxos_asks_told(&replica->asks, msg->round, &told);
	} else {
		paxos_core_drop(&replica->core, PAXOS_DROP_MESSAGE);
	}
}

/* --- all ----------------------------------------------------------------------------------- */

static void dispatch(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	switch (msg->kind) {
	case PAXOS_MSG_HEARTBEAT:
		on_heartbeat(replica, msg);
		break;
	case PAXOS_MSG_HEARTBEAT_ACK:
		on_heartbeat_ack(replica, msg);
		break;
	case PAXOS_MSG_PREPARE:
		on_prepare(replica, msg);
		break;
	case PAXOS_MSG_PROMISE:
		on_promise(replica, msg);
		break;
	case PAXOS_MSG_NACK:
		on_nack(replica, msg);
		break;
	case PAXOS_MSG_PREPARE_ASK:
		on_prepare_ask(replica, msg);
		break;
	case PAXOS_MSG_SYNC:
		on_sync(replica, msg);
		break;
	case PAXOS_MSG_ACCEPT:
		on_accept(replica, msg);
		break;
	case PAXOS_MSG_ACCEPTED:
		on_accepted(replica, msg);
		break;
	case PAXOS_MSG_FETCH:
		paxos_supply_fetch(replica, msg);
		break;
	case PAXOS_MSG_ENTRIES:
		paxos_supply_entries(replica, msg);
		break;
	case PAXOS_MSG_STATE:
		(void)paxos_intake_state(&replica->core, &replica->intake, msg);
		break;
	case PAXOS_MSG_HANDOVER:
		note_over(replica, msg);
		paxos_handover_hear(replica, msg);
		break;
	case PAXOS_MSG_DEAD: /* heard before */
	case PAXOS_MSG_STOPPED:
		paxos_turnover_heard(replica, msg);
		break;
	case PAXOS_MSG_ASK:
		paxos_changer_asked(replica, msg);
		break;
	case PAXOS_MSG_TOLD:
		on_told(replica, msg);
		break;
	case PAXOS_MSG_DECIDED:
		if (is_promised(&replica->core, msg)) {
			paxos_acceptor_told(&replica->core, &replica->acceptor, msg->ballot,
			                    msg->decided);
		}
		break;
	case PAXOS_MSG_COUNT:
	default:
		must(false);
	}
}

/*
 * What a member calls itself is a hint that saves work for what is older; only the incarnation
 * that the log names binds for ever. So one datagram of a life that never was passes by.
 */
static void forget_heard(const struct paxos_core *core, struct paxos_peer *peer)
{
	if (core->now_ns >= peer->heard_ns + HEARD_SUSPICIONS * core->config.suspicion_ns) {
		peer->incarnation = 0;
		peer->start = 0;
	}
}

/*
 * A life that is surely over. Where one such asks to be heard all the same, its folder was put
 * back as it was in that life.
 */
static bool is_put_back(const struct paxos_core *core, const struct paxos_peer *peer,
                        const struct paxos_msg *msg)
{
	return msg->incarnation < store_member_incarnation(core->store, msg->node) ||
	       paxos_rank_is_over(&peer->rank, msg->incarnation, msg->start) ||
	       (peer->is_dead && msg->incarnation == peer->dead_incarnation &&
	        msg->start == peer->dead_start);
}

/* The names applied are of the members known: a number may have gone to another machine since. */
static bool knows_names(const struct paxos_core *core)
{
	return store_members(core->store)->configuration == core->configuration;
}

/*
 * An incarnation counts its starts in the upper half (DESIGN 4.1 i): below the named one it is a
 * life that is over; with the same count it is somebody else.
 */
static bool incarnation_is_over(const struct paxos_core *core, struct paxos_peer *peer,
                                const struct paxos_msg *msg)
{
	const uint64_t named = store_member_incarnation(core->store, msg->node);

	if (mutant(25)) {
		return false;
	}
	if (!paxos_has(core->voters, msg->node) || msg->configuration > core->configuration) {
		return false; /* another machine may have the number of one that is gone */
	}
	forget_heard(core, peer);
	if (msg->incarnation < peer->incarnation) {
		return true;
	}
	if (is_put_back(core, peer, msg)) {
		return true;
	}
	if (named >> 32 != 0 && msg->incarnation != named &&
	    msg->incarnation >> 32 == named >> 32) {
		return true;
	}
	return msg->incarnation == peer->incarnation && msg->start < peer->start;
}

/* Asking, and giving what is decided: between any two servers, whatever they are a part of. */
static bool is_for_all(const struct paxos_msg *msg)
{
	if ((msg->flags & PAXOS_FLAG_REPAIR) != 0) {
		return msg->kind == PAXOS_MSG_FETCH || msg->kind == PAXOS_MSG_ENTRIES;
	}
	switch (msg->kind) {
	case PAXOS_MSG_FETCH:
		return paxos_ballot_is_none(msg->ballot);
	case PAXOS_MSG_ENTRIES:
	case PAXOS_MSG_STATE:
	case PAXOS_MSG_STOPPED:
	case PAXOS_MSG_ASK:
	case PAXOS_MSG_TOLD:
		return true;
	case PAXOS_MSG_HEARTBEAT:
	case PAXOS_MSG_HEARTBEAT_ACK:
	case PAXOS_MSG_PREPARE:
	case PAXOS_MSG_PROMISE:
	case PAXOS_MSG_NACK:
	case PAXOS_MSG_PREPARE_ASK:
	case PAXOS_MSG_SYNC:
	case PAXOS_MSG_ACCEPT:
	case PAXOS_MSG_ACCEPTED:
	case PAXOS_MSG_DECIDED:
	case PAXOS_MSG_HANDOVER:
	case PAXOS_MSG_DEAD:
	case PAXOS_MSG_COUNT:
	default:
		return false;
	}
}

/* What may be heard by an outsider, and from one. */
static bool is_allowed(const struct paxos_core *core, const struct paxos_msg *msg)
{
	if (is_for_all(msg)) {
		return true;
	}
	if ((msg->flags & PAXOS_FLAG_OUTSIDER) != 0 || !paxos_has(core->voters, msg->node)) {
		return false;
	}
	return core->takes_part || msg->kind == PAXOS_MSG_HEARTBEAT;
}

static void note_sender(struct paxos_core *core, const struct paxos_msg *msg)
{
	struct paxos_peer *peer = &core->peers[msg->node];

	/* Remembered over a silence that forgets the rest. */
	if (peer->rank.incarnation != msg->incarnation) {
		peer->rank = (struct paxos_rank){.incarnation = msg->incarnation};
		peer->snapshot_index = 0;
	}
	if (peer->incarnation != msg->incarnation || peer->start != msg->start) {
		peer->incarnation = msg->incarnation;
		peer->start = msg->start;
		peer->answered_ns = 0;
		peer->unhappy = false;
		peer->secret = 0;
		peer->disk_full = false;
		peer->disk_late = false;
	}
	peer->heard_ns = core->now_ns;
}

static void hear(struct paxos_replica *replica, const struct paxos_msg *msg)
{
	struct paxos_core *core = &replica->core;

	note_sender(core, msg);
	if (!paxos_rank_hear(core, msg)) {
		paxos_core_drop(core, PAXOS_DROP_ROLLED_BACK);
		return;
	}
	if (msg->configuration > core->configuration) {
		paxos_turnover_heard(replica, msg);
	}
	if (msg->configuration == core->configuration ? is_allowed(core, msg) : is_for_all(msg)) {
		dispatch(replica, msg);
	} else if (msg->configuration < core->configuration) {
		/* "Answers all of c with STOPPED(c+1, members, i)" (4.1 j). */
		paxos_core_drop(core, PAXOS_DROP_CONFIGURATION);
		paxos_turnover_stopped(replica, msg->node, 0);
	}
}

void paxos_peers_hear(struct paxos_replica *replica, int peer,
                      const struct store_datagram *datagram)
{
	struct paxos_core *core = &replica->core;
	/* A death note comes from a supervisor, whatever its address: its secret tells. */
	const bool is_note = datagram->body.size != 0 && datagram->body.data[0] == PAXOS_MSG_DEAD;
	struct paxos_msg msg;

	if (peer == PAXOS_NOBODY && !is_note) {
		paxos_core_drop(core, PAXOS_DROP_NOT_A_PEER);
	} else if (datagram->cluster != core->config.cluster) {
		paxos_core_drop(core, PAXOS_DROP_CLUSTER);
	} else if (!paxos_msg_decode(datagram->body, &msg)) {
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
	} else if (is_note) {
		paxos_note_hear(replica, &msg);
	} else if (msg.node != peer || peer == core->config.node) {
		paxos_core_drop(core, PAXOS_DROP_IMPOSTOR);
	} else if (incarnation_is_over(core, &core->peers[peer], &msg)) {
		paxos_core_drop(core, PAXOS_DROP_INCARNATION);
		if (paxos_core_is_disk(core) && knows_names(core) &&
		    is_put_back(core, &core->peers[peer], &msg)) {
			paxos_rank_refuse(core, &msg);
		}
	} else {
		hear(replica, &msg);
	}
}
