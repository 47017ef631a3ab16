/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * reason.h - one sentence for a person: what, where, and how to mend it
 *
 * Filled in by whoever fails, said once by the roof. Cut if too long, never over the end.
 */

enum {
	CTL_REASON_SIZE = 768
};

struct ctl_reason {
	char text[CTL_REASON_SIZE];
};

/* Writes the sentence, as printf does. Cannot fail. */
void ctl_reason_say(struct ctl_reason *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
