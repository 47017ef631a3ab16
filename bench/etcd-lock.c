/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcd-lock.c - locks of etcd, by its own lock RPC, for bench/compare
 *
 * v3lockpb.Lock and Unlock, a lease for each player, kept alive each third of its time to live. A
 * call to Lock is answered when the lock is held: who waits, waits in the server. One connection
 * for each method. One line of JSON at the end (contest.h).
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "bench/contest.h"
#include "bench/grpc_line.h"
#include "bench/option.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/base/wire.h"

enum method {
	METHOD_GRANT,
	METHOD_ALIVE,
	METHOD_LOCK,
	METHOD_UNLOCK,
	METHODS,
};

enum {
	MESSAGE_SIZE = 256,
	TURN_MS = 1,
};

#define PATIENCE_NS ((uint64_t)20000000000u)

struct player {
	uint64_t lease;
	uint32_t ttl_ms;
	bool is_open, is_dead;
	uint64_t alive_ns; /* when the next keep-alive is due */
};

struct owner {
	uint16_t player, slot;
};

struct etcd {
	struct contest_config config;
	unsigned port;
	struct contest *contest;
	struct grpc_line lines[METHODS];
	struct owner owners[METHODS][GRPC_PLACES];
	struct player players[CONTEST_PLAYERS];
	uint64_t next_lease;
	int error;
};

static const struct argp_option options[] = {
	{"port", 'p', "PORT", 0, "client port of a member on 127.0.0.1", 0},
	{0},
};

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct etcd *etcd = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &etcd->config;
		break;
	case 'p':
		etcd->port = option_count(state, "port", argument, 1, 65535);
		break;
	case ARGP_KEY_END:
		if (etcd->port == 0) {
			argp_error(state, "want --port");
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- what comes and goes ---------------------------------------------------------------------- */

static void call(struct etcd *etcd, enum method method, unsigned player, unsigned slot,
                 const struct wire_writer *message)
{
	struct grpc *grpc = &etcd->lines[method].grpc;
	const uint32_t stream = grpc->next_stream;

	must(wire_written_ok(message));
	if (!grpc_call(grpc, report_now_ns(), wire_written(message))) {
		etcd->error = -ECONNRESET; /* there is room for all that are under way */
		return;
	}
	etcd->owners[method][stream / 2 % GRPC_PLACES] =
		(struct owner){.player = (uint16_t)player, .slot = (uint16_t)slot};
}

static void take(struct etcd *etcd, enum method method)
{
	struct grpc_call ended;

	while (grpc_next(&etcd->lines[method].grpc, &ended)) {
		const struct owner owner = etcd->owners[method][ended.stream / 2 % GRPC_PLACES];

		if (method == METHOD_GRANT) {
			etcd->players[owner.player].is_open = ended.answered;
		} else if (method != METHOD_ALIVE && !etcd->players[owner.player].is_dead) {
			contest_done(etcd->contest, owner.player, owner.slot, ended.answered);
		}
	}
}

static void keep_alive(struct etcd *etcd, uint64_t now_ns)
{
	for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
		struct player *player = &etcd->players[i];
		uint8_t memory[MESSAGE_SIZE];
		struct wire_writer writer = wire_writer_make(memory, sizeof(memory));

		if (!player->is_open || player->is_dead || now_ns < player->alive_ns) {
			continue;
		}
		player->alive_ns = now_ns + (uint64_t)player->ttl_ms * 1000000 / 3;
		grpc_put_number(&writer, 1, player->lease);
		call(etcd, METHOD_ALIVE, i, 0, &writer);
	}
}

