/* SPDX-License-Identifier: Apache-2.0 */
#include "store/base/ring.h"

#include "store/base/check.h"

/* A size that stands for "the rest up to the end of the memory is not used". */
#define RING_SKIP UINT32_MAX

static uint64_t padded(uint64_t size)
{
	return (sizeof(uint64_t) + size + 7) & ~(uint64_t)7;
}

void ring_init(struct ring *ring, void *memory, uint64_t size)
{
	must(size >= RING_BYTES_MIN);
	must((size & (size - 1)) == 0);
	must(((uintptr_t)memory & 7) == 0);
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
	ring->tail_seen = 0;
	ring->memory = memory;
	ring->size = size;
}

static bool has_room(struct ring *ring, uint64_t head, uint64_t need)
{
	if (head + need - ring->tail_seen <= ring->size) {
		return true;
	}
	ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	return head + need - ring->tail_seen <= ring->size;
}

static void write_size(struct ring *ring, uint64_t offset, uint32_t size)
{
	memcpy(ring->memory + offset, &size, sizeof(size));
}

bool ring_put(struct ring *ring, struct slice first, struct slice second)
{
	const uint64_t size = first.size + second.size;
	const uint64_t need = padded(size);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t offset = head & (ring->size - 1);
	uint64_t skip = 0;

	must(need <= ring->size / 4);
	if (ring->size - offset < need) {
		skip = ring->size - offset;
	}
	if (!has_room(ring, head, skip + need)) {
		return false;
	}
	if (skip != 0) {
		write_size(ring, offset, RING_SKIP);
		head += skip;
		offset = 0;
	}
	write_size(ring, offset, (uint32_t)size);
	if (first.size != 0) {
		memcpy(ring->memory + offset + 8, first.data, first.size);
	}
	if (second.size != 0) {
		memcpy(ring->memory + offset + 8 + first.size, second.data, second.size);
	}
	atomic_store_explicit(&ring->head, head + need, memory_order_release);
	return true;
}

bool ring_peek(struct ring *ring, struct slice *ret_record)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	const uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	uint64_t offset = tail & (ring->size - 1);
	uint32_t size;

	if (tail == head) {
		return false;
	}
	memcpy(&size, ring->memory + offset, sizeof(size));
	if (size == RING_SKIP) {
		tail += ring->size - offset;
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		offset = 0;
		memcpy(&size, ring->memory, sizeof(size));
	}
	*ret_record = slice_make(ring->memory + offset + 8, size);
	return true;
}

void ring_pop(struct ring *ring)
{
	const uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t size;

	memcpy(&size, ring->memory + (tail & (ring->size - 1)), sizeof(size));
	must(size != RING_SKIP);
	atomic_store_explicit(&ring->tail, tail + padded(size), memory_order_release);
}

uint64_t ring_held(const struct ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_relaxed) -
	       atomic_load_explicit(&ring->tail, memory_order_acquire);
}

bool ring_is_empty(const struct ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire) ==
	       atomic_load_explicit(&ring->tail, memory_order_acquire);
}
