/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_locks.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/bin/coffer_gets.h"
#include "control/bin/coffer_words.h"
#include "store/claim.h"

enum {
	GLOB_SIZE = 2 * COFFER_PATH_SIZE_MAX
};

/* --- sessions --------------------------------------------------------------------------------- */

/* How long each session lives if it is not heard of again, by id. */
struct lives {
	struct coffer_session_entry *entries; /* owned */
	size_t count, room;
};

static int add_session(void *context, const struct coffer_session_entry *entry)
{
	struct lives *lives = context;
	const size_t room = lives->room != 0 ? 2 * lives->room : 64;
	struct coffer_session_entry *entries = lives->entries;

	if (lives->count == lives->room) {
		entries = realloc(entries, room * sizeof(*entries));
		if (entries == NULL) {
			return -1; /* fewer are told */
		}
		lives->entries = entries;
		lives->room = room;
	}
	entries[lives->count++] = *entry;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t first = ((const struct coffer_session_entry *)a)->id;
	const uint64_t second = ((const struct coffer_session_entry *)b)->id;

	return first < second ? -1 : first > second;
}

/* NULL: it is not known. */
static const struct coffer_session_entry *find_session(const struct lives *lives, uint64_t id)
{
	const struct coffer_session_entry key = {.id = id};

	return lives->count == 0
	               ? NULL
	               : bsearch(&key, lives->entries, lives->count, sizeof(key), compare_ids);
}

/* --- one lock, as JSON ------------------------------------------------------------------------ */

struct view {
	struct cli *cli;
	const struct lives *lives;
	json_t *lock; /* that is put together; owned; NULL: none */
};

static const char *limit_text(uint32_t limit)
{
	return limit == 0 ? "shared" : limit == 1 ? "exclusive" : "permits";
}

