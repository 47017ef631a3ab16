/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onlooker.c - watches a cluster, and checks that each watch is told everything once and in order
 *
 *      onlooker SERVERS WATCHES FILES
 *
 * One watch is on the whole tree, and must see every revision there is. WATCHES others are each on
 * one of FILES files, and must be told just what that one was told of it. All begin at the present
 * revision. It writes to the files, too, when told to. On standard input, each answered by a line:
 *
 *      write        begins to write random files, one after the other
 *      count        how many events of its files the watch on the whole tree was told
 *      stop         writes no more, waits until all know all, and checks; "ok EVENTS TOLD", or
 *                   what is wrong
 *      hold         pauses the watch on the whole tree
 *      resume       and lets it go on; "late OLDEST" when it is told that it is too late
 */
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client/coffer.h"
#include "store/base/check.h"
#include "store/base/prng.h"

enum {
	FOLDER_SIZE = sizeof("/seen/") - 1,
	PATH_SIZE = 32,
	PATIENCE_MS = 60000,
};

struct file {
	uint64_t events; /* that the watch on the whole tree was told */
};

struct look { /* one watch on one file */
	struct onlooker *onlooker;
	unsigned file;
	uint64_t events;
	int64_t last;
	bool is_held;
};

struct onlooker {
	struct coffer *coffer;
	struct prng prng;
	unsigned look_count, file_count, held;
	struct look *looks;
	struct file *files;
	uint64_t id;     /* of the watch on the whole tree */
	uint64_t events; /* of its files, that the watch on the whole tree was told */
	uint64_t told;   /* events, all looks together */
	int64_t next;    /* that it must be told */
	int64_t acked;   /* the highest revision of a write that was acknowledged */
	int64_t oldest;  /* it was too late */
	bool writes, is_writing;
	char wrong[160]; /* the first thing that was */
};

