/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_batch.h"
#include "control/bin/coffer_exec.h"
#include "control/bin/coffer_follow.h"

enum {
	NOTE_EVERY = 4096 /* revisions that bring nothing, then the ledger says that they passed */
};

struct sync {
	struct cli *cli;
	const char *directory, *glob;
	size_t prefix_size; /* of the glob up to the last slash before a wildcard */
	struct folder folder;
	struct ledger ledger;
	struct batch batch;
	int64_t revision; /* up to which all is in the batch, or in the folder */
	bool is_pending;  /* the command is to be told */
	char *told;       /* for the command: the lines of the batch; owned */
	size_t told_size;
};

static int fail(const struct sync *sync, const char *path, int error)
{
	(void)fprintf(stderr, "coffer: %s/%s: %s\n", sync->directory, path, strerror(-error));
	return CLI_USAGE;
}

/* Where a path of the tree lies in the folder; NULL: nowhere, and that was said. */
static const char *place_of(const struct sync *sync, const char *path)
{
	const char *place = path + sync->prefix_size;

	if (folder_takes(place)) {
		return place;
	}
	(void)fprintf(stderr, "coffer: %s: cannot be a file in %s; passed over\n", path,
	              sync->directory);
	return NULL;
}

/* --- the batch ---------------------------------------------------------------------------- */

static void tell_passed(const struct sync *sync)
{
	for (size_t i = 0; i < sync->batch.count; i++) {
		if (sync->batch.changes[i].is_passed) {
			(void)fprintf(stderr,
			              "coffer: %s/%s: something else stands there; left alone\n",
			              sync->directory, sync->batch.changes[i].path);
		}
	}
}

/* What the command reads: a line for each change that was made. False: no memory. */
static bool write_told(struct sync *sync)
{
	FILE *told;

	free(sync->told);
	sync->told = NULL;
	sync->told_size = 0;
	told = open_memstream(&sync->told, &sync->told_size);
	if (told == NULL) {
		return false;
	}
	for (size_t i = 0; i < sync->batch.count; i++) {
		const struct change *change = &sync->batch.changes[i];

		if (change->is_made) {
			(void)fprintf(told, "%s %s\n", change->revision != 0 ? "set" : "del",
			              change->path);
		}
	}
	return fclose(told) == 0;
}

static int run_command(struct sync *sync)
{
	char revision[24];
	const struct cli_command command = {
		.text = sync->cli->options.exec,
		.variables = {{"COFFER_REVISION", revision}, {"COFFER_DIRECTORY", sync->directory}},
		.input = sync->told,
		.input_size = sync->told_size,
	};

	if (!sync->is_pending) {
		return CLI_GO_ON;
	}
	(void)snprintf(revision, sizeof(revision), "%lld", (long long)sync->ledger.at);
	if (command.text != NULL && cli_exec(&command) != 0) {
		return sync->cli->options.stops ? CLI_COMMAND : CLI_GO_ON;
	}
	sync->is_pending = false;
	return CLI_GO_ON;
}

/* Applies the batch, prints what that was if there was anything, and runs the command. */
static int apply(struct sync *sync, bool prints)
{
	struct batch *batch = &sync->batch;
	const char *path;
	int code;
	int r = batch_apply(batch, sync->revision, &path);

	if (r < 0) {
		return fail(sync, path, r);
	}
	tell_passed(sync);
	if (!write_told(sync)) {
		return fail(sync, "", -ENOMEM);
	}
	sync->is_pending = sync->is_pending || batch->written + batch->removed != 0;
	prints = prints || batch->written + batch->removed + batch->passed != 0;
	if (prints && !ctl_print_sync(sync->cli->options.is_json, sync->revision, batch->written,
	                              batch->removed, batch->passed)) {
		return cli_fail_output();
	}
	batch_clear(batch);
	code = run_command(sync);
	if (!sync->is_pending) {
		ledger_note_ran(&sync->ledger);
		r = ledger_sync(&sync->ledger);
	}
	return r < 0 ? fail(sync, FOLDER_OWN, r) : code;
}

/* --- the walk ----------------------------------------------------------------------------- */

static void verify_file(struct ledger_file *file, void *context)
{
	const struct sync *sync = context;
	struct folder_look look;

	file->is_verified = folder_look(&sync->folder, file->path, &look) == 0 &&
	                    look.size == file->size && look.crc == file->crc;
}

static void unsee_file(struct ledger_file *file, void *context)
{
	(void)context;
	file->is_seen = false;
}

