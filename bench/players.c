/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/players.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bench/report.h"
#include "bench/route.h"
#include "store/base/check.h"
#include "store/client.h"
#include "store/txn.h"
#include "store/watcher.h"

enum {
	TURN_MAX = 128, /* datagrams taken in one turn */
	TICK_NS = 1000 * 1000,
	HEAL_NS = 1000 * 1000 * 1000, /* between two looks for links made anew */
	TXN_SIZE = 1024,
	TTL_MS = 10000,
};

struct player {
	struct client *client; /* NULL: dead */
	uint64_t watch;        /* tag; 0: none */
};

struct players {
	struct players_config config;
	struct post *post;
	struct watcher *watcher;
	struct route route;
	struct player *player;
	unsigned *watched; /* player by watcher_index() */
	players_done_fn *done;
	players_event_fn *event;
	void *context;
	unsigned durability, leader;
	uint64_t last_ns, tick_ns, heal_ns, gap_ns;
};

/* --- making and unmaking -------------------------------------------------------------------- */

static int new_client(const struct players *players, unsigned player, uint32_t ttl_ms)
{
	struct client_config config;
	uint64_t chance;

	if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
		return -errno;
	}
	client_config_default(&config);
	config.servers = players->config.post.count;
	config.requests_max = players->config.requests;
	config.timeout_ns = players->config.timeout_ns;
	config.seed = players->config.seed + player;
	config.secret = chance;
	config.key = players->config.post.key;
	config.ttl_ms = ttl_ms;
	return client_new(&players->player[player].client, &config);
}

static int new_watcher(struct players *players)
{
	struct watcher_config config;
	uint64_t chance;

	if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance)) {
		return -errno;
	}
	watcher_config_default(&config);
	config.servers = players->config.post.count;
	config.watches_max = 2 * players->config.count; /* the former one may not be gone yet */
	config.seed = ~players->config.seed;
	config.secret = chance;
	config.key = players->config.post.key;
	return watcher_new(&players->watcher, &config);
}

int players_new(struct players **ret_players, const struct players_config *config)
{
	struct players *players = calloc(1, sizeof(*players));
	int r;

	must(players != NULL);
	must(config->count >= 1 && config->count <= PLAYERS_MAX);
	players->config = *config;
	players->player = calloc(config->count, sizeof(*players->player));
	players->watched = calloc(2 * (size_t)config->count, sizeof(*players->watched));
	must(players->player != NULL && players->watched != NULL);
	route_init(&players->route);
	r = post_open(&players->post, &config->post);
	if (r == 0) {
		r = new_watcher(players);
	}
	for (unsigned i = 0; r == 0 && i < config->count; i++) {
		r = new_client(players, i, TTL_MS);
	}
	if (r < 0) {
		players_free(players);
		return r;
	}
	players->last_ns = report_now_ns();
	*ret_players = players;
	return 0;
}

void players_free(struct players *players)
{
	if (players == NULL) {
		return;
	}
	for (unsigned i = 0; i < players->config.count; i++) {
		client_free(players->player[i].client);
	}
	watcher_free(players->watcher);
	post_close(players->post);
	free(players->player);
	free(players->watched);
	free(players);
}

void players_listen(struct players *players, players_done_fn *done, players_event_fn *event,
                    void *context)
{
	players->done = done;
	players->event = event;
	players->context = context;
}

/* --- what comes, and what goes -------------------------------------------------------------- */

static void take_effects(struct players *players, unsigned index, uint64_t now_ns)
{
	struct client *client = players->player[index].client;
	struct client_effect effect;

	while (client != NULL && client_take(client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			route_sent(&players->route, index, effect.bytes);
			post_put(players->post, effect.server, effect.bytes);
			continue;
		}
		if (effect.result.outcome == CLIENT_DONE) {
			players->durability = effect.result.answer.durability;
			players->leader = effect.result.answer.leader;
		}
		players->done(players->context, index, now_ns, &effect.result);
		client = players->player[index].client; /* it may have died of it */
	}
}

static void take_news(struct players *players, uint64_t now_ns)
{
	struct watcher_effect effect;

	while (watcher_take(players->watcher, &effect)) {
		const unsigned index = players->watched[watcher_index(effect.tag)];

		if (effect.kind == WATCHER_EFFECT_SEND) {
			post_put(players->post, effect.server, effect.bytes);
		} else if (effect.kind == WATCHER_EFFECT_EVENT &&
		           players->player[index].watch == effect.tag) {
			players->event(players->context, index, now_ns, &effect.event);
		} else if (effect.kind == WATCHER_EFFECT_END &&
		           players->player[index].watch == effect.tag) {
			players->player[index].watch = 0;
		}
	}
}

