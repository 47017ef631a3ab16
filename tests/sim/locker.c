/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/locker.h"

#include <string.h>

#include "store/base/check.h"
#include "store/base/digits.h"
#include "store/claim.h"
#include "store/txn.h"
#include "tests/sim/chance.h"

/* What a request is about: the low bits of its context, below the token it was asked under. */
enum errand {
	ERRAND_LOCK = 1,
	ERRAND_UNLOCK,
	ERRAND_WRITE,
	ERRAND_OPERATE,
};

enum {
	ERRAND_BITS = 8,
};

static const struct store_op plain_op = {.condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY};

/* --- its process ------------------------------------------------------------------------------ */

enum {
	WATCHES = 4,
};

static void begin_life(struct locker *locker, struct stage *stage)
{
	struct client_config client = locker->options->client;
	struct watcher_config watcher = locker->options->watcher;

	client.seed = prng_next(&stage->prng);
	client.secret = prng_next(&stage->prng);
	client.one_session = true; /* with its session it has lost all */
	watcher.watches_max = WATCHES;
	watcher.seed = prng_next(&stage->prng);
	watcher.secret = prng_next(&stage->prng);
	must(client_new(&locker->client, &client) == 0);
	must(watcher_new(&locker->watcher, &watcher) == 0);
	locker->state = LOCKER_IDLE;
}

static void end_life(struct locker *locker)
{
	client_free(locker->client);
	watcher_free(locker->watcher);
	locker->client = NULL;
	locker->watcher = NULL;
	locker->watch = 0;
	locker->session = 0;
	locker->is_asking = false;
	locker->state = LOCKER_DOWN;
}

