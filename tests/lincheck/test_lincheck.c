/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   lincheck says true of what a correct store answered, and false of what none could.
 * Method: small stories; then random histories of a real store with chosen moments, as they are
 *         and with one answer changed, against a search that tries every order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "tests/lincheck/lincheck.h"
#include "tests/lincheck/model.h"

enum {
	OPS = 7,
	WORLDS = 3000,
	LONG_OPS = 3000,
	LONG_CLIENTS = 8,
	LONG_QUEUE = 200,
};

static struct lincheck *start(void)
{
	struct lincheck *lincheck;

	assert_int_equal(lincheck_new(&lincheck), 0);
	return lincheck;
}

static enum lincheck_verdict verdict_of(struct lincheck *lincheck)
{
	enum lincheck_verdict verdict = LINCHECK_UNKNOWN;

	assert_int_equal(lincheck_check(lincheck, NULL, &verdict), 0);
	return verdict;
}

static void add(struct lincheck *lincheck, struct lincheck_operation operation)
{
	const char *reason = "";

	if (operation.key.size == 0) {
		operation.key = slice_text("/k");
	}
	if (lincheck_add(lincheck, &operation, &reason) != 0) {
		fail_msg("%s", reason);
	}
}

static struct lincheck_operation set(const char *value, int64_t call, int64_t ret, uint64_t rev)
{
	return (struct lincheck_operation){
		.kind = LINCHECK_SET,
		.has = LINCHECK_HAS_VALUE | (rev != 0 ? LINCHECK_TOLD_REV : 0),
		.value = slice_text(value),
		.rev = rev,
		.call_ns = call,
		.ret_ns = ret,
		.unknown = ret == 0,
	};
}

static struct lincheck_operation get(const char *value, int64_t call, int64_t ret)
{
	return (struct lincheck_operation){
		.kind = LINCHECK_GET,
		.has = LINCHECK_TOLD_FOUND | (value != NULL ? LINCHECK_TOLD_VALUE : 0),
		.found = value != NULL,
		.told_value = slice_text(value != NULL ? value : ""),
		.call_ns = call,
		.ret_ns = ret,
	};
}

static void test_nothing_is_true(void **state)
{
	struct lincheck *lincheck = start();
	struct lincheck_counts counts;

	(void)state;
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	lincheck_counts(lincheck, &counts);
	assert_int_equal(counts.operations, 0);
	lincheck_free(lincheck);
	lincheck_free(NULL);
}

static void test_equal_times_are_concurrent(void **state)
{
	struct lincheck *lincheck = start();

	(void)state;
	add(lincheck, set("a", 1, 10, 0));
	add(lincheck, get(NULL, 10, 20));
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	add(lincheck, get(NULL, 11, 20));
	assert_int_equal(verdict_of(lincheck), LINCHECK_FALSE);
	assert_non_null(strstr(lincheck_text(lincheck, true), "/k: false"));
	assert_non_null(strstr(lincheck_text(lincheck, true), "cannot be placed: get -> absent"));
	lincheck_free(lincheck);
}

static void test_unanswered_write_happens_late_or_never_but_once(void **state)
{
	struct lincheck *lincheck = start();

	(void)state;
	add(lincheck, set("a", 1, 0, 0));
	add(lincheck, get(NULL, 100, 110));
	add(lincheck, get("a", 120, 130));
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	add(lincheck, set("b", 140, 150, 0));
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	add(lincheck, get("b", 155, 156));
	add(lincheck, get("a", 160, 170));
	assert_int_equal(verdict_of(lincheck), LINCHECK_FALSE);
	lincheck_free(lincheck);
}

static void test_untold_revision_is_found_out(void **state)
{
	struct lincheck *lincheck = start();
	struct lincheck_operation seen = get("b", 40, 50);

	(void)state;
	add(lincheck, set("a", 1, 10, 7));
	add(lincheck, set("b", 20, 30, 0));
	seen.has |= LINCHECK_TOLD_REV;
	seen.rev = 8;
	add(lincheck, seen);
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	seen.rev = 9;
	add(lincheck, seen);
	assert_int_equal(verdict_of(lincheck), LINCHECK_FALSE);
	lincheck_free(lincheck);
}

