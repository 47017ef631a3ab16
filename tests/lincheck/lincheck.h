/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lincheck.h - could one correct store have given these answers?
 *
 *      lincheck_add(operation) ... xN --> lincheck_check() --> lincheck_text()
 *
 * Takes what clients did and were told, and searches for each key an order of its operations that
 * a single correct copy could have run, each at a moment between its call and its return
 * (Herlihy and Wing). The search is that of Wing and Gong with Lowe's memory of states seen, as
 * in Porcupine. Revisions are part of a key's state: they grow with each change, and what an
 * answer tells of them must fit. Over all keys the store's revisions must respect real time.
 * A read at a revision has its place in that order told, and so may be called at any time after.
 *
 * Pure:    no clock, no file, no chance; memory from malloc. The caller's `stop` may look at a
 *          clock.
 * Threads: one history belongs to one thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"

enum lincheck_kind {
	LINCHECK_GET = 0,
	LINCHECK_SET,
	LINCHECK_CAS,
	LINCHECK_ADD, /* a CAS that needs an absent key */
	LINCHECK_DEL,
	LINCHECK_INIT,    /* the key before the history starts; needs no times */
	LINCHECK_ACQUIRE, /* from here on a lock; a key is a file or a lock, never both */
	LINCHECK_RELEASE,
	LINCHECK_EXPIRE, /* the service took the lock away between call and return */
	LINCHECK_CHECK,  /* a resource asked whether the token is the holder's */
	LINCHECK_KIND_COUNT
};

/* Which fields of an operation were given (`args`) or told (`told`); the others are not read. */
enum {
	LINCHECK_HAS_VALUE = 1 << 0,
	LINCHECK_HAS_EXPECT = 1 << 1,
	LINCHECK_HAS_EXPECT_REV = 1 << 2,
	LINCHECK_HAS_MAX_REV = 1 << 3,
	LINCHECK_HAS_TOKEN = 1 << 4,
	LINCHECK_HAS_AT_REV = 1 << 5,
	LINCHECK_HAS_LIMIT = 1 << 6,

	LINCHECK_TOLD_OK = 1 << 8,
	LINCHECK_TOLD_FOUND = 1 << 9,
	LINCHECK_TOLD_VALUE = 1 << 10,
	LINCHECK_TOLD_REV = 1 << 11,
	LINCHECK_TOLD_TOKEN = 1 << 12,
	LINCHECK_TOLD_HOLDER = 1 << 13,
	LINCHECK_TOLD_SREV = 1 << 14,
};

/* What was asked and answered; every slice is borrowed for the call of lincheck_add(). */
struct lincheck_operation {
	enum lincheck_kind kind;
	struct slice key;
	struct slice client; /* for pictures only; may be empty */
	uint64_t line;       /* where it stands in its file; 0 = nowhere */
	int64_t call_ns;
	int64_t ret_ns; /* not read if unknown */
	bool unknown;   /* no answer: at any time after call_ns, or never; `told` is not read */
	unsigned has;   /* LINCHECK_HAS_ and LINCHECK_TOLD_ */

	struct slice value;  /* HAS: to be written */
	struct slice expect; /* HAS: the value that must stand */
	bool expect_absent;  /* HAS_EXPECT: nothing must stand; `expect` is not read */
	uint64_t expect_rev; /* HAS: equal; 0 = absent */
	int64_t max_rev;     /* HAS: at most; 0 = absent only, -1 = always */
	uint64_t token;      /* HAS: of RELEASE, EXPIRE, CHECK */
	uint64_t at_rev;     /* HAS: GET as of this revision of the store */
	uint32_t limit;      /* HAS: of ACQUIRE; 1 (or not given) exclusive, N permits, 0 shared */

	bool ok;                 /* TOLD */
	bool found;              /* TOLD */
	struct slice told_value; /* TOLD */
	uint64_t rev;            /* TOLD: given to the change; else the key's, 0 = absent */
	uint64_t told_token;     /* TOLD: of ACQUIRE; of the holder before the history, for INIT */
	uint64_t holder;         /* TOLD: ACQUIRE that was refused; one of those who hold it */
	uint64_t srev;           /* TOLD: the store's revision when it ran */
};

enum lincheck_verdict {
	LINCHECK_TRUE = 0,
	LINCHECK_FALSE,
	LINCHECK_UNKNOWN, /* a bound was reached */
};

struct lincheck_bounds {
	uint64_t steps_max;          /* of the search, for each key; 0 = no bound */
	uint64_t memory_max;         /* bytes of states remembered, for each key; 0 = 1 GiB */
	bool (*stop)(void *context); /* asked now and then; true ends the search; may be NULL */
	void *context;
	bool no_rev_order; /* skip the check of revisions over all keys */
};

struct lincheck; /* opaque */

/* 0 or -ENOMEM. Given back to lincheck_free(); NULL is fine there. */
int lincheck_new(struct lincheck **ret_lincheck);
void lincheck_free(struct lincheck *lincheck);

/*
 * Adds one operation (copied).
 *
 * Returns 0, -ENOMEM, or -EINVAL if it makes no sense; then *ret_reason (if not NULL) says why,
 * in static text. Operations may be added in any order, also after a check.
 */
int lincheck_add(struct lincheck *lincheck, const struct lincheck_operation *operation,
                 const char **ret_reason);

/*
 * Checks everything added so far. `bounds` may be NULL: none but the memory's.
 * *ret_verdict: FALSE if any key or the order of revisions is, else UNKNOWN if any key is.
 * Returns 0 or -ENOMEM.
 */
int lincheck_check(struct lincheck *lincheck, const struct lincheck_bounds *bounds,
                   enum lincheck_verdict *ret_verdict);

/*
 * The last check, for people: a line `KEY: true|false|unknown` for each key in the order they
 * came, under a false one what cannot be placed; then `rev order: true|false`, unless skipped.
 * With `failures_only` no line that says true. Borrowed until the next check.
 */
const char *lincheck_text(const struct lincheck *lincheck, bool failures_only);

/* How much was added: to see that a history was no empty one. */
struct lincheck_counts {
	uint64_t operations;
	uint64_t unknown;
	uint64_t keys;
};
void lincheck_counts(const struct lincheck *lincheck, struct lincheck_counts *ret_counts);

const char *lincheck_kind_text(enum lincheck_kind kind);
