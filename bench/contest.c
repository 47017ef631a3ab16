/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/contest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hist.h"
#include "bench/option.h"
#include "bench/report.h"
#include "store/base/check.h"
#include "store/base/prng.h"

#define PAUSE_NS    ((uint64_t)10000000)
#define WARM_UP_NS  ((uint64_t)500000000)
#define PATIENCE_NS ((uint64_t)60000000000u)

enum {
	SESSION_MS = 30000, /* but of those that die */
	PLACES = CONTEST_PLAYERS * CONTEST_SLOTS,
};

enum part {
	PART_ALONE,
	PART_HAND_OVER,
	PART_ONE,
	PART_MANY,
	PART_DEATH,
};

struct place {
	bool holds; /* it has the lock, and gives it back next */
	char name[CONTEST_NAME_SIZE];
	unsigned next; /* MANY: of its locks, which no other place has */
};

struct contest {
	const struct contest_config *config;
	const struct contest_side *side;
	enum part part;
	bool stops;
	unsigned under_way;
	int error;
	struct prng prng;
	uint64_t start_ns, count_from_ns, count_to_ns, pause_ns;
	uint64_t grants;
	unsigned holder; /* HAND_OVER */
	bool is_granted; /* DEATH: to who waited */
	struct place places[CONTEST_PLAYERS][CONTEST_SLOTS];
	struct hist acquire, release, hand_over;
};

/* --- options -------------------------------------------------------------------------------- */

static error_t take_option(int key, char *argument, struct argp_state *state)
{
	struct contest_config *config = state->input;

	switch (key) {
	case 'l':
		config->locks = option_count(state, "locks", argument, PLACES, 1000000);
		return 0;
	case 'd':
		config->deaths = option_count(state, "deaths", argument, 0, 1000);
		return 0;
	case 't':
		config->seconds = option_number(state, "seconds", argument, 0.1, 3600);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"locks", 'l', "N", 0, "where there are many (default 10000)", 0},
	{"deaths", 'd', "N", 0, "of holders, for each time to live (default 5)", 0},
	{"seconds", 't', "S", 0, "each part (default 2)", 0},
	{0},
};
const struct argp contest_argp = {.options = options, .parser = take_option};

/* --- steps ---------------------------------------------------------------------------------- */

static void lock(struct contest *contest, unsigned player, unsigned slot)
{
	contest->under_way++;
	contest->places[player][slot].holds = false;
	contest->side->lock(contest->side->context, player, slot,
	                    contest->places[player][slot].name);
}

static void unlock(struct contest *contest, unsigned player, unsigned slot)
{
	contest->under_way++;
	contest->places[player][slot].holds = true;
	contest->side->unlock(contest->side->context, player, slot,
	                      contest->places[player][slot].name);
}

static void name_all(struct contest *contest, const char *name)
{
	for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
		(void)snprintf(contest->places[i][0].name, CONTEST_NAME_SIZE, "%s", name);
	}
}

static bool is_counted(const struct contest *contest, uint64_t now_ns)
{
	return now_ns >= contest->count_from_ns && now_ns < contest->count_to_ns;
}

static void add(struct contest *contest, struct hist *hist, uint64_t now_ns)
{
	if (is_counted(contest, contest->start_ns)) {
		hist_add(hist, now_ns - contest->start_ns);
	}
}

static void next_of_many(struct contest *contest, unsigned player, unsigned slot)
{
	struct place *place = &contest->places[player][slot];

	(void)snprintf(place->name, CONTEST_NAME_SIZE, "/bench/many/%u", place->next);
	place->next += PLACES;
	if (place->next >= contest->config->locks) {
		place->next %= PLACES; /* its first one */
	}
	lock(contest, player, slot);
}

/* Alone, one and many: what was locked is given back, what was given back is locked again. */
static void go_round(struct contest *contest, unsigned player, unsigned slot, bool held,
                     uint64_t now_ns)
{
	if (contest->part == PART_ALONE) {
		add(contest, held ? &contest->release : &contest->acquire, now_ns);
		contest->start_ns = report_now_ns();
	}
	if (!held) {
		contest->grants += is_counted(contest, now_ns);
		unlock(contest, player, slot);
	} else if (!contest->stops && contest->part == PART_MANY) {
		next_of_many(contest, player, slot);
	} else if (!contest->stops) {
		lock(contest, player, slot);
	}
}

