/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * oracle.h - what an entry must do to files, sessions and locks, by a plain model
 *
 *      oracle_apply(entry) -> the answer, and the changes in the order of their revisions
 *
 * Written from store/PROTOCOL.md alone: lists that are searched from end to end, and who holds or
 * waits is a list of claims, not files. With the store it shares the forms of bytes (entry.h,
 * txn.h, path.h), no rule. It knows no quota, no limit of sizes but those of locks, no members.
 *
 * Beside that it holds what locks promise, after each entry:
 *   - a token is the revision of its grant, so none is given twice, and tokens grow
 *   - who holds a lock beside others may do so
 *   - the first of a queue could not be granted, or .passing stands beside it, and nowhere else
 *   - nobody holds or waits whose session has gone, but who rests
 *
 * Paths are shorter than ORACLE_PATH_MAX, and there is room for a few hundred files and claims
 * (must). Pure but for malloc. Threads: one.
 */

#include "store/entry.h"
#include "store/event.h"
#include "store/node.h"

enum {
	ORACLE_PATH_MAX = 96,
	ORACLE_FILES_MAX = 512,
	ORACLE_CLAIMS_MAX = 256,
	ORACLE_SESSIONS_MAX = 64,
	ORACLE_CHANGES_MAX = 2048, /* of one entry */
};

struct oracle_file {
	char path[ORACLE_PATH_MAX];
	struct slice value;
	store_rev_t revision;
	uint64_t owner;
};

/* Who holds a lock, or waits for it. */
struct oracle_claim {
	char name[ORACLE_PATH_MAX];
	bool is_holder;
	bool is_resting; /* its holder died, and nobody has it */
	uint8_t priority;
	store_rev_t number; /* token or ticket */
	uint64_t session, until_ns;
	uint32_t limit, count, delay_ms, ttl_ms;
	struct slice data;
	store_rev_t revision; /* of its file */
};

struct oracle_change {
	char path[ORACLE_PATH_MAX];
	bool is_delete;
	enum store_cause cause;
	struct slice value;
	uint64_t owner;
};

struct oracle; /* opaque */

/* Given back to oracle_free(). */
struct oracle *oracle_new(uint32_t sessions_max, unsigned grants_max, unsigned killed_max);
void oracle_free(struct oracle *oracle);

/* The entry at the next index. ret_result is written for OP, TXN, OPEN, CLOSE; else zero. */
void oracle_apply(struct oracle *oracle, uint64_t index, const struct store_entry *entry,
                  struct store_result *ret_result);

/* What the last entry changed; the last of it has the present revision. Good until the next. */
unsigned oracle_changes(const struct oracle *oracle, const struct oracle_change **ret_changes);

store_rev_t oracle_revision(const struct oracle *oracle);

/* All files there are, those of locks included, in tree order. Good until the next call. */
unsigned oracle_files(struct oracle *oracle, const struct oracle_file **ret_files);

unsigned oracle_claims(const struct oracle *oracle, const struct oracle_claim **ret_claims);

bool oracle_has_session(const struct oracle *oracle, uint64_t session);

/* How many files go with a session. */
unsigned oracle_owned(const struct oracle *oracle, uint64_t session);

/* What locks promise and is not so, as static text; NULL: all is well. */
const char *oracle_broken(const struct oracle *oracle);
