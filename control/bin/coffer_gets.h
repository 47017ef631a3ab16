/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_gets.h - the paths and values of many files, of one revision; values are asked for as many
 * at once as a handle can
 */

#include "control/bin/coffer_cli.h"

/* Of files, in tree order. In the end cli_paths_free(). */
struct cli_paths {
	char **texts; /* owned, and each */
	size_t count, room;
	bool is_full; /* there is no memory */
};

/*
 * Finds what the request, a FIND, asks for, of the revision that is in it then. *paths is all zero.
 * Returns as coffer_each(), also -ENOMEM.
 */
int cli_paths_find(struct cli *cli, struct coffer_request *request, struct cli_paths *paths,
                   struct coffer_result *ret_result);
void cli_paths_free(struct cli_paths *paths);

/* One file; returns CLI_DONE to go on, or another code, after it said why. */
typedef int cli_gets_fn(void *context, const char *path, const struct coffer_result *file);

/*
 * Gets all files, and gives them in their order. Ends early where one cannot be had, which is said.
 *
 * request  what all have in common; its verb and path do not matter
 *
 * Returns CLI_DONE, or another code.
 */
int cli_gets(struct cli *cli, const struct coffer_request *request, const struct cli_paths *paths,
             cli_gets_fn *each, void *context);
