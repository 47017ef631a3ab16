/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/candidate.h"

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

void paxos_vow_take(struct paxos_vow *vow, const struct paxos_msg *msg, uint64_t now_ns)
{
	*vow = (struct paxos_vow){
		.have = true,
		.accepted = msg->accepted,
		.length = msg->length,
		.decided = msg->decided,
		.base = msg->base,
		.incarnation = msg->incarnation,
		.start = msg->start,
		.lease_ballot = msg->lease_ballot,
		.lease_unknown = (msg->flags & PAXOS_FLAG_UNKNOWN) != 0,
		.lease_left_ns = msg->lease_left_ns,
		.arrived_ns = now_ns,
	};
}

static void own_vow(const struct paxos_core *core, struct paxos_vow *vow)
{
	*vow = (struct paxos_vow){
		.have = true,
		.accepted = core->accepted,
		.length = core->log.length,
		.decided = core->decided,
		.base = core->log.base,
		.incarnation = core->config.incarnation,
		.start = core->config.start,
		.lease_ballot = core->grant.ballot,
		.lease_unknown = paxos_grant_is_unknown(&core->grant, core->now_ns),
		.lease_left_ns = paxos_grant_left_ns(&core->grant, core->now_ns),
		.arrived_ns = core->now_ns,
	};
}

static void ask(struct paxos_core *core, const struct paxos_candidate *candidate)
{
	for (unsigned peer = 0; paxos_each(core->voters, &peer); peer++) {
		/* The rank of its own vote, so that an older copy of a folder is found out. */
		struct paxos_msg msg = {
			.kind = PAXOS_MSG_PREPARE,
			.ballot = candidate->ballot,
			.accepted = candidate->vows[core->config.node].accepted,
			.length = candidate->vows[core->config.node].length,
			.mask = core->voters,
		};

		if (!candidate->vows[peer].have) {
			/* "The candidate makes its own promise durable, then sends PREPARE(b)." */
			paxos_core_send(core, peer, &msg, true);
		}
	}
}

void paxos_candidate_stand(struct paxos_core *core, struct paxos_candidate *candidate,
                           struct paxos_ballot ballot)
{
	must(core->takes_part);
	must(core->role == PAXOS_FOLLOWER);
	paxos_core_promise(core, ballot);
	core->role = PAXOS_CANDIDATE;
	core->leader = PAXOS_NOBODY;
	*candidate = (struct paxos_candidate){
		.ballot = ballot,
		.began_ns = core->now_ns,
		.moved_ns = core->now_ns,
		.wait_ns = core->config.resend_ns,
		.resend_ns = core->now_ns + core->config.resend_ns,
	};
	own_vow(core, &candidate->vows[core->config.node]);
	paxos_core_trace(core, PAXOS_TRACE_STANDS, ballot.round, 0);
	ask(core, candidate);
}

void paxos_candidate_promise(struct paxos_core *core, struct paxos_candidate *candidate,
                             const struct paxos_msg *msg)
{
	struct paxos_vow *vow = &candidate->vows[msg->node];

	must(paxos_ballot_equal(msg->ballot, candidate->ballot));
	must(msg->node != core->config.node);
	if (vow->have && vow->incarnation >= msg->incarnation && vow->start >= msg->start) {
		return; /* a promise sent again says what it said, but for less of its lease */
	}
	paxos_vow_take(vow, msg, core->now_ns);
	candidate->moved_ns = core->now_ns;
}

static int rank_compare(const struct paxos_vow *a, const struct paxos_vow *b)
{
	const int compared = paxos_ballot_compare(a->accepted, b->accepted);

	if (compared != 0 && !mutant(8)) {
		return compared;
	}
	return a->length < b->length ? -1 : a->length > b->length;
}

/* Whose log has the highest rank; equal: its own. */
static unsigned highest_rank(const struct paxos_core *core, const struct paxos_candidate *candidate)
{
	unsigned best = core->config.node;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		const struct paxos_vow *vow = &candidate->vows[node];

		if (vow->have && rank_compare(vow, &candidate->vows[best]) > 0) {
			best = node;
		}
	}
	return best;
}

static uint32_t promisers(const struct paxos_core *core, const struct paxos_candidate *candidate)
{
	uint32_t set = 0;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		set |= candidate->vows[node].have ? paxos_bit(node) : 0;
	}
	return set;
}

/*
 * "A candidate recounts when the log of highest rank is at hand, before the atomic step of b:
 * promises of incarnations older than that log names are void" (4.1 i).
 */
static uint32_t recount(const struct paxos_core *core, const struct paxos_candidate *candidate,
                        const struct paxos_intake *intake)
{
	uint32_t set = 0;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		const struct paxos_vow *vow = &candidate->vows[node];
		uint64_t named;

		if (!vow->have) {
			continue;
		}
		if (intake == NULL) {
			named = paxos_core_named(core, store_member_incarnation(core->store, node),
			                         core->log.length, NULL, node);
		} else if (intake->has_state) {
			named = store_restore_members(intake->restore)->member[node].incarnation;
			named = paxos_core_named(core, named, core->decided, &intake->stage, node);
		} else {
			named = store_member_incarnation(core->store, node);
			named = paxos_core_named(core, named, intake->cut, &intake->stage, node);
		}
		set |= vow->incarnation >= named || mutant(31) ? paxos_bit(node) : 0;
	}
	return set;
}

