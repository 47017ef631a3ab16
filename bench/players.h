/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * players.h - clients that lock, wait and give back, all on one thread, for bench/locks
 *
 *      players_ask(p, i, &op) ------> servers -----> on_done(i, result)
 *      players_watch(p, i, path) ---> servers -----> on_event(i, event)
 *
 * Each player has a session of its own; the watches of all stand in one watcher. A turn takes what
 * came and sends what is due, and yields the core if there was nothing.
 *
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bench/post.h"
#include "store/client_types.h"
#include "store/op.h"
#include "store/proto_page.h"

enum {
	PLAYERS_MAX = 1024,
};

struct players_config {
	unsigned count;      /* 1 to PLAYERS_MAX */
	unsigned requests;   /* each may have under way, 1 to CLIENT_REQUESTS_MAX */
	uint64_t timeout_ns; /* of a request */
	uint64_t seed;
	struct post_config post;
};

/* Called from players_turn(), with the `context` of players_listen(). */
typedef void players_done_fn(void *context, unsigned player, uint64_t now_ns,
                             const struct client_result *result);
typedef void players_event_fn(void *context, unsigned player, uint64_t now_ns,
                              const struct proto_event *event);

struct players;

/* 0 or a negative errno. Given back to players_free(); NULL is fine there. */
int players_new(struct players **ret_players, const struct players_config *config);
void players_free(struct players *players);

/* Who is told from now on. */
void players_listen(struct players *players, players_done_fn *done, players_event_fn *event,
                    void *context);

/* Asks for one operation, as a transaction. No more than `requests` at once (must). */
void players_ask(struct players *players, unsigned player, const struct store_op *op,
                 uint64_t context);
/* Another request: NOP, CLOSE, or GET of a path. */
void players_send(struct players *players, unsigned player, enum proto_verb verb,
                  struct slice path);

/* The player's only watch: what happens to one path from a revision on. Ends its former one. */
void players_watch(struct players *players, unsigned player, struct slice path, store_rev_t from);

/* A new one in its place, whose session is to live so long. 0 or a negative errno. */
int players_replace(struct players *players, unsigned player, uint32_t ttl_ms);

void players_turn(struct players *players);

/* The largest gap between two turns since the last call. */
uint64_t players_gap_ns(struct players *players);

/* As told by answers: enum paxos_durability, and who leads, from 1. */
unsigned players_durability(const struct players *players);
unsigned players_leader(const struct players *players);
