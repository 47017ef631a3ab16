/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer-lincheck - are the histories in these files linearizable?
 *
 * Exit code: 0 all are; 1 one is not; 2 bad input or usage; 3 a bound was reached, else all are.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lincheck/history.h"
#include "tests/lincheck/lincheck.h"

enum {
	EXIT_FALSE = 1,
	EXIT_INPUT = 2,
	EXIT_UNKNOWN = 3,
	OPTION_NO_REV_ORDER = 256,
	FILES_MAX = 100000,
};

struct options {
	double timeout_seconds; /* for each file; 0 = none */
	uint64_t memory_mb;
	bool quiet, no_rev_order;
	char **files;
	int file_count;
};

const char *argp_program_version = "coffer-lincheck 0.1.0";

static const struct argp_option option_table[] = {
	{"timeout", 't', "SECONDS", 0, "say unknown after so long (each file)", 0},
	{"memory", 'm', "MIB", 0, "say unknown after so much memory (each key; 1024)", 0},
	{"no-rev-order", OPTION_NO_REV_ORDER, NULL, 0,
         "skip the check of revisions over all keys (also -no-rev-order)", 0},
	{"quiet", 'q', NULL, 0, "print what is wrong and nothing else", 0},
	{0},
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	char *end = NULL;

	switch (key) {
	case 't':
		options->timeout_seconds = strtod(argument, &end);
		if (end == argument || *end != 0 || !(options->timeout_seconds > 0)) {
			argp_error(state, "not a time: %s", argument);
		}
		return 0;
	case 'm':
		errno = 0;
		options->memory_mb = strtoul(argument, &end, 10);
		if (end == argument || *end != 0 || errno != 0 || options->memory_mb == 0 ||
		    options->memory_mb > 1u << 20) {
			argp_error(state, "not a number of MiB: %s", argument);
		}
		return 0;
	case OPTION_NO_REV_ORDER:
		options->no_rev_order = true;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case ARGP_KEY_ARGS:
		options->files = state->argv + state->next;
		options->file_count = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static double now_seconds(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool is_late(void *context)
{
	return now_seconds() > *(const double *)context;
}

static int check(const struct options *options, struct lincheck *lincheck)
{
	double deadline = now_seconds() + options->timeout_seconds;
	const struct lincheck_bounds bounds = {
		.memory_max = options->memory_mb << 20,
		.stop = options->timeout_seconds > 0 ? is_late : NULL,
		.context = &deadline,
		.no_rev_order = options->no_rev_order,
	};
	enum lincheck_verdict verdict;
	struct lincheck_counts counts;

	if (lincheck_check(lincheck, &bounds, &verdict) != 0) {
		(void)fprintf(stderr, "coffer-lincheck: out of memory\n");
		return EXIT_UNKNOWN;
	}
	(void)fputs(lincheck_text(lincheck, options->quiet), stdout);
	if (!options->quiet) {
		lincheck_counts(lincheck, &counts);
		(void)printf("# %ju operations, %ju without an answer, on %ju keys\n",
		             (uintmax_t)counts.operations, (uintmax_t)counts.unknown,
		             (uintmax_t)counts.keys);
	}
	if (verdict == LINCHECK_TRUE) {
		return 0;
	}
	return verdict == LINCHECK_FALSE ? EXIT_FALSE : EXIT_UNKNOWN;
}

static int check_file(const struct options *options, const char *name)
{
	const bool is_stdin = strcmp(name, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(name, "r");
	struct lincheck *lincheck = NULL;
	char reason[256] = "out of memory";
	int result = EXIT_INPUT, r = -ENOMEM;

	if (file == NULL) {
		(void)fprintf(stderr, "coffer-lincheck: %s: %s\n", name, strerror(errno));
		return EXIT_INPUT;
	}
	if (options->file_count > 1 && !options->quiet) {
		(void)printf("# %s\n", name);
	}
	if (lincheck_new(&lincheck) == 0) {
		r = history_read(lincheck, file, reason);
	}
	if (r == 0) {
		result = check(options, lincheck);
	} else {
		(void)fprintf(stderr, "coffer-lincheck: %s: %s\n", name, reason);
	}
	if (result != 0 && options->quiet && options->file_count > 1) {
		(void)printf("# in %s\n", name);
	}
	lincheck_free(lincheck);
	if (!is_stdin) {
		(void)fclose(file);
	}
	return result;
}

/* The exit code that matters more: bad input, then false, then unknown. */
static int worse(int a, int b)
{
	static const int weight[] = {0, 2, 3, 1};

	return weight[a] >= weight[b] ? a : b;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "[FILE...]",
		.doc = "Checks each FILE (- or none: standard input), a history of what clients "
		       "did and were told, for linearizability.\vExit code: 0 all are; 1 one is "
		       "not; 2 bad input or usage; 3 a bound was reached.",
	};
	static char stdin_name[] = "-";
	static char *stdin_files[] = {stdin_name};
	static char no_rev_order[] = "--no-rev-order";
	struct options options = {.files = stdin_files, .file_count = 1};
	int result = 0;

	argp_err_exit_status = EXIT_INPUT;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-no-rev-order") == 0) {
			argv[i] = no_rev_order;
		}
	}
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0) {
		return EXIT_INPUT;
	}
	for (int i = 0; i < options.file_count && i < FILES_MAX; i++) {
		result = worse(result, check_file(&options, options.files[i]));
	}
	if (fflush(stdout) != 0) {
		(void)fprintf(stderr, "coffer-lincheck: the verdict could not be written\n");
		return EXIT_INPUT;
	}
	return result;
}
