/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stream.h - entries of a log as the body of datagrams
 *
 * A place in a log is (index, offset): `offset` bytes of entry `index` have gone by. A body is a
 * run of (size of the whole entry u32, bytes); the first may begin inside its entry, the last may
 * end inside its. So a long entry travels in chunks, and short ones share a datagram.
 *
 * Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "consensus/log.h"
#include "store/base/wire.h"

struct paxos_place {
	uint64_t index;
	uint32_t offset;
};

static inline bool paxos_place_before(struct paxos_place a, struct paxos_place b)
{
	return a.index < b.index || (a.index == b.index && a.offset < b.offset);
}

/* The place that a log can take next. */
struct paxos_place paxos_stream_next(const struct paxos_log *log);

/* Writes from `place` up to entry `last`, as far as there is room. Returns the place reached. */
struct paxos_place paxos_stream_pack(const struct paxos_log *log, struct paxos_place place,
                                     uint64_t last, struct wire_writer *writer);

enum paxos_unpack {
	PAXOS_UNPACK_TAKEN, /* all of it is in the log now (or was) */
	PAXOS_UNPACK_GAP,   /* it begins beyond what the log can take next; nothing taken */
	PAXOS_UNPACK_FULL,  /* the log has no room; what came before is in */
	PAXOS_UNPACK_BAD,   /* it makes no sense; what came before is in */
};

/*
 * Goes on behind the first chunk of a body. True if that chunk does not end its entry; then nothing
 * is left.
 */
bool paxos_stream_skip(struct paxos_place *place, struct slice *body);

/* Appends a body that begins at `place`; what the log has already is skipped. */
enum paxos_unpack paxos_stream_unpack(struct paxos_log *log, struct paxos_place place,
                                      struct slice body);
