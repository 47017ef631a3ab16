/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * hist.h - how long many things took
 *
 * A histogram with fixed buckets, log-linear as HdrHistogram (Gil Tene): each power of two is cut
 * into HIST_HALF equal buckets, so a value is known to 1/128 of itself. From 0 ns to HIST_MAX_NS;
 * what is longer is counted in the last bucket, but `max_ns` is always exact.
 *
 *      0 1 2 ... 255 | 256 258 260 ... | 512 516 520 ... | ...
 *      exact           steps of 2        steps of 4
 *
 * Pure:    no clock, no allocation, no I/O, no globals; a struct of about 32 KiB.
 * Threads: one writer.
 */

#include <stdint.h>

enum {
	HIST_HALF_BITS = 7,
	HIST_HALF = 1 << HIST_HALF_BITS,
	HIST_TOP_BITS = 37, /* 2^37 ns = 137 s, the first power of two above 100 s */
	HIST_BUCKETS = (HIST_TOP_BITS - HIST_HALF_BITS + 1) * HIST_HALF,
};

#define HIST_MAX_NS (((uint64_t)1 << HIST_TOP_BITS) - 1)

struct hist {
	uint64_t counts[HIST_BUCKETS];
	uint64_t total;
	uint64_t over; /* longer than HIST_MAX_NS; in the last bucket, too */
	uint64_t min_ns, max_ns;
	double sum_ns;
};

/* Makes it empty. Nothing to undo. */
void hist_init(struct hist *hist);

/* Counts one value. */
void hist_add(struct hist *hist, uint64_t value_ns);

/* Adds all that `source` counted to `target`. */
void hist_merge(struct hist *target, const struct hist *source);

/*
 * The value that `part` of `whole` of all values do not exceed, 999 of 1000 for instance. It is
 * the upper end of its bucket, at most max_ns, so it never flatters. 0 if nothing was counted.
 */
uint64_t hist_quantile_ns(const struct hist *hist, uint64_t part, uint64_t whole);

/* 0 if nothing was counted. */
double hist_mean_ns(const struct hist *hist);

/* The bucket of a value, and the largest value of a bucket; for tests. */
unsigned hist_bucket(uint64_t value_ns);
uint64_t hist_bucket_top_ns(unsigned bucket);