static int turn(void *context)
{
	struct etcd *etcd = context;
	struct pollfd files[METHODS];

	keep_alive(etcd, report_now_ns());
	for (unsigned i = 0; i < METHODS; i++) {
		if (!grpc_line_flush(&etcd->lines[i])) {
			return -ECONNRESET;
		}
		files[i] = (struct pollfd){
			.fd = etcd->lines[i].fd,
			.events = (short)(POLLIN | (etcd->lines[i].wants_out ? POLLOUT : 0))};
	}
	if (poll(files, METHODS, TURN_MS) < 0 && errno != EINTR) {
		return -errno;
	}
	for (unsigned i = 0; i < METHODS; i++) {
		if ((files[i].revents & ~POLLOUT) != 0 && !grpc_line_hear(&etcd->lines[i])) {
			return -ECONNRESET;
		}
		take(etcd, (enum method)i);
	}
	return etcd->error;
}

/* --- what is asked -------------------------------------------------------------------------- */

static int open_session(void *context, unsigned index, uint32_t ttl_ms)
{
	struct etcd *etcd = context;
	struct player *player = &etcd->players[index];
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;
	uint8_t memory[MESSAGE_SIZE];
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));
	int r = 0;

	*player = (struct player){
		.lease = etcd->next_lease++, .ttl_ms = ttl_ms, .alive_ns = report_now_ns()};
	grpc_put_number(&writer, 1, ttl_ms / 1000);
	grpc_put_number(&writer, 2, player->lease);
	call(etcd, METHOD_GRANT, index, 0, &writer);
	while (r == 0 && !player->is_open) {
		r = report_now_ns() > end_ns ? -ETIMEDOUT : turn(etcd);
	}
	return r;
}

static uint32_t ttl_of(void *context, unsigned index)
{
	const struct etcd *etcd = context;

	return etcd->players[index].ttl_ms; /* it grants what is asked, from 2 s on */
}

static void lock(void *context, unsigned player, unsigned slot, const char *name)
{
	struct etcd *etcd = context;
	uint8_t memory[MESSAGE_SIZE];
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));

	grpc_put_bytes(&writer, 1, slice_text(name));
	grpc_put_number(&writer, 2, etcd->players[player].lease);
	call(etcd, METHOD_LOCK, player, slot, &writer);
}

/* The key that a lock is held by is its name, a slash and the lease. */
static void unlock(void *context, unsigned player, unsigned slot, const char *name)
{
	struct etcd *etcd = context;
	uint8_t memory[MESSAGE_SIZE];
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));
	char key[CONTEST_NAME_SIZE + 20];

	(void)snprintf(key, sizeof(key), "%s/%" PRIx64, name, etcd->players[player].lease);
	grpc_put_bytes(&writer, 1, slice_text(key));
	call(etcd, METHOD_UNLOCK, player, slot, &writer);
}

static void kill_player(void *context, unsigned player)
{
	struct etcd *etcd = context;

	etcd->players[player].is_dead = true;
}

static int begin(void *context, struct contest *contest)
{
	static const char *const paths[METHODS] = {
		"/etcdserverpb.Lease/LeaseGrant",
		"/etcdserverpb.Lease/LeaseKeepAlive",
		"/v3lockpb.Lock/Lock",
		"/v3lockpb.Lock/Unlock",
	};
	struct etcd *etcd = context;
	int r = 0;

	etcd->contest = contest;
	etcd->next_lease = (report_now_ns() & INT64_MAX) | 1;
	for (unsigned i = 0; r == 0 && i < METHODS; i++) {
		r = grpc_line_open(&etcd->lines[i], etcd->port, paths[i]);
	}
	return r;
}

int main(int argc, char **argv)
{
	static const struct argp_child children[] = {{.argp = &contest_argp}, {0}};
	static const struct argp argp = {
		.options = options, .parser = take_option, .children = children};
	static struct etcd etcd = {
		.config = {.locks = 10000, .deaths = 5, .ttls_ms = {2000, 5000}, .seconds = 2}};
	const struct contest_side side = {.name = "etcd",
	                                  .context = &etcd,
	                                  .begin = begin,
	                                  .open = open_session,
	                                  .ttl_ms = ttl_of,
	                                  .lock = lock,
	                                  .unlock = unlock,
	                                  .kill = kill_player,
	                                  .turn = turn};

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &etcd) != 0) {
		return 2;
	}
	return contest_run(&etcd.config, &side);
}
