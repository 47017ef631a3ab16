/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_lock.h - locks and elections
 *
 *      struct coffer_lock *lock;
 *
 *      if (coffer_lock(coffer, "/db/master", NULL, NULL, NULL, &lock) < 0) ...
 *      if (coffer_lock_wait(lock, &answer) == COFFER_DONE) {
 *              ... coffer_set_fenced(coffer, "/db/master", coffer_lock_token(lock), ...) ...
 *              coffer_unlock(lock);
 *      }
 *
 * or without waiting, with a callback for what becomes of it:
 *
 *                                              a margin before it ends
 *      coffer_lock() ---> [WAITING] ---> HELD ---> [WARNING] ... ---> LOST
 *             |               |            \----------------------> RELEASED
 *             `---------------`-> REFUSED                 coffer_lock_release()
 *
 * The servers keep locks, by the session of the handle. The queue is fair: by priority, then in the
 * order in which they came. Who waits asks nobody anything; it is told.
 *
 * For how long. A lock is held as long as the session is sure: coffer_lock_expires_ns(), which
 * coffer_process() moves on by keep-alives. It counts from their sending, and servers wait longer:
 * this side stops believing first. So look at the time, or at coffer_lock_token(), before each
 * step that needs the lock, and call coffer_process() several times in each time to live
 * (options.ttl_ms of coffer_open(), which is also how long a lock of a dead holder is held).
 *
 * No clock helps a process that stops between the look and the step. What really must not happen
 * twice is fenced by the token: coffer_set_fenced(), coffer_txn_if_token(), coffer_fence.h.
 *
 * When the session is gone all of its locks are LOST, and none is got until coffer_renew(). A lock
 * that is LOST because its time is over while the servers cannot be reached is given back when
 * they can.
 *
 * Names are paths ("/db/master"), none of whose names begins with a dot; they stand for no file.
 * Locks of one handle are one holder's: coffer_lock() of a name that it has already, or waits for,
 * gives the same object once more (the same `claim` but for data is meant; news goes to the first
 * callback), and it has to be unlocked or freed as often. Locks are asked for and given back in
 * order with all writes of the handle that were submitted earlier: a write that was submitted
 * under a lock never comes after its end.
 *
 * Locks belong to their handle's thread. Callbacks come as all others do; all functions here but
 * those that wait may be called in them. None may free a lock that such a call waits for. A lock
 * takes 5 KiB, one watch of options.watches_max, and one request while it asks. coffer_close()
 * frees locks, too, without a word.
 */

#include <coffer_txn.h>