static void test_nonsense_is_refused(void **state)
{
	struct lincheck *lincheck = start();
	struct lincheck_operation operation = get("a", 10, 5);
	const char *reason = NULL;

	(void)state;
	assert_int_equal(lincheck_add(lincheck, &operation, &reason), -22);
	assert_string_equal(reason, "ret is before call");
	operation = set("a", 1, 2, 0);
	operation.has = 0;
	assert_int_equal(lincheck_add(lincheck, &operation, NULL), -22);
	operation = set("a", 1, 2, 0);
	operation.has |= LINCHECK_TOLD_HOLDER;
	assert_int_equal(lincheck_add(lincheck, &operation, NULL), -22);
	operation = set("a", 1, 2, 0);
	operation.kind = LINCHECK_CAS;
	assert_int_equal(lincheck_add(lincheck, &operation, NULL), -22);
	operation = (struct lincheck_operation){.kind = LINCHECK_INIT};
	assert_int_equal(lincheck_add(lincheck, &operation, NULL), -22);
	lincheck_free(lincheck);
}

static void test_bounds_end_in_unknown(void **state)
{
	const struct lincheck_bounds bounds = {.steps_max = 5};
	struct lincheck *lincheck = start();
	enum lincheck_verdict verdict;

	(void)state;
	for (int64_t i = 0; i < 20; i++) {
		add(lincheck, set("a", 10 * i + 1, 10 * i + 2, 0));
	}
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	assert_int_equal(verdict, LINCHECK_UNKNOWN);
	lincheck_free(lincheck);
}

/* --- random histories ---------------------------------------------------------------------- */

/* The key as it stood at one revision of the store. */
struct past {
	bool present;
	unsigned value;
	uint64_t rev;
};

struct world {
	struct prng prng;
	struct lincheck_operation ops[OPS];
	bool present;
	unsigned value;
	uint64_t rev, store_rev;
	struct past past[2 * OPS + 1]; /* by the store's revision */
	uint64_t tokens[OPS], limits[OPS];
	unsigned held;
};

static const char *const letters[] = {"a", "b", "c"};

/* What the store answers, in the order of the calls of this function. */
static struct lincheck_operation act(struct world *w)
{
	struct lincheck_operation o = {.key = slice_text("/k")};
	const uint64_t what = prng_below(&w->prng, 10);
	const bool tell_rev = prng_chance(&w->prng, 1, 2);
	bool done;

	if (what < 3) {
		o.kind = LINCHECK_GET;
		o.has = LINCHECK_TOLD_FOUND | (w->present ? LINCHECK_TOLD_VALUE : 0);
		o.has |= tell_rev ? LINCHECK_TOLD_REV : 0;
		o.found = w->present;
		o.told_value = slice_text(letters[w->value]);
		o.rev = w->present ? w->rev : 0;
		return o;
	}
	done = true;
	if (what < 5) {
		o.kind = LINCHECK_SET;
	} else if (what < 7) {
		o.kind = LINCHECK_DEL;
		o.has = LINCHECK_TOLD_OK;
		done = w->present;
	} else if (what < 9) {
		o.kind = LINCHECK_CAS;
		o.has = LINCHECK_HAS_EXPECT_REV | LINCHECK_TOLD_OK;
		o.expect_rev = prng_below(&w->prng, 2) == 0 || !w->present ? 0 : w->rev;
		done = o.expect_rev == (w->present ? w->rev : 0);
	} else {
		o.kind = LINCHECK_CAS;
		o.has = LINCHECK_HAS_EXPECT | LINCHECK_TOLD_OK;
		o.expect = slice_text(letters[prng_below(&w->prng, 3)]);
		done = w->present && o.expect.data[0] == letters[w->value][0];
	}
	o.ok = done;
	w->store_rev += done;
	w->rev = done ? w->store_rev : w->rev;
	if (o.kind != LINCHECK_DEL) {
		const unsigned value = (unsigned)prng_below(&w->prng, 3);

		o.has |= LINCHECK_HAS_VALUE;
		o.value = slice_text(letters[value]);
		w->value = done ? value : w->value;
		w->present = w->present || done;
	} else {
		w->present = false;
	}
	if (done && tell_rev) {
		o.has |= LINCHECK_TOLD_REV;
		o.rev = w->rev;
	}
	return o;
}

