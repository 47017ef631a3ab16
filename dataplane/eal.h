/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * eal.h - DPDK's environment, made from our configuration
 *
 *      hugepages      --in-memory --no-telemetry -m N          nothing is left in any folder
 *      no hugepages   --no-huge --no-shconf --no-telemetry -m N
 *
 * Either works without root. EAL gets one lcore, which never runs: our workers are threads of
 * our own that register with it. It is started for links alone, too: mbufs, rings and mempools are
 * the way of a packet inside the process, whatever port it came from.
 *
 * What DPDK logs as an error is kept, to be told as the reason of a failed start.
 *
 * Threads: the one that calls dp_start() and dp_stop().
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	DP_REASON_SIZE = 256,
};

struct dp_eal_config {
	const char *name;
	bool no_huge;
	uint32_t memory_mb;
	const char *const *pci; /* addresses to take, and no others */
	unsigned pci_count;
};

/*
 * Starts EAL; once in a process. The calling thread keeps its affinity. Returns 0, -EALREADY (was
 * started before), -ENOMEM (too few hugepages) or what DPDK said; then reason holds a sentence.
 */
int dp_eal_start(const struct dp_eal_config *config, char reason[DP_REASON_SIZE]);

/* After a start: gives EAL's memory back. Ports and pools must have been given back before. */
void dp_eal_stop(void);

/* The last error DPDK has logged since the last call, or "no reason given". Good until the next. */
const char *dp_eal_error(void);
