/* SPDX-License-Identifier: Apache-2.0 */
#include "store/client_session.h"

#include "store/base/check.h"
#include "store/base/mutant.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

/* Numbers of a life of the session: the upper bits tell it from all former ones. */
enum {
	LIFE_BITS = 32
};
#define NUMBER_MAX ((uint64_t)1 << 62) /* above are those of watches and of loose requests */

static void forget(struct client *client)
{
	struct client_session_state *session = &client->session;

	session->id = 0;
	session->is_confirmed = false;
	session->is_resumed = false;
	session->closing = false;
	session->owns = false;
	session->first = session->next = 1;
	memset(session->by_number, CLIENT_NO_SLOT, sizeof(session->by_number));
	client->own.state = CLIENT_SLOT_FREE;
	client->own.to_send = 0;
}

void client_session_init(struct client *client)
{
	client->session = (struct client_session_state){0};
	forget(client);
	if (client->config.resume != 0) {
		client->session.id = client->config.resume;
		client->session.secret = client->config.resume_secret;
		client->session.ttl_ns = client->config.ttl_ms * NS_PER_MS;
		client->session.is_resumed = true;
	}
}

/* --- OPEN, ALIVE, and the NOP that begins a life -------------------------------------------- */

static void begin_own(struct client *client, uint64_t now_ns, enum proto_verb verb, uint64_t number)
{
	const struct proto_request request = {.verb = verb, .ttl_ms = client->config.ttl_ms};
	struct client_slot *own = &client->own;

	must(own->state == CLIENT_SLOT_FREE);
	*own = (struct client_slot){
		.state = CLIENT_SLOT_HELD,
		.verb = verb,
		.follows = true,
		.submit_ns = now_ns,
		.session = client->session.id,
		.secret = client->session.secret,
		.number = number,
		.message = client->own_message,
	};
	own->deadline_ns = now_ns + client->config.ttl_ms * NS_PER_MS;
	own->size = proto_request_encode(&request, own->message, PROTO_REQUEST_OVERHEAD);
	must(own->size == PROTO_REQUEST_OVERHEAD);
	client_slot_send(client, now_ns, own);
}

static void begin_open(struct client *client, uint64_t now_ns)
{
	if (client->own.state != CLIENT_SLOT_FREE) {
		return;
	}
	/* Another secret each time: its old numbers may still lie half assembled at a server. */
	do {
		client->session.secret = prng_next(&client->secrets);
	} while (client->session.secret == 0);
	begin_own(client, now_ns, PROTO_OPEN, client_slot_loose_number(client, &client->own));
}

static void begin_alive(struct client *client, uint64_t now_ns)
{
	if (client->own.state == CLIENT_SLOT_FREE) {
		begin_own(client, now_ns, PROTO_ALIVE,
		          client_slot_loose_number(client, &client->own));
	}
}

/*
 * All that former clients ever sent in the session lies below: they had the life that the base is
 * in, or an earlier one. Where in its life this one begins is chance: others may try, too.
 */
static void begin_life(struct client *client, uint64_t now_ns)
{
	struct client_session_state *session = &client->session;
	const uint64_t life = (session->base >> LIFE_BITS) + 1;
	const uint64_t chance = prng_next(&client->prng) >> (64 - LIFE_BITS + 1);

	if (client->own.state != CLIENT_SLOT_FREE) {
		return;
	}
	if (life >= NUMBER_MAX >> LIFE_BITS) {
		client_session_lost(client, now_ns, STORE_WINDOW);
		return;
	}
	session->first = session->next = mutant(50) ? session->base : life << LIFE_BITS | chance;
	begin_own(client, now_ns, PROTO_NOP, session->next);
}

static void confirmed(struct client *client, const struct proto_answer *answer)
{
	struct client_session_state *session = &client->session;

	if (answer->ttl_ms != 0) {
		session->ttl_ns = answer->ttl_ms * NS_PER_MS;
	}
	/* Counted from the first sending: any of them may be the one that was answered. */
	session->confirmed_ns = mutant(75) ? client->own.sent_ns : client->own.submit_ns;
	session->is_confirmed = true;
	session->alive_ns = session->confirmed_ns + session->ttl_ns / 3;
}

