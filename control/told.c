/* SPDX-License-Identifier: Apache-2.0 */
#include "control/told.h"

#include <stdio.h>
#include <string.h>

#include "store/base/check.h"

void ctl_told_change(struct ctl_admin *admin, const struct paxos_mail *mail)
{
	struct paxos_told told;
	char sentence[sizeof(told.text) + 64];

	must(mail->bytes.size == sizeof(told));
	memcpy(&told, mail->bytes.data, sizeof(told));
	if (told.verdict == PAXOS_CHANGE_DONE) {
		ctl_admin_answer(admin, &mail->address, json_pack("{s:s}", "told", told.text));
		return;
	}
	(void)snprintf(sentence, sizeof(sentence), "%s%s",
	               told.verdict == PAXOS_CHANGE_WAITS ? "not done yet, ask again: " : "",
	               told.text);
	ctl_admin_refuse(admin, &mail->address, sentence);
}

void ctl_told_transferred(struct ctl_admin *admin, const struct paxos_mail *mail)
{
	static const char *const refusals[PAXOS_TRANSFER_COUNT] = {
		[PAXOS_TRANSFER_NO_LEADER] = "nobody leads now; try again",
		[PAXOS_TRANSFER_NOT_LEVEL] =
			"that server is not heard, or lacks what is decided; see status",
		[PAXOS_TRANSFER_NO_MEMBER] = "the cluster has no such server",
	};
	struct paxos_mail_transferred told;

	must(mail->bytes.size == sizeof(told));
	memcpy(&told, mail->bytes.data, sizeof(told));
	must(told.transfer > 0 && told.transfer < PAXOS_TRANSFER_COUNT);
	if (refusals[told.transfer] != NULL) {
		ctl_admin_refuse(admin, &mail->address, refusals[told.transfer]);
	} else {
		ctl_admin_answer(admin, &mail->address,
		                 json_pack("{s:i, s:b}", "former", told.former + 1, "done",
		                           told.transfer == PAXOS_TRANSFER_LEADS));
	}
}
