/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_txn.c - transactions: as bytes, and what a store does with them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/lock.h"
#include "store/txn.h"
#include "tests/unit/store_fixture.h"

static uint8_t memory[STORE_TXN_SIZE_MAX + 1], again[STORE_TXN_SIZE_MAX];

static struct store_op set_op(const char *path, const char *value)
{
	return (struct store_op){.verb = STORE_VERB_SET,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .path = slice_text(path),
	                         .value = slice_text(value)};
}

static struct store_op delete_op(const char *path)
{
	return (struct store_op){.verb = STORE_VERB_DELETE,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .path = slice_text(path)};
}

static struct store_op add_op(const char *path, int64_t number)
{
	return (struct store_op){.verb = STORE_VERB_ADD,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .path = slice_text(path),
	                         .number = number};
}

static struct store_op lock_op(const char *name)
{
	return (struct store_op){.verb = STORE_VERB_LOCK, .path = slice_text(name), .limit = 1};
}

static struct store_compare rev_is(const char *path, enum store_relation relation, int64_t rev)
{
	return (struct store_compare){.kind = STORE_COMPARE_REV,
	                              .relation = relation,
	                              .number = rev,
	                              .path = slice_text(path)};
}

static struct store_result apply(struct fixture *fixture, struct slice txn)
{
	const uint64_t number = ++fixture->number;

	assert_true(txn.size > 0);
	return fixture_apply(fixture, &(struct store_entry){.kind = STORE_ENTRY_TXN,
	                                                    .session = fixture->session,
	                                                    .number = number,
	                                                    .first_unanswered = number,
	                                                    .txn = txn});
}

/* A transaction of one compare, and one or two operations in each list. */
static struct store_result run(struct fixture *fixture, struct store_compare compare,
                               struct store_op a, struct store_op b, const struct store_op *or_else)
{
	struct store_txn_writer writer;

	store_txn_begin(&writer, memory, sizeof(memory));
	store_txn_if(&writer, &compare);
	store_txn_then(&writer, &a);
	store_txn_then(&writer, &b);
	if (or_else != NULL) {
		store_txn_else(&writer, or_else);
	}
	return apply(fixture, store_txn_end(&writer));
}

static bool stands(struct fixture *fixture, const char *path, const char *value)
{
	struct store_file file;

	return store_get(fixture_root(fixture), slice_text(path), &file) == STORE_OK &&
	       slice_equal(file.value, slice_text(value));
}

/* --- bytes ------------------------------------------------------------------------------------ */

static struct slice write_one(void)
{
	const struct store_compare compares[] = {
		rev_is("/a", STORE_AT_LEAST, 7),
		{.kind = STORE_COMPARE_VALUE,
	         .relation = STORE_NOT_EQUAL,
	         .path = slice_text("/v"),
	         .value = slice_text("value")},
		{.kind = STORE_COMPARE_TOKEN,
	         .relation = STORE_EQUAL,
	         .number = 12,
	         .path = slice_text("/lock")},
		{.kind = STORE_COMPARE_SESSION, .relation = STORE_NOT_EQUAL, .number = 5},
	};
	struct store_op ops[] = {
		set_op("/s", "x"),
		delete_op("/d"),
		add_op("/n", -3),
		lock_op("/l"),
		{.verb = STORE_VERB_UNLOCK, .path = slice_text("/l"), .number = 4},
		{.verb = STORE_VERB_PROCLAIM,
	         .rev = 4,
	         .path = slice_text("/l"),
	         .value = slice_text("v")},
		{.verb = STORE_VERB_BREAK, .path = slice_text("/l"), .rev = 8},
		{.verb = STORE_VERB_KILL, .number = 9},
	};
	struct store_txn_writer writer;

	ops[0].flags = STORE_OP_EPHEMERAL | STORE_OP_SEQUENCE;
	ops[3].delay_ms = 70;
	ops[3].priority = 3;
	store_txn_begin(&writer, memory, sizeof(memory));
	for (unsigned i = 0; i < sizeof(compares) / sizeof(compares[0]); i++) {
		store_txn_if(&writer, &compares[i]);
	}
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		store_txn_then(&writer, &ops[i]);
	}
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		store_txn_else(&writer, &ops[i]);
	}
	return store_txn_end(&writer);
}

