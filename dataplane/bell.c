/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/bell.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/base/check.h"

enum {
	AWAKE = 0,
	ASLEEP = 1,
};

#define SECOND_NS UINT64_C(1000000000)

void dp_bell_init(struct dp_bell *bell)
{
	atomic_store_explicit(&bell->word, AWAKE, memory_order_relaxed);
}

void dp_bell_ring(struct dp_bell *bell)
{
	/* What was published must be seen by the sleeper, or its word by us. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&bell->word, memory_order_relaxed) != ASLEEP) {
		return;
	}
	if (atomic_exchange_explicit(&bell->word, AWAKE, memory_order_acq_rel) == ASLEEP) {
		/* Nobody may sleep there any more: that is no error. */
		(void)syscall(SYS_futex, &bell->word, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

void dp_bells_arm(struct dp_bell *const *bells, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		atomic_store_explicit(&bells[i]->word, ASLEEP, memory_order_relaxed);
	}
	atomic_thread_fence(memory_order_seq_cst);
}

void dp_bells_disarm(struct dp_bell *const *bells, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		atomic_store_explicit(&bells[i]->word, AWAKE, memory_order_relaxed);
	}
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / SECOND_NS),
		.tv_nsec = (long)(ns % SECOND_NS),
	};
}

/* For a kernel without futex_waitv: the first bell, and a short bound for the others. */
static bool wait_blind(struct dp_bell *bell, uint64_t timeout_ns)
{
	const uint64_t bound = timeout_ns < DP_BELL_BLIND_NS ? timeout_ns : DP_BELL_BLIND_NS;
	const struct timespec timeout = timespec_of(bound);

	return syscall(SYS_futex, &bell->word, FUTEX_WAIT, ASLEEP, &timeout, NULL, 0) == 0 ||
	       errno == EAGAIN;
}

bool dp_bells_wait(struct dp_bell *const *bells, unsigned count, uint64_t timeout_ns)
{
	struct futex_waitv words[DP_BELLS_MAX] = {0};
	struct timespec deadline;

	must(count >= 1);
	must(count <= DP_BELLS_MAX);
	for (unsigned i = 0; i < count; i++) {
		words[i].uaddr = (uintptr_t)&bells[i]->word;
		words[i].val = ASLEEP;
		words[i].flags = FUTEX_32;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline = timespec_of((uint64_t)deadline.tv_sec * SECOND_NS + (uint64_t)deadline.tv_nsec +
	                       timeout_ns);
	if (syscall(SYS_futex_waitv, words, count, 0, &deadline, CLOCK_MONOTONIC) >= 0) {
		return true;
	}
	if (errno == EAGAIN) {
		return true; /* rung before we slept */
	}
	if (errno == ENOSYS || errno == EPERM) {
		return wait_blind(bells[0], timeout_ns);
	}
	return false;
}
