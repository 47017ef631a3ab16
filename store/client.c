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
	       config->ttl_ms >= 1 && config->timeout_ns >= 1 && config->resend_min_ns >= 1 &&
	       config->resend_first_ns >= config->resend_min_ns &&
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
	if (request->verb < PROTO_CLOSE || request->verb > PROTO_SELF ||
	    request->verb == PROTO_ALIVE) {
		return false;
	}
	if (request->condition != 0 && request->condition != STORE_IF_EQUAL &&
	    request->condition != STORE_IF_AT_MOST) {
		return false;
	}
	return (request->flags & ~(PROTO_FLAG_STALE | PROTO_FLAG_ORDERED)) == 0 &&
	       request->rev >= STORE_REV_ANY;
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
	const bool is_free = in->condition == 0;
	const struct proto_request request = {
		.verb = in->verb,
		.condition = is_free ? STORE_IF_EQUAL : in->condition,
		.rev = is_free ? STORE_REV_ANY : in->rev,
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
	if (slot->size == 0 || (request->verb != PROTO_SET && slot->size > PROTO_PIECE_SIZE)) {
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
	struct client_slot *slot = &client->slots[tag & (CLIENT_REQUESTS_MAX - 1)];

	if (slot->tag != tag || !is_under_way(slot)) {
		return -ENOENT;
	}
	give_up(client, slot);
	client_session_pump(client, now_ns);
	return 0;
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

/* --- answers ------------------------------------------------------------------------------ */

/* Whose answer this may be, or NULL. */
static struct client_slot *find_slot(struct client *client, unsigned server,
                                     const struct proto_head *head)
{
	const struct client_session_state *session = &client->session;
	struct client_slot *slot = &client->own;

	if ((head->number & CLIENT_NUMBER_LOOSE) == 0) {
		const unsigned index = session->by_number[head->number % CLIENT_REQUESTS_MAX];

		if (index == CLIENT_NO_SLOT) {
			return NULL;
		}
		slot = &client->slots[index];
	} else if (slot->state == CLIENT_SLOT_FREE || slot->number != head->number) {
		slot = &client->slots[head->number & (CLIENT_REQUESTS_MAX - 1)];
	}
	if (slot->state != CLIENT_SLOT_SENT && slot->state != CLIENT_SLOT_PAUSED) {
		return NULL;
	}
	if (slot->number != head->number || slot->session != head->session ||
	    (slot->asked >> server & 1) == 0) {
		return NULL;
	}
	return slot;
}

static void on_repair(struct client *client, uint64_t now_ns, unsigned server,
                      struct client_slot *slot, const struct proto_head *head)
{
	const uint32_t missing = head->missing & proto_segment_bits(proto_segments(slot->size));

	if (slot->state != CLIENT_SLOT_SENT || slot->server != server || missing == 0 ||
	    slot->repairs >= CLIENT_REPAIRS_MAX) {
		return;
	}
	slot->repairs++;
	slot->silences = 0;
	slot->to_send |= missing;
	slot->due_ns = now_ns + client_route_timeout_ns(&client->route, 0);
	if (slot != &client->own) {
		client->sending |= (uint64_t)1 << client_slot_index(client, slot);
	}
	client->counters.repairs += (unsigned)__builtin_popcount(missing);
}

/* NOT_LEADER, or NO_QUORUM. */
static void on_referral(struct client *client, uint64_t now_ns, unsigned server,
                        struct client_slot *slot, const struct proto_answer *answer)
{
	const bool knows = answer->answer == STORE_NOT_LEADER;
	const unsigned aim = client->route.aim;
	bool is_worth_it;

	slot->follows = true; /* a stale read that nobody near wants to answer */
	if (slot->state != CLIENT_SLOT_SENT || slot->server != server) {
		return; /* of an earlier sending; it waits for another server by now */
	}
	is_worth_it =
		client_route_redirect(&client->route, now_ns, server, knows ? answer->leader : 0);
	if (knows && is_worth_it && slot->hops < CLIENT_HOPS_MAX) {
		slot->hops++;
		client_slot_send(client, now_ns, slot);
	} else {
		client_slot_pause(client, now_ns, slot, client->config.pause_max_ns);
	}
	if (is_worth_it && client->route.aim != aim) {
		client_slot_wake(client, now_ns);
	}
}

/* True if the answer is one that another sending of the same request cannot contradict. */
static bool is_definite(const struct client_slot *slot, enum store_answer answer)
{
	const bool is_said_by_one_server =
		answer == STORE_BAD_REQUEST || answer == STORE_BAD_VERSION ||
		answer == STORE_WRONG_CLUSTER || answer == STORE_BAD_VERB;

	if (!proto_is_write(slot->verb)) {
		return true;
	}
	return answer != STORE_STALE && !(is_said_by_one_server && slot->sends > 1);
}

static void on_final(struct client *client, uint64_t now_ns, unsigned server,
                     struct client_slot *slot, const struct proto_answer *answer)
{
	const bool is_linear = slot->follows;
	const bool is_close = slot->verb == PROTO_CLOSE;
	enum client_outcome outcome = CLIENT_REFUSED;

	if (answer->answer == STORE_OK) {
		outcome = CLIENT_DONE;
	} else if (!is_definite(slot, answer->answer)) {
		outcome = CLIENT_UNKNOWN;
	}
	if (slot == &client->own) {
		client_session_answer(client, now_ns, answer);
	} else {
		client_slot_end(client, slot, outcome, answer);
		if (is_close) {
			client_session_closed(client);
		}
		client_session_pump(client, now_ns);
	}
	if (is_linear && answer->answer == STORE_OK && client->route.aim != server) {
		client->route.aim = server;
		client_slot_wake(client, now_ns);
	}
}

static void on_answer(struct client *client, uint64_t now_ns, unsigned server,
                      struct client_slot *slot, const struct proto_answer *answer)
{
	const bool is_of_session = proto_is_write(slot->verb) || slot->verb == PROTO_ALIVE;

	slot->heard = true;
	slot->last = answer->answer;
	slot->last_server = server;
	slot->silences = 0;
	if (answer->answer == STORE_NOT_LEADER) {
		client->counters.redirected++;
		on_referral(client, now_ns, server, slot, answer);
	} else if (answer->answer == STORE_NO_QUORUM) {
		client->counters.no_quorum++;
		on_referral(client, now_ns, server, slot, answer);
	} else if (answer->answer == STORE_OVERLOADED || answer->answer == STORE_WINDOW) {
		client->counters.overloaded++;
		if (slot->state == CLIENT_SLOT_SENT && slot->server == server) {
			client_slot_pause(client, now_ns, slot, client->config.resend_max_ns);
		}
	} else if (is_of_session &&
	           (answer->answer == STORE_NO_SESSION || answer->answer == STORE_BAD_SECRET)) {
		client_session_lost(client, now_ns, answer->answer);
	} else {
		on_final(client, now_ns, server, slot, answer);
	}
}

/* One message that was put together. False: it makes no sense as an answer to this request. */
static bool on_message(struct client *client, uint64_t now_ns, unsigned server, uint64_t cluster,
                       struct client_slot *slot, struct slice message, bool is_sample)
{
	struct proto_answer answer;

	if (!proto_answer_decode(message, &answer)) {
		return false;
	}
	if (answer.verb != slot->verb && answer.verb != PROTO_NONE) {
		return false;
	}
	if (client->config.cluster != 0 && cluster != client->config.cluster &&
	    answer.answer != STORE_WRONG_CLUSTER) {
		return false;
	}
	answer.cluster = cluster;
	client_route_heard(&client->route, now_ns, server, answer.node);
	if (answer.store_revision > client->seen) {
		client->seen = answer.store_revision;
	}
	if (is_sample && slot->sends == 1 && answer.answer == STORE_OK) {
		client_route_sample(&client->route, now_ns - slot->sent_ns);
	}
	on_answer(client, now_ns, server, slot, &answer);
	return true;
}

static void on_segment(struct client *client, uint64_t now_ns, unsigned server, uint64_t cluster,
                       const struct proto_head *head, struct slice piece)
{
	struct client_slot *slot = find_slot(client, server, head);
	struct slice message;
	uint32_t missing = 0;

	if (slot == NULL) {
		client->counters.unasked++;
		return;
	}
	if (proto_is_repair(head)) {
		on_repair(client, now_ns, server, slot, head);
		return;
	}
	switch (assembly_add(client->assembly, now_ns, 0, head, piece, &message, &missing)) {
	case ASSEMBLY_WHOLE:
		slot->missing = 0;
		if (!on_message(client, now_ns, server, cluster, slot, message,
		                head->segments == 1)) {
			client->counters.strange++;
		}
		break;
	case ASSEMBLY_PARTIAL:
		slot->missing = missing;
		slot->version = head->version;
		slot->silences = 0;
		client_route_heard(&client->route, now_ns, server, 0);
		if (slot->state == CLIENT_SLOT_SENT) {
			slot->due_ns = now_ns + client_route_timeout_ns(&client->route, 0);
		}
		break;
	case ASSEMBLY_BAD:
		slot->missing = 0;
		client->counters.strange++;
		break;
	}
}

void client_receive(struct client *client, uint64_t now_ns, unsigned server, struct slice bytes)
{
	struct store_datagram datagram;
	enum store_datagram_fault fault;
	struct proto_head head;
	struct slice piece;

	must(server < client->config.servers);
	client->counters.received++;
	fault = store_datagram_open(bytes, &datagram);
	if (fault != STORE_DATAGRAM_GOOD) {
		client->counters.faults[fault]++;
	} else if (datagram.kind != STORE_DATAGRAM_ANSWER ||
	           !proto_segment_decode(&datagram, &head, &piece)) {
		client->counters.strange++;
	} else {
		on_segment(client, now_ns, server, datagram.cluster, &head, piece);
	}
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

store_rev_t client_seen(const struct client *client)
{
	return client->seen;
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
