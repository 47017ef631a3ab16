/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model.h - one key as a correct store would keep it
 *
 * A file is absent, or has a value and a revision that grows with each change. A lock is free, or
 * held by some, each under a token that grows with each grant: they stand beside each other if all
 * are shared, or if there are no more of them than the lowest limit among them.
 *
 * What nobody told is a state of its own: the revision of a write without an answer is "at least
 * this", until an answer tells it, and so is the token of a grant without an answer.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/lincheck/lincheck.h"

#define MODEL_VALUE_UNKNOWN UINT32_MAX

enum {
	MODEL_HOLDERS_MAX = 16, /* of one lock at once */
};

/* An operation with its values as numbers; equal numbers, equal values. */
struct model_op {
	enum lincheck_kind kind;
	bool unknown;
	unsigned has;
	uint32_t value, expect, told_value;
	bool expect_absent, ok, found;
	uint64_t expect_rev, token, at_rev;
	uint32_t limit; /* of ACQUIRE, INIT */
	int64_t max_rev;
	uint64_t rev, told_token, holder;
};

/* Equal bounds: the token is known. */
struct model_holder {
	uint64_t low, high;
	uint64_t limit;
};

struct model_state {
	uint64_t rev;   /* of the last change, or at least that if !exact; of a lock: likewise */
	uint64_t floor; /* the next change is above this; 0 if rev says as much */
	uint32_t value; /* of a file that is present */
	uint8_t present;
	uint8_t exact;
	/*
	 * The last change came from an operation without an answer and nothing has shown it since.
	 * Nothing blind may follow: such an operation explains nothing, and leaving it out is
	 * always as good. That keeps the search small where many operations have no answer.
	 */
	uint8_t unseen;
	uint8_t held;
	struct model_holder holders[MODEL_HOLDERS_MAX]; /* by their grants; unused ones zero */
};

/* How much of a state there is to compare, in words of 64 bits. */
static inline size_t model_words(const struct model_state *state)
{
	return (offsetof(struct model_state, holders) + state->held * sizeof(state->holders[0])) /
	       sizeof(uint64_t);
}

/* Absent, or free; no revision yet. */
struct model_state model_start(void);

/* The state that an INIT tells of. */
struct model_state model_init(const struct model_op *op);

/* Whether it was told what became of it: done, or not. */
bool model_is_told(const struct model_op *op);

/*
 * How many outcomes the operation may have from `state`, as far as it was told: done or not, and
 * whose the token is, where tokens are not known. At least 1.
 */
unsigned model_choices(const struct model_state *state, const struct model_op *op);

/* It would fit, had there not been MODEL_HOLDERS_MAX holders. */
bool model_is_full(const struct model_state *state, const struct model_op *op);

/*
 * Runs `op` from `state` with one of its outcomes. Returns false if what was told does not fit.
 * An operation without an answer fits only where it changes something: where it does not, it need
 * not be placed at all.
 */
bool model_step(const struct model_state *state, const struct model_op *op, unsigned choice,
                struct model_state *ret_state);
