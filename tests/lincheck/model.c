/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/model.h"

#include <assert.h>
#include <stddef.h>

#include "store/base/check.h"

enum {
	CONDITIONS = LINCHECK_HAS_EXPECT | LINCHECK_HAS_EXPECT_REV | LINCHECK_HAS_MAX_REV,
};

static_assert(offsetof(struct model_state, holders) == 24, "no hidden padding: compared as bytes");
static_assert(sizeof(struct model_holder) == 24, "nor here");

struct model_state model_start(void)
{
	return (struct model_state){.exact = 1};
}

struct model_state model_init(const struct model_op *op)
{
	struct model_state state = model_start();
	const bool has_rev = (op->has & (LINCHECK_TOLD_REV | LINCHECK_TOLD_TOKEN)) != 0;
	const uint64_t rev = (op->has & LINCHECK_TOLD_TOKEN) != 0 ? op->told_token : op->rev;

	state.rev = has_rev ? rev : 0;
	if ((op->has & LINCHECK_TOLD_FOUND) != 0 && !op->found) {
		return state;
	}
	state.present = 1;
	if ((op->has & LINCHECK_TOLD_TOKEN) != 0) {
		state.held = 1;
		state.holders[0] = (struct model_holder){rev, rev, op->limit};
		return state;
	}
	state.exact = has_rev;
	state.rev = has_rev ? rev : 1;
	state.value = (op->has & LINCHECK_TOLD_VALUE) != 0 ? op->told_value : MODEL_VALUE_UNKNOWN;
	return state;
}

bool model_is_told(const struct model_op *op)
{
	switch (op->kind) {
	case LINCHECK_CAS:
	case LINCHECK_ADD:
	case LINCHECK_DEL:
	case LINCHECK_ACQUIRE:
	case LINCHECK_RELEASE:
	case LINCHECK_CHECK:
		return op->unknown || (op->has & LINCHECK_TOLD_OK) != 0;
	case LINCHECK_GET:
	case LINCHECK_SET:
	case LINCHECK_INIT:
	case LINCHECK_EXPIRE:
	case LINCHECK_KIND_COUNT:
		break;
	}
	return true;
}

static bool may_be_done(const struct model_op *op)
{
	return op->unknown || (op->has & LINCHECK_TOLD_OK) == 0 || op->ok;
}

static bool may_be_refused(const struct model_op *op)
{
	return !op->unknown && op->kind != LINCHECK_EXPIRE &&
	       ((op->has & LINCHECK_TOLD_OK) == 0 || !op->ok);
}

/* Whether it was, or by this choice is taken to have been, done. */
static bool was_done(const struct model_op *op, unsigned choice)
{
	return may_be_done(op) && (choice == 0 || !may_be_refused(op));
}

static bool reveal_rev(struct model_state *state, uint64_t rev)
{
	if (!state->present) {
		return rev == 0;
	}
	if (state->exact) {
		return rev == state->rev;
	}
	if (rev < state->rev) {
		return false;
	}
	state->rev = rev;
	state->exact = 1;
	return true;
}

static bool reveal_value(struct model_state *state, uint32_t value)
{
	if (!state->present) {
		return false;
	}
	if (state->value == MODEL_VALUE_UNKNOWN) {
		state->value = value;
	}
	return state->value == value;
}

/* Whether the state is the one that found, value and rev of the answer tell of. */
static bool shows(struct model_state *state, const struct model_op *op)
{
	if ((op->has & LINCHECK_TOLD_FOUND) != 0 && op->found != (state->present != 0)) {
		return false;
	}
	if ((op->has & LINCHECK_TOLD_VALUE) != 0 && !reveal_value(state, op->told_value)) {
		return false;
	}
	return (op->has & LINCHECK_TOLD_REV) == 0 || reveal_rev(state, op->rev);
}

/* Gives the key the next revision or token: `rev` if it was told. False: it would not grow. */
static bool grow(struct model_state *state, bool told, uint64_t rev)
{
	const uint64_t floor = state->floor > state->rev ? state->floor : state->rev;

	if (told && rev <= floor) {
		return false;
	}
	state->rev = told ? rev : floor + 1;
	state->exact = told;
	return true;
}

static bool is_true(struct model_state *state, const struct model_op *op)
{
	if (op->kind == LINCHECK_ADD && state->present) {
		return false;
	}
	if ((op->has & LINCHECK_HAS_EXPECT) != 0) {
		if (op->expect_absent ? state->present : !reveal_value(state, op->expect)) {
			return false;
		}
	}
	if ((op->has & LINCHECK_HAS_EXPECT_REV) != 0) {
		if ((op->expect_rev == 0) != !state->present ||
		    !reveal_rev(state, op->expect_rev)) {
			return false;
		}
	}
	if ((op->has & LINCHECK_HAS_MAX_REV) != 0 && op->max_rev >= 0 && state->present) {
		return state->rev <= (uint64_t)op->max_rev;
	}
	return true;
}

