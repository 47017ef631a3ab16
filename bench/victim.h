/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * victim.h - a process of its own that holds a lock until it is killed
 *
 * It keeps its session alive as every client does, and does nothing else. Not over links: they have
 * one user. Ends with the process that made it.
 */

#include <sys/types.h>

#include "bench/post.h"
#include "store/op.h"

struct victim {
	pid_t pid;
	store_rev_t token;
};

/*
 * Makes it, and waits until it holds the lock, which nobody else may have. Returns 0, a negative
 * errno, or -ENETUNREACH: it does not hold it within 10 s. In the end victim_end().
 */
int victim_begin(struct victim *victim, const struct post_config *post, uint64_t seed,
                 const char *lock, uint32_t ttl_ms);

/* kill -9. */
void victim_kill(const struct victim *victim);

/* Kills it, if it lives, and waits for its end. */
void victim_end(struct victim *victim);
