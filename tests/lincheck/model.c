/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/model.h"

#include <assert.h>
#include <stddef.h>

#include "store/base/check.h"

enum {
	CONDITIONS = LINCHECK_HAS_EXPECT | LINCHECK_HAS_EXPECT_REV | LINCHECK_HAS_MAX_REV,
};

static_assert(sizeof(struct model_state) == 16, "no hidden padding: compared as bytes");

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
	state.exact = has_rev;
	state.rev = has_rev ? rev : 1;
	state.value = (op->has & LINCHECK_TOLD_VALUE) != 0 ? op->told_value : MODEL_VALUE_UNKNOWN;
	return state;
}

unsigned model_choices(const struct model_op *op)
{
	if (op->unknown || (op->has & LINCHECK_TOLD_OK) != 0) {
		return 1;
	}
	switch (op->kind) {
	case LINCHECK_CAS:
	case LINCHECK_ADD:
	case LINCHECK_DEL:
	case LINCHECK_ACQUIRE:
	case LINCHECK_RELEASE:
	case LINCHECK_CHECK:
		return 2;
	case LINCHECK_GET:
	case LINCHECK_SET:
	case LINCHECK_INIT:
	case LINCHECK_EXPIRE:
	case LINCHECK_KIND_COUNT:
		break;
	}
	return 1;
}

/* Whether it was, or by this choice is taken to have been, done. */
static bool was_done(const struct model_op *op, unsigned choice)
{
	if (op->unknown) {
		return true;
	}
	return (op->has & LINCHECK_TOLD_OK) != 0 ? op->ok : choice == 0;
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
	if (told && rev <= state->rev) {
		return false;
	}
	state->rev = told ? rev : state->rev + 1;
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

static bool step_acquire(struct model_state *state, const struct model_op *op, unsigned choice)
{
	const bool told = !op->unknown && (op->has & LINCHECK_TOLD_TOKEN) != 0;

	if (!was_done(op, choice)) {
		return state->present &&
		       ((op->has & LINCHECK_TOLD_HOLDER) == 0 || reveal_rev(state, op->holder));
	}
	if (state->present || !grow(state, told, op->told_token)) {
		return false;
	}
	state->present = 1;
	return true;
}

/* RELEASE, EXPIRE and CHECK: they ask whether the token is the holder's. */
static bool step_token(struct model_state *state, const struct model_op *op, unsigned choice)
{
	if (op->kind != LINCHECK_EXPIRE && !was_done(op, choice)) {
		return !state->present || !state->exact || state->rev != op->token;
	}
	if (!state->present || !reveal_rev(state, op->token)) {
		return false;
	}
	if (op->kind != LINCHECK_CHECK) {
		state->present = 0;
		state->exact = 1;
	}
	return true;
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
		fits = shows(&next, op);
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
	*ret_state = next;
	return true;
}
