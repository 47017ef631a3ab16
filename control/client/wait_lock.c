/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_lock.c - the calls that wait for what becomes of a lock
 */
#include <errno.h>
#include <string.h>

#include "control/client/left.h"
#include "control/client/lock.h"
#include "control/client/txn.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

int coffer_lock_wait(struct coffer_lock *lock, enum coffer_answer *ret_answer)
{
	struct coffer *coffer = lock->coffer;
	enum coffer_answer answer = COFFER_NOT_HELD;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	while (lock->told != COFFER_LOCK_HELD && !lock->is_over) {
		ctl_handle_wait(coffer, -1);
	}
	if (lock->told == COFFER_LOCK_HELD) {
		return COFFER_DONE;
	}
	if (lock->told == COFFER_LOCK_REFUSED) {
		answer = lock->answer;
	}
	if (ret_answer != NULL) {
		*ret_answer = answer;
	}
	return answer == COFFER_NO_QUORUM ? COFFER_UNREACHED : COFFER_REFUSED;
}

int coffer_unlock(struct coffer_lock *lock)
{
	struct coffer *coffer = lock->coffer;
	const uint64_t since_ns = ctl_handle_now_ns();
	int left_ms = 1, r = COFFER_DONE;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	if (lock->owners == 1) {
		coffer_lock_release(lock);
		while (!lock->is_over && left_ms > 0) {
			left_ms = ctl_left_ms(since_ns, (uint32_t)(coffer->timeout_ns / NS_PER_MS),
			                      ctl_handle_now_ns());
			ctl_handle_wait(coffer, left_ms);
		}
		r = lock->is_over ? COFFER_DONE : COFFER_UNREACHED;
	}
	coffer_lock_free(lock);
	return r;
}

int coffer_lock_proclaim(struct coffer_lock *lock, const void *data, size_t data_size,
                         struct coffer_result *ret_result)
{
	struct coffer_txn *txn = coffer_txn_new();
	int r;

	if (txn != NULL) {
		coffer_txn_proclaim(txn, lock->name, data, data_size);
	}
	r = ctl_txn_end(lock->coffer, txn, 0, ret_result);
	if (r == COFFER_DONE) {
		if (data_size != 0) {
			memcpy(lock->data, data, data_size);
		}
		lock->claim.data_size = data_size;
	}
	return r;
}

int coffer_lock_transfer(struct coffer_lock *lock, uint64_t session,
                         struct coffer_result *ret_result)
{
	struct coffer_txn *txn = coffer_txn_new();
	int r;

	if (txn != NULL) {
		coffer_txn_transfer(txn, lock->name, session);
	}
	r = ctl_txn_end(lock->coffer, txn, COFFER_ORDERED, ret_result);
	if (r == COFFER_DONE) {
		ctl_lock_gone(lock, COFFER_CAUSE_RELEASED);
	}
	return r;
}
