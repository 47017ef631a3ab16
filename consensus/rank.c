/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/rank.h"

#include "store/base/mutant.h"

static bool is_lower(struct paxos_ballot accepted, uint64_t length, struct paxos_ballot than,
                     uint64_t than_length)
{
	const int compared = paxos_ballot_compare(accepted, than);

	return compared < 0 || (compared == 0 && length < than_length);
}

static void raise_former(struct paxos_rank *rank)
{
	if (is_lower(rank->former_accepted, rank->former_length, rank->accepted, rank->length)) {
		rank->former_accepted = rank->accepted;
		rank->former_length = rank->length;
	}
}

void paxos_rank_heard(struct paxos_rank *rank, uint32_t start, struct paxos_ballot accepted,
                      uint64_t length)
{
	if (start < rank->start) {
		return; /* on its way since before */
	}
	if (start > rank->start) {
		raise_former(rank);
		rank->start = start;
		rank->accepted = (struct paxos_ballot){0};
		rank->length = 0;
	}
	if (is_lower(accepted, length, rank->former_accepted, rank->former_length)) {
		rank->falls = !mutant(39);
	} else if (is_lower(rank->accepted, rank->length, accepted, length)) {
		rank->accepted = accepted;
		rank->length = length;
	}
}

void paxos_rank_lives(struct paxos_rank *rank, uint32_t start, uint64_t secret)
{
	if (secret == 0 || start < rank->life_start) {
		return;
	}
	if (start == rank->life_start && secret != rank->life) {
		rank->falls = !mutant(39);
		return;
	}
	rank->life_start = start;
	rank->life = secret;
}

bool paxos_rank_is_over(const struct paxos_rank *rank, uint64_t incarnation, uint32_t start)
{
	return incarnation == rank->incarnation && start < rank->answered && !mutant(39);
}

void paxos_rank_refuse(struct paxos_core *core, const struct paxos_msg *msg)
{
	struct paxos_msg ack = {
		.kind = PAXOS_MSG_HEARTBEAT_ACK,
		.flags = PAXOS_FLAG_ROLLED_BACK,
		.ballot = msg->ballot,
		.round = msg->round,
		.round_start = msg->start,
		.round_incarnation = msg->incarnation,
	};

	if (msg->kind == PAXOS_MSG_HEARTBEAT && core->takes_part) {
		paxos_core_send(core, msg->node, &ack, false);
	}
}

void paxos_rank_fell(struct paxos_core *core, const struct paxos_msg *msg)
{
	core->peers[msg->node].rank.falls = true;
	paxos_core_trace(core, PAXOS_TRACE_ROLLED_BACK, msg->start, msg->node);
}

bool paxos_rank_hear(struct paxos_core *core, const struct paxos_msg *msg)
{
	struct paxos_rank *rank = &core->peers[msg->node].rank;
	const bool fell = rank->falls;
	/* What asks for a vote, and what gives one, waited for the disk. */
	const bool tells = msg->kind == PAXOS_MSG_PROMISE || msg->kind == PAXOS_MSG_PREPARE ||
	                   (msg->flags & PAXOS_FLAG_RANK) != 0;

	if (!paxos_core_is_disk(core)) {
		return true; /* who restarts in mode memory has lost it all, and says so */
	}
	if (tells) {
		paxos_rank_heard(rank, msg->start, msg->accepted, msg->length);
	} else if (msg->kind == PAXOS_MSG_ACCEPTED) {
		paxos_rank_heard(rank, msg->start, msg->ballot, msg->length);
	}
	if (msg->kind == PAXOS_MSG_HEARTBEAT) {
		paxos_rank_lives(rank, msg->start, msg->secret);
	}
	if (rank->falls) {
		if (!fell) {
			paxos_rank_fell(core, msg);
		}
		paxos_rank_refuse(core, msg);
	}
	return !rank->falls;
}
