/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer.c - Coffer on the command line
 *
 * One verb, one exit code (deploy/man/coffer.1); or a shell. Everything goes through libcoffer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/bin/coffer_cli.h"
#include "control/bin/coffer_shell.h"
#include "control/bin/coffer_verbs.h"
#include "control/client/coffer.h"
#include "control/client/secret_file.h"

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

/* Returns CLI_DONE, or CLI_USAGE when it was said what is wrong. */
static int open_handle(struct cli *cli)
{
	struct coffer_options options;
	char secret[CTL_SECRET_SIZE_MAX];
	int r;

	coffer_options_default(&options);
	if (cli->options.secret != NULL) {
		r = ctl_secret_file(secret, cli->options.secret);
		if (r < 0) {
			(void)fprintf(stderr, "coffer: --secret %s: %s\n", cli->options.secret,
			              strerror(-r));
			return CLI_USAGE;
		}
		options.secret = secret;
	}
	r = coffer_open(&cli->coffer, cli->options.servers, &options);
	return r < 0 ? fail_open(&cli->options, r) : CLI_DONE;
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
	r = open_handle(&cli);
	if (r != CLI_DONE) {
		return r;
	}
	r = is_shell ? cli_shell(&cli) : verb->run(&cli);
	coffer_close(cli.coffer);
	return r;
}
