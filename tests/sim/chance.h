/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * chance.h - shapes of chance beyond store/base/prng.h
 *
 * Integers only, so that a seed means the same with every compiler and on every machine.
 */

#include <stdint.h>

#include "store/base/prng.h"

/* A number in [low, high]. */
static inline uint64_t chance_between(struct prng *prng, uint64_t low, uint64_t high)
{
	return low + prng_below(prng, high - low + 1);
}

/*
 * Exponential with this mean, at most 40 times it. -ln(u) = ln 2 x (leading zeros + what is left),
 * the rest taken as straight between two powers: within 9 % of the true curve everywhere.
 */
static inline uint64_t chance_exponential(struct prng *prng, uint64_t mean)
{
	const uint64_t u = prng_next(prng) | 1u << 10;
	const unsigned zeros = (unsigned)__builtin_clzll(u);
	const uint64_t rest = (u << zeros << 1) >> 44; /* 20 bits below the leading one */
	const uint64_t log2_20 = ((uint64_t)(zeros + 1) << 20) - rest;

	return (uint64_t)(__extension__(unsigned __int128) mean * log2_20 * 693147 / 1000000 >> 20);
}

/* True in `ppm` of a million cases. */
static inline bool chance_ppm(struct prng *prng, uint32_t ppm)
{
	return ppm != 0 && prng_below(prng, 1000000) < ppm;
}
