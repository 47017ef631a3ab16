/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_txn.h - transactions: several operations at once, all or nothing, under conditions
 *
 *      struct coffer_txn *txn = coffer_txn_new();
 *
 *      coffer_txn_if_rev(txn, "/db/schema", COFFER_EQUAL, 17);      conditions, first of all
 *      coffer_txn_set(txn, "/db/schema", "v2", 2, COFFER_ANY, 0);   done if all hold
 *      coffer_txn_add(txn, "/db/changes", 1);
 *      coffer_txn_or_else(txn);
 *      coffer_txn_add(txn, "/db/conflicts", 1);                     done if one does not
 *      if (coffer_txn_run(coffer, txn, &result) == COFFER_DONE && !result.is_else) ...
 *      coffer_txn_free(txn);
 *
 * All operations of the list that is run have their effect, at consecutive revisions (`first` to
 * `revision`) of which no read sees a part; or one is refused, and none has: `answer` tells why,
 * `op` which it was. Each operation sees what those before it did. A false condition without an
 * else list refuses the whole with COFFER_MISMATCH, or COFFER_NOT_HELD if it is of a token.
 *
 * Locks: what stands here is the bare operations. coffer_lock.h waits, watches and tells the time.
 *
 * What goes with the session (files that are COFFER_EPHEMERAL, locks) is gone when the session is.
 * A session that such a thing was asked for in is not replaced by another one behind one's back:
 * when it is gone, writes are REFUSED with COFFER_NO_SESSION until coffer_renew().
 *
 * A transaction belongs to one thread at a time, and to no handle; it may be run again and again.
 * Paths, values and data are copied. What does not fit, or makes no sense, is told when it is
 * submitted: -E2BIG (more than COFFER_TXN_OPS_MAX in a list, more than COFFER_TXN_SIZE_MAX bytes,
 * a path or value over its limit) or -EINVAL (a path is missing; no such relation or flag; a
 * condition after an operation).
 */

#include <coffer.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	COFFER_TXN_OPS_MAX = 128,        /* conditions, and operations in each list */
	COFFER_TXN_SIZE_MAX = 34 * 1024, /* all of it as bytes, about 17 for each and its strings */
	COFFER_LOCK_NAME_SIZE_MAX = 475, /* bytes, the leading '/' included */
	COFFER_LOCK_DATA_SIZE_MAX = 4096, /* bytes */
	COFFER_LOCK_PERMITS_MAX = 1024,
};

/* With nothing in it; NULL: there is no memory (35 KiB). Given back to coffer_txn_free(). */
struct coffer_txn *coffer_txn_new(void);
/* NULL is fine. */
void coffer_txn_free(struct coffer_txn *txn);
/* Takes all out of it, errors too. */
void coffer_txn_clear(struct coffer_txn *txn);

/* --- conditions ------------------------------------------------------------------------------ */

enum coffer_relation {
	COFFER_EQUAL = 1,
	COFFER_AT_MOST = 2,
	COFFER_NOT_EQUAL = 3,
	COFFER_AT_LEAST = 4,
};

/* The file's revision; 0: there is none. */
void coffer_txn_if_rev(struct coffer_txn *txn, const char *path, enum coffer_relation relation,
                       int64_t rev);
/* EQUAL, NOT_EQUAL: its value. Where there is no file, nothing is equal. */
void coffer_txn_if_value(struct coffer_txn *txn, const char *path, enum coffer_relation relation,
                         const void *value, size_t value_size);
/* The lock is held now, by whomever, under this token. */
void coffer_txn_if_token(struct coffer_txn *txn, const char *lock, int64_t token);
/* The session is there, or is not. */
void coffer_txn_if_session(struct coffer_txn *txn, uint64_t session, bool is_there);

/* --- operations ------------------------------------------------------------------------------ */

enum {
	COFFER_EPHEMERAL = 1, /* the file goes with this session */
	COFFER_SEQUENCE = 2,  /* the path is followed by 16 hexadecimal digits, the revision of the
	                       * change: result.revision if it is the only operation */
};

