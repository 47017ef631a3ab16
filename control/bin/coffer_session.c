/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_session.h"

#include <stdio.h>
#include <string.h>

#include "control/bin/coffer_words.h"
#include "control/client/coffer_txn.h"
#include "store/claim.h"

struct listing {
	struct cli *cli;
	json_t *files; /* what goes with it; owned; NULL: as text */
	bool is_bad;
};

static json_t *session_object(const struct coffer_session_entry *entry)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "session", (json_int_t)entry->id, "ttl_ms",
	                 (json_int_t)entry->ttl_ms, "left_ms", (json_int_t)entry->left_ms, "owns",
	                 (json_int_t)entry->owned);
}

static void print_text(const struct coffer_session_entry *entry)
{
	(void)printf("session %llu ttl %ums left %ums owns %u\n", (unsigned long long)entry->id,
	             entry->ttl_ms, entry->left_ms, entry->owned);
}

static int print_session(void *context, const struct coffer_session_entry *entry)
{
	struct listing *listing = context;

	if (listing->cli->options.is_json) {
		listing->is_bad = !ctl_print_object(session_object(entry));
	} else {
		print_text(entry);
	}
	return listing->is_bad || ferror(stdout) != 0;
}

/* How a verb ends, above all where it failed. */
static int end(struct cli *cli, int r, const struct coffer_result *result)
{
	struct ctl_printer printer;

	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, NULL);
	return cli_finish_as(cli, &printer, "session", r, result);
}

static int list(struct cli *cli)
{
	struct listing listing = {.cli = cli};
	struct coffer_result result;
	const int r = coffer_sessions(cli->coffer, print_session, &listing, &result);

	if (r != COFFER_DONE) {
		return end(cli, r, &result);
	}
	return !listing.is_bad && fflush(stdout) == 0 ? CLI_DONE : cli_fail_output();
}

/* --- one, with what goes with it -------------------------------------------------------------- */

/* What a path is: a lock that is held or waited for, or a file. */
static int print_owned(void *context, const struct coffer_entry *entry)
{
	static const char *const words[] = {"holder", "token", "waiter", "ticket"};
	struct listing *listing = context;
	const struct slice path = slice_make(entry->name, entry->name_size);
	enum store_claim_kind kind;
	struct slice name = path;
	store_rev_t number;
	const bool is_claim =
		store_claim_path_read(path, &name, &kind, &number) && kind != STORE_CLAIM_BROKEN;
	const unsigned word = is_claim && kind == STORE_CLAIM_WAITER ? 2 : 0;

	if (listing->files != NULL) {
		json_t *object = json_pack("{s:s%, s:I}", is_claim ? "lock" : "path", name.data,
		                           name.size, is_claim ? words[word + 1] : "revision",
		                           (json_int_t)(is_claim ? number : entry->revision));

		listing->is_bad = json_array_append_new(listing->files, object) != 0;
		return listing->is_bad;
	}
	(void)printf("  %s ", is_claim ? words[word] : "file");
	ctl_print_word(name.data, name.size);
	(void)printf(" %s %lld\n", is_claim ? words[word + 1] : "revision",
	             (long long)(is_claim ? number : entry->revision));
	return ferror(stdout) != 0;
}

static int show(struct cli *cli, uint64_t id)
{
	const struct coffer_request next = {.verb = COFFER_SESSIONS,
	                                    .rev = (int64_t)id - 1,
	                                    .limit = 1,
	                                    .timeout_ms = cli->options.timeout_ms};
	const struct coffer_request owned = {
		.verb = COFFER_OWNED, .rev = (int64_t)id, .timeout_ms = cli->options.timeout_ms};
	struct listing listing = {.cli = cli};
	struct coffer_session_entry entry = {0};
	struct coffer_result result;
	json_t *object = NULL;
	size_t position = 0;
	int r = coffer_call(cli->coffer, &next, &result);

	if (r == COFFER_DONE &&
	    (coffer_session_next(&result, &position, &entry) != 1 || entry.id != id)) {
		result = (struct coffer_result){.outcome = COFFER_REFUSED,
		                                .answer = COFFER_NOT_FOUND};
		r = COFFER_REFUSED;
	}
	if (r == COFFER_DONE && cli->options.is_json) {
		object = session_object(&entry);
		listing.files = json_array();
	} else if (r == COFFER_DONE) {
		print_text(&entry);
	}
	if (r == COFFER_DONE) {
		r = coffer_each(cli->coffer, &owned, print_owned, &listing, NULL, &result);
	}
	if (r != COFFER_DONE) {
		json_decref(listing.files);
		json_decref(object);
		return end(cli, r, &result);
	}
	if (object != NULL) {
		listing.is_bad =
			json_object_set_new(object, "files", listing.files) != 0 || listing.is_bad;
		listing.is_bad = !ctl_print_object(object) || listing.is_bad;
	}
	return !listing.is_bad && fflush(stdout) == 0 ? CLI_DONE : cli_fail_output();
}

/* --- the verb --------------------------------------------------------------------------------- */

static int kill_session(struct cli *cli, uint64_t id)
{
	struct coffer_txn *txn = coffer_txn_new();
	struct coffer_result result;
	int r;

	if (txn != NULL) {
		coffer_txn_kill(txn, id);
	}
	r = cli_run_txn(cli, txn, &result);
	return end(cli, r, &result);
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
	return is_list   ? list(cli)
	       : is_kill ? kill_session(cli, (uint64_t)id)
	                 : show(cli, (uint64_t)id);
}
