/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   an entry comes back from its bytes as it was; what encoding would not write is refused.
 * Method: one entry of each kind, then random ones and damaged bytes: what is decoded at all
 *         encodes to the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/entry.h"

static uint8_t memory[STORE_ENTRY_SIZE_MAX], again[STORE_ENTRY_SIZE_MAX];
static uint8_t bulk[STORE_VALUE_SIZE_MAX + 1];

static struct store_entry set_entry(void)
{
	return (struct store_entry){
		.kind = STORE_ENTRY_OP,
		.time_ns = 0x1122334455667788,
		.session = 7,
		.number = 9,
		.first_unanswered = 8,
		.op = {.verb = STORE_VERB_SET,
	               .condition = STORE_IF_AT_MOST,
	               .rev = -1,
	               .path = slice_text("/a/b"),
	               .value = slice_text("value")},
	};
}

static void test_operation_comes_back(void **state)
{
	const struct store_entry entry = set_entry();
	struct store_entry out;
	size_t size;

	(void)state;
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_int_equal(size, 10 + 24 + 11 + 2 + 4 + 4 + 5);
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.kind, STORE_ENTRY_OP);
	assert_true(out.time_ns == entry.time_ns);
	assert_int_equal(out.session, 7);
	assert_int_equal(out.number, 9);
	assert_int_equal(out.first_unanswered, 8);
	assert_int_equal(out.op.verb, STORE_VERB_SET);
	assert_int_equal(out.op.condition, STORE_IF_AT_MOST);
	assert_true(out.op.rev == -1);
	assert_true(slice_equal(out.op.path, slice_text("/a/b")));
	assert_true(slice_equal(out.op.value, slice_text("value")));
	assert_true(slice_equal(store_entry_path(slice_make(memory, size)), out.op.path));
	for (size_t cut = 0; cut < 10 + 24 + 11 + 2 + 4; cut++) {
		assert_int_equal(store_entry_path(slice_make(memory, cut)).size, 0);
	}
	memory[0] = STORE_ENTRY_TXN;
	assert_int_equal(store_entry_path(slice_make(memory, size)).size, 0);
}

static void test_largest_entry_fits_and_its_memory_is_checked(void **state)
{
	struct store_entry entry = set_entry(), out;
	size_t size;

	(void)state;
	memset(bulk, 'x', sizeof(bulk));
	entry.op.path = slice_make(bulk, STORE_PATH_SIZE_MAX);
	entry.op.value = slice_make(bulk, STORE_VALUE_SIZE_MAX);
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_int_not_equal(size, 0);
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.op.value.size, STORE_VALUE_SIZE_MAX);
	assert_int_equal(store_entry_encode(&entry, memory, size - 1), 0);
	assert_int_equal(store_entry_encode(&entry, memory, 0), 0);
}

static void test_other_kinds_come_back(void **state)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_OPEN, .secret = ~(uint64_t)0, .ttl_ms = 5000};
	struct store_entry out;
	size_t size;

	(void)state;
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_true(out.secret == ~(uint64_t)0);
	assert_int_equal(out.ttl_ms, 5000);

	entry = (struct store_entry){.kind = STORE_ENTRY_CLOSE, .session = 3, .number = 4};
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.kind, STORE_ENTRY_CLOSE);
	assert_int_equal(out.session, 3);
	assert_int_equal(out.number, 4);

	entry = (struct store_entry){.kind = STORE_ENTRY_EXPIRE, .expired_count = STORE_EXPIRE_MAX};
	for (unsigned i = 0; i < STORE_EXPIRE_MAX; i++) {
		entry.expired[i] = i * 3;
	}
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.expired_count, STORE_EXPIRE_MAX);
	assert_memory_equal(out.expired, entry.expired, sizeof(out.expired));

	entry = (struct store_entry){.kind = STORE_ENTRY_REJOIN, .node = 6, .incarnation = 1 << 30};
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.node, 6);
	assert_int_equal(out.incarnation, 1 << 30);
}

static void test_members_come_back(void **state)
{
	struct store_entry entry = {
		.kind = STORE_ENTRY_MEMBERS, .configuration = 9, .voters = 0x8003, .learners = 4};
	struct store_entry out;
	size_t size;

	(void)state;
	entry.addresses[15] = (struct store_address){0x0a000010, 8046};
	entry.addresses[2] = (struct store_address){0x0a000003, 1};
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_in_range(size, 1, STORE_ENTRY_HEADER_MAX);
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.configuration, 9);
	assert_int_equal(out.voters, 0x8003);
	assert_int_equal(out.learners, 4);
	for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
		assert_int_equal(out.addresses[node].ip, entry.addresses[node].ip);
		assert_int_equal(out.addresses[node].port, entry.addresses[node].port);
	}
	assert_false(store_entry_decode(slice_make(memory, size - 1), &out));
	memory[14] |= 4; /* votes and learns */
	assert_false(store_entry_decode(slice_make(memory, size), &out));

	entry = (struct store_entry){.kind = STORE_ENTRY_LEARNER,
	                             .node = 15,
	                             .is_added = true,
	                             .address = {0x0a000010, 8046}};
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_true(out.is_added && out.node == 15 && out.address.ip == 0x0a000010);
	memory[11] = 2;
	assert_false(store_entry_decode(slice_make(memory, size), &out));
}

