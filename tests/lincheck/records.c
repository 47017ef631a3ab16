/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/records.h"

#include <inttypes.h>

enum {
	VALUE_SHOWN = 40,
};

static const char *const kind_texts[LINCHECK_KIND_COUNT] = {
	[LINCHECK_GET] = "get",         [LINCHECK_SET] = "set",
	[LINCHECK_CAS] = "cas",         [LINCHECK_ADD] = "add",
	[LINCHECK_DEL] = "del",         [LINCHECK_INIT] = "init",
	[LINCHECK_ACQUIRE] = "acquire", [LINCHECK_RELEASE] = "release",
	[LINCHECK_EXPIRE] = "expire",   [LINCHECK_CHECK] = "check",
};

const char *lincheck_kind_text(enum lincheck_kind kind)
{
	return kind < LINCHECK_KIND_COUNT ? kind_texts[kind] : "?";
}

bool record_is_change(const struct record *record)
{
	switch (record->op.kind) {
	case LINCHECK_SET:
		return true;
	case LINCHECK_CAS:
	case LINCHECK_ADD:
	case LINCHECK_DEL:
		return (record->op.has & LINCHECK_TOLD_OK) != 0 && record->op.ok;
	case LINCHECK_GET:
	case LINCHECK_INIT:
	case LINCHECK_ACQUIRE:
	case LINCHECK_RELEASE:
	case LINCHECK_EXPIRE:
	case LINCHECK_CHECK:
	case LINCHECK_KIND_COUNT:
		break;
	}
	return false;
}

static void put_value(struct text *text, const struct lincheck *lincheck, uint32_t value)
{
	text_put(text, "\"");
	text_put_bytes(text, names_get(&lincheck->values, value), VALUE_SHOWN);
	text_put(text, "\"");
}

static void put_args(struct text *text, const struct lincheck *lincheck, const struct model_op *op)
{
	if ((op->has & LINCHECK_HAS_EXPECT) != 0) {
		text_put(text, " if");
		if (op->expect_absent) {
			text_put(text, " absent");
		} else {
			text_put(text, " ");
			put_value(text, lincheck, op->expect);
		}
	}
	if ((op->has & LINCHECK_HAS_EXPECT_REV) != 0) {
		text_put(text, " if rev = %" PRIu64, op->expect_rev);
	}
	if ((op->has & LINCHECK_HAS_MAX_REV) != 0) {
		text_put(text, " if rev <= %" PRId64, op->max_rev);
	}
	if ((op->has & LINCHECK_HAS_VALUE) != 0) {
		text_put(text, " ");
		put_value(text, lincheck, op->value);
	}
	if ((op->has & LINCHECK_HAS_TOKEN) != 0) {
		text_put(text, " %" PRIu64, op->token);
	}
	if ((op->has & LINCHECK_HAS_AT_REV) != 0) {
		text_put(text, " at %" PRIu64, op->at_rev);
	}
	if ((op->has & LINCHECK_HAS_LIMIT) != 0) {
		text_put(text, " limit %" PRIu32, op->limit);
	}
}

static void put_told(struct text *text, const struct lincheck *lincheck, const struct model_op *op)
{
	if (op->unknown) {
		text_put(text, " -> no answer");
		return;
	}
	text_put(text, " ->");
	if ((op->has & LINCHECK_TOLD_OK) != 0) {
		text_put(text, op->ok ? " ok" : " not ok");
	}
	if ((op->has & LINCHECK_TOLD_FOUND) != 0 && !op->found) {
		text_put(text, " absent");
	}
	if ((op->has & LINCHECK_TOLD_VALUE) != 0) {
		text_put(text, " ");
		put_value(text, lincheck, op->told_value);
	}
	if ((op->has & LINCHECK_TOLD_REV) != 0) {
		text_put(text, " rev %" PRIu64, op->rev);
	}
	if ((op->has & LINCHECK_TOLD_TOKEN) != 0) {
		text_put(text, " token %" PRIu64, op->told_token);
	}
	if ((op->has & LINCHECK_TOLD_HOLDER) != 0) {
		text_put(text, " holder %" PRIu64, op->holder);
	}
}

void record_put(struct text *text, const struct lincheck *lincheck, const struct record *record)
{
	const struct slice client = names_get(&lincheck->clients, record->client);

	if (record->line != 0) {
		text_put(text, "line %" PRIu64 ", ", record->line);
	}
	if (client.size != 0) {
		text_put(text, "client ");
		text_put_bytes(text, client, VALUE_SHOWN);
		text_put(text, ": ");
	}
	text_put(text, "%s", lincheck_kind_text(record->op.kind));
	put_args(text, lincheck, &record->op);
	put_told(text, lincheck, &record->op);
	if (record->srev != 0 && (record->op.has & LINCHECK_TOLD_SREV) != 0) {
		text_put(text, " srev %" PRIu64, record->srev);
	}
	if (record->op.unknown) {
		text_put(text, " [%" PRId64 ", ...", record->call_ns);
	} else {
		text_put(text, " [%" PRId64 ", %" PRId64 "]", record->call_ns, record->ret_ns);
	}
}

static void put_holders(struct text *text, const struct model_state *state)
{
	for (unsigned i = 0; i < state->held; i++) {
		const struct model_holder *holder = &state->holders[i];

		text_put(text, "%s%s%" PRIu64, i == 0 ? "held by " : ", ",
		         holder->low == holder->high ? "" : "at least ", holder->low);
		if (holder->limit != 1) {
			text_put(text, " of limit %" PRIu64, holder->limit);
		}
	}
}

void record_put_state(struct text *text, const struct lincheck *lincheck, bool is_lock,
                      const struct model_state *state)
{
	if (!state->present) {
		text_put(text, is_lock ? "free" : "absent");
		text_put(text, ", last %s%s %" PRIu64, is_lock ? "token" : "rev",
		         state->exact ? "" : " at least", state->rev);
		return;
	}
	if (is_lock) {
		put_holders(text, state);
		return;
	}
	if (state->value == MODEL_VALUE_UNKNOWN) {
		text_put(text, "a value that was not told,");
	} else {
		put_value(text, lincheck, state->value);
	}
	text_put(text, " rev %s%" PRIu64, state->exact ? "" : "at least ", state->rev);
	if (state->floor != 0) {
		text_put(text, ", unchanged at %" PRIu64, state->floor);
	}
}
