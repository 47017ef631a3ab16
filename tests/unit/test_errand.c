/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a worker gives a pinned state out when it is asked, and takes it back; where the mailbox
 *         is full nothing stays pinned. What servers answer goes to the slow path.
 * Method: a store and a mailbox; the test is both the worker and the slow path.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "consensus/errand.h"
#include "store/snapshot.h"
#include "tests/unit/store_fixture.h"

enum {
	SIZE = RING_BYTES_MIN,
	PINS_ENOUGH = 1000 /* more than a store keeps */
};

static _Alignas(64) uint8_t there[SIZE], back[SIZE];

static struct paxos_mail_snapshot take(struct paxos_mailbox *mailbox)
{
	struct paxos_mail_snapshot told;
	struct paxos_mail mail;

	assert_true(paxos_mailbox_peek_from_worker(mailbox, &mail));
	assert_int_equal(mail.kind, PAXOS_MAIL_SNAPSHOT);
	assert_int_equal(mail.address.bytes[3], 9);
	assert_int_equal(mail.bytes.size, sizeof(told));
	memcpy(&told, mail.bytes.data, sizeof(told));
	paxos_mailbox_pop_from_worker(mailbox);
	return told;
}

static void give_back(struct store *store, struct paxos_mail_snapshot told)
{
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_SNAPSHOT_DONE,
	                                .bytes = slice_make(&told, sizeof(told))};

	paxos_errand_snapshot_done(NULL, 0, store, &mail);
}

static void test_state_is_given_out_and_taken_back(void **state)
{
	struct paxos_mail ask = {.kind = PAXOS_MAIL_SNAPSHOT_ASK};
	struct paxos_mailbox mailbox;
	struct fixture fixture;

	(void)state;
	ask.address.bytes[3] = 9;
	paxos_mailbox_init(&mailbox, there, back, SIZE);
	fixture_begin(&fixture);
	store_publish(fixture.store);
	for (unsigned i = 0; i < PINS_ENOUGH; i++) {
		struct paxos_mail_snapshot told;

		paxos_errand_snapshot(fixture.store, &mailbox, &ask);
		told = take(&mailbox);
		assert_int_equal(told.r, 0);
		assert_true(store_snapshot_index(told.snapshot) == 1);
		give_back(fixture.store, told);
	}
	fixture_end(&fixture);
}

static void test_too_many_pins_are_said(void **state)
{
	struct paxos_mail ask = {.kind = PAXOS_MAIL_SNAPSHOT_ASK};
	static struct paxos_mail_snapshot kept[PINS_ENOUGH];
	struct paxos_mailbox mailbox;
	struct fixture fixture;
	unsigned count = 0;

	(void)state;
	ask.address.bytes[3] = 9;
	paxos_mailbox_init(&mailbox, there, back, SIZE);
	fixture_begin(&fixture);
	do {
		assert_true(count < PINS_ENOUGH);
		paxos_errand_snapshot(fixture.store, &mailbox, &ask);
		kept[count] = take(&mailbox);
	} while (kept[count++].r == 0);
	count--;
	assert_int_equal(kept[count].r, -EBUSY);
	assert_null(kept[count].snapshot);
	give_back(fixture.store, kept[--count]);
	paxos_errand_snapshot(fixture.store, &mailbox, &ask);
	kept[count++] = take(&mailbox);
	assert_int_equal(kept[count - 1].r, 0);
	while (count != 0) {
		give_back(fixture.store, kept[--count]);
	}
	fixture_end(&fixture);
}

static void test_full_mailbox_leaves_nothing_pinned(void **state)
{
	static const uint8_t bytes[200];
	const struct paxos_mail filler = {.kind = PAXOS_MAIL_REPLY,
	                                  .bytes = slice_make(bytes, sizeof(bytes))};
	struct paxos_mail ask = {.kind = PAXOS_MAIL_SNAPSHOT_ASK}, got;
	struct paxos_mail_snapshot told;
	struct paxos_mailbox mailbox;
	struct fixture fixture;

	(void)state;
	ask.address.bytes[3] = 9;
	paxos_mailbox_init(&mailbox, there, back, SIZE);
	fixture_begin(&fixture);
	while (paxos_mailbox_put_from_worker(&mailbox, &filler)) {
	}
	while (paxos_mailbox_put_from_worker(&mailbox,
	                                     &(struct paxos_mail){.kind = PAXOS_MAIL_REPLY})) {
	}
	for (unsigned i = 0; i < PINS_ENOUGH; i++) {
		paxos_errand_snapshot(fixture.store, &mailbox, &ask);
	}
	while (paxos_mailbox_peek_from_worker(&mailbox, &got)) {
		assert_int_equal(got.kind, PAXOS_MAIL_REPLY);
		paxos_mailbox_pop_from_worker(&mailbox);
	}
	/* What is on its way when all ends goes back, too: fixture_end() would see it. */
	paxos_errand_snapshot(fixture.store, &mailbox, &ask);
	told = take(&mailbox);
	assert_true(paxos_mailbox_put_to_worker(
		&mailbox, &(struct paxos_mail){.kind = PAXOS_MAIL_SNAPSHOT_DONE,
	                                       .bytes = slice_make(&told, sizeof(told))}));
	paxos_errand_snapshot(fixture.store, &mailbox, &ask);
	paxos_errand_close(fixture.store, &mailbox);
	fixture_end(&fixture);
}

/* Only what servers answer goes to the slow path; all else is the replica's. */
static void test_answers_of_servers_are_given_out(void **state)
{
	uint8_t memory[STORE_DATAGRAM_HEADER + 4] = {0};
	const struct paxos_source peer = {.peer = 4}, client = {.peer = PAXOS_NOBODY};
	struct paxos_mailbox mailbox;
	struct paxos_mail mail;
	struct slice bytes;

	(void)state;
	paxos_mailbox_init(&mailbox, there, back, SIZE);
	for (unsigned kind = STORE_DATAGRAM_REQUEST; kind <= STORE_DATAGRAM_PEER; kind++) {
		bytes = slice_make(
			memory,
			store_datagram_close(memory, 4, (enum store_datagram_kind)kind, 0, 1));
		assert_int_equal(paxos_errand_answered(&mailbox, &peer, bytes),
		                 kind == STORE_DATAGRAM_ANSWER);
		assert_false(paxos_errand_answered(&mailbox, &client, bytes));
	}
	memory[STORE_DATAGRAM_KIND] = STORE_DATAGRAM_ANSWER;
	assert_false(paxos_errand_answered(&mailbox, &peer,
	                                   slice_make(memory, STORE_DATAGRAM_HEADER - 1)));
	assert_true(paxos_mailbox_peek_from_worker(&mailbox, &mail));
	assert_int_equal(mail.kind, PAXOS_MAIL_ANSWERED);
	assert_int_equal(paxos_address_server_of(&mail.address), 4);
	assert_int_equal(mail.bytes.size, sizeof(memory));
	paxos_mailbox_pop_from_worker(&mailbox);
	assert_false(paxos_mailbox_peek_from_worker(&mailbox, &mail));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_is_given_out_and_taken_back),
		cmocka_unit_test(test_too_many_pins_are_said),
		cmocka_unit_test(test_full_mailbox_leaves_nothing_pinned),
		cmocka_unit_test(test_answers_of_servers_are_given_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