static void test_what_has_no_condition_is_written_in_one_way(void **state)
{
	static const enum store_verb verbs[] = {STORE_VERB_NOP, STORE_VERB_FULL};

	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct store_entry entry = {.kind = STORE_ENTRY_OP, .op = {.verb = verbs[i]}};
		struct store_entry out;
		size_t size;

		size = store_entry_encode(&entry, memory, sizeof(memory));
		assert_true(store_entry_decode(slice_make(memory, size), &out));
		assert_int_equal(out.op.verb, verbs[i]);
		assert_int_equal(out.op.condition, STORE_IF_EQUAL);
		assert_true(out.op.rev == STORE_REV_ANY);
		memory[10 + 24 + 1] = STORE_IF_AT_MOST;
		assert_false(store_entry_decode(slice_make(memory, size), &out));
	}
}

static void test_time_can_be_stamped(void **state)
{
	const struct store_entry entry = set_entry();
	struct store_entry out;
	size_t size;

	(void)state;
	size = store_entry_encode(&entry, memory, sizeof(memory));
	assert_true(store_entry_time_ns(slice_make(memory, size)) == entry.time_ns);
	store_entry_stamp(memory, size, 42);
	assert_int_equal(store_entry_time_ns(slice_make(memory, size)), 42);
	assert_true(store_entry_decode(slice_make(memory, size), &out));
	assert_int_equal(out.time_ns, 42);
}

static void test_nonsense_is_refused_and_writes_nothing(void **state)
{
	static const struct {
		unsigned at;
		uint8_t byte;
	} damages[] = {
		{0, 0},  {0, 10},  {1, 1},           /* kind, flags */
		{34, 0}, {34, 11}, {35, 0}, {35, 3}, /* verb, condition */
		{34, 1},                             /* a NOP with a path */
		{34, 3},                             /* a DELETE with a value */
		{36, 4},                             /* a flag of LOCK */
		{45, 5}, {46, 2},                    /* size of the path */
		{51, 4}, {51, 6},  {54, 1},          /* size of the value */
	};
	const struct store_entry entry = set_entry();
	struct store_entry out = {.session = 99};
	size_t size;

	(void)state;
	for (unsigned i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		size = store_entry_encode(&entry, memory, sizeof(memory));
		memory[damages[i].at] = damages[i].byte;
		assert_false(store_entry_decode(slice_make(memory, size), &out));
		assert_int_equal(out.session, 99);
	}
	size = store_entry_encode(&entry, memory, sizeof(memory));
	for (size_t cut = 0; cut < size; cut++) {
		assert_false(store_entry_decode(slice_make(memory, cut), &out));
	}
	assert_false(store_entry_decode(slice_make(memory, size + 1), &out));
	assert_int_equal(out.session, 99);
}

static void test_what_is_decoded_encodes_to_the_same(void **state)
{
	struct prng prng;
	unsigned taken = 0;

	(void)state;
	prng_init(&prng, 11);
	for (unsigned i = 0; i < 100000; i++) {
		struct store_entry entry = set_entry(), out;
		size_t size;

		entry.kind = (enum store_entry_kind)(1 + prng_below(&prng, 7));
		entry.node = (uint8_t)prng_below(&prng, STORE_NODES_MAX);
		entry.expired_count = (uint16_t)prng_below(&prng, 4);
		entry.op.path.size = prng_below(&prng, 5);
		entry.configuration = 1 + (uint32_t)prng_below(&prng, 3);
		entry.voters = 1 + (uint32_t)prng_below(&prng, 127);
		entry.learners = (uint32_t)prng_below(&prng, 4) << 7;
		entry.address = (struct store_address){0x0a000001, 8046};
		for (unsigned node = 0; node < STORE_NODES_MAX; node++) {
			entry.addresses[node] =
				(struct store_address){0x0a000001 + node, (uint16_t)node};
		}
		size = store_entry_encode(&entry, memory, sizeof(memory));
		for (uint64_t flips = prng_below(&prng, 3); flips > 0; flips--) {
			memory[prng_below(&prng, size)] ^= (uint8_t)(1u << prng_below(&prng, 8));
		}
		if (store_entry_decode(slice_make(memory, size), &out)) {
			taken++;
			assert_int_equal(store_entry_encode(&out, again, sizeof(again)), size);
			assert_memory_equal(memory, again, size);
		}
	}
	assert_in_range(taken, 30000, 99999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operation_comes_back),
		cmocka_unit_test(test_largest_entry_fits_and_its_memory_is_checked),
		cmocka_unit_test(test_other_kinds_come_back),
		cmocka_unit_test(test_members_come_back),
		cmocka_unit_test(test_what_has_no_condition_is_written_in_one_way),
		cmocka_unit_test(test_time_can_be_stamped),
		cmocka_unit_test(test_nonsense_is_refused_and_writes_nothing),
		cmocka_unit_test(test_what_is_decoded_encodes_to_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