/* Players 0 and 1: who gave it back asks again, and waits; the other goes on after a pause. */
static void take_turns(struct contest *contest, unsigned player, bool held, uint64_t now_ns)
{
	if (held) {
		if (!contest->stops) {
			lock(contest, player, 0);
		}
		return;
	}
	if (contest->pause_ns == 0 && contest->start_ns != 0) {
		add(contest, &contest->hand_over, now_ns);
		contest->grants += is_counted(contest, now_ns);
	}
	contest->holder = player;
	contest->pause_ns = now_ns + PAUSE_NS;
}

static void pass_on(struct contest *contest)
{
	if (contest->part == PART_HAND_OVER && contest->pause_ns != 0 &&
	    report_now_ns() >= contest->pause_ns) {
		contest->pause_ns = 0;
		contest->start_ns = report_now_ns();
		unlock(contest, contest->holder, 0);
	}
}

void contest_done(struct contest *contest, unsigned player, unsigned slot, bool is_good)
{
	const bool held = contest->places[player][slot].holds;
	const uint64_t now_ns = report_now_ns();

	must(contest->under_way > 0);
	contest->under_way--;
	if (!is_good) {
		contest->error = -EPROTO;
	} else if (contest->part == PART_HAND_OVER) {
		take_turns(contest, player, held, now_ns);
	} else if (contest->part != PART_DEATH) {
		go_round(contest, player, slot, held, now_ns);
	} else if (player == 0 && !held && contest->start_ns != 0) {
		add(contest, &contest->hand_over, now_ns);
		contest->is_granted = true;
	}
}

/* --- parts ---------------------------------------------------------------------------------- */

static void begin_part(struct contest *contest, enum part part)
{
	contest->part = part;
	contest->stops = false;
	contest->grants = 0;
	contest->start_ns = contest->pause_ns = 0;
	contest->count_from_ns = report_now_ns() + WARM_UP_NS;
	contest->count_to_ns = contest->count_from_ns + (uint64_t)(contest->config->seconds * 1e9);
	hist_init(&contest->acquire);
	hist_init(&contest->release);
	hist_init(&contest->hand_over);
}

/* Turns until so much time has come, or nothing is under way any more. */
static int turn_until(struct contest *contest, uint64_t end_ns)
{
	while (report_now_ns() < end_ns && contest->error == 0 && contest->under_way > 0) {
		const int r = contest->side->turn(contest->side->context);

		if (r < 0) {
			return r;
		}
		pass_on(contest);
	}
	return contest->error;
}

static int settle(struct contest *contest)
{
	int r;

	contest->stops = true;
	r = turn_until(contest, report_now_ns() + PATIENCE_NS);
	return r == 0 && contest->under_way != 0 ? -ETIMEDOUT : r;
}

static int run_part(struct contest *contest)
{
	const int r = turn_until(contest, contest->count_to_ns);

	return r == 0 ? settle(contest) : r;
}

static json_t *grants_of(const struct contest *contest)
{
	return json_real((double)contest->grants / contest->config->seconds);
}

static int run_alone(struct contest *contest, json_t *report)
{
	int r;

	begin_part(contest, PART_ALONE);
	name_all(contest, "/bench/free");
	contest->start_ns = report_now_ns();
	lock(contest, 0, 0);
	r = run_part(contest);
	(void)json_object_set_new(
		report, "alone",
		json_pack("{sososo}", "acquire", report_latency(&contest->acquire), "release",
	                  report_latency(&contest->release), "grants_per_s", grants_of(contest)));
	return r;
}

static int run_hand_over(struct contest *contest, json_t *report)
{
	int r;

	begin_part(contest, PART_HAND_OVER);
	name_all(contest, "/bench/passed");
	lock(contest, 0, 0);
	r = turn_until(contest, report_now_ns() + PATIENCE_NS);
	lock(contest, 1, 0);
	if (r == 0) {
		r = run_part(contest);
	}
	(void)json_object_set_new(
		report, "hand_over",
		json_pack("{so}", "release_to_known", report_latency(&contest->hand_over)));
	/* The last one has it yet. */
	if (r == 0) {
		begin_part(contest, PART_DEATH);
		unlock(contest, contest->holder, 0);
	}
	return r == 0 ? settle(contest) : r;
}

