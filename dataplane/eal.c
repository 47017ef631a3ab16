/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/eal.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dataplane/config.h"
#include "store/base/check.h"

enum {
	ARGUMENTS_MAX = 16 + 2 * DP_PORTS_MAX,
	ERROR_SIZE = 160,
	KIB_OF_MIB = 1024,
};

#define HUGEPAGES "/sys/kernel/mm/hugepages"

/* EAL is one for a process, and so is this. */
static bool is_started;
static FILE *log_stream;
static char last_error[ERROR_SIZE];

/* A line of DPDK's log; the last that is one is kept. */
static ssize_t on_log(void *cookie, const char *text, size_t size)
{
	size_t end = size;

	(void)cookie;
	while (end != 0 && (text[end - 1] == '\n' || text[end - 1] == ' ')) {
		end--;
	}
	if (end != 0) {
		(void)snprintf(last_error, sizeof(last_error), "%.*s", (int)end, text);
	}
	return (ssize_t)size;
}

const char *dp_eal_error(void)
{
	static char told[ERROR_SIZE];

	if (log_stream != NULL) {
		(void)fflush(log_stream);
	}
	(void)snprintf(told, sizeof(told), "%s",
	               last_error[0] != '\0' ? last_error : "no reason given");
	last_error[0] = '\0';
	return told;
}

static uint64_t number_in(const char *folder, const char *name)
{
	char path[512];
	unsigned long number = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), HUGEPAGES "/%s/%s", folder, name);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fscanf(file, "%lu", &number) != 1) {
			number = 0;
		}
		(void)fclose(file);
	}
	return number;
}

/* Free hugepages of all sizes. Folders are named "hugepages-2048kB". */
static uint64_t free_hugepages_mb(void)
{
	const struct dirent *entry;
	uint64_t total = 0;
	DIR *folder;

	folder = opendir(HUGEPAGES);
	if (folder == NULL) {
		return 0;
	}
	while ((entry = readdir(folder)) != NULL) {
		unsigned long size_kb;

		if (sscanf(entry->d_name, "hugepages-%lukB", &size_kb) == 1) {
			total += number_in(entry->d_name, "free_hugepages") * size_kb / KIB_OF_MIB;
		}
	}
	(void)closedir(folder);
	return total;
}

static unsigned first_core(const cpu_set_t *cores)
{
	for (unsigned i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, cores)) {
			return i;
		}
	}
	return 0;
}

/* DPDK's words for the configuration. Texts are given: the caller frees each. */
static int make_arguments(const struct dp_eal_config *config, unsigned core,
                          char *arguments[ARGUMENTS_MAX])
{
	int count = 0;
	bool good = true;

#define ADD(...) good = asprintf(&arguments[count++], __VA_ARGS__) >= 0 && good
	ADD("%s", config->name);
	ADD("--lcores=0@%u", core);
	ADD("--no-telemetry");
	ADD("--log-level=error");
	ADD("-m");
	ADD("%u", config->memory_mb);
	if (config->no_huge) {
		ADD("--no-huge");
		ADD("--no-shconf");
	} else {
		ADD("--in-memory");
	}
	if (config->pci_count == 0) {
		ADD("--no-pci");
	}
	for (unsigned i = 0; i < config->pci_count; i++) {
		ADD("-a");
		ADD("%s", config->pci[i]);
	}
#undef ADD
	must(count <= ARGUMENTS_MAX);
	return good ? count : -ENOMEM;
}

static int init(const struct dp_eal_config *config, unsigned core)
{
	char *arguments[ARGUMENTS_MAX + 1] = {NULL};
	char *given[ARGUMENTS_MAX + 1];
	const int count = make_arguments(config, core, arguments);
	int r = count;

	if (count > 0) {
		memcpy(given, arguments, sizeof(given)); /* EAL moves its words about */
		r = rte_eal_init(count, given);
		if (r < 0) {
			r = -(rte_errno != 0 ? rte_errno : ENODEV);
		}
	}
	for (unsigned i = 0; i < ARGUMENTS_MAX; i++) {
		free(arguments[i]);
	}
	return r < 0 ? r : 0;
}

int dp_eal_start(const struct dp_eal_config *config, char reason[DP_REASON_SIZE])
{
	const cookie_io_functions_t functions = {.write = on_log};
	cpu_set_t cores;
	int r;

	if (is_started) {
		(void)snprintf(reason, DP_REASON_SIZE, "DPDK was started before in this process");
		return -EALREADY;
	}
	if (!config->no_huge && free_hugepages_mb() < config->memory_mb) {
		(void)snprintf(reason, DP_REASON_SIZE,
		               "hugepages: %u MiB are needed and %lu MiB are free; reserve more in "
		               "/proc/sys/vm/nr_hugepages, lower memory_mb, or say no_huge = yes",
		               config->memory_mb, free_hugepages_mb());
		return -ENOMEM;
	}
	log_stream = fopencookie(NULL, "w", functions);
	if (log_stream != NULL) {
		(void)setvbuf(log_stream, NULL, _IOLBF, 0);
		(void)rte_openlog_stream(log_stream);
	}
	if (sched_getaffinity(0, sizeof(cores), &cores) != 0) {
		return -errno;
	}
	r = init(config, first_core(&cores));
	(void)sched_setaffinity(0, sizeof(cores), &cores); /* EAL bound us to its lcore */
	if (r < 0) {
		(void)snprintf(reason, DP_REASON_SIZE, "DPDK does not start (%s): %s", strerror(-r),
		               dp_eal_error());
		return r;
	}
	is_started = true;
	return 0;
}

void dp_eal_stop(void)
{
	(void)rte_eal_cleanup();
}
