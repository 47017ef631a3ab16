/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro.cc - the parts of a write and of a read, each alone (Google Benchmark)
 *
 *      tree_get      a lookup in the published root
 *      tree_set      sets in a batch, published and cleaned up; items are sets
 *      tree_remake   the same of files that are deleted and made again
 *      tree_lock     free locks that are taken, published, given back, published; items are both
 *      past_*        reads as of so many changes ago: one file that all of them changed, and walks
 *                    over files that all of them made, or deleted: to the end, where one is
 *                    found, and a page
 *      replica_write three replicas without a network, a batch of writes; items are writes
 *      replica_expiry writes, one at a time, while so many sessions end at one moment: the worst
 *                    that one took of everybody's time, how many it took until all were ended, and
 *                    what a write takes else
 *      replica_read  one read by lease: the leader's whole step
 *      codec_*       a request as a datagram, an entry of the log
 *
 * C++ stands here alone; what is timed is C (kit.h, trio.h). Something that fails is an error of
 * that benchmark, and the program then ends with 1.
 */
#include <benchmark/benchmark.h>

#include <cstdint>

extern "C" {
#include "bench/kit.h"
#include "bench/trio.h"
}

static constexpr unsigned kValueSize = 64;
static bool all_good = true;

static void fail(benchmark::State &state, const char *why)
{
	all_good = false;
	state.SkipWithError(why);
}

static void tree_get(benchmark::State &state)
{
	struct kit_store *kit = nullptr;

	if (kit_store_new(&kit, static_cast<unsigned>(state.range(0)), kValueSize) < 0) {
		fail(state, "no memory");
		return;
	}
	for (auto _ : state) {
		if (!kit_store_get(kit)) {
			fail(state, "a file is not there");
			break;
		}
	}
	state.SetItemsProcessed(state.iterations());
	kit_store_free(kit);
}

static void change(benchmark::State &state, bool (*step)(struct kit_store *, unsigned))
{
	const unsigned batch = static_cast<unsigned>(state.range(1));
	struct kit_store *kit = nullptr;

	if (kit_store_new(&kit, static_cast<unsigned>(state.range(0)), kValueSize) < 0) {
		fail(state, "no memory");
		return;
	}
	for (auto _ : state) {
		if (!step(kit, batch)) {
			fail(state, "a change was refused");
			break;
		}
	}
	state.SetItemsProcessed(state.iterations() * batch);
	kit_store_free(kit);
}

static void tree_set(benchmark::State &state)
{
	change(state, kit_store_set);
}

static void tree_remake(benchmark::State &state)
{
	change(state, kit_store_remake);
}

static void tree_lock(benchmark::State &state)
{
	change(state, kit_store_lock);
	state.SetItemsProcessed(2 * state.iterations() * state.range(1));
}

static constexpr unsigned kChanges = 65536;

template <typename Change, typename Step>
static void past(benchmark::State &state, Change change, Step step)
{
	struct kit_store *kit = nullptr;

	if (kit_store_new(&kit, kChanges, kValueSize) < 0) {
		fail(state, "no memory");
		return;
	}
	if (!change(kit)) {
		fail(state, "a change was refused");
	}
	for (auto _ : state) {
		if (!step(kit)) {
			fail(state, "not what there was");
			break;
		}
	}
	kit_store_free(kit);
}

static bool keep(struct kit_store *)
{
	return true;
}

static void replica_write(benchmark::State &state)
{
	const struct trio_config config = {kValueSize, 1000};
	const unsigned batch = static_cast<unsigned>(state.range(0));
	uint64_t cycles[TRIO_STAGES] = {};
	struct trio *trio = nullptr;

	if (trio_new(&trio, &config) < 0) {
		fail(state, "no leader");
		return;
	}
	for (auto _ : state) {
		if (!trio_write(trio, batch, cycles)) {
			fail(state, "a write was refused");
			break;
		}
	}
	state.SetItemsProcessed(state.iterations() * batch);
	trio_free(trio);
}

/* One write: the time of all on its way, in us; below 0: it was refused. */
static double write_us(struct trio *trio, double cycles_per_us)
{
	uint64_t cycles[TRIO_STAGES] = {};
	uint64_t sum = 0;

	if (!trio_write(trio, 1, cycles)) {
		return -1;
	}
	for (const uint64_t each : cycles) {
		sum += each;
	}
	return static_cast<double>(sum) / cycles_per_us;
}

