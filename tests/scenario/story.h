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

#include <cmocka.h>

#include "tests/sim/world.h"

enum {
	PATIENCE_MS = 5000
};

/* A quiet cluster that has a leader. */
static inline struct world *story_begin(unsigned servers, enum paxos_durability durability,
                                        unsigned *ret_leader)
{
	struct world_options options;
	struct world *world;

	world_options_default(&options);
	options.servers = servers;
	options.clients = 2;
	options.server.paxos.durability = durability;
	world = world_new(&options);
	assert_true(world_until(world, world_has_leader, MS(PATIENCE_MS)));
	*ret_leader = (unsigned)world_leader(world);
	assert_true(world_does(world, 0, "set 1", MS(PATIENCE_MS)));
	return world;
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

/* Everybody but the leader, as a set. */
static inline uint32_t story_servers(const struct world *world)
{
	return (1u << world->options.servers) - 1;
}
