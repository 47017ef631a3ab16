/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_session.h"

#include <stdio.h>
#include <string.h>

#include "control/bin/coffer_words.h"
#include "control/client/coffer_txn.h"

struct listing {
	struct cli *cli;
	uint64_t id; /* 0: all */
	bool was_found, is_bad;
};

static int print_session(void *context, const struct coffer_session_entry *entry)
{
	struct listing *listing = context;

	if (listing->id != 0 && listing->id != entry->id) {
		return 0;
	}
	listing->was_found = true;
	if (listing->cli->options.is_json) {
		listing->is_bad = !ctl_print_object(
			json_pack("{s:I, s:I, s:I, s:I}", "session", (json_int_t)entry->id,
		                  "ttl_ms", (json_int_t)entry->ttl_ms, "left_ms",
		                  (json_int_t)entry->left_ms, "owns", (json_int_t)entry->owned));
	} else {
		(void)printf("session %llu ttl %ums left %ums owns %u\n",
		             (unsigned long long)entry->id, entry->ttl_ms, entry->left_ms,
		             entry->owned);
	}
	return listing->id != 0 || listing->is_bad || ferror(stdout) != 0;
}

/* All, or the one. */
static int list(struct cli *cli, uint64_t id)
{
	struct listing listing = {.cli = cli, .id = id};
	struct ctl_printer printer;
	struct coffer_result result;
	int r = coffer_sessions(cli->coffer, print_session, &listing, &result);

	if (r == COFFER_DONE && id != 0 && !listing.was_found) {
		result = (struct coffer_result){.outcome = COFFER_REFUSED,
		                                .answer = COFFER_NOT_FOUND};
		r = COFFER_REFUSED;
	}
	if (r != COFFER_DONE) {
		ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, NULL);
		return cli_finish_as(cli, &printer, "session", r, &result);
	}
	return !listing.is_bad && fflush(stdout) == 0 ? CLI_DONE : cli_fail_output();
}

static int kill_session(struct cli *cli, uint64_t id)
{
	struct coffer_txn *txn = coffer_txn_new();
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	if (txn != NULL) {
		coffer_txn_kill(txn, id);
	}
	r = cli_run_txn(cli, txn, &result);
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, NULL);
	return cli_finish_as(cli, &printer, "session", r, &result);
}

int cli_session(struct cli *cli)
{
	const char *what = cli->options.arguments[0];
	const bool is_list = strcmp(what, "list") == 0;
	const bool is_kill = strcmp(what, "kill") == 0;
	int64_t id = 0;

	if (!is_list && !is_kill && strcmp(what, "show") != 0) {
		return cli_fail_usage("session", "list, show ID or kill ID");
	}
	if (is_list != (cli->options.argument_count == 1) ||
	    (!is_list && !cli_parse_number(cli->options.arguments[1], 1, &id))) {
		return cli_fail_usage("session", "list, show ID or kill ID");
	}
	return is_kill ? kill_session(cli, (uint64_t)id) : list(cli, (uint64_t)id);
}
