/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_tree.h"

#include <stdio.h>
#include <string.h>

enum {
	GLOB_SIZE_MAX = COFFER_PATH_SIZE_MAX + 3 /* and "/" "**" */
};

static void begin(const struct cli *cli, enum coffer_verb verb, struct coffer_request *ret_request,
                  struct ctl_printer *ret_printer)
{
	const struct cli_options *options = &cli->options;

	*ret_request = (struct coffer_request){
		.verb = verb,
		.flags = options->is_stale ? COFFER_STALE : 0,
		.path = options->arguments[0],
		.rev = options->rev,
		.timeout_ms = options->timeout_ms,
	};
	ctl_printer_init(ret_printer, options->is_json, verb, ret_request->path);
	ret_printer->separator = (options->given & CLI_TAKES_NULL) != 0 ? '\0' : '\n';
}

int cli_pin(struct cli *cli, struct coffer_request *request, struct coffer_result *result)
{
	struct coffer_request rev = {
		.verb = COFFER_REV, .flags = request->flags, .timeout_ms = request->timeout_ms};
	int r;

	if (request->rev != 0) {
		return COFFER_DONE;
	}
	r = coffer_call(cli->coffer, &rev, result);
	if (r == COFFER_DONE) {
		request->rev = result->store_revision;
	}
	return r;
}

/* All that a LIST or FIND gives. */
static int give_all(struct cli *cli, enum coffer_verb verb)
{
	struct coffer_request request;
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	begin(cli, verb, &request, &printer);
	r = cli_pin(cli, &request, &result);
	if (r == COFFER_DONE) {
		r = coffer_each(cli->coffer, &request, ctl_printer_entry, &printer, NULL, &result);
	}
	return cli_finish(cli, &printer, r, &result);
}

int cli_ls(struct cli *cli)
{
	return give_all(cli, COFFER_LIST);
}

int cli_walk(struct cli *cli)
{
	return give_all(cli, COFFER_FIND);
}

/* --- find --------------------------------------------------------------------------------- */

struct descent {
	struct ctl_printer *printer;
	size_t top_size;                     /* of the directory that all is below, but for "/" */
	char last[COFFER_PATH_SIZE_MAX + 1]; /* file */
};

/*
 * Files come in tree order, so a directory begins with the first file that is in it: where its
 * name and a slash are not how the last path began.
 */
static int print_descent(void *context, const struct coffer_entry *entry)
{
	struct descent *descent = context;
	int r = 0;

	if (entry->name_size >= sizeof(descent->last)) {
		return -1;
	}
	for (size_t i = descent->top_size + 1; i < entry->name_size && r == 0; i++) {
		const struct coffer_entry directory = {
			.name = entry->name, .name_size = i, .is_directory = true};

		if (entry->name[i] == '/' && strncmp(descent->last, entry->name, i + 1) != 0) {
			r = ctl_printer_entry(descent->printer, &directory);
		}
	}
	memcpy(descent->last, entry->name, entry->name_size);
	descent->last[entry->name_size] = '\0';
	return r != 0 ? r : ctl_printer_entry(descent->printer, entry);
}

/* The directory and all below. Returns as coffer_each(). */
static int descend(struct cli *cli, const struct coffer_request *request,
                   struct ctl_printer *printer, struct coffer_result *result)
{
	const size_t size = strlen(request->path);
	const struct coffer_entry top = {
		.name = request->path, .name_size = size, .is_directory = true};
	struct descent descent = {.printer = printer, .top_size = size == 1 ? 0 : size};
	struct coffer_request below = *request;
	char glob[GLOB_SIZE_MAX + 1];

	(void)snprintf(glob, sizeof(glob), "%.*s/**", (int)descent.top_size, request->path);
	below.path = glob;
	if (ctl_printer_entry(printer, &top) != 0) {
		return COFFER_DONE; /* which `result` says; the printer knows the rest */
	}
	return coffer_each(cli->coffer, &below, print_descent, &descent, NULL, result);
}

int cli_find(struct cli *cli)
{
	struct coffer_request request, stat;
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	if (strpbrk(cli->options.arguments[0], "*?") != NULL) {
		return cli_walk(cli);
	}
	begin(cli, COFFER_FIND, &request, &printer);
	r = cli_pin(cli, &request, &result);
	stat = request;
	stat.verb = COFFER_STAT;
	if (r == COFFER_DONE) {
		r = coffer_call(cli->coffer, &stat, &result);
	}
	if (r == COFFER_DONE && result.is_directory) {
		r = descend(cli, &request, &printer, &result);
	} else if (r == COFFER_DONE) {
		(void)ctl_printer_entry(&printer,
		                        &(struct coffer_entry){.name = request.path,
		                                               .name_size = strlen(request.path),
		                                               .revision = result.revision});
	}
	return cli_finish(cli, &printer, r, &result);
}
