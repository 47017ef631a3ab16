/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cofferctl_offline.h - what the operator's tool does by itself, without a server
 */

#include <stdbool.h>

/*
 * Reads a snapshot file as a server would, and prints what it holds. Returns the exit code: 0 it
 * is whole; 1 it is not, and the sentence was printed.
 */
int cofferctl_snapshot_verify(const char *path, bool json);

/* Looks at the data folder `path`; prints what it found. 0: all whole; 1: not, or unreadable. */
int cofferctl_verify(const char *path, bool json);

/* Sets what is in the data folder aside. 0, or 1 and a sentence. */
int cofferctl_repair(const char *path);
