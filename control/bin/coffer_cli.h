/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_cli.h - what the verbs of `coffer` have in common
 *
 * A verb is a function that gets the handle and the options, says on standard error what went
 * wrong, and returns an exit code (enum cli_exit).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/bin/coffer_options.h"
#include "control/bin/coffer_print.h"
#include "control/client/coffer.h"

struct cli {
	struct coffer *coffer; /* borrowed */
	bool in_shell;
	uint64_t begun_ns;  /* when the handle was to be opened */
	int session_fd;     /* of the file of --session, taken; owned; -1: none */
	bool session_stays; /* what stands in that file is somebody's still */
	struct cli_options options;
};

/* Says what went wrong with a request about `path` (NULL: none), and gives the exit code. */
int cli_conclude(const struct cli *cli, const char *path, const struct coffer_result *result);

/* The same of a negative errno of the library. */
int cli_conclude_error(int error);

/*
 * The end of a verb: `r` is what coffer_call() or coffer_each() returned. Prints the result, says
 * what went wrong, and gives the exit code.
 */
int cli_finish(const struct cli *cli, struct ctl_printer *printer, int r,
               const struct coffer_result *result);

/* The same, with another name in the sentence that says what went wrong. */
int cli_finish_as(const struct cli *cli, struct ctl_printer *printer, const char *name, int r,
                  const struct coffer_result *result);

/*
 * Runs a transaction, within the time that the options give, and frees it. As coffer_call();
 * -ENOMEM: `txn` is NULL.
 */
int cli_run_txn(const struct cli *cli, struct coffer_txn *txn, struct coffer_result *ret_result);

/* Reads to the end, or until there is no room. Returns 0 or a negative errno. */
int cli_read_all(int fd, void *bytes, size_t room, size_t *ret_size);

/* Says that standard output is gone, and returns CLI_USAGE. */
int cli_fail_output(void);

/* CLOCK_BOOTTIME, as libcoffer counts. */
uint64_t cli_now_ns(void);
