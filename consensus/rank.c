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
