/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/user.h"

#include <string.h>

#include "store/base/check.h"
#include "store/txn.h"
#include "tests/sim/chance.h"

enum {
	TXN_VALUE_MAX = STORE_TXN_SIZE_MAX / (LEDGER_PARTS_MAX + 2), /* so that each part fits */
};

void user_init(struct user *user, unsigned index, const struct user_options *options,
               struct stage *stage)
{
	struct client_config config = options->client;

	*user = (struct user){
		.index = index, .options = options, .wake_ns = UINT64_MAX, .death_ns = UINT64_MAX};
	config.seed = prng_next(&stage->prng);
	config.secret = prng_next(&stage->prng);
	must(client_new(&user->client, &config) == 0);
	if (options->life_ns != 0) {
		user->death_ns = stage->now_ns + chance_exponential(&stage->prng, options->life_ns);
	}
	user->next_ns = stage->now_ns + chance_exponential(&stage->prng, options->think_ns);
	lookout_init(&user->lookout, index, &options->lookout, stage);
}

void user_deinit(struct user *user)
{
	lookout_deinit(&user->lookout);
	client_free(user->client);
	user->client = NULL;
}

/* Plans to be woken when the client has to tick, or the next operation is due. */
static void plan_wake(struct user *user, struct stage *stage)
{
	uint64_t when_ns = client_deadline_ns(user->client);

	if (!user->is_quiet && user->open < user->options->outstanding && user->next_ns < when_ns) {
		when_ns = user->next_ns;
	}
	if (lookout_deadline_ns(&user->lookout) < when_ns) {
		when_ns = lookout_deadline_ns(&user->lookout);
	}
	if (!user->is_quiet && user->death_ns < when_ns) {
		when_ns = user->death_ns;
	}
	if (when_ns < stage->now_ns) {
		when_ns = stage->now_ns;
	}
	if (when_ns == UINT64_MAX || user->wake_ns <= when_ns) {
		return;
	}
	user->wake_ns = when_ns;
	queue_put(&stage->queue, (struct event){.time_ns = when_ns,
	                                        .kind = EVENT_USER,
	                                        .node = user->index,
	                                        .tag = ++user->wake_tag});
}

static void learn_list(struct user *user, const struct ledger_operation *o)
{
	if (o->outcome != CLIENT_DONE) {
		return;
	}
	if (o->ran_else) {
		user->revs[o->list.else_key] = o->answer_first;
		return;
	}
	for (unsigned i = 0; i < o->list.count; i++) {
		const struct ledger_part *part = &o->list.parts[i];

		user->revs[part->key] = part->is_delete ? 0 : o->answer_first + (store_rev_t)i;
	}
}

/* What an operation taught about its key. */
static void learn(struct user *user, const struct ledger_operation *o)
{
	if (o->kind == LEDGER_TXN) {
		learn_list(user, o);
		return;
	}
	if ((o->outcome != CLIENT_DONE && o->outcome != CLIENT_REFUSED) || o->kind == LEDGER_PAST ||
	    o->kind == LEDGER_WALK) {
		return;
	}
	if (o->answer == STORE_OK && o->kind == LEDGER_GET) {
		user->revs[o->key] = o->answer_rev;
		user->values[o->key] = o->read_value;
	} else if (o->answer == STORE_OK) {
		const bool is_gone = o->kind == LEDGER_DELETE || o->kind == LEDGER_DELETE_IF;

		user->revs[o->key] = is_gone ? 0 : o->answer_rev;
		user->values[o->key] = is_gone ? 0 : o->value;
	} else if (o->answer == STORE_NOT_FOUND) {
		user->revs[o->key] = 0;
		user->values[o->key] = 0;
	}
}

static void obey(struct user *user, struct stage *stage, bool is_dying)
{
	struct client_effect effect;

	while (client_take(user->client, &effect)) {
		const struct ledger_operation *o;

		if (effect.kind == CLIENT_EFFECT_SEND) {
			if (!is_dying) {
				stage_send(stage, stage->now_ns, NET_CLIENT + user->index,
				           effect.server, effect.bytes);
			}
			continue;
		}
		ledger_return(&stage->ledger, stage->now_ns, effect.result.context, &effect.result);
		o = &stage->ledger.operations[effect.result.context];
		learn(user, o);
		user->open--;
		user->next_ns =
			stage->now_ns + chance_exponential(&stage->prng, user->options->think_ns);
	}
}

