/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   mail arrives whole and in order, a full ring says no, and who sleeps is woken: no mail
 *         is left lying while its reader sleeps.
 * Method: one thread for the borders; two threads that sleep on descriptors for the bell, where a
 *         lost wake-up ends the test by a time-out of poll().
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "consensus/mailbox.h"

enum {
	SIZE = RING_BYTES_MIN,
	LETTERS = 50000,
	PATIENCE_MS = 10000
};

static _Alignas(64) uint8_t there[SIZE], back[SIZE];
static struct paxos_mailbox mailbox;
static unsigned rings;

static void count_ring(void *context)
{
	(void)context;
	rings++;
}

static int fresh(void **state)
{
	(void)state;
	paxos_mailbox_init(&mailbox, there, back, SIZE);
	rings = 0;
	return 0;
}

static void test_mail_comes_out_as_it_went_in(void **state)
{
	struct paxos_mail mail = {.kind = PAXOS_MAIL_REPLY, .bytes = slice_text("answer")};
	struct paxos_mail got;

	(void)state;
	memset(mail.address.bytes, 7, sizeof(mail.address.bytes));
	assert_false(paxos_mailbox_peek_from_worker(&mailbox, &got));
	assert_true(paxos_mailbox_put_from_worker(&mailbox, &mail));
	assert_false(paxos_mailbox_peek_to_worker(&mailbox, &got));
	assert_true(paxos_mailbox_peek_from_worker(&mailbox, &got));
	assert_int_equal(got.kind, PAXOS_MAIL_REPLY);
	assert_memory_equal(got.address.bytes, mail.address.bytes, sizeof(mail.address.bytes));
	assert_true(slice_equal(got.bytes, mail.bytes));
	paxos_mailbox_pop_from_worker(&mailbox);
	assert_false(paxos_mailbox_peek_from_worker(&mailbox, &got));
}

static void test_full_ring_says_no_and_only_the_worker_counts(void **state)
{
	static const uint8_t bytes[500];
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_CLIENT,
	                                .bytes = slice_make(bytes, sizeof(bytes))};

	(void)state;
	while (paxos_mailbox_put_to_worker(&mailbox, &mail)) {
	}
	assert_int_equal(atomic_load(&mailbox.dropped_from_worker), 0);
	while (paxos_mailbox_put_from_worker(&mailbox, &mail)) {
	}
	assert_false(paxos_mailbox_put_from_worker(&mailbox, &mail));
	assert_int_equal(atomic_load(&mailbox.dropped_from_worker), 2);
}

static void test_bell_rings_only_for_who_sleeps(void **state)
{
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_RESIGN};

	(void)state;
	mailbox.worker_bell = (struct paxos_bell){.ring = count_ring};
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
	paxos_mailbox_ring_worker(&mailbox);
	assert_int_equal(rings, 0);
	assert_false(paxos_mailbox_worker_sleeps(&mailbox)); /* there is mail */
	paxos_mailbox_pop_to_worker(&mailbox);
	assert_true(paxos_mailbox_worker_sleeps(&mailbox));
	paxos_mailbox_ring_worker(&mailbox); /* nothing new */
	assert_int_equal(rings, 0);
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
	assert_int_equal(rings, 0);
	paxos_mailbox_ring_worker(&mailbox); /* once for both */
	paxos_mailbox_ring_worker(&mailbox);
	assert_int_equal(rings, 1);
	paxos_mailbox_worker_wakes(&mailbox);
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
	paxos_mailbox_ring_worker(&mailbox);
	assert_int_equal(rings, 1);
	/* The other side's sleep and a side without a bell are nobody's business here. */
	assert_true(paxos_mailbox_control_sleeps(&mailbox));
	assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
	assert_true(paxos_mailbox_put_from_worker(&mailbox, &mail));
	assert_int_equal(rings, 1);
}

static void ring_descriptor(void *context)
{
	const uint64_t one = 1;

	(void)!write(*(const int *)context, &one, sizeof(one));
}

/* Sleeps on the descriptor. False if nothing woke it for far too long. */
static bool sleep_on(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	uint64_t count;

	if (poll(&wait, 1, PATIENCE_MS) != 1) {
		return false;
	}
	(void)!read(fd, &count, sizeof(count));
	return true;
}

static int worker_fd, control_fd;

/* Sends each letter back; sleeps whenever there is none. */
static void *work(void *argument)
{
	struct paxos_mail mail;

	for (unsigned i = 0; i < LETTERS;) {
		if (!paxos_mailbox_peek_to_worker(&mailbox, &mail)) {
			if (paxos_mailbox_worker_sleeps(&mailbox)) {
				if (!sleep_on(worker_fd)) {
					return argument;
				}
				paxos_mailbox_worker_wakes(&mailbox);
			}
			continue;
		}
		mail.kind = PAXOS_MAIL_REPLY;
		while (!paxos_mailbox_put_from_worker(&mailbox, &mail)) {
		}
		paxos_mailbox_pop_to_worker(&mailbox);
		i++;
	}
	return NULL;
}

