/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/lease.h"

#include "consensus/quorum.h"
#include "store/base/check.h"
#include "store/base/mutant.h"

uint64_t paxos_lease_with_drift(uint64_t ns, uint32_t drift_ppm)
{
	return ns + ns / 1000000 * drift_ppm + (ns % 1000000 * drift_ppm + 999999) / 1000000;
}

uint64_t paxos_rounds_begin(struct paxos_rounds *rounds, uint64_t now_ns, unsigned self)
{
	const unsigned slot = (unsigned)(++rounds->number % PAXOS_ROUNDS);

	rounds->sent_ns[slot] = now_ns;
	rounds->answered[slot] = paxos_bit(self);
	return rounds->number;
}

uint64_t paxos_rounds_sent_ns(const struct paxos_rounds *rounds, uint64_t number)
{
	if (number == 0 || number > rounds->number || rounds->number - number >= PAXOS_ROUNDS) {
		return 0;
	}
	return rounds->sent_ns[number % PAXOS_ROUNDS];
}

void paxos_rounds_answer(struct paxos_rounds *rounds, uint64_t number, unsigned node,
                         uint32_t voters)
{
	const uint64_t sent_ns = paxos_rounds_sent_ns(rounds, number);
	uint32_t *answered = &rounds->answered[number % PAXOS_ROUNDS];

	if (sent_ns == 0 || *answered == 0) {
		return;
	}
	*answered |= mutant(6) && paxos_has(*answered, node) ? *answered << 1 : paxos_bit(node);
	if (paxos_is_majority(*answered, voters) && number > rounds->majority_number) {
		must(sent_ns >= rounds->majority_sent_ns);
		rounds->majority_number = number;
		rounds->majority_sent_ns = sent_ns;
	}
}

void paxos_rounds_end(struct paxos_rounds *rounds)
{
	for (unsigned i = 0; i < PAXOS_ROUNDS; i++) {
		rounds->answered[i] = 0;
	}
	rounds->majority_sent_ns = 0;
	rounds->majority_number = 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void paxos_grant_give(struct paxos_grant *grant, uint64_t now_ns, uint64_t length_ns,
                      struct paxos_ballot ballot)
{
	if (!paxos_ballot_equal(grant->ballot, ballot)) {
		grant->others_until_ns = later(grant->others_until_ns, grant->until_ns);
		grant->until_ns = 0;
		grant->ballot = ballot;
	}
	grant->until_ns = later(grant->until_ns, now_ns + length_ns);
}

void paxos_grant_void(struct paxos_grant *grant)
{
	grant->until_ns = 0;
}

void paxos_grant_start(struct paxos_grant *grant, uint64_t now_ns, uint64_t length_ns)
{
	*grant = (struct paxos_grant){.others_until_ns = now_ns + length_ns};
}

uint64_t paxos_grant_left_ns(const struct paxos_grant *grant, uint64_t now_ns)
{
	const uint64_t until_ns = later(grant->until_ns, grant->others_until_ns);

	return until_ns > now_ns ? until_ns - now_ns : 0;
}

bool paxos_grant_is_unknown(const struct paxos_grant *grant, uint64_t now_ns)
{
	return grant->others_until_ns > now_ns;
}
