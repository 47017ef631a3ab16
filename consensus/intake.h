/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * intake.h - fetches entries or a snapshot, and keeps them beside the log until they are whole
 *
 *      purpose   who            from              when whole
 *      ADOPT     candidate      a promiser        the candidate's atomic step (4.1 b)
 *      SYNC      follower       the leader        the follower's atomic step (4.1 c)
 *      CATCHUP   outsider       the leader        decided entries go into the log as they come
 *      REPAIR    damaged        anybody           the atomic step of mend.h
 *      LEARN     a member       a member of a     the step into that configuration (4.1 j)
 *                               later configuration
 *
 *      [snapshot, if the giver's log starts later] -> entries from `cut` on, to `need` at least
 *
 * One at a time. It is volatile: a crash, a higher promise or another intake empties it; its
 * records mean nothing without the ADOPT that ends them (record.h).
 *
 * Private to consensus/. Pure: allocates only in init. Threads: the replica's.
 */

#include "consensus/core.h"
#include "store/snapshot.h"

enum paxos_intake_purpose {
	PAXOS_INTAKE_NONE = 0,
	PAXOS_INTAKE_ADOPT,
	PAXOS_INTAKE_SYNC,
	PAXOS_INTAKE_CATCHUP,
	PAXOS_INTAKE_REPAIR,
	PAXOS_INTAKE_LEARN,
};

struct paxos_intake {
	enum paxos_intake_purpose purpose;
	unsigned peer;              /* that is asked; REPAIR: all of them are */
	struct paxos_ballot ballot; /* none for CATCHUP, LEARN; REPAIR: accepted */
	uint32_t transfer;          /* answers to earlier ones do not count */
	uint64_t proof;             /* that `peer` told; said back to it (supply.h) */
	uint64_t cut;               /* the log will be cut to here; with a snapshot: its index */
	uint64_t need;
	bool wants_state; /* a snapshot is being fetched */
	bool has_state;   /* it is here, and stage goes on behind it */
	struct store_restore *restore;
	uint64_t state_index; /* 0: not known yet */
	uint64_t state_position;
	struct paxos_log stage;
	struct paxos_place staged; /* recorded so far */

	uint64_t asked_ns, wait_ns;
	uint64_t progress_ns;
	uint32_t asks; /* since then */
};

int paxos_intake_init(struct paxos_intake *intake, const struct paxos_config *config);
void paxos_intake_deinit(struct paxos_intake *intake);

/* Begins anew. With `wants_state` a snapshot is fetched first and cut is not used. */
void paxos_intake_begin(struct paxos_core *core, struct paxos_intake *intake,
                        enum paxos_intake_purpose purpose, unsigned peer,
                        struct paxos_ballot ballot, uint64_t cut, uint64_t need, bool wants_state);
void paxos_intake_end(struct paxos_intake *intake);

/* Something moved on. */
void paxos_intake_moved(const struct paxos_core *core, struct paxos_intake *intake);

/* Entries that came without being fetched: SYNC brings the first along. */
void paxos_intake_push(struct paxos_core *core, struct paxos_intake *intake,
                       const struct paxos_msg *sync);

/*
 * ENTRIES, STATE. True if it moved something on. CATCHUP: entries go into core->log, and a
 * snapshot into the store; the caller counts what is decided.
 */
bool paxos_intake_entries(struct paxos_core *core, struct paxos_intake *intake,
                          const struct paxos_msg *msg);
bool paxos_intake_state(struct paxos_core *core, struct paxos_intake *intake,
                        const struct paxos_msg *msg);

/* ADOPT, SYNC: everything up to `need` is here. LEARN: up to the stop-sign, or a snapshot. */
bool paxos_intake_is_whole(const struct paxos_intake *intake);

/* The atomic step. False if the snapshot turned out to be damaged; then nothing has changed. */
bool paxos_intake_commit(struct paxos_core *core, struct paxos_intake *intake);

/* What a configuration that was fetched whole says of itself. */
struct paxos_stop {
	uint32_t configuration, voters;
};

/* LEARN, whole: which configuration begins. False if it is none that may follow; it begins anew. */
bool paxos_intake_stop(struct paxos_core *core, struct paxos_intake *intake,
                       struct paxos_stop *ret_stop);

/* The atomic step into it. False as for commit. */
bool paxos_intake_enter(struct paxos_core *core, struct paxos_intake *intake,
                        const struct paxos_stop *stop);

/* Asks (again) for what is missing, and records what was staged. */
void paxos_intake_tick(struct paxos_core *core, struct paxos_intake *intake);
uint64_t paxos_intake_deadline_ns(const struct paxos_intake *intake);
