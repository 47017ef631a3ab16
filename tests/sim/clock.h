/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * clock.h - a host's clock beside the true time of the world
 *
 *      local = base_local + (true - base_true) x (1 + ppm / 10^6)
 *
 * All rates lie within [1, 1 + drift]: so the ratio of any two is within the drift that the
 * cluster was told. A rate may change; local time never jumps and never goes back.
 *
 * Pure. Integers only: the same on every machine.
 */

#include <stdint.h>

struct clock {
	uint64_t base_true_ns;
	uint64_t base_local_ns;
	uint32_t ppm;
};

static inline uint64_t clock_local_ns(const struct clock *clock, uint64_t true_ns)
{
	const uint64_t passed = true_ns - clock->base_true_ns;

	return clock->base_local_ns + passed +
	       (uint64_t)(__extension__(unsigned __int128) passed * clock->ppm / 1000000);
}

/* The earliest true time at which the clock shows at least local_ns. */
static inline uint64_t clock_true_ns(const struct clock *clock, uint64_t local_ns)
{
	uint64_t passed;

	if (local_ns <= clock->base_local_ns) {
		return clock->base_true_ns;
	}
	passed = local_ns - clock->base_local_ns;
	if (passed > UINT64_MAX / 4) {
		return UINT64_MAX;
	}
	passed = (uint64_t)(__extension__(unsigned __int128) passed * 1000000 /
	                    (1000000 + clock->ppm));
	while (clock_local_ns(clock, clock->base_true_ns + passed) < local_ns) {
		passed++;
	}
	return clock->base_true_ns + passed;
}

static inline void clock_set_rate(struct clock *clock, uint64_t true_ns, uint32_t ppm)
{
	clock->base_local_ns = clock_local_ns(clock, true_ns);
	clock->base_true_ns = true_ns;
	clock->ppm = ppm;
}
