/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_options.h - one command line of `coffer`, or one line of its shell
 *
 * Strings are borrowed from the words that were parsed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/bin/coffer_lock_options.h"

enum cli_exit {
	CLI_DONE = 0,
	CLI_FALSE = 1,      /* condition false, or not there */
	CLI_USAGE = 2,      /* wrong use, or what the command line names cannot be used */
	CLI_NOBODY = 3,     /* no quorum, or nobody reached */
	CLI_REFUSED = 4,    /* the servers said no */
	CLI_UNKNOWN = 5,    /* a write may have happened */
	CLI_NO_EVENT = 6,   /* wait: none in time */
	CLI_LOST = 6,       /* lock, elect: the lock was lost */
	CLI_COMMAND = 7,    /* the command of --exec failed, and --stop was given */
	CLI_INTERRUPT = 130 /* in the shell: Ctrl-C */
};

/* Options that only some verbs take. */
enum {
	CLI_TAKES_IF_REV = 1,
	CLI_TAKES_REV = 2,
	CLI_TAKES_FROM = 4,
	CLI_TAKES_EXEC = 8, /* --stop, too */
	CLI_TAKES_NULL = 16,
	CLI_TAKES_ONCE = 32,
	CLI_TAKES_INPUT = 64,
	CLI_TAKES_SEQUENCE = 128,
	CLI_TAKES_EPHEMERAL = 256, /* with it the verb takes CLI_LOCK_KEEP, and else not */
};

enum {
	CLI_ARGUMENTS_MAX = 386 /* lines of the longest transaction */
};

struct cli_options {
	const char *servers; /* NULL: COFFER_SERVERS */
	const char *boot;    /* NULL: COFFER_BOOT */
	const char *cluster; /* NULL: the servers are named */
	const char *secret;  /* path of a file; NULL: COFFER_SECRET */
	const char *verb;    /* NULL: none was named */
	const char *arguments[CLI_ARGUMENTS_MAX];
	unsigned argument_count; /* more than CLI_ARGUMENTS_MAX: the rest was not kept */
	char **command;          /* arguments behind `--`, and NULL; NULL: there are none */
	unsigned before_command; /* arguments */
	unsigned given;          /* CLI_TAKES_... */
	bool is_json, input_is_json, is_stale, stops;
	int64_t if_rev;
	int64_t rev;         /* 0: none was given */
	int64_t from;        /* 0: none was given */
	uint32_t timeout_ms; /* 0: the default */
	const char *exec;    /* NULL: none was given */
	struct cli_lock_options lock;
};

/*
 * Reads words on top of what `options` says already. In a shell nothing ends the process, and
 * --help leaves no verb behind. Returns CLI_DONE, or CLI_USAGE when it was said what is wrong.
 */
int cli_options_parse(struct cli_options *options, int count, char **words, bool is_shell);

/* Says what is wrong with the use of `what`, and returns CLI_USAGE. */
int cli_fail_usage(const char *what, const char *why);

/* The servers as they were named; "" if nowhere. */
const char *cli_servers(const struct cli_options *options);
