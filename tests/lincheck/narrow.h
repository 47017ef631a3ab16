/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * narrow.h - what revisions tell of the moments of one key's operations
 *
 *      change 3   |---------------|              the order of changes is that of their revisions:
 *      change 5        |--------------------|    5 was not before 3 was called,
 *      change 7    |------------|                and it was before 7 returned
 *      change 5 so     |--------|
 *
 * So the search need not find out by trial which of many that wait for a lock got it first. A read
 * of a revision stands between the changes around it; one at a revision of the store has no other
 * beginning than that: it may be called long after.
 *
 * Where the moments contradict each other all stays as it is: the search says so.
 *
 * Pure but for malloc.
 */

#include <stdint.h>

#include "tests/lincheck/search.h"

/* Changes call_ns and ret_ns. Returns 0 or -ENOMEM. */
int narrow(struct search_op *ops, uint32_t count);
