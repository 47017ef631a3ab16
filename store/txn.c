/* SPDX-License-Identifier: Apache-2.0 */
#include "store/txn.h"

#include "store/base/check.h"

enum {
	COUNTS_SIZE = 3,
};

/* --- compares --------------------------------------------------------------------------------- */

static bool is_relation(const struct store_compare *compare)
{
	switch (compare->kind) {
	case STORE_COMPARE_REV:
		return compare->relation >= STORE_EQUAL && compare->relation <= STORE_AT_LEAST;
	case STORE_COMPARE_TOKEN:
		return compare->relation == STORE_EQUAL;
	case STORE_COMPARE_VALUE:
	case STORE_COMPARE_SESSION:
		return compare->relation == STORE_EQUAL || compare->relation == STORE_NOT_EQUAL;
	default:
		return false;
	}
}

static bool is_compare(const struct store_compare *compare)
{
	if (!is_relation(compare) || compare->path.size > STORE_PATH_SIZE_MAX ||
	    compare->value.size > STORE_VALUE_SIZE_MAX) {
		return false;
	}
	if (compare->kind == STORE_COMPARE_SESSION && compare->path.size != 0) {
		return false;
	}
	return compare->kind == STORE_COMPARE_VALUE ? compare->number == 0
	                                            : compare->value.size == 0;
}

static bool take_compare(struct wire_reader *reader, struct store_compare *ret_compare)
{
	struct store_compare compare;

	compare.kind = (enum store_compare_kind)wire_u8(reader);
	compare.relation = (enum store_relation)wire_u8(reader);
	compare.number = (int64_t)wire_u64(reader);
	compare.path = wire_bytes(reader, wire_u16(reader));
	compare.value = wire_bytes(reader, wire_u32(reader));
	if (!wire_ok(reader) || !is_compare(&compare)) {
		return false;
	}
	*ret_compare = compare;
	return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A list of operations. NOP and FULL are no part of a transaction. */
static bool take_ops(struct wire_reader *reader, unsigned count, struct slice *ret_bytes)
{
	const uint8_t *start = reader->next;
	struct store_op op;

	for (unsigned i = 0; i < count; i++) {
		if (!store_op_take(reader, &op) || op.verb == STORE_VERB_NOP ||
		    op.verb == STORE_VERB_FULL) {
			return false;
		}
	}
	*ret_bytes = slice_make(start, (size_t)(reader->next - start));
	return true;
}

bool store_txn_decode(struct slice bytes, struct store_txn *ret_txn)
{
	struct wire_reader reader = wire_reader_make(bytes);
	struct store_compare compare;
	struct store_txn txn;
	const uint8_t *start;

	txn.compare_count = wire_u8(&reader);
	txn.then_count = wire_u8(&reader);
	txn.else_count = wire_u8(&reader);
	if (!wire_ok(&reader) || bytes.size > STORE_TXN_SIZE_MAX ||
	    txn.compare_count > STORE_TXN_OPS_MAX || txn.then_count > STORE_TXN_OPS_MAX ||
	    txn.else_count > STORE_TXN_OPS_MAX) {
		return false;
	}
	start = reader.next;
	for (unsigned i = 0; i < txn.compare_count; i++) {
		if (!take_compare(&reader, &compare)) {
			return false;
		}
	}
	txn.compares = slice_make(start, (size_t)(reader.next - start));
	if (!take_ops(&reader, txn.then_count, &txn.thens) ||
	    !take_ops(&reader, txn.else_count, &txn.elses) || !wire_done(&reader)) {
		return false;
	}
	*ret_txn = txn;
	return true;
}

struct store_compare store_txn_compare(struct wire_reader *reader)
{
	struct store_compare compare;

	must(take_compare(reader, &compare));
	return compare;
}

struct store_op store_txn_op(struct wire_reader *reader)
{
	struct store_op op;

	must(store_op_take(reader, &op));
	return op;
}

/* --- writing ---------------------------------------------------------------------------------- */

void store_txn_begin(struct store_txn_writer *writer, void *memory, size_t size)
{
	*writer = (struct store_txn_writer){
		.writer = wire_writer_make(memory,
	                                   size < STORE_TXN_SIZE_MAX ? size : STORE_TXN_SIZE_MAX),
		.memory = memory,
	};
	for (unsigned i = 0; i < COUNTS_SIZE; i++) {
		wire_put_u8(&writer->writer, 0);
	}
}

void store_txn_if(struct store_txn_writer *writer, const struct store_compare *compare)
{
	must(writer->counts[1] == 0 && writer->counts[2] == 0);
	if (!is_compare(compare)) {
		writer->counts[0] = STORE_TXN_OPS_MAX + 1; /* nothing comes of it */
		return;
	}
	writer->counts[0]++;
	wire_put_u8(&writer->writer, (uint8_t)compare->kind);
	wire_put_u8(&writer->writer, (uint8_t)compare->relation);
	wire_put_u64(&writer->writer, (uint64_t)compare->number);
	wire_put_u16(&writer->writer, (uint16_t)compare->path.size);
	wire_put(&writer->writer, compare->path);
	wire_put_u32(&writer->writer, (uint32_t)compare->value.size);
	wire_put(&writer->writer, compare->value);
}

static void put_op(struct store_txn_writer *writer, const struct store_op *op, unsigned list)
{
	const struct store_op out = store_op_plain(op);

	if (store_op_is_good(&out)) {
		writer->counts[list]++;
		store_op_put(&writer->writer, op);
	} else {
		writer->counts[list] = STORE_TXN_OPS_MAX + 1; /* nothing comes of it */
	}
}

void store_txn_then(struct store_txn_writer *writer, const struct store_op *op)
{
	must(writer->counts[2] == 0);
	put_op(writer, op, 1);
}

void store_txn_else(struct store_txn_writer *writer, const struct store_op *op)
{
	put_op(writer, op, 2);
}

struct slice store_txn_end(struct store_txn_writer *writer)
{
	const struct slice bytes = wire_written(&writer->writer);
	struct store_txn txn;

	if (!wire_written_ok(&writer->writer)) {
		return slice_make(NULL, 0);
	}
	for (unsigned i = 0; i < COUNTS_SIZE; i++) {
		if (writer->counts[i] > STORE_TXN_OPS_MAX) {
			return slice_make(NULL, 0);
		}
		writer->memory[i] = (uint8_t)writer->counts[i];
	}
	return store_txn_decode(bytes, &txn) ? bytes : slice_make(NULL, 0);
}
