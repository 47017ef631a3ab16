/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * secret_file.h - the secret that stands in a file
 *
 * Not of the library: for `coffer`, and for the server. Threads: any.
 */

#include <stddef.h>

enum {
	CTL_SECRET_SIZE_MAX = 256 /* with its zero byte */
};

/*
 * The first line of the file at `path`, without its end. 0, or a negative errno: -ENODATA if that
 * line is empty, -EMSGSIZE if it does not fit.
 */
int ctl_secret_file(char ret_secret[CTL_SECRET_SIZE_MAX], const char *path);
