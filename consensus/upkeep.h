/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * upkeep.h - what a leader proposes unasked: ends of sessions and of rests, locks passed on
 *
 *      sessions silent for too long (alive.h)            --> EXPIRE, one a turn
 *      locks that have rested after their holder's death --> UNDELAY, PAXOS_UNDELAY_MAX a turn
 *      locks of which one entry could not grant enough   --> UNDELAY, one at a time
 *
 * Rests are looked through from the first to the last, some a turn; and again when the first of
 * them is over, or when a session was ended: only then there may be new ones.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/alive.h"
#include "consensus/core.h"
#include "consensus/leader.h"

enum {
	PAXOS_UNDELAY_MAX = 16,  /* proposed in a turn */
	PAXOS_UNDELAY_LOOK = 64, /* rests looked at in a turn */
};

struct paxos_upkeep {
	uint32_t sessions;    /* there were after the last entry */
	bool is_looking;      /* on the way from the first rest to the last, behind `after` */
	bool is_stale;        /* there may be rests that the last look did not see */
	uint64_t next_ns;     /* the first that it saw ends then, by the log's time */
	uint64_t proposed;    /* index of the last UNDELAY: no other look before that is applied */
	uint64_t deadline_ns; /* of the rests, by the clock */
	uint64_t passed;      /* index of the last step of passing on */
	uint64_t pass_ns;     /* there was no room for one: the next try */
	uint16_t after_size;
	uint8_t after[STORE_PATH_SIZE_MAX];
};

/* A leadership begins or ends. */
void paxos_upkeep_reset(struct paxos_core *core, struct paxos_upkeep *upkeep);

/* An entry was applied. */
void paxos_upkeep_applied(struct paxos_core *core, struct paxos_upkeep *upkeep);

/* A turn of a leader that may serve. */
void paxos_upkeep_tick(struct paxos_core *core, struct paxos_upkeep *upkeep,
                       struct paxos_alive *alive, const struct paxos_leader *leader);

/* When the next turn is due at the latest. Of a leader that may serve. */
uint64_t paxos_upkeep_deadline_ns(const struct paxos_upkeep *upkeep,
                                  const struct paxos_alive *alive);
