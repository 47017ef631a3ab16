/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * claim.h - how locks look as files: names, and what stands in them
 *
 *      lock "/db/master"    /ctl/lock/db/master/.holder/TOKEN         who holds it
 *                           /ctl/lock/db/master/.queue/PPP-TICKET     who waits, in this order
 *                           /ctl/lock/db/master/.broken               the last break, for people
 *
 *      value                SESSION LIMIT COUNT DELAY_MS TTL_MS UNTIL_NS "\n" data
 *
 * TOKEN and TICKET are 16 hexadecimal digits: the revision of the change that made the file. PPP
 * is 255 less the priority, as three digits. The fields of the value are decimal.
 *
 * For servers and clients. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/answer.h"

enum {
	STORE_CLAIM_HEAD_MAX = 96, /* a value without its data */
	STORE_LOCK_NAME_MAX =
		STORE_PATH_SIZE_MAX - 9 - 8 - 20, /* so that every file's path is one */
};

/* Who holds a lock, or waits for it. */
struct store_claim {
	uint64_t session;
	uint32_t limit; /* as in struct store_op */
	uint32_t count; /* how often its holder locked it */
	uint32_t delay_ms;
	uint32_t ttl_ms;   /* of the session */
	uint64_t until_ns; /* it rests until an entry of this time; 0: its holder lives */
	struct slice data;
};

enum store_claim_kind {
	STORE_CLAIM_HOLDER = 1,
	STORE_CLAIM_WAITER = 2,
	STORE_CLAIM_BROKEN = 3,
	STORE_CLAIM_PASSING = 4,
};

/* A path, and the room for it. */
struct store_claim_path {
	uint16_t size;
	uint8_t bytes[STORE_PATH_SIZE_MAX];
};

static inline struct slice store_claim_slice(const struct store_claim_path *path)
{
	return slice_make(path->bytes, path->size);
}

/* OK, BAD_PATH (its form; "/"; a name with a "." in front) or TOO_LARGE. */
enum store_answer store_lock_check_name(struct slice name);

/* Of a lock of good name. */
struct store_claim_path store_claim_holder(struct slice name, store_rev_t token);
struct store_claim_path store_claim_waiter(struct slice name, uint8_t priority, store_rev_t ticket);
struct store_claim_path store_claim_broken(struct slice name);
struct store_claim_path store_claim_passing(struct slice name);
/* What all paths of holders, or of waiters, begin with, the last slash included. */
struct store_claim_path store_claim_front(struct slice name, enum store_claim_kind kind);

/* What a path says. False if it is none of a lock's. The name borrows; number: token or ticket. */
bool store_claim_path_read(struct slice path, struct slice *ret_name,
                           enum store_claim_kind *ret_kind, store_rev_t *ret_number);

/* The value without data, into STORE_CLAIM_HEAD_MAX bytes. Returns its size. */
size_t store_claim_write(const struct store_claim *claim, char *memory);

/* False if it is no such value. The data borrow. */
bool store_claim_read(struct slice value, struct store_claim *ret_claim);

/* True of a path at or below /ctl/lock, where plain writes change nothing. */
bool store_lock_guards(struct slice path);

/* Decimal numbers with a space between, and a line feed: the head of a value. Returns its size. */
size_t store_claim_line(char *memory, const uint64_t *fields, unsigned count);