#ifdef __cplusplus
extern "C" {
#endif

struct coffer_lock;

/* All zero: exclusively, however long it takes. */
struct coffer_lock_options {
	struct coffer_claim claim; /* how; its data are copied */
	uint32_t wait_ms;          /* REFUSED if it is not held by then; 0: no limit, but with
	                            * claim.is_try the handle's time-out */
	uint32_t margin_ms;        /* WARNING comes so long before the lock ends; 0: it does not */
};

enum coffer_lock_kind {
	COFFER_LOCK_WAITING = 1,  /* others hold it; `ticket` is its place in the queue */
	COFFER_LOCK_HELD = 2,     /* under `token`, until expires_ns unless that moves on */
	COFFER_LOCK_WARNING = 3,  /* keep-alives fail: it ends at expires_ns unless that moves on */
	COFFER_LOCK_LOST = 4,     /* `cause`; also the place in the queue (token 0) */
	COFFER_LOCK_RELEASED = 5, /* the servers know that it is given back; also by another process
	                           * that goes on with the session */
	COFFER_LOCK_REFUSED = 6,  /* `answer`: COFFER_LOCKED: others have it (is_try, wait_ms);
	                           * COFFER_NO_QUORUM: no server answered in wait_ms; or else */
};

struct coffer_lock_news {
	enum coffer_lock_kind kind;
	int64_t ticket, token;
	uint64_t expires_ns;       /* HELD, WARNING: CLOCK_BOOTTIME */
	enum coffer_cause cause;   /* LOST: COFFER_CAUSE_EXPIRED: the session, or its time here;
	                            * _REVOKED: broken or killed; _ASKED: not known */
	enum coffer_answer answer; /* REFUSED */
};

/* LOST, RELEASED and REFUSED come once, and are the last. `news` is good until it returns. */
typedef void coffer_lock_fn(void *context, struct coffer_lock *lock,
                            const struct coffer_lock_news *news);

/*
 * Asks for a lock. In the end coffer_unlock() or coffer_lock_free(). In a session that the handle
 * goes on with (options.session) it has what that has: the lock under the same token, or its place
 * in the queue; LOST where it waits at another priority.
 *
 * options  NULL: all zero
 * fn       NULL: nobody is told
 *
 * Returns 0; 1: the handle has it already, or waits, and *ret_lock is what it has; -EINVAL: no
 * name, both is_shared and permits, or other ones than those of the handle's own; -E2BIG: name,
 * data or permits; -EAGAIN: there are options.watches_max; -ENOMEM.
 */
int coffer_lock(struct coffer *coffer, const char *name, const struct coffer_lock_options *options,
                coffer_lock_fn *fn, void *context, struct coffer_lock **ret_lock);

/*
 * Waits until it is held, or comes to its end.
 *
 * ret_answer  may be NULL. REFUSED: why, as in the news; COFFER_NOT_HELD: it is lost
 *
 * Returns COFFER_DONE: it is held; COFFER_REFUSED; COFFER_UNREACHED: no server answered in wait_ms;
 * or -EBUSY from inside a callback.
 */
int coffer_lock_wait(struct coffer_lock *lock, enum coffer_answer *ret_answer);

/* Gives it back, or waits no more, however often it was locked. RELEASED follows. */
void coffer_lock_release(struct coffer_lock *lock);

/* No more news; what is held or waited for is given back, which is not waited for. NULL is fine. */
void coffer_lock_free(struct coffer_lock *lock);

/*
 * Gives it back, waits for that as long as for any request, and frees it.
 * Returns COFFER_DONE; COFFER_UNREACHED: the servers hear of it when they can be reached, or let it
 * end with the session; or -EBUSY from inside a callback: nothing was done.
 */
int coffer_unlock(struct coffer_lock *lock);

/* --- what it is ------------------------------------------------------------------------------ */

/* The last news but WARNING, 0: there was none. */
enum coffer_lock_kind coffer_lock_state(const struct coffer_lock *lock);
/* Looks at the clock: the token while it is held, else 0. Costs a look, and no request. */
int64_t coffer_lock_token(const struct coffer_lock *lock);
/* Until when it is held, CLOCK_BOOTTIME; 0: it is not. */
uint64_t coffer_lock_expires_ns(const struct coffer_lock *lock);
const char *coffer_lock_name(const struct coffer_lock *lock);

/* --- of who holds it, waiting ----------------------------------------------------------------
 *
 * Without waiting: coffer_txn_proclaim(), coffer_txn_transfer() and coffer_submit(), with
 * COFFER_ORDERED where it is given away: else it may go before what was written under it.
 */

/* Says something new of itself, while it holds it or waits. As coffer_call(), also -ENOMEM. */
int coffer_lock_proclaim(struct coffer_lock *lock, const void *data, size_t data_size,
                         struct coffer_result *ret_result);
/*
 * Gives it to a session that waits for it. DONE: it is RELEASED here. REFUSED, COFFER_NOT_FOUND: it
 * does not wait. As coffer_call(), also -ENOMEM.
 */
int coffer_lock_transfer(struct coffer_lock *lock, uint64_t session,
                         struct coffer_result *ret_result);

/* --- elections -------------------------------------------------------------------------------
 *
 * An election is an exclusive lock whose holder leads, and whose data are what it says: to campaign
 * is coffer_lock(), the term is the token, to resign coffer_lock_release() or coffer_unlock(), to
 * proclaim and to transfer as above. Another process ends it with id and secret of the leader's
 * session (options.session), by coffer_txn_unlock() or coffer_txn_transfer(); an operator, by
 * coffer_txn_break(). Who led hears RELEASED, or LOST. Whoever knows the term can have its
 * leader say something new (coffer_txn_proclaim_under()). The others look on:
 */

struct coffer_leader {
	enum coffer_answer answer; /* COFFER_OK; else the observer ended, and why: nothing else is
	                            * set */
	int64_t term;              /* the token; 0: nobody leads */
	bool is_resting; /* it died; nobody leads for claim.delay_ms, and its term is no good */
	uint64_t session;
	const void *value; /* good until the callback returns, or the next waiting call */
	size_t value_size;
	uint32_t ttl_ms; /* of its session: who is silent so long leads no more */
	uint32_t age_ms; /* how old this may be; UINT32_MAX: not known */
	bool is_old;     /* for ttl_ms and 5 s more no server was heard that is in touch with a
	                  * majority: somebody else may lead */
};

typedef void coffer_leader_fn(void *context, const struct coffer_leader *leader);

struct coffer_observer;

/*
 * Tells who leads: at first, and at each change of anything but ages, once (none is missed while
 * servers keep them). That nobody leads is told if it was so after the transaction in which the
 * leader went, so not where it handed over. An observer needs a watch. Returns 0, -EINVAL, -E2BIG,
 * -EAGAIN, -ENOMEM as coffer_lock(). Ended with coffer_unobserve(), or by coffer_close().
 */
int coffer_observe(struct coffer *coffer, const char *election, coffer_leader_fn *fn, void *context,
                   struct coffer_observer **ret_observer);
/* NULL is fine. */
void coffer_unobserve(struct coffer_observer *observer);

/*
 * Who leads now, as linearizable as any read. timeout_ms: 0: that of the handle.
 * Returns COFFER_DONE, COFFER_REFUSED (ret_leader->answer), COFFER_UNREACHED, -EBUSY from inside a
 * callback, or as coffer_observe().
 */
int coffer_leader(struct coffer *coffer, const char *election, uint32_t timeout_ms,
                  struct coffer_leader *ret_leader);

#ifdef __cplusplus
}
#endif