/* Other keys change in between; and what stood at any revision can still be read. */
static struct lincheck_operation act_or_look_back(struct world *w)
{
	struct lincheck_operation o = {.key = slice_text("/k"),
	                               .kind = LINCHECK_GET,
	                               .has = LINCHECK_HAS_AT_REV | LINCHECK_TOLD_FOUND};

	if (w->store_rev == 0 || prng_chance(&w->prng, 1, 2)) {
		const struct past before = w->past[w->store_rev];

		w->store_rev += prng_below(&w->prng, 2);
		w->past[w->store_rev] = before;
		o = act(w);
		w->past[w->store_rev] = (struct past){w->present, w->value, w->rev};
		return o;
	}
	o.at_rev = 1 + prng_below(&w->prng, w->store_rev);
	o.found = w->past[o.at_rev].present;
	if (o.found) {
		o.has |= LINCHECK_TOLD_VALUE | LINCHECK_TOLD_REV;
		o.told_value = slice_text(letters[w->past[o.at_rev].value]);
		o.rev = w->past[o.at_rev].rev;
	}
	return o;
}

/* Mostly the present token, or the last one. */
static uint64_t draw_token(struct world *w)
{
	return prng_chance(&w->prng, 3, 4) ? w->rev : prng_below(&w->prng, w->rev + 2);
}

/* The same of a lock: `present` says whether it is held, `rev` is the token. */
static struct lincheck_operation act_on_lock(struct world *w)
{
	struct lincheck_operation o = {.key = slice_text("lock"), .has = LINCHECK_TOLD_OK};
	const uint64_t what = prng_below(&w->prng, 10);

	if (what < 4) {
		o.kind = LINCHECK_ACQUIRE;
		o.ok = !w->present;
		if (prng_chance(&w->prng, 2, 3)) {
			o.has |= o.ok ? LINCHECK_TOLD_TOKEN : LINCHECK_TOLD_HOLDER;
		}
		w->rev = o.ok ? w->rev + 1 + prng_below(&w->prng, 2) : w->rev;
		o.told_token = o.holder = w->rev;
		w->present = true;
		return o;
	}
	o.has |= LINCHECK_HAS_TOKEN;
	o.token = draw_token(w);
	o.ok = w->present && o.token == w->rev;
	if (what < 6) {
		o.kind = LINCHECK_CHECK;
		return o;
	}
	o.kind = LINCHECK_RELEASE;
	if (what < 8 && o.ok) {
		o.kind = LINCHECK_EXPIRE;
		o.has = LINCHECK_HAS_TOKEN;
	}
	w->present = w->present && !o.ok;
	return o;
}

static void leave(struct world *w, unsigned holder)
{
	w->held--;
	for (unsigned i = holder; i < w->held; i++) {
		w->tokens[i] = w->tokens[i + 1];
		w->limits[i] = w->limits[i + 1];
	}
}

static bool may_hold(const struct world *w, uint64_t limit)
{
	bool all_shared = limit == 0;
	uint64_t lowest = limit;

	for (unsigned i = 0; i < w->held; i++) {
		all_shared = all_shared && w->limits[i] == 0;
		lowest = w->limits[i] < lowest ? w->limits[i] : lowest;
	}
	return all_shared || w->held + 1 <= lowest;
}

/* The same of a lock that several may hold. */
static struct lincheck_operation act_on_permits(struct world *w)
{
	static const uint32_t limits[] = {0, 0, 1, 2, 2, 3, 3};
	struct lincheck_operation o = {.key = slice_text("lock"), .has = LINCHECK_TOLD_OK};
	const uint64_t what = prng_below(&w->prng, 10);
	unsigned holder = 0;