/* The process ends, with what was under way; the next begins with its session, or without. */
static void live_again(struct user *user, struct stage *stage, bool resumes)
{
	struct client_config config = user->options->client;

	config.seed = prng_next(&stage->prng);
	config.secret = prng_next(&stage->prng);
	config.resume = resumes ? client_session(user->client) : 0;
	config.resume_secret = client_session_secret(user->client);
	client_cancel_all(user->client, stage->now_ns);
	obey(user, stage, true);
	client_free(user->client);
	must(client_new(&user->client, &config) == 0);
	user->resumes = config.resume != 0;
	user->lives++;
	user->resumed += user->resumes;
	client_tick(user->client, stage->now_ns);
}

static void take_effects(struct user *user, struct stage *stage)
{
	obey(user, stage, false);
	if (user->resumes && client_session(user->client) == 0) {
		live_again(user, stage, false); /* the session it had resumed is gone */
	} else if (!user->is_quiet && stage->now_ns >= user->death_ns) {
		user->death_ns =
			stage->now_ns + chance_exponential(&stage->prng, user->options->life_ns);
		live_again(user, stage, prng_chance(&stage->prng, 3, 4));
	}
	obey(user, stage, false);
	ledger_claim(&stage->ledger, user->index, client_session(user->client),
	             client_valid_until_ns(user->client));
	plan_wake(user, stage);
}

/* How an operation of the ledger is asked for. */
static struct client_request request_of(const struct ledger_operation *o)
{
	static const enum proto_verb verbs[LEDGER_KIND_COUNT] = {
		[LEDGER_GET] = PROTO_GET,          [LEDGER_SET] = PROTO_SET,
		[LEDGER_CAS] = PROTO_SET,          [LEDGER_MAX] = PROTO_SET,
		[LEDGER_ADD] = PROTO_SET,          [LEDGER_DELETE] = PROTO_DELETE,
		[LEDGER_DELETE_IF] = PROTO_DELETE, [LEDGER_INCREMENT] = PROTO_SET,
		[LEDGER_NOP] = PROTO_NOP,          [LEDGER_REV] = PROTO_REV,
		[LEDGER_PAST] = PROTO_GET,         [LEDGER_WALK] = PROTO_WALK,
		[LEDGER_TXN] = PROTO_TXN,
	};
	struct client_request request = {.verb = verbs[o->kind]};

	switch (o->kind) {
	case LEDGER_CAS:
	case LEDGER_ADD:
	case LEDGER_INCREMENT:
	case LEDGER_DELETE_IF:
		request.condition = STORE_IF_EQUAL;
		request.rev = o->rev;
		break;
	case LEDGER_MAX:
		request.condition = STORE_IF_AT_MOST;
		request.rev = o->rev;
		break;
	case LEDGER_PAST:
	case LEDGER_WALK:
		request.rev = o->rev;
		request.flags = o->is_stale ? PROTO_FLAG_STALE : 0;
		break;
	case LEDGER_GET:
		request.flags = o->is_stale ? PROTO_FLAG_STALE : 0;
		break;
	case LEDGER_SET:
	case LEDGER_DELETE:
	case LEDGER_NOP:
	case LEDGER_REV:
	case LEDGER_TXN:
	case LEDGER_KIND_COUNT:
	default:
		break;
	}
	return request;
}

static struct store_op op_on(const struct ledger *ledger, uint32_t key, char path[LEDGER_PATH_MAX],
                             struct slice value, bool is_delete)
{
	return (struct store_op){
		.verb = is_delete ? STORE_VERB_DELETE : STORE_VERB_SET,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = ledger_path(ledger, key, path),
		.value = is_delete ? slice_make(NULL, 0) : value,
	};
}

/* A list as a transaction; good until the next. */
static struct slice txn_of(const struct ledger *ledger, const struct ledger_list *list,
                           struct slice value)
{
	static uint8_t memory[STORE_TXN_SIZE_MAX];
	struct store_txn_writer writer;
	char path[LEDGER_PATH_MAX];
	struct store_op op;
	struct slice bytes;