void locker_deinit(struct locker *locker)
{
	end_life(locker);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask(struct locker *locker, struct stage *stage, enum errand errand,
                const struct store_compare *compare, const struct store_op *op)
{
	static uint8_t memory[4096];
	struct client_request request = {.verb = PROTO_TXN,
	                                 .context = (uint64_t)locker->token << ERRAND_BITS | errand,
	                                 .deadline_ns =
	                                         stage->now_ns + locker->options->deadline_ns};
	struct store_txn_writer writer;
	bool is_accepted;

	store_txn_begin(&writer, memory, sizeof(memory));
	if (compare != NULL) {
		store_txn_if(&writer, compare);
	}
	store_txn_then(&writer, op);
	request.value = store_txn_end(&writer);
	must(request.value.size != 0);
	is_accepted = client_submit(locker->client, stage->now_ns, &request, NULL) == 0;

	if (errand == ERRAND_LOCK || errand == ERRAND_UNLOCK) {
		locker->is_asking = is_accepted;
		locker->next_ns =
			is_accepted ? UINT64_MAX : stage->now_ns + locker->options->work_ns;
	}
}

static void ask_lock(struct locker *locker, struct stage *stage, uint32_t delay_ms)
{
	struct store_op op = plain_op;

	must(!locker->is_asking);
	op.verb = STORE_VERB_LOCK;
	op.path = vault_lock(locker->lock);
	op.limit = locker->lock < VAULT_EXCLUSIVE ? 1
	           : locker->lock == 2            ? 2 + locker->index % 2
	                                          : locker->index % 4 == 1;
	op.delay_ms = delay_ms;
	op.priority = locker->priority;
	op.value = slice_text("by a locker");
	locker->state = LOCKER_ASKED;
	ask(locker, stage, ERRAND_LOCK, NULL, &op);
}

/* That a locker has, or had; or none. */
static int64_t some_session(const struct locker *locker, struct stage *stage)
{
	const uint64_t one = prng_below(&stage->prng, locker->options->lockers);

	return (int64_t)stage->ledger.claims[locker->options->first + one].session;
}

/* Now and then to somebody of whom it does not know whether he waits. */
static void ask_unlock(struct locker *locker, struct stage *stage)
{
	struct store_op op = plain_op;

	must(!locker->is_asking);
	op.verb = STORE_VERB_UNLOCK;
	op.path = vault_lock(locker->lock);
	op.flags = STORE_OP_ALL;
	if (locker->token != 0 && prng_chance(&stage->prng, 1, 4)) {
		op.number = some_session(locker, stage);
	}
	locker->state = LOCKER_LEAVING;
	ask(locker, stage, ERRAND_UNLOCK, NULL, &op);
}

static void write_under_token(struct locker *locker, struct stage *stage)
{
	const struct store_compare compare = {
		.kind = STORE_COMPARE_TOKEN,
		.relation = STORE_EQUAL,
		.number = locker->token,
		.path = vault_lock(locker->lock),
	};
	char path[LEDGER_PATH_MAX], value[32];
	struct store_op op = plain_op;

	op.verb = STORE_VERB_SET;
	op.path = vault_path(locker->lock, path);
	op.value = slice_make(value, digits_put_decimal(value, (uint64_t)locker->token));
	ask(locker, stage, ERRAND_WRITE, &compare, &op);
}

static void break_lock(struct locker *locker, struct stage *stage, unsigned lock)
{
	struct store_op op = plain_op;

	op.verb = STORE_VERB_BREAK;
	op.path = vault_lock(lock);
	op.value = slice_text("by an operator");
	op.number = prng_below(&stage->prng, 2) != 0 ? some_session(locker, stage) : 0;
	ask(locker, stage, ERRAND_OPERATE, NULL, &op);
}

static void kill_session(struct locker *locker, struct stage *stage)
{
	struct store_op op = plain_op;

	op.verb = STORE_VERB_KILL;
	op.number = some_session(locker, stage);
	ask(locker, stage, ERRAND_OPERATE, NULL, &op);
}

/* --- what it hears ---------------------------------------------------------------------------- */

static void rest(struct locker *locker, struct stage *stage, enum locker_state state,
                 uint64_t mean_ns)
{
	locker->state = state;
	locker->next_ns = stage->now_ns + chance_exponential(&stage->prng, mean_ns);
}

static void end_watch(struct locker *locker, struct stage *stage)
{
	if (locker->watch != 0) {
		must(watcher_unwatch(locker->watcher, stage->now_ns, locker->watch) == 0);
		locker->watch = 0;
	}
}

static void be_idle(struct locker *locker, struct stage *stage)
{
	end_watch(locker, stage);
	locker->token = 0;
	rest(locker, stage, LOCKER_IDLE, locker->options->think_ns);
}

static void hold(struct locker *locker, struct stage *stage, store_rev_t token)
{
	end_watch(locker, stage);
	locker->token = token;
	rest(locker, stage, LOCKER_HOLDING, locker->options->work_ns);
	locker->leave_ns =
		stage->now_ns + chance_exponential(&stage->prng, locker->options->hold_ns);
}

static void await(struct locker *locker, struct stage *stage, store_rev_t ticket)
{
	const struct store_claim_path path =
		store_claim_waiter(vault_lock(locker->lock), locker->priority, ticket);
	const struct watcher_request request = {.glob = store_claim_slice(&path),
	                                        .from = ticket + 1};
	char glob[LEDGER_PATH_MAX] = "";

	must(path.size < sizeof(glob));
	memcpy(glob, path.bytes, path.size);
	end_watch(locker, stage);
	must(watcher_watch(locker->watcher, stage->now_ns, &request, &locker->watch) == 0);
	watchbook_begin(&stage->watchbook, locker->watch, glob, request.from, 0);
	rest(locker, stage, LOCKER_WAITING, locker->options->patience_ns);
	locker->waits++;
}

static void on_lock(struct locker *locker, struct stage *stage, const struct client_result *result)
{
	if (result->outcome != CLIENT_DONE) {
		/* Nobody knows; or it was refused to one that asked again, and still waits. */
		rest(locker, stage, LOCKER_LEAVING, locker->options->work_ns);
	} else if ((result->answer.result & STORE_RESULT_QUEUED) != 0) {
		await(locker, stage, result->answer.number);
	} else {
		hold(locker, stage, result->answer.number);
	}
}

static void on_unlock(struct locker *locker, struct stage *stage,
                      const struct client_result *result)
{
	if (result->outcome == CLIENT_DONE || result->answer.answer == STORE_NOT_HELD) {
		be_idle(locker, stage);
	} else { /* its heir does not wait, or nobody answered in time */
		rest(locker, stage, LOCKER_LEAVING, locker->options->work_ns);
	}
}

static void on_result(struct locker *locker, struct stage *stage,
                      const struct client_result *result)
{
	const store_rev_t token = (store_rev_t)(result->context >> ERRAND_BITS);

	switch ((enum errand)(result->context & ((1 << ERRAND_BITS) - 1))) {
	case ERRAND_LOCK:
		locker->is_asking = false;
		on_lock(locker, stage, result);
		break;
	case ERRAND_UNLOCK:
		locker->is_asking = false;
		on_unlock(locker, stage, result);
		break;
	case ERRAND_WRITE:
		if (locker->state == LOCKER_HOLDING && locker->token == token &&
		    result->answer.answer == STORE_NOT_HELD) {
			be_idle(locker, stage); /* somebody broke it */
		}
		break;
	case ERRAND_OPERATE:
	default:
		break;
	}
}

/* Of its queue file: that it goes, and why. */
static void on_event(struct locker *locker, struct stage *stage,
                     const struct watcher_effect *effect)
{
	const struct proto_event *event = &effect->event;

	watchbook_event(&stage->watchbook, stage->now_ns, effect->tag, event);
	if (effect->tag != locker->watch || event->kind != STORE_EVENT_DELETE) {
		return;
	}
	if (locker->state != LOCKER_WAITING) {
		end_watch(locker, stage); /* it is leaving anyhow */
	} else if (event->cause == STORE_CAUSE_GRANTED) {
		hold(locker, stage, event->revision - 1);
	} else {
		be_idle(locker, stage);
	}
}

/* What it waited for may have come and gone: to ask again tells. */
static void on_end(struct locker *locker, struct stage *stage, const struct watcher_effect *effect)
{
	watchbook_end(&stage->watchbook, stage->now_ns, effect->tag, effect->answer,
	              effect->oldest);
	if (effect->tag == locker->watch) {
		locker->watch = 0;
		if (locker->state == LOCKER_WAITING) {
			ask_lock(locker, stage, 0);
		}
	}
}

static void take_news(struct locker *locker, struct stage *stage)
{
	struct watcher_effect effect;

	while (watcher_take(locker->watcher, &effect)) {
		switch (effect.kind) {
		case WATCHER_EFFECT_SEND:
			stage_send(stage, stage->now_ns, NET_CLIENT + locker->index, effect.server,
			           effect.bytes);
			break;
		case WATCHER_EFFECT_EVENT:
			on_event(locker, stage, &effect);
			break;
		case WATCHER_EFFECT_NOTE:
			watchbook_note(&stage->watchbook, stage->now_ns, effect.tag, effect.next);
			break;
		case WATCHER_EFFECT_END:
		default:
			on_end(locker, stage, &effect);
			break;
		}
	}
}

static void take_results(struct locker *locker, struct stage *stage)
{
	struct client_effect effect;

	while (client_take(locker->client, &effect)) {
		if (effect.kind == CLIENT_EFFECT_SEND) {
			stage_send(stage, stage->now_ns, NET_CLIENT + locker->index, effect.server,
			           effect.bytes);
		} else {
			on_result(locker, stage, &effect.result);
		}
	}
}

/* True if the session it had has gone, and with it what it had. */
static bool has_lost(struct locker *locker)
{
	const uint64_t session = client_session(locker->client);

	if (locker->session == 0) {
		locker->session = session;
	}
	return locker->session != session;
}

static void plan_wake(struct locker *locker, struct stage *stage)
{
	uint64_t when_ns = locker->next_ns;

	if (locker->client != NULL) {
		const uint64_t client_ns = client_deadline_ns(locker->client);
		const uint64_t watcher_ns = watcher_deadline_ns(locker->watcher);

		when_ns = client_ns < when_ns ? client_ns : when_ns;
		when_ns = watcher_ns < when_ns ? watcher_ns : when_ns;
	}
	when_ns = when_ns < locker->frozen_ns ? locker->frozen_ns : when_ns;
	when_ns = when_ns < stage->now_ns ? stage->now_ns : when_ns;
	if (when_ns == UINT64_MAX || locker->wake_ns <= when_ns) {
		return;
	}
	locker->wake_ns = when_ns;
	queue_put(&stage->queue, (struct event){.time_ns = when_ns,
	                                        .kind = EVENT_LOCKER,
	                                        .node = locker->index,
	                                        .tag = ++locker->wake_tag});
}

/* All that its client and its watcher want, until they want nothing. */
static void settle(struct locker *locker, struct stage *stage)
{
	if (locker->client != NULL) {
		do {
			take_results(locker, stage);
			take_news(locker, stage);
		} while (client_has_results(locker->client));
		take_results(locker, stage);
		ledger_claim(&stage->ledger, locker->index, client_session(locker->client),
		             client_valid_until_ns(locker->client));
		if (has_lost(locker)) {
			locker->lost++;
			end_life(locker);
			begin_life(locker, stage);
			be_idle(locker, stage);
		}
	}
	plan_wake(locker, stage);
}

/* --- what it does ----------------------------------------------------------------------------- */

/* A story tells it what to do. */
static bool is_by_hand(const struct locker *locker)
{
	return locker->options->think_ns == 0;
}

bool locker_is_sure(const struct locker *locker, uint64_t now_ns)
{
	return locker->state == LOCKER_HOLDING && client_valid_until_ns(locker->client) > now_ns;
}

void locker_die(struct locker *locker, struct stage *stage)
{
	end_life(locker);
	locker->token = 0;
	locker->deaths++;
	locker->next_ns = locker->is_quiet || is_by_hand(locker) || prng_chance(&stage->prng, 1, 4)
	                          ? UINT64_MAX
	                          : stage->now_ns + chance_exponential(&stage->prng,
	                                                               locker->options->down_ns);
}

/* What it has checked it does not check again when it wakes. */
void locker_freeze(struct locker *locker, struct stage *stage, uint64_t ns)
{
	locker->frozen_ns = stage->now_ns + ns;
	locker->wake_ns = UINT64_MAX;
	if (locker->state == LOCKER_HOLDING && locker->lock < VAULT_EXCLUSIVE) {
		queue_put(&stage->queue, (struct event){.time_ns = locker->frozen_ns,
		                                        .kind = EVENT_ACT,
		                                        .node = locker->lock,
		                                        .value = (uint64_t)locker->token});
	}
	plan_wake(locker, stage);
}

/* With the lock in its hand. */
static void work(struct locker *locker, struct stage *stage)
{
	struct vault *vault = &stage->checker.vault;

	locker->next_ns =
		stage->now_ns + chance_exponential(&stage->prng, locker->options->work_ns);
	if (locker_is_sure(locker, stage->now_ns)) {
		vault_counts_on(vault, stage->now_ns, locker->lock, locker->token, locker->session);
	}
	if (locker->lock >= VAULT_EXCLUSIVE) {
		return;
	}
	if (prng_chance(&stage->prng, 1, 2)) {
		write_under_token(locker, stage);
	} else if (prng_chance(&stage->prng, 1, 2)) {
		vault_act(vault, stage->now_ns, locker->lock, locker->token);
	} else {
		queue_put(&stage->queue,
		          (struct event){.time_ns = stage->now_ns +
		                                    chance_exponential(&stage->prng,
		                                                       locker->options->nap_ns),
		                         .kind = EVENT_ACT,
		                         .node = locker->lock,
		                         .value = (uint64_t)locker->token});
	}
}

/* True if it came to grief in place of what it was about to do. */
static bool comes_to_grief(struct locker *locker, struct stage *stage)
{
	const struct locker_options *options = locker->options;

	if (locker->is_quiet || is_by_hand(locker)) {
		return false;
	}
	if (chance_ppm(&stage->prng, options->die_ppm)) {
		locker_die(locker, stage);
		return true;
	}
	if (chance_ppm(&stage->prng, options->freeze_ppm)) {
		locker_freeze(locker, stage, chance_exponential(&stage->prng, options->freeze_ns));
		return true;
	}
	return false;
}

static void begin(struct locker *locker, struct stage *stage)
{
	const struct locker_options *options = locker->options;

	locker->next_ns = stage->now_ns + chance_exponential(&stage->prng, options->think_ns);
	if (chance_ppm(&stage->prng, options->operator_ppm)) {
		if (prng_chance(&stage->prng, 1, 2)) {
			break_lock(locker, stage, (unsigned)prng_below(&stage->prng, VAULT_LOCKS));
		} else {
			kill_session(locker, stage);
		}
		return;
	}
	locker->lock = prng_chance(&stage->prng, 1, 3)
	                       ? VAULT_LOCKS - 1
	                       : (unsigned)prng_below(&stage->prng, VAULT_LOCKS);
	locker->priority = prng_chance(&stage->prng, 1, 4);
	ask_lock(locker, stage,
	         prng_chance(&stage->prng, 1, 2)
	                 ? (uint32_t)prng_below(&stage->prng, options->delay_ms + 1)
	                 : 0);
}

static void act(struct locker *locker, struct stage *stage)
{
	const bool is_free = !locker->is_quiet && !is_by_hand(locker);

	switch (locker->state) {
	case LOCKER_IDLE:
		if (!is_free) {
			locker->next_ns = UINT64_MAX;
		} else {
			begin(locker, stage);
		}
		break;
	case LOCKER_HOLDING:
		if (is_by_hand(locker)) {
			locker->next_ns = UINT64_MAX;
		} else if (locker->is_quiet || stage->now_ns >= locker->leave_ns) {
			ask_unlock(locker, stage);
		} else {
			work(locker, stage);
		}
		break;
	case LOCKER_WAITING:
		if (!is_free) {
			locker->next_ns = UINT64_MAX; /* to the end */
		} else {
			ask_unlock(locker, stage);
		}
		break;
	case LOCKER_LEAVING:
		ask_unlock(locker, stage);
		break;
	case LOCKER_DOWN:
		begin_life(locker, stage);
		be_idle(locker, stage);
		break;
	case LOCKER_ASKED:
	default:
		ask_lock(locker, stage, 0);
		break;
	}
}

void locker_init(struct locker *locker, unsigned index, const struct locker_options *options,
                 struct stage *stage)
{
	*locker = (struct locker){.index = index, .options = options, .wake_ns = UINT64_MAX};
	begin_life(locker, stage);
	locker->next_ns =
		is_by_hand(locker)
			? UINT64_MAX
			: stage->now_ns + chance_exponential(&stage->prng, options->think_ns);
	settle(locker, stage);
}

void locker_wake_due(struct locker *locker, struct stage *stage, uint64_t tag)
{
	if (tag != locker->wake_tag) {
		return;
	}
	locker->wake_ns = UINT64_MAX;
	if (locker->client != NULL) {
		client_tick(locker->client, stage->now_ns);
		watcher_tick(locker->watcher, stage->now_ns);
	}
	settle(locker, stage);
	if (stage->now_ns >= locker->next_ns && !comes_to_grief(locker, stage)) {
		act(locker, stage);
	}
	settle(locker, stage);
}

void locker_arrival(struct locker *locker, struct stage *stage, const struct packet *packet)
{
	const struct slice bytes = slice_make(packet->bytes, packet->size);

	scroll_put(&stage->scroll, stage->now_ns, SCROLL_ARRIVE, NET_CLIENT + locker->index,
	           packet->source, bytes.size, stage_kind(bytes));
	if (packet->source >= locker->options->client.servers || locker->client == NULL ||
	    stage->now_ns < locker->frozen_ns) {
		return;
	}
	if (watcher_is_for(bytes)) {
		watcher_receive(locker->watcher, stage->now_ns, packet->source, bytes);
	} else {
		client_receive(locker->client, stage->now_ns, packet->source, bytes);
	}
	settle(locker, stage);
}

void locker_calm(struct locker *locker, struct stage *stage)
{
	locker->is_quiet = true;
	locker->frozen_ns = 0;
	if (locker->state == LOCKER_DOWN) {
		locker->next_ns = UINT64_MAX;
	} else if (locker->state != LOCKER_WAITING && !locker->is_asking) {
		locker->next_ns = stage->now_ns;
	}
	settle(locker, stage);
}

void locker_take(struct locker *locker, struct stage *stage, unsigned lock, uint32_t delay_ms)
{
	must(locker->state == LOCKER_IDLE);
	locker->lock = lock;
	locker->priority = 0;
	ask_lock(locker, stage, delay_ms);
	settle(locker, stage);
}

void locker_give(struct locker *locker, struct stage *stage)
{
	ask_unlock(locker, stage);
	settle(locker, stage);
}

void locker_write(struct locker *locker, struct stage *stage)
{
	must(locker->state == LOCKER_HOLDING);
	write_under_token(locker, stage);
	settle(locker, stage);
}

void locker_break(struct locker *locker, struct stage *stage, unsigned lock)
{
	break_lock(locker, stage, lock);
	settle(locker, stage);
}
