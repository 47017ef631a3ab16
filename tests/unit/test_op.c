/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_op.c - an operation as bytes; entries and transactions have it within theirs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/op.h"

static uint8_t memory[256];

static struct slice put(const struct store_op *op)
{
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));

	store_op_put(&writer, op);
	assert_true(wire_written_ok(&writer));
	return wire_written(&writer);
}

/* An operation with everything set, whether its verb uses it or not. */
static struct store_op full(enum store_verb verb)
{
	return (struct store_op){
		.verb = verb,
		.condition = STORE_IF_AT_MOST,
		.rev = 5,
		.flags = 15,
		.path = slice_text("/path"),
		.value = slice_text("value"),
		.number = -9,
		.limit = 3,
		.delay_ms = 77,
		.priority = 200,
	};
}

static void test_every_verb_keeps_what_it_uses_and_no_more(void **state)
{
	(void)state;
	for (unsigned verb = STORE_VERB_NOP; verb <= STORE_VERB_KILL; verb++) {
		const struct store_op in = full((enum store_verb)verb);
		const struct store_op plain = store_op_plain(&in);
		struct wire_reader reader = wire_reader_make(put(&in));
		struct store_op out;

		assert_true(store_op_take(&reader, &out));
		assert_true(wire_done(&reader));
		assert_int_equal(out.verb, verb);
		assert_true(out.condition == plain.condition && out.rev == plain.rev &&
		            out.flags == plain.flags && out.number == plain.number &&
		            out.limit == plain.limit && out.delay_ms == plain.delay_ms &&
		            out.priority == plain.priority);
		assert_true(slice_equal(out.path, plain.path) &&
		            slice_equal(out.value, plain.value));
	}
	assert_int_equal(store_op_plain(&(struct store_op){.verb = STORE_VERB_NOP}).rev,
	                 STORE_REV_ANY);
}

static void test_what_a_verb_does_not_use_is_refused(void **state)
{
	const struct store_op nop = {.verb = STORE_VERB_NOP};
	struct wire_reader reader;
	struct store_op out;
	struct slice bytes;

	(void)state;
	bytes = put(&nop);
	memory[1] = STORE_IF_AT_MOST;
	reader = wire_reader_make(bytes);
	assert_false(store_op_take(&reader, &out));
	bytes = put(&nop);
	memory[2] = STORE_OP_TRY;
	reader = wire_reader_make(bytes);
	assert_false(store_op_take(&reader, &out));
	bytes = put(&nop);
	memory[0] = STORE_VERB_KILL + 1;
	reader = wire_reader_make(bytes);
	assert_false(store_op_take(&reader, &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_keeps_what_it_uses_and_no_more),
		cmocka_unit_test(test_what_a_verb_does_not_use_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
