/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model.h - one key as a correct store would keep it
 *
 * A file is absent, or has a value and a revision that grows with each change. A lock is free, or
 * held under a token that grows with each holder; a token is kept where a file keeps its revision.
 *
 * What nobody told is a state of its own: the revision of a write without an answer is "at least
 * this", until an answer tells it.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "tests/lincheck/lincheck.h"

#define MODEL_VALUE_UNKNOWN UINT32_MAX

/* An operation with its values as numbers; equal numbers, equal values. */
struct model_op {
	enum lincheck_kind kind;
	bool unknown;
	unsigned has;
	uint32_t value, expect, told_value;
	bool expect_absent, ok, found;
	uint64_t expect_rev, token;
	int64_t max_rev;
	uint64_t rev, told_token, holder;
};

struct model_state {
	uint64_t rev;   /* of the last change, or its lower bound if !exact */
	uint32_t value; /* of a file that is present */
	uint8_t present;
	uint8_t exact;
	/*
	 * The last change came from an operation without an answer and nothing has shown it since.
	 * Nothing blind may follow: such an operation explains nothing, and leaving it out is
	 * always as good. That keeps the search small where many operations have no answer.
	 */
	uint8_t unseen;
	uint8_t padding; /* 0: states are compared as bytes */
};

/* Absent, or free; no revision yet. */
struct model_state model_start(void);

/* The state that an INIT tells of. */
struct model_state model_init(const struct model_op *op);

/* How many outcomes the operation may have had, as far as it was told: 1 or 2. */
unsigned model_choices(const struct model_op *op);

/*
 * Runs `op` from `state` with one of its outcomes. Returns false if what was told does not fit.
 * An operation without an answer fits only where it changes something: where it does not, it need
 * not be placed at all.
 */
bool model_step(const struct model_state *state, const struct model_op *op, unsigned choice,
                struct model_state *ret_state);
