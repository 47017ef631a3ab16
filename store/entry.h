/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * entry.h - an entry of the log as bytes: the value that is agreed on
 *
 *      entry   kind u8, flags u8, time_ns u64, then by kind:
 *      OP      session u64, number u64, first_unanswered u64, op (op.h)
 *      TXN     session u64, number u64, first_unanswered u64, transaction (txn.h)
 *      UNDELAY path size u16, path
 *      OPEN    secret u64, ttl_ms u32
 *      CLOSE   session u64, number u64, first_unanswered u64
 *      EXPIRE  count u16, count x session u64
 *      REJOIN  node u8, incarnation u64
 *      MEMBERS configuration u32, voters u16, learners u16, for each of both: ip u32, port u16
 *      LEARNER node u8, added u8, ip u32, port u16
 *
 * Little-endian. Decoding refuses whatever encoding would not have written, so that
 * encode(decode(bytes)) == bytes. A decoded entry borrows from the bytes it was decoded from.
 *
 * Pure.
 */

#include "store/op.h"

/* Where a server is reached; 0 if by a way of the machine's own (a link). */
struct store_address {
	uint32_t ip; /* version 4; the first byte of the text is the highest */
	uint16_t port;
};

enum store_entry_kind {
	STORE_ENTRY_OP = 1,
	STORE_ENTRY_OPEN = 2,    /* makes a session, whose id is the entry's index */
	STORE_ENTRY_CLOSE = 3,   /* the client ends its session */
	STORE_ENTRY_EXPIRE = 4,  /* the leader ends sessions that were silent for too long */
	STORE_ENTRY_REJOIN = 5,  /* names the incarnation under which a member takes part (4.1 i) */
	STORE_ENTRY_MEMBERS = 6, /* the stop-sign: ends a configuration, names the next (4.1 j) */
	STORE_ENTRY_LEARNER = 7, /* a server follows from now on, or no longer */
	STORE_ENTRY_TXN = 8,     /* several operations, all or nothing */
	STORE_ENTRY_UNDELAY = 9, /* a lock has rested long enough, or is passed on further */
};

struct store_entry {
	enum store_entry_kind kind;
	uint64_t time_ns;             /* of the entry, by 4.1 k; never falls along the log */
	uint64_t session;             /* OP, CLOSE */
	uint64_t number;              /* OP, CLOSE: of the request in its session, from 1 */
	uint64_t first_unanswered;    /* OP, CLOSE: the lowest number the client still waits for */
	struct store_op op;           /* OP; UNDELAY: its path */
	struct slice txn;             /* TXN: one that store_txn_decode() takes */
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

/* Bytes of an entry without its lists: half a kilobyte that few kinds look at is left alone. */
#define STORE_ENTRY_PLAIN offsetof(struct store_entry, expired)

/*
 * Writes an entry. `memory` needs STORE_ENTRY_SIZE_MAX bytes to be enough for every entry.
 * Returns the size, or 0 if `size` is too small. Limits are the caller's promise (must()).
 */
size_t store_entry_encode(const struct store_entry *entry, void *memory, size_t size);

/* Reads an entry that borrows from `bytes`. False, and nothing written, if it makes no sense. */
bool store_entry_decode(struct slice bytes, struct store_entry *ret_entry);

/* The path of an encoded OP, taken for good; empty for what is another entry, or none. */
struct slice store_entry_path(struct slice bytes);

/* Writes a new time into an encoded entry. */
void store_entry_stamp(void *memory, size_t size, uint64_t time_ns);

/* The time of an encoded entry that store_entry_decode() has taken before. */
uint64_t store_entry_time_ns(struct slice bytes);
