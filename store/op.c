/* SPDX-License-Identifier: Apache-2.0 */
#include "store/op.h"

#include "store/base/check.h"

/* What a verb uses; all else of an operation is always written the same way. */
enum {
	USES_PATH = 1,
	USES_VALUE = 2,
	USES_CONDITION = 4, /* and rev */
	USES_REV = 8,       /* alone */
	USES_NUMBER = 16,
	USES_LOCK = 32, /* limit, delay, priority */
};

struct form {
	uint8_t uses, flags;
};

static struct form form_of(enum store_verb verb)
{
	static const struct form forms[] = {
		[STORE_VERB_SET] = {USES_PATH | USES_VALUE | USES_CONDITION,
	                            STORE_OP_EPHEMERAL | STORE_OP_SEQUENCE},
		[STORE_VERB_DELETE] = {USES_PATH | USES_CONDITION, 0},
		[STORE_VERB_ADD] = {USES_PATH | USES_CONDITION | USES_NUMBER, 0},
		[STORE_VERB_LOCK] = {USES_PATH | USES_VALUE | USES_LOCK, STORE_OP_TRY},
		[STORE_VERB_UNLOCK] = {USES_PATH | USES_NUMBER, STORE_OP_ALL},
		[STORE_VERB_PROCLAIM] = {USES_PATH | USES_VALUE | USES_REV, 0},
		[STORE_VERB_BREAK] = {USES_PATH | USES_VALUE | USES_REV | USES_NUMBER, 0},
		[STORE_VERB_KILL] = {USES_NUMBER, 0},
	};

	return verb < sizeof(forms) / sizeof(forms[0]) ? forms[verb] : (struct form){0};
}

struct store_op store_op_plain(const struct store_op *op)
{
	const struct form form = form_of(op->verb);
	struct store_op out = *op;

	if ((form.uses & USES_CONDITION) == 0) {
		out.condition = STORE_IF_EQUAL;
	}
	if ((form.uses & (USES_CONDITION | USES_REV)) == 0) {
		out.rev = STORE_REV_ANY;
	}
	if ((form.uses & USES_NUMBER) == 0) {
		out.number = 0;
	}
	if ((form.uses & USES_LOCK) == 0) {
		out.limit = out.delay_ms = out.priority = 0;
	}
	if ((form.uses & USES_PATH) == 0) {
		out.path = slice_make(NULL, 0);
	}
	if ((form.uses & USES_VALUE) == 0) {
		out.value = slice_make(NULL, 0);
	}
	out.flags &= form.flags;
	return out;
}

static bool is_in_range(const struct store_op *op)
{
	return op->verb >= STORE_VERB_NOP && op->verb <= STORE_VERB_KILL &&
	       (op->condition == STORE_IF_EQUAL || op->condition == STORE_IF_AT_MOST) &&
	       op->path.size <= STORE_PATH_SIZE_MAX && op->value.size <= STORE_VALUE_SIZE_MAX;
}

bool store_op_is_good(const struct store_op *op)
{
	const struct store_op out = store_op_plain(op);

	return is_in_range(op) && op->condition == out.condition && op->rev == out.rev &&
	       op->flags == out.flags && op->path.size == out.path.size &&
	       op->value.size == out.value.size;
}

void store_op_put(struct wire_writer *writer, const struct store_op *op)
{
	const struct form form = form_of(op->verb);
	const struct store_op out = store_op_plain(op);

	must(is_in_range(&out));
	wire_put_u8(writer, (uint8_t)out.verb);
	wire_put_u8(writer, (uint8_t)out.condition);
	wire_put_u8(writer, out.flags);
	wire_put_u64(writer, (uint64_t)out.rev);
	wire_put_u16(writer, (uint16_t)out.path.size);
	wire_put(writer, out.path);
	wire_put_u32(writer, (uint32_t)out.value.size);
	wire_put(writer, out.value);
	if ((form.uses & USES_NUMBER) != 0) {
		wire_put_u64(writer, (uint64_t)out.number);
	}
	if ((form.uses & USES_LOCK) != 0) {
		wire_put_u32(writer, out.limit);
		wire_put_u32(writer, out.delay_ms);
		wire_put_u8(writer, out.priority);
	}
}

bool store_op_take(struct wire_reader *reader, struct store_op *ret_op)
{
	struct store_op op = {0};
	struct form form;

	op.verb = (enum store_verb)wire_u8(reader);
	op.condition = (enum store_condition)wire_u8(reader);
	op.flags = wire_u8(reader);
	op.rev = (store_rev_t)wire_u64(reader);
	op.path = wire_bytes(reader, wire_u16(reader));
	op.value = wire_bytes(reader, wire_u32(reader));
	form = form_of(op.verb);
	if ((form.uses & USES_NUMBER) != 0) {
		op.number = (int64_t)wire_u64(reader);
	}
	if ((form.uses & USES_LOCK) != 0) {
		op.limit = wire_u32(reader);
		op.delay_ms = wire_u32(reader);
		op.priority = wire_u8(reader);
	}
	if (!wire_ok(reader) || !store_op_is_good(&op)) {
		return false;
	}
	*ret_op = op;
	return true;
}