/* Reads all of it and writes it anew. */
static struct slice rewrite(const struct store_txn *txn)
{
	struct wire_reader reader = wire_reader_make(txn->compares);
	struct store_txn_writer writer;

	store_txn_begin(&writer, again, sizeof(again));
	for (unsigned i = 0; i < txn->compare_count; i++) {
		const struct store_compare compare = store_txn_compare(&reader);

		store_txn_if(&writer, &compare);
	}
	reader = wire_reader_make(txn->thens);
	for (unsigned i = 0; i < txn->then_count; i++) {
		const struct store_op op = store_txn_op(&reader);

		store_txn_then(&writer, &op);
	}
	reader = wire_reader_make(txn->elses);
	for (unsigned i = 0; i < txn->else_count; i++) {
		const struct store_op op = store_txn_op(&reader);

		store_txn_else(&writer, &op);
	}
	return store_txn_end(&writer);
}

static void test_what_is_decoded_encodes_to_the_same(void **state)
{
	const struct slice bytes = write_one();
	struct store_txn txn;
	unsigned taken = 0;
	struct prng prng;

	(void)state;
	assert_true(bytes.size > 0);
	assert_true(store_txn_decode(bytes, &txn));
	assert_int_equal(txn.compare_count, 4);
	assert_int_equal(txn.then_count, 8);
	assert_int_equal(txn.else_count, 8);
	assert_true(slice_equal(rewrite(&txn), bytes));
	prng_init(&prng, 3);
	for (unsigned i = 0; i < 100000; i++) {
		const struct slice fresh = write_one();

		for (uint64_t flips = 1 + prng_below(&prng, 3); flips > 0; flips--) {
			memory[prng_below(&prng, fresh.size)] ^=
				(uint8_t)(1u << prng_below(&prng, 8));
		}
		if (store_txn_decode(fresh, &txn)) {
			taken++;
			assert_true(slice_equal(rewrite(&txn), fresh));
		}
	}
	assert_in_range(taken, 1000, 99999);
	for (size_t cut = 0; cut < bytes.size; cut++) {
		(void)write_one();
		assert_false(store_txn_decode(slice_make(memory, cut), &txn));
	}
}

static void test_what_is_too_much_is_not_written(void **state)
{
	static char bulk[STORE_VALUE_SIZE_MAX + 1];
	struct store_op op = set_op("/a", "");
	struct store_txn_writer writer;

	(void)state;
	for (unsigned count = STORE_TXN_OPS_MAX; count <= STORE_TXN_OPS_MAX + 1; count++) {
		store_txn_begin(&writer, memory, sizeof(memory));
		for (unsigned i = 0; i < count; i++) {
			store_txn_then(&writer, &op);
		}
		assert_true((store_txn_end(&writer).size > 0) == (count == STORE_TXN_OPS_MAX));
	}
	op.value = slice_make(bulk, STORE_VALUE_SIZE_MAX);
	for (unsigned count = 1; count <= 2; count++) {
		store_txn_begin(&writer, memory, sizeof(memory));
		for (unsigned i = 0; i < count; i++) {
			store_txn_then(&writer, &op);
		}
		assert_true((store_txn_end(&writer).size > 0) == (count == 1));
	}
	op.value.size++;
	store_txn_begin(&writer, memory, sizeof(memory));
	store_txn_then(&writer, &op);
	assert_int_equal(store_txn_end(&writer).size, 0);
	op = (struct store_op){.verb = STORE_VERB_NOP};
	store_txn_begin(&writer, memory, sizeof(memory));
	store_txn_then(&writer, &op);
	assert_int_equal(store_txn_end(&writer).size, 0);
}

/* --- in a store ------------------------------------------------------------------------------- */