/* Whether the condition may be false; where the state is not known well enough, it may. */
static bool is_false(struct model_state *state, const struct model_op *op)
{
	if (op->kind == LINCHECK_ADD && state->present) {
		return true;
	}
	if ((op->has & LINCHECK_HAS_EXPECT) != 0) {
		if (op->expect_absent) {
			if (state->present) {
				return true;
			}
		} else if (!state->present || state->value == MODEL_VALUE_UNKNOWN ||
		           state->value != op->expect) {
			return true;
		}
	}
	if ((op->has & LINCHECK_HAS_EXPECT_REV) != 0) {
		if (state->present ? !state->exact || state->rev != op->expect_rev
		                   : op->expect_rev != 0) {
			return true;
		}
	}
	if ((op->has & LINCHECK_HAS_MAX_REV) == 0 || op->max_rev < 0 || !state->present) {
		return false;
	}
	if (!state->exact && state->rev <= (uint64_t)op->max_rev) {
		state->rev = (uint64_t)op->max_rev + 1;
	}
	return state->rev > (uint64_t)op->max_rev;
}

static bool step_write(struct model_state *state, const struct model_op *op, unsigned choice)
{
	const bool told = !op->unknown && (op->has & LINCHECK_TOLD_REV) != 0;

	if (!was_done(op, choice)) {
		return is_false(state, op) && shows(state, op);
	}
	if (!is_true(state, op) || !grow(state, told, op->rev)) {
		return false;
	}
	state->present = 1;
	state->value = op->value;
	return true;
}

static bool step_delete(struct model_state *state, const struct model_op *op, unsigned choice)
{
	const bool told = !op->unknown && (op->has & LINCHECK_TOLD_REV) != 0;

	if (!was_done(op, choice)) {
		return (!state->present || is_false(state, op)) && shows(state, op);
	}
	if (!state->present || !is_true(state, op) || !grow(state, told, op->rev)) {
		return false;
	}
	state->present = 0;
	state->value = 0;
	state->exact = 1;
	return true;
}

/* What stood right after change `at_rev`: the key's last change is not above it, its next is. */
static bool step_get(struct model_state *state, const struct model_op *op)
{
	if (!shows(state, op)) {
		return false;
	}
	if ((op->has & LINCHECK_HAS_AT_REV) == 0) {
		return true;
	}
	state->floor = op->at_rev > state->floor ? op->at_rev : state->floor;
	return state->rev <= op->at_rev;
}

/* --- locks ----------------------------------------------------------------------------------- */

/* How many holders this token may be of; the `choice`th of them in *ret_holder, if there is. */
static unsigned holders_of(const struct model_state *state, uint64_t token, unsigned choice,
                           unsigned *ret_holder)
{
	unsigned count = 0;

	for (unsigned i = 0; i < state->held; i++) {
		if (state->holders[i].low <= token && token <= state->holders[i].high) {
			*ret_holder = count == choice ? i : *ret_holder;
			count++;
		}
	}
	return count;
}

/* The holder is the one under this token: what that says of those who came before and later. */
static void reveal_token(struct model_state *state, unsigned holder, uint64_t token)
{
	struct model_holder *holders = state->holders;

	holders[holder].low = holders[holder].high = token;
	for (unsigned i = holder; i > 0 && holders[i - 1].high >= holders[i].high; i--) {
		holders[i - 1].high = holders[i].high - 1;
	}
	for (unsigned i = holder + 1; i < state->held && holders[i].low <= holders[i - 1].low;
	     i++) {
		holders[i].low = holders[i - 1].low + 1;
	}
	if (state->rev < holders[state->held - 1].low) {
		state->rev = holders[state->held - 1].low;
	}
}

/* Takes the `choice`th that the token may be of for its holder. */
static bool find_holder(struct model_state *state, uint64_t token, unsigned choice,
                        unsigned *ret_holder)
{
	if (choice >= holders_of(state, token, choice, ret_holder)) {
		return false;
	}
	reveal_token(state, *ret_holder, token);
	return true;
}

static bool stands_beside(const struct model_state *state, uint64_t limit)
{
	for (unsigned i = 0; i < state->held; i++) {
		if ((state->holders[i].limit == 0) != (limit == 0) ||
		    (limit != 0 && state->held >= state->holders[i].limit)) {
			return false;
		}
	}
	return limit == 0 || state->held < limit;
}

