/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * left.h - how long there is still to wait
 *
 * Pure. Not of the library's interface: for it, and for `coffer`.
 */

#include <limits.h>
#include <stdint.h>

/* Milliseconds from `now_ns` until `limit_ms` after `since_ns`, at most INT_MAX; limit 0: none. */
static inline int ctl_left_ms(uint64_t since_ns, uint32_t limit_ms, uint64_t now_ns)
{
	const uint64_t passed_ms = (now_ns - since_ns) / 1000000;

	if (limit_ms == 0) {
		return INT_MAX;
	}
	if (passed_ms >= limit_ms) {
		return 0;
	}
	return limit_ms - passed_ms < INT_MAX ? (int)(limit_ms - passed_ms) : INT_MAX;
}
