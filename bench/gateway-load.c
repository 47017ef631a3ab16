/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway-load.c - Doozer clients for the gateway: ones that ask, or ones that mean harm
 *
 *      asking    closed loop: connections x outstanding requests under way, one thread, epoll
 *      hostile   kinds in turn: unknown verbs as fast as they are answered; reads whose answers are
 *                never taken; garbage; half a long frame, a byte at a time; as many waits as may
 *                be; connections that end at once. Whoever is closed comes again.
 *
 * One line of JSON at the end.
 */
#include <argp.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/hist.h"
#include "bench/option.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/base/wire.h"

enum {
	CONNECTIONS_MAX = 10000,
	OUTSTANDING_MAX = 64,
	ENDPOINTS_MAX = 7,
	FRAME_SIZE = 64,
	FLOOD_FRAMES = 64,
	READ_SIZE = 65536,
	EVENTS = 256,
	WAITS = 1024,
	/* of Doozer */
	VERB_GET = 1,
	VERB_SET = 2,
	VERB_WAIT = 6,
	VERB_NONE = 98,
};

enum kind {
	ASKING = 0,
	FLOOD, /* the first of the hostile ones */
	DEAF,
	GARBAGE,
	TRICKLE,
	WAITING,
	BRIEF,
	KIND_COUNT,
};

struct connection {
	int fd;
	unsigned endpoint;
	enum kind kind;
	size_t sent;                        /* of what it has to send */
	uint8_t head[4];                    /* of the answer that comes */
	uint32_t head_size, body;           /* of it; body bytes still to come */
	uint64_t start_ns[OUTSTANDING_MAX]; /* by tag */
};

struct load {
	struct sockaddr_in endpoints[ENDPOINTS_MAX];
	unsigned endpoint_count, connection_count, outstanding;
	unsigned verb;
	bool hostile;
	unsigned kind; /* of the hostile ones; 0: all */
	double seconds;
	int epoll;
	struct connection *connections;
	uint64_t done, bytes_sent, opened, closed;
	struct hist hist;
};

static const struct argp_option options[] = {
	{"servers", 's', "LIST", 0, "IP:PORT,... of the gateways", 0},
	{"connections", 'c', "N", 0, "in all, spread over the gateways (default 16)", 0},
	{"outstanding", 'o', "N", 0, "requests under way on each, 1 to 64 (default 1)", 0},
	{"write", 'w', NULL, 0, "SET in place of GET", 0},
	{"hostile", 'h', NULL, 0, "mean harm", 0},
	{"kind", 'k', "N", 0, "of the hostile ones, 1 to 6 as in gateway-load.c (default: all)", 0},
	{"seconds", 't', "S", 0, "(default 5)", 0},
	{0},
};

