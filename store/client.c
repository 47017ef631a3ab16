/* SPDX-License-Identifier: Apache-2.0 */
#include "store/client.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/client_session.h"
#include "store/client_state.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

static_assert((unsigned)CLIENT_SERVERS_MAX == CLIENT_ROUTE_SERVERS_MAX, "all have a route");
static_assert(CLIENT_REQUESTS_MAX == 1u << CLIENT_SLOT_BITS, "a number holds its slot");
static_assert(CLIENT_SERVERS_MAX <= 32, "the servers asked are bits of a word");

/* --- making one --------------------------------------------------------------------------- */

void client_config_default(struct client_config *config)
{
	*config = (struct client_config){
		.requests_max = CLIENT_REQUESTS_MAX,
		.ttl_ms = 10000,
		.drift_ppm = 1000,
		.timeout_ns = 5000 * NS_PER_MS,
		.resend_first_ns = 100 * NS_PER_MS,
		.resend_min_ns = 2 * NS_PER_MS,
		.resend_max_ns = 500 * NS_PER_MS,
		.pause_max_ns = 20 * NS_PER_MS,
	};
}

static bool config_is_good(const struct client_config *config)
{
	return config->servers >= 1 && config->servers <= CLIENT_SERVERS_MAX &&
	       config->requests_max >= 1 && config->requests_max <= CLIENT_REQUESTS_MAX &&
	       config->ttl_ms >= 1 && config->drift_ppm <= 1000000 && config->timeout_ns >= 1 &&
	       config->resend_min_ns >= 1 && config->resend_first_ns >= config->resend_min_ns &&
	       config->resend_max_ns >= config->resend_first_ns && config->pause_max_ns >= 1;
}

int client_new(struct client **ret_client, const struct client_config *config)
{
	struct client *client;
	int r;

	if (!config_is_good(config)) {
		return -EINVAL;
	}
	client = calloc(1, sizeof(*client));
	if (client == NULL) {
		return -ENOMEM;
	}
	/* One more than requests: the last result keeps its memory while its slot is used again. */
	client->memory = malloc((config->requests_max + (size_t)1) * PROTO_MESSAGE_SIZE_MAX);
	if (client->memory == NULL) {
		r = -ENOMEM;
		goto free_client;
	}
	r = assembly_new(&client->assembly, config->requests_max);
	if (r < 0) {
		goto free_memory;
	}
	client->config = *config;
	client_route_init(&client->route, config->servers, config->seed);
	client->route.first_ns = config->resend_first_ns;
	client->route.min_ns = config->resend_min_ns;
	client->route.max_ns = config->resend_max_ns;
	prng_init(&client->prng, ~config->seed);
	prng_init(&client->secrets, config->secret);
	for (unsigned i = 0; i < config->requests_max; i++) {
		client->slots[i].message = client->memory + (size_t)i * PROTO_MESSAGE_SIZE_MAX;
	}
	client->spare = client->memory + (size_t)config->requests_max * PROTO_MESSAGE_SIZE_MAX;
	client_session_init(client);
	*ret_client = client;
	return 0;

free_memory:
	free(client->memory);
free_client:
	free(client);
	return r;
}

void client_free(struct client *client)
{
	if (client != NULL) {
		assembly_free(client->assembly);
		free(client->memory);
		free(client);
	}
}

/* --- asking ------------------------------------------------------------------------------- */

static bool request_is_good(const struct client_request *request)
{
	if (request->verb < PROTO_CLOSE || request->verb > PROTO_VERB_MAX ||
	    request->verb == PROTO_ALIVE || request->verb == PROTO_WATCH) {
		return false;
	}
	if (request->condition != 0 && request->condition != STORE_IF_EQUAL &&
	    request->condition != STORE_IF_AT_MOST) {
		return false;
	}
	return (request->flags & ~(PROTO_FLAG_STALE | PROTO_FLAG_ORDERED)) == 0 &&
	       request->rev >= (proto_is_write(request->verb) ? STORE_REV_ANY : 0);
}

static struct client_slot *free_slot(struct client *client)
{
	for (unsigned i = 0; i < client->config.requests_max; i++) {
		if (client->slots[i].state == CLIENT_SLOT_FREE) {
			return &client->slots[i];
		}
	}
	return NULL;
}

