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

#include <jansson.h>

#include "control/client/coffer.h"

struct ctl_printer {
	bool is_json, is_bad;
	bool is_sequence; /* as text, `path` is what was asked for */
	char separator;   /* behind each name */
	enum coffer_verb verb;
	const char *path;  /* borrowed; NULL: none */
	const char *place; /* of what was refused; borrowed; NULL: none */
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
/* "asked", "released" and so on; "unknown" for one that is none. */
const char *ctl_cause_text(enum coffer_cause cause);

/* "memory", "disk". */
const char *ctl_durability_text(unsigned durability);

/* --- JSON of others ----------------------------------------------------------------------- */

/* Takes the object; NULL: there was no memory for it, or what is no UTF-8. */
bool ctl_print_object(json_t *object);

/* Adds `value`, text if it is UTF-8, else `value_base64`. False: no memory. */
bool ctl_add_value(json_t *object, const void *value, size_t size);

/* A word as coffer_words.h reads it: in quotes where it must be. */
void ctl_print_word(const void *bytes, size_t size);
