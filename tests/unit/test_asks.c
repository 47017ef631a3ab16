/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   who asks for a change is answered once, with the last that was heard, whatever comes
 *         late, twice or not at all.
 * Method: asks put, told and timed by hand, up to more than there is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/asks.h"
#include "tests/unit/core_fixture.h"

enum {
	NOW = 1000000000,
	DEADLINE = 2000000000,
};

static struct paxos_core core;
static struct paxos_asks asks;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = NOW;
	memset(&asks, 0, sizeof(asks));
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

static void put(uint8_t who)
{
	const struct paxos_change change = {.remove = 2};

	paxos_asks_put(&core, &asks, &(struct paxos_address){{who}}, &change, DEADLINE);
}

static void tell(uint64_t id, enum paxos_verdict verdict, const char *text)
{
	struct paxos_told told;

	paxos_tell(&told, verdict, "%s", text);
	paxos_asks_told(&asks, id, &told);
}

static void expect(uint8_t who, enum paxos_verdict verdict, const char *text)
{
	struct paxos_effect effect;
	struct paxos_told told;

	assert_true(core_takes(&core, PAXOS_EFFECT_TOLD, &effect));
	assert_int_equal(effect.address.bytes[0], who);
	assert_true(paxos_told_decode(effect.bytes, &told));
	assert_int_equal(told.verdict, verdict);
	assert_true(text == NULL || strcmp(told.text, text) == 0);
}

static void test_too_many_are_refused_at_once(void **state)
{
	(void)state;
	for (uint8_t who = 1; who <= PAXOS_ASKS_MAX; who++) {
		put(who);
	}
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
	put(99);
	expect(99, PAXOS_CHANGE_REFUSED, NULL);
	tell(asks.slots[1].id, PAXOS_CHANGE_DONE, "done");
	paxos_asks_tick(&core, &asks);
	expect(2, PAXOS_CHANGE_DONE, "done");
	put(98); /* there is a place again */
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
}

static void test_each_is_asked_once_a_heartbeat(void **state)
{
	struct paxos_change change;
	struct paxos_ask *ask;
	struct paxos_msg msg;

	(void)state;
	put(1);
	put(2);
	ask = paxos_asks_due(&core, &asks);
	assert_ptr_equal(ask, &asks.slots[0]);
	paxos_asks_send(&core, ask, 2);
	msg = core_expect(&core, 2, PAXOS_MSG_ASK);
	assert_int_equal(msg.round, ask->id);
	assert_true(paxos_change_decode(msg.body, &change));
	assert_int_equal(change.remove, 2);
	assert_ptr_equal(paxos_asks_due(&core, &asks), &asks.slots[1]);
	assert_null(paxos_asks_due(&core, &asks));
	assert_int_equal(paxos_asks_deadline_ns(&asks), NOW + core.config.heartbeat_ns);
	core.now_ns = NOW + core.config.heartbeat_ns;
	tell(asks.slots[0].id, PAXOS_CHANGE_REFUSED, "no"); /* is not asked any more */
	assert_ptr_equal(paxos_asks_due(&core, &asks), &asks.slots[1]);
	assert_null(paxos_asks_due(&core, &asks));
}

static void test_first_verdict_stands(void **state)
{
	(void)state;
	put(1);
	tell(0, PAXOS_CHANGE_DONE, "free places have this id");
	tell(asks.slots[0].id + 1, PAXOS_CHANGE_DONE, "of nobody");
	tell(asks.slots[0].id & UINT32_MAX, PAXOS_CHANGE_DONE, "of another start");
	tell(asks.slots[0].id, PAXOS_CHANGE_WAITS, "wait");
	paxos_asks_tick(&core, &asks);
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
	tell(asks.slots[0].id, PAXOS_CHANGE_REFUSED, "no");
	tell(asks.slots[0].id, PAXOS_CHANGE_DONE, "late");
	paxos_asks_tick(&core, &asks);
	expect(1, PAXOS_CHANGE_REFUSED, "no");
	paxos_asks_tick(&core, &asks);
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
	assert_true(paxos_asks_deadline_ns(&asks) == UINT64_MAX);
}

static void test_deadline_ends_it_with_what_was_heard_last(void **state)
{
	(void)state;
	put(1);
	put(2);
	tell(asks.slots[1].id, PAXOS_CHANGE_WAITS, "server 2 is brought level");
	core.now_ns = DEADLINE - 1;
	paxos_asks_tick(&core, &asks);
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
	core.now_ns = DEADLINE;
	core_stuff_outbox(&core);
	paxos_asks_tick(&core, &asks); /* no room: it waits for some */
	core_expect_none(&core, PAXOS_EFFECT_TOLD);
	paxos_asks_tick(&core, &asks);
	expect(1, PAXOS_CHANGE_WAITS, "no server leads");
	expect(2, PAXOS_CHANGE_WAITS, "server 2 is brought level");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_too_many_are_refused_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_each_is_asked_once_a_heartbeat, begin, end),
		cmocka_unit_test_setup_teardown(test_first_verdict_stands, begin, end),
		cmocka_unit_test_setup_teardown(test_deadline_ends_it_with_what_was_heard_last,
	                                        begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
