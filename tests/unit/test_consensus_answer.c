/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a client gets the whole of an answer, or just the segments that it lacks of this very
 *         answer; a full outbox loses it, and counts that.
 * Method: an answer of three segments, asked for in parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/answer.h"
#include "tests/unit/core_fixture.h"
static struct paxos_core core;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

enum {
	VERSION = 5,
	SIZE = 2 * PROTO_PIECE_SIZE + 7,
};

static const struct paxos_address address = {{1, 2, 3}};
static uint8_t message[SIZE];

/* Asks for the segments `missing` of `version`. Returns the set of those that come. */
static uint32_t ask(uint32_t missing, uint64_t version)
{
	const struct proto_head asked = {.number = 9, .missing = missing, .version = version};
	struct paxos_effect effect;
	uint32_t set = 0;

	for (size_t i = 0; i < SIZE; i++) {
		message[i] = (uint8_t)(i / 7);
	}
	paxos_answer_message(&core, &address, &asked, VERSION, slice_make(message, SIZE));
	while (core_takes(&core, PAXOS_EFFECT_REPLY, &effect)) {
		struct store_datagram datagram;
		struct proto_head head;
		struct slice piece;

		assert_memory_equal(&effect.address, &address, sizeof(address));
		assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
		assert_true(proto_segment_decode(&datagram, &head, &piece));
		assert_int_equal(head.number, 9);
		assert_int_equal(head.version, VERSION);
		assert_int_equal(head.segments, 3);
		assert_true(
			slice_equal(piece, slice_make(message + head.segment * PROTO_PIECE_SIZE,
		                                      head.segment == 2 ? 7 : PROTO_PIECE_SIZE)));
		set |= 1u << head.segment;
	}
	return set;
}

static void test_only_what_is_missing_of_this_answer(void **state)
{
	(void)state;
	assert_int_equal(ask(0, 0), 7);
	assert_int_equal(ask(0, VERSION), 7);
	assert_int_equal(ask(5, VERSION), 5);
	assert_int_equal(ask(2, VERSION), 2);
	/* Of another one it has parts that are of no use now. */
	assert_int_equal(ask(5, VERSION - 1), 7);
	/* There is no such segment. */
	assert_int_equal(ask(0x80000000, VERSION), 0);
}

static void test_answer_says_who_answers_and_who_leads(void **state)
{
	static uint8_t memory[PROTO_MESSAGE_SIZE_MAX];
	const struct proto_head asked = {.number = 1};
	struct proto_answer answer = {.verb = PROTO_REV, .answer = STORE_OK}, back;
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct proto_head head;
	struct slice piece;

	(void)state;
	for (int leader = PAXOS_NOBODY; leader < 3; leader++) {
		core.leader = leader;
		paxos_answer_send(&core, memory, &address, &asked, &answer);
		assert_true(core_takes(&core, PAXOS_EFFECT_REPLY, &effect));
		assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
		assert_int_equal(datagram.kind, STORE_DATAGRAM_ANSWER);
		assert_int_equal(datagram.cluster, core.config.cluster);
		assert_true(proto_segment_decode(&datagram, &head, &piece));
		assert_true(proto_answer_decode(piece, &back));
		assert_int_equal(back.node, 1);
		assert_int_equal(back.leader, leader + 1);
		assert_int_equal(back.role, PAXOS_FOLLOWER);
		assert_int_equal(back.durability, PAXOS_MEMORY);
	}
}

static void test_repair_names_the_request_and_what_it_lacks(void **state)
{
	const struct proto_head asked = {.session = 3, .number = 4, .segments = 5};
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct proto_head head;
	struct slice piece;

	(void)state;
	paxos_answer_repair(&core, &address, &asked, 6);
	assert_true(core_takes(&core, PAXOS_EFFECT_REPLY, &effect));
	assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_true(proto_is_repair(&head));
	assert_int_equal(head.session, 3);
	assert_int_equal(head.number, 4);
	assert_int_equal(head.missing, 6);
}

static void test_full_outbox_loses_it(void **state)
{
	const struct proto_head asked = {.segments = 2};

	(void)state;
	core_stuff_outbox(&core);
	assert_int_equal(ask(0, 0), 0);
	assert_int_equal(core.counted.drops[PAXOS_DROP_OUTBOX], 1);
	core_stuff_outbox(&core);
	paxos_answer_repair(&core, &address, &asked, 1);
	core_expect_none(&core, PAXOS_EFFECT_REPLY);
	assert_int_equal(core.counted.drops[PAXOS_DROP_OUTBOX], 2);
	assert_int_equal(ask(0, 0), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_what_is_missing_of_this_answer, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_answer_says_who_answers_and_who_leads, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_repair_names_the_request_and_what_it_lacks,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_full_outbox_loses_it, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
