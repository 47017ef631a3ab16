/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/locks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hist.h"
#include "bench/players.h"
#include "bench/pulse.h"
#include "bench/report.h"
#include "bench/victim.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/claim.h"

enum {
	NAME_SIZE = 40,
	TTLS = 5,
};

#define PATIENCE_NS ((uint64_t)60000000000u)

static const uint32_t ttls_ms[TTLS] = {20, 50, 200, 1000, 5000};

enum part {
	PART_SETTLE, /* nothing is counted */
	PART_ALONE,
	PART_HAND_OVER,
	PART_ONE,
	PART_MANY,
	PART_DEATH,
};

struct place { /* MANY: for one of those under way */
	char name[NAME_SIZE];
	unsigned next; /* of its locks, which no other place has */
};

struct locks {
	const struct locks_config *config;
	struct players *players;
	struct prng prng;
	enum part part;
	bool stops; /* what is under way ends, and nothing new begins */
	unsigned under_way;
	int error;
	uint64_t start_ns;                   /* of what is timed now */
	uint64_t count_from_ns, count_to_ns; /* of the part */
	uint64_t grants, refused;
	unsigned holder, waiting; /* HAND_OVER, of the first two players; PLAYERS_MAX: neither */
	uint64_t held;            /* grants of players to whom it was told */
	struct place places[PLAYERS_MAX][LOCKS_UNDER_WAY];
	struct hist acquire, release, hand_over;
	uint32_t ttl_ms; /* as granted, of the one who dies */
};

/* --- operations ----------------------------------------------------------------------------- */

static void lock(struct locks *locks, unsigned player, const char *name, uint64_t context)
{
	locks->under_way++;
	players_ask(
		locks->players, player,
		&(struct store_op){.verb = STORE_VERB_LOCK, .path = slice_text(name), .limit = 1},
		context);
}

static void unlock(struct locks *locks, unsigned player, const char *name, uint64_t context)
{
	locks->under_way++;
	players_ask(locks->players, player,
	            &(struct store_op){.verb = STORE_VERB_UNLOCK, .path = slice_text(name)},
	            context);
}

static void wait_in_queue(struct locks *locks, unsigned player, const char *name,
                          store_rev_t ticket)
{
	const struct store_claim_path path = store_claim_waiter(slice_text(name), 0, ticket);

	players_watch(locks->players, player, store_claim_slice(&path), ticket + 1);
}

static bool is_counted(const struct locks *locks, uint64_t now_ns)
{
	return now_ns >= locks->count_from_ns && now_ns < locks->count_to_ns;
}

static void add(struct locks *locks, struct hist *hist, uint64_t now_ns)
{
	if (is_counted(locks, locks->start_ns)) {
		hist_add(hist, now_ns - locks->start_ns);
	}
}

/* --- what comes ----------------------------------------------------------------------------- */

enum context {
	CONTEXT_LOCK = 1,
	CONTEXT_UNLOCK = 2,
	CONTEXT_SLOTS = 16, /* MANY: the slot, from here on, by 2 */
};

static void alone_done(struct locks *locks, uint64_t now_ns, const struct client_result *result)
{
	const bool was_lock = result->context == CONTEXT_LOCK;

	add(locks, was_lock ? &locks->acquire : &locks->release, now_ns);
	locks->start_ns = report_now_ns();
	if (was_lock) {
		locks->grants += is_counted(locks, now_ns);
		unlock(locks, 0, "/bench/free", CONTEXT_UNLOCK);
	} else if (!locks->stops) {
		lock(locks, 0, "/bench/free", CONTEXT_LOCK);
	}
}

/* Who knows that it has the lock gives it back, as soon as the other waits for it. */
static void pass_on(struct locks *locks)
{
	const unsigned holder = locks->holder;

	if (holder == PLAYERS_MAX || locks->waiting == PLAYERS_MAX) {
		return;
	}
	locks->holder = PLAYERS_MAX;
	locks->waiting = PLAYERS_MAX;
	locks->start_ns = report_now_ns();
	unlock(locks, holder, "/bench/passed", CONTEXT_UNLOCK);
}

static void hand_over_done(struct locks *locks, unsigned player, const struct client_result *result)
{
	if (result->context == CONTEXT_UNLOCK) {
		if (!locks->stops) {
			lock(locks, player, "/bench/passed", CONTEXT_LOCK);
		}
	} else if ((result->answer.result & STORE_RESULT_QUEUED) == 0) {
		locks->holder = player; /* the very first */
		lock(locks, 1 - player, "/bench/passed", CONTEXT_LOCK);
	} else {
		wait_in_queue(locks, player, "/bench/passed", result->answer.number);
		locks->under_way++; /* until it is granted */
		locks->waiting = player;
		pass_on(locks);
	}
}

