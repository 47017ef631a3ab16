/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/hist.h"

#include <assert.h>
#include <string.h>

#include "store/base/check.h"

static_assert(HIST_MAX_NS >= 100000000000u, "100 s are told apart");

void hist_init(struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
	hist->min_ns = UINT64_MAX;
}

unsigned hist_bucket(uint64_t value_ns)
{
	unsigned shift;

	if (value_ns > HIST_MAX_NS) {
		return HIST_BUCKETS - 1;
	}
	if (value_ns < 2 * HIST_HALF) {
		return (unsigned)value_ns;
	}
	/* The top HIST_HALF_BITS + 1 bits, of which the first is always set. */
	shift = 63u - (unsigned)__builtin_clzll(value_ns) - HIST_HALF_BITS;
	return shift * HIST_HALF + (unsigned)(value_ns >> shift);
}

uint64_t hist_bucket_top_ns(unsigned bucket)
{
	unsigned shift;

	must(bucket < HIST_BUCKETS);
	if (bucket < 2 * HIST_HALF) {
		return bucket;
	}
	shift = bucket / HIST_HALF - 1;
	return ((uint64_t)(bucket % HIST_HALF + HIST_HALF + 1) << shift) - 1;
}

void hist_add(struct hist *hist, uint64_t value_ns)
{
	hist->counts[hist_bucket(value_ns)]++;
	hist->total++;
	hist->sum_ns += (double)value_ns;
	if (value_ns > HIST_MAX_NS) {
		hist->over++;
	}
	if (value_ns > hist->max_ns) {
		hist->max_ns = value_ns;
	}
	if (value_ns < hist->min_ns) {
		hist->min_ns = value_ns;
	}
}

void hist_merge(struct hist *target, const struct hist *source)
{
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		target->counts[i] += source->counts[i];
	}
	target->total += source->total;
	target->over += source->over;
	target->sum_ns += source->sum_ns;
	if (source->max_ns > target->max_ns) {
		target->max_ns = source->max_ns;
	}
	if (source->min_ns < target->min_ns) {
		target->min_ns = source->min_ns;
	}
}

uint64_t hist_quantile_ns(const struct hist *hist, uint64_t part, uint64_t whole)
{
	uint64_t wanted, seen = 0;

	must(part <= whole);
	must(whole != 0);
	if (hist->total == 0) {
		return 0;
	}
	/* Rounded up: the smallest value with at least this many at or below it. */
	wanted = (uint64_t)(((__extension__(unsigned __int128) hist->total) * part + whole - 1) /
	                    whole);
	if (wanted == 0) {
		return hist->min_ns;
	}
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->counts[i];
		if (seen >= wanted) {
			const uint64_t top_ns = hist_bucket_top_ns(i);

			/* The last bucket also holds what is over the top. */
			return top_ns < hist->max_ns && i + 1 < HIST_BUCKETS ? top_ns
			                                                     : hist->max_ns;
		}
	}
	must(seen >= wanted); /* the counts add up to the total */
	return 0;
}

double hist_mean_ns(const struct hist *hist)
{
	return hist->total == 0 ? 0 : hist->sum_ns / (double)hist->total;
}
