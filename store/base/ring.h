/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ring.h - records from one thread to another
 *
 *      producer                                     consumer
 *      ring_put(kind, bytes, bytes) --> [ records of any size ] --> ring_peek, ring_pop
 *
 * One producer, one consumer, no lock. A record is a 32-bit size and its bytes, padded to 8; one
 * that would cross the end of the memory starts at its beginning again. The memory is the
 * caller's: a power of two, at least RING_BYTES_MIN.
 *
 * Threads: ring_put belongs to the producer, ring_peek and ring_pop to the consumer. The two
 *          counters stand on cache lines of their own.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"

enum {
	RING_BYTES_MIN = 4096,
	RING_LINE = 64,
};

struct ring {
	_Alignas(RING_LINE) _Atomic uint64_t head; /* bytes ever put; written by the producer */
	uint64_t tail_seen;                        /* the producer's last look at tail */
	_Alignas(RING_LINE) _Atomic uint64_t tail; /* bytes ever taken; written by the consumer */
	_Alignas(RING_LINE) uint8_t *memory;
	uint64_t size;
};

/* Makes an empty ring over `memory` (borrowed for the ring's life). Nothing to undo. */
void ring_init(struct ring *ring, void *memory, uint64_t size);

/*
 * Puts one record made of two pieces, either of which may be empty (copied).
 *
 * Returns false, and changes nothing, if there is no room. A record is at most a quarter of the
 * ring; a larger one is the caller's mistake and aborts.
 */
bool ring_put(struct ring *ring, struct slice first, struct slice second);

/* The oldest record; good until ring_pop(). False if there is none. */
bool ring_peek(struct ring *ring, struct slice *ret_record);

/* Gives back what ring_peek() showed. */
void ring_pop(struct ring *ring);

/* Bytes in the ring, for the producer: no more than this. */
uint64_t ring_held(const struct ring *ring);

/* True if nothing is in the ring; either side may ask, the answer may be old. */
bool ring_is_empty(const struct ring *ring);
