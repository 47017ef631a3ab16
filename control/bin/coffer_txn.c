/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_txn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/bin/coffer_txn_text.h"

/* --- reading ---------------------------------------------------------------------------------- */

/* Where a line may be longer than the buffer, it is too large a transaction anyhow. */
static int read_arguments(const struct cli *cli, struct txn_text *text, char *buffer)
{
	for (unsigned i = 0; i < cli->options.argument_count; i++) {
		const size_t size = strlen(cli->options.arguments[i]);

		if (size > TXN_TEXT_SIZE_MAX) {
			return -E2BIG;
		}
		memcpy(buffer, cli->options.arguments[i], size);
		if (!txn_text_line(text, buffer, size)) {
			return -EINVAL;
		}
	}
	return 0;
}

static int read_input(const struct cli *cli, struct txn_text *text, char *buffer)
{
	size_t size;
	const int r = cli_read_all(STDIN_FILENO, buffer, TXN_TEXT_SIZE_MAX + 1, &size);

	if (r < 0) {
		return r;
	}
	if (size > TXN_TEXT_SIZE_MAX) {
		return -E2BIG;
	}
	return (cli->options.input_is_json ? txn_text_json(text, buffer, size)
	                                   : txn_text_lines(text, buffer, size))
	               ? 0
	               : -EINVAL;
}

/* Returns an exit code; what is not CLI_DONE was said. */
static int read_txn(const struct cli *cli, struct txn_text *text)
{
	static char buffer[TXN_TEXT_SIZE_MAX + 1];
	const bool has_lines = cli->options.argument_count != 0;
	int r;

	if (has_lines && cli->options.input_is_json) {
		return cli_fail_usage("txn", "JSON comes by standard input");
	}
	r = has_lines ? read_arguments(cli, text, buffer) : read_input(cli, text, buffer);
	if (r == 0) {
		return CLI_DONE;
	}
	if (r == -E2BIG) {
		(void)fprintf(stderr, "coffer: txn: more than %d bytes of text\n",
		              TXN_TEXT_SIZE_MAX);
	} else {
		(void)fprintf(stderr, "coffer: txn: %s\n",
		              r == -EINVAL ? text->fault : strerror(-r));
	}
	return CLI_USAGE;
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool print_done(const struct cli *cli, const struct txn_text *text,
                       const struct coffer_result *result)
{
	const enum txn_list list = result->is_else ? TXN_ELSES : TXN_THENS;
	const char *branch = result->is_else ? "else" : "then";
	json_t *object;

	if (!cli->options.is_json) {
		(void)printf("%s first %lld last %lld", branch, (long long)result->first,
		             (long long)result->revision);
		if (txn_text_counts(text, list)) {
			(void)printf(" number %lld", (long long)result->number);
		}
		(void)printf(result->is_queued ? " queued\n" : "\n");
		return fflush(stdout) == 0;
	}
	object = json_pack("{s:s, s:I, s:I, s:b, s:s}", "branch", branch, "first",
	                   (json_int_t)result->first, "revision", (json_int_t)result->revision,
	                   "queued", result->is_queued, "durability",
	                   ctl_durability_text(result->durability));
	if (object != NULL && txn_text_counts(text, list)) {
		(void)json_object_set_new(object, "number", json_integer(result->number));
	}
	return ctl_print_object(object) && fflush(stdout) == 0;
}

/* Says which line it was. */
static int finish_refused(const struct cli *cli, const struct txn_text *text,
                          const struct coffer_result *result)
{
	char place[TXN_FAULT_SIZE], name[TXN_FAULT_SIZE + 8];
	const bool is_file = txn_text_blame(text, result, place);
	struct ctl_printer printer;

	(void)snprintf(name, sizeof(name), "txn%s%s", place[0] != '\0' ? ": " : "", place);
	if (result->answer == COFFER_MISMATCH && !is_file) {
		(void)fprintf(stderr, "coffer: %s: %s\n", name, coffer_answer_text(result->answer));
		return CLI_FALSE;
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, NULL);
	printer.place = place;
	return cli_finish_as(cli, &printer, name, COFFER_REFUSED, result);
}

int cli_txn(struct cli *cli)
{
	static struct txn_text text;
	struct coffer_txn *txn = coffer_txn_new();
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	if (txn == NULL) {
		return cli_conclude_error(-ENOMEM);
	}
	txn_text_init(&text, txn);
	r = read_txn(cli, &text);
	if (r != CLI_DONE) {
		coffer_txn_free(txn);
		return r;
	}
	r = cli_run_txn(cli, txn, &result);
	if (r == -E2BIG) {
		(void)fprintf(stderr, "coffer: txn: larger than %d bytes\n", COFFER_TXN_SIZE_MAX);
		return CLI_REFUSED;
	}
	if (r == COFFER_REFUSED) {
		return finish_refused(cli, &text, &result);
	}
	if (r == COFFER_DONE) {
		return print_done(cli, &text, &result) ? CLI_DONE : cli_fail_output();
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, NULL);
	return cli_finish(cli, &printer, r, &result);
}
