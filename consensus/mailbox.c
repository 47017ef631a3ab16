/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/mailbox.h"

#include "consensus/config.h"
#include "consensus/record.h"
#include "store/base/check.h"

/* kind u8, seven bytes of padding, address */
enum {
	MAIL_HEADER = 8 + sizeof(struct paxos_address)
};

void paxos_mailbox_init(struct paxos_mailbox *mailbox, void *to_worker, void *from_worker,
                        uint64_t size)
{
	memset(mailbox, 0, sizeof(*mailbox));
	ring_init(&mailbox->to_worker, to_worker, size);
	ring_init(&mailbox->from_worker, from_worker, size);
}

static bool put(struct ring *ring, const struct paxos_mail *mail)
{
	uint8_t header[MAIL_HEADER] = {(uint8_t)mail->kind};

	memcpy(header + 8, &mail->address, sizeof(mail->address));
	return ring_put(ring, slice_make(header, sizeof(header)), mail->bytes);
}

static bool peek(struct ring *ring, struct paxos_mail *ret_mail)
{
	struct slice record;

	if (!ring_peek(ring, &record)) {
		return false;
	}
	must(record.size >= MAIL_HEADER);
	ret_mail->kind = (enum paxos_mail_kind)record.data[0];
	memcpy(&ret_mail->address, record.data + 8, sizeof(ret_mail->address));
	ret_mail->bytes = slice_make(record.data + MAIL_HEADER, record.size - MAIL_HEADER);
	return true;
}

