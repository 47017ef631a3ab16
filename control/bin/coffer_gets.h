/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_gets.h - the values of many files, of one revision, as many at once as a handle can
 */

#include "control/bin/coffer_cli.h"

/* One file; returns CLI_DONE to go on, or another code, after it said why. */
typedef int cli_gets_fn(void *context, const char *path, const struct coffer_result *file);

/*
 * Gets all files, and gives them in their order. Ends early where one cannot be had, which is said.
 *
 * request  what all have in common; its verb and path do not matter
 *
 * Returns CLI_DONE, or another code.
 */
int cli_gets(struct cli *cli, const struct coffer_request *request, char *const *paths,
             size_t count, cli_gets_fn *each, void *context);
