/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_elect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/bin/coffer_follow.h"
#include "control/bin/coffer_gets.h"
#include "control/bin/coffer_hold.h"
#include "control/bin/coffer_locks.h"
#include "control/bin/coffer_words.h"
#include "control/client/coffer_lock.h"
#include "store/claim.h"

struct look {
	struct cli *cli;
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];
	int code; /* CLI_GO_ON, or what it ends with */
};

/* --- printing --------------------------------------------------------------------------------- */

/* How long it leads at least, if it is not heard of any more; 0: that is not known. */
static uint32_t valid_ms(const struct coffer_leader *leader)
{
	return leader->is_resting || leader->age_ms >= leader->ttl_ms
	               ? 0
	               : leader->ttl_ms - leader->age_ms;
}

static bool print_json(const char *name, const struct coffer_leader *leader)
{
	json_t *object = json_pack("{s:s?, s:I, s:b}", "election", name, "term",
	                           (json_int_t)leader->term, "old", (int)leader->is_old);

	if (object != NULL && leader->age_ms != UINT32_MAX) {
		(void)json_object_set_new(object, "age_ms", json_integer(leader->age_ms));
	}
	if (object != NULL && leader->term != 0) {
		const bool is_good =
			json_object_set_new(object, "rests", json_boolean(leader->is_resting)) ==
				0 &&
			json_object_set_new(object, "session",
		                            json_integer((json_int_t)leader->session)) == 0 &&
			json_object_set_new(object, "ttl_ms", json_integer(leader->ttl_ms)) == 0 &&
			json_object_set_new(object, "valid_ms", json_integer(valid_ms(leader))) ==
				0 &&
			ctl_add_value(object, leader->value, leader->value_size);

		if (!is_good) {
			json_decref(object);
			return false;
		}
	}
	return ctl_print_object(object);
}

static bool print_leader(const struct look *look, const struct coffer_leader *leader)
{
	if (look->cli->options.is_json) {
		return print_json(look->name, leader) && fflush(stdout) == 0;
	}
	if (leader->is_old) {
		(void)printf("old age %ums\n", leader->age_ms);
	} else if (leader->term == 0) {
		(void)printf("nobody\n");
	} else {
		(void)printf("%s %lld session %llu valid %ums value ",
		             leader->is_resting ? "rests" : "term", (long long)leader->term,
		             (unsigned long long)leader->session, valid_ms(leader));
		ctl_print_word(leader->value, leader->value_size);
		(void)putchar('\n');
	}
	return fflush(stdout) == 0;
}

/* --- looking ---------------------------------------------------------------------------------- */

static int refuse(const struct look *look, int r, enum coffer_answer answer)
{
	const struct coffer_result result = {
		.outcome = r < 0 ? COFFER_REFUSED : (enum coffer_outcome)r, .answer = answer};
	struct ctl_printer printer;

	ctl_printer_init(&printer, look->cli->options.is_json, COFFER_NOP, look->name);
	return cli_finish(look->cli, &printer, r, &result);
}

static void on_leader(void *context, const struct coffer_leader *leader)
{
	struct look *look = context;

	if (look->code != CLI_GO_ON) {
		return;
	}
	if (leader->answer != COFFER_OK) {
		look->code = refuse(look, COFFER_REFUSED, leader->answer);
	} else if (!print_leader(look, leader)) {
		look->code = cli_fail_output();
	}
}

static int observe(struct look *look)
{
	struct coffer *coffer = look->cli->coffer;
	struct coffer_observer *observer;
	const int r = coffer_observe(coffer, look->name, on_leader, look, &observer);

	if (r < 0) {
		return cli_conclude_error(r);
	}
	while (look->code == CLI_GO_ON) {
		if (cli_wait_ready(coffer, -1)) {
			(void)coffer_process(coffer);
		} else {
			look->code = CLI_INTERRUPT;
		}
	}
	coffer_unobserve(observer);
	return look->code;
}

static int show(const struct look *look)
{
	struct coffer_leader leader = {0};
	const int r = coffer_leader(look->cli->coffer, look->name, look->cli->options.timeout_ms,
	                            &leader);

	if (r != COFFER_DONE) {
		return refuse(look, r, leader.answer);
	}
	if (!print_leader(look, &leader)) {
		return cli_fail_output();
	}
	return leader.term != 0 && !leader.is_resting ? CLI_DONE : CLI_FALSE;
}

