/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * op.h - an entry of the log as bytes: the value that is agreed on
 *
 *      entry   kind u8, flags u8, time_ns u64, then by kind:
 *      OP      session u64, number u64, first_unanswered u64, op
 *      OPEN    secret u64, ttl_ms u32
 *      CLOSE   session u64, number u64, first_unanswered u64
 *      EXPIRE  count u16, count x session u64
 *      REJOIN  node u8, incarnation u64
 *      MEMBERS configuration u32, voters u16, learners u16, for each of both: ip u32, port u16
 *      LEARNER node u8, added u8, ip u32, port u16
 *      op      verb u8, condition u8, rev i64, path size u16, path, value size u32, value
 *
 * Little-endian. Decoding refuses whatever encoding would not have written, so that
 * encode(decode(bytes)) == bytes. A decoded entry borrows from the bytes it was decoded from.
 *
 * Pure. Source of the conditions: Doozer ("at most R") and DESIGN 5 ("equal to R").
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/limits.h"

/* Where a server is reached; 0 if by a way of the machine's own (a link). */
struct store_address {
	uint32_t ip; /* version 4; the first byte of the text is the highest */
	uint16_t port;
};

typedef int64_t store_rev_t; /* revision; 0 is the empty store, and "absent" for a file */

enum store_entry_kind {
	STORE_ENTRY_OP = 1,
	STORE_ENTRY_OPEN = 2,    /* makes a session, whose id is the entry's index */
	STORE_ENTRY_CLOSE = 3,   /* the client ends its session */
	STORE_ENTRY_EXPIRE = 4,  /* the leader ends sessions that were silent for too long */
	STORE_ENTRY_REJOIN = 5,  /* names the incarnation under which a member takes part (4.1 i) */
	STORE_ENTRY_MEMBERS = 6, /* the stop-sign: ends a configuration, names the next (4.1 j) */
	STORE_ENTRY_LEARNER = 7, /* a server follows from now on, or no longer */
};

enum store_verb {
	STORE_VERB_NOP = 1,
	STORE_VERB_SET = 2,
	STORE_VERB_DELETE = 3,
	STORE_VERB_FULL = 4, /* refused by a leader, for want of disk: the number is used up */
};

enum store_condition {
	STORE_IF_EQUAL = 1,   /* file's revision == rev; 0 = must be absent, -1 = whatever stands */
	STORE_IF_AT_MOST = 2, /* file's revision <= rev; 0 = must be absent, -1 = whatever stands */
};

#define STORE_REV_ANY ((store_rev_t)-1)

struct store_op {
	enum store_verb verb;
	enum store_condition condition;
	store_rev_t rev;
	struct slice path;  /* empty for NOP and FULL */
	struct slice value; /* empty for all but SET */
};

struct store_entry {
	enum store_entry_kind kind;
	uint64_t time_ns;             /* of the entry, by 4.1 k; never falls along the log */
	uint64_t session;             /* OP, CLOSE */
	uint64_t number;              /* OP, CLOSE: of the request in its session, from 1 */
	uint64_t first_unanswered;    /* OP, CLOSE: the lowest number the client still waits for */
	struct store_op op;           /* OP */
	uint64_t secret;              /* OPEN: chosen by the client, asked for with each request */
	uint32_t ttl_ms;              /* OPEN */
	uint16_t expired_count;       /* EXPIRE */
	uint8_t node;                 /* REJOIN, LEARNER: index of the member, from 0 */
	uint64_t incarnation;         /* REJOIN */
	uint32_t configuration;       /* MEMBERS: number of the one that begins */
	uint32_t voters, learners;    /* MEMBERS: sets */
	bool is_added;                /* LEARNER; else dropped */
	struct store_address address; /* LEARNER */
	/* Lists, and only of their kind: */
	uint64_t expired[STORE_EXPIRE_MAX];              /* EXPIRE */
	struct store_address addresses[STORE_NODES_MAX]; /* MEMBERS: of voters and learners */
};

/*
 * Writes an entry. `memory` needs STORE_ENTRY_SIZE_MAX bytes to be enough for every entry.
 * Returns the size, or 0 if `size` is too small. Limits are the caller's promise (must()).
 */
size_t store_entry_encode(const struct store_entry *entry, void *memory, size_t size);

/* Reads an entry that borrows from `bytes`. False, and nothing written, if it makes no sense. */
bool store_entry_decode(struct slice bytes, struct store_entry *ret_entry);

/* Writes a new time into an encoded entry. */
void store_entry_stamp(void *memory, size_t size, uint64_t time_ns);

/* The time of an encoded entry that store_entry_decode() has taken before. */
uint64_t store_entry_time_ns(struct slice bytes);
