/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer.c - Coffer on the command line
 *
 * One verb, one request, one exit code (deploy/man/coffer.1). Everything goes through libcoffer.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/bin/coffer_print.h"
#include "control/client/coffer.h"

enum {
	EXIT_DONE = 0,
	EXIT_FALSE = 1,   /* condition false, or not there */
	EXIT_USAGE = 2,   /* wrong use, or what the command line names cannot be used */
	EXIT_NOBODY = 3,  /* no quorum, or nobody reached */
	EXIT_REFUSED = 4, /* the servers said no */
	EXIT_UNKNOWN = 5, /* a write may have happened */
};

enum {
	OPTION_IF_REV = 256,
	OPTION_REV,
	OPTION_SERVERS,
	OPTION_TIMEOUT,
	OPTION_STALE,
	ARGUMENTS_MAX = 2,
	TIMEOUT_SECONDS_MAX = 86400,
};

const char *argp_program_version = "coffer " COFFER_VERSION;

struct verb {
	const char *name;
	enum coffer_verb verb;
	unsigned arguments;
	bool takes_if_rev;
	bool takes_rev;
	bool is_add;
};

static const struct verb VERBS[] = {
	{"set", COFFER_SET, 2, true, false, false},   {"add", COFFER_SET, 2, false, false, true},
	{"get", COFFER_GET, 1, false, true, false},   {"del", COFFER_DELETE, 1, true, false, false},
	{"stat", COFFER_STAT, 1, false, true, false}, {"ls", COFFER_LIST, 1, false, true, false},
	{"find", COFFER_FIND, 1, false, true, false}, {"rev", COFFER_REV, 0, false, false, false},
	{"nop", COFFER_NOP, 0, false, false, false},  {"self", COFFER_SELF, 0, false, false, false},
};

struct options {
	const char *servers; /* NULL: COFFER_SERVERS */
	const char *verb_name;
	const char *arguments[ARGUMENTS_MAX];
	unsigned argument_count;
	bool is_json, is_stale, has_if_rev;
	int64_t if_rev;
	int64_t rev;         /* 0: none was given */
	uint32_t timeout_ms; /* 0: the default */
};

static const char DOC[] =
	"Reads and writes the files that Coffer's servers agree on.\v"
	"Verbs:\n"
	"  set PATH VALUE   writes a file, prints its new revision\n"
	"  add PATH VALUE   the same, if there is no such file (--if-rev 0)\n"
	"  get PATH         prints a file's value, nothing else\n"
	"  del PATH         removes a file, prints the revision of that change\n"
	"  stat PATH        tells of a file or directory\n"
	"  ls PATH          lists a directory\n"
	"  find GLOB        lists the files whose path matches (? * **)\n"
	"  rev              prints the store's revision\n"
	"  nop              goes through agreement, changes nothing\n"
	"  self             tells who answers, and who leads\n"
	"\n"
	"VALUE is taken as it stands; `-` reads it from standard input, `@FILE` from a file. `--` "
	"ends the options.\n"
	"\n"
	"Exit codes: 0 done; 1 condition false, or not there; 2 wrong use; 3 no quorum, or nobody "
	"reached; 4 refused; 5 deadline passed, outcome unknown.";

static const struct argp_option OPTIONS[] = {
	{"output", 'o', "text|json", 0, "How to print (text)", 0},
	{"servers", OPTION_SERVERS, "HOST[:PORT],...", 0, "Servers to ask ($COFFER_SERVERS)", 0},
	{"timeout", OPTION_TIMEOUT, "SECONDS", 0, "Time for the whole request (5)", 0},
	{"if-rev", OPTION_IF_REV, "R", 0,
         "set, del: only if the file's revision is R; 0: if there is none", 0},
	{"rev", OPTION_REV, "R", 0, "get, stat, ls, find: as of right after the change R", 0},
	{"stale", OPTION_STALE, NULL, 0, "Reads: what any one server has will do", 0},
	{0},
};

/* --- the command line --------------------------------------------------------------------- */

static bool parse_number(const char *text, int64_t *ret_number)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || number < COFFER_ANY) {
		return false;
	}
	*ret_number = number;
	return true;
}

static bool parse_seconds(const char *text, uint32_t *ret_ms)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(seconds >= 0.001) ||
	    !(seconds <= TIMEOUT_SECONDS_MAX)) {
		return false;
	}
	*ret_ms = (uint32_t)(seconds * 1000);
	return true;
}