	if (what < 5 || w->held == 0) {
		o.kind = LINCHECK_ACQUIRE;
		o.has |= LINCHECK_HAS_LIMIT;
		o.limit = limits[prng_below(&w->prng, sizeof(limits) / sizeof(limits[0]))];
		o.ok = may_hold(w, o.limit);
		if (prng_chance(&w->prng, 2, 3)) {
			o.has |= o.ok ? LINCHECK_TOLD_TOKEN : LINCHECK_TOLD_HOLDER;
		}
		if (o.ok) {
			w->rev += 1 + prng_below(&w->prng, 2);
			w->limits[w->held] = o.limit;
			w->tokens[w->held++] = w->rev;
		}
		o.told_token = w->rev;
		o.holder = w->tokens[prng_below(&w->prng, w->held)];
		return o;
	}
	o.has |= LINCHECK_HAS_TOKEN;
	o.token = w->tokens[prng_below(&w->prng, w->held)] + prng_chance(&w->prng, 1, 4);
	while (holder < w->held && w->tokens[holder] != o.token) {
		holder++;
	}
	o.ok = holder < w->held;
	o.kind = what < 7 ? LINCHECK_CHECK : LINCHECK_RELEASE;
	if (what == 9 && o.ok) {
		o.kind = LINCHECK_EXPIRE;
		o.has = LINCHECK_HAS_TOKEN;
	}
	if (o.ok && o.kind != LINCHECK_CHECK) {
		leave(w, holder);
	}
	return o;
}

/* Each operation runs at the moment 100 * i, somewhere between its call and its return. */
static void make_world(struct world *w, uint64_t seed,
                       struct lincheck_operation (*act_on)(struct world *))
{
	*w = (struct world){0};
	prng_init(&w->prng, seed);
	for (int64_t i = 0; i < OPS; i++) {
		w->ops[i] = act_on(w);
		w->ops[i].call_ns = 100 * i - (int64_t)prng_below(&w->prng, 300);
		w->ops[i].ret_ns = 100 * i + (int64_t)prng_below(&w->prng, 300);
		if (w->ops[i].kind != LINCHECK_GET && w->ops[i].kind != LINCHECK_CHECK &&
		    prng_chance(&w->prng, 1, 6)) {
			w->ops[i].unknown = true;
		}
	}
}

static void spoil_world(struct world *w)
{
	struct lincheck_operation *o = &w->ops[prng_below(&w->prng, OPS)];

	if ((o->has & LINCHECK_HAS_AT_REV) != 0 && prng_chance(&w->prng, 1, 2)) {
		o->at_rev += 1 + prng_below(&w->prng, 2);
	} else if ((o->has & LINCHECK_TOLD_VALUE) != 0) {
		o->told_value = slice_text(letters[prng_below(&w->prng, 3)]);
	} else if (o->kind == LINCHECK_GET) {
		o->has = LINCHECK_TOLD_FOUND | (o->has & LINCHECK_HAS_AT_REV);
		o->has |= o->has != LINCHECK_TOLD_FOUND ? LINCHECK_TOLD_REV : 0;
		o->found = !o->found;
		o->rev = o->at_rev;
	} else if ((o->has & (LINCHECK_TOLD_TOKEN | LINCHECK_TOLD_HOLDER)) != 0) {
		o->told_token += 1 + prng_below(&w->prng, 2);
		o->holder = o->told_token;
	} else if (o->kind == LINCHECK_EXPIRE) {
		o->token++;
	} else if ((o->has & LINCHECK_TOLD_REV) != 0) {
		o->rev += 1 + prng_below(&w->prng, 2);
	} else if ((o->has & LINCHECK_TOLD_OK) != 0) {
		o->ok = !o->ok;
	}
}

static struct model_op plain_op(const struct lincheck_operation *o)
{
	const unsigned told = ~0u << 8;

	return (struct model_op){
		.kind = o->kind,
		.unknown = o->unknown,
		.has = o->unknown ? o->has & ~told : o->has,
		.value = o->value.size != 0 ? o->value.data[0] : 0,
		.expect = o->expect.size != 0 ? o->expect.data[0] : 0,
		.told_value = o->told_value.size != 0 ? o->told_value.data[0] : 0,
		.ok = o->ok,
		.found = o->found,
		.expect_rev = o->expect_rev,
		.rev = o->rev,
		.token = o->token,
		.at_rev = o->at_rev,
		.limit = (o->has & LINCHECK_HAS_LIMIT) != 0 ? o->limit : 1,
		.told_token = o->told_token,
		.holder = o->holder,
	};
}