static int run_one(struct contest *contest, json_t *report)
{
	int r;

	begin_part(contest, PART_ONE);
	name_all(contest, "/bench/one");
	for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
		lock(contest, i, 0);
	}
	r = run_part(contest);
	(void)json_object_set_new(report, "one_lock",
	                          json_pack("{so}", "grants_per_s", grants_of(contest)));
	return r;
}

static int run_many(struct contest *contest, json_t *report)
{
	int r;

	begin_part(contest, PART_MANY);
	for (unsigned slot = 0; slot < CONTEST_SLOTS; slot++) {
		for (unsigned i = 0; i < CONTEST_PLAYERS; i++) {
			contest->places[i][slot].next = slot * CONTEST_PLAYERS + i;
			next_of_many(contest, i, slot);
		}
	}
	r = run_part(contest);
	(void)json_object_set_new(report, "many_locks",
	                          json_pack("{sosi}", "grants_per_s", grants_of(contest), "locks",
	                                    (int)contest->config->locks));
	return r;
}

/* --- death ---------------------------------------------------------------------------------- */

/* Player 1 holds the lock, 0 waits for it; 1 falls silent between two of its keep-alives. */
static int die_once(struct contest *contest, uint32_t ttl_ms)
{
	const struct contest_side *side = contest->side;
	const uint64_t alive_ns = PAUSE_NS + prng_below(&contest->prng, (uint64_t)ttl_ms * 1000000);
	int r = side->open(side->context, 1, ttl_ms);

	contest->start_ns = 0;
	contest->is_granted = false;
	name_all(contest, "/bench/death");
	if (r == 0) {
		lock(contest, 1, 0);
		r = settle(contest);
	}
	if (r == 0) {
		lock(contest, 0, 0);
		r = turn_until(contest, report_now_ns() + alive_ns);
	}
	if (r == 0) {
		contest->start_ns = report_now_ns();
		side->kill(side->context, 1);
		r = settle(contest);
	}
	if (r == 0 && contest->is_granted) {
		contest->start_ns = 0;
		unlock(contest, 0, 0);
		r = settle(contest);
	}
	return r;
}

static int run_deaths(struct contest *contest, json_t *report)
{
	const struct contest_config *config = contest->config;
	json_t *all = json_array();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < CONTEST_TTLS_MAX && config->ttls_ms[i] != 0; i++) {
		begin_part(contest, PART_DEATH);
		contest->count_from_ns = 0;
		contest->count_to_ns = UINT64_MAX;
		for (unsigned k = 0; r == 0 && k < config->deaths; k++) {
			r = die_once(contest, config->ttls_ms[i]);
		}
		(void)json_array_append_new(
			all,
			json_pack("{sisiso}", "ttl_asked_ms", (int)config->ttls_ms[i], "ttl_ms",
		                  (int)contest->side->ttl_ms(contest->side->context, 1),
		                  "silence_to_next_grant", report_latency(&contest->hand_over)));
	}
	(void)json_object_set_new(report, "death", all);
	return r;
}

static int measure(struct contest *contest, json_t *report)
{
	static int (*const parts[])(struct contest *, json_t *) = {
		run_alone, run_hand_over, run_one, run_many, run_deaths,
	};
	const struct contest_side *side = contest->side;
	int r = side->begin(side->context, contest);

	for (unsigned i = 0; r == 0 && i < CONTEST_PLAYERS; i++) {
		r = side->open(side->context, i, SESSION_MS);
	}
	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		r = parts[i](contest, report);
	}
	return r;
}

int contest_run(const struct contest_config *config, const struct contest_side *side)
{
	static struct contest contest;
	json_t *report = json_object();
	int r;

	contest.config = config;
	contest.side = side;
	prng_init(&contest.prng, 1);
	r = measure(&contest, report);
	if (r < 0) {
		(void)fprintf(stderr, "%s-lock: %s\n", side->name, strerror(-r));
		json_decref(report);
		return EXIT_FAILURE;
	}
	(void)json_object_set_new(report, "players", json_integer(CONTEST_PLAYERS));
	(void)json_object_set_new(report, "what", json_sprintf("%s lock", side->name));
	report_print(report, 1);
	return EXIT_SUCCESS;
}
