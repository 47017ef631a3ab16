/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_print.h - results of `coffer` as text or JSON on standard output
 *
 *      init --> entry ... entry (ls, find) --> end
 *
 * Text goes out as it comes, JSON at the end, when it is known to be whole. What is not done
 * prints nothing as text, and as JSON an object with `outcome` and `answer`.
 */

#include <stdbool.h>

#include <jansson.h>

#include "control/client/coffer.h"

struct ctl_printer {
	bool is_json, is_bad;
	enum coffer_verb verb;
	const char *path; /* borrowed; NULL: none */
	json_t *entries;  /* owned until the end */
};

void ctl_printer_init(struct ctl_printer *printer, bool is_json, enum coffer_verb verb,
                      const char *path);

/* A coffer_entry_fn; context is the printer. */
int ctl_printer_entry(void *context, const struct coffer_entry *entry);

/* False: not all of it could be written. */
bool ctl_printer_end(struct ctl_printer *printer, const struct coffer_result *result);

/* The end without a result. */
void ctl_printer_abandon(struct ctl_printer *printer);