static size_t encode(const struct client_request *in, uint8_t *memory)
{
	const bool is_free = proto_is_write(in->verb) && in->condition == 0;
	const struct proto_request request = {
		.verb = in->verb,
		.condition = is_free ? STORE_IF_EQUAL : in->condition,
		.rev = is_free ? STORE_REV_ANY : in->rev,
		.offset = in->offset,
		.limit = in->limit,
		.path = in->path,
		.after = in->after,
		.value = in->value,
	};

	return proto_request_encode(&request, memory, PROTO_MESSAGE_SIZE_MAX);
}

static void begin(struct client *client, uint64_t now_ns, struct client_slot *slot,
                  const struct client_request *request)
{
	const uint64_t index = client_slot_index(client, slot);
	const bool anyone =
		request->verb == PROTO_SELF ||
		(!proto_is_write(request->verb) && (request->flags & PROTO_FLAG_STALE) != 0);
	uint8_t *message = slot->message;

	client->tags++;
	*slot = (struct client_slot){
		.state = CLIENT_SLOT_HELD,
		.verb = request->verb,
		.flags = request->flags,
		.follows = !anyone,
		.owns = request->owns,
		.tag = client->tags << CLIENT_SLOT_BITS | index,
		.context = request->context,
		.submit_ns = now_ns,
		.deadline_ns = request->deadline_ns != 0 ? request->deadline_ns
	                                                 : now_ns + client->config.timeout_ns,
		.message = message,
	};
	slot->size = encode(request, slot->message);
}

int client_submit(struct client *client, uint64_t now_ns, const struct client_request *request,
                  uint64_t *ret_tag)
{
	const struct proto_answer too_large = {.verb = request->verb, .answer = STORE_TOO_LARGE};
	struct client_slot *slot;

	if (!request_is_good(request)) {
		return -EINVAL;
	}
	slot = free_slot(client);
	if (slot == NULL) {
		return -EAGAIN;
	}
	begin(client, now_ns, slot, request);
	if (ret_tag != NULL) {
		*ret_tag = slot->tag;
	}
	if (slot->size == 0 || (request->verb != PROTO_SET && request->verb != PROTO_TXN &&
	                        slot->size > PROTO_PIECE_SIZE)) {
		client_slot_end(client, slot, CLIENT_REFUSED, &too_large);
	} else if (proto_is_write(request->verb)) {
		client->held |= (uint64_t)1 << client_slot_index(client, slot);
		client_session_pump(client, now_ns);
	} else {
		slot->number = client_slot_loose_number(client, slot);
		client_slot_send(client, now_ns, slot);
	}
	return 0;
}

static bool is_under_way(const struct client_slot *slot)
{
	return slot->state == CLIENT_SLOT_HELD || slot->state == CLIENT_SLOT_SENT ||
	       slot->state == CLIENT_SLOT_PAUSED;
}

static void give_up(struct client *client, struct client_slot *slot)
{
	const bool was_closing = slot->verb == PROTO_CLOSE && slot->sends != 0;

	client_slot_give_up(client, slot);
	if (was_closing) {
		client_session_closed(client);
	}
}

int client_cancel(struct client *client, uint64_t now_ns, uint64_t tag)
{
	struct client_slot *slot = &client->slots[client_index(tag)];

	if (slot->tag != tag || !is_under_way(slot)) {
		return -ENOENT;
	}
	give_up(client, slot);
	client_session_pump(client, now_ns);
	return 0;
}

void client_renew(struct client *client, uint64_t now_ns)
{
	client_session_renew(client, now_ns);
}

void client_cancel_all(struct client *client, uint64_t now_ns)
{
	for (unsigned i = 0; i < client->config.requests_max; i++) {
		if (is_under_way(&client->slots[i])) {
			give_up(client, &client->slots[i]);
		}
	}
	client_session_pump(client, now_ns);
}

/* --- silence ---------------------------------------------------------------------------- */

void client_add(struct client *client, uint8_t node)
{
	client_route_add(&client->route, node);
	client->config.servers = client->route.count;
}

void client_unreachable(struct client *client, uint64_t now_ns, unsigned server)
{
	must(server < client->config.servers);
	client_route_refused(&client->route, now_ns, server);
	for (unsigned i = 0; i <= client->config.requests_max; i++) {
		struct client_slot *slot =
			i < client->config.requests_max ? &client->slots[i] : &client->own;

		if (slot->state == CLIENT_SLOT_SENT && slot->server == server) {
			client_slot_pause(client, now_ns, slot, client->config.pause_max_ns);
		}
	}
	if (!client_route_is_silent(&client->route, now_ns, client->route.aim)) {
		client_slot_wake(client, now_ns);
	}
}

