/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * search.h - is there an order in which one key could have run all this?
 *
 *      calls and returns in order of time      c0 c1 r0 c2 r2 r1 ...
 *      next in the order may be: any call before the first return of what is not placed yet
 *
 * Depth first, with three thoughts that keep it short:
 *   - what changes nothing and fits now is placed at once and never taken back but with what
 *     stands before it: placing it now never hinders anything;
 *   - what has no answer is tried last, and only where something then sees its effect (model.h);
 *   - (placed, state) pairs that were seen are not entered again (Lowe, "Testing for
 *     linearizability", 2017). Placed is kept as a number of calls that are all placed, and bits.
 *
 * Pure but for malloc.
 */

#include <stdint.h>

#include "tests/lincheck/lincheck.h"
#include "tests/lincheck/model.h"

enum {
	SEARCH_TAIL = 4,
};

struct search_op {
	struct model_op op;
	int64_t call_ns, ret_ns;
	uint32_t number; /* the caller's name for it */
};

/* Why not. Numbers are those of struct search_op. */
struct search_failure {
	uint32_t stuck;             /* returned, and could not be placed before that */
	struct model_state state;   /* where the order that came furthest got stuck */
	uint32_t placed;            /* operations of that order */
	uint32_t tail[SEARCH_TAIL]; /* the last of them, in order */
	unsigned tail_count;
};

/*
 * Searches. `ops` is sorted by the call (in place). Returns 0 or -ENOMEM; *ret_failure is written
 * if the verdict is FALSE.
 */
int search_run(struct search_op *ops, uint32_t count, const struct model_state *start,
               const struct lincheck_bounds *bounds, enum lincheck_verdict *ret_verdict,
               struct search_failure *ret_failure);
