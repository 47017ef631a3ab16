/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * story.h - what the stories have in common
 *
 * All checkers of tests/sim run after every event of a story and end it with a failure; a story
 * asserts only what is special to it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/sim/world.h"

enum {
	PATIENCE_MS = 5000
};

/* A cluster as `options` say; it has a leader, and file 1. */
static inline struct world *story_start(const struct world_options *options, unsigned *ret_leader)
{
	struct world *world = world_new(options);

	assert_true(world_until(world, world_has_leader, MS(PATIENCE_MS)));
	*ret_leader = (unsigned)world_leader(world);
	assert_true(world_does(world, 0, "set 1", MS(PATIENCE_MS)));
	return world;
}

/* A quiet cluster that has a leader. */
static inline struct world *story_begin(unsigned servers, enum paxos_durability durability,
                                        unsigned *ret_leader)
{
	struct world_options options;

	world_options_default(&options);
	options.servers = servers;
	options.clients = 2;
	options.server.paxos.durability = durability;
	return story_start(&options, ret_leader);
}

/* Heals everything, demands that all agree, that a write is done, and that no checker spoke. */
static inline void story_end(struct world *world)
{
	world_heal(world);
	assert_true(world_until(world, world_agrees, MS(PATIENCE_MS)));
	assert_true(world_does(world, 0, "set 2", MS(PATIENCE_MS)));
	assert_false(world_failed(world));
	world_free(world);
}

/* Those that founded the cluster, as a set. */
static inline uint32_t story_servers(const struct world *world)
{
	return (1u << world->options.servers) - 1;
}

static inline void story_write(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "set %u", i % 8);
		assert_true(world_does(world, 0, text, MS(PATIENCE_MS)));
	}
}

/* Who votes in what is decided. */
static inline uint32_t story_voters(const struct world *world)
{
	return store_members(world->stage.checker.store)->voters;
}

/* Asks a server for a change of the members, and waits for its answer. */
static inline enum paxos_verdict story_ask(struct world *world, unsigned node,
                                           const struct paxos_change *change)
{
	const struct server *server = &world->servers[node];
	const uint64_t before = server->tellings;

	world_change(world, node, change, MS(2000));
	for (unsigned i = 0; server->tellings == before && i < 3000; i++) {
		world_run(world, MS(1));
		assert_false(world_failed(world));
	}
	assert_int_equal(server->tellings, before + 1);
	return server->told.verdict;
}

/* What a server says to others, kept to be said again: net_release(). */
struct story_ear {
	unsigned node;
	unsigned kept; /* datagrams */
};

static inline enum net_verdict story_hear(void *context, uint32_t source, uint32_t target,
                                          struct slice bytes)
{
	struct story_ear *ear = context;

	(void)bytes;
	if (source != ear->node || target >= NET_CLIENT) {
		return NET_PASS;
	}
	ear->kept++;
	return NET_COPY;
}

/* Until the world has another filter, or none. */
static inline void story_listen(struct world *world, struct story_ear *ear)
{
	world->stage.net.filter = story_hear;
	world->stage.net.filter_context = ear;
}

/* Datagrams that servers dropped for this reason. */
static inline uint64_t story_drops(const struct world *world, enum paxos_drop reason)
{
	uint64_t sum = 0;

	for (unsigned node = 0; node < world_servers(world); node++) {
		sum += world_status(world, node).drops[reason];
	}
	return sum;
}
