/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcd-load.c - pipelined writes to etcd, for bench/compare
 *
 * Closed loop over gRPC, etcd's own protocol: connections x streams calls under way, one thread,
 * epoll. One line of JSON at the end. Latency from the call to its answer.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/grpc_line.h"
#include "bench/hist.h"
#include "bench/option.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/base/wire.h"

enum {
	CONNECTIONS_MAX = 1000,
	ENDPOINTS_MAX = 7,
	VALUE_SIZE_MAX = 4096,
	EVENTS = 256,
};

struct load {
	unsigned ports[ENDPOINTS_MAX], port_count;
	unsigned connection_count, streams, value_size, keys;
	double seconds, warm_up_seconds;
	int epoll;
	struct grpc_line *connections;
	struct prng prng;
	uint64_t count_from_ns, count_to_ns, done, errors;
	struct hist hist;
};

static const struct argp_option options[] = {
	{"ports", 'p', "LIST", 0, "client ports of the members on 127.0.0.1", 0},
	{"connections", 'c', "N", 0, "in all, spread over the ports (default 100)", 0},
	{"streams", 's', "N", 0, "calls under way on each connection (default 10)", 0},
	{"value-size", 'v', "BYTES", 0, "(default 64)", 0},
	{"keys", 'k', "N", 0, "(default 1000)", 0},
	{"seconds", 't', "S", 0, "(default 5)", 0},
	{"warm-up", 'w', "S", 0, "(default 1)", 0},
	{0},
};