static void hand_over_event(struct locks *locks, unsigned player, uint64_t now_ns)
{
	locks->under_way--;
	add(locks, &locks->hand_over, now_ns);
	locks->grants += is_counted(locks, now_ns);
	locks->holder = player;
	pass_on(locks);
}

static void one_granted(struct locks *locks, unsigned player, uint64_t now_ns)
{
	locks->grants += is_counted(locks, now_ns);
	unlock(locks, player, "/bench/one", CONTEXT_UNLOCK);
}

static void one_done(struct locks *locks, unsigned player, uint64_t now_ns,
                     const struct client_result *result)
{
	if (result->context == CONTEXT_UNLOCK) {
		if (!locks->stops) {
			lock(locks, player, "/bench/one", CONTEXT_LOCK);
		}
	} else if ((result->answer.result & STORE_RESULT_QUEUED) == 0) {
		one_granted(locks, player, now_ns);
	} else {
		locks->under_way++; /* until it is granted */
		wait_in_queue(locks, player, "/bench/one", result->answer.number);
	}
}

static void many_next(struct locks *locks, unsigned player, unsigned slot)
{
	const unsigned places = locks->config->players * LOCKS_UNDER_WAY;
	struct place *place = &locks->places[player][slot];

	(void)snprintf(place->name, NAME_SIZE, "/bench/many/%u", place->next);
	place->next += places;
	if (place->next >= locks->config->locks) {
		place->next %= places; /* its first one */
	}
	lock(locks, player, place->name, CONTEXT_SLOTS + 2 * (uint64_t)slot);
}

static void many_done(struct locks *locks, unsigned player, uint64_t now_ns,
                      const struct client_result *result)
{
	const unsigned slot = (unsigned)(result->context - CONTEXT_SLOTS) / 2;

	if ((result->context & 1) == 0) {
		locks->grants += is_counted(locks, now_ns);
		unlock(locks, player, locks->places[player][slot].name, result->context + 1);
	} else if (!locks->stops) {
		many_next(locks, player, slot);
	}
}

static void death_done(struct locks *locks, unsigned player, const struct client_result *result)
{
	struct store_claim claim;

	if (result->verb == PROTO_GET) {
		must(store_claim_read(result->answer.value, &claim));
		locks->ttl_ms = claim.ttl_ms;
	} else if (result->verb == PROTO_TXN && result->context == CONTEXT_LOCK) {
		must((result->answer.result & STORE_RESULT_QUEUED) != 0);
		wait_in_queue(locks, player, "/bench/death", result->answer.number);
	}
}

static void on_done(void *context, unsigned player, uint64_t now_ns,
                    const struct client_result *result)
{
	struct locks *locks = context;

	locks->under_way--;
	if (result->outcome != CLIENT_DONE || result->answer.answer != STORE_OK) {
		locks->refused++;
		locks->error = locks->part == PART_SETTLE ? locks->error : -ECANCELED;
		return;
	}
	if ((locks->part == PART_ALONE || locks->part == PART_MANY) &&
	    (result->answer.result & STORE_RESULT_QUEUED) != 0) {
		locks->error = -EALREADY;
		return;
	}
	switch (locks->part) {
	case PART_ALONE:
		alone_done(locks, now_ns, result);
		break;
	case PART_HAND_OVER:
		hand_over_done(locks, player, result);
		break;
	case PART_ONE:
		one_done(locks, player, now_ns, result);
		break;
	case PART_MANY:
		many_done(locks, player, now_ns, result);
		break;
	case PART_DEATH:
		death_done(locks, player, result);
		break;
	case PART_SETTLE:
		break;
	}
}

static void on_event(void *context, unsigned player, uint64_t now_ns,
                     const struct proto_event *event)
{
	struct locks *locks = context;

	if (event->kind != STORE_EVENT_DELETE || event->cause != STORE_CAUSE_GRANTED) {
		return;
	}
	if (locks->part == PART_HAND_OVER) {
		hand_over_event(locks, player, now_ns);
	} else if (locks->part == PART_ONE) {
		locks->under_way--;
		one_granted(locks, player, now_ns);
	} else if (locks->part == PART_DEATH) {
		add(locks, &locks->hand_over, now_ns);
		locks->held++;
	}
}

/* --- parts ---------------------------------------------------------------------------------- */

static void begin_part(struct locks *locks, enum part part)
{
	const double warm_up_ns = locks->config->warm_up_seconds * 1e9;

	locks->part = part;
	locks->stops = false;
	locks->grants = 0;
	locks->error = 0;
	locks->count_from_ns = report_now_ns() + (uint64_t)warm_up_ns;
	locks->count_to_ns = locks->count_from_ns + (uint64_t)(locks->config->seconds * 1e9);
	hist_init(&locks->acquire);
	hist_init(&locks->release);
	hist_init(&locks->hand_over);
}