static void take_servers(struct argp_state *state, char *list, struct load *load)
{
	char *one;

	while ((one = strsep(&list, ",")) != NULL) {
		struct sockaddr_in *at = &load->endpoints[load->endpoint_count];
		unsigned ip[4], port;

		if (load->endpoint_count == ENDPOINTS_MAX ||
		    sscanf(one, "%u.%u.%u.%u:%u", &ip[0], &ip[1], &ip[2], &ip[3], &port) != 5) {
			argp_error(state, "--servers: want at most %d of IP:PORT", ENDPOINTS_MAX);
			return;
		}
		at->sin_family = AF_INET;
		at->sin_addr.s_addr = htonl(ip[0] << 24 | ip[1] << 16 | ip[2] << 8 | ip[3]);
		at->sin_port = htons((uint16_t)port);
		load->endpoint_count++;
	}
}

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct load *load = state->input;

	switch (key) {
	case 's':
		take_servers(state, argument, load);
		break;
	case 'c':
		load->connection_count =
			option_count(state, "connections", argument, 1, CONNECTIONS_MAX);
		break;
	case 'o':
		load->outstanding =
			option_count(state, "outstanding", argument, 1, OUTSTANDING_MAX);
		break;
	case 'w':
		load->verb = VERB_SET;
		break;
	case 'h':
		load->hostile = true;
		break;
	case 'k':
		load->kind = option_count(state, "kind", argument, 1, KIND_COUNT - 1);
		break;
	case 't':
		load->seconds = option_number(state, "seconds", argument, 0.1, 3600);
		break;
	case ARGP_KEY_END:
		if (load->endpoint_count == 0) {
			argp_error(state, "want --servers");
		}
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* --- frames --------------------------------------------------------------------------------- */

/* Tag and revision below 128 are a byte each; SET with revision -1, which is ten. */
static size_t make_frame(uint8_t *frame, unsigned verb, unsigned tag)
{
	static const uint8_t any_rev[] = {9 << 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1};
	struct wire_writer writer = wire_writer_make(frame + 4, FRAME_SIZE - 4);
	char path[16];

	(void)snprintf(path, sizeof(path), "/bench/%02u", tag % 100);
	wire_put_u8(&writer, 1 << 3);
	wire_put_u8(&writer, (uint8_t)(tag % 128));
	wire_put_u8(&writer, 2 << 3);
	wire_put_u8(&writer, (uint8_t)verb);
	wire_put_u8(&writer, 4 << 3 | 2);
	wire_put_u8(&writer, (uint8_t)strlen(path));
	wire_put(&writer, slice_text(path));
	if (verb == VERB_SET) {
		wire_put_u8(&writer, 5 << 3 | 2);
		wire_put_u8(&writer, 16);
		wire_put(&writer, slice_make("aaaaaaaaaaaaaaaa", 16));
		wire_put(&writer, slice_make(any_rev, sizeof(any_rev)));
	} else if (verb == VERB_WAIT) {
		wire_put_u8(&writer, 9 << 3);
		wire_put_u8(&writer, 1);
	}
	must(wire_written_ok(&writer));
	memset(frame, 0, 3);
	frame[3] = (uint8_t)wire_written(&writer).size;
	return 4U + frame[3];
}

/* What a hostile connection sends, again and again or once. */
static struct slice stuff_of(enum kind kind)
{
	static uint8_t stuff[KIND_COUNT][FRAME_SIZE * WAITS];
	static size_t size[KIND_COUNT];
	const unsigned verb = kind == FLOOD ? VERB_NONE : kind == DEAF ? VERB_GET : VERB_WAIT;
	const unsigned frames = kind == WAITING ? WAITS : FLOOD_FRAMES;

	if (size[kind] != 0) {
		return slice_make(stuff[kind], size[kind]);
	}
	if (kind == GARBAGE) {
		memset(stuff[kind], 0xff, size[kind] = 100);
	} else if (kind == TRICKLE) {
		size[kind] = 60000;
		stuff[kind][2] = 0xf0;
	} else {
		for (unsigned i = 0; i < frames; i++) {
			size[kind] += make_frame(stuff[kind] + size[kind], verb, i);
		}
	}
	return slice_make(stuff[kind], size[kind]);
}

/* --- connections ---------------------------------------------------------------------------- */

static void watch_fd(struct load *load, struct connection *connection, int how, unsigned events)
{
	struct epoll_event event = {.events = events, .data.ptr = connection};

	must(epoll_ctl(load->epoll, how, connection->fd, &event) == 0);
}

static int open_connection(struct load *load, struct connection *connection)
{
	const int yes = 1;

	connection->sent = 0;
	connection->head_size = 0;
	connection->body = 0;
	connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connection->fd < 0 ||
	    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0) {
		return -errno;
	}
	if (connect(connection->fd, (struct sockaddr *)&load->endpoints[connection->endpoint],
	            sizeof(load->endpoints[0])) < 0 &&
	    errno != EINPROGRESS) {
		return -errno;
	}
	watch_fd(load, connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
	load->opened++;
	return 0;
}

static int open_again(struct load *load, struct connection *connection)
{
	(void)close(connection->fd);
	load->closed++;
	return open_connection(load, connection);
}

/* --- asking ---------------------------------------------------------------------------------- */

static int ask(struct load *load, struct connection *connection, unsigned tag)
{
	uint8_t frame[FRAME_SIZE];
	const size_t size = make_frame(frame, load->verb, tag);

	connection->start_ns[tag] = report_now_ns();
	/* At most 64 short frames are under way: they always fit the socket. */
	return send(connection->fd, frame, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -EPIPE;
}

static int ask_first(struct load *load, struct connection *connection)
{
	int r = 0;

	watch_fd(load, connection, EPOLL_CTL_MOD, EPOLLIN);
	for (unsigned tag = 0; tag < load->outstanding && r == 0; tag++) {
		r = ask(load, connection, tag);
	}
	return r;
}

/* An answer begins with its tag: 08 TT. Each is replaced by another request. */
static int take_answers(struct load *load, struct connection *connection)
{
	static uint8_t bytes[READ_SIZE];
	const ssize_t size = recv(connection->fd, bytes, sizeof(bytes), 0);
	uint64_t now_ns = report_now_ns();
	int r = 0;

	if (size <= 0) {
		return size < 0 && errno == EAGAIN ? 0 : -ECONNRESET;
	}
	for (ssize_t i = 0; i < size && r == 0; i++) {
		if (connection->head_size < 4) {
			connection->head[connection->head_size++] = bytes[i];
			connection->body = connection->head[2] * 256U + bytes[i];
			continue;
		}
		if (connection->head_size++ == 5) {
			const unsigned tag = bytes[i] % OUTSTANDING_MAX;

			load->done++;
			hist_add(&load->hist, now_ns - connection->start_ns[tag]);
			r = ask(load, connection, tag);
		}
		if (connection->head_size - 4 == connection->body) {
			connection->head_size = 0;
		}
	}
	return r;
}

/* --- harm ------------------------------------------------------------------------------------ */

static int harm(struct load *load, struct connection *connection, unsigned events)
{
	static uint8_t bytes[READ_SIZE];
	const struct slice stuff = stuff_of(connection->kind);
	const size_t some = connection->kind == TRICKLE ? 1 : stuff.size - connection->sent;
	ssize_t r;

	if (connection->kind == BRIEF && (events & EPOLLOUT) != 0) {
		return open_again(load, connection);
	}
	if ((events & EPOLLIN) != 0 && connection->kind != DEAF) {
		r = recv(connection->fd, bytes, sizeof(bytes), 0);
		if (r == 0 || (r < 0 && errno != EAGAIN)) {
			return open_again(load, connection);
		}
	}
	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		return open_again(load, connection);
	}
	if ((events & EPOLLOUT) == 0) {
		return 0;
	}
	r = send(connection->fd, stuff.data + connection->sent, some, MSG_NOSIGNAL);
	if (r < 0) {
		return errno == EAGAIN ? 0 : open_again(load, connection);
	}
	connection->sent += (size_t)r;
	load->bytes_sent += (uint64_t)r;
	if (connection->sent == stuff.size && connection->kind == WAITING) {
		watch_fd(load, connection, EPOLL_CTL_MOD, EPOLLIN);
	} else if (connection->sent == stuff.size) {
		connection->sent = 0;
	}
	return 0;
}

static int turn(struct load *load, struct connection *connection, unsigned events)
{
	if (connection->kind != ASKING) {
		return harm(load, connection, events);
	}
	return (events & EPOLLOUT) != 0 ? ask_first(load, connection)
	                                : take_answers(load, connection);
}

static enum kind kind_of(const struct load *load, unsigned index)
{
	if (!load->hostile) {
		return ASKING;
	}
	return load->kind != 0 ? (enum kind)load->kind
	                       : FLOOD + index / load->endpoint_count % (KIND_COUNT - FLOOD);
}

static int run(struct load *load)
{
	const uint64_t end_ns = report_now_ns() + (uint64_t)(load->seconds * 1e9);
	struct epoll_event events[EVENTS];
	int r = 0;

	for (unsigned i = 0; i < load->connection_count && r == 0; i++) {
		struct connection *connection = &load->connections[i];

		connection->endpoint = i % load->endpoint_count;
		connection->kind = kind_of(load, i);
		r = open_connection(load, connection);
	}
	while (r == 0 && report_now_ns() < end_ns) {
		const int count = epoll_wait(load->epoll, events, EVENTS, 100);

		for (int i = 0; i < count && r == 0; i++) {
			r = turn(load, events[i].data.ptr, events[i].events);
		}
	}
	return r;
}

static void print_report(const struct load *load)
{
	json_t *report = json_object();

	(void)json_object_set_new(report, "what",
	                          json_string(load->hostile            ? "gateway, hostile"
	                                      : load->verb == VERB_SET ? "gateway write"
	                                                               : "gateway read"));
	(void)json_object_set_new(report, "connections", json_integer(load->connection_count));
	(void)json_object_set_new(report, "opened", json_integer((json_int_t)load->opened));
	(void)json_object_set_new(report, "closed", json_integer((json_int_t)load->closed));
	if (load->hostile) {
		(void)json_object_set_new(report, "bytes_sent",
		                          json_integer((json_int_t)load->bytes_sent));
	} else {
		(void)json_object_set_new(report, "outstanding", json_integer(load->outstanding));
		(void)json_object_set_new(report, "latency", report_latency(&load->hist));
		(void)json_object_set_new(report, "throughput_per_s",
		                          json_real((double)load->done / load->seconds));
	}
	report_print(report, 1);
}

int main(int argc, char **argv)
{
	static const struct argp argp = {.options = options, .parser = take_option};
	static struct load load = {
		.connection_count = 16, .outstanding = 1, .verb = VERB_GET, .seconds = 5};
	struct rlimit limit;
	int r;

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &load) != 0) {
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* else fewer are opened, and it is said */
	}
	hist_init(&load.hist);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.connections = calloc(load.connection_count, sizeof(*load.connections));
	r = load.epoll < 0 || load.connections == NULL ? -ENOMEM : run(&load);
	if (r < 0) {
		(void)fprintf(stderr, "gateway-load: %s\n", strerror(-r));
	} else {
		print_report(&load);
	}
	free(load.connections); /* sockets go with the process */
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
