/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zookeeper-lock.c - locks of ZooKeeper, by its recipe, for bench/compare
 *
 * The recipe of its documentation: a sequential ephemeral node below the lock's; the lowest holds
 * it, each other watches the one ahead of it and looks anew when that goes. Without threads, by the
 * C client for one thread. One line of JSON at the end (contest.h).
 */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#include "bench/contest.h"
#include "bench/option.h"
#include "bench/report.h"
#include "store/base/check.h"

enum {
	TURN_MS = 1,
	PATH_SIZE = 128,
	SESSION_MS = 30000,
};

#define PATIENCE_NS ((uint64_t)60000000000u)

/* A lock that a player holds, wants or gives back. */
struct claim {
	struct zookeeper *zookeeper;
	unsigned player, slot;
	char lock[PATH_SIZE], node[PATH_SIZE];
};

struct player {
	zhandle_t *handle; /* NULL: none, or dead; that of a dead one is never closed */
	uint32_t ttl_ms;
	struct claim claims[CONTEST_SLOTS];
};

struct zookeeper {
	struct contest_config config;
	const char *servers;
	struct contest *contest;
	struct player players[CONTEST_PLAYERS];
	unsigned making; /* nodes of locks that are not made yet */
	int error;
};

static const struct argp_option options[] = {
	{"servers", 's', "LIST", 0, "host:port,host:port of those that are asked", 0},
	{0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct zookeeper *zookeeper = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &zookeeper->config;
		break;
	case 's':
		zookeeper->servers = argument;
		break;
	case ARGP_KEY_END:
		if (zookeeper->servers == NULL) {
			argp_error(state, "want --servers");
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- the recipe ----------------------------------------------------------------------------- */

static void look(struct claim *claim);

static void end(const struct claim *claim, int code)
{
	contest_done(claim->zookeeper->contest, claim->player, claim->slot, code == ZOK);
}

static zhandle_t *handle_of(const struct claim *claim)
{
	return claim->zookeeper->players[claim->player].handle;
}

static struct claim *claim_of(const void *data)
{
	return (struct claim *)(uintptr_t)data;
}

/* The one ahead is gone. What sessions say comes here, too. */
static void on_change(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	(void)handle;
	(void)state;
	(void)path;
	if (type == ZOO_DELETED_EVENT) {
		look(context);
	}
}

static void on_watched(int code, const struct Stat *status, const void *data)
{
	(void)status;
	if (code == ZNONODE) {
		look(claim_of(data)); /* it went meanwhile */
	} else if (code != ZOK) {
		end(data, code);
	}
}

/* Nodes are "lock-" and ten digits, so names stand in the order in which they were made. */
static void on_children(int code, const struct String_vector *names, const void *data)
{
	struct claim *claim = claim_of(data);
	const char *own = strrchr(claim->node, '/'), *ahead = NULL;
	char path[2 * PATH_SIZE];

	if (code != ZOK) {
		end(claim, code);
		return;
	}
	must(own != NULL);
	for (int32_t i = 0; i < names->count; i++) {
		const char *name = names->data[i];

		if (strcmp(name, own + 1) < 0 && (ahead == NULL || strcmp(name, ahead) > 0)) {
			ahead = name;
		}
	}
	if (ahead == NULL) {
		end(claim, ZOK);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/%s", claim->lock, ahead);
	code = zoo_awexists(handle_of(claim), path, on_change, claim, on_watched, claim);
	if (code != ZOK) {
		end(claim, code);
	}
}

static void look(struct claim *claim)
{
	const int code = zoo_aget_children(handle_of(claim), claim->lock, 0, on_children, claim);

	if (code != ZOK) {
		end(claim, code);
	}
}

static void on_made(int code, const char *path, const void *data)
{
	struct claim *claim = claim_of(data);

	if (code != ZOK) {
		end(claim, code);
		return;
	}
	(void)snprintf(claim->node, sizeof(claim->node), "%s", path);
	look(claim);
}

static void on_deleted(int code, const void *data)
{
	end(data, code);
}

static void lock(void *context, unsigned player, unsigned slot, const char *name)
{
	struct zookeeper *zookeeper = context;
	struct claim *claim = &zookeeper->players[player].claims[slot];
	char path[2 * PATH_SIZE];

	claim->zookeeper = zookeeper;
	claim->player = player;
	claim->slot = slot;
	(void)snprintf(claim->lock, sizeof(claim->lock), "%s", name);
	(void)snprintf(path, sizeof(path), "%s/lock-", name);
	if (zoo_acreate(handle_of(claim), path, "", 0, &ZOO_OPEN_ACL_UNSAFE,
	                ZOO_EPHEMERAL | ZOO_SEQUENCE, on_made, claim) != ZOK) {
		zookeeper->error = -ECONNRESET;
	}
}

static void unlock(void *context, unsigned player, unsigned slot, const char *name)
{
	struct zookeeper *zookeeper = context;
	struct claim *claim = &zookeeper->players[player].claims[slot];

	(void)name;
	if (zoo_adelete(handle_of(claim), claim->node, -1, on_deleted, claim) != ZOK) {
		zookeeper->error = -ECONNRESET;
	}
}

/* --- sessions ------------------------------------------------------------------------------- */

/* Asks each handle what it waits for. Returns for how many ms it may. */
static int prepare(struct zookeeper *zookeeper, struct pollfd *files)
{
	int wait_ms = TURN_MS;

	for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
		zhandle_t *handle = zookeeper->players[i].handle;
		struct timeval wait = {0};
		int interest = 0, fd = -1;

		files[i] = (struct pollfd){.fd = -1};
		if (handle == NULL) {
			continue;
		}
		if (zookeeper_interest(handle, &fd, &interest, &wait) != ZOK) {
			wait_ms = 0; /* it connects anew with the next call */
			continue;
		}
		files[i].fd = fd;
		files[i].events = (short)(((interest & ZOOKEEPER_READ) != 0 ? POLLIN : 0) |
		                          ((interest & ZOOKEEPER_WRITE) != 0 ? POLLOUT : 0));
	}
	return wait_ms;
}

static int turn(void *context)
{
	struct zookeeper *zookeeper = context;
	struct pollfd files[CONTEST_PLAYERS];
	const int wait_ms = prepare(zookeeper, files);

	if (poll(files, CONTEST_PLAYERS, wait_ms) < 0 && errno != EINTR) {
		return -errno;
	}
	for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
		const int events = ((files[i].revents & ~POLLOUT) != 0 ? ZOOKEEPER_READ : 0) |
		                   ((files[i].revents & POLLOUT) != 0 ? ZOOKEEPER_WRITE : 0);

		if (zookeeper->players[i].handle != NULL && files[i].fd >= 0) {
			(void)zookeeper_process(zookeeper->players[i].handle, events);
		}
	}
	return zookeeper->error;
}

static void on_session(zhandle_t *handle, int type, int state, const char *path, void *context)
{
	struct zookeeper *zookeeper = context;

	(void)handle;
	(void)path;
	if (type == ZOO_SESSION_EVENT && state == ZOO_EXPIRED_SESSION_STATE) {
		zookeeper->error = -ESTALE;
	}
}

static int open_session(void *context, unsigned index, uint32_t ttl_ms)
{
	struct zookeeper *zookeeper = context;
	struct player *player = &zookeeper->players[index];
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;
	int r = 0;

	if (player->handle != NULL) {
		(void)zookeeper_close(player->handle);
	}
	player->handle =
		zookeeper_init(zookeeper->servers, on_session, (int)ttl_ms, NULL, zookeeper, 0);
	if (player->handle == NULL) {
		return -errno;
	}
	while (r == 0 && zoo_state(player->handle) != ZOO_CONNECTED_STATE) {
		r = report_now_ns() > end_ns ? -ETIMEDOUT : turn(zookeeper);
	}
	player->ttl_ms = (uint32_t)zoo_recv_timeout(player->handle);
	return r;
}

static uint32_t ttl_of(void *context, unsigned index)
{
	const struct zookeeper *zookeeper = context;

	return zookeeper->players[index].ttl_ms;
}

static void kill_player(void *context, unsigned index)
{
	struct zookeeper *zookeeper = context;

	zookeeper->players[index].handle = NULL;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void on_lock_made(int code, const char *path, const void *data)
{
	struct zookeeper *zookeeper = (struct zookeeper *)(uintptr_t)data;

	(void)path;
	zookeeper->making--;
	if (code != ZOK && code != ZNODEEXISTS) {
		zookeeper->error = -EPROTO;
	}
}

static void make(struct zookeeper *zookeeper, const char *path)
{
	zookeeper->making++;
	if (zoo_acreate(zookeeper->players[0].handle, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0,
	                on_lock_made, zookeeper) != ZOK) {
		zookeeper->error = -ECONNRESET;
	}
}

/* A lock is a node that its waiters stand below. */
static int begin(void *context, struct contest *contest)
{
	struct zookeeper *zookeeper = context;
	static const char *const paths[] = {"/bench",     "/bench/free",  "/bench/passed",
	                                    "/bench/one", "/bench/death", "/bench/many"};
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;
	int r;

	zookeeper->contest = contest;
	r = open_session(zookeeper, 0, SESSION_MS);
	for (size_t i = 0; r == 0 && i < sizeof(paths) / sizeof(paths[0]); i++) {
		make(zookeeper, paths[i]);
	}
	for (unsigned i = 0; r == 0 && i < zookeeper->config.locks; i++) {
		char path[PATH_SIZE];

		(void)snprintf(path, sizeof(path), "/bench/many/%u", i);
		make(zookeeper, path);
		r = i % 64 == 0 ? turn(zookeeper) : 0;
	}
	while (r == 0 && zookeeper->making != 0) {
		r = report_now_ns() > end_ns ? -ETIMEDOUT : turn(zookeeper);
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &contest_argp}, {0}};
	static const struct argp argp = {
		.options = options, .parser = take_option, .children = children};
	static struct zookeeper zookeeper = {
		.config = {.locks = 10000, .deaths = 5, .ttls_ms = {4000}, .seconds = 2}};
	const struct contest_side side = {.name = "zookeeper",
	                                  .context = &zookeeper,
	                                  .begin = begin,
	                                  .open = open_session,
	                                  .ttl_ms = ttl_of,
	                                  .lock = lock,
	                                  .unlock = unlock,
	                                  .kill = kill_player,
	                                  .turn = turn};

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &zookeeper) != 0) {
		return 2;
	}
	zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
	return contest_run(&zookeeper.config, &side);
}
