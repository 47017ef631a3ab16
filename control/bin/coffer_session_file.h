/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_session_file.h - id and secret of a session in a file, for another process to go on with
 *
 * One line, `ID SECRET`; readable to its owner only, there as a whole or not at all.
 */

#include "control/client/coffer.h"

/* Of the handle's session. Returns 0 or a negative errno. */
int cli_session_file_write(const struct coffer *coffer, const char *path);

/* Returns 0, -EINVAL: it has no such line; or a negative errno. */
int cli_session_file_read(const char *path, struct coffer_options *options);