	store_txn_begin(&writer, memory, sizeof(memory));
	for (unsigned i = 0; i < list->count; i++) {
		const struct store_compare compare = {
			.kind = STORE_COMPARE_REV,
			.relation = STORE_EQUAL,
			.number = list->parts[i].rev,
			.path = ledger_path(ledger, list->parts[i].key, path),
		};

		if (list->parts[i].is_compared) {
			store_txn_if(&writer, &compare);
		}
	}
	for (unsigned i = 0; i < list->count; i++) {
		op = op_on(ledger, list->parts[i].key, path, value, list->parts[i].is_delete);
		store_txn_then(&writer, &op);
	}
	if (list->has_sum) {
		op = (struct store_op){.verb = STORE_VERB_ADD,
		                       .condition = STORE_IF_EQUAL,
		                       .rev = STORE_REV_ANY,
		                       .path = ledger_sum(),
		                       .number = 1};
		store_txn_then(&writer, &op);
	}
	if (list->has_else) {
		op = op_on(ledger, list->else_key, path, value, false);
		store_txn_else(&writer, &op);
	}
	bytes = store_txn_end(&writer);
	must(bytes.size != 0);
	return bytes;
}

uint64_t user_submit(struct user *user, struct stage *stage, struct ledger_operation operation,
                     uint64_t deadline_ns)
{
	static uint8_t value[STORE_VALUE_SIZE_MAX];
	char path[LEDGER_PATH_MAX];
	struct client_request request;
	uint64_t number;

	if (client_outstanding(user->client) >= user->options->client.requests_max) {
		return 0;
	}
	operation.client = user->index;
	operation.seen = client_seen(user->client);
	number = ledger_call(&stage->ledger, stage->now_ns, &operation);
	request = request_of(&operation);
	if (operation.kind == LEDGER_WALK) {
		request.path = slice_text("/?*/*");
	} else if (operation.kind == LEDGER_TXN) {
		request.value = txn_of(&stage->ledger, &operation.list,
		                       ledger_value(&stage->ledger, number, value));
	} else if (operation.kind != LEDGER_NOP && operation.kind != LEDGER_REV) {
		request.path = ledger_path(&stage->ledger, operation.key, path);
	}
	if (request.verb == PROTO_SET) {
		request.value = ledger_value(&stage->ledger, number, value);
	}
	request.deadline_ns = deadline_ns;
	request.context = number;
	must(client_submit(user->client, stage->now_ns, &request, NULL) == 0);
	user->open++;
	user->submitted++;
	take_effects(user, stage);
	return number;
}

static enum ledger_kind draw_kind(const struct user *user, struct stage *stage)
{
	uint64_t total = 0, drawn;
	unsigned kind;

	for (kind = 0; kind < LEDGER_KIND_COUNT; kind++) {
		total += user->options->weights[kind];
	}
	drawn = prng_below(&stage->prng, total);
	for (kind = 0; drawn >= user->options->weights[kind]; kind++) {
		drawn -= user->options->weights[kind];
	}
	return (enum ledger_kind)kind;
}

static bool is_read(enum ledger_kind kind)
{
	return kind == LEDGER_GET || kind == LEDGER_PAST || kind == LEDGER_WALK;
}

/* Somewhat further back than the servers' rings go, now and then ahead; 0: the present. */
static store_rev_t draw_past(const struct user *user, struct prng *prng)
{
	const store_rev_t seen = client_seen(user->client);
	const store_rev_t back = (store_rev_t)prng_below(prng, 80);

	if (prng_chance(prng, 1, 16)) {
		return prng_chance(prng, 1, 2) ? 0 : seen + 1;
	}
	return back >= seen ? seen : seen - back;
}