static error_t parse_argument(struct argp_state *state, struct options *options,
                              const char *argument)
{
	if (options->verb_name == NULL) {
		options->verb_name = argument;
	} else if (options->argument_count < ARGUMENTS_MAX) {
		options->arguments[options->argument_count++] = argument;
	} else {
		argp_error(state, "too many arguments: %s", argument);
	}
	return 0;
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'o':
		options->is_json = strcmp(argument, "json") == 0;
		if (!options->is_json && strcmp(argument, "text") != 0) {
			argp_error(state, "-o %s: must be text or json", argument);
		}
		return 0;
	case OPTION_SERVERS:
		options->servers = argument;
		return 0;
	case OPTION_TIMEOUT:
		if (!parse_seconds(argument, &options->timeout_ms)) {
			argp_error(state, "--timeout %s: must be seconds, 0.001 to %d", argument,
			           TIMEOUT_SECONDS_MAX);
		}
		return 0;
	case OPTION_IF_REV:
		options->has_if_rev = true;
		if (!parse_number(argument, &options->if_rev)) {
			argp_error(state, "--if-rev %s: must be a revision", argument);
		}
		return 0;
	case OPTION_REV:
		if (!parse_number(argument, &options->rev) || options->rev < 1) {
			argp_error(state, "--rev %s: must be a revision, from 1", argument);
		}
		return 0;
	case OPTION_STALE:
		options->is_stale = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(state, options, argument);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int fail_usage(const char *what, const char *why)
{
	(void)fprintf(stderr, "coffer: %s: %s; try coffer --help\n", what, why);
	return EXIT_USAGE;
}

/* The verb of the command line, or NULL: then it was said why. */
static const struct verb *find_verb(const struct options *options)
{
	if (options->verb_name == NULL) {
		(void)fail_usage("no verb", "say what to do");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
		const struct verb *verb = &VERBS[i];

		if (strcmp(verb->name, options->verb_name) != 0) {
			continue;
		}
		if (options->argument_count != verb->arguments) {
			(void)fail_usage(verb->name, options->argument_count < verb->arguments
			                                     ? "an argument is missing"
			                                     : "too many arguments");
			return NULL;
		}
		if (options->has_if_rev && !verb->takes_if_rev) {
			(void)fail_usage(verb->name, "takes no --if-rev");
			return NULL;
		}
		if (options->rev != 0 && !verb->takes_rev) {
			(void)fail_usage(verb->name, "takes no --rev");
			return NULL;
		}
		return verb;
	}
	(void)fail_usage(options->verb_name, "no such verb");
	return NULL;
}

/* --- the value ---------------------------------------------------------------------------- */

struct value {
	/* One byte more than is allowed, so that too much is seen. */
	uint8_t bytes[COFFER_VALUE_SIZE_MAX + 1];
	const void *data;
	size_t size;
};

/* Returns 0 or a negative errno. */
static int read_all(int fd, struct value *value)
{
	value->data = value->bytes;
	while (value->size < sizeof(value->bytes)) {
		const ssize_t size =
			read(fd, value->bytes + value->size, sizeof(value->bytes) - value->size);

		if (size < 0 && errno != EINTR) {
			return -errno;
		}
		if (size == 0) {
			break;
		}
		value->size += size > 0 ? (size_t)size : 0;
	}
	return 0;
}

/* Returns an exit code; what is not EXIT_DONE was said. */
static int get_value(const char *text, struct value *value)
{
	const char *name = text;
	int fd = STDIN_FILENO;
	int r;

	value->size = 0;
	if (strcmp(text, "-") == 0) {
		name = "standard input";
		r = read_all(fd, value);
	} else if (text[0] == '@') {
		name = text + 1;
		fd = open(name, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : read_all(fd, value);
		if (fd >= 0) {
			(void)close(fd); /* was only read */
		}
	} else {
		value->data = text;
		value->size = strlen(text);
		r = 0;
	}
	if (r < 0) {
		(void)fprintf(stderr, "coffer: %s: %s\n", name, strerror(-r));
		return EXIT_USAGE;
	}
	if (value->size > COFFER_VALUE_SIZE_MAX) {
		(void)fprintf(stderr, "coffer: the value is larger than %d bytes\n",
		              COFFER_VALUE_SIZE_MAX);
		return EXIT_REFUSED;
	}
	return EXIT_DONE;
}

/* --- the request -------------------------------------------------------------------------- */

static void say_unreached(const struct options *options, const struct coffer_result *result)
{
	const char *servers =
		options->servers != NULL ? options->servers : getenv("COFFER_SERVERS");

	if (result->heard) {
		(void)fprintf(stderr,
		              "coffer: no quorum: servers answered, but none could do it "
		              "in time (%s)\n",
		              coffer_answer_text(result->answer));
	} else {
		(void)fprintf(stderr, "coffer: no server answered in time at %s\n",
		              servers != NULL ? servers : "");
	}
}

static void say_refused(const struct options *options, const struct coffer_result *result)
{
	const char *path = options->argument_count != 0 ? options->arguments[0] : "";

	if (result->answer == COFFER_TOO_LATE) {
		(void)fprintf(stderr, "coffer: %s: %s; the oldest that can be read is %lld\n", path,
		              coffer_answer_text(result->answer), (long long)result->revision);
	} else if (result->answer != COFFER_MISMATCH) {
		(void)fprintf(stderr, "coffer: %s%s%s\n", path, path[0] != '\0' ? ": " : "",
		              coffer_answer_text(result->answer));
	} else if (result->revision == 0) {
		(void)fprintf(stderr, "coffer: %s: the condition is false: there is no such file\n",
		              path);
	} else {
		(void)fprintf(stderr, "coffer: %s: the condition is false: its revision is %lld\n",
		              path, (long long)result->revision);
	}
}

/* Says what went wrong, and gives the exit code. */
static int conclude(const struct options *options, const struct coffer_result *result)
{
	switch (result->outcome) {
	case COFFER_DONE:
		return EXIT_DONE;
	case COFFER_REFUSED:
		say_refused(options, result);
		return result->answer == COFFER_MISMATCH || result->answer == COFFER_NOT_FOUND
		               ? EXIT_FALSE
		               : EXIT_REFUSED;
	case COFFER_UNREACHED:
		say_unreached(options, result);
		return EXIT_NOBODY;
	case COFFER_UNKNOWN:
		break;
	}
	(void)fprintf(stderr, "coffer: no final answer in time (%s): it may have happened or not\n",
	              result->heard ? coffer_answer_text(result->answer) : "nobody answered");
	return EXIT_UNKNOWN;
}

static int ask(struct coffer *coffer, const struct options *options, const struct verb *verb,
               const struct value *value)
{
	const struct coffer_request request = {
		.verb = verb->verb,
		.flags = options->is_stale ? COFFER_STALE : 0,
		.path = verb->arguments != 0 ? options->arguments[0] : NULL,
		.value = value->data,
		.value_size = value->size,
		.condition = options->has_if_rev || verb->is_add ? COFFER_IF_EQUAL : COFFER_ALWAYS,
		.rev = verb->takes_if_rev ? options->if_rev : options->rev,
		.timeout_ms = options->timeout_ms,
	};
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	ctl_printer_init(&printer, options->is_json, verb->verb, request.path);
	if (verb->verb == COFFER_LIST || verb->verb == COFFER_FIND) {
		r = coffer_each(coffer, &request, ctl_printer_entry, &printer, NULL, &result);
	} else {
		r = coffer_call(coffer, &request, &result);
	}
	if (r < 0) {
		ctl_printer_abandon(&printer);
		(void)fprintf(stderr, "coffer: %s\n", coffer_error_text(r));
		return r == -EBADMSG ? EXIT_NOBODY : EXIT_USAGE;
	}
	r = conclude(options, &result);
	if (!ctl_printer_end(&printer, &result)) {
		(void)fprintf(stderr, "coffer: cannot write to standard output\n");
		return r == EXIT_DONE ? EXIT_USAGE : r;
	}
	return r;
}

static int open_and_ask(const struct options *options, const struct verb *verb)
{
	static struct value value;
	struct coffer *coffer;
	int r;

	if (verb->verb == COFFER_SET) {
		r = get_value(options->arguments[1], &value);
		if (r != EXIT_DONE) {
			return r;
		}
	}
	r = coffer_open(&coffer, options->servers, NULL);
	if (r == -EDESTADDRREQ) {
		(void)fprintf(stderr, "coffer: no servers are named; set COFFER_SERVERS or give "
		                      "--servers HOST[:PORT],...\n");
		return EXIT_USAGE;
	}
	if (r < 0) {
		(void)fprintf(stderr, "coffer: servers %s: %s\n",
		              options->servers != NULL ? options->servers
		                                       : getenv("COFFER_SERVERS"),
		              r == -EINVAL ? "must be HOST[:PORT],HOST[:PORT],..."
		                           : coffer_error_text(r));
		return EXIT_USAGE;
	}
	r = ask(coffer, options, verb, &value);
	coffer_close(coffer);
	return r;
}

int main(int argc, char **argv)
{
	const struct argp argp = {OPTIONS, parse, "VERB [ARGUMENT...]", DOC, NULL, NULL, NULL};
	struct options options = {0};
	const struct verb *verb;

	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0) {
		return EXIT_USAGE;
	}
	verb = find_verb(&options);
	return verb == NULL ? EXIT_USAGE : open_and_ask(&options, verb);
}