static void take_ports(struct argp_state *state, char *list, struct load *load)
{
	char *one;

	load->port_count = 0;
	while ((one = strsep(&list, ",")) != NULL) {
		if (load->port_count == ENDPOINTS_MAX) {
			argp_error(state, "too many ports");
		}
		load->ports[load->port_count++] = option_count(state, "ports", one, 1, 65535);
	}
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct load *load = state->input;

	switch (key) {
	case 'p':
		take_ports(state, argument, load);
		break;
	case 'c':
		load->connection_count =
			option_count(state, "connections", argument, 1, CONNECTIONS_MAX);
		break;
	case 's':
		load->streams = option_count(state, "streams", argument, 1, GRPC_CALLS_MAX);
		break;
	case 'v':
		load->value_size = option_count(state, "value-size", argument, 0, VALUE_SIZE_MAX);
		break;
	case 'k':
		load->keys = option_count(state, "keys", argument, 1, 10000000);
		break;
	case 't':
		load->seconds = option_number(state, "seconds", argument, 0.1, 3600);
		break;
	case 'w':
		load->warm_up_seconds = option_number(state, "warm-up", argument, 0, 3600);
		break;
	case ARGP_KEY_END:
		if (load->port_count == 0) {
			argp_error(state, "want --ports");
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- one connection ------------------------------------------------------------------------- */

/* etcdserverpb.PutRequest: key = 1, value = 2, both bytes. */
static struct slice make_put(struct load *load, uint8_t *memory, size_t size)
{
	static uint8_t value[VALUE_SIZE_MAX];
	struct wire_writer writer = wire_writer_make(memory, size);
	const uint64_t chance = prng_next(&load->prng);
	char key[32];
	const int key_size = snprintf(key, sizeof(key), "/bench/%010u",
	                              (unsigned)prng_below(&load->prng, load->keys));

	memset(value, 'a', load->value_size);
	memcpy(value, &chance, load->value_size < 8 ? load->value_size : 8);
	grpc_put_bytes(&writer, 1, slice_make(key, (size_t)key_size));
	grpc_put_bytes(&writer, 2, slice_make(value, load->value_size));
	must(wire_written_ok(&writer));
	return wire_written(&writer);
}

static void ask(struct load *load, struct grpc_line *connection, uint64_t now_ns)
{
	uint8_t memory[GRPC_MESSAGE_SIZE_MAX];

	while (connection->grpc.under_way < load->streams &&
	       grpc_call(&connection->grpc, now_ns, make_put(load, memory, sizeof(memory)))) {
	}
}

/* False: the connection is gone. */
static bool send_output(struct load *load, struct grpc_line *connection)
{
	const bool wanted_out = connection->wants_out;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

	if (!grpc_line_flush(connection)) {
		return false;
	}
	if (connection->wants_out != wanted_out) {
		event.events |= connection->wants_out ? EPOLLOUT : 0;
		(void)epoll_ctl(load->epoll, EPOLL_CTL_MOD, connection->fd, &event);
	}
	return true;
}

static void count_calls(struct load *load, struct grpc_line *connection, uint64_t now_ns)
{
	struct grpc_call call;

	while (grpc_next(&connection->grpc, &call)) {
		if (now_ns < load->count_from_ns || now_ns >= load->count_to_ns) {
			continue;
		}
		if (call.answered) {
			load->done++;
			hist_add(&load->hist, now_ns - call.start_ns);
		} else {
			load->errors++;
		}
	}
}

static bool turn(struct load *load, struct grpc_line *connection, unsigned events)
{
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
		const bool is_there = grpc_line_hear(connection);
		const uint64_t now_ns = report_now_ns();

		if (!is_there) {
			return false;
		}
		count_calls(load, connection, now_ns);
		ask(load, connection, now_ns);
	}
	return send_output(load, connection);
}

static int open_connection(struct load *load, unsigned index)
{
	struct grpc_line *connection = &load->connections[index];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	const int r = grpc_line_open(connection, load->ports[index % load->port_count],
	                             "/etcdserverpb.KV/Put");

	if (r == 0 && epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->fd, &event) < 0) {
		return -errno;
	}
	return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int run(struct load *load)
{
	struct epoll_event events[EVENTS];
	uint64_t now_ns = report_now_ns();

	load->count_from_ns = now_ns + (uint64_t)(load->warm_up_seconds * 1e9);
	load->count_to_ns = load->count_from_ns + (uint64_t)(load->seconds * 1e9);
	for (unsigned i = 0; i < load->connection_count; i++) {
		ask(load, &load->connections[i], now_ns);
		if (!send_output(load, &load->connections[i])) {
			return -ECONNRESET;
		}
	}
	while ((now_ns = report_now_ns()) < load->count_to_ns) {
		const int count = epoll_wait(load->epoll, events, EVENTS, 100);

		for (int i = 0; i < count; i++) {
			if (!turn(load, events[i].data.ptr, events[i].events)) {
				return -ECONNRESET;
			}
		}
	}
	return 0;
}

static void print_report(const struct load *load)
{
	json_t *report = json_object();

	(void)json_object_set_new(report, "what", json_string("etcd write"));
	(void)json_object_set_new(report, "connections", json_integer(load->connection_count));
	(void)json_object_set_new(report, "streams", json_integer(load->streams));
	(void)json_object_set_new(report, "endpoints", json_integer(load->port_count));
	(void)json_object_set_new(report, "value_size", json_integer(load->value_size));
	(void)json_object_set_new(report, "latency", report_latency(&load->hist));
	(void)json_object_set_new(report, "throughput_per_s",
	                          json_real((double)load->done / load->seconds));
	(void)json_object_set_new(report, "errors", json_integer((json_int_t)load->errors));
	report_print(report, 1);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.options = options, .parser = take_option};
	static struct load load = {.connection_count = 100,
	                           .streams = 10,
	                           .value_size = 64,
	                           .keys = 1000,
	                           .seconds = 5,
	                           .warm_up_seconds = 1};
	int r = 0;

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &load) != 0) {
		return 2;
	}
	prng_init(&load.prng, 1);
	hist_init(&load.hist);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.connections = calloc(load.connection_count, sizeof(*load.connections));
	if (load.epoll < 0 || load.connections == NULL) {
		perror("etcd-load");
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < load.connection_count && r == 0; i++) {
		r = open_connection(&load, i);
	}
	if (r == 0) {
		r = run(&load);
	}
	if (r < 0) {
		(void)fprintf(stderr, "etcd-load: %s\n", strerror(-r));
	} else {
		print_report(&load);
	}
	free(load.connections); /* sockets go with the process */
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
