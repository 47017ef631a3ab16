/* SPDX-License-Identifier: Apache-2.0 */
#include "consensus/errand.h"

#include <string.h>

#include "store/base/check.h"
#include "store/snapshot.h"

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

static void close_snapshot(struct store *store, const struct paxos_mail *mail)
{
	struct paxos_mail_snapshot told;

	must(mail->bytes.size == sizeof(told));
	memcpy(&told, mail->bytes.data, sizeof(told));
	store_snapshot_close(store, told.snapshot);
}

void paxos_errand_snapshot_done(struct store *store, const struct paxos_mail *mail)
{
	must(mail->kind == PAXOS_MAIL_SNAPSHOT_DONE);
	close_snapshot(store, mail);
}

void paxos_errand_end(struct store *store, struct paxos_mailbox *mailbox)
{
	struct paxos_mail mail;

	while (paxos_mailbox_peek_to_worker(mailbox, &mail)) {
		if (mail.kind == PAXOS_MAIL_SNAPSHOT_DONE) {
			close_snapshot(store, &mail);
		}
		paxos_mailbox_pop_to_worker(mailbox);
	}
	while (paxos_mailbox_peek_from_worker(mailbox, &mail)) {
		if (mail.kind == PAXOS_MAIL_SNAPSHOT) {
			close_snapshot(store, &mail);
		}
		paxos_mailbox_pop_from_worker(mailbox);
	}
}
