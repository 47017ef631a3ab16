/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_words.h"

enum {
	OPTION_IF_REV = 256,
	OPTION_REV,
	OPTION_FROM,
	OPTION_EXEC,
	OPTION_STOP,
	OPTION_ONCE,
	OPTION_SECRET,
	OPTION_TIMEOUT,
	OPTION_STALE,
	OPTION_SEQUENCE,
	OPTION_EPHEMERAL,
};

const char *argp_program_version = "coffer " COFFER_VERSION;

static const char DOC[] =
	"Reads and writes the files that Coffer's servers agree on. Without a verb, on a terminal: "
	"a shell.\v"
	"Verbs:\n"
	"  set PATH [VALUE]    writes a file, prints its new revision\n"
	"  add PATH [VALUE]    the same, if there is no such file (--if-rev 0)\n"
	"  touch PATH          writes what the file holds once more, or an empty file\n"
	"  get PATH            prints a file's value, nothing else\n"
	"  del PATH            removes a file, prints the revision of that change\n"
	"  incr PATH [N]       adds 1, or N, to the number in a file, prints the sum\n"
	"  txn [LINE...]       several of these at once, all or nothing\n"
	"  stat PATH           tells of a file or directory\n"
	"  ls PATH             lists a directory\n"
	"  find PATH|GLOB      lists all below PATH, or as walk\n"
	"  walk GLOB           lists the files whose path matches (? * **)\n"
	"  wait GLOB           prints the next change that matches\n"
	"  watch GLOB          prints every change that matches\n"
	"  log [GLOB]          prints the changes that are kept, up to now\n"
	"  sync DIR GLOB       keeps a folder equal to the files that match\n"
	"  locks [GLOB]        who holds which lock, and who waits; or breaks one\n"
	"  lock NAME [-- COMMAND...]  holds a lock while a command runs\n"
	"  elect NAME VALUE [-- COMMAND...]  leads while a command runs; --show: who?\n"
	"  session list | show ID | kill ID  tells of sessions, or ends one\n"
	"  rev                 prints the store's revision\n"
	"  nop                 goes through agreement, changes nothing\n"
	"  self                tells who answers, and who leads\n"
	"\n"
	"VALUE is taken as it stands; `-`, or none, reads it from standard input, `@FILE` from a "
	"file. `--` ends the options.\n"
	"\n"
	"Exit codes: 0 done; 1 condition false, or not there; 2 wrong use; 3 no quorum, or nobody "
	"reached; 4 refused; 5 deadline passed, outcome unknown; 6 no event in time, or the lock "
	"was lost; 7 the command of --exec failed. lock, elect, --ephemeral: that of their "
	"command.";

static const struct argp_option OPTIONS[] = {
	{"output", 'o', "text|json", 0, "How to print (text)", 0},
	{"input", 'i', "text|json", 0, "txn: how it is written (text)", 0},
	{"secret", OPTION_SECRET, "FILE", 0,
         "File of the secret that the servers ask for ($COFFER_SECRET)", 0},
	{"servers", 'a', "HOST[:PORT],...", 0,
         "Servers to ask ($COFFER_SERVERS); doozer:?ca=HOST[:PORT]&... will do, too", 0},
	{"boot", 'b', "HOST[:PORT],...", 0, "Name cluster that knows --cluster ($COFFER_BOOT)", 0},
	{"cluster", 'c', "NAME", 0, "Ask the servers of this cluster, as --boot tells them", 0},
	{"timeout", OPTION_TIMEOUT, "DURATION", 0,
         "Time for the whole request (5s); wait: for an event (no limit)", 0},
	{"if-rev", OPTION_IF_REV, "R", 0,
         "set, del: only if the file's revision is R; 0: if there is none", 0},
	{"rev", OPTION_REV, "R", 0,
         "get, stat, ls, find, walk, locks: as of right after the change R", 0},
	{"from", OPTION_FROM, "R", 0, "wait, watch, log: changes of revision R and later", 0},
	{"exec", OPTION_EXEC, "COMMAND", 0,
         "watch: run for each change, in place of printing; sync: after changes", 0},
	{"stop", OPTION_STOP, NULL, 0, "watch, sync: end when the command fails", 0},
	{"once", OPTION_ONCE, NULL, 0, "sync: end as soon as the folder is equal", 0},
	{"null", '0', NULL, 0, "ls, find, walk: a zero byte behind each name, no newline", 0},
	{"sequence", OPTION_SEQUENCE, NULL, 0,
         "set: PATH is followed by the change's revision, 16 digits; prints the path", 0},
	{"ephemeral", OPTION_EPHEMERAL, NULL, 0,
         "set, add: the file goes when `coffer` ends; it stays while COMMAND runs", 0},
	{"stale", OPTION_STALE, NULL, 0, "Reads: what any one server has will do", 0},
	{0},
};