/* Ends all held writes with an answer that will not change. */
static void refuse_held(struct client *client, enum store_answer why)
{
	for (uint64_t left = client->held; left != 0; left &= left - 1) {
		struct client_slot *slot = &client->slots[__builtin_ctzll(left)];
		const struct proto_answer answer = {.verb = slot->verb, .answer = why};

		client_slot_end(client, slot, CLIENT_REFUSED, &answer);
	}
}

static void on_open(struct client *client, const struct proto_answer *answer)
{
	if (answer->answer != STORE_OK || answer->session == 0) {
		refuse_held(client,
		            answer->answer != STORE_OK ? answer->answer : STORE_BAD_REQUEST);
		return;
	}
	client->session.id = answer->session;
	client->session.ttl_ns = client->config.ttl_ms * NS_PER_MS;
	client->counters.sessions++;
	confirmed(client, answer);
}

static void on_alive(struct client *client, uint64_t now_ns, const struct proto_answer *answer)
{
	struct client_session_state *session = &client->session;

	if (answer->answer != STORE_OK) {
		session->alive_ns = now_ns + session->ttl_ns / 3;
		if (!session->is_confirmed) {
			refuse_held(client, answer->answer);
		}
	} else if (!session->is_resumed && answer->session > session->next) {
		/* A base that none of our numbers made: somebody else has resumed the session. */
		client_session_lost(client, now_ns, STORE_STALE);
	} else {
		session->base = answer->session;
		confirmed(client, answer);
	}
}

static void on_life(struct client *client, uint64_t now_ns, const struct proto_answer *answer)
{
	struct client_session_state *session = &client->session;

	if (answer->answer == STORE_OK) {
		session->is_resumed = false;
		session->first = session->next = client->own.number + 1;
	} else if (answer->answer == STORE_STALE) {
		/* Somebody began a later one since the base was told. */
		begin_alive(client, now_ns);
		session->is_confirmed = false;
	} else {
		refuse_held(client, answer->answer);
	}
}

void client_session_answer(struct client *client, uint64_t now_ns,
                           const struct proto_answer *answer)
{
	struct client_slot *own = &client->own;

	must(own->state == CLIENT_SLOT_SENT || own->state == CLIENT_SLOT_PAUSED);
	own->to_send = 0;
	own->state = CLIENT_SLOT_FREE;
	if (own->verb == PROTO_OPEN) {
		on_open(client, answer);
	} else if (own->verb == PROTO_ALIVE) {
		on_alive(client, now_ns, answer);
	} else {
		on_life(client, now_ns, answer);
	}
	client_session_pump(client, now_ns);
}

/* --- writes ------------------------------------------------------------------------------- */

static struct client_slot *first_held(struct client *client)
{
	struct client_slot *first = NULL;

	for (uint64_t left = client->held; left != 0; left &= left - 1) {
		struct client_slot *slot = &client->slots[__builtin_ctzll(left)];

		if (first == NULL ||
		    slot->tag >> CLIENT_SLOT_BITS < first->tag >> CLIENT_SLOT_BITS) {
			first = slot;
		}
	}
	return first;
}

static void give_number(struct client *client, uint64_t now_ns, struct client_slot *slot)
{
	struct client_session_state *session = &client->session;
	uint8_t *place = &session->by_number[session->next % CLIENT_REQUESTS_MAX];

	must(*place == CLIENT_NO_SLOT);
	*place = (uint8_t)client_slot_index(client, slot);
	slot->session = session->id;
	slot->secret = session->secret;
	slot->number = session->next++;
	client->held &= ~((uint64_t)1 << client_slot_index(client, slot));
	if (slot->verb == PROTO_CLOSE) {
		session->closing = true;
	}
	session->owns = session->owns || slot->owns;
	client_slot_send(client, now_ns, slot);
}

