/* SPDX-License-Identifier: Apache-2.0 */
#include "store/client_route.h"

#include "store/base/check.h"

/* How long a silent server is passed over before it gets another chance. */
#define SILENT_NS ((uint64_t)300 * 1000 * 1000)

/* And one that others call the leader, in time-outs: to ask it in vain costs one of them. */
enum {
	NAMED_TIMEOUTS = 2
};

void client_route_init(struct client_route *route, unsigned count, uint64_t seed)
{
	must(count >= 1 && count <= CLIENT_ROUTE_SERVERS_MAX);
	*route = (struct client_route){.count = count};
	prng_init(&route->prng, seed);
	route->near = (unsigned)prng_below(&route->prng, count);
}

void client_route_add(struct client_route *route, uint8_t node)
{
	must(route->count < CLIENT_ROUTE_SERVERS_MAX);
	route->servers[route->count++] = (struct client_route_server){.node = node};
}

bool client_route_is_silent(const struct client_route *route, uint64_t now_ns, unsigned server)
{
	return now_ns < route->servers[server].silent_until_ns;
}

/* The next server that is not silent; if all are, simply the next. */
static unsigned next_after(const struct client_route *route, uint64_t now_ns, unsigned server)
{
	for (unsigned i = 1; i < route->count; i++) {
		const unsigned next = (server + i) % route->count;

		if (!client_route_is_silent(route, now_ns, next)) {
			return next;
		}
	}
	return (server + 1) % route->count;
}

void client_route_heard(struct client_route *route, uint64_t now_ns, unsigned server, uint8_t node)
{
	struct client_route_server *heard = &route->servers[server];

	must(server < route->count);
	heard->strikes = 0;
	heard->silent_until_ns = 0;
	heard->heard_ns = now_ns;
	if (node != 0) {
		heard->node = node;
	}
}

static void pass_over(struct client_route *route, uint64_t now_ns, unsigned server)
{
	route->servers[server].silent_until_ns = now_ns + SILENT_NS;
	if (route->aim == server) {
		route->aim = next_after(route, now_ns, server);
	}
	if (route->near == server) {
		route->near = next_after(route, now_ns, server);
	}
}

void client_route_silence(struct client_route *route, uint64_t now_ns, unsigned server,
                          uint64_t sent_ns)
{
	struct client_route_server *silent = &route->servers[server];

	must(server < route->count);
	if (silent->heard_ns > sent_ns || silent->struck_ns > sent_ns) {
		return;
	}
	silent->strikes++;
	silent->struck_ns = now_ns;
	if (silent->strikes >= CLIENT_ROUTE_STRIKES) {
		pass_over(route, now_ns, server);
	}
}

void client_route_refused(struct client_route *route, uint64_t now_ns, unsigned server)
{
	must(server < route->count);
	route->servers[server].strikes = CLIENT_ROUTE_STRIKES;
	route->servers[server].struck_ns = now_ns;
	pass_over(route, now_ns, server);
}

/* The server that is this node, or `count` if none is thought to be. */
static unsigned find_node(const struct client_route *route, uint8_t node)
{
	for (unsigned i = 0; i < route->count; i++) {
		if (route->servers[i].node == node) {
			return i;
		}
	}
	if (node <= route->count && route->servers[node - 1].node == 0) {
		return node - 1u;
	}
	return route->count;
}

/* The time-out of a first sending, doubled `times`, within its bounds. */
static uint64_t doubled(const struct client_route *route, unsigned times, uint64_t most_ns)
{
	uint64_t ns = route->first_ns;

	if (route->smooth_ns != 0) {
		ns = route->smooth_ns + 4 * route->variation_ns;
	}
	if (ns < route->min_ns) {
		ns = route->min_ns;
	}
	for (unsigned i = 0; i < times && ns < most_ns; i++) {
		ns *= 2;
	}
	return ns < most_ns ? ns : most_ns;
}

static bool may_be_asked(const struct client_route *route, uint64_t now_ns, unsigned leader)
{
	const uint64_t wait_ns = NAMED_TIMEOUTS * doubled(route, 0, route->max_ns);

	return !client_route_is_silent(route, now_ns, leader) ||
	       now_ns >= route->servers[leader].struck_ns + wait_ns;
}

bool client_route_redirect(struct client_route *route, uint64_t now_ns, unsigned server,
                           uint8_t leader)
{
	const unsigned hinted = leader == 0 ? route->count : find_node(route, leader);

	must(server < route->count);
	if (hinted < route->count && hinted != server && may_be_asked(route, now_ns, hinted)) {
		route->servers[hinted].silent_until_ns = 0; /* its next silence sets it again */
		route->aim = hinted;
		return true;
	}
	if (route->aim != server) {
		/* Another request was told better in the meantime. */
		return !client_route_is_silent(route, now_ns, route->aim);
	}
	route->aim = next_after(route, now_ns, server);
	return false;
}

void client_route_sample(struct client_route *route, uint64_t round_trip_ns)
{
	const uint64_t sample = round_trip_ns == 0 ? 1 : round_trip_ns;
	uint64_t off;

	route->late_ns = 0;
	if (route->smooth_ns == 0) {
		route->smooth_ns = sample;
		route->variation_ns = sample / 2;
		return;
	}
	off = sample > route->smooth_ns ? sample - route->smooth_ns : route->smooth_ns - sample;
	route->variation_ns = (3 * route->variation_ns + off) / 4;
	route->smooth_ns = (7 * route->smooth_ns + sample) / 8;
	if (route->smooth_ns == 0) {
		route->smooth_ns = 1;
	}
}

void client_route_late(struct client_route *route, uint64_t waited_ns)
{
	const uint64_t most_ns = waited_ns < route->max_ns ? waited_ns : route->max_ns;

	route->late_ns = most_ns > route->late_ns ? most_ns : route->late_ns;
}

uint64_t client_route_timeout_ns(struct client_route *route, unsigned silences)
{
	const uint64_t alone_ns = doubled(route, silences, route->max_ns);
	const uint64_t ns = alone_ns > route->late_ns ? alone_ns : route->late_ns;

	return ns + prng_below(&route->prng, ns / 8 + 1);
}

uint64_t client_route_pause_ns(struct client_route *route, unsigned pauses, uint64_t most_ns)
{
	const uint64_t ns = doubled(route, pauses, most_ns);

	return ns / 2 + prng_below(&route->prng, ns / 2 + 1);
}
