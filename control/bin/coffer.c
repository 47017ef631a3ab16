/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer.c - Coffer on the command line
 *
 * One verb, one exit code (deploy/man/coffer.1); or a shell. Everything goes through libcoffer.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "control/bin/coffer_cli.h"
#include "control/bin/coffer_shell.h"
#include "control/bin/coffer_verbs.h"
#include "control/client/coffer.h"

static int fail_open(const struct cli_options *options, int error)
{
	if (error == -EDESTADDRREQ) {
		(void)fprintf(stderr, "coffer: no servers are named; set COFFER_SERVERS or give "
		                      "--servers HOST[:PORT],...\n");
	} else {
		(void)fprintf(stderr, "coffer: servers %s: %s\n", cli_servers(options),
		              error == -EINVAL ? "must be HOST[:PORT],HOST[:PORT],..."
		                               : coffer_error_text(error));
	}
	return CLI_USAGE;
}

int main(int argc, char **argv)
{
	const struct cli_verb *verb = NULL;
	struct cli cli = {0};
	bool is_shell;
	int r;

	if (cli_options_parse(&cli.options, argc, argv, false) != CLI_DONE) {
		return CLI_USAGE;
	}
	is_shell = cli.options.verb == NULL && isatty(STDIN_FILENO) != 0;
	if (!is_shell) {
		verb = cli_verb_find(&cli.options);
		if (verb == NULL) {
			return CLI_USAGE;
		}
	}
	r = coffer_open(&cli.coffer, cli.options.servers, NULL);
	if (r < 0) {
		return fail_open(&cli.options, r);
	}
	r = is_shell ? cli_shell(&cli) : verb->run(&cli);
	coffer_close(cli.coffer);
	return r;
}