/* One held write. False: it has to wait, and so have those behind it. */
static bool pump_one(struct client *client, uint64_t now_ns, struct client_slot *slot)
{
	const struct client_session_state *session = &client->session;
	const bool is_open = session->id != 0;

	if (slot->verb == PROTO_CLOSE && !is_open) {
		const struct proto_answer answer = {.verb = PROTO_CLOSE, .answer = STORE_OK};

		client_slot_end(client, slot, CLIENT_DONE, &answer);
		return true;
	}
	if (session->gone != STORE_OK) {
		refuse_held(client, session->gone);
		return false;
	}
	if (!is_open) {
		begin_open(client, now_ns);
		return false;
	}
	if (session->closing || (slot->verb == PROTO_CLOSE && session->first != session->next)) {
		return false;
	}
	if (!session->is_confirmed || now_ns >= session->confirmed_ns + session->ttl_ns) {
		begin_alive(client, now_ns);
		return false;
	}
	if (session->is_resumed) {
		begin_life(client, now_ns);
		return false;
	}
	if (session->next >= session->first + CLIENT_REQUESTS_MAX) {
		return false;
	}
	give_number(client, now_ns, slot);
	return true;
}

void client_session_pump(struct client *client, uint64_t now_ns)
{
	while (client->held != 0 && pump_one(client, now_ns, first_held(client))) {
	}
}

void client_session_lost(struct client *client, uint64_t now_ns, enum store_answer answer)
{
	const uint64_t id = client->session.id;
	const bool owns = client->session.owns;

	must(id != 0);
	for (unsigned i = 0; i < client->config.requests_max; i++) {
		struct client_slot *slot = &client->slots[i];
		const bool is_under_way =
			slot->state == CLIENT_SLOT_SENT || slot->state == CLIENT_SLOT_PAUSED;
		const bool is_close = slot->verb == PROTO_CLOSE;

		if (is_under_way && proto_is_write(slot->verb) && slot->session == id) {
			const struct proto_answer gone = {
				.verb = slot->verb,
				.answer = is_close ? STORE_OK : answer,
			};

			client_slot_end(client, slot, is_close ? CLIENT_DONE : CLIENT_UNKNOWN,
			                &gone);
		}
	}
	forget(client);
	client->counters.lost++;
	if (client->config.one_session || client->config.resume != 0 || owns) {
		client->session.gone = answer;
	}
	client_session_pump(client, now_ns);
}

void client_session_renew(struct client *client, uint64_t now_ns)
{
	client->session.gone = STORE_OK;
	client_session_pump(client, now_ns);
}

void client_session_closed(struct client *client)
{
	forget(client);
}

/* --- time --------------------------------------------------------------------------------- */

void client_session_tick(struct client *client, uint64_t now_ns)
{
	struct client_slot *own = &client->own;
	const bool is_waiting = own->state == CLIENT_SLOT_SENT || own->state == CLIENT_SLOT_PAUSED;

	if (is_waiting && own->verb == PROTO_OPEN && client->held == 0 &&
	    now_ns >= own->deadline_ns) {
		forget(client); /* nobody wants the session any more */
	} else if (is_waiting && now_ns >= own->due_ns) {
		client_slot_overdue(client, now_ns, own);
	} else if (!is_waiting && client->session.id != 0 && !client->session.closing &&
	           now_ns >= client->session.alive_ns) {
		begin_alive(client, now_ns);
	}
	client_session_pump(client, now_ns);
}

uint64_t client_session_deadline_ns(const struct client *client)
{
	const struct client_slot *own = &client->own;

	if (own->state == CLIENT_SLOT_SENT || own->state == CLIENT_SLOT_PAUSED) {
		return own->due_ns;
	}
	if (client->session.id != 0 && !client->session.closing) {
		return client->session.alive_ns;
	}
	return UINT64_MAX;
}
