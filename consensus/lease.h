/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lease.h - until when a local read is allowed, and until when others may believe so
 *
 * Two halves (DESIGN 4.1 f):
 *
 *      rounds   of the one who asks: HEARTBEAT n left at t; when a majority has answered n, the
 *               lease holds until t + length
 *      grant    of the one who answers: until now + length x (1 + drift) by its own clock; a new
 *               leader decides nothing before that has passed
 *
 * Source: Gray and Cheriton, "Leases", SOSP '89; the deferral is DESIGN 4.1 g.
 * Pure. Threads: the replica's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/ballot.h"

enum {
	PAXOS_ROUNDS = 16
}; /* rounds whose answers still count */

struct paxos_rounds {
	uint64_t number; /* of the last round begun; 0: none */
	uint64_t sent_ns[PAXOS_ROUNDS];
	uint32_t answered[PAXOS_ROUNDS]; /* set of members, self included */
	uint64_t majority_sent_ns;       /* of the latest round that a majority answered; 0: none */
	uint64_t majority_number;
};

struct paxos_grant {
	struct paxos_ballot ballot; /* the last one granted to */
	uint64_t until_ns;
	uint64_t others_until_ns; /* to other ballots, or to any from before this start */
};

/* `ns` by a clock that may run faster than another by drift_ppm. Rounds up. */
uint64_t paxos_lease_with_drift(uint64_t ns, uint32_t drift_ppm);

/* Begins the next round at now_ns and counts `self` as an answer. Returns its number. */
uint64_t paxos_rounds_begin(struct paxos_rounds *rounds, uint64_t now_ns, unsigned self);

/* When a round was sent; 0 if that is too long ago, or it was none. */
uint64_t paxos_rounds_sent_ns(const struct paxos_rounds *rounds, uint64_t number);

/*
 * Counts an answer to a round that is neither too old nor forgotten. `voters` is the set whose
 * majority it takes.
 */
void paxos_rounds_answer(struct paxos_rounds *rounds, uint64_t number, unsigned node,
                         uint32_t voters);

/* Forgets all rounds: no later answer counts. The numbers go on. */
void paxos_rounds_end(struct paxos_rounds *rounds);

void paxos_grant_give(struct paxos_grant *grant, uint64_t now_ns, uint64_t length_ns,
                      struct paxos_ballot ballot);
/* The last one granted to holds no lease any more, for sure (4.1 g): nothing is left to it. */
void paxos_grant_void(struct paxos_grant *grant);
/* As after a start: granted to somebody unknown. */
void paxos_grant_start(struct paxos_grant *grant, uint64_t now_ns, uint64_t length_ns);
/* What is left, whoever it was given to. */
uint64_t paxos_grant_left_ns(const struct paxos_grant *grant, uint64_t now_ns);
/* True if something is left to another ballot than grant->ballot. */
bool paxos_grant_is_unknown(const struct paxos_grant *grant, uint64_t now_ns);
