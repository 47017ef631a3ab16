/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standby.c - a leader, and another one that is warm: it knows all and goes on at once
 *
 * Both campaign, and both watch what the leader writes. The standby is told in the moment in which
 * the leader goes. It leads when it has also seen all that was written before: its token is the
 * revision of its election, and its watch has to pass that. So that this is soon, it writes its
 * name where it watches, and goes on when it has seen that. All is fenced by the token, so nothing
 * of a former leader can come in between.
 *
 * Here both are two handles in one program; the leader resigns in the middle of the work.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <coffer_lock.h>

enum {
	SERVERS = 2,
	STEPS = 10
};

#define ELECTION "/examples/standby"
#define ALL      "/examples/standby/*"
#define STATE    "/examples/standby/state"
#define LEADER   "/examples/standby/leader"

struct server {
	const char *name;
	struct coffer *coffer;
	struct coffer_lock *lock;
	struct coffer_txn *txn;
	uint64_t state; /* as it knows it: how many steps were done */
	int64_t next;   /* everything below was seen */
	int64_t token;  /* 0: it does not lead */
	unsigned steps; /* that it did */
	bool is_asking, is_broken;
};

static bool is_path(const struct coffer_event *event, const char *path)
{
	return event->path_size == strlen(path) && memcmp(event->path, path, event->path_size) == 0;
}

static void on_change(void *context, const struct coffer_news *news)
{
	struct server *server = context;
	uint64_t state;
	char text[32];

	if (news->kind == COFFER_NEWS_END) {
		server->is_broken = true;
		return;
	}
	if (news->kind == COFFER_NEWS_EVENT && is_path(news->event, STATE)) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)news->event->value_size,
		               (const char *)news->event->value);
		state = strtoull(text, NULL, 10);
		/* It only grows; who leads knows its own steps before the watch brings them. */
		server->state = state > server->state ? state : server->state;
	}
	server->next = news->next;
}

static void on_done(void *context, const struct coffer_result *result)
{
	struct server *server = context;

	server->is_asking = false;
	server->is_broken = server->is_broken || result->outcome != COFFER_DONE;
	if (result->outcome == COFFER_DONE && result->number != 0) {
		server->state = (uint64_t)result->number;
		server->steps++;
		(void)printf("%s did step %" PRId64 "\n", server->name, result->number);
	}
}

/* Under the token; the operation is put behind that condition by the caller. */
static void begin(struct server *server)
{
	coffer_txn_clear(server->txn);
	coffer_txn_if_token(server->txn, ELECTION, server->token);
}

static void submit(struct server *server)
{
	server->is_asking = true;
	if (coffer_txn_submit(server->coffer, server->txn, on_done, server, NULL) < 0) {
		server->is_broken = true;
	}
}

static void on_lock(void *context, struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	struct server *server = context;

	(void)lock;
	switch (news->kind) {
	case COFFER_LOCK_WAITING:
		(void)printf("%s stands by\n", server->name);
		break;
	case COFFER_LOCK_HELD:
		(void)printf("%s is elected, term %" PRId64 "\n", server->name, news->token);
		server->token = news->token;
		begin(server);
		coffer_txn_set(server->txn, LEADER, server->name, strlen(server->name), COFFER_ANY,
		               0);
		submit(server);
		break;
	case COFFER_LOCK_WARNING:
		break;
	case COFFER_LOCK_LOST:
	case COFFER_LOCK_RELEASED:
	case COFFER_LOCK_REFUSED:
		server->token = 0;
		break;
	}
}

/* One step, when it leads, knows all, and has nothing under way. */
static void lead(struct server *server)
{
	if (coffer_lock_token(server->lock) == 0 || server->next <= server->token ||
	    server->is_asking || server->state >= STEPS) {
		return;
	}
	if (server->steps == STEPS / 2 && server->state == STEPS / 2) {
		coffer_lock_release(server->lock); /* the other one shall go on */
		return;
	}
	begin(server);
	coffer_txn_add(server->txn, STATE, 1);
	submit(server);
}

static bool open_server(struct server *server, const char *name)
{
	int r;

	server->name = name;
	server->txn = coffer_txn_new();
	r = server->txn == NULL ? -1 : coffer_open(&server->coffer, NULL, NULL);
	if (r == 0) {
		r = coffer_watch(server->coffer, ALL, 1, on_change, server, NULL);
	}
	if (r == 0) {
		r = coffer_lock(server->coffer, ELECTION, NULL, on_lock, server, &server->lock);
	}
	return r == 0;
}

static void turn(struct server *servers)
{
	struct pollfd ready[SERVERS];

	for (unsigned i = 0; i < SERVERS; i++) {
		ready[i] = (struct pollfd){.fd = coffer_fd(servers[i].coffer), .events = POLLIN};
	}
	(void)poll(ready, SERVERS, -1);
	for (unsigned i = 0; i < SERVERS; i++) {
		(void)coffer_process(servers[i].coffer);
		lead(&servers[i]);
	}
}

int main(void)
{
	struct server servers[SERVERS] = {{0}, {0}};
	bool good = open_server(&servers[0], "A") && open_server(&servers[1], "B");

	while (good && (servers[0].state < STEPS || servers[1].state < STEPS)) {
		turn(servers);
		good = !servers[0].is_broken && !servers[1].is_broken;
	}
	good = good && servers[0].steps == STEPS / 2 && servers[1].steps == STEPS / 2;
	for (unsigned i = 0; i < SERVERS; i++) {
		coffer_close(servers[i].coffer);
		coffer_txn_free(servers[i].txn);
	}
	return good ? 0 : 1;
}
