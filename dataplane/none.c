/* SPDX-License-Identifier: Apache-2.0 */
/*
 * none.c - the dataplane of a build without DPDK: says so
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"

int dp_start(struct dp **ret_dp, const struct dp_config *config, struct paxos_replica *replica,
             struct store *store, struct paxos_mailbox *mailbox, char ret_reason[256])
{
	(void)ret_dp;
	(void)config;
	(void)replica;
	(void)store;
	(void)mailbox;
	if (ret_reason != NULL) {
		(void)snprintf(ret_reason, 256,
		               "transport: dpdk is not in this build; say transport = kernel, or "
		               "build where pkg-config finds libdpdk");
	}
	return -ENOTSUP;
}

void dp_stop(struct dp *dp)
{
	(void)dp;
}

void dp_counters(const struct dp *dp, uint64_t ret_counters[DP_COUNTER_COUNT])
{
	(void)dp;
	memset(ret_counters, 0, DP_COUNTER_COUNT * sizeof(ret_counters[0]));
}