static json_t *claim_object(const struct view *view, const struct store_claim *claim,
                            const char *what, store_rev_t number)
{
	const struct coffer_session_entry *session = find_session(view->lives, claim->session);
	json_t *object =
		json_pack("{s:I, s:I, s:s, s:I, s:I, s:I}", "session", (json_int_t)claim->session,
	                  what, (json_int_t)number, "kind", limit_text(claim->limit), "count",
	                  (json_int_t)claim->count, "delay_ms", (json_int_t)claim->delay_ms,
	                  "ttl_ms", (json_int_t)claim->ttl_ms);

	if (object != NULL && claim->limit > 1) {
		(void)json_object_set_new(object, "permits", json_integer(claim->limit));
	}
	if (object != NULL && session != NULL) {
		(void)json_object_set_new(object, "left_ms", json_integer(session->left_ms));
	}
	if (object != NULL && claim->until_ns != 0) {
		(void)json_object_set_new(object, "rests", json_true());
	}
	if (object != NULL && !ctl_add_value(object, claim->data.data, claim->data.size)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

/* PPP-TICKET at the end of a waiter's path. */
static int priority_of(const char *path)
{
	return 255 - atoi(strrchr(path, '/') + 1);
}

/* Adds what a file says to the lock. False: it is nonsense, or there is no memory. */
static bool add_file(const struct view *view, const char *path, const struct coffer_result *file)
{
	const struct slice value = slice_make(file->value, file->value_size);
	json_t *lock = view->lock;
	enum store_claim_kind kind;
	struct store_claim claim;
	store_rev_t number;
	struct slice name;
	json_t *object;

	if (!store_claim_path_read(slice_text(path), &name, &kind, &number)) {
		return false;
	}
	if (kind == STORE_CLAIM_BROKEN) {
		object = json_pack("{s:I}", "revision", (json_int_t)file->revision);
		return object != NULL && ctl_add_value(object, value.data, value.size) &&
		       json_object_set_new(lock, "broken", object) == 0;
	}
	if (kind == STORE_CLAIM_PASSING) {
		return json_object_set_new(lock, "passing", json_true()) == 0;
	}
	if (!store_claim_read(value, &claim)) {
		return false;
	}
	object =
		claim_object(view, &claim, kind == STORE_CLAIM_HOLDER ? "token" : "ticket", number);
	if (object != NULL && kind == STORE_CLAIM_WAITER) {
		(void)json_object_set_new(object, "priority", json_integer(priority_of(path)));
	}
	return json_array_append_new(
		       json_object_get(lock, kind == STORE_CLAIM_HOLDER ? "holders" : "waiters"),
		       object) == 0;
}

/* --- printing --------------------------------------------------------------------------------- */

static json_int_t number_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static void print_value(const char *what, const json_t *object)
{
	const json_t *value = json_object_get(object, "value");
	const json_t *bytes = json_object_get(object, "value_base64");

	if (value != NULL && json_string_length(value) != 0) {
		(void)printf(" %s ", what);
		ctl_print_word(json_string_value(value), json_string_length(value));
	} else if (bytes != NULL) {
		(void)printf(" %s_base64 %s", what, json_string_value(bytes));
	}
}

static void print_claim(const char *what, const char *number, const json_t *claim)
{
	(void)printf("  %s session %lld %s %lld %s", what, (long long)number_of(claim, "session"),
	             number, (long long)number_of(claim, number),
	             json_string_value(json_object_get(claim, "kind")));
	if (number_of(claim, "permits") != 0) {
		(void)printf(" %lld", (long long)number_of(claim, "permits"));
	}
	if (number_of(claim, "priority") != 0) {
		(void)printf(" priority %lld", (long long)number_of(claim, "priority"));
	}
	if (number_of(claim, "count") > 1) {
		(void)printf(" count %lld", (long long)number_of(claim, "count"));
	}
	if (number_of(claim, "delay_ms") != 0) {
		(void)printf(" delay %lldms", (long long)number_of(claim, "delay_ms"));
	}
	(void)printf(" ttl %lldms", (long long)number_of(claim, "ttl_ms"));
	if (json_object_get(claim, "left_ms") != NULL) {
		(void)printf(" left %lldms", (long long)number_of(claim, "left_ms"));
	}
	print_value("data", claim);
	(void)putchar('\n');
}

static void print_text(const json_t *lock)
{
	const json_t *name = json_object_get(lock, "lock");
	const json_t *broken = json_object_get(lock, "broken");
	const json_t *claim;
	size_t i;

	ctl_print_word(json_string_value(name), json_string_length(name));
	(void)putchar('\n');
	json_array_foreach(json_object_get(lock, "holders"), i, claim)
	{
		print_claim(json_is_true(json_object_get(claim, "rests")) ? "rests" : "holder",
		            "token", claim);
	}
	json_array_foreach(json_object_get(lock, "waiters"), i, claim)
	{
		print_claim("waiter", "ticket", claim);
	}
	if (broken != NULL) {
		(void)printf("  broken revision %lld", (long long)number_of(broken, "revision"));
		print_value("record", broken);
		(void)putchar('\n');
	}
}

/* Prints the lock that is put together. Takes it. */
static bool end_lock(struct view *view)
{
	json_t *lock = view->lock;

	view->lock = NULL;
	if (lock == NULL) {
		return true;
	}
	if (view->cli->options.is_json) {
		return ctl_print_object(lock);
	}
	print_text(lock);
	json_decref(lock);
	return ferror(stdout) == 0;
}

/* --- the verb --------------------------------------------------------------------------------- */

/* One file, after those before it. */
static int show_file(void *context, const char *path, const struct coffer_result *file)
{
	struct view *view = context;
	enum store_claim_kind kind;
	store_rev_t number;
	struct slice name = {0};
	const json_t *former;

	(void)store_claim_path_read(slice_text(path), &name, &kind, &number);
	former = json_object_get(view->lock, "lock");
	if (former == NULL ||
	    !slice_equal(slice_make(json_string_value(former), json_string_length(former)), name)) {
		if (!end_lock(view)) {
			return cli_fail_output();
		}
		view->lock = json_pack("{s:s%, s:[], s:[]}", "lock", name.data, (int)name.size,
		                       "holders", "waiters");
	}
	return view->lock != NULL && add_file(view, path, file) ? CLI_DONE
	                                                        : cli_conclude_error(-EBADMSG);
}

static int show_all(struct cli *cli, const struct cli_paths *paths, const struct lives *lives,
                    const struct coffer_request *request)
{
	struct view view = {.cli = cli, .lives = lives};
	const int code = cli_gets(cli, request, paths, show_file, &view);

	if (code != CLI_DONE) {
		json_decref(view.lock);
		return code;
	}
	return end_lock(&view) && fflush(stdout) == 0 ? CLI_DONE : cli_fail_output();
}

static int show(struct cli *cli)
{
	const struct cli_options *options = &cli->options;
	const char *names = options->argument_count != 0 ? options->arguments[0] : "/**";
	char glob[GLOB_SIZE];
	struct coffer_request request = {
		.verb = COFFER_FIND,
		.flags = options->is_stale ? COFFER_STALE : 0,
		.path = glob,
		.rev = options->rev,
		.timeout_ms = options->timeout_ms,
	};
	struct cli_paths paths = {0};
	struct lives lives = {0};
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	/* No name of a lock begins with a dot; their files do. What is cut is too long. */
	(void)snprintf(glob, sizeof(glob), "/ctl/lock%s%s/.**", names[0] != '/' ? "/" : "", names);
	r = cli_paths_find(cli, &request, &paths, &result);
	/* Only the leader knows how long; without it, and of the past, that is not told. */
	if (r == COFFER_DONE && paths.count != 0 && options->rev == 0 && !options->is_stale) {
		(void)coffer_sessions(cli->coffer, add_session, &lives, NULL);
	}
	ctl_printer_init(&printer, options->is_json, COFFER_FIND, names);
	r = r == COFFER_DONE ? show_all(cli, &paths, &lives, &request)
	                     : cli_finish(cli, &printer, r, &result);
	cli_paths_free(&paths);
	free(lives.entries);
	return r;
}

/* --- breaking --------------------------------------------------------------------------------- */

/* When, who, why: for people who look later. */
static void make_record(const char *reason, char record[COFFER_LOCK_DATA_SIZE_MAX + 1])
{
	const struct passwd *user = getpwuid(geteuid());
	const time_t now = time(NULL);
	char host[HOST_NAME_MAX + 1] = "", when[32] = "";
	struct tm utc;

	(void)gethostname(host, sizeof(host) - 1); /* without it there is none */
	if (gmtime_r(&now, &utc) != NULL) {
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
	}
	(void)snprintf(record, COFFER_LOCK_DATA_SIZE_MAX + 1, "%s %s@%s: %s", when,
	               user != NULL ? user->pw_name : "?", host, reason);
}

int cli_print_ended(const struct cli *cli, const char *name, const struct coffer_result *result)
{
	if (!cli->options.is_json) {
		(void)printf("%lld\n", (long long)result->number);
	} else if (!ctl_print_object(json_pack("{s:s?, s:I, s:I}", "lock", name, "token",
	                                       (json_int_t)result->number, "revision",
	                                       (json_int_t)result->revision))) {
		return cli_fail_output();
	}
	return fflush(stdout) == 0 ? CLI_DONE : cli_fail_output();
}

int cli_break(struct cli *cli, const char *name, uint64_t heir)
{
	const struct cli_lock_options *lock = &cli->options.lock;
	char record[COFFER_LOCK_DATA_SIZE_MAX + 1];
	struct ctl_printer printer;
	struct coffer_result result;
	struct coffer_txn *txn;
	int r;

	make_record(lock->reason, record);
	txn = coffer_txn_new();
	if (txn != NULL) {
		coffer_txn_break(txn, name, lock->token != 0 ? lock->token : COFFER_ANY, heir,
		                 record, strlen(record));
	}
	r = cli_run_txn(cli, txn, &result);
	if (r == COFFER_DONE) {
		return cli_print_ended(cli, name, &result);
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, name);
	return cli_finish(cli, &printer, r, &result);
}

static int break_lock(struct cli *cli)
{
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];

	if (cli->options.argument_count == 0 || cli->options.lock.reason == NULL) {
		return cli_fail_usage("locks --break", "name the lock, and give a --reason");
	}
	if (!cli_lock_name(cli->options.arguments[0], name)) {
		return cli_fail_usage("locks --break", "the name is too long");
	}
	return cli_break(cli, name, 0);
}

int cli_locks(struct cli *cli)
{
	const struct cli_lock_options *lock = &cli->options.lock;

	if (!lock->breaks && (lock->given & CLI_LOCK_RECORD) != 0) {
		return cli_fail_usage("locks", "--token and --reason are for --break");
	}
	return lock->breaks ? break_lock(cli) : show(cli);
}