/* Every order of every subset that holds all answered ones. Depth at most OPS. */
static bool some_order_fits(const struct world *w, unsigned placed, struct model_state state)
{
	bool all = true;

	for (unsigned i = 0; i < OPS; i++) {
		all = all && (w->ops[i].unknown || (placed >> i & 1) != 0);
	}
	if (all) {
		return true;
	}
	state.unseen = 0; /* no thought is saved here */
	for (unsigned i = 0; i < OPS; i++) {
		const struct model_op op = plain_op(&w->ops[i]);
		struct model_state next;
		bool may = (placed >> i & 1) == 0;

		for (unsigned k = 0; k < OPS && (op.has & LINCHECK_HAS_AT_REV) == 0; k++) {
			may = may && (k == i || (placed >> k & 1) != 0 || w->ops[k].unknown ||
			              w->ops[k].ret_ns >= w->ops[i].call_ns);
		}
		for (unsigned choice = 0; may && choice < model_choices(&state, &op); choice++) {
			if (model_step(&state, &op, choice, &next) &&
			    some_order_fits(w, placed | 1u << i, next)) {
				return true;
			}
		}
	}
	return false;
}

static enum lincheck_verdict check_world(const struct world *w)
{
	const struct lincheck_bounds bounds = {.no_rev_order = true};
	struct lincheck *lincheck = start();
	enum lincheck_verdict verdict;

	for (unsigned i = 0; i < OPS; i++) {
		add(lincheck, w->ops[i]);
	}
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	lincheck_free(lincheck);
	return verdict;
}

static void try_worlds(struct lincheck_operation (*act_on)(struct world *))
{
	unsigned bad = 0;

	for (uint64_t seed = 1; seed <= WORLDS; seed++) {
		struct world w;
		bool fits;

		make_world(&w, seed, act_on);
		if (check_world(&w) != LINCHECK_TRUE) {
			fail_msg("seed %ju: a true history is called false", (uintmax_t)seed);
		}
		spoil_world(&w);
		fits = some_order_fits(&w, 0, model_start());
		bad += !fits;
		if ((check_world(&w) == LINCHECK_TRUE) != fits) {
			fail_msg("seed %ju, spoilt: should be %d", (uintmax_t)seed, fits);
		}
	}
	assert_true(bad > WORLDS / 20);
}

static void test_agrees_with_trying_every_order(void **state)
{
	(void)state;
	try_worlds(act);
}

static void test_agrees_with_trying_every_order_of_a_lock(void **state)
{
	(void)state;
	try_worlds(act_on_lock);
}

static void test_agrees_with_trying_every_order_of_the_past(void **state)
{
	(void)state;
	try_worlds(act_or_look_back);
}

static void test_agrees_with_trying_every_order_of_permits(void **state)
{
	(void)state;
	try_worlds(act_on_permits);
}

static struct lincheck_operation acquire(uint32_t limit, uint64_t token, int64_t call, int64_t ret)
{
	return (struct lincheck_operation){
		.kind = LINCHECK_ACQUIRE,
		.key = slice_text("lock"),
		.has = LINCHECK_HAS_LIMIT | LINCHECK_TOLD_OK | LINCHECK_TOLD_TOKEN,
		.limit = limit,
		.ok = true,
		.told_token = token,
		.call_ns = call,
		.ret_ns = ret,
	};
}

/* More than a state has room for is not called false. */
static void test_too_many_holders_are_not_judged(void **state)
{
	struct lincheck *lincheck = start();

	(void)state;
	for (int64_t i = 1; i <= MODEL_HOLDERS_MAX; i++) {
		add(lincheck, acquire(0, (uint64_t)i, 10 * i, 10 * i + 1));
	}
	assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
	add(lincheck, acquire(0, 1000, 1000, 1001));
	assert_int_equal(verdict_of(lincheck), LINCHECK_UNKNOWN);
	lincheck_free(lincheck);
}

/* A lease is kept if its lock was not another's before the time that its holder was told. */
static void test_lease_is_an_expiry_that_may_come_late_but_not_early(void **state)
{
	const struct lincheck_operation expire = {.kind = LINCHECK_EXPIRE,
	                                          .key = slice_text("lock"),
	                                          .has = LINCHECK_HAS_TOKEN,
	                                          .token = 1,
	                                          .call_ns = 1000, /* told: not before */
	                                          .unknown = true};

	(void)state;
	for (int64_t ret_ns = 999; ret_ns <= 1000; ret_ns++) {
		struct lincheck *lincheck = start();

		add(lincheck, acquire(1, 1, 0, 10));
		add(lincheck, expire);
		assert_int_equal(verdict_of(lincheck), LINCHECK_TRUE);
		add(lincheck, acquire(1, 2, 20, ret_ns));
		assert_int_equal(verdict_of(lincheck),
		                 ret_ns < 1000 ? LINCHECK_FALSE : LINCHECK_TRUE);
		lincheck_free(lincheck);
	}
}

