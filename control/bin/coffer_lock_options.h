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
	CLI_LOCK_FENCE = 1,     /* --if-lock */
	CLI_LOCK_BREAK = 2,     /* --break */
	CLI_LOCK_CLAIM = 4,     /* --shared, --permits, --data */
	CLI_LOCK_HOLD = 8,      /* --wait, --try, --delay, --priority */
	CLI_LOCK_LOOK = 16,     /* --observe, --show */
	CLI_LOCK_KEEP = 32,     /* --ttl, --on-lost, --margin; and the verb may be followed by a
	                     * command */
	CLI_LOCK_RECORD = 64,   /* --token, --reason */
	CLI_LOCK_GIVE = 128,    /* --resign, --transfer, --proclaim */
	CLI_LOCK_SESSION = 256, /* --session */
};

/* What becomes of the command when its lock ends. */
enum cli_on_lost {
	CLI_LOST_TERM = 0, /* SIGTERM, and SIGKILL when it is over */
	CLI_LOST_KILL,     /* SIGKILL */
	CLI_LOST_RUN,      /* another command is run */
};

struct cli_lock_options {
	unsigned given; /* CLI_LOCK_... */
	char fence[COFFER_LOCK_NAME_SIZE_MAX + 1];
	int64_t fence_token;
	bool breaks;
	int64_t token;      /* 0: none was given */
	const char *reason; /* NULL: none was given */
	struct coffer_claim claim;
	uint32_t ttl_ms, wait_ms; /* 0: none was given */
	uint32_t margin_ms;       /* 0: none was given */
	enum cli_on_lost on_lost;
	const char *on_lost_command; /* CLI_LOST_RUN */
	bool observes, shows;
	bool resigns, transfers, proclaims;
	const char *session; /* path of a file; NULL: none was given */
};

/* A child of the whole, whose input is the struct. A fault is said, and ends the parsing. */
extern const struct argp cli_lock_argp;
