/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * told.h - what the worker says of an operator's command, as the answer to it
 *
 * Threads: the control thread's. The mail's address is that of the command (control/admin.h).
 */

#include "consensus/mailbox.h"
#include "control/admin.h"

/* A PAXOS_MAIL_TOLD: of a change of the members. */
void ctl_told_change(struct ctl_admin *admin, const struct paxos_mail *mail);

/* A PAXOS_MAIL_TRANSFERRED. */
void ctl_told_transferred(struct ctl_admin *admin, const struct paxos_mail *mail);
