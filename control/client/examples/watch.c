/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch.c - be told of changes: a watch with a callback, and waiting for one event
 *
 * Watches a directory while it writes there, and goes on until it was told of each write. Whoever
 * must not miss anything keeps `next` somewhere safe, and begins there again.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include <coffer.h>

enum {
	WRITES = 10
};

struct log {
	unsigned told;
	int64_t next; /* where to go on after a restart */
	bool ended;
};

static void on_news(void *context, const struct coffer_news *news)
{
	struct log *log = context;

	switch (news->kind) {
	case COFFER_NEWS_EVENT:
		(void)printf("%" PRId64 " %s %.*s %.*s\n", news->event->revision,
		             news->event->kind == COFFER_EVENT_SET ? "set" : "del",
		             (int)news->event->path_size, news->event->path,
		             (int)news->event->value_size, (const char *)news->event->value);
		log->told++;
		log->next = news->next;
		break;
	case COFFER_NEWS_NOTE:
		log->next = news->next;
		break;
	case COFFER_NEWS_END:
		/* COFFER_TOO_LATE: read the files again, and watch from that revision on. */
		(void)fprintf(stderr, "the watch ended: %s\n", coffer_answer_text(news->answer));
		log->ended = true;
		break;
	}
}

/* Writes, and is told of each. */
static bool follow(struct coffer *coffer)
{
	struct pollfd ready = {.fd = coffer_fd(coffer), .events = POLLIN};
	struct coffer_result result;
	struct log log = {0};
	uint64_t id;
	int64_t from;
	char path[64];

	if (coffer_rev(coffer, &result) != COFFER_DONE) {
		return false;
	}
	from = result.store_revision + 1;
	if (coffer_watch(coffer, "/examples/watch/*", from, on_news, &log, &id) < 0) {
		return false;
	}
	for (unsigned i = 0; i < WRITES; i++) {
		(void)snprintf(path, sizeof(path), "/examples/watch/%u", i);
		if (coffer_set(coffer, path, "new", 3, COFFER_ANY, NULL) != COFFER_DONE) {
			return false;
		}
	}
	while (log.told < WRITES && !log.ended) {
		if (poll(&ready, 1, -1) > 0) {
			(void)coffer_process(coffer);
		}
	}
	(void)coffer_unwatch(coffer, id);
	return !log.ended;
}

/* The file that somebody else is about to write, here another handle. */
static bool wait_for_one(struct coffer *coffer, struct coffer *other)
{
	struct coffer_result result;
	struct coffer_event event;

	if (coffer_set(other, "/examples/watched", "ready", 5, COFFER_ANY, &result) !=
	    COFFER_DONE) {
		return false;
	}
	if (coffer_wait(coffer, "/examples/watched", result.revision, 10000, &event, NULL) !=
	    COFFER_DONE) {
		return false;
	}
	(void)printf("%.*s is %.*s\n", (int)event.path_size, event.path, (int)event.value_size,
	             (const char *)event.value);
	return event.revision == result.revision;
}

int main(void)
{
	struct coffer *coffer = NULL, *other = NULL;
	bool good = false;
	int r;

	r = coffer_open(&coffer, NULL, NULL);
	if (r == 0) {
		r = coffer_open(&other, NULL, NULL);
	}
	if (r < 0) {
		(void)fprintf(stderr, "coffer_open: %s\n", coffer_error_text(r));
	} else {
		good = follow(coffer) && wait_for_one(coffer, other);
	}
	coffer_close(other);
	coffer_close(coffer);
	return good ? 0 : 1;
}
