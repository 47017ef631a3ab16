/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * limits.h - every bound of the system, and how the bounds depend on each other
 *
 * Sizes are bytes. What is over a limit is refused with a clear answer, never truncated.
 */

#include <assert.h>
#include <stdint.h>

enum {
	STORE_VOTERS_MAX = 7,      /* servers that vote */
	STORE_NODES_MAX = 16,      /* servers of a cluster, those that do not vote included */
	STORE_NAME_SIZE_MAX = 255, /* one name between two separators */
	STORE_PATH_SIZE_MAX = 512, /* a whole path, the leading separator included */
	STORE_GLOB_SIZE_MAX = 512, /* a glob */
	STORE_VALUE_SIZE_MAX = 32 * 1024,
	STORE_ANSWERS_MAX = 64,      /* answers kept for each session, and requests outstanding */
	STORE_EXPIRE_MAX = 64,       /* sessions named by one EXPIRE entry */
	STORE_SESSIONS_MAX = 131072, /* sessions, however the server is configured */
	STORE_FILE_OVERHEAD = 64,    /* what a file costs of the quota beside path and value */
	STORE_OWNED_MAX = 1024,      /* files that one session owns: they go in one entry */
	STORE_KILLED_MAX = STORE_OWNED_MAX, /* files that go with all whom one transaction kills */
	STORE_TXN_OPS_MAX = 128,        /* compares, then and else: in each of the three lists */
	STORE_TXN_SIZE_MAX = 34 * 1024, /* a transaction as bytes */
	STORE_LOCK_DATA_MAX = 4096,     /* what a holder or waiter says of itself */
	STORE_PERMITS_MAX = 1024,       /* holders of one lock, unless it is shared */
	STORE_GRANTS_MAX = 128,       /* to who waited, in one entry, beside one for each change */
	STORE_ENTRY_HEADER_MAX = 128, /* an entry without path, value, lists and transaction */
	STORE_ENTRY_SIZE_MAX = STORE_ENTRY_HEADER_MAX + STORE_TXN_SIZE_MAX,
	STORE_DATAGRAM_SIZE_MAX =
		1408,      /* UDP payload: fits an MTU of 1500 with room for a tunnel */
	STORE_PORT = 8046, /* Doozer's */
};

#define STORE_QUOTA_DEFAULT ((uint64_t)1 << 30)
#define STORE_QUOTA_MAX     ((uint64_t)8 << 30)

static_assert(STORE_PATH_SIZE_MAX > STORE_NAME_SIZE_MAX + 1, "the longest name fits a path");
static_assert(STORE_TXN_SIZE_MAX >= STORE_PATH_SIZE_MAX * 2 + STORE_VALUE_SIZE_MAX + 128,
              "the largest write under a condition on another path fits a transaction");
static_assert(STORE_KILLED_MAX >= STORE_OWNED_MAX, "any one session can be killed");
static_assert(STORE_EXPIRE_MAX * 8 <= STORE_VALUE_SIZE_MAX, "an EXPIRE entry fits an entry");
static_assert(STORE_DATAGRAM_SIZE_MAX + 28 <= 1500, "a datagram with its headers fits the MTU");
static_assert(STORE_VOTERS_MAX <= STORE_NODES_MAX && STORE_NODES_MAX <= 32, "a set is a word");
static_assert(STORE_ANSWERS_MAX == 64, "answered numbers are kept as bits of a word");
