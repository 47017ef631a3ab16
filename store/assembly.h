/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * assembly.h - segments put together again
 *
 * A fixed number of places, taken at start. A place is named by (who, number): `who` is the
 * session's secret for a server (0 = none), or 0 for a client. A place that heard nothing for a
 * while is taken over, the oldest first; so a flood of half messages costs others' half messages
 * at most, never memory. A segment of another version (an answer's, see proto.h) than the place
 * holds begins the place anew.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/proto.h"

struct assembly; /* opaque: places x PROTO_MESSAGE_SIZE_MAX bytes */

/* 0 or -ENOMEM. Given back to assembly_free(). */
int assembly_new(struct assembly **ret_assembly, unsigned places);
void assembly_free(struct assembly *assembly);

/* The memory it took. */
uint64_t assembly_bytes(const struct assembly *assembly);

enum assembly_result {
	ASSEMBLY_WHOLE,   /* ret_message is the message, good until the next call */
	ASSEMBLY_PARTIAL, /* more are missing; ret_missing has a bit for each */
	ASSEMBLY_BAD, /* over the limits; or contradicts what came before, which is dropped too */
};

/*
 * Takes one segment (copied). A message of one segment comes back at once and takes no place;
 * then ret_message borrows from `piece`.
 */
enum assembly_result assembly_add(struct assembly *assembly, uint64_t now_ns, uint64_t who,
                                  const struct proto_head *head, struct slice piece,
                                  struct slice *ret_message, uint32_t *ret_missing);

/* Frees the place of a message that nobody waits for any more, if there is one. */
void assembly_forget(struct assembly *assembly, uint64_t who, uint64_t number);
