/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_exec.h - the command of --exec
 */

#include <stddef.h>

enum {
	CLI_VARIABLES_MAX = 5
};

struct cli_command {
	const char *text; /* for /bin/sh -c */
	struct {
		const char *name, *value; /* NULL: no more */
	} variables[CLI_VARIABLES_MAX];   /* beside the environment there is */
	const void *input;                /* what it reads */
	size_t input_size;
};

/*
 * Runs it and waits for its end. Returns 0 if it ended with 0; else CLI_COMMAND, and it was said
 * how it ended.
 */
int cli_exec(const struct cli_command *command);