static void complain(struct onlooker *onlooker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void complain(struct onlooker *onlooker, const char *format, ...)
{
	va_list arguments;

	if (onlooker->wrong[0] == '\0') {
		va_start(arguments, format);
		(void)vsnprintf(onlooker->wrong, sizeof(onlooker->wrong), format, arguments);
		va_end(arguments);
	}
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	(void)printf("\n");
	(void)fflush(stdout);
}

/* --- being told ----------------------------------------------------------------------------- */

/* The file that a path names, or file_count. */
static unsigned file_of(const struct onlooker *onlooker, const struct coffer_event *event)
{
	char digits[PATH_SIZE] = "";
	unsigned long number;

	if (event->path_size <= FOLDER_SIZE || event->path_size >= PATH_SIZE ||
	    memcmp(event->path, "/seen/", FOLDER_SIZE) != 0) {
		return onlooker->file_count;
	}
	memcpy(digits, event->path + FOLDER_SIZE, event->path_size - FOLDER_SIZE);
	number = strtoul(digits, NULL, 10);
	return number < onlooker->file_count ? (unsigned)number : onlooker->file_count;
}

static void on_tree(void *context, const struct coffer_news *news)
{
	struct onlooker *onlooker = context;
	unsigned file;

	if (news->kind == COFFER_NEWS_END) {
		onlooker->oldest = news->oldest;
		if (news->answer != COFFER_TOO_LATE) {
			complain(onlooker, "the tree's watch: %s",
			         coffer_answer_text(news->answer));
		}
	}
	if (news->kind != COFFER_NEWS_EVENT) {
		return;
	}
	if (news->event->revision != onlooker->next) {
		complain(onlooker,
		         "the tree's watch: revision %" PRId64 " where %" PRId64 " is due",
		         news->event->revision, onlooker->next);
	}
	onlooker->next = news->event->revision + 1;
	file = file_of(onlooker, news->event);
	if (file < onlooker->file_count) { /* the servers write, too, below /ctl */
		onlooker->events++;
		onlooker->files[file].events++;
	}
}

static void on_file(void *context, const struct coffer_news *news)
{
	struct look *look = context;
	struct onlooker *onlooker = look->onlooker;

	if (news->kind == COFFER_NEWS_END) {
		complain(onlooker, "a watch of file %u ended: %s", look->file,
		         coffer_answer_text(news->answer));
		return;
	}
	onlooker->held += look->is_held ? 0 : 1;
	look->is_held = true;
	if (news->kind != COFFER_NEWS_EVENT) {
		return;
	}
	if (news->event->revision <= look->last || news->event->previous != look->last ||
	    file_of(onlooker, news->event) != look->file) {
		complain(onlooker,
		         "a watch of file %u: %" PRId64 " after %" PRId64 ", it says %" PRId64,
		         look->file, news->event->revision, look->last, news->event->previous);
	}
	look->last = news->event->revision;
	look->events++;
	onlooker->told++;
}

/* --- writing -------------------------------------------------------------------------------- */

static void write_one(struct onlooker *onlooker);

static void on_written(void *context, const struct coffer_result *result)
{
	struct onlooker *onlooker = context;

	onlooker->is_writing = false;
	if (result->outcome == COFFER_DONE && result->revision > onlooker->acked) {
		onlooker->acked = result->revision;
	} else if (result->outcome == COFFER_REFUSED) {
		complain(onlooker, "a write is refused: %s", coffer_answer_text(result->answer));
	}
	if (onlooker->writes) {
		write_one(onlooker);
	}
}

static void write_one(struct onlooker *onlooker)
{
	char path[PATH_SIZE];
	const struct coffer_request request = {
		.verb = COFFER_SET,
		.path = path,
		.value = path,
		.value_size = FOLDER_SIZE,
		.timeout_ms = PATIENCE_MS,
	};

	(void)snprintf(path, sizeof(path), "/seen/%u",
	               (unsigned)prng_below(&onlooker->prng, onlooker->file_count));
	must(coffer_submit(onlooker->coffer, &request, on_written, onlooker, NULL) == 0);
	onlooker->is_writing = true;
}

/* --- turning -------------------------------------------------------------------------------- */

static bool is_all_known(const struct onlooker *onlooker)
{
	if (onlooker->is_writing || onlooker->next <= onlooker->acked) {
		return false;
	}
	for (unsigned i = 0; i < onlooker->look_count; i++) {
		const struct look *look = &onlooker->looks[i];

		if (look->events < onlooker->files[look->file].events) {
			return false;
		}
	}
	return true;
}

static bool is_all_held(const struct onlooker *onlooker)
{
	return onlooker->held == onlooker->look_count;
}

static bool is_too_late(const struct onlooker *onlooker)
{
	return onlooker->oldest != 0;
}

/* Turns the handle until it is so, or something is wrong, or patience ends. */
static bool await(struct onlooker *onlooker, bool (*condition)(const struct onlooker *))
{
	struct pollfd ready = {.fd = coffer_fd(onlooker->coffer), .events = POLLIN};

	for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
		if (onlooker->wrong[0] != '\0') {
			return false;
		}
		if (condition(onlooker)) {
			return true;
		}
		if (poll(&ready, 1, 1) > 0) {
			ms--; /* counts the milliseconds in which nothing came */
		}
		(void)coffer_process(onlooker->coffer);
	}
	complain(onlooker, "not in time: %" PRIu64 " events, %" PRIu64 " told, %u held",
	         onlooker->events, onlooker->told, onlooker->held);
	return false;
}

/* Each knows what there is; nobody may know more. */
static void stop(struct onlooker *onlooker)
{
	onlooker->writes = false;
	if (await(onlooker, is_all_known)) {
		for (unsigned i = 0; i < onlooker->look_count; i++) {
			const struct look *look = &onlooker->looks[i];

			if (look->events != onlooker->files[look->file].events) {
				complain(onlooker, "a watch of file %u was told too much",
				         look->file);
			}
		}
	}
	if (onlooker->wrong[0] != '\0') {
		say("%s", onlooker->wrong);
	} else {
		say("ok %" PRIu64 " %" PRIu64, onlooker->events, onlooker->told);
	}
}

