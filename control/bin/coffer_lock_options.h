/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_lock_options.h - the options of `coffer` about locks
 *
 * Strings are borrowed from the words that were parsed.
 */

#include <stdbool.h>
#include <stdint.h>

#include <argp.h>

#include "control/client/coffer_txn.h"

/* Options that only some verbs take. */
enum {
	CLI_LOCK_FENCE = 1, /* --if-lock */
	CLI_LOCK_BREAK = 2, /* --break, --token, --reason */
};

struct cli_lock_options {
	unsigned given; /* CLI_LOCK_... */
	char fence[COFFER_LOCK_NAME_SIZE_MAX + 1];
	int64_t fence_token;
	bool breaks;
	int64_t token;      /* 0: none was given */
	const char *reason; /* NULL: none was given */
};

/* A child of the whole, whose input is the struct. A fault is said, and ends the parsing. */
extern const struct argp cli_lock_argp;
