/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * prng.h - seeded chance, the only one
 *
 * xoshiro256** seeded through splitmix64 (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2021). Same seed, same sequence, on every machine. Not for secrets.
 */

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t state[4];
};

static inline void prng_init(struct prng *prng, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15u);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		prng->state[i] = z ^ (z >> 31);
	}
}

static inline uint64_t prng_next(struct prng *prng)
{
	uint64_t *s = prng->state;
	const uint64_t scrambled = s[1] * 5;
	const uint64_t result = ((scrambled << 7) | (scrambled >> 57)) * 9;
	const uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return result;
}

/* A number in [0, bound); bound is at least 1. */
static inline uint64_t prng_below(struct prng *prng, uint64_t bound)
{
	return (uint64_t)((__extension__(unsigned __int128) prng_next(prng) * bound) >> 64);
}

/* True in `part` of `whole` cases. */
static inline bool prng_chance(struct prng *prng, uint64_t part, uint64_t whole)
{
	return prng_below(prng, whole) < part;
}
