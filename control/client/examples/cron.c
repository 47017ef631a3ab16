/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cron.c - a job that the whole cluster does once each time
 *
 * Every host runs the same program and wakes at the same times. Whoever gets the lock first does
 * the job; the others find it locked, or done. What was done is written under the token: if the
 * lock was lost meanwhile, the job counts as not done, and is done again by another. So a job is
 * never done by two at once who know of it, and done again only if its host died before the end:
 * at least once. (For at most once, write that it is done before it is.)
 *
 * Here three hosts are three handles in one program, and the job adds one to a number.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <coffer_lock.h>

enum {
	HOSTS = 3,
	TIMES = 5
};

#define JOB "/examples/cron/clean"

/* When it was done last: a number, 0 if never. False: the servers do not tell. */
static bool read_last(struct coffer *coffer, uint64_t *ret_last)
{
	struct coffer_result result;
	char text[32];
	const int r = coffer_get(coffer, JOB, &result);

	*ret_last = 0;
	if (r == COFFER_DONE) {
		(void)snprintf(text, sizeof(text), "%.*s", (int)result.value_size,
		               (const char *)result.value);
		*ret_last = strtoull(text, NULL, 10);
	}
	return r == COFFER_DONE || (r == COFFER_REFUSED && result.answer == COFFER_NOT_FOUND);
}

static bool work(unsigned host, uint64_t time, unsigned *done)
{
	(void)printf("host %u does the job of %" PRIu64 "\n", host, time);
	++*done;
	return true;
}

/* The job of this time, if nobody has done it. False: it is not known whether it is done. */
static bool wake(struct coffer *coffer, unsigned host, uint64_t time, unsigned *done)
{
	const struct coffer_lock_options options = {.claim = {.is_try = true}};
	struct coffer_lock *lock;
	enum coffer_answer answer;
	uint64_t last;
	char text[32];
	bool good;
	int r;

	if (coffer_lock(coffer, JOB, &options, NULL, NULL, &lock) < 0) {
		return false;
	}
	r = coffer_lock_wait(lock, &answer);
	if (r != COFFER_DONE) {
		coffer_lock_free(lock);
		return r == COFFER_REFUSED && answer == COFFER_LOCKED; /* somebody is at it */
	}
	good = read_last(coffer, &last);
	if (good && last < time) {
		r = snprintf(text, sizeof(text), "%" PRIu64, time);
		good = work(host, time, done) &&
		       coffer_set_fenced(coffer, JOB, coffer_lock_token(lock), JOB, text, (size_t)r,
		                         COFFER_ANY, NULL) == COFFER_DONE;
	}
	return coffer_unlock(lock) == COFFER_DONE && good;
}

int main(void)
{
	struct coffer *hosts[HOSTS] = {NULL};
	unsigned done = 0;
	bool good = true;

	for (unsigned i = 0; i < HOSTS && good; i++) {
		const int r = coffer_open(&hosts[i], NULL, NULL);

		if (r < 0) {
			(void)fprintf(stderr, "coffer_open: %s\n", coffer_error_text(r));
			good = false;
		}
	}
	/* Not minutes here, but the number of the round; each round another host is first. */
	for (unsigned time = 1; time <= TIMES; time++) {
		for (unsigned i = 0; i < HOSTS && good; i++) {
			const unsigned host = (time + i) % HOSTS;

			good = wake(hosts[host], host, time, &done);
		}
	}
	for (unsigned i = 0; i < HOSTS; i++) {
		coffer_close(hosts[i]);
	}
	return good && done == TIMES ? 0 : 1;
}
