/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/errand.h"

#include <string.h>

#include "store/base/check.h"
#include "store/datagram.h"
#include "store/snapshot.h"

void paxos_errand_transfer(struct paxos_replica *replica, uint64_t now_ns,
                           struct paxos_mailbox *mailbox, const struct paxos_mail *mail)
{
	struct paxos_mail_transferred told = {0};
	const struct paxos_mail answer = {.kind = PAXOS_MAIL_TRANSFERRED,
	                                  .address = mail->address,
	                                  .bytes = slice_make(&told, sizeof(told))};
	struct paxos_status status;
	int to;

	must(mail->kind == PAXOS_MAIL_TRANSFER);
	must(mail->bytes.size == sizeof(to));
	memcpy(&to, mail->bytes.data, sizeof(to));
	paxos_replica_status(replica, &status);
	told.former = status.leader;
	told.transfer = paxos_replica_transfer(replica, now_ns, to);
	(void)paxos_mailbox_put_from_worker(mailbox, &answer); /* asked again if it is lost */
}

void paxos_errand_change(struct paxos_replica *replica, uint64_t now_ns,
                         const struct paxos_mail *mail)
{
	struct paxos_mail_change asked;

	must(mail->kind == PAXOS_MAIL_CHANGE);
	must(mail->bytes.size == sizeof(asked));
	memcpy(&asked, mail->bytes.data, sizeof(asked));
	paxos_replica_change(replica, now_ns, &mail->address, &asked.change,
	                     now_ns + asked.patience_ns);
}

void paxos_errand_told(struct paxos_mailbox *mailbox, const struct paxos_effect *effect)
{
	struct paxos_told told = {0}; /* gcc does not see that must() ends it */
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_TOLD,
	                                .address = effect->address,
	                                .bytes = slice_make(&told, sizeof(told))};

	must(paxos_told_decode(effect->bytes, &told));
	(void)paxos_mailbox_put_from_worker(mailbox, &mail); /* it is asked again if it is lost */
}

void paxos_errand_snapshot(struct store *store, struct paxos_mailbox *mailbox,
                           const struct paxos_mail *mail)
{
	struct paxos_mail_snapshot told = {0};
	const struct paxos_mail answer = {.kind = PAXOS_MAIL_SNAPSHOT,
	                                  .address = mail->address,
	                                  .bytes = slice_make(&told, sizeof(told))};

	must(mail->kind == PAXOS_MAIL_SNAPSHOT_ASK);
	told.r = store_snapshot_open(store, &told.snapshot);
	if (!paxos_mailbox_put_from_worker(mailbox, &answer)) {
		store_snapshot_close(store, told.snapshot);
	}
}

void paxos_errand_point(struct paxos_replica *replica, uint64_t now_ns,
                        struct paxos_mailbox *mailbox, struct store_snapshot *snapshot)
{
	const struct paxos_mail_snapshot told = {.snapshot = snapshot, .is_point = true};
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_SNAPSHOT,
	                                .bytes = slice_make(&told, sizeof(told))};

	if (!paxos_mailbox_put_from_worker(mailbox, &mail)) {
		paxos_replica_snapshot_done(replica, now_ns, snapshot, NULL);
	}
}

static struct paxos_mail_snapshot told_by(const struct paxos_mail *mail)
{
	struct paxos_mail_snapshot told;

	must(mail->bytes.size == sizeof(told));
	memcpy(&told, mail->bytes.data, sizeof(told));
	return told;
}

void paxos_errand_snapshot_done(struct paxos_replica *replica, uint64_t now_ns, struct store *store,
                                const struct paxos_mail *mail)
{
	const struct paxos_mail_snapshot told = told_by(mail);

	must(mail->kind == PAXOS_MAIL_SNAPSHOT_DONE);
	if (told.is_point) {
		paxos_replica_snapshot_done(replica, now_ns, told.snapshot,
		                            told.r == 0 ? &told.digest : NULL);
	} else {
		store_snapshot_close(store, told.snapshot);
	}
}

void paxos_errand_end(struct paxos_mailbox *mailbox, enum paxos_end end)
{
	const struct paxos_mail mail = {.kind = PAXOS_MAIL_END,
	                                .bytes = slice_make(&end, sizeof(end))};

	(void)paxos_mailbox_put_from_worker(mailbox, &mail); /* counted; such a replica is silent */
}

unsigned paxos_errand_journal(struct paxos_replica *replica, uint64_t now_ns,
                              struct paxos_mailbox *mailbox)
{
	const uint64_t durable_before = mailbox->journal.heard;
	const uint32_t trouble_before = mailbox->journal.heard_trouble;
	uint64_t durable;
	uint32_t trouble;

	if (!paxos_journal_heard(mailbox, &durable, &trouble)) {
		return 0;
	}
	if (durable != durable_before) {
		paxos_replica_durable(replica, now_ns, durable);
	}
	if (trouble != trouble_before) {
		paxos_replica_disk(replica, now_ns, trouble);
	}
	return 1;
}

bool paxos_errand_answered(struct paxos_mailbox *mailbox, const struct paxos_source *source,
                           struct slice bytes)
{
	if (source->peer == PAXOS_NOBODY || bytes.size < STORE_DATAGRAM_HEADER ||
	    bytes.data[STORE_DATAGRAM_KIND] != STORE_DATAGRAM_ANSWER) {
		return false;
	}
	/* A full ring has counted it; the client asks again. */
	(void)paxos_mailbox_put_from_worker(
		mailbox,
		&(struct paxos_mail){.kind = PAXOS_MAIL_ANSWERED,
	                             .address = paxos_address_server((unsigned)source->peer),
	                             .bytes = bytes});
	return true;
}

void paxos_errand_close(struct store *store, struct paxos_mailbox *mailbox)
{
	struct paxos_mail mail;

	while (paxos_mailbox_peek_to_worker(mailbox, &mail)) {
		if (mail.kind == PAXOS_MAIL_SNAPSHOT_DONE) {
			store_snapshot_close(store, told_by(&mail).snapshot);
		}
		paxos_mailbox_pop_to_worker(mailbox);
	}
	while (paxos_mailbox_peek_from_worker(mailbox, &mail)) {
		if (mail.kind == PAXOS_MAIL_SNAPSHOT) {
			store_snapshot_close(store, told_by(&mail).snapshot);
		}
		paxos_mailbox_pop_from_worker(mailbox);
	}
}
