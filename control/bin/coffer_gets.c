/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_gets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_follow.h"
#include "control/bin/coffer_tree.h"

/* --- paths ------------------------------------------------------------------------------------ */

static int add_path(void *context, const struct coffer_entry *entry)
{
	struct cli_paths *paths = context;
	const size_t room = paths->room != 0 ? 2 * paths->room : 64;
	char **texts;

	if (paths->count == paths->room) {
		texts = realloc(paths->texts, room * sizeof(*texts));
		if (texts == NULL) {
			paths->is_full = true;
			return -1;
		}
		paths->texts = texts;
		paths->room = room;
	}
	paths->texts[paths->count] = strndup(entry->name, entry->name_size);
	paths->is_full = paths->texts[paths->count] == NULL;
	paths->count += !paths->is_full;
	return paths->is_full ? -1 : 0;
}

int cli_paths_find(struct cli *cli, struct coffer_request *request, struct cli_paths *paths,
                   struct coffer_result *ret_result)
{
	int r = cli_pin(cli, request, ret_result);

	if (r == COFFER_DONE) {
		r = coffer_each(cli->coffer, request, add_path, paths, NULL, ret_result);
	}
	return paths->is_full ? -ENOMEM : r;
}

void cli_paths_free(struct cli_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++) {
		free(paths->texts[i]);
	}
	free(paths->texts);
}

/* --- values ----------------------------------------------------------------------------------- */

/* A file that was asked for, and has not been given yet. */
struct slot {
	uint64_t request; /* 0: it has ended */
	struct coffer_result result;
	uint8_t *value; /* owned */
	bool is_full;   /* there is no memory for it */
};

struct gets {
	struct cli *cli;
	struct coffer_request request;
	const struct cli_paths *paths;
	size_t asked, given; /* given <= asked <= paths->count */
	struct slot slots[COFFER_REQUESTS_MAX];
};

static void on_got(void *context, const struct coffer_result *result)
{
	struct slot *slot = context;

	slot->request = 0;
	slot->result = *result;
	slot->value = NULL;
	if (result->value_size != 0) {
		slot->value = malloc(result->value_size);
		slot->is_full = slot->value == NULL;
	}
	if (slot->value != NULL) {
		memcpy(slot->value, result->value, result->value_size);
	}
	slot->result.value = slot->value;
}

static struct slot *slot_of(struct gets *gets, size_t index)
{
	return &gets->slots[index % COFFER_REQUESTS_MAX];
}

/* As many as may be. Returns as coffer_submit(). */
static int ask(struct gets *gets)
{
	int r = 0;

	while (r == 0 && gets->asked < gets->paths->count &&
	       gets->asked - gets->given < COFFER_REQUESTS_MAX) {
		struct slot *slot = slot_of(gets, gets->asked);

		gets->request.path = gets->paths->texts[gets->asked];
		*slot = (struct slot){0};
		r = coffer_submit(gets->cli->coffer, &gets->request, on_got, slot, &slot->request);
		gets->asked += r == 0;
	}
	return r == -EAGAIN && gets->asked > gets->given ? 0 : r;
}

/* The next in line has ended. */
static int give(struct gets *gets, cli_gets_fn *each, void *context)
{
	const char *path = gets->paths->texts[gets->given];
	struct slot *slot = slot_of(gets, gets->given);
	struct ctl_printer printer;
	int code;

	ctl_printer_init(&printer, gets->cli->options.is_json, COFFER_GET, path);
	if (slot->is_full) {
		code = cli_conclude_error(-ENOMEM);
	} else if (slot->result.outcome == COFFER_DONE) {
		code = each(context, path, &slot->result);
	} else {
		code = cli_finish(gets->cli, &printer, (int)slot->result.outcome, &slot->result);
	}
	free(slot->value);
	slot->value = NULL;
	gets->given++;
	return code;
}

/* What is under way is given up. */
static void end(struct gets *gets)
{
	for (; gets->given < gets->asked; gets->given++) {
		struct slot *slot = slot_of(gets, gets->given);

		if (slot->request != 0) {
			(void)coffer_cancel(gets->cli->coffer, slot->request);
		}
		while (slot->request != 0) {
			(void)coffer_process(gets->cli->coffer);
		}
		free(slot->value);
	}
}

int cli_gets(struct cli *cli, const struct coffer_request *request, const struct cli_paths *paths,
             cli_gets_fn *each, void *context)
{
	struct gets gets = {.cli = cli, .request = *request, .paths = paths};
	int code = CLI_DONE;
	int r;

	gets.request.verb = COFFER_GET;
	while (code == CLI_DONE && gets.given < paths->count) {
		r = ask(&gets);
		if (r < 0) {
			code = cli_conclude_error(r);
		} else if (slot_of(&gets, gets.given)->request == 0) {
			code = give(&gets, each, context);
		} else if (cli_wait_ready(cli->coffer, -1)) {
			(void)coffer_process(cli->coffer);
		} else {
			code = CLI_INTERRUPT;
		}
	}
	end(&gets);
	return code;
}