/* So long, or until so many were granted to who was told of it; 0: whatever is granted. */
static int turn_until(struct locks *locks, uint64_t end_ns, uint64_t held)
{
	while (report_now_ns() < end_ns && locks->error == 0) {
		if (held != 0 && locks->held >= held) {
			return 0;
		}
		players_turn(locks->players);
	}
	return held == 0 || locks->error < 0 ? locks->error : -ENETUNREACH;
}

/* Until nothing is under way. */
static int settle(struct locks *locks)
{
	const uint64_t end_ns = report_now_ns() + PATIENCE_NS;

	locks->stops = true;
	while (locks->under_way != 0 && locks->error == 0) {
		if (report_now_ns() > end_ns) {
			return -ENETUNREACH;
		}
		players_turn(locks->players);
	}
	return locks->error;
}

static int run_part(struct locks *locks)
{
	const int r = turn_until(locks, locks->count_to_ns, 0);

	return r == 0 ? settle(locks) : r;
}

/* Sessions are there before anything is timed. */
static int open_sessions(struct locks *locks)
{
	locks->part = PART_SETTLE;
	for (unsigned i = 0; i < locks->config->players; i++) {
		locks->under_way++;
		players_send(locks->players, i, PROTO_NOP, slice_make(NULL, 0));
	}
	if (settle(locks) < 0 || locks->refused != 0) {
		return -ENETUNREACH;
	}
	return 0;
}

/* Adds what each part has to the latencies that it timed. */
static json_t *report_part(struct locks *locks, json_t *report)
{
	(void)json_object_set_new(report, "grants_per_s",
	                          json_real((double)locks->grants / locks->config->seconds));
	(void)json_object_set_new(report, "poll_gap_us", report_us(players_gap_ns(locks->players)));
	return report;
}

static int run_alone(struct locks *locks, json_t *report)
{
	int r;

	begin_part(locks, PART_ALONE);
	locks->start_ns = report_now_ns();
	lock(locks, 0, "/bench/free", CONTEXT_LOCK);
	r = run_part(locks);
	(void)json_object_set_new(
		report, "alone",
		report_part(locks, json_pack("{soso}", "acquire", report_latency(&locks->acquire),
	                                     "release", report_latency(&locks->release))));
	return r;
}

static int run_hand_over(struct locks *locks, json_t *report)
{
	int r;

	begin_part(locks, PART_HAND_OVER);
	locks->holder = PLAYERS_MAX;
	locks->waiting = PLAYERS_MAX;
	lock(locks, 0, "/bench/passed", CONTEXT_LOCK);
	r = run_part(locks);
	(void)json_object_set_new(report, "hand_over",
	                          report_part(locks, json_pack("{so}", "release_to_known",
	                                                       report_latency(&locks->hand_over))));
	return r;
}

static int run_one(struct locks *locks, json_t *report)
{
	int r;

	begin_part(locks, PART_ONE);
	for (unsigned i = 0; i < locks->config->players; i++) {
		lock(locks, i, "/bench/one", CONTEXT_LOCK);
	}
	r = run_part(locks);
	(void)json_object_set_new(report, "one_lock", report_part(locks, json_object()));
	return r;
}

static int run_many(struct locks *locks, json_t *report)
{
	json_t *many;
	int r;

	begin_part(locks, PART_MANY);
	for (unsigned slot = 0; slot < LOCKS_UNDER_WAY; slot++) {
		for (unsigned i = 0; i < locks->config->players; i++) {
			locks->places[i][slot].next = slot * locks->config->players + i;
			many_next(locks, i, slot);
		}
	}
	r = run_part(locks);
	many = report_part(locks, json_object());
	(void)json_object_set_new(many, "locks", json_integer(locks->config->locks));
	(void)json_object_set_new(report, "many_locks", many);
	return r;
}

static int run_pulse(struct locks *locks, json_t *report)
{
	const struct pulse_config config = {
		.sessions = locks->config->sessions,
		.seconds = locks->config->seconds,
		.warm_up_seconds = locks->config->warm_up_seconds,
		.post = locks->config->post,
	};
	json_t *pulse;
	int r;

	if (config.post.is_link) {
		return 0; /* a link has one user, and the players have it */
	}
	pulse = pulse_measure(&config, &r);
	if (pulse != NULL) {
		(void)json_object_set_new(report, "keep_alive", pulse);
	}
	return r;
}

/* --- death ---------------------------------------------------------------------------------- */