static error_t fail(const struct argp_state *state, const char *option, const char *argument,
                    const char *why)
{
	argp_error(state, "%s%s: %s", option, argument, why);
	return EINVAL; /* where argp_error() comes back */
}

static error_t parse_argument(const struct argp_state *state, const char *argument)
{
	struct cli_options *options = state->input;

	if (options->verb == NULL) {
		options->verb = argument;
	} else {
		if (options->argument_count < CLI_ARGUMENTS_MAX) {
			options->arguments[options->argument_count] = argument;
		}
		if (state->quoted != 0 && state->next > state->quoted && options->command == NULL) {
			options->command = state->argv + state->quoted;
			options->before_command = options->argument_count;
		}
		options->argument_count++; /* what is too much, the verb tells */
	}
	return 0;
}

static error_t parse_format(const struct argp_state *state, const char *option,
                            const char *argument, bool *ret_is_json)
{
	*ret_is_json = strcmp(argument, "json") == 0;
	return *ret_is_json || strcmp(argument, "text") == 0
	               ? 0
	               : fail(state, option, argument, "must be text or json");
}

static error_t parse_revision(int key, const char *argument, const struct argp_state *state)
{
	struct cli_options *options = state->input;

	switch (key) {
	case OPTION_IF_REV:
		options->given |= CLI_TAKES_IF_REV;
		return cli_parse_number(argument, -1, &options->if_rev)
		               ? 0
		               : fail(state, "--if-rev ", argument, "must be a revision");
	case OPTION_REV:
		options->given |= CLI_TAKES_REV;
		return cli_parse_number(argument, 1, &options->rev)
		               ? 0
		               : fail(state, "--rev ", argument, "must be a revision, from 1");
	case OPTION_FROM:
		options->given |= CLI_TAKES_FROM;
		return cli_parse_number(argument, 1, &options->from)
		               ? 0
		               : fail(state, "--from ", argument, "must be a revision, from 1");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct cli_options *options = state->input;

	switch (key) {
	case 'o':
		return parse_format(state, "-o ", argument, &options->is_json);
	case '0':
		options->given |= CLI_TAKES_NULL;
		return 0;
	case OPTION_SECRET:
		options->secret = argument;
		return 0;
	case 'a':
		options->servers = argument;
		return 0;
	case 'b':
		options->boot = argument;
		return 0;
	case 'c':
		options->cluster = argument;
		return 0;
	case OPTION_TIMEOUT:
		return cli_parse_duration(argument, &options->timeout_ms)
		               ? 0
		               : fail(state, "--timeout ", argument,
		                      "must be a duration, 1ms to 24h");
	case OPTION_EXEC:
		options->given |= CLI_TAKES_EXEC;
		options->exec = argument;
		return 0;
	case OPTION_STOP:
		options->given |= CLI_TAKES_EXEC;
		options->stops = true;
		return 0;
	case OPTION_ONCE:
		options->given |= CLI_TAKES_ONCE;
		return 0;
	case OPTION_STALE:
		options->is_stale = true;
		return 0;
	case 'i':
		options->given |= CLI_TAKES_INPUT;
		return parse_format(state, "-i ", argument, &options->input_is_json);
	case OPTION_SEQUENCE:
		options->given |= CLI_TAKES_SEQUENCE;
		return 0;
	case OPTION_EPHEMERAL:
		options->given |= CLI_TAKES_EPHEMERAL;
		return 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->lock;
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(state, argument);
	default:
		return parse_revision(key, argument, state);
	}
}

int cli_options_parse(struct cli_options *options, int count, char **words, bool is_shell)
{
	const struct argp_child children[] = {{&cli_lock_argp, 0, "Locks:", 1}, {0}};
	const struct argp argp = {OPTIONS, parse, "VERB [ARGUMENT...]", DOC, children, NULL, NULL};
	const struct cli_options former = *options;
	/* In their order, so that it is seen which stand behind `--`. */
	const unsigned flags = ARGP_IN_ORDER | (is_shell ? ARGP_NO_EXIT : 0);

	argp_err_exit_status = CLI_USAGE;
	if (argp_parse(&argp, count, words, flags, NULL, options) != 0) {
		return CLI_USAGE;
	}
	if (is_shell && (options->servers != former.servers || options->secret != former.secret ||
	                 options->boot != former.boot || options->cluster != former.cluster)) {
		return cli_fail_usage("--servers, --secret, --boot or --cluster",
		                      "belongs where the shell is started");
	}
	return CLI_DONE;
}

int cli_fail_usage(const char *what, const char *why)
{
	(void)fprintf(stderr, "coffer: %s: %s; try coffer --help\n", what, why);
	return CLI_USAGE;
}

const char *cli_servers(const struct cli_options *options)
{
	const char *servers =
		options->servers != NULL ? options->servers : getenv("COFFER_SERVERS");

	return servers != NULL ? servers : "";
}