static void test_all_of_a_list_or_nothing(void **state)
{
	struct fixture fixture;
	struct store_result result;
	store_rev_t before;

	(void)state;
	fixture_begin(&fixture);
	before = fixture_set(&fixture, "/a", "old").revision;
	result = run(&fixture, rev_is("/a", STORE_EQUAL, before), set_op("/a", "new"),
	             set_op("/b", "b"), NULL);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(result.first == before + 1 && result.revision == before + 2);
	assert_int_equal(result.flags, 0);
	assert_true(stands(&fixture, "/a", "new") && stands(&fixture, "/b", "b"));

	/* A false compare, nothing else to do: refused, with what stands. */
	result = run(&fixture, rev_is("/a", STORE_EQUAL, before), set_op("/a", "no"),
	             set_op("/c", "no"), NULL);
	assert_int_equal(result.answer, STORE_MISMATCH);
	assert_true(result.revision == before + 1 && result.op == 0 && result.first == 0);

	/* The second operation is refused, and the first is undone. */
	result = run(&fixture, rev_is("/a", STORE_NOT_EQUAL, 0), set_op("/a", "no"),
	             set_op("/b/c", "no"), NULL);
	assert_int_equal(result.answer, STORE_NOT_DIRECTORY);
	assert_int_equal(result.op, 1);
	assert_true(stands(&fixture, "/a", "new"));
	assert_true(fixture.store->state.revision == before + 2);

	/* A list sees what it did before. */
	result = run(&fixture, rev_is("/d", STORE_AT_MOST, 0), set_op("/d", "x"), delete_op("/d"),
	             NULL);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(result.revision == before + 4);
	fixture_end(&fixture);
}

static void test_else_is_run_where_a_compare_is_false(void **state)
{
	const struct store_op or_else = set_op("/else", "e");
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	result = run(&fixture, rev_is("/a", STORE_AT_LEAST, 1), set_op("/a", "a"),
	             set_op("/b", "b"), &or_else);
	assert_int_equal(result.answer, STORE_OK);
	assert_int_equal(result.flags, STORE_RESULT_ELSE);
	assert_true(stands(&fixture, "/else", "e") && !stands(&fixture, "/a", "a"));
	result = run(&fixture, rev_is("a", STORE_AT_LEAST, 1), set_op("/a", "a"), set_op("/b", "b"),
	             &or_else);
	assert_int_equal(result.answer, STORE_BAD_PATH);
	fixture_end(&fixture);
}

static void test_compares_of_values_sessions_and_tokens(void **state)
{
	struct store_compare compare = {.kind = STORE_COMPARE_VALUE,
	                                .relation = STORE_EQUAL,
	                                .path = slice_text("/a"),
	                                .value = slice_text("v")};
	const struct store_op set = set_op("/x", "x");
	struct store_result lock;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_MISMATCH);
	compare.relation = STORE_NOT_EQUAL;
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_OK);
	(void)fixture_set(&fixture, "/a", "v");
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_MISMATCH);
	compare.relation = STORE_EQUAL;
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_OK);

	compare = (struct store_compare){.kind = STORE_COMPARE_SESSION,
	                                 .relation = STORE_EQUAL,
	                                 .number = (int64_t)fixture.session};
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_OK);
	compare.number++;
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_MISMATCH);

	lock = fixture_op(&fixture, lock_op("/l"));
	compare = (struct store_compare){.kind = STORE_COMPARE_TOKEN,
	                                 .relation = STORE_EQUAL,
	                                 .number = lock.number,
	                                 .path = slice_text("/l")};
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_OK);
	(void)fixture_op(&fixture,
	                 (struct store_op){.verb = STORE_VERB_UNLOCK, .path = slice_text("/l")});
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_NOT_HELD);
	(void)fixture_op(&fixture, lock_op("/l"));
	assert_int_equal(run(&fixture, compare, set, set, NULL).answer, STORE_NOT_HELD);
	fixture_end(&fixture);
}

static void test_locks_are_part_of_it(void **state)
{
	const struct store_op bad = delete_op("/none");
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), lock_op("/l"), bad, NULL);
	assert_int_equal(result.answer, STORE_NOT_FOUND);
	assert_true(result.op == 1 && result.number == 0);
	assert_int_equal(store_session(fixture.store, fixture.session)->owned, 0);
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), lock_op("/l"), set_op("/a", "mine"),
	             NULL);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(result.number == result.first && result.revision == result.first + 1);
	assert_true(store_lock_is_held(fixture.store, slice_text("/l"), result.number));
	fixture_end(&fixture);
}

