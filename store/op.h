/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * op.h - one operation on the tree, as a struct and as bytes
 *
 *      op   verb u8, condition u8, flags u8, rev i64, path size u16, path, value size u32, value
 *           ADD, UNLOCK, KILL: number i64      LOCK: limit u32, delay_ms u32, priority u8
 *
 * Little-endian. Decoding refuses whatever encoding would not have written. A decoded operation
 * borrows from the bytes it was decoded from.
 *
 * Pure. Source of the conditions: Doozer ("at most R") and DESIGN 5 ("equal to R").
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/base/wire.h"
#include "store/limits.h"

typedef int64_t store_rev_t; /* revision; 0 is the empty store, and "absent" for a file */

enum store_verb {
	STORE_VERB_NOP = 1,
	STORE_VERB_SET = 2,
	STORE_VERB_DELETE = 3,
	STORE_VERB_FULL = 4, /* refused by a leader, for want of disk: the number is used up */
	STORE_VERB_ADD = 5,  /* the file is a decimal number; absent is 0 */
	STORE_VERB_LOCK = 6, /* lock.h; `path` is the lock's name, from here on */
	STORE_VERB_UNLOCK = 7,
	STORE_VERB_PROCLAIM = 8, /* the holder, or a waiter, says something new of itself */
	STORE_VERB_BREAK = 9,    /* an operator takes the lock from its holder */
	STORE_VERB_KILL = 10,    /* an operator ends a session, if not too much goes in one entry */
};

enum store_condition {
	STORE_IF_EQUAL = 1,   /* file's revision == rev; 0 = must be absent, -1 = whatever stands */
	STORE_IF_AT_MOST = 2, /* file's revision <= rev; 0 = must be absent, -1 = whatever stands */
};

enum {
	STORE_OP_PATH = 11, /* where the size of the path stands in an encoded operation */
};

#define STORE_REV_ANY ((store_rev_t)-1)

enum store_op_flags {
	STORE_OP_EPHEMERAL = 1, /* SET: the session's own from now on; goes when it goes */
	STORE_OP_SEQUENCE = 2,  /* SET: the path is this and 16 hex digits, the change's revision */
	STORE_OP_TRY = 4,       /* LOCK: LOCKED if it would have to wait */
	STORE_OP_ALL = 8,       /* UNLOCK: however often it was locked */
};

struct store_op {
	enum store_verb verb;
	enum store_condition condition; /* SET, DELETE, ADD; of all others EQUAL and ANY, but */
	store_rev_t rev;                /* PROCLAIM, BREAK: the token, or ANY */
	uint8_t flags;
	struct slice path;  /* empty for NOP, FULL and KILL */
	struct slice value; /* SET; LOCK, PROCLAIM: data; BREAK: the record */
	int64_t number;     /* ADD: by how much; KILL: the session; UNLOCK, BREAK: who shall have it
	                     * next, a session that waits, or 0 */
	uint32_t limit;     /* LOCK: holders at most beside which it is granted; 0: shared */
	uint32_t delay_ms;  /* LOCK: how long it rests if the holder dies */
	uint8_t priority;   /* LOCK: a higher one is served before a lower one */
};

/* What its verb does not use is always written in one way. Limits are the caller's (must). */
void store_op_put(struct wire_writer *writer, const struct store_op *op);

/* False, and nothing written, if it makes no sense. */
bool store_op_take(struct wire_reader *reader, struct store_op *ret_op);

/* The same with nothing in it that its verb does not use. */
struct store_op store_op_plain(const struct store_op *op);

/* True if it is plain, in order, and within the limits. */
bool store_op_is_good(const struct store_op *op);
