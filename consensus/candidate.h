/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * candidate.h - from PREPARE to an adopted log
 *
 *      stand -> PREPARE to all -> promises of a majority -> log of highest rank
 *                                                            | own         | another's
 *                                                            v             v
 *                                                          recount <--- fetch (intake.h)
 *                                                            |
 *                                                            v
 *                                                     the atomic step -> leader.h
 *
 * DESIGN 4.1 a, b, i. Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "consensus/intake.h"

/* What one promise said. */
struct paxos_vow {
	bool have;
	struct paxos_ballot accepted;
	uint64_t length, decided, base;
	uint64_t incarnation;
	uint32_t start;
	struct paxos_ballot lease_ballot;
	bool lease_unknown;
	uint64_t lease_left_ns;
	uint64_t arrived_ns;
};

struct paxos_candidate {
	struct paxos_ballot ballot;
	uint64_t began_ns;
	uint64_t resend_ns; /* when PREPARE goes out again */
	uint64_t wait_ns;
	uint64_t moved_ns; /* the last step forward; too long ago: it gives up */
	struct paxos_vow vows[STORE_NODES_MAX];
};

/* Promises itself `ballot` (above promised, must) and asks the others. */
void paxos_candidate_stand(struct paxos_core *core, struct paxos_candidate *candidate,
                           struct paxos_ballot ballot);

/* Takes a PROMISE of its ballot. */
void paxos_candidate_promise(struct paxos_core *core, struct paxos_candidate *candidate,
                             const struct paxos_msg *msg);

struct paxos_adoption {
	struct paxos_ballot rank; /* accepted ballot of the log that was adopted */
	uint64_t decided;         /* highest that the promises told */
	uint64_t defer_until_ns;  /* 4.1 g */
};

/*
 * Goes on as far as it can: chooses, fetches, recounts. True when the log was adopted: accepted is
 * its ballot now.
 */
bool paxos_candidate_advance(struct paxos_core *core, struct paxos_candidate *candidate,
                             struct paxos_intake *intake, struct paxos_adoption *ret_adoption);

/* Sends PREPARE again where no promise came. False: it has waited too long, give up. */
bool paxos_candidate_tick(struct paxos_core *core, struct paxos_candidate *candidate,
                          const struct paxos_intake *intake);
uint64_t paxos_candidate_deadline_ns(const struct paxos_candidate *candidate);

/*
 * Until when nothing may be counted as decided (4.1 g), by the promises at the adoption and what
 * is known now of their ballots' owners.
 */
uint64_t paxos_candidate_defer_until_ns(const struct paxos_core *core,
                                        const struct paxos_candidate *candidate);

/* Writes what a PROMISE says. */
void paxos_vow_take(struct paxos_vow *vow, const struct paxos_msg *msg, uint64_t now_ns);