static void test_counters(void **state)
{
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_true(fixture_op(&fixture, add_op("/n", 5)).number == 5);
	assert_true(fixture_op(&fixture, add_op("/n", -7)).number == -2);
	assert_true(stands(&fixture, "/n", "-2"));
	result = run(&fixture, rev_is("/n", STORE_AT_LEAST, 1), add_op("/n", 10), add_op("/n", 1),
	             NULL);
	assert_true(result.number == 9);
	(void)fixture_set(&fixture, "/n", "-9223372036854775808");
	assert_int_equal(fixture_op(&fixture, add_op("/n", -1)).answer, STORE_NOT_NUMBER);
	assert_true(fixture_op(&fixture, add_op("/n", 0)).number == INT64_MIN);
	(void)fixture_set(&fixture, "/n", "9223372036854775807");
	assert_int_equal(fixture_op(&fixture, add_op("/n", 1)).answer, STORE_NOT_NUMBER);
	(void)fixture_set(&fixture, "/n", "9223372036854775808");
	assert_int_equal(fixture_op(&fixture, add_op("/n", 1)).answer, STORE_NOT_NUMBER);
	static const char *const none[] = {"", "-", "x", "1x", " 1", "+1"};
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		(void)fixture_set(&fixture, "/n", none[i]);
		assert_int_equal(fixture_op(&fixture, add_op("/n", 1)).answer, STORE_NOT_NUMBER);
	}
	fixture_end(&fixture);
}

static void test_files_that_go_with_their_session(void **state)
{
	struct store_op op = set_op("/job-", "x");
	const struct store_event *event;
	struct store_result result;
	struct store_file file;
	struct fixture fixture;
	uint64_t other;

	(void)state;
	fixture_begin(&fixture);
	other = fixture_open(&fixture, 7).session;
	op.flags = STORE_OP_EPHEMERAL | STORE_OP_SEQUENCE;
	result = fixture_request(&fixture, other, 1, 1, op);
	assert_int_equal(result.answer, STORE_OK);
	assert_int_equal(result.revision, 1);
	assert_int_equal(
		store_get(fixture_root(&fixture), slice_text("/job-0000000000000001"), &file),
		STORE_OK);
	assert_true(file.owner == other);
	/* A plain write leaves it the session's; another's makes it that one's. */
	(void)fixture_set(&fixture, "/job-0000000000000001", "y");
	assert_int_equal(store_session(fixture.store, other)->owned, 1);
	op = set_op("/job-0000000000000001", "z");
	op.flags = STORE_OP_EPHEMERAL;
	(void)fixture_op(&fixture, op);
	assert_int_equal(store_session(fixture.store, other)->owned, 0);
	op.path = slice_text("/b");
	(void)fixture_request(&fixture, other, 2, 2, op);
	(void)fixture_apply(&fixture, &(struct store_entry){.kind = STORE_ENTRY_EXPIRE,
	                                                    .expired_count = 1,
	                                                    .expired = {other}});
	assert_false(stands(&fixture, "/b", "z"));
	assert_true(stands(&fixture, "/job-0000000000000001", "z"));
	assert_int_equal(store_event(fixture.store, 5, &event), STORE_OK);
	assert_int_equal(event->cause, STORE_CAUSE_EXPIRED);
	fixture_end(&fixture);
}

static void test_nobody_sees_a_part_of_it(void **state)
{
	struct store_result result;
	struct store_view view;
	struct store_file file;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), set_op("/a", "a"), set_op("/b", "b"),
	             NULL);
	(void)fixture_set(&fixture, "/a", "later");
	for (store_rev_t rev = result.first; rev <= result.revision; rev++) {
		assert_int_equal(store_past(fixture.store, fixture_root(&fixture), rev, &view),
		                 STORE_OK);
		assert_int_equal(store_get_at(&view, slice_text("/a"), &file), STORE_OK);
		assert_true(slice_equal(file.value, slice_text("a")));
		assert_int_equal(store_get_at(&view, slice_text("/b"), &file), STORE_OK);
	}
	assert_int_equal(store_past(fixture.store, fixture_root(&fixture), 0, &view), STORE_OK);
	fixture_end(&fixture);
}

