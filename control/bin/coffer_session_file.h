/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_session_file.h - id and secret of a session in a file, for another process to go on with
 *
 * One line, `ID SECRET`; readable to its owner only. Whoever keeps the session has the file locked
 * (flock), and so has the guard of its command (coffer_child.h): who gets it next knows that the
 * command has ended, although its session, and what that holds, goes on.
 */

#include "control/client/coffer.h"

/*
 * Takes the file for its own, made if it is not there; waits until `until_ns` (CLOCK_BOOTTIME) for
 * who has it. The session in it, if there is one, is put into the options.
 *
 * Returns 0; -EINVAL: something else stands in it; -EWOULDBLOCK: another has it; or a negative
 * errno. ret_fd is given to cli_session_file_remove(), or closed to leave it for another.
 */
int cli_session_file_take(const char *path, uint64_t until_ns, int *ret_fd,
                          struct coffer_options *options);

/* Of the handle's session, in the place of what stood there. Returns 0 or a negative errno. */
int cli_session_file_write(int fd, const struct coffer *coffer);

void cli_session_file_remove(int fd, const char *path);

/* Takes nothing. Returns 0, -EINVAL: it has no such line; or a negative errno. */
int cli_session_file_read(const char *path, struct coffer_options *options);
