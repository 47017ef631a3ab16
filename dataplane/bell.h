/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bell.h - a word to sleep on; may stand in memory that two processes share
 *
 *      sleeper                                waker
 *      dp_bells_arm      word = 1, fence      publish something
 *      looks once more: is there work?        dp_bell_ring     fence, word == 1 ?
 *      dp_bells_wait     until word != 1                       word = 0, futex wake
 *      dp_bells_disarm   word = 0
 *
 * No ring between the look and the sleep is lost (Dekker). What is lost all the same, because
 * the waker died between its two steps, costs one time-out: every sleep has a bound.
 *
 * A shared word belongs to a process that is not trusted: whatever stands in it, the worst is a
 * sleep that ends at once or at its bound.
 *
 * Threads: one sleeper for each bell; any number of wakers.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	DP_BELLS_MAX = 32, /* in one sleep */
};

struct dp_bell {
	_Atomic uint32_t word; /* 0: awake, 1: asleep */
};

void dp_bell_init(struct dp_bell *bell);

/* Wakes the sleeper if there is one. Costs a fence if not, a system call if so. */
void dp_bell_ring(struct dp_bell *bell);

/* Says that this thread is about to sleep on all `count` bells (1 to DP_BELLS_MAX). */
void dp_bells_arm(struct dp_bell *const *bells, unsigned count);

/*
 * Sleeps until one of the bells is rung, or for timeout_ns. Returns true if one was rung. Where
 * the kernel cannot wait for several words (before Linux 5.16, or forbidden), it waits for the
 * first only, and for DP_BELL_BLIND_NS at most.
 */
bool dp_bells_wait(struct dp_bell *const *bells, unsigned count, uint64_t timeout_ns);

/* Says that this thread is awake. */
void dp_bells_disarm(struct dp_bell *const *bells, unsigned count);

#define DP_BELL_BLIND_NS ((uint64_t)200000)