static void test_retry_has_one_effect(void **state)
{
	struct store_result first, second;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	first = run(&fixture, rev_is("/a", STORE_EQUAL, 0), add_op("/a", 1), lock_op("/l"), NULL);
	fixture.number--;
	second = run(&fixture, rev_is("/a", STORE_EQUAL, 0), add_op("/a", 1), lock_op("/l"), NULL);
	assert_int_equal(second.answer, STORE_OK);
	assert_true(first.number == second.number && first.first == second.first &&
	            first.revision == second.revision);
	assert_true(stands(&fixture, "/a", "1"));
	fixture_end(&fixture);
}

static void test_number_and_flags_are_of_the_last_operation_that_has_them(void **state)
{
	struct store_op unlock = {.verb = STORE_VERB_UNLOCK, .path = slice_text("/mine")};
	struct store_result result;
	struct fixture fixture;
	uint64_t other;

	(void)state;
	fixture_begin(&fixture);
	other = fixture_open(&fixture, 8).session;
	(void)fixture_request(&fixture, other, 1, 1, lock_op("/theirs"));
	(void)fixture_op(&fixture, lock_op("/mine"));
	(void)fixture_request(&fixture, other, 2, 2, lock_op("/mine"));
	/* To wait for one lock, and to hand over another. */
	unlock.number = (int64_t)other;
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), lock_op("/theirs"), unlock, NULL);
	assert_int_equal(result.answer, STORE_OK);
	assert_int_equal(result.flags, 0);
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), lock_op("/theirs"), add_op("/n", 3),
	             NULL);
	assert_int_equal(result.flags, 0);
	assert_true(result.number == 3);
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), add_op("/n", 3), lock_op("/theirs"),
	             NULL);
	assert_int_equal(result.flags, STORE_RESULT_QUEUED);
	fixture_end(&fixture);
}

static void test_refused_one_names_no_revision_that_was_taken_back(void **state)
{
	struct store_op other = set_op("/a", "y");
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	other.rev = 1000;
	result = run(&fixture, rev_is("/a", STORE_EQUAL, 0), set_op("/a", "x"), other, NULL);
	assert_int_equal(result.answer, STORE_MISMATCH);
	assert_int_equal(result.op, 1);
	assert_true(result.revision == 0);
	/* Nor that of a file that another compare looked at. */
	(void)fixture_set(&fixture, "/a", "z");
	for (unsigned kind = STORE_COMPARE_TOKEN; kind <= STORE_COMPARE_SESSION; kind++) {
		const struct store_compare first = rev_is("/a", STORE_AT_LEAST, 1);
		const struct store_compare second = {.kind = (enum store_compare_kind)kind,
		                                     .relation = STORE_EQUAL,
		                                     .number = 77};
		struct store_txn_writer writer;

		store_txn_begin(&writer, memory, sizeof(memory));
		store_txn_if(&writer, &first);
		store_txn_if(&writer, &second);
		result = apply(&fixture, store_txn_end(&writer));
		assert_int_equal(result.op, 1);
		assert_true(result.revision == 0);
	}
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_decoded_encodes_to_the_same),
		cmocka_unit_test(test_what_is_too_much_is_not_written),
		cmocka_unit_test(test_all_of_a_list_or_nothing),
		cmocka_unit_test(test_else_is_run_where_a_compare_is_false),
		cmocka_unit_test(test_compares_of_values_sessions_and_tokens),
		cmocka_unit_test(test_locks_are_part_of_it),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_files_that_go_with_their_session),
		cmocka_unit_test(test_nobody_sees_a_part_of_it),
		cmocka_unit_test(test_retry_has_one_effect),
		cmocka_unit_test(test_number_and_flags_are_of_the_last_operation_that_has_them),
		cmocka_unit_test(test_refused_one_names_no_revision_that_was_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
