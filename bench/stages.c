/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stages.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bench/hist.h"
#include "bench/report.h"
#include "bench/trio.h"
#include "store/base/check.h"

enum {
	WARM_UP = 2000, /* rounds */
};

static const unsigned batches[] = {1, 4, 16, 64};

/* Histograms of cycles, though their unit is called ns: the median is not moved by a preemption. */
static struct hist stages[TRIO_STAGES], whole;

/* What two readings of the counter cost with nothing between them. */
static uint64_t overhead(void)
{
	static struct hist hist;

	hist_init(&hist);
	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t start = trio_cycles();

		hist_add(&hist, trio_cycles() - start);
	}
	return hist_quantile_ns(&hist, 50, 100);
}

static uint64_t less(uint64_t cycles, uint64_t by)
{
	return cycles > by ? cycles - by : 0;
}

static bool measure_batch(struct trio *trio, unsigned batch, double seconds, uint64_t *ret_rounds)
{
	const uint64_t empty = overhead();
	uint64_t end_ns = 0;

	for (unsigned i = 0; i < TRIO_STAGES; i++) {
		hist_init(&stages[i]);
	}
	hist_init(&whole);
	for (*ret_rounds = 0;; (*ret_rounds)++) {
		uint64_t cycles[TRIO_STAGES] = {0}, sum = 0;

		if (!trio_write(trio, batch, cycles)) {
			return false;
		}
		if (*ret_rounds < WARM_UP) {
			end_ns = report_now_ns() + (uint64_t)(seconds * 1e9);
			continue;
		}
		for (unsigned i = 0; i < TRIO_STAGES; i++) {
			hist_add(&stages[i], less(cycles[i], empty));
			sum += less(cycles[i], empty);
		}
		hist_add(&whole, sum);
		if (report_now_ns() > end_ns) {
			*ret_rounds -= WARM_UP - 1;
			return true;
		}
	}
}

static json_t *report_batch(unsigned batch, uint64_t rounds, double cycles_per_ns)
{
	json_t *report = json_object();
	double leader = 0;

	(void)json_object_set_new(report, "batch", json_integer(batch));
	for (unsigned i = 0; i < TRIO_STAGES; i++) {
		const double cycles = (double)hist_quantile_ns(&stages[i], 50, 100) / (double)batch;

		(void)json_object_set_new(report, trio_stage_text((enum trio_stage)i),
		                          json_real(cycles));
		if (strncmp(trio_stage_text((enum trio_stage)i), "leader", 6) == 0) {
			leader += cycles;
		}
	}
	(void)json_object_set_new(report, "leader_cycles", json_real(leader));
	(void)json_object_set_new(report, "leader_ns", json_real(leader / cycles_per_ns));
	(void)json_object_set_new(
		report, "all_cycles",
		json_real((double)hist_quantile_ns(&whole, 50, 100) / (double)batch));
	(void)json_object_set_new(report, "rounds", json_integer((json_int_t)rounds));
	return report;
}

json_t *stages_measure(const struct stages_config *config, int *ret_error)
{
	const struct trio_config trio_config = {.value_size = config->value_size,
	                                        .keys = config->keys};
	const double cycles_per_ns = trio_cycles_per_ns();
	json_t *report, *list;
	struct trio *trio;
	int r = trio_new(&trio, &trio_config);

	if (r < 0) {
		*ret_error = r;
		return NULL;
	}
	report = json_object();
	list = json_array();
	(void)json_object_set_new(report, "what", json_string("stages"));
	(void)json_object_set_new(report, "unit", json_string("cycles for one write, median"));
	(void)json_object_set_new(report, "durability", json_string("memory"));
	(void)json_object_set_new(report, "value_size", json_integer(config->value_size));
	(void)json_object_set_new(report, "keys", json_integer(config->keys));
	(void)json_object_set_new(report, "cycles_per_ns", json_real(cycles_per_ns));
	for (unsigned i = 0; r == 0 && i < sizeof(batches) / sizeof(batches[0]); i++) {
		uint64_t rounds;

		if (measure_batch(trio, batches[i], config->seconds, &rounds)) {
			(void)json_array_append_new(
				list, report_batch(batches[i], rounds, cycles_per_ns));
		} else {
			r = -EIO;
		}
	}
	(void)json_object_set_new(report, "batches", list);
	(void)json_object_set_new(report, "commit", json_string(report_commit()));
	(void)json_object_set_new(report, "machine", report_machine());
	trio_free(trio);
	if (r < 0) {
		json_decref(report);
		*ret_error = r;
		return NULL;
	}
	return report;
}