/* Some keys that are no counters, each once; conditions as draw() has them. */
static void draw_list(const struct user *user, struct stage *stage, struct ledger_operation *o)
{
	const struct ledger *ledger = &stage->ledger;
	const uint32_t keys = ledger->key_count - ledger->counter_count;
	struct ledger_list *list = &o->list;
	struct prng *prng = &stage->prng;
	uint32_t key = (uint32_t)prng_below(prng, keys);

	list->count = 1 + (unsigned)prng_below(prng, LEDGER_PARTS_MAX);
	if (list->count > keys) {
		list->count = keys;
	}
	for (unsigned i = 0; i < list->count; i++, key = (key + 1) % keys) {
		list->parts[i] = (struct ledger_part){
			.key = key,
			.is_delete = i > 0 && prng_chance(prng, 1, 4),
			.is_compared = prng_chance(prng, 1, 3),
			.rev = user->revs[key],
		};
	}
	o->key = list->parts[0].key;
	list->has_sum = prng_chance(prng, 1, 2);
	list->has_else = list->count < keys && prng_chance(prng, 1, 2);
	list->else_key = key;
}

/* Draws the next operation: conditions mostly from what was last seen, now and then from older. */
static struct ledger_operation draw(const struct user *user, struct stage *stage)
{
	const struct ledger *ledger = &stage->ledger;
	struct ledger_operation o = {.kind = draw_kind(user, stage)};
	struct prng *prng = &stage->prng;

	if (o.kind == LEDGER_INCREMENT || (is_read(o.kind) && prng_chance(prng, 1, 4))) {
		o.key = ledger->key_count - 1 - (uint32_t)prng_below(prng, ledger->counter_count);
	} else {
		o.key = (uint32_t)prng_below(prng, ledger->key_count - ledger->counter_count);
	}
	o.is_stale = is_read(o.kind) && chance_ppm(prng, user->options->stale_ppm);
	o.rev = user->revs[o.key];
	if (o.kind == LEDGER_PAST || o.kind == LEDGER_WALK) {
		o.rev = draw_past(user, prng);
	} else if (o.kind == LEDGER_ADD) {
		o.rev = 0;
	} else if (o.kind == LEDGER_INCREMENT) {
		o.value = user->values[o.key] + 1;
	} else if (prng_chance(prng, 1, 8)) {
		o.rev = (store_rev_t)prng_below(prng, (uint64_t)o.rev + 1);
	}
	if (o.kind == LEDGER_TXN) {
		draw_list(user, stage, &o);
	}
	o.value_size = (uint32_t)prng_below(prng, 64);
	if (user->options->value_max > 64 && prng_chance(prng, 1, 16)) {
		o.value_size = (uint32_t)prng_below(prng, user->options->value_max);
	}
	if (o.kind == LEDGER_TXN) {
		o.value_size %= TXN_VALUE_MAX;
	}
	return o;
}

static void act(struct user *user, struct stage *stage)
{
	while (!user->is_quiet && user->open < user->options->outstanding &&
	       user->next_ns <= stage->now_ns) {
		const uint64_t deadline_ns =
			stage->now_ns + chance_between(&stage->prng, user->options->deadline_min_ns,
		                                       user->options->deadline_max_ns);

		user->next_ns =
			stage->now_ns + chance_exponential(&stage->prng, user->options->think_ns);
		if (user_submit(user, stage, draw(user, stage), deadline_ns) == 0) {
			return;
		}
	}
}

void user_arrival(struct user *user, struct stage *stage, const struct packet *packet)
{
	const struct slice bytes = slice_make(packet->bytes, packet->size);

	scroll_put(&stage->scroll, stage->now_ns, SCROLL_ARRIVE, NET_CLIENT + user->index,
	           packet->source, bytes.size, stage_kind(bytes));
	if (packet->source >= user->options->client.servers) {
		return;
	}
	if (watcher_is_for(bytes)) {
		lookout_arrival(&user->lookout, stage, packet->source, bytes);
	} else {
		client_receive(user->client, stage->now_ns, packet->source, bytes);
	}
	take_effects(user, stage);
}

void user_wake_due(struct user *user, struct stage *stage, uint64_t tag)
{
	if (tag != user->wake_tag) {
		return;
	}
	user->wake_ns = UINT64_MAX;
	client_tick(user->client, stage->now_ns);
	lookout_tick(&user->lookout, stage);
	take_effects(user, stage);
	act(user, stage);
	plan_wake(user, stage);
}

void user_nudge(struct user *user, struct stage *stage)
{
	plan_wake(user, stage);
}
