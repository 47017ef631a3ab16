/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/config.h"

#include "consensus/quorum.h"

void paxos_config_default(struct paxos_config *config)
{
	config->durability = PAXOS_MEMORY;
	config->keys = (struct store_keys){0};
	config->priority = 128;
	config->heartbeat_ns = 10 * 1000000ull;
	config->lease_ns = 60 * 1000000ull;
	config->suspicion_ns = 80 * 1000000ull;
	config->drift_ppm = 1000;
	config->resend_ns = 2 * 1000000ull;
	config->log_entries = 1u << 16;
	config->log_bytes = 64ull << 20;
	config->undurable_bytes = 8ull << 20;
	config->window = PAXOS_WINDOW_MAX;
	config->assemblies = 64;
	config->watches_max = 1u << 17;
	config->session_ttl_ms_min = 10;
	config->session_ttl_ms_max = 24 * 3600 * 1000;
}

bool paxos_config_is_good(const struct paxos_config *config)
{
	return config->founders < paxos_bit(STORE_NODES_MAX) &&
	       paxos_count(config->founders) <= STORE_VOTERS_MAX &&
	       (!config->founding || paxos_has(config->founders, config->node)) &&
	       config->node < STORE_NODES_MAX &&
	       (config->durability == PAXOS_MEMORY || config->durability == PAXOS_DISK) &&
	       config->heartbeat_ns != 0 && config->resend_ns != 0 &&
	       config->suspicion_ns >= config->lease_ns &&
	       config->suspicion_ns >= 2 * config->heartbeat_ns && config->window >= 1 &&
	       config->window <= PAXOS_WINDOW_MAX && config->drift_ppm <= 1000000 &&
	       config->assemblies >= 1 &&
	       config->undurable_bytes <= PAXOS_UNDURABLE_MAX - (1 << 20) &&
	       (config->keys.rw.is_set || !config->keys.ro.is_set) && config->incarnation != 0 &&
	       config->session_ttl_ms_min >= 1 &&
	       config->session_ttl_ms_min <= config->session_ttl_ms_max;
}