/* Asks for the time to live that the holder was granted, and waits behind it. */
static int wait_behind(struct locks *locks, const struct victim *victim)
{
	const struct store_claim_path path =
		store_claim_holder(slice_text("/bench/death"), victim->token);

	locks->under_way++;
	players_send(locks->players, 0, PROTO_GET, store_claim_slice(&path));
	lock(locks, 0, "/bench/death", CONTEXT_LOCK);
	return settle(locks);
}

/* Another process holds the lock, player 0 waits for it; the other is killed at some moment. */
static int die_once(struct locks *locks, uint32_t ttl_ms)
{
	const uint64_t ttl_ns = (uint64_t)ttl_ms * 1000000;
	struct victim victim;
	int r = victim_begin(&victim, &locks->config->post, prng_next(&locks->prng), "/bench/death",
	                     ttl_ms);

	if (r < 0) {
		return r;
	}
	r = wait_behind(locks, &victim);
	/* Somewhere between two of its keep-alives. */
	if (r == 0) {
		r = turn_until(locks, report_now_ns() + prng_below(&locks->prng, ttl_ns), 0);
	}
	if (r == 0) {
		locks->start_ns = report_now_ns();
		victim_kill(&victim);
		r = turn_until(locks, locks->start_ns + PATIENCE_NS, locks->held + 1);
	}
	victim_end(&victim);
	if (r == 0) {
		unlock(locks, 0, "/bench/death", CONTEXT_UNLOCK);
		r = settle(locks);
	}
	return r;
}

static int run_deaths(struct locks *locks, json_t *report)
{
	json_t *all;
	int r = 0;

	if (locks->config->post.is_link) {
		return 0; /* as with keep-alives */
	}
	all = json_array();
	for (unsigned i = 0; r == 0 && i < TTLS; i++) {
		json_t *one = json_object();

		begin_part(locks, PART_DEATH);
		locks->count_from_ns = 0;
		locks->count_to_ns = UINT64_MAX;
		for (unsigned k = 0; r == 0 && k < locks->config->deaths; k++) {
			r = die_once(locks, ttls_ms[i]);
		}
		(void)json_object_set_new(one, "ttl_asked_ms", json_integer(ttls_ms[i]));
		(void)json_object_set_new(one, "ttl_ms", json_integer(locks->ttl_ms));
		(void)json_object_set_new(one, "silence_to_next_grant",
		                          report_latency(&locks->hand_over));
		(void)json_array_append_new(all, one);
	}
	(void)json_object_set_new(report, "death", all);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

static void close_sessions(struct locks *locks)
{
	locks->part = PART_SETTLE;
	for (unsigned i = 0; i < locks->config->players; i++) {
		locks->under_way++;
		players_send(locks->players, i, PROTO_CLOSE, slice_make(NULL, 0));
	}
	(void)settle(locks); /* who is not heard any more expires */
}

static void report_setting(const struct locks *locks, json_t *report)
{
	const struct locks_config *config = locks->config;

	(void)json_object_set_new(report, "what", json_string("lock"));
	(void)json_object_set_new(report, "loop", json_string("closed"));
	(void)json_object_set_new(report, "players", json_integer(config->players));
	(void)json_object_set_new(report, "durability",
	                          report_durability(players_durability(locks->players)));
	(void)json_object_set_new(report, "servers", json_integer(config->post.count));
	(void)json_object_set_new(report, "leader", json_integer(players_leader(locks->players)));
	(void)json_object_set_new(report, "transport",
	                          json_string(config->post.is_link ? "shm" : "kernel"));
}

json_t *locks_measure(const struct locks_config *config, int *ret_error)
{
	static int (*const parts[])(struct locks *, json_t *) = {
		run_alone, run_hand_over, run_one, run_many, run_pulse, run_deaths,
	};
	const struct players_config players = {
		.count = config->players,
		.requests = LOCKS_UNDER_WAY,
		.timeout_ns = config->timeout_ns,
		.seed = config->seed,
		.post = config->post,
	};
	struct locks *locks = calloc(1, sizeof(*locks));
	json_t *report = json_object();

	must(locks != NULL);
	must(config->players >= 2 && config->players <= PLAYERS_MAX);
	must(config->locks >= config->players * LOCKS_UNDER_WAY);
	locks->config = config;
	prng_init(&locks->prng, config->seed);
	*ret_error = players_new(&locks->players, &players);
	if (*ret_error == 0) {
		players_listen(locks->players, on_done, on_event, locks);
		*ret_error = open_sessions(locks);
	}
	for (size_t i = 0; *ret_error == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		*ret_error = parts[i](locks, report);
	}
	if (*ret_error == 0) {
		report_setting(locks, report);
		close_sessions(locks);
		(void)json_object_set_new(report, "commit", json_string(report_commit()));
		(void)json_object_set_new(report, "machine", report_machine());
	} else {
		json_decref(report);
		report = NULL;
	}
	players_free(locks->players);
	free(locks);
	return report;
}
