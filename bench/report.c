/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/commit.h"

uint64_t report_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

json_t *report_us(uint64_t ns)
{
	return json_real((double)ns / 1000);
}

json_t *report_latency(const struct hist *hist)
{
	json_t *latency = json_object();

	(void)json_object_set_new(latency, "p50_us", report_us(hist_quantile_ns(hist, 50, 100)));
	(void)json_object_set_new(latency, "p90_us", report_us(hist_quantile_ns(hist, 90, 100)));
	(void)json_object_set_new(latency, "p99_us", report_us(hist_quantile_ns(hist, 99, 100)));
	(void)json_object_set_new(latency, "p999_us", report_us(hist_quantile_ns(hist, 999, 1000)));
	(void)json_object_set_new(latency, "max_us", report_us(hist->max_ns));
	(void)json_object_set_new(latency, "mean_us", json_real(hist_mean_ns(hist) / 1000));
	(void)json_object_set_new(latency, "count", json_integer((json_int_t)hist->total));
	return latency;
}

static void read_cpu(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	(void)snprintf(name, size, "unknown");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
			(void)snprintf(name, size, "%s", colon + 2);
			name[strcspn(name, "\n")] = '\0';
			break;
		}
	}
	if (file != NULL) {
		(void)fclose(file);
	}
}

json_t *report_machine(void)
{
	struct utsname system;
	char cpu[128];
	json_t *machine = json_object();

	read_cpu(cpu, sizeof(cpu));
	(void)json_object_set_new(machine, "cpu", json_string(cpu));
	(void)json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	if (uname(&system) == 0) {
		(void)json_object_set_new(machine, "kernel", json_string(system.release));
	}
	return machine;
}

const char *report_commit(void)
{
	return BENCH_COMMIT;
}

json_t *report_durability(unsigned durability)
{
	static const char *const texts[] = {"unknown", "memory", "disk"};

	return json_string(texts[durability < 3 ? durability : 0]);
}

static void print_value(const json_t *value)
{
	if (json_is_real(value)) {
		printf(" %.3f", json_real_value(value));
	} else if (json_is_string(value)) {
		printf(" %s", json_string_value(value));
	} else {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

		printf(" %s", text != NULL ? text : "?");
		free(text);
	}
}

/* One line for each key; a small object of plain values on one line. */
static void print_line(const char *key, json_t *value)
{
	const char *inner_key;
	json_t *inner;
	size_t index;

	if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
		json_array_foreach(value, index, inner)
		{
			print_line(key, inner);
		}
		return;
	}
	printf("%-18s", key);
	if (json_is_object(value)) {
		json_object_foreach(value, inner_key, inner)
		{
			printf("  %s", inner_key);
			print_value(inner);
		}
	} else {
		print_value(value);
	}
	printf("\n");
}

void report_print(json_t *report, int as_json)
{
	const char *key;
	json_t *value;

	if (as_json) {
		(void)json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
		printf("\n");
	} else {
		json_object_foreach(report, key, value)
		{
			print_line(key, value);
		}
	}
	json_decref(report);
}
