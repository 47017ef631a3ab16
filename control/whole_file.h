/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * whole_file.h - a file that is there whole and durable, or not there
 *
 *      write NAME.PID --> fsync --> rename to NAME --> fsync of the folder
 *
 * Whatever this is cut short by, a process or a machine: NAME is not there, or has all its bytes. A
 * NAME.PID may be left behind; it is nobody's.
 *
 * And the other way: a small file as one text.
 *
 * Threads: any one; blocks on the disk.
 */

#include <stddef.h>
#include <sys/types.h>

#include "store/base/slice.h"

/*
 * Makes it, with `mode` less the umask. 0, or a negative errno, and then it is not there; -EEXIST:
 * it was there before, and is as it was.
 */
int ctl_whole_file_make(const char *path, mode_t mode, struct slice bytes);

/* Its steps, for who has others in between. 0 or a negative errno. */
int ctl_file_write(int fd, const void *bytes, size_t size);

/* The name of a file outlives a loss of power; relative to `folder`, as openat(2) has it. */
int ctl_file_sync_name(int folder, const char *name);

/*
 * All of a file, be it a pipe, with a zero byte behind. *ret_text is given (free). 0; -EFBIG: more
 * than `size_max` bytes; or another negative errno.
 */
int ctl_whole_file_read(const char *path, size_t size_max, char **ret_text, size_t *ret_size);
