/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/acceptor.h"

#include "store/base/check.h"
#include "store/base/mutant.h"

void paxos_acceptor_init(struct paxos_acceptor *acceptor)
{
	memset(acceptor, 0, sizeof(*acceptor));
}

void paxos_acceptor_promise(struct paxos_core *core, unsigned candidate)
{
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_PROMISE,
		.flags = PAXOS_FLAG_REVOKED,
		.ballot = core->promised,
		.accepted = core->accepted,
		.length = core->log.length,
		.decided = core->decided,
		.base = core->log.base,
		.lease_ballot = core->grant.ballot,
		.lease_left_ns = paxos_grant_left_ns(&core->grant, core->now_ns),
	};

	must(core->takes_part);
	if (paxos_grant_is_unknown(&core->grant, core->now_ns)) {
		msg.flags |= PAXOS_FLAG_UNKNOWN;
	}
	/*
	 * REVOKED: whoever promises has ended its own leadership before (replica.c), so grants to
	 * ballots of this process start are void: their owner, incarnation and start say which.
	 */
	must(core->role == PAXOS_FOLLOWER);
	paxos_core_flush(core);
	msg.length = core->log.length;
	paxos_core_send(core, candidate, &msg, !mutant(1));
}

void paxos_acceptor_nack(struct paxos_core *core, unsigned peer, struct paxos_ballot ballot)
{
	struct paxos_msg msg = {
		.kind = PAXOS_MSG_NACK, .ballot = ballot, .accepted = core->promised};

	must(paxos_ballot_compare(core->promised, ballot) > 0);
	paxos_core_send(core, peer, &msg, false);
}

void paxos_acceptor_ask(struct paxos_core *core, unsigned peer, struct paxos_ballot ballot)
{
	struct paxos_msg msg = {.kind = PAXOS_MSG_PREPARE_ASK, .ballot = ballot};

	paxos_core_send(core, peer, &msg, false);
}

/* A new ballot has new datagram numbers, and nothing buffered. */
static void follow(struct paxos_core *core, struct paxos_acceptor *acceptor)
{
	if (paxos_ballot_equal(acceptor->ballot, core->accepted)) {
		return;
	}
	acceptor->ballot = core->accepted;
	acceptor->highest = 0;
	acceptor->mask = 0;
	acceptor->told = 0;
	acceptor->early_count = 0;
	for (unsigned i = 0; i < PAXOS_EARLY_MAX; i++) {
		acceptor->early[i].number = 0;
	}
}

static void note_number(struct paxos_acceptor *acceptor, uint64_t number)
{
	if (number > acceptor->highest) {
		const uint64_t step = number - acceptor->highest;

		acceptor->mask = step >= 64 ? 0 : acceptor->mask << step;
		if (acceptor->highest != 0 && step <= 64) {
			acceptor->mask |= (uint64_t)1 << (step - 1);
		}
		acceptor->highest = number;
	} else if (number < acceptor->highest && acceptor->highest - number <= 64) {
		acceptor->mask |= (uint64_t)1 << (acceptor->highest - number - 1);
	}
}

/* False if there is no place: then it is as if it had been lost. */
static bool keep_early(struct paxos_acceptor *acceptor, const struct paxos_msg *msg)
{
	for (unsigned i = 0; i < PAXOS_EARLY_MAX; i++) {
		struct paxos_early *early = &acceptor->early[i];

		if (early->number == msg->number) {
			return true;
		}
		if (early->number == 0) {
			early->number = msg->number;
			early->place = (struct paxos_place){msg->index, msg->offset};
			early->size = (uint16_t)msg->body.size;
			memcpy(early->bytes, msg->body.data, msg->body.size);
			acceptor->early_count++;
			return true;
		}
	}
	return false;
}