/* Very many wait at once, and get it in an order of their own; then one more gets it. */
static void test_long_queue_is_checked_soon(void **state)
{
	const struct lincheck_bounds bounds = {.steps_max = 10 * LONG_QUEUE * LONG_OPS};
	struct lincheck_operation release = {.kind = LINCHECK_RELEASE,
	                                     .key = slice_text("lock"),
	                                     .has = LINCHECK_HAS_TOKEN | LINCHECK_TOLD_OK,
	                                     .ok = true};
	struct lincheck *lincheck = start();
	enum lincheck_verdict verdict;

	(void)state;
	for (int64_t i = 0; i < LONG_OPS; i++) {
		const int64_t wait = 100 * (i * 37 % LONG_QUEUE);

		release.token = (uint64_t)i + 1;
		release.call_ns = 100 * i + 50;
		release.ret_ns = 100 * i + 99;
		add(lincheck, acquire(1, release.token, 100 * i - wait, 100 * i + 40));
		add(lincheck, release);
	}
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	assert_int_equal(verdict, LINCHECK_TRUE);
	add(lincheck, acquire(1, LONG_OPS + 1, 0, 150000));
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	assert_int_equal(verdict, LINCHECK_FALSE);
	lincheck_free(lincheck);
}

/* One key, some clients, many operations, one answer in 50 lost; then one read too old. */
static void test_long_history_is_checked_soon(void **state)
{
	const struct lincheck_bounds bounds = {.steps_max = 10000 * LONG_OPS};
	struct lincheck *lincheck = start();
	enum lincheck_verdict verdict;
	char text[32] = "";
	struct prng prng;

	(void)state;
	prng_init(&prng, 3);
	for (int64_t i = 0; i < LONG_OPS; i++) {
		const int64_t call = 100 * i - (int64_t)prng_below(&prng, 100 * LONG_CLIENTS);
		const int64_t ret = 100 * i + (int64_t)prng_below(&prng, 100 * LONG_CLIENTS);

		if (prng_chance(&prng, 1, 2)) {
			(void)snprintf(text, sizeof(text), "v%d", (int)i);
			add(lincheck, set(text, call, prng_chance(&prng, 1, 50) ? 0 : ret, 0));
		} else {
			add(lincheck, get(text[0] != 0 ? text : NULL, call, ret));
		}
	}
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	assert_int_equal(verdict, LINCHECK_TRUE);
	add(lincheck, set("x", 200 * LONG_OPS, 200 * LONG_OPS + 1, 0));
	add(lincheck, set("y", 200 * LONG_OPS + 2, 200 * LONG_OPS + 3, 0));
	add(lincheck, get("x", 200 * LONG_OPS + 4, 200 * LONG_OPS + 5));
	assert_int_equal(lincheck_check(lincheck, &bounds, &verdict), 0);
	assert_int_equal(verdict, LINCHECK_FALSE);
	lincheck_free(lincheck);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_true),
		cmocka_unit_test(test_equal_times_are_concurrent),
		cmocka_unit_test(test_unanswered_write_happens_late_or_never_but_once),
		cmocka_unit_test(test_untold_revision_is_found_out),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_bounds_end_in_unknown),
		cmocka_unit_test(test_agrees_with_trying_every_order),
		cmocka_unit_test(test_agrees_with_trying_every_order_of_a_lock),
		cmocka_unit_test(test_agrees_with_trying_every_order_of_the_past),
		cmocka_unit_test(test_agrees_with_trying_every_order_of_permits),
		cmocka_unit_test(test_too_many_holders_are_not_judged),
		cmocka_unit_test(test_long_queue_is_checked_soon),
		cmocka_unit_test(test_lease_is_an_expiry_that_may_come_late_but_not_early),
		cmocka_unit_test(test_long_history_is_checked_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
