/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what depends on a record waits for it, nothing else does, and a full outbox drops
 *         datagrams but never a record.
 * Method: effects in, effects out, with records reported durable in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/outbox.h"
#include "store/limits.h"

static uint64_t persist(struct paxos_outbox *outbox)
{
	return paxos_outbox_persist(outbox, slice_text("record"), &(struct paxos_mark){0});
}

static void send(struct paxos_outbox *outbox, unsigned peer, bool hold)
{
	const struct paxos_effect effect = {.kind = PAXOS_EFFECT_SEND, .peer = peer};
	uint8_t *memory = paxos_outbox_begin(outbox);

	assert_non_null(memory);
	memset(memory, (int)peer, 100);
	paxos_outbox_commit(outbox, &effect, 100, hold);
}

static void expect(struct paxos_outbox *outbox, enum paxos_effect_kind kind, unsigned peer)
{
	struct paxos_effect effect;

	assert_true(paxos_outbox_take(outbox, &effect));
	assert_int_equal(effect.kind, kind);
	assert_int_equal(effect.peer, peer);
	if (kind == PAXOS_EFFECT_SEND) {
		assert_int_equal(effect.bytes.size, 100);
		assert_int_equal(effect.bytes.data[99], peer);
	}
}

static void test_held_until_durable_and_in_order(void **state)
{
	struct paxos_outbox outbox;
	struct paxos_effect effect;

	(void)state;
	assert_int_equal(paxos_outbox_init(&outbox), 0);
	assert_int_equal(persist(&outbox), 1);
	send(&outbox, 1, true);
	send(&outbox, 2, false);
	assert_int_equal(persist(&outbox), 2);
	send(&outbox, 3, true);
	expect(&outbox, PAXOS_EFFECT_PERSIST, 0);
	expect(&outbox, PAXOS_EFFECT_SEND, 2);
	expect(&outbox, PAXOS_EFFECT_PERSIST, 0);
	assert_false(paxos_outbox_take(&outbox, &effect));
	paxos_outbox_durable(&outbox, 1);
	expect(&outbox, PAXOS_EFFECT_SEND, 1);
	assert_false(paxos_outbox_take(&outbox, &effect));
	paxos_outbox_durable(&outbox, 2);
	expect(&outbox, PAXOS_EFFECT_SEND, 3);
	send(&outbox, 4, true);
	expect(&outbox, PAXOS_EFFECT_SEND, 4);
	paxos_outbox_deinit(&outbox);
}

static void test_full_outbox_drops_datagrams_not_records(void **state)
{
	struct paxos_outbox outbox;
	struct paxos_effect effect;
	unsigned taken = 0;

	(void)state;
	assert_int_equal(paxos_outbox_init(&outbox), 0);
	while (paxos_outbox_begin(&outbox) != NULL) {
		const struct paxos_effect reply = {.kind = PAXOS_EFFECT_REPLY};

		paxos_outbox_commit(&outbox, &reply, STORE_DATAGRAM_SIZE_MAX, false);
	}
	assert_int_equal(outbox.dropped, 1);
	assert_true(paxos_outbox_persist_room(&outbox) > 64 * 1024);
	assert_int_equal(persist(&outbox), 1);
	while (paxos_outbox_take(&outbox, &effect)) {
		taken++;
	}
	assert_int_equal(effect.kind, PAXOS_EFFECT_PERSIST);
	assert_true(taken > 1000);
	assert_non_null(paxos_outbox_begin(&outbox));
	paxos_outbox_deinit(&outbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held_until_durable_and_in_order),
		cmocka_unit_test(test_full_outbox_drops_datagrams_not_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
