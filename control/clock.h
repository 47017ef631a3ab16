/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * clock.h - the clock a shell feeds its replica with
 *
 * CLOCK_BOOTTIME: it never jumps, and its rate is CLOCK_MONOTONIC's (disciplined by NTP, slewed by
 * 500 ppm at most, well within drift_ppm). Unlike CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW it also
 * counts the time a machine was suspended: with those a leader that slept for an hour would wake up
 * with its lease in hand. It costs the same 30 ns (vDSO).
 */

#include <stdint.h>
#include <time.h>

static inline uint64_t ctl_clock_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail for a clock that exists */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
