/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lock.h - locks in the state machine: who holds, who waits, who is next
 *
 *      LOCK ---- nobody in the way, nobody waits ----> holder, token = the change's revision
 *        |                                               ^       |
 *        `---- else --> waits, ticket = revision --------'       | UNLOCK, CLOSE, BREAK, KILL
 *                                  grant: the first in the queue | EXPIRE: rests before
 *
 * All of it stands in files (claim.h), owned by their sessions. Invariant, at the end of each
 * entry: the first of a queue could not be granted, or .passing stands there. So whoever comes
 * while others wait, waits behind them; of one priority it is the order of commits.
 *
 * Passing on. One that goes may make room for very many: shared, or with permits. An entry grants
 * STORE_GRANTS_MAX, and beyond that one for each change of a lock; where that was not all, .passing
 * stands as long as it is so, and the leader goes on with UNDELAY entries of it.
 *
 * Holders stand beside each other where all are shared (limit 0), or there are less of them than
 * the lowest limit among them: exclusive is 1, N permits are N.
 *
 * For apply.c. The functions of operations change what change.h can undo; those below commit.
 * Pure. Threads: the writer's. Source: fencing as in Burrows, "The Chubby lock service" (OSDI'06),
 * 2.4 (sequencers and lock-delay).
 */

#include "store/answer.h"
#include "store/state.h"

/*
 * The operations. `session` is the asker's, and lives. What is refused may have changed something:
 * undo it. result: number, flags, and revision where it is refused.
 */
enum store_answer store_lock_take(struct store *store, uint64_t session, const struct store_op *op,
                                  struct store_result *result);
enum store_answer store_lock_give(struct store *store, uint64_t session, const struct store_op *op,
                                  struct store_result *result);
enum store_answer store_lock_proclaim(struct store *store, uint64_t session,
                                      const struct store_op *op, struct store_result *result);
enum store_answer store_lock_break(struct store *store, const struct store_op *op,
                                   struct store_result *result);

/* True if the lock is held now under this token. */
bool store_lock_is_held(const struct store *store, struct slice name, int64_t token);

/* Grants the lock to those in front of its queue who can have it, as many as the entry may yet. */
void store_lock_grant(struct store *store, struct slice name);

/*
 * The session's files go, and locks it holds are passed on; the session itself stays.
 *
 * before  revision ahead of this entry: what was granted since is not delayed
 */
void store_lock_leave(struct store *store, uint64_t session, enum store_cause cause,
                      store_rev_t before);

/*
 * The holder's file at `path` has rested: it goes. Or .passing stands there: more are granted the
 * lock. Nothing if neither is so.
 */
void store_lock_undelay(struct store *store, struct slice path);