static void ring_if_asleep(_Atomic bool *sleeps, const struct paxos_bell *bell)
{
	/* Dekker's other half: what was put must be seen before the flag is read. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(sleeps, memory_order_relaxed) && bell->ring != NULL) {
		bell->ring(bell->context);
	}
}

static bool sleeps(_Atomic bool *flag, const struct ring *ring)
{
	atomic_store_explicit(flag, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (!ring_is_empty(ring)) {
		atomic_store_explicit(flag, false, memory_order_relaxed);
		return false;
	}
	return true;
}

bool paxos_mailbox_put_to_worker(struct paxos_mailbox *mailbox, const struct paxos_mail *mail)
{
	if (!put(&mailbox->to_worker, mail)) {
		return false;
	}
	mailbox->put = true;
	return true;
}

void paxos_mailbox_ring_worker(struct paxos_mailbox *mailbox)
{
	if (mailbox->put) {
		mailbox->put = false;
		ring_if_asleep(&mailbox->worker_sleeps, &mailbox->worker_bell);
	}
}

bool paxos_mailbox_put_from_worker(struct paxos_mailbox *mailbox, const struct paxos_mail *mail)
{
	if (!put(&mailbox->from_worker, mail)) {
		atomic_fetch_add_explicit(&mailbox->dropped_from_worker, 1, memory_order_relaxed);
		return false;
	}
	ring_if_asleep(&mailbox->control_sleeps, &mailbox->control_bell);
	return true;
}

bool paxos_mailbox_is_crowded(const struct paxos_mailbox *mailbox)
{
	return ring_held(&mailbox->to_worker) > mailbox->to_worker.size / 2;
}

bool paxos_mailbox_peek_to_worker(struct paxos_mailbox *mailbox, struct paxos_mail *ret_mail)
{
	return peek(&mailbox->to_worker, ret_mail);
}

bool paxos_mailbox_peek_from_worker(struct paxos_mailbox *mailbox, struct paxos_mail *ret_mail)
{
	return peek(&mailbox->from_worker, ret_mail);
}

void paxos_mailbox_pop_to_worker(struct paxos_mailbox *mailbox)
{
	ring_pop(&mailbox->to_worker);
}

void paxos_mailbox_pop_from_worker(struct paxos_mailbox *mailbox)
{
	ring_pop(&mailbox->from_worker);
}

static bool is_news(const struct paxos_journal *journal)
{
	return atomic_load_explicit(&journal->durable, memory_order_acquire) != journal->heard ||
	       atomic_load_explicit(&journal->trouble, memory_order_acquire) !=
	               journal->heard_trouble;
}

bool paxos_mailbox_worker_sleeps(struct paxos_mailbox *mailbox)
{
	if (!sleeps(&mailbox->worker_sleeps, &mailbox->to_worker)) {
		return false;
	}
	if (is_news(&mailbox->journal)) {
		paxos_mailbox_worker_wakes(mailbox);
		return false;
	}
	return true;
}

void paxos_mailbox_worker_wakes(struct paxos_mailbox *mailbox)
{
	atomic_store_explicit(&mailbox->worker_sleeps, false, memory_order_relaxed);
}

bool paxos_mailbox_control_sleeps(struct paxos_mailbox *mailbox)
{
	return sleeps(&mailbox->control_sleeps, &mailbox->from_worker);
}

void paxos_mailbox_control_wakes(struct paxos_mailbox *mailbox)
{
	atomic_store_explicit(&mailbox->control_sleeps, false, memory_order_relaxed);
}

/* --- the journal ----------------------------------------------------------------------------- */

struct order_head {
	uint64_t record;
	struct paxos_mark mark;
	bool forget;
};

static_assert((uint64_t)PAXOS_UNDURABLE_MAX / PAXOS_RECORD_HEADER *
                              (PAXOS_RECORD_HEADER + sizeof(struct order_head) + 16) <
                      PAXOS_JOURNAL_RING - PAXOS_RECORD_SIZE_MAX,
              "the smallest records fit, as many as may be given");

void paxos_journal_init(struct paxos_mailbox *mailbox, void *records, uint64_t durable)
{
	struct paxos_journal *journal = &mailbox->journal;

	ring_init(&journal->records, records, PAXOS_JOURNAL_RING);
	journal->heard = durable;
	atomic_init(&journal->durable, durable);
}

void paxos_journal_give(struct paxos_mailbox *mailbox, const struct paxos_effect *effect)
{
	struct order_head head;

	memset(&head, 0, sizeof(head)); /* padding goes through the ring, too */
	head.record = effect->record;
	head.forget = effect->kind == PAXOS_EFFECT_FORGET;
	if (!head.forget) {
		must(effect->kind == PAXOS_EFFECT_PERSIST);
		head.mark = effect->mark;
	}
	must(ring_put(&mailbox->journal.records, slice_make(&head, sizeof(head)),
	              head.forget ? (struct slice){0} : effect->bytes));
	mailbox->journal.given = true;
}

void paxos_journal_ring(struct paxos_mailbox *mailbox)
{
	if (mailbox->journal.given) {
		mailbox->journal.given = false;
		ring_if_asleep(&mailbox->journal.sleeps, &mailbox->journal.bell);
	}
}

bool paxos_journal_heard(struct paxos_mailbox *mailbox, uint64_t *ret_durable,
                         uint32_t *ret_trouble)
{
	struct paxos_journal *journal = &mailbox->journal;

	if (!is_news(journal)) {
		return false;
	}
	journal->heard = atomic_load_explicit(&journal->durable, memory_order_acquire);
	journal->heard_trouble = atomic_load_explicit(&journal->trouble, memory_order_acquire);
	*ret_durable = journal->heard;
	*ret_trouble = journal->heard_trouble;
	return true;
}

bool paxos_journal_peek(struct paxos_mailbox *mailbox, struct paxos_journal_order *ret_order)
{
	struct order_head head;
	struct slice bytes;

	if (!ring_peek(&mailbox->journal.records, &bytes)) {
		return false;
	}
	must(bytes.size >= sizeof(head));
	memcpy(&head, bytes.data, sizeof(head));
	*ret_order = (struct paxos_journal_order){
		.forget = head.forget,
		.record = head.record,
		.mark = head.mark,
		.bytes = slice_make(bytes.data + sizeof(head), bytes.size - sizeof(head)),
	};
	return true;
}

void paxos_journal_pop(struct paxos_mailbox *mailbox)
{
	ring_pop(&mailbox->journal.records);
}

void paxos_journal_durable(struct paxos_mailbox *mailbox, uint64_t record)
{
	must(record >= atomic_load_explicit(&mailbox->journal.durable, memory_order_relaxed));
	atomic_store_explicit(&mailbox->journal.durable, record, memory_order_release);
	ring_if_asleep(&mailbox->worker_sleeps, &mailbox->worker_bell);
}

void paxos_journal_trouble(struct paxos_mailbox *mailbox, unsigned trouble, bool is_there)
{
	if (is_there) {
		atomic_fetch_or_explicit(&mailbox->journal.trouble, trouble, memory_order_acq_rel);
	} else {
		atomic_fetch_and_explicit(&mailbox->journal.trouble, ~(uint32_t)trouble,
		                          memory_order_acq_rel);
	}
	ring_if_asleep(&mailbox->worker_sleeps, &mailbox->worker_bell);
	if (mailbox->control_bell.ring != NULL) {
		mailbox->control_bell.ring(mailbox->control_bell.context);
	}
}

bool paxos_journal_sleeps(struct paxos_mailbox *mailbox)
{
	return sleeps(&mailbox->journal.sleeps, &mailbox->journal.records);
}

void paxos_journal_wakes(struct paxos_mailbox *mailbox)
{
	atomic_store_explicit(&mailbox->journal.sleeps, false, memory_order_relaxed);
}
