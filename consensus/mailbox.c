/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/mailbox.h"

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
	ring_if_asleep(&mailbox->worker_sleeps, &mailbox->worker_bell);
	return true;
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

bool paxos_mailbox_worker_sleeps(struct paxos_mailbox *mailbox)
{
	return sleeps(&mailbox->worker_sleeps, &mailbox->to_worker);
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
