/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * world.h - a cluster, its clients and its network, on one thread, from one seed
 *
 *      world_new(options) -> verbs, world_run(), world_until() -> world_free()
 *
 * Order (the whole of it): events happen by (time, order of planning). Arrivals wait in the
 * server's ring for its turn; a turn takes all of them, in the order of their arrival, then what
 * became durable, then ticks, then takes all effects. A server of an earlier number starts
 * earlier. Nothing else decides an order: no address, no hash, no clock, no thread.
 *
 * Checkers (checker.h, ledger.h) look after each turn and at each answer. The first failure stops
 * the world: world_run() and world_until() return, world_failed() is true. A storm, of packets
 * that make more packets, is a failure, too.
 *
 * End points: server i is bit i of a set, client i is WORLD_CLIENT(i).
 * Threads: one; it becomes a liburcu-qsbr reader in world_new().
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/sim/locker.h"
#include "tests/sim/server.h"
#include "tests/sim/stage.h"
#include "tests/sim/user.h"

#define US(n)           ((uint64_t)(n)*1000)
#define MS(n)           ((uint64_t)(n)*1000000)
#define WORLD_SERVER(i) ((uint32_t)1 << (i))
#define WORLD_CLIENT(i) ((uint32_t)1 << (NET_CLIENT + (i)))
#define WORLD_CLIENTS   ((uint32_t)0xffffff & ~(uint32_t)0xff)
#define WORLD_ALL       ((uint32_t)0xffffff)

struct world_options {
	uint64_t seed;
	unsigned servers; /* that found the cluster: 3, 5 or 7 */
	unsigned spares;  /* that run beside them, and may become members; 8 in all at most */
	unsigned clients;
	uint32_t keys, counters; /* the last `counters` keys are counters */
	bool verbose;
	struct server_options server;
	struct user_options user;
	struct locker_options locker;
	struct net_options net;
};

struct world {
	struct world_options options;
	struct stage stage;
	struct server servers[STORE_NODES_MAX];
	struct user users[NET_CLIENTS_MAX];
	struct locker lockers[NET_CLIENTS_MAX]; /* whose end points follow those of the clients */
};

/* What stories start from: a quick, quiet network, three servers, one client, mode memory. */
void world_options_default(struct world_options *options);

/* Makes it and starts all servers as a new cluster. Given back to world_free(). */
struct world *world_new(const struct world_options *options);
void world_free(struct world *world);

/* Founders and spares. */
unsigned world_servers(const struct world *world);

/* --- time ----------------------------------------------------------------------------------- */

/* One event; false if there is none, or something failed. */
bool world_step(struct world *world);

/* All events of the next ns; the time is then that. */
void world_run(struct world *world, uint64_t ns);

/* Until it holds, looked at after each event; false if it did not within ns. */
bool world_until(struct world *world, bool (*holds)(const struct world *), uint64_t ns);

bool world_failed(const struct world *world);

/* --- faults ---------------------------------------------------------------------------------- */

/* Both ways between two sets; one way; nothing but itself; everything open again. */
void world_cut(struct world *world, uint32_t a, uint32_t b);
void world_cut_one_way(struct world *world, uint32_t from, uint32_t to);
void world_isolate(struct world *world, unsigned node);
void world_open(struct world *world, uint32_t a, uint32_t b);
void world_heal(struct world *world);

void world_crash(struct world *world, unsigned node);
void world_restart(struct world *world, unsigned node);
/* A server that is down: its machine is empty, as a new one. */
void world_wipe(struct world *world, unsigned node);
/* Asks a server for a change of the members; what it was told stands in servers[node].told. */
void world_change(struct world *world, unsigned node, const struct paxos_change *change,
                  uint64_t ns);
void world_pause(struct world *world, unsigned node, uint64_t ns);

/* --- clients --------------------------------------------------------------------------------- */

/* Client i asks "set KEY", "add KEY", "del KEY", "get KEY", "stale KEY", "count KEY" (an
 * increment from what it last saw), "cas KEY" (likewise), "nop"; KEY is a number. Returns the
 * operation. It may take a minute. */
uint64_t world_say(struct world *world, unsigned client, const char *text);

/* The operation, good until the next world_say(). */
const struct ledger_operation *world_operation(const struct world *world, uint64_t number);

/* Says it and runs until it came to an end. True if it was done. */
bool world_does(struct world *world, unsigned client, const char *text, uint64_t ns);

/* --- what can be seen ------------------------------------------------------------------------ */

struct paxos_status world_status(const struct world *world, unsigned node);

/* A few lines for each server and client: where they stand. */
void world_print(const struct world *world, FILE *file);

/* The server that decides in the highest ballot, or -1. */
int world_leader(const struct world *world);
bool world_has_leader(const struct world *world);

/* No operation is under way. */
bool world_is_quiet(const struct world *world);

/* Nobody holds a lock or waits for one, by what was decided and as far as lockers know. */
bool world_has_no_claims(const struct world *world);

/* Every watch was given all that was decided. */
bool world_has_seen_all(const struct world *world);

/*
 * All members are up, take part (learners: follow), have applied the same, one of them leads, and
 * who is no member any more has ended, unless nobody whom it knows of is there to tell it.
 */
bool world_agrees(const struct world *world);
