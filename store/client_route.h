/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_route.h - which server to ask next, and how long to wait for it
 *
 *      aim    the server that is thought to lead: linearizable requests and writes go there
 *      near   any server that answers: stale reads and SELF go there
 *
 * The aim follows answers and hints. A server that was silent twice in a row is passed over for a
 * while; for two time-outs only if others say that it leads. Servers are indexes into the client's
 * list; which node each is, is learned from its answers, and guessed to be the order of the list
 * until then.
 *
 * The time-out is that of RFC 6298 (smoothed round trip + 4 x its variation), without its floor of
 * one second.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/prng.h"

enum {
	CLIENT_ROUTE_SERVERS_MAX = 16,
	CLIENT_ROUTE_STRIKES = 2, /* silences in a row after which a server is passed over */
};

struct client_route_server {
	uint8_t node; /* from 1; 0 = not known */
	unsigned strikes;
	uint64_t struck_ns;       /* of the last strike */
	uint64_t heard_ns;        /* 0: never */
	uint64_t silent_until_ns; /* passed over until then */
};

struct client_route {
	unsigned count, aim, near;
	struct client_route_server servers[CLIENT_ROUTE_SERVERS_MAX];
	struct prng prng;                  /* of jitter */
	uint64_t first_ns, min_ns, max_ns; /* of time-outs */
	uint64_t smooth_ns, variation_ns;  /* of the round trip; 0 = not measured */
	uint64_t late_ns;                  /* no time-out is shorter, until the next is measured */
};

/* `count` is 1 to CLIENT_ROUTE_SERVERS_MAX. The three times are left to the caller. */
void client_route_init(struct client_route *route, unsigned count, uint64_t seed);

/* One more server, which is that node. There is room (must). */
void client_route_add(struct client_route *route, uint8_t node);

/* A server said something; `node` is what it calls itself, 0 if it did not tell. */
void client_route_heard(struct client_route *route, uint64_t now_ns, unsigned server, uint8_t node);

/*
 * Nothing came for a datagram sent at sent_ns. Counts only if nothing at all came from that server
 * since, and once for all that was sent before the last strike. May move aim and near.
 */
void client_route_silence(struct client_route *route, uint64_t now_ns, unsigned server,
                          uint64_t sent_ns);

/* Nobody listens there: as silent as can be. */
void client_route_refused(struct client_route *route, uint64_t now_ns, unsigned server);

/*
 * A server said it does not lead, and that the node `leader` does (0: it knows none).
 * Returns true if the aim is now worth asking at once, false if all one can do is wait a little.
 */
bool client_route_redirect(struct client_route *route, uint64_t now_ns, unsigned server,
                           uint8_t leader);

/* True if it is passed over now. */
bool client_route_is_silent(const struct client_route *route, uint64_t now_ns, unsigned server);

/* A round trip was measured. */
void client_route_sample(struct client_route *route, uint64_t round_trip_ns);

/*
 * An answer came to what was sent more than once, first so long ago. Which of them it answers is
 * not known, so nothing is measured; but if round trips have grown beyond the time-out, nothing
 * would ever be again, as all is sent twice (Karn and Partridge 1987, section 4).
 */
void client_route_late(struct client_route *route, uint64_t waited_ns);

/* How long to wait for an answer after `silences` time-outs of the same request; jittered. */
uint64_t client_route_timeout_ns(struct client_route *route, unsigned silences);

/* How long to wait before the next ask after `pauses` of them, `most_ns` at most; jittered. */
uint64_t client_route_pause_ns(struct client_route *route, unsigned pauses, uint64_t most_ns);
