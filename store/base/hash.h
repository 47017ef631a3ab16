/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * hash.h - two numbers to one, well mixed
 *
 * The finisher of splitmix64. Not against attackers: what it places may collide, never more.
 */

#include <stdint.h>

static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
	uint64_t z = a * 0x9e3779b97f4a7c15u ^ b;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	return z ^ (z >> 31);
}