/* --- giving it away --------------------------------------------------------------------------- */

/* Who is there: whoever was meant by `to`, and the session that the handle goes on with. */
struct scene {
	const char *to;                /* NULL: nobody */
	int64_t number;                /* that `to` is, or -1 */
	uint64_t by_value, by_session; /* who waits; 0: none */
	uint64_t own;                  /* 0: none */
	bool own_holds, own_waits;
};

static int on_claim(void *context, const char *path, const struct coffer_result *file)
{
	struct scene *scene = context;
	enum store_claim_kind kind;
	struct store_claim claim;
	store_rev_t number;
	struct slice name;
	bool waits;

	if (!store_claim_path_read(slice_text(path), &name, &kind, &number) ||
	    kind == STORE_CLAIM_BROKEN ||
	    !store_claim_read(slice_make(file->value, file->value_size), &claim)) {
		return CLI_DONE;
	}
	waits = kind == STORE_CLAIM_WAITER;
	scene->own_waits = scene->own_waits || (waits && claim.session == scene->own);
	scene->own_holds = scene->own_holds || (!waits && claim.session == scene->own);
	if (waits && scene->to != NULL && scene->by_value == 0 &&
	    slice_equal(claim.data, slice_text(scene->to))) {
		scene->by_value = claim.session;
	}
	if (waits && claim.session == (uint64_t)scene->number) {
		scene->by_session = claim.session;
	}
	return CLI_DONE;
}

static int look_around(struct cli *cli, const char *name, struct scene *scene)
{
	char glob[COFFER_PATH_SIZE_MAX + 32];
	struct coffer_request request = {
		.verb = COFFER_FIND, .path = glob, .timeout_ms = cli->options.timeout_ms};
	struct cli_paths paths = {0};
	struct ctl_printer printer;
	struct coffer_result result;
	int r, code;

	(void)snprintf(glob, sizeof(glob), "/ctl/lock%s/.**", name);
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, name);
	r = cli_paths_find(cli, &request, &paths, &result);
	code = r == COFFER_DONE ? cli_gets(cli, &request, &paths, on_claim, scene)
	                        : cli_finish(cli, &printer, r, &result);
	cli_paths_free(&paths);
	return code;
}

/* As if the servers had refused it. */
static int refuse_before(struct cli *cli, const char *name, enum coffer_answer answer)
{
	const struct coffer_result result = {.outcome = COFFER_REFUSED, .answer = answer};
	struct ctl_printer printer;

	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, name);
	return cli_finish(cli, &printer, COFFER_REFUSED, &result);
}

/*
 * In the session of who leads, which ends with it: who led loses it in any case when another
 * process writes in it.
 */
static int give_in_session(struct cli *cli, const char *name, uint64_t heir)
{
	const struct coffer_request end = {.verb = COFFER_CLOSE,
	                                   .timeout_ms = cli->options.timeout_ms};
	struct coffer_txn *txn = coffer_txn_new();
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	if (txn != NULL && heir != 0) {
		coffer_txn_transfer(txn, name, heir);
	} else if (txn != NULL) {
		coffer_txn_unlock(txn, name, true);
	}
	r = cli_run_txn(cli, txn, &result);
	if (r == COFFER_DONE) {
		(void)coffer_call(cli->coffer, &end, NULL); /* else it ends by itself */
		return cli_print_ended(cli, name, &result);
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, name);
	return cli_finish(cli, &printer, r, &result);
}

static int give(struct cli *cli, const char *name)
{
	const struct cli_lock_options *lock = &cli->options.lock;
	struct scene scene = {.number = -1};
	uint64_t heir;
	int code;

	if ((lock->session != NULL) == (lock->reason != NULL) ||
	    (lock->session != NULL && (lock->token != 0 || cli->in_shell))) {
		return cli_fail_usage("elect --resign, --transfer",
		                      cli->in_shell ? "give a --reason"
		                                    : "give --session FILE of who leads, or a "
		                                      "--reason");
	}
	if (lock->transfers) {
		scene.to = cli->options.arguments[1];
		(void)cli_parse_number(scene.to, 1, &scene.number);
	}
	scene.own = lock->session != NULL ? coffer_session(cli->coffer, NULL) : 0;
	code = look_around(cli, name, &scene);
	if (code != CLI_DONE) {
		return code;
	}
	heir = scene.by_value != 0 ? scene.by_value : scene.by_session;
	if (lock->transfers && heir == 0) {
		return refuse_before(cli, scene.to, COFFER_NOT_FOUND);
	}
	if (lock->session != NULL && !scene.own_holds && (lock->transfers || !scene.own_waits)) {
		return refuse_before(cli, name, COFFER_NOT_HELD);
	}
	return lock->session != NULL ? give_in_session(cli, name, heir)
	                             : cli_break(cli, name, heir);
}

