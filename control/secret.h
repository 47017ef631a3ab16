/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * secret.h - a secret out of a file, or else out of the environment
 *
 * Threads: any, while nobody changes the environment.
 */

#include <stddef.h>

#include "control/reason.h"

/*
 * The first line of the file at `path`, without its end; where path is "none", the variable
 * `variable` of the environment, and without that the empty secret. It has to fit `size` bytes
 * with a zero byte. 0, or a negative errno and the sentence, which never tells the secret.
 */
int ctl_secret_read(char *ret_secret, size_t size, const char *path, const char *variable,
                    struct ctl_reason *ret_reason);