/* --- time --------------------------------------------------------------------------------- */

void client_tick(struct client *client, uint64_t now_ns)
{
	const unsigned aim = client->route.aim;

	for (unsigned i = 0; i < client->config.requests_max; i++) {
		struct client_slot *slot = &client->slots[i];

		if (!is_under_way(slot)) {
			continue;
		}
		if (now_ns >= slot->deadline_ns) {
			give_up(client, slot);
		} else if (slot->state != CLIENT_SLOT_HELD && now_ns >= slot->due_ns) {
			client_slot_overdue(client, now_ns, slot);
		}
	}
	client_session_tick(client, now_ns);
	if (client->route.aim != aim) {
		client_slot_wake(client, now_ns);
	}
}

uint64_t client_deadline_ns(const struct client *client)
{
	uint64_t deadline_ns = client_session_deadline_ns(client);

	for (unsigned i = 0; i < client->config.requests_max; i++) {
		const struct client_slot *slot = &client->slots[i];

		if (is_under_way(slot) && slot->deadline_ns < deadline_ns) {
			deadline_ns = slot->deadline_ns;
		}
		if (is_under_way(slot) && slot->state != CLIENT_SLOT_HELD &&
		    slot->due_ns < deadline_ns) {
			deadline_ns = slot->due_ns;
		}
	}
	return deadline_ns;
}

/* --- effects ------------------------------------------------------------------------------ */

static void take_result(struct client *client, struct client_result *ret_result)
{
	struct client_slot *slot = &client->slots[client->ended_order[client->ended_first]];
	uint8_t *message = slot->message;

	must(slot->state == CLIENT_SLOT_ENDED);
	*ret_result = (struct client_result){
		.tag = slot->tag,
		.context = slot->context,
		.verb = slot->verb,
		.outcome = slot->outcome,
		.heard = slot->heard,
		.server = slot->last_server,
		.sends = slot->sends,
		.submit_ns = slot->submit_ns,
		.answer = slot->answer,
	};
	client->ended_first = (client->ended_first + 1) % CLIENT_REQUESTS_MAX;
	client->ended_count--;
	/* The value stays where it is until the next take; the slot goes on with other memory. */
	slot->message = client->spare;
	client->spare = message;
	slot->state = CLIENT_SLOT_FREE;
}

bool client_take_send(struct client *client, struct client_effect *ret_effect)
{
	struct client_slot *slot = &client->own;

	if (slot->to_send == 0) {
		if (client->sending == 0) {
			return false;
		}
		slot = &client->slots[__builtin_ctzll(client->sending)];
	}
	*ret_effect = (struct client_effect){
		.kind = CLIENT_EFFECT_SEND,
		.server = slot->server,
	};
	ret_effect->bytes = client_slot_take(client, slot);
	return true;
}

bool client_has_results(const struct client *client)
{
	return client->ended_count != 0;
}

bool client_take(struct client *client, struct client_effect *ret_effect)
{
	if (client->ended_count == 0) {
		return client_take_send(client, ret_effect);
	}
	*ret_effect = (struct client_effect){.kind = CLIENT_EFFECT_DONE};
	take_result(client, &ret_effect->result);
	return true;
}

/* --- what can be seen --------------------------------------------------------------------- */

unsigned client_outstanding(const struct client *client)
{
	unsigned count = 0;

	for (unsigned i = 0; i < client->config.requests_max; i++) {
		count += client->slots[i].state != CLIENT_SLOT_FREE;
	}
	return count;
}

uint64_t client_session(const struct client *client)
{
	return client->session.id;
}

uint64_t client_session_secret(const struct client *client)
{
	return client->session.id != 0 ? client->session.secret : 0;
}

uint64_t client_valid_until_ns(const struct client *client)
{
	const struct client_session_state *session = &client->session;

	if (session->id == 0 || !session->is_confirmed || session->closing) {
		return 0;
	}
	return session->confirmed_ns + session->ttl_ns -
	       session->ttl_ns / 1000000 * client->config.drift_ppm;
}

store_rev_t client_seen(const struct client *client)
{
	return client->seen;
}

void client_saw(struct client *client, store_rev_t revision)
{
	if (revision > client->seen) {
		client->seen = revision;
	}
}

unsigned client_aim(const struct client *client)
{
	return client->route.aim;
}

void client_counters(const struct client *client, struct client_counters *ret_counters)
{
	*ret_counters = client->counters;
	ret_counters->round_trip_ns = client->route.smooth_ns;
}