static void check_letter(uint32_t number)
{
	struct paxos_mail mail;
	uint32_t got;

	while (!paxos_mailbox_peek_from_worker(&mailbox, &mail)) {
		if (paxos_mailbox_control_sleeps(&mailbox)) {
			assert_true(sleep_on(control_fd));
			paxos_mailbox_control_wakes(&mailbox);
		}
	}
	assert_int_equal(mail.kind, PAXOS_MAIL_REPLY);
	assert_int_equal(mail.bytes.size, sizeof(got));
	memcpy(&got, mail.bytes.data, sizeof(got));
	assert_int_equal(got, number);
	paxos_mailbox_pop_from_worker(&mailbox);
}

static void test_no_wake_up_is_lost_between_two_threads(void **state)
{
	uint32_t sent = 0, heard = 0;
	pthread_t thread;
	void *stuck;

	(void)state;
	worker_fd = eventfd(0, EFD_CLOEXEC);
	control_fd = eventfd(0, EFD_CLOEXEC);
	mailbox.worker_bell = (struct paxos_bell){.ring = ring_descriptor, .context = &worker_fd};
	mailbox.control_bell = (struct paxos_bell){.ring = ring_descriptor, .context = &control_fd};
	assert_int_equal(pthread_create(&thread, NULL, work, &mailbox), 0);
	while (heard < LETTERS) {
		/* Between 1 and 7 letters at a time, so that both sleep often and seldom alike. */
		for (unsigned i = 0; i < 1 + heard % 7 && sent < LETTERS; i++, sent++) {
			const struct paxos_mail mail = {
				.kind = PAXOS_MAIL_CLIENT,
				.bytes = slice_make(&sent, sizeof(sent)),
			};

			assert_true(paxos_mailbox_put_to_worker(&mailbox, &mail));
		}
		paxos_mailbox_ring_worker(&mailbox);
		while (heard < sent) {
			check_letter(heard++);
		}
	}
	assert_int_equal(pthread_join(thread, &stuck), 0);
	assert_null(stuck);
	assert_int_equal(close(worker_fd), 0);
	assert_int_equal(close(control_fd), 0);
}

/* --- the journal ----------------------------------------------------------------------------- */

enum {
	RECORDS = 50000
};

static _Alignas(64) uint8_t records[PAXOS_JOURNAL_RING];

static int fresh_journal(void **state)
{
	(void)fresh(state);
	paxos_journal_init(&mailbox, records, 100);
	return 0;
}

static void give(uint64_t record)
{
	uint8_t bytes[8];
	struct paxos_effect effect = {.kind = PAXOS_EFFECT_PERSIST,
	                              .record = record,
	                              .bytes = slice_make(bytes, sizeof(bytes))};

	memcpy(bytes, &record, sizeof(bytes));
	effect.mark = (struct paxos_mark){.length = record + 1, .low = record - 1};
	paxos_journal_give(&mailbox, &effect);
}

static void test_records_come_out_with_their_marks(void **state)
{
	struct paxos_journal_order order;
	uint64_t number;

	(void)state;
	assert_false(paxos_journal_peek(&mailbox, &order));
	give(101);
	paxos_journal_give(&mailbox,
	                   &(struct paxos_effect){.kind = PAXOS_EFFECT_FORGET, .record = 50});
	assert_true(paxos_journal_peek(&mailbox, &order));
	assert_false(order.forget);
	assert_int_equal(order.record, 101);
	assert_int_equal(order.mark.length, 102);
	assert_int_equal(order.mark.low, 100);
	assert_int_equal(order.bytes.size, sizeof(number));
	memcpy(&number, order.bytes.data, sizeof(number));
	assert_int_equal(number, 101);
	paxos_journal_pop(&mailbox);
	assert_true(paxos_journal_peek(&mailbox, &order));
	assert_true(order.forget);
	assert_int_equal(order.record, 50);
	paxos_journal_pop(&mailbox);
	assert_false(paxos_journal_peek(&mailbox, &order));
}

static void test_journal_is_woken_once_a_turn_and_only_if_it_sleeps(void **state)
{
	struct paxos_journal_order order;

	(void)state;
	mailbox.journal.bell = (struct paxos_bell){.ring = count_ring};
	give(101);
	paxos_journal_ring(&mailbox);
	assert_int_equal(rings, 0);
	assert_false(paxos_journal_sleeps(&mailbox)); /* there is a record */
	assert_true(paxos_journal_peek(&mailbox, &order));
	paxos_journal_pop(&mailbox);
	assert_true(paxos_journal_sleeps(&mailbox));
	paxos_journal_ring(&mailbox); /* nothing was given since */
	assert_int_equal(rings, 0);
	give(102);
	give(103);
	paxos_journal_ring(&mailbox);
	assert_int_equal(rings, 1);
}

