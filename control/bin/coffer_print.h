/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_print.h - results of `coffer` as text or JSON on standard output
 *
 *      init --> entry ... entry (ls, find, walk) --> end
 *
 * JSON is one object on each line. What is not done prints nothing as text, and as JSON an object
 * with `outcome` and `answer`. False, or not 0: not all of it could be written.
 */

#include <stdbool.h>

#include "control/client/coffer.h"

struct ctl_printer {
	bool is_json, is_bad;
	char separator; /* behind each name */
	enum coffer_verb verb;
	const char *path; /* borrowed; NULL: none */
};

void ctl_printer_init(struct ctl_printer *printer, bool is_json, enum coffer_verb verb,
                      const char *path);

/* A coffer_entry_fn; context is the printer. */
int ctl_printer_entry(void *context, const struct coffer_entry *entry);

bool ctl_printer_end(struct ctl_printer *printer, const struct coffer_result *result);

/*
 * One change. As text: `PATH REVISION set|del SIZE`, newline, the value, newline. Goes out at
 * once.
 */
bool ctl_print_event(bool is_json, const struct coffer_event *event);

/* As JSON only: no event came; `next` is where to go on from. */
bool ctl_print_no_event(int64_t next);

/* As JSON or text: what `sync` did up to a revision. */
bool ctl_print_sync(bool is_json, int64_t revision, unsigned written, unsigned removed,
                    unsigned passed);

/* "set", "del". */
const char *ctl_kind_text(enum coffer_event_kind kind);