static void obey(struct onlooker *onlooker, const char *command)
{
	if (strcmp(command, "write") == 0) {
		onlooker->writes = true;
		write_one(onlooker);
		say("ok");
	} else if (strcmp(command, "count") == 0) {
		say("%" PRIu64, onlooker->events);
	} else if (strcmp(command, "stop") == 0) {
		stop(onlooker);
	} else if (strcmp(command, "hold") == 0) {
		say("%s", coffer_pause(onlooker->coffer, onlooker->id) == 0 ? "ok" : "no watch");
	} else if (strcmp(command, "resume") == 0) {
		must(coffer_resume(onlooker->coffer, onlooker->id) == 0);
		if (await(onlooker, is_too_late)) {
			say("late %" PRId64, onlooker->oldest);
		} else {
			say("%s", onlooker->wrong);
		}
	} else {
		say("no such command");
	}
}

/* Until standard input ends. */
static void run(struct onlooker *onlooker)
{
	struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN},
	                         {.fd = coffer_fd(onlooker->coffer), .events = POLLIN}};
	char line[64];

	for (;;) {
		(void)poll(ready, 2, -1);
		(void)coffer_process(onlooker->coffer);
		if (ready[0].revents == 0) {
			continue;
		}
		/* One line for each answer: nothing is left in the stream's buffer. */
		if (fgets(line, sizeof(line), stdin) == NULL) {
			return;
		}
		line[strcspn(line, "\n")] = '\0';
		obey(onlooker, line);
	}
}

static void begin(struct onlooker *onlooker)
{
	struct coffer_result result;
	char path[PATH_SIZE];

	if (coffer_rev(onlooker->coffer, &result) != COFFER_DONE) {
		complain(onlooker, "nobody tells the revision");
		return;
	}
	onlooker->next = result.store_revision + 1;
	must(coffer_watch(onlooker->coffer, "/**", onlooker->next, on_tree, onlooker,
	                  &onlooker->id) == 0);
	for (unsigned i = 0; i < onlooker->look_count; i++) {
		struct look *look = &onlooker->looks[i];

		*look = (struct look){.onlooker = onlooker, .file = i % onlooker->file_count};
		(void)snprintf(path, sizeof(path), "/seen/%u", look->file);
		must(coffer_watch(onlooker->coffer, path, onlooker->next, on_file, look, NULL) ==
		     0);
	}
}

int main(int argc, char **argv)
{
	static struct onlooker onlooker;
	struct coffer_options options;

	if (argc != 4 || atoi(argv[2]) < 0 || atoi(argv[3]) < 1) {
		(void)fprintf(stderr, "usage: onlooker SERVERS WATCHES FILES\n");
		return 2;
	}
	onlooker.look_count = (unsigned)atoi(argv[2]);
	onlooker.file_count = (unsigned)atoi(argv[3]);
	onlooker.looks = calloc(onlooker.look_count + 1u, sizeof(*onlooker.looks));
	onlooker.files = calloc(onlooker.file_count, sizeof(*onlooker.files));
	must(onlooker.looks != NULL && onlooker.files != NULL);
	prng_init(&onlooker.prng, 1);
	coffer_options_default(&options);
	options.watches_max = onlooker.look_count + 1;
	options.timeout_ms = PATIENCE_MS;
	must(coffer_open(&onlooker.coffer, argv[1], &options) == 0);
	begin(&onlooker);
	if (await(&onlooker, is_all_held)) {
		say("ok");
		run(&onlooker);
	} else {
		say("%s", onlooker.wrong);
	}
	coffer_close(onlooker.coffer);
	free(onlooker.files);
	free(onlooker.looks);
	return onlooker.wrong[0] == '\0' ? 0 : 1;
}
