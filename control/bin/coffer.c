/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coffer.c - Coffer on the command line
 *
 * One verb, one exit code (deploy/man/coffer.1); or a shell. Everything goes through libcoffer.
 */
#include <unistd.h>

#include "control/bin/coffer_cli.h"
#include "control/bin/coffer_open.h"
#include "control/bin/coffer_session_file.h"
#include "control/bin/coffer_shell.h"
#include "control/bin/coffer_verbs.h"
#include "control/client/coffer.h"

int main(int argc, char **argv)
{
	const struct cli_verb *verb = NULL;
	struct cli cli = {.session_fd = -1};
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
	r = cli_open(&cli);
	if (r == CLI_DONE) {
		r = is_shell ? cli_shell(&cli) : verb->run(&cli);
		coffer_close(cli.coffer);
	}
	if (cli.session_fd >= 0 && !cli.session_stays) {
		cli_session_file_remove(cli.session_fd, cli.options.lock.session);
	}
	return r;
}