static void test_worker_hears_what_is_new_and_does_not_sleep_over_it(void **state)
{
	uint64_t durable;
	uint32_t trouble;

	(void)state;
	mailbox.worker_bell = (struct paxos_bell){.ring = count_ring};
	assert_false(paxos_journal_heard(&mailbox, &durable, &trouble));
	assert_true(paxos_mailbox_worker_sleeps(&mailbox));
	paxos_journal_durable(&mailbox, 105);
	assert_int_equal(rings, 1);
	paxos_mailbox_worker_wakes(&mailbox);
	assert_false(paxos_mailbox_worker_sleeps(&mailbox));
	assert_true(paxos_journal_heard(&mailbox, &durable, &trouble));
	assert_int_equal(durable, 105);
	assert_int_equal(trouble, 0);
	paxos_journal_trouble(&mailbox, 1, true);
	paxos_journal_trouble(&mailbox, 2, true);
	assert_false(paxos_mailbox_worker_sleeps(&mailbox));
	assert_true(paxos_journal_heard(&mailbox, &durable, &trouble));
	assert_int_equal(trouble, 3);
	paxos_journal_trouble(&mailbox, 1, false);
	assert_true(paxos_journal_heard(&mailbox, &durable, &trouble));
	assert_int_equal(durable, 105);
	assert_int_equal(trouble, 2);
	assert_true(paxos_mailbox_worker_sleeps(&mailbox));
}

/* Reports every record it takes; sleeps whenever there is none. */
static void *keep(void *argument)
{
	struct paxos_journal_order order;

	for (uint64_t record = 100; record < 100 + RECORDS;) {
		if (!paxos_journal_peek(&mailbox, &order)) {
			if (paxos_journal_sleeps(&mailbox)) {
				if (!sleep_on(control_fd)) {
					return argument;
				}
				paxos_journal_wakes(&mailbox);
			}
			continue;
		}
		if (order.record != record + 1 || order.mark.length != record + 2) {
			return argument;
		}
		record++;
		paxos_journal_pop(&mailbox);
		paxos_journal_durable(&mailbox, record);
	}
	return NULL;
}

static void test_no_wake_up_is_lost_between_worker_and_journal(void **state)
{
	uint64_t given = 100, durable = 100;
	pthread_t thread;
	uint32_t trouble;
	void *stuck;

	(void)state;
	worker_fd = eventfd(0, EFD_CLOEXEC);
	control_fd = eventfd(0, EFD_CLOEXEC);
	mailbox.worker_bell = (struct paxos_bell){.ring = ring_descriptor, .context = &worker_fd};
	mailbox.journal.bell = (struct paxos_bell){.ring = ring_descriptor, .context = &control_fd};
	assert_int_equal(pthread_create(&thread, NULL, keep, &mailbox), 0);
	while (durable < 100 + RECORDS) {
		for (unsigned i = 0; i < 1 + durable % 7 && given < 100 + RECORDS; i++) {
			give(++given);
		}
		paxos_journal_ring(&mailbox);
		while (durable < given) {
			if (!paxos_journal_heard(&mailbox, &durable, &trouble) &&
			    paxos_mailbox_worker_sleeps(&mailbox)) {
				assert_true(sleep_on(worker_fd));
				paxos_mailbox_worker_wakes(&mailbox);
			}
		}
	}
	assert_int_equal(pthread_join(thread, &stuck), 0);
	assert_null(stuck);
	assert_int_equal(close(worker_fd), 0);
	assert_int_equal(close(control_fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mail_comes_out_as_it_went_in, fresh),
		cmocka_unit_test_setup(test_full_ring_says_no_and_only_the_worker_counts, fresh),
		cmocka_unit_test_setup(test_bell_rings_only_for_who_sleeps, fresh),
		cmocka_unit_test_setup(test_no_wake_up_is_lost_between_two_threads, fresh),
		cmocka_unit_test_setup(test_records_come_out_with_their_marks, fresh_journal),
		cmocka_unit_test_setup(test_journal_is_woken_once_a_turn_and_only_if_it_sleeps,
	                               fresh_journal),
		cmocka_unit_test_setup(test_worker_hears_what_is_new_and_does_not_sleep_over_it,
	                               fresh_journal),
		cmocka_unit_test_setup(test_no_wake_up_is_lost_between_worker_and_journal,
	                               fresh_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
