/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * log.h - the contiguous log: a ring indexed by slot, never searched
 *
 *      1 ... base | base+1 ... length | (a part of length+1)
 *      forgotten  | kept              | partial: chunks of a long entry, in order
 *
 * Entries stand in one ring of bytes, each in one piece. Both rings are taken at start; when they
 * are full the oldest kept entries go, as far as the caller allows.
 *
 * Pure: allocates only in init. Threads: the replica's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"

struct paxos_log_slot {
	uint64_t at; /* byte position, never wraps; the ring's offset is its remainder */
	uint32_t size;
};

struct paxos_log {
	uint64_t base;
	uint64_t length;
	uint64_t trim_to; /* entries up to here may be forgotten to make room */

	uint8_t *bytes;
	uint64_t bytes_size; /* a power of two */
	uint64_t head;       /* byte position behind the last entry */
	struct paxos_log_slot *slots;
	uint64_t slots_count; /* a power of two */

	uint32_t partial_size; /* of the whole entry length + 1; 0: none begun */
	uint32_t partial_have;
	uint64_t partial_at;
};

/* Takes memory. Returns 0, -EINVAL (not powers of two, or too small) or -ENOMEM. */
int paxos_log_init(struct paxos_log *log, uint64_t entries, uint64_t bytes);
void paxos_log_deinit(struct paxos_log *log);

/* The memory it took. */
uint64_t paxos_log_memory(const struct paxos_log *log);

/* The entry, borrowed until the log changes. base < index <= length (must). */
struct slice paxos_log_entry(const struct paxos_log *log, uint64_t index);

/*
 * Room for an entry of up to `size` bytes at the end, to be filled by the caller and then kept by
 * paxos_log_commit(). NULL if the log is full of entries above trim_to.
 */
void *paxos_log_reserve(struct paxos_log *log, uint32_t size);
void paxos_log_commit(struct paxos_log *log, uint32_t size);

/* Reserve, copy, commit. False if the log is full. */
bool paxos_log_append(struct paxos_log *log, struct slice entry);

/*
 * A chunk of entry length + 1, whose whole size is `size`, in order. False if it does not fit
 * what came before or the log is full. The last chunk commits the entry.
 */
bool paxos_log_append_part(struct paxos_log *log, uint32_t size, uint32_t offset,
                           struct slice chunk);

/* True if entries above trim_to take half of a ring. If not, an entry of any size has room. */
bool paxos_log_is_half_full(const struct paxos_log *log);
/* An entry that is there and unknown: its slice is empty. False if the log is full. */
bool paxos_log_append_unknown(struct paxos_log *log);

/* Of the entries from `from` on, up to `to`: the last before one that is unknown; from - 1. */
uint64_t paxos_log_known(const struct paxos_log *log, uint64_t from, uint64_t to);

/* Forgets everything above `length`. base <= length (must). */
void paxos_log_cut(struct paxos_log *log, uint64_t length);

/* Forgets everything and goes on behind `base`. */
void paxos_log_reset(struct paxos_log *log, uint64_t base);