/* if_rev: COFFER_ANY, 0 (there must be no such file), or the revision the file must have. */
void coffer_txn_set(struct coffer_txn *txn, const char *path, const void *value, size_t value_size,
                    int64_t if_rev, unsigned flags);
void coffer_txn_delete(struct coffer_txn *txn, const char *path, int64_t if_rev);
/* The file is a decimal number, 0 if it is not there. result.number: the sum. */
void coffer_txn_add(struct coffer_txn *txn, const char *path, int64_t number);

/* How a lock is wanted. All zero: exclusively, without more. */
struct coffer_claim {
	bool is_shared;    /* beside others who share it */
	unsigned permits;  /* beside others, up to so many in all; 0, 1: alone */
	bool is_try;       /* COFFER_LOCKED if it would have to wait */
	uint8_t priority;  /* the higher is served before the lower */
	uint32_t delay_ms; /* nobody has it for so long when its holder dies; not when it is given
	                    * back */
	const void *data;  /* what the holder says of itself */
	size_t data_size;
};

/*
 * result.number: the token, or if `is_queued` the ticket. To lock what the session holds raises a
 * count; to lock what it waits for changes nothing. claim: NULL: as if all were zero.
 */
void coffer_txn_lock(struct coffer_txn *txn, const char *lock, const struct coffer_claim *claim);
/* Gives it back once, or, if is_wholly, however often it was locked; or waits for it no more. */
void coffer_txn_unlock(struct coffer_txn *txn, const char *lock, bool is_wholly);
/* Gives it wholly to a session that waits for it; COFFER_NOT_FOUND if it does not. */
void coffer_txn_transfer(struct coffer_txn *txn, const char *lock, uint64_t session);
/* Who holds it, or waits, says something new of itself. */
void coffer_txn_proclaim(struct coffer_txn *txn, const char *lock, const void *data,
                         size_t data_size);
/*
 * The same of whoever holds it under this token, in whatever session; COFFER_NOT_HELD if nobody
 * does. COFFER_ANY: as coffer_txn_proclaim().
 */
void coffer_txn_proclaim_under(struct coffer_txn *txn, const char *lock, int64_t token,
                               const void *data, size_t data_size);
/*
 * Takes it from whoever holds it under this token; COFFER_ANY: from the first. The record tells
 * people who did it, and why. heir: a session that waits and shall have it, COFFER_NOT_FOUND if it
 * does not; 0: by the queue.
 */
void coffer_txn_break(struct coffer_txn *txn, const char *lock, int64_t token, uint64_t heir,
                      const void *record, size_t record_size);
/*
 * Ends a session, as if it had expired. A list may end several, which own 1,024 files and locks in
 * all, so that others need not wait for long: COFFER_TOO_LARGE tells which one was too much.
 */
void coffer_txn_kill(struct coffer_txn *txn, uint64_t session);

/* What follows is done if a condition is false. */
void coffer_txn_or_else(struct coffer_txn *txn);

/* --- to do it -------------------------------------------------------------------------------- */

/* As coffer_submit() of COFFER_TXN, which takes flags and a time-out, too. */
int coffer_txn_submit(struct coffer *coffer, struct coffer_txn *txn, coffer_done_fn *done,
                      void *context, uint64_t *ret_id);
/* As coffer_call(). */
int coffer_txn_run(struct coffer *coffer, struct coffer_txn *txn, struct coffer_result *ret_result);

/*
 * As coffer_set() and coffer_delete(), but only while `token` is the present one of the lock:
 * else REFUSED, COFFER_NOT_HELD. Whoever lost a lock without knowing it writes nothing.
 * Also -ENOMEM.
 */
int coffer_set_fenced(struct coffer *coffer, const char *lock, int64_t token, const char *path,
                      const void *value, size_t value_size, int64_t if_rev,
                      struct coffer_result *ret_result);
int coffer_delete_fenced(struct coffer *coffer, const char *lock, int64_t token, const char *path,
                         int64_t if_rev, struct coffer_result *ret_result);

#ifdef __cplusplus
}
#endif
