/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core_fixture.h - a core with its store, for the tests of a replica's parts
 *
 * Three servers, this one is 0; the smallest log there is. Include after cmocka.
 */

#include <urcu-qsbr.h>

#include "consensus/core.h"
#include "consensus/quorum.h"

static inline void core_begin(struct paxos_core *core)
{
	const struct store_config store_config = {
		.quota_bytes = 1 << 20, .sessions_max = 64, .events_max = 16};
	struct paxos_config config = {
		.founders = paxos_first(3), .cluster = 7, .incarnation = 1, .start = 1};
	struct store *store;

	paxos_config_default(&config);
	config.log_entries = 16;
	config.log_bytes = 1 << 18;
	assert_int_equal(store_new(&store, &store_config), 0);
	assert_int_equal(paxos_core_init(core, &config, store), 0);
	core->takes_part = true;
}

static inline void core_end(struct paxos_core *core)
{
	store_free(core->store);
	paxos_core_deinit(core);
}

/* The store belongs to a reader of liburcu; so the whole group runs as one. */
static inline int core_register(void **state)
{
	(void)state;
	urcu_qsbr_register_thread();
	return 0;
}

static inline int core_unregister(void **state)
{
	(void)state;
	urcu_qsbr_unregister_thread();
	return 0;
}