static void hear(struct players *players, uint64_t now_ns, unsigned server, struct slice bytes)
{
	unsigned index, end;

	if (watcher_is_for(bytes)) {
		watcher_receive(players->watcher, now_ns, server, bytes);
		take_news(players, now_ns);
		return;
	}
	index = route_find(&players->route, bytes);
	end = index + 1;
	if (index == ROUTE_ALL) {
		index = 0;
		end = players->config.count;
	}
	for (; index < end; index++) {
		if (players->player[index].client != NULL) {
			client_receive(players->player[index].client, now_ns, server, bytes);
			take_effects(players, index, now_ns);
		}
	}
}

static void look_after(struct players *players, uint64_t now_ns)
{
	unsigned server;

	while (post_refused(players->post, &server)) {
		watcher_unreachable(players->watcher, now_ns, server);
		for (unsigned i = 0; i < players->config.count; i++) {
			if (players->player[i].client != NULL) {
				client_unreachable(players->player[i].client, now_ns, server);
				take_effects(players, i, now_ns);
			}
		}
	}
	for (unsigned i = 0; i < players->config.count; i++) {
		struct client *client = players->player[i].client;

		if (client != NULL && client_deadline_ns(client) <= now_ns) {
			client_tick(client, now_ns);
			take_effects(players, i, now_ns);
		}
	}
	watcher_tick(players->watcher, now_ns);
	take_news(players, now_ns);
	if (now_ns >= players->heal_ns) {
		post_heal(players->post);
		players->heal_ns = now_ns + HEAL_NS;
	}
}

void players_turn(struct players *players)
{
	const uint64_t now_ns = report_now_ns();
	unsigned server, done = 0;
	struct slice bytes;

	if (now_ns - players->last_ns > players->gap_ns) {
		players->gap_ns = now_ns - players->last_ns;
	}
	players->last_ns = now_ns;
	while (done < TURN_MAX && post_get(players->post, &server, &bytes)) {
		hear(players, report_now_ns(), server, bytes);
		done++;
	}
	if (now_ns >= players->tick_ns) {
		players->tick_ns = now_ns + TICK_NS;
		look_after(players, now_ns);
	}
	post_flush(players->post);
	if (done == 0) {
		(void)sched_yield();
	}
}

/* --- what players do ------------------------------------------------------------------------ */

void players_ask(struct players *players, unsigned player, const struct store_op *op,
                 uint64_t context)
{
	const uint64_t now_ns = report_now_ns();
	struct client_request request = {.verb = PROTO_TXN, .context = context};
	struct store_txn_writer writer;
	uint8_t memory[TXN_SIZE];

	store_txn_begin(&writer, memory, sizeof(memory));
	store_txn_then(&writer, op);
	request.value = store_txn_end(&writer);
	must(request.value.size > 0);
	must(client_submit(players->player[player].client, now_ns, &request, NULL) == 0);
	take_effects(players, player, now_ns);
}

void players_send(struct players *players, unsigned player, enum proto_verb verb, struct slice path)
{
	const struct client_request request = {.verb = verb, .path = path};
	const uint64_t now_ns = report_now_ns();

	must(client_submit(players->player[player].client, now_ns, &request, NULL) == 0);
	take_effects(players, player, now_ns);
}

static void unwatch(struct players *players, unsigned player, uint64_t now_ns)
{
	if (players->player[player].watch != 0) {
		must(watcher_unwatch(players->watcher, now_ns, players->player[player].watch) == 0);
		players->player[player].watch = 0;
	}
}

void players_watch(struct players *players, unsigned player, struct slice path, store_rev_t from)
{
	const struct watcher_request request = {.glob = path, .from = from};
	const uint64_t now_ns = report_now_ns();
	uint64_t tag;

	unwatch(players, player, now_ns);
	must(watcher_watch(players->watcher, now_ns, &request, &tag) == 0);
	players->player[player].watch = tag;
	players->watched[watcher_index(tag)] = player;
	take_news(players, now_ns);
}

int players_replace(struct players *players, unsigned player, uint32_t ttl_ms)
{
	unwatch(players, player, report_now_ns());
	client_free(players->player[player].client);
	players->player[player].client = NULL;
	return new_client(players, player, ttl_ms);
}

uint64_t players_gap_ns(struct players *players)
{
	const uint64_t gap_ns = players->gap_ns;

	players->gap_ns = 0;
	return gap_ns;
}

unsigned players_durability(const struct players *players)
{
	return players->durability;
}

unsigned players_leader(const struct players *players)
{
	return players->leader;
}
