/* SPDX-License-Identifier: Apache-2.0 */
#include "control/grace.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <urcu-qsbr.h>

#include "store/base/check.h"

struct ctl_grace {
	struct paxos_mailbox *mailbox;
	struct paxos_bell bell;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* stop */
	bool stop;
	_Atomic uint64_t passed;
};

/* Waits for `ms` or for the stop; returns true if it came. */
static bool wait_for_stop(struct ctl_grace *grace, unsigned ms)
{
	struct timespec end;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += (long)ms * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	must(pthread_mutex_lock(&grace->lock) == 0);
	if (!grace->stop) {
		(void)pthread_cond_timedwait(&grace->changed, &grace->lock, &end);
	}
	stop = grace->stop;
	must(pthread_mutex_unlock(&grace->lock) == 0);
	return stop;
}

static void *run(void *argument)
{
	struct ctl_grace *grace = argument;
	unsigned ms = 1;

	while (!wait_for_stop(grace, ms)) {
		/* Read before the grace period begins: what was listed by then is free after it. */
		const uint64_t wanted =
			atomic_load_explicit(&grace->mailbox->grace_wanted, memory_order_acquire);

		if (wanted == atomic_load_explicit(&grace->passed, memory_order_relaxed)) {
			ms = ms < CTL_GRACE_IDLE_MS ? ms * 2 : CTL_GRACE_IDLE_MS;
			continue;
		}
		synchronize_rcu();
		atomic_store_explicit(&grace->passed, wanted, memory_order_release);
		grace->bell.ring(grace->bell.context);
		ms = 1;
	}
	return NULL;
}

int ctl_grace_start(struct ctl_grace **ret_grace, struct paxos_mailbox *mailbox,
                    struct paxos_bell bell, struct ctl_reason *ret_reason)
{
	struct ctl_grace *grace = calloc(1, sizeof(*grace));
	pthread_condattr_t attributes;
	sigset_t all, before;
	int r;

	must(bell.ring != NULL);
	if (grace == NULL) {
		ctl_reason_say(ret_reason, "no memory for the grace thread; free some");
		return -ENOMEM;
	}
	grace->mailbox = mailbox;
	grace->bell = bell;
	must(pthread_mutex_init(&grace->lock, NULL) == 0);
	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&grace->changed, &attributes) == 0);
	must(pthread_condattr_destroy(&attributes) == 0);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&grace->thread, NULL, run, grace);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0) {
		ctl_reason_say(ret_reason,
		               "the grace thread cannot be started (%s); allow more threads",
		               strerror(-r));
		(void)pthread_cond_destroy(&grace->changed);
		(void)pthread_mutex_destroy(&grace->lock);
		free(grace);
		return r;
	}
	*ret_grace = grace;
	return 0;
}

uint64_t ctl_grace_passed(const struct ctl_grace *grace)
{
	return atomic_load_explicit(&grace->passed, memory_order_acquire);
}

void ctl_grace_stop(struct ctl_grace *grace)
{
	if (grace == NULL) {
		return;
	}
	must(pthread_mutex_lock(&grace->lock) == 0);
	grace->stop = true;
	must(pthread_cond_signal(&grace->changed) == 0);
	must(pthread_mutex_unlock(&grace->lock) == 0);
	must(pthread_join(grace->thread, NULL) == 0);
	(void)pthread_cond_destroy(&grace->changed);
	(void)pthread_mutex_destroy(&grace->lock);
	free(grace);
}