/* A line for each path that a walk brings, behind its revision; no path has a newline. */
static int note_entry(void *context, const struct coffer_entry *entry)
{
	(void)fprintf(context, "%lld %.*s\n", (long long)entry->revision, (int)entry->name_size,
	              entry->name);
	return ferror((FILE *)context);
}

struct removal {
	struct batch *batch;
	int error;
};

static void remove_unseen(struct ledger_file *file, void *context)
{
	struct removal *removal = context;

	if (!file->is_seen && removal->error == 0) {
		removal->error = batch_remove(removal->batch, file->path);
	}
}

/* Takes the next line off `*rest`; NULL at the end. */
static const char *next_found(char **rest, int64_t *ret_revision)
{
	char *line = *rest, *path;
	char *end = strchr(line, '\n');

	if (end == NULL) {
		return NULL;
	}
	*end = '\0';
	*rest = end + 1;
	*ret_revision = strtoll(line, &path, 10);
	return path + 1;
}

/* Which files of ours are right already, and which are to go. */
static int compare(struct sync *sync, const char *lines)
{
	struct removal removal = {.batch = &sync->batch};
	char *copy = strdup(lines), *rest = copy;
	struct ledger_file *file;
	const char *path;
	int64_t revision;

	if (copy == NULL) {
		return -ENOMEM;
	}
	ledger_each(&sync->ledger, unsee_file, NULL);
	while ((path = next_found(&rest, &revision)) != NULL) {
		file = ledger_find(&sync->ledger, path + sync->prefix_size);
		if (file != NULL) {
			file->is_seen = true;
			file->is_verified = file->is_verified && file->revision == revision;
		}
	}
	free(copy);
	ledger_each(&sync->ledger, remove_unseen, &removal);
	return removal.error;
}

/* Gets the values that are not there yet. CLI_GO_ON; or an exit code, `result` says why. */
static int fetch(struct sync *sync, char *lines, struct coffer_result *result)
{
	struct coffer_request get = {.verb = COFFER_GET,
	                             .rev = sync->revision,
	                             .timeout_ms = sync->cli->options.timeout_ms};
	const struct ledger_file *file;
	const char *place;
	int64_t revision;
	int r = 0;

	while (r == 0 && (get.path = next_found(&lines, &revision)) != NULL) {
		place = place_of(sync, get.path);
		file = place != NULL ? ledger_find(&sync->ledger, place) : NULL;
		if (place == NULL || (file != NULL && file->is_verified)) {
			continue;
		}
		r = coffer_call(sync->cli->coffer, &get, result);
		if (r < 0) {
			return cli_conclude_error(r);
		}
		if (r == COFFER_DONE) {
			r = batch_set(&sync->batch, place, result->revision, result->value,
			              result->value_size);
			if (r < 0) {
				return fail(sync, FOLDER_OWN, r);
			}
		}
	}
	return CLI_GO_ON;
}

/*
 * One revision, its names, and what they hold. CLI_GO_ON; or an exit code, and it was said why;
 * but not of a request that came to no good, which is in `result`.
 */
static int walk_once(struct sync *sync, struct coffer_result *result)
{
	struct coffer_request request = {.verb = COFFER_REV,
	                                 .path = sync->glob,
	                                 .timeout_ms = sync->cli->options.timeout_ms};
	char *lines = NULL;
	size_t size = 0;
	FILE *found = open_memstream(&lines, &size);
	int code = CLI_GO_ON;
	int r;

	if (found == NULL) {
		return fail(sync, "", -ENOMEM);
	}
	r = coffer_call(sync->cli->coffer, &request, result);
	if (r == COFFER_DONE) {
		sync->revision = result->store_revision;
		request.verb = COFFER_FIND;
		request.rev = sync->revision;
		r = coffer_each(sync->cli->coffer, &request, note_entry, found, NULL, result);
	}
	if (fclose(found) != 0) {
		code = fail(sync, "", -ENOMEM);
	} else if (r < 0) {
		code = cli_conclude_error(r);
	} else if (r == COFFER_DONE) {
		r = compare(sync, lines);
		code = r < 0 ? fail(sync, FOLDER_OWN, r) : fetch(sync, lines, result);
	}
	free(lines);
	return code;
}