/* True if a buffered datagram moved the log; then another may fit now. */
static bool take_one_early(struct paxos_core *core, struct paxos_acceptor *acceptor)
{
	for (unsigned i = 0; i < PAXOS_EARLY_MAX && acceptor->early_count != 0; i++) {
		struct paxos_early *early = &acceptor->early[i];
		enum paxos_unpack unpacked;

		if (early->number == 0 ||
		    paxos_place_before(paxos_stream_next(&core->log), early->place)) {
			continue;
		}
		unpacked = paxos_stream_unpack(&core->log, early->place,
		                               slice_make(early->bytes, early->size));
		core->unpersisted_bytes += early->size;
		if (unpacked == PAXOS_UNPACK_FULL && !mutant(36)) {
			return false; /* it was acknowledged as taken, so it stays */
		}
		early->number = 0;
		acceptor->early_count--;
		return unpacked == PAXOS_UNPACK_TAKEN;
	}
	return false;
}

void paxos_acceptor_take_early(struct paxos_core *core, struct paxos_acceptor *acceptor)
{
	const uint64_t length = core->log.length;

	if (acceptor->early_count == 0 || !paxos_ballot_equal(acceptor->ballot, core->accepted) ||
	    !paxos_core_has_room(core, acceptor->early_count * STORE_DATAGRAM_SIZE_MAX)) {
		return;
	}
	while (take_one_early(core, acceptor)) {
	}
	if (core->log.length != length) {
		acceptor->ack_due = true;
	}
}

void paxos_acceptor_accept(struct paxos_core *core, struct paxos_acceptor *acceptor,
                           const struct paxos_msg *msg)
{
	const struct paxos_place place = {msg->index, msg->offset};
	bool taken;

	must(paxos_ballot_equal(msg->ballot, core->accepted));
	must(paxos_ballot_equal(core->promised, core->accepted));
	must(core->role == PAXOS_FOLLOWER);
	follow(core, acceptor);
	acceptor->ack_due = true;
	if (!paxos_core_has_room(core, (1 + acceptor->early_count) * STORE_DATAGRAM_SIZE_MAX)) {
		return;
	}
	switch (paxos_stream_unpack(&core->log, place, msg->body)) {
	case PAXOS_UNPACK_TAKEN:
		core->unpersisted_bytes += msg->body.size;
		taken = true;
		break;
	case PAXOS_UNPACK_GAP:
		taken = keep_early(acceptor, msg);
		break;
	case PAXOS_UNPACK_BAD:
		paxos_core_drop(core, PAXOS_DROP_MESSAGE);
		taken = false;
		break;
	case PAXOS_UNPACK_FULL:
	default:
		taken = false;
		break;
	}
	if (taken) {
		note_number(acceptor, msg->number);
	}
	paxos_acceptor_take_early(core, acceptor);
	paxos_acceptor_told(core, acceptor, msg->ballot, msg->decided);
}

void paxos_acceptor_owe(struct paxos_core *core, struct paxos_acceptor *acceptor)
{
	follow(core, acceptor);
	acceptor->ack_due = true;
}

void paxos_acceptor_told(struct paxos_core *core, struct paxos_acceptor *acceptor,
                         struct paxos_ballot ballot, uint64_t decided)
{
	if (!paxos_ballot_equal(ballot, core->accepted)) {
		return;
	}
	follow(core, acceptor);
	if (decided > acceptor->told) {
		acceptor->told = decided;
	}
}

uint64_t paxos_acceptor_decided(const struct paxos_core *core,
                                const struct paxos_acceptor *acceptor)
{
	const uint64_t own = paxos_core_own_vote(core);

	/* "only while accepted = b": after another adoption `told` speaks of another log. */
	if (!paxos_ballot_equal(acceptor->ballot, core->accepted)) {
		return core->decided;
	}
	return acceptor->told < own ? acceptor->told : own;
}

void paxos_acceptor_flush(struct paxos_core *core, struct paxos_acceptor *acceptor)
{
	struct paxos_msg msg = {.kind = PAXOS_MSG_ACCEPTED, .ballot = core->accepted};

	if (!acceptor->ack_due) {
		return;
	}
	acceptor->ack_due = false;
	if (!paxos_ballot_equal(core->promised, core->accepted) || core->role != PAXOS_FOLLOWER ||
	    core->accepted.node == core->config.node || paxos_ballot_is_none(core->accepted)) {
		return;
	}
	must(paxos_ballot_equal(acceptor->ballot, core->accepted));
	msg.length = core->log.length;
	msg.number = acceptor->highest;
	msg.mask = acceptor->mask;
	paxos_core_send(core, core->accepted.node, &msg, !mutant(2));
}
