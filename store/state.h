/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * state.h - what a store is made of; for the store's own files
 *
 *      struct store
 *        published -> root: state at a batch border, immutable      (readers, snapshots)
 *        state        the state as applied so far                   (writer)
 *        reclaim      what was replaced, and waits to be freed
 *        events       the last changes
 *        pins         roots that are kept
 */

#include "store/answer.h"
#include "store/event.h"
#include "store/limits.h"
#include "store/members.h"
#include "store/reclaim.h"
#include "store/session.h"
#include "store/tree.h"

enum {
	STORE_PINS_MAX = 64,
	STORE_LINE = 64,
};

/* Everything that is replicated. Equal on all servers at the same index. */
struct store_state {
	struct store_node *files;
	struct store_node *owned; /* owned.h */
	struct store_sessions sessions;
	uint64_t index; /* last applied */
	uint64_t time_ns;
	store_rev_t revision;
	uint64_t bytes; /* logical, as the quota counts */
	uint64_t file_count;
	uint32_t passing;   /* locks that are being passed on; follows from the files */
	uint64_t log_bytes; /* of all entries applied, about what they take in a journal */
	struct store_members members;
};

struct store_root {
	struct store_block block;
	uint64_t number; /* nothing that waits under a number up to this can be reached from here */
	struct store_state state;
	const struct store_node *gone; /* event.h: what was gone then */
	store_rev_t oldest;            /* the first event that was kept then */
};

enum {
	STORE_STAGE_MAX = 3 * STORE_TXN_OPS_MAX, /* the most that operations of a list change */
};

/* What was changed since the last commit (change.h). */
struct store_stage {
	unsigned count;
	struct {
		struct store_item *item, *former; /* one of both may be NULL */
		enum store_cause cause;
	} changes[STORE_STAGE_MAX];
};

struct store_tally {
	_Atomic uint64_t applied;
	_Atomic uint64_t answers[STORE_ANSWER_COUNT];
};

struct store {
	_Alignas(STORE_LINE) void *published; /* struct store_root; readers look here alone */
	_Alignas(STORE_LINE) struct store_events events;
	_Alignas(STORE_LINE) struct store_state state;
	struct store_reclaim reclaim;
	struct store_stage stage;
	struct store_alloc *alloc;
	uint64_t quota_bytes;
	uint32_t sessions_max, grants_max, killed_max;
	uint32_t grants; /* to who waited, by the entry that is applied */
	const struct store_root *pins[STORE_PINS_MAX];
	unsigned pin_count;
	struct store_tally tally;
};

/* The item goes with its owner from now on (1), or no more (-1). NULL, or nobody's: nothing. */
void store_state_own(struct store_state *state, struct store_reclaim *reclaim,
                     const struct store_item *item, int more);

/* Makes the present state the published root, and its events visible. */
void store_state_publish(struct store *store);

/* Frees some of what nobody can reach any more: enough to keep up, never all at once. */
void store_state_collect(struct store *store);

/* Keeps the published root. NULL if too many are kept. */
const struct store_root *store_state_pin(struct store *store);
void store_state_unpin(struct store *store, const struct store_root *root);

/* The published root. */
const struct store_root *store_state_root(const struct store *store);
