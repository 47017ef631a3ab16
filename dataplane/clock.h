/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * clock.h - the clock a worker feeds its replica with
 *
 * CLOCK_BOOTTIME, as in control/clock.h and for the same reason: it counts the time a machine was
 * suspended. With CLOCK_MONOTONIC a leader that slept for an hour would wake up with its lease in
 * hand.
 */

#include <stdint.h>
#include <time.h>

static inline uint64_t dp_clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for a clock that exists */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