static void replica_expiry(benchmark::State &state)
{
	const struct trio_config config = {kValueSize, 1000};
	const unsigned sessions = static_cast<unsigned>(state.range(0));
	const double cycles_per_us = trio_cycles_per_ns() * 1000;
	double quiet_us = 0, sum_us = 0, worst_us = 0;
	unsigned writes = 0;
	struct trio *trio = nullptr;

	if (trio_new(&trio, &config) < 0) {
		fail(state, "no leader");
		return;
	}
	for (unsigned i = 0; i < 1000; i++) {
		quiet_us += write_us(trio, cycles_per_us) / 1000;
	}
	for (auto _ : state) {
		state.PauseTiming();
		if (!trio_age(trio, sessions)) {
			fail(state, "sessions were not opened, or ended early");
			break;
		}
		state.ResumeTiming();
		while (trio_sessions(trio) > 1) {
			const double us = write_us(trio, cycles_per_us);

			if (us < 0) {
				fail(state, "a write was refused");
				break;
			}
			worst_us = us > worst_us ? us : worst_us;
			sum_us += us;
			writes++;
		}
	}
	state.counters["quiet_us"] = quiet_us;
	state.counters["mean_us"] = writes != 0 ? sum_us / writes : 0;
	state.counters["worst_us"] = worst_us;
	state.counters["writes"] =
		static_cast<double>(writes) / static_cast<double>(state.iterations());
	trio_free(trio);
}

static void replica_read(benchmark::State &state)
{
	const struct trio_config config = {kValueSize, 1000};
	uint64_t cycles[TRIO_STAGES] = {};
	struct trio *trio = nullptr;

	if (trio_new(&trio, &config) < 0) {
		fail(state, "no leader");
		return;
	}
	(void)trio_write(trio, 1, cycles);
	for (auto _ : state) {
		if (!trio_read(trio)) {
			fail(state, "a read was not answered");
			break;
		}
	}
	state.SetItemsProcessed(state.iterations());
	trio_free(trio);
}

template <typename Step> static void codec(benchmark::State &state, Step step)
{
	struct kit_codec *kit = nullptr;

	if (kit_codec_new(&kit, kValueSize) < 0) {
		fail(state, "no memory");
		return;
	}
	if (kit_codec_request_encode(kit) == 0 || kit_codec_entry_encode(kit) == 0) {
		fail(state, "not encoded");
	}
	for (auto _ : state) {
		if (!step(kit)) {
			fail(state, "bytes that make no sense");
			break;
		}
	}
	kit_codec_free(kit);
}

BENCHMARK(tree_get)->Arg(1000)->Arg(100000);
BENCHMARK(tree_set)->Args({1000, 1})->Args({1000, 64})->Args({100000, 1})->Args({100000, 64});
BENCHMARK(tree_remake)->Args({100000, 1})->Args({100000, 64});
BENCHMARK(tree_lock)->Args({10000, 1})->Args({10000, 64});
BENCHMARK_CAPTURE(
	past, get, [](struct kit_store *kit) { return kit_store_set_first(kit, kChanges); },
	[](struct kit_store *kit) { return kit_store_get_back(kit, kChanges); });
BENCHMARK_CAPTURE(past, walk_made, keep, [](struct kit_store *kit) {
	return kit_store_walk_back(kit, kChanges - 1, kChanges, 1);
});
BENCHMARK_CAPTURE(past, walk_gone, kit_store_delete_all,
                  [](struct kit_store *kit) { return kit_store_walk_back(kit, 1, kChanges, 1); });
BENCHMARK_CAPTURE(past, page_gone, kit_store_delete_all, [](struct kit_store *kit) {
	return kit_store_walk_back(kit, kChanges, 1000, 1000);
});
BENCHMARK(replica_write)->Arg(1)->Arg(16)->Arg(64);
BENCHMARK(replica_expiry)->Arg(1000)->Arg(10000)->Iterations(5);
BENCHMARK(replica_read);
BENCHMARK_CAPTURE(codec, request_encode,
                  [](struct kit_codec *kit) { return kit_codec_request_encode(kit) != 0; });
BENCHMARK_CAPTURE(codec, request_decode, kit_codec_request_decode);
BENCHMARK_CAPTURE(codec, entry_encode,
                  [](struct kit_codec *kit) { return kit_codec_entry_encode(kit) != 0; });
BENCHMARK_CAPTURE(codec, entry_decode, kit_codec_entry_decode);

int main(int argc, char **argv)
{
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
		return 2;
	}
	benchmark::RunSpecifiedBenchmarks();
	return all_good ? 0 : 1;
}