/* Until it succeeds: servers that are away come back. */
static int walk(struct sync *sync)
{
	struct coffer_result result;
	bool is_told = false;
	int code;

	ledger_each(&sync->ledger, verify_file, sync);
	for (;;) {
		code = walk_once(sync, &result);
		if (code != CLI_GO_ON || result.outcome == COFFER_DONE) {
			break;
		}
		batch_clear(&sync->batch);
		if (cli_interrupted()) {
			return CLI_INTERRUPT;
		}
		if (result.outcome == COFFER_REFUSED && result.answer == COFFER_TOO_LATE) {
			continue; /* much was written meanwhile */
		}
		if (!is_told || result.outcome == COFFER_REFUSED) {
			code = cli_conclude(sync->cli, sync->glob, &result);
			is_told = true;
		}
		if (result.outcome == COFFER_REFUSED || sync->cli->options.given & CLI_TAKES_ONCE) {
			return code;
		}
	}
	return code == CLI_GO_ON ? apply(sync, true) : code;
}

/* --- the watch ---------------------------------------------------------------------------- */

static int take_event(struct sync *sync, const struct coffer_event *event)
{
	char path[COFFER_PATH_SIZE_MAX + 1];
	const char *place;
	int r;

	(void)snprintf(path, sizeof(path), "%.*s", (int)event->path_size, event->path);
	place = place_of(sync, path);
	if (place == NULL) {
		return CLI_GO_ON;
	}
	r = event->kind == COFFER_EVENT_SET ? batch_set(&sync->batch, place, event->revision,
	                                                event->value, event->value_size)
	                                    : batch_remove(&sync->batch, place);
	return r < 0 ? fail(sync, FOLDER_OWN, r) : CLI_GO_ON;
}

static int on_news(void *context, const struct coffer_news *news)
{
	struct sync *sync = context;
	int code = CLI_GO_ON;

	if (news->kind == COFFER_NEWS_EVENT) {
		code = take_event(sync, news->event);
	}
	sync->revision = news->next > sync->revision ? news->next - 1 : sync->revision;
	return code;
}

static int on_turn(void *context)
{
	struct sync *sync = context;

	if (sync->batch.count == 0 && sync->revision - sync->ledger.at < NOTE_EVERY) {
		return CLI_GO_ON;
	}
	return apply(sync, false);
}

static int watch(struct sync *sync)
{
	struct cli_follow follow = {
		.cli = sync->cli,
		.glob = sync->glob,
		.from = sync->revision + 1,
		.begins_anew = true,
		.on_news = on_news,
		.on_turn = on_turn,
		.context = sync,
	};
	const int code = cli_follow(&follow);

	batch_clear(&sync->batch);
	if (code == CLI_REFUSED && follow.answer == COFFER_TOO_LATE) {
		(void)fprintf(stderr, "coffer: %s: too many changes passed by; walking again\n",
		              sync->glob);
		return CLI_GO_ON;
	}
	return code;
}

/* --- sync --------------------------------------------------------------------------------- */

static int open_folder(struct sync *sync)
{
	int r = folder_open(&sync->folder, sync->directory);

	if (r == -EWOULDBLOCK) {
		(void)fprintf(stderr, "coffer: %s: another coffer sync is at work there\n",
		              sync->directory);
		return CLI_USAGE;
	}
	if (r < 0) {
		return fail(sync, "", r);
	}
	r = ledger_open(&sync->ledger, sync->folder.own);
	if (r < 0) {
		folder_close(&sync->folder);
		return fail(sync, FOLDER_OWN "/state", r);
	}
	sync->is_pending = sync->ledger.at != sync->ledger.ran;
	return CLI_GO_ON;
}

int cli_sync(struct cli *cli)
{
	struct sync sync = {
		.cli = cli,
		.directory = cli->options.arguments[0],
		.glob = cli->options.arguments[1],
	};
	int code;

	for (size_t i = 0, end = strcspn(sync.glob, "*?"); i < end; i++) {
		sync.prefix_size = sync.glob[i] == '/' ? i + 1 : sync.prefix_size;
	}
	code = open_folder(&sync);
	if (code != CLI_GO_ON) {
		return code;
	}
	sync.batch.folder = &sync.folder;
	sync.batch.ledger = &sync.ledger;
	while (code == CLI_GO_ON) {
		code = walk(&sync);
		if (code == CLI_GO_ON && (cli->options.given & CLI_TAKES_ONCE) != 0) {
			code = CLI_DONE;
		}
		if (code == CLI_GO_ON) {
			code = watch(&sync);
		}
	}
	batch_clear(&sync.batch);
	free(sync.told);
	ledger_close(&sync.ledger);
	folder_close(&sync.folder);
	return code;
}
