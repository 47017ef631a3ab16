/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_folder.h - the folder of `coffer sync`
 *
 * Paths are relative to the folder, `a/b`. No name on the way is followed if it is a symbolic
 * link, and none leaves the folder: what could is refused by folder_takes(). A file is written
 * whole in `.coffer-sync/`, synced, and then renamed into its place, so whoever opens it sees all
 * of the one or all of the other.
 *
 * Errors are negative errno values.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLDER_OWN ".coffer-sync"

struct folder {
	int root, own; /* the folder; what is ours in it */
	unsigned next; /* number of the next file that is made ready */
};

struct folder_look {
	size_t size;
	uint32_t crc;
};

/*
 * Makes the folder if it is not there, and locks it for this process. -EWOULDBLOCK: another one
 * has it.
 */
int folder_open(struct folder *folder, const char *name);
void folder_close(struct folder *folder);

/* True if a path can be a file of the folder: no name is `.` or `..`, the first is not ours. */
bool folder_takes(const char *path);

/* Makes a file ready, on the disk; `ret_number` names it. */
int folder_stage(struct folder *folder, const void *value, size_t size, unsigned *ret_number);
void folder_drop(struct folder *folder, unsigned number);

/* Reads a file. -ENOENT, -ENOTDIR: there is none; -EISDIR; -ELOOP: no file, but a link or so. */
int folder_look(const struct folder *folder, const char *path, struct folder_look *ret_look);

/*
 * Puts what is ready into its place, and makes the directories on the way. is_new: -EEXIST if
 * anything stands there.
 */
int folder_put(struct folder *folder, unsigned number, const char *path, bool is_new);

/* Removes a file, and the directories on the way that are empty then. No file is fine. */
int folder_remove(struct folder *folder, const char *path);

/* True of errors that concern one path alone: something else stands in its way. */
bool folder_is_in_the_way(int error);