/* Fetches the log of `best`, unless that is under way. */
static void fetch(struct paxos_core *core, const struct paxos_candidate *candidate,
                  struct paxos_intake *intake, unsigned best)
{
	const struct paxos_vow *vow = &candidate->vows[best];
	const bool same = paxos_ballot_equal(vow->accepted, core->accepted);
	const uint64_t cut = same ? core->log.length : core->decided;

	if (intake->purpose == PAXOS_INTAKE_ADOPT && intake->peer == best &&
	    paxos_ballot_equal(intake->ballot, candidate->ballot) && intake->need == vow->length) {
		return;
	}
	paxos_intake_begin(core, intake, PAXOS_INTAKE_ADOPT, best, candidate->ballot, cut,
	                   vow->length, vow->base > cut);
}

/* A ballot of this process start. */
static bool is_of(struct paxos_ballot ballot, uint64_t incarnation, uint32_t start)
{
	return ballot.incarnation == incarnation && ballot.start == start;
}

/*
 * "Void are grants to a ballot whose holder said revoked, or whose owner's process start is
 * reported dead by the supervisor that reaped it": whoever promised, or stands here; whoever said
 * that this ballot is over; whose death note came.
 */
static bool is_void(const struct paxos_core *core, const struct paxos_candidate *candidate,
                    struct paxos_ballot ballot)
{
	const struct paxos_vow *owner;
	const struct paxos_peer *peer;

	if (ballot.node >= STORE_NODES_MAX || paxos_ballot_is_none(ballot)) {
		return false;
	}
	owner = &candidate->vows[ballot.node];
	peer = &core->peers[ballot.node];
	return (owner->have && is_of(ballot, owner->incarnation, owner->start)) ||
	       (is_of(ballot, peer->over.incarnation, peer->over.start) &&
	        paxos_ballot_compare(ballot, peer->over) <= 0) ||
	       (peer->is_dead && is_of(ballot, peer->dead_incarnation, peer->dead_start));
}

uint64_t paxos_candidate_defer_until_ns(const struct paxos_core *core,
                                        const struct paxos_candidate *candidate)
{
	uint64_t until_ns = 0;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		const struct paxos_vow *vow = &candidate->vows[node];
		uint64_t end_ns;

		if (mutant(14) || !vow->have || vow->lease_left_ns == 0 ||
		    (!vow->lease_unknown && is_void(core, candidate, vow->lease_ballot))) {
			continue;
		}
		end_ns = vow->arrived_ns +
		         paxos_lease_with_drift(vow->lease_left_ns, core->config.drift_ppm);
		until_ns = end_ns > until_ns ? end_ns : until_ns;
	}
	return until_ns;
}

static uint64_t highest_decided(const struct paxos_core *core,
                                const struct paxos_candidate *candidate, uint32_t set)
{
	uint64_t decided = core->decided;

	for (unsigned node = 0; paxos_each(core->voters, &node); node++) {
		if ((set & paxos_bit(node)) != 0 && candidate->vows[node].decided > decided) {
			decided = candidate->vows[node].decided;
		}
	}
	return decided;
}

bool paxos_candidate_advance(struct paxos_core *core, struct paxos_candidate *candidate,
                             struct paxos_intake *intake, struct paxos_adoption *ret_adoption)
{
	const unsigned best = highest_rank(core, candidate);
	const bool own = best == core->config.node;
	uint32_t good;

	must(core->role == PAXOS_CANDIDATE);
	must(paxos_ballot_equal(core->promised, candidate->ballot));
	if (!paxos_is_majority(promisers(core, candidate), core->voters)) {
		return false;
	}
	if (!own) {
		fetch(core, candidate, intake, best);
		if (!paxos_intake_is_whole(intake)) {
			return false;
		}
		/* "cannot be finished": its log is not the one it promised; a broken peer. */
		if (intake->stage.length != candidate->vows[best].length) {
			return false;
		}
	}
	good = recount(core, candidate, own ? NULL : intake);
	if (!paxos_is_majority(good, core->voters)) {
		return false;
	}
	ret_adoption->rank = candidate->vows[best].accepted;
	ret_adoption->decided = highest_decided(core, candidate, good);
	ret_adoption->defer_until_ns = paxos_candidate_defer_until_ns(core, candidate);
	if (own) {
		paxos_intake_end(intake);
		paxos_core_adopt(core, candidate->ballot, core->log.length, NULL, false);
		return true;
	}
	return paxos_intake_commit(core, intake);
}

bool paxos_candidate_tick(struct paxos_core *core, struct paxos_candidate *candidate,
                          const struct paxos_intake *intake)
{
	uint64_t moved_ns = candidate->moved_ns;

	if (intake->purpose == PAXOS_INTAKE_ADOPT && intake->progress_ns > moved_ns) {
		moved_ns = intake->progress_ns;
	}
	if (core->now_ns >= moved_ns + core->config.suspicion_ns) {
		return false;
	}
	if (core->now_ns >= candidate->resend_ns) {
		candidate->wait_ns *= 2;
		candidate->resend_ns = core->now_ns + candidate->wait_ns;
		ask(core, candidate);
	}
	return true;
}

uint64_t paxos_candidate_deadline_ns(const struct paxos_candidate *candidate)
{
	return candidate->resend_ns;
}