/* The token of what this was started under, if that is the lock of this name; 0: it is not. */
static int64_t token_around(const char *name)
{
	const char *lock = getenv("COFFER_LOCK"), *text = getenv("COFFER_TOKEN");
	int64_t token = 0;

	return lock != NULL && text != NULL && strcmp(lock, name) == 0 &&
	                       cli_parse_number(text, 1, &token)
	               ? token
	               : 0;
}

static int proclaim(struct cli *cli, const char *name)
{
	const char *value = cli->options.arguments[1];
	const int64_t given = cli->options.lock.token;
	const int64_t token = given != 0 ? given : token_around(name);
	struct ctl_printer printer;
	struct coffer_result result;
	struct coffer_txn *txn;
	int r;

	if (token == 0) {
		return cli_fail_usage("elect --proclaim",
		                      "give a --token, or use it in the command that leads");
	}
	txn = coffer_txn_new();
	if (txn != NULL) {
		coffer_txn_proclaim_under(txn, name, token, value, strlen(value));
	}
	r = cli_run_txn(cli, txn, &result);
	if (r == COFFER_DONE) {
		return cli_print_ended(cli, name, &result);
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, name);
	return cli_finish(cli, &printer, r, &result);
}

/* --- the verb --------------------------------------------------------------------------------- */

/* What is wrong with its use, or NULL. */
static const char *misuse(const struct cli_options *options)
{
	const struct cli_lock_options *lock = &options->lock;
	const int modes =
		lock->observes + lock->shows + lock->resigns + lock->transfers + lock->proclaims;
	const bool is_alone = modes != 0 && !lock->transfers && !lock->proclaims;
	const bool gives = (lock->given & CLI_LOCK_GIVE) != 0;

	if (modes > 1) {
		return "one of --observe, --show, --resign, --transfer, --proclaim";
	}
	if (is_alone != (options->argument_count == 1)) {
		return "NAME VALUE; NAME and --observe, --show or --resign; "
		       "NAME --transfer TO; NAME --proclaim VALUE";
	}
	if (modes != 0 &&
	    ((lock->given & (CLI_LOCK_HOLD | CLI_LOCK_KEEP)) != 0 || options->command != NULL)) {
		return "options of how to lead are for NAME VALUE";
	}
	if (!gives && (lock->given & CLI_LOCK_RECORD) != 0) {
		return "--token, --reason are for --resign, --transfer; --token for --proclaim";
	}
	if (lock->proclaims && (lock->reason != NULL || lock->session != NULL)) {
		return "--proclaim takes a --token alone";
	}
	return modes != 0 && !gives && (lock->given & CLI_LOCK_SESSION) != 0
	               ? "--session is for who leads"
	               : NULL;
}

int cli_elect(struct cli *cli)
{
	const struct cli_options *options = &cli->options;
	const struct cli_lock_options *lock = &options->lock;
	struct look look = {.cli = cli, .code = CLI_GO_ON};
	struct coffer_claim claim = lock->claim;
	const char *why = misuse(options);

	if (why != NULL) {
		return cli_fail_usage("elect", why);
	}
	if (!cli_lock_name(options->arguments[0], look.name)) {
		return cli_fail_usage("elect", "the name is too long");
	}
	if ((lock->given & CLI_LOCK_GIVE) != 0) {
		return lock->proclaims ? proclaim(cli, look.name) : give(cli, look.name);
	}
	if ((lock->given & CLI_LOCK_LOOK) != 0) {
		return lock->observes ? observe(&look) : show(&look);
	}
	claim.data = options->arguments[1];
	claim.data_size = strlen(options->arguments[1]);
	return cli_hold(cli, &claim);
}
