/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_watch.h"

#include <stdio.h>
#include <string.h>

#include "control/bin/coffer_exec.h"
#include "control/bin/coffer_follow.h"

enum {
	SILENCE_MS = 5000, /* as long as a request takes by default */
	LOG_TRIES = 10,    /* to find the oldest event before it is gone */
};

static int print_event(const struct cli *cli, const struct coffer_event *event)
{
	return ctl_print_event(cli->options.is_json, event) ? CLI_GO_ON : cli_fail_output();
}

/* --- wait --------------------------------------------------------------------------------- */

static int wait_news(void *context, const struct coffer_news *news)
{
	struct cli *cli = context;
	int r;

	if (news->kind != COFFER_NEWS_EVENT) {
		return CLI_GO_ON;
	}
	r = print_event(cli, news->event);
	return r == CLI_GO_ON ? CLI_DONE : r;
}

int cli_wait(struct cli *cli)
{
	struct cli_follow follow = {
		.cli = cli,
		.glob = cli->options.arguments[0],
		.from = cli->options.from,
		.limit_ms = cli->options.timeout_ms,
		.on_news = wait_news,
		.context = cli,
	};
	const int code = cli_follow(&follow);

	if (code == CLI_NO_EVENT) {
		(void)fprintf(stderr, "coffer: %s: no event in time\n", follow.glob);
		if (cli->options.is_json && !ctl_print_no_event(follow.next)) {
			return cli_fail_output();
		}
	}
	return code;
}

/* --- watch -------------------------------------------------------------------------------- */

static int run_command(const struct cli *cli, const struct coffer_event *event)
{
	char path[COFFER_PATH_SIZE_MAX + 1], revision[24], previous[24];
	const struct cli_command command = {
		.text = cli->options.exec,
		.variables = {{"COFFER_PATH", path},
	                      {"COFFER_REVISION", revision},
	                      {"COFFER_KIND", ctl_kind_text(event->kind)},
	                      {"COFFER_CAUSE", ctl_cause_text(event->cause)},
	                      {"COFFER_PREVIOUS", previous}},
		.input = event->value,
		.input_size = event->value_size,
	};

	(void)snprintf(path, sizeof(path), "%.*s", (int)event->path_size, event->path);
	(void)snprintf(revision, sizeof(revision), "%lld", (long long)event->revision);
	(void)snprintf(previous, sizeof(previous), "%lld", (long long)event->previous);
	return cli_exec(&command) != 0 && cli->options.stops ? CLI_COMMAND : CLI_GO_ON;
}

/* One after the other: the servers send no more before this returned. */
static int watch_news(void *context, const struct coffer_news *news)
{
	struct cli *cli = context;

	if (news->kind != COFFER_NEWS_EVENT) {
		return CLI_GO_ON;
	}
	return cli->options.exec != NULL ? run_command(cli, news->event)
	                                 : print_event(cli, news->event);
}

int cli_watch(struct cli *cli)
{
	struct cli_follow follow = {
		.cli = cli,
		.glob = cli->options.arguments[0],
		.from = cli->options.from,
		.on_news = watch_news,
		.context = cli,
	};

	return cli_follow(&follow);
}

/* --- log ---------------------------------------------------------------------------------- */

struct record {
	struct cli *cli;
	int64_t last; /* revision to print */
};

static int log_news(void *context, const struct coffer_news *news)
{
	const struct record *record = context;
	int r = CLI_GO_ON;

	if (news->kind == COFFER_NEWS_EVENT && news->event->revision <= record->last) {
		r = print_event(record->cli, news->event);
	}
	if (r != CLI_GO_ON) {
		return r;
	}
	return news->next > record->last ? CLI_DONE : CLI_GO_ON;
}

/* Up to the present revision. Without --from it begins with the oldest change there is. */
static int follow_log(struct record *record)
{
	const struct cli_options *options = &record->cli->options;
	struct cli_follow follow;
	int64_t from = options->from != 0 ? options->from : 1;
	int code = CLI_DONE;

	for (unsigned i = 0; i < LOG_TRIES && from <= record->last; i++) {
		follow = (struct cli_follow){
			.cli = record->cli,
			.glob = options->argument_count != 0 ? options->arguments[0] : "/**",
			.from = from,
			.silence_ms = options->timeout_ms != 0 ? options->timeout_ms : SILENCE_MS,
			.begins_anew = options->from == 0 && i + 1 < LOG_TRIES,
			.on_news = log_news,
			.context = record,
		};
		code = cli_follow(&follow);
		if (code != CLI_REFUSED || follow.answer != COFFER_TOO_LATE ||
		    !follow.begins_anew) {
			break;
		}
		from = follow.oldest;
		code = CLI_DONE;
	}
	return code;
}

int cli_log(struct cli *cli)
{
	struct record record = {.cli = cli};
	struct ctl_printer printer;
	struct coffer_result result;
	const struct coffer_request request = {.verb = COFFER_REV,
	                                       .timeout_ms = cli->options.timeout_ms};
	const int r = coffer_call(cli->coffer, &request, &result);

	if (r != COFFER_DONE) {
		ctl_printer_init(&printer, cli->options.is_json, COFFER_REV, NULL);
		return cli_finish(cli, &printer, r, &result);
	}
	record.last = result.store_revision;
	return follow_log(&record);
}
