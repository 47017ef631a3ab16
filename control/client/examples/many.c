/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many.c - the fast way: many writes outstanding, one descriptor, a loop of poll()
 *
 * Keeps 32 writes under way until 1000 are done. Each callback submits the next one.
 */
#include <poll.h>
#include <stdio.h>

#include <coffer.h>

enum {
	WRITES = 1000,
	OUTSTANDING = 32,
	FILES = 100
};

struct work {
	struct coffer *coffer;
	unsigned submitted, done, failed;
	uint64_t slowest_ns;
};

static void submit_next(struct work *work);

static void on_done(void *context, const struct coffer_result *result)
{
	struct work *work = context;

	if (result->outcome == COFFER_DONE) {
		work->done++;
	} else {
		work->failed++;
		(void)fprintf(stderr, "%s: %s\n", coffer_outcome_text(result->outcome),
		              coffer_answer_text(result->answer));
	}
	if (result->latency_ns > work->slowest_ns) {
		work->slowest_ns = result->latency_ns;
	}
	submit_next(work);
}

static void submit_next(struct work *work)
{
	char path[64];
	const struct coffer_request request = {
		.verb = COFFER_SET,
		.path = path,
		.value = "something",
		.value_size = 9,
	};
	int r;

	if (work->submitted == WRITES) {
		return;
	}
	(void)snprintf(path, sizeof(path), "/examples/many/%u", work->submitted % FILES);
	r = coffer_submit(work->coffer, &request, on_done, work, NULL);
	work->submitted++;
	if (r < 0) {
		work->failed++;
		(void)fprintf(stderr, "coffer_submit: %s\n", coffer_error_text(r));
	}
}

static int count_entry(void *context, const struct coffer_entry *entry)
{
	(void)entry;
	++*(unsigned *)context;
	return 0;
}

int main(void)
{
	struct work work = {0};
	struct coffer_result result;
	struct pollfd ready = {.events = POLLIN};
	unsigned files = 0;
	int r;

	r = coffer_open(&work.coffer, NULL, NULL);
	if (r < 0) {
		(void)fprintf(stderr, "coffer_open: %s\n", coffer_error_text(r));
		return 1;
	}
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		submit_next(&work);
	}
	ready.fd = coffer_fd(work.coffer);
	while (work.done + work.failed < WRITES) {
		if (poll(&ready, 1, -1) > 0) {
			(void)coffer_process(work.coffer);
		}
	}
	r = coffer_list(work.coffer, "/examples/many", count_entry, &files, &result);
	coffer_close(work.coffer);
	(void)printf("%u writes, slowest %.3f ms; %u files\n", work.done,
	             (double)work.slowest_ns / 1e6, files);
	return work.failed == 0 && r == COFFER_DONE && files == FILES ? 0 : 1;
}
