/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fence.c - the highest token of each lock, in the caller's memory
 *
 *      FREE --- one thread wins ---> NAMED BY IT --- the name stands ---> READY
 *
 * Slots are taken in order and never given back. A name may be just being written by another
 * thread: it is waited for, since it may be the one that is looked for.
 */
#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "control/client/coffer_fence.h"
#include "control/client/coffer_txn.h"

static_assert((int)COFFER_FENCE_NAME_SIZE_MAX == (int)COFFER_LOCK_NAME_SIZE_MAX,
              "every lock's name has room");

enum {
	FREE = 0,
	TAKEN = 1,
	READY = 2,
};

static uint32_t state_of(const struct coffer_fence_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE);
}

/* True if it is the lock's now, or was. */
static bool is_of(struct coffer_fence_slot *slot, const char *lock, size_t size)
{
	uint32_t expected = FREE;

	if (__atomic_compare_exchange_n(&slot->state, &expected, TAKEN, false, __ATOMIC_ACQUIRE,
	                                __ATOMIC_ACQUIRE)) {
		memcpy(slot->lock, lock, size + 1);
		__atomic_store_n(&slot->state, READY, __ATOMIC_RELEASE);
		return true;
	}
	while (state_of(slot) != READY) {
		(void)sched_yield(); /* as long as another thread copies a name */
	}
	return strcmp(slot->lock, lock) == 0;
}

static int raise_to(struct coffer_fence_slot *slot, int64_t token)
{
	int64_t highest = __atomic_load_n(&slot->token, __ATOMIC_ACQUIRE);

	while (token > highest) {
		if (__atomic_compare_exchange_n(&slot->token, &highest, token, false,
		                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			return 1;
		}
	}
	return token == highest ? 0 : -EPERM;
}

int coffer_fence_check(struct coffer_fence *fence, const char *lock, int64_t token)
{
	const size_t size = lock == NULL ? 0 : strnlen(lock, COFFER_FENCE_NAME_SIZE_MAX + 1);

	if (size == 0 || size > COFFER_FENCE_NAME_SIZE_MAX || token <= 0) {
		return -EINVAL;
	}
	for (unsigned i = 0; i < fence->slot_count; i++) {
		if (is_of(&fence->slots[i], lock, size)) {
			return raise_to(&fence->slots[i], token);
		}
	}
	return -ENOSPC;
}

int64_t coffer_fence_highest(const struct coffer_fence *fence, const char *lock)
{
	for (unsigned i = 0; i < fence->slot_count && lock != NULL; i++) {
		const struct coffer_fence_slot *slot = &fence->slots[i];

		if (state_of(slot) == READY && strcmp(slot->lock, lock) == 0) {
			return __atomic_load_n(&slot->token, __ATOMIC_ACQUIRE);
		}
	}
	return 0;
}