static bool step_acquire(struct model_state *state, const struct model_op *op, unsigned choice)
{
	const bool told = !op->unknown && (op->has & LINCHECK_TOLD_TOKEN) != 0;
	unsigned holder = 0;

	if (!was_done(op, choice)) {
		/* It may have fitted, and others who wait were before it. */
		return state->held != 0 &&
		       ((op->has & LINCHECK_TOLD_HOLDER) == 0 ||
		        find_holder(state, op->holder, choice - may_be_done(op), &holder));
	}
	if (state->held == MODEL_HOLDERS_MAX || !stands_beside(state, op->limit) ||
	    !grow(state, told, op->told_token)) {
		return false;
	}
	state->present = 1;
	state->exact = 1;
	state->holders[state->held++] = (struct model_holder){
		.low = state->rev,
		.high = told ? state->rev : UINT64_MAX,
		.limit = op->limit,
	};
	if (told) {
		reveal_token(state, state->held - 1u, state->rev);
	}
	return true;
}

/* RELEASE, EXPIRE and CHECK: they ask whether the token is a holder's. */
static bool step_token(struct model_state *state, const struct model_op *op, unsigned choice)
{
	unsigned holder = 0;
	const unsigned may_be = holders_of(state, op->token, 0, &holder);

	if (choice >= (may_be_done(op) ? may_be : 0)) {
		return may_be_refused(op) &&
		       (may_be == 0 || state->holders[holder].low != state->holders[holder].high);
	}
	if (!find_holder(state, op->token, choice, &holder)) {
		return false;
	}
	if (op->kind != LINCHECK_CHECK) {
		state->held--;
		for (unsigned i = holder; i < state->held; i++) {
			state->holders[i] = state->holders[i + 1];
		}
		state->holders[state->held] = (struct model_holder){0};
		state->present = state->held != 0;
	}
	return true;
}

unsigned model_choices(const struct model_state *state, const struct model_op *op)
{
	const unsigned refused = may_be_refused(op);
	unsigned holder = 0, count = 1;

	switch (op->kind) {
	case LINCHECK_CAS:
	case LINCHECK_ADD:
	case LINCHECK_DEL:
		return model_is_told(op) ? 1 : 2;
	case LINCHECK_ACQUIRE:
		if (refused != 0 && (op->has & LINCHECK_TOLD_HOLDER) != 0) {
			count = holders_of(state, op->holder, 0, &holder);
		}
		count = may_be_done(op) + refused * count;
		break;
	case LINCHECK_RELEASE:
	case LINCHECK_EXPIRE:
	case LINCHECK_CHECK:
		count = may_be_done(op) ? holders_of(state, op->token, 0, &holder) : 0;
		count += refused;
		break;
	case LINCHECK_GET:
	case LINCHECK_SET:
	case LINCHECK_INIT:
	case LINCHECK_KIND_COUNT:
		break;
	}
	return count == 0 ? 1 : count;
}

bool model_is_full(const struct model_state *state, const struct model_op *op)
{
	return op->kind == LINCHECK_ACQUIRE && state->held == MODEL_HOLDERS_MAX &&
	       stands_beside(state, op->limit);
}

/* Whether it does the same, whatever stands. */
static bool is_blind(const struct model_op *op)
{
	if (op->kind == LINCHECK_CAS) {
		return (op->has & CONDITIONS) == LINCHECK_HAS_MAX_REV && op->max_rev < 0;
	}
	return op->kind == LINCHECK_SET;
}

bool model_step(const struct model_state *state, const struct model_op *op, unsigned choice,
                struct model_state *ret_state)
{
	struct model_state next = *state;
	bool fits = false;

	if (state->unseen && is_blind(op)) {
		return false;
	}
	switch (op->kind) {
	case LINCHECK_GET:
		fits = step_get(&next, op);
		break;
	case LINCHECK_SET:
	case LINCHECK_CAS:
	case LINCHECK_ADD:
		fits = step_write(&next, op, choice);
		break;
	case LINCHECK_DEL:
		fits = step_delete(&next, op, choice);
		break;
	case LINCHECK_ACQUIRE:
		fits = step_acquire(&next, op, choice);
		break;
	case LINCHECK_RELEASE:
	case LINCHECK_EXPIRE:
	case LINCHECK_CHECK:
		fits = step_token(&next, op, choice);
		break;
	case LINCHECK_INIT:
	case LINCHECK_KIND_COUNT:
		must(false);
	}
	if (!fits) {
		return false;
	}
	next.unseen = op->unknown;
	next.floor = next.floor > next.rev ? next.floor : 0;
	*ret_state = next;
	return true;
}
