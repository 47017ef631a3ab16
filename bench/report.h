/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report.h - figures as JSON and as text, with machine and commit beside them
 *
 * Threads: one. What takes a json_t takes it over or borrows it, as jansson's own words say:
 * these functions give new objects to the caller, who owns them.
 */

#include <jansson.h>
#include <stdint.h>

#include "bench/hist.h"

/* Monotonic. */
uint64_t report_now_ns(void);

/* {"p50_us", "p90_us", "p99_us", "p999_us", "max_us", "mean_us", "count"} */
json_t *report_latency(const struct hist *hist);

/* {"cpu", "cores", "kernel"} */
json_t *report_machine(void);

/* The commit the program was built from. */
const char *report_commit(void);

/* "memory" or "disk", as an answer told it; "unknown" if none did. */
json_t *report_durability(unsigned durability);

/* Microseconds to three places. */
json_t *report_us(uint64_t ns);

/* To standard output: as one JSON object if `as_json`, else a line for each key. Takes `report`. */
void report_print(json_t *report, int as_json);
