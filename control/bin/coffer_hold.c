/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_hold.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/bin/coffer_child.h"
#include "control/bin/coffer_follow.h"
#include "control/bin/coffer_session_file.h"
#include "control/bin/coffer_words.h"
#include "control/client/coffer_lock.h"

enum {
	MARGINS = 4, /* in a time to live; keep-alives come each third of it */
	SIGNALLED = 128,
	FOR_EVER_MS = 0x7fffffff,
};

#define MS_NS UINT64_C(1000000)

struct hold {
	struct cli *cli;
	struct coffer_claim claim;
	char name[COFFER_PATH_SIZE_MAX + 1]; /* of the lock; or the file's path */
	uint32_t margin_ms;
	struct coffer_lock *lock; /* owned; NULL: it is a file */
	uint64_t session;         /* the file's */
	struct cli_child child;
	struct coffer_lock_news news; /* the last */
	bool is_kept;                 /* the session stands in its file */
	bool is_resumed;              /* it did so before; what it says may be old */
	bool is_begun;                /* the command was started, or the token printed */
	bool is_told;                 /* the command, that the lock ends */
	bool is_lost;
	uint64_t kill_ns; /* when the command is killed; 0: it is not */
};

static void on_lock(void *context, struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	struct hold *hold = context;

	(void)lock;
	hold->news = *news;
	/* What was not given back here, another process that goes on with the session did. */
	hold->is_lost = hold->is_lost || news->kind == COFFER_LOCK_LOST ||
	                news->kind == COFFER_LOCK_RELEASED;
}

/* Until when it is surely held; 0: it is not. */
static uint64_t sure_ns(const struct hold *hold)
{
	const struct coffer *coffer = hold->cli->coffer;

	if (hold->lock != NULL) {
		return coffer_lock_expires_ns(hold->lock);
	}
	return coffer_session(coffer, NULL) == hold->session ? coffer_valid_until_ns(coffer) : 0;
}

static bool is_sure(const struct hold *hold)
{
	return cli_now_ns() < sure_ns(hold);
}

/* A lock tells by itself what becomes of it; of a file's session this does. */
static void look_at_file(struct hold *hold)
{
	const uint64_t now_ns = cli_now_ns();

	if (hold->lock != NULL || hold->is_lost) {
		return;
	}
	hold->news.expires_ns = sure_ns(hold);
	hold->news.kind = COFFER_LOCK_HELD;
	if (now_ns >= hold->news.expires_ns) {
		hold->is_lost = true;
		hold->news.kind = COFFER_LOCK_LOST;
		hold->news.cause = coffer_session(hold->cli->coffer, NULL) == hold->session
		                           ? COFFER_CAUSE_EXPIRED
		                           : COFFER_CAUSE_ASKED;
	} else if (now_ns + hold->margin_ms * MS_NS >= hold->news.expires_ns) {
		hold->news.kind = COFFER_LOCK_WARNING;
	}
}

/* --- the command ------------------------------------------------------------------------------ */

static void make_variables(const struct hold *hold,
                           struct cli_variable variables[CLI_CHILD_VARIABLES])
{
	const long long numbers[] = {
		(long long)hold->news.token,
		(long long)coffer_session(hold->cli->coffer, NULL),
		(long long)sure_ns(hold),
		(long long)hold->child.pid,
	};
	const bool is_file = hold->lock == NULL;
	const char *const names[] = {is_file ? "COFFER_REVISION" : "COFFER_TOKEN", "COFFER_SESSION",
	                             "COFFER_EXPIRES_NS", "COFFER_PID"};

	variables[0].name = is_file ? "COFFER_PATH" : "COFFER_LOCK";
	(void)snprintf(variables[0].value, sizeof(variables[0].value), "%s", hold->name);
	for (unsigned i = 1; i < CLI_CHILD_VARIABLES; i++) {
		variables[i].name = numbers[i - 1] != 0 || i < 4 ? names[i - 1] : NULL;
		(void)snprintf(variables[i].value, sizeof(variables[i].value), "%lld",
		               numbers[i - 1]);
	}
}

static bool print_token(const struct hold *hold)
{
	if (!hold->cli->options.is_json) {
		(void)printf("%lld\n", (long long)hold->news.token);
		return fflush(stdout) == 0;
	}
	return ctl_print_object(json_pack("{s:s?, s:I, s:I, s:I}", "lock", hold->name, "token",
	                                  (json_int_t)hold->news.token, "session",
	                                  (json_int_t)coffer_session(hold->cli->coffer, NULL),
	                                  "expires_ns",
	                                  (json_int_t)coffer_lock_expires_ns(hold->lock))) &&
	       fflush(stdout) == 0;
}

/* The lock is held. */
static int begin(struct hold *hold)
{
	const struct cli_options *options = &hold->cli->options;
	struct cli_variable variables[CLI_CHILD_VARIABLES];
	int r;

	hold->is_begun = true;
	if (options->command == NULL) {
		/* A file's revision was printed already. */
		return hold->lock == NULL || print_token(hold) ? CLI_GO_ON : cli_fail_output();
	}
	make_variables(hold, variables);
	r = cli_child_start(&hold->child, options->command, variables,
	                    options->lock.on_lost == CLI_LOST_KILL ? 0 : hold->margin_ms);
	cli_child_sure(&hold->child, sure_ns(hold));
	return r < 0 ? cli_conclude_error(r) : CLI_GO_ON;
}

static void say_ends(const struct hold *hold)
{
	const char *why = "the servers are not reached in time";

	if (hold->is_lost && hold->news.cause == COFFER_CAUSE_REVOKED) {
		why = "it was broken, or the session killed";
	} else if (hold->is_lost && hold->news.cause == COFFER_CAUSE_EXPIRED) {
		why = "its time is over";
	} else if (hold->is_lost && hold->news.cause == COFFER_CAUSE_RELEASED) {
		why = "another process gave it back";
	} else if (hold->is_lost) {
		why = "it has ended";
	}
	(void)fprintf(stderr, "coffer: %s: the %s %s: %s\n", hold->name,
	              hold->lock != NULL ? "lock" : "session",
	              hold->is_lost ? "is lost" : "ends soon", why);
}

/* The lock is lost, or will be in a moment. */
static void tell(struct hold *hold)
{
	const struct cli_lock_options *options = &hold->cli->options.lock;
	struct cli_variable variables[CLI_CHILD_VARIABLES];

	hold->is_told = true;
	say_ends(hold);
	if (options->on_lost == CLI_LOST_TERM) {
		cli_child_tell(&hold->child, SIGTERM);
		hold->kill_ns = hold->is_lost ? cli_now_ns() + hold->margin_ms * MS_NS
		                              : hold->news.expires_ns;
	} else if (options->on_lost == CLI_LOST_KILL) {
		cli_child_tell(&hold->child, SIGKILL);
	} else {
		make_variables(hold, variables);
		cli_child_run(&hold->child, options->on_lost_command, variables);
	}
}

/* --- the turn --------------------------------------------------------------------------------- */

static int say_refused(const struct hold *hold)
{
	const bool is_silent = hold->news.answer == COFFER_NO_QUORUM;
	const struct coffer_result result = {
		.outcome = is_silent ? COFFER_UNREACHED : COFFER_REFUSED,
		.answer = hold->news.answer,
	};
	struct ctl_printer printer;

	ctl_printer_init(&printer, hold->cli->options.is_json, COFFER_NOP, hold->name);
	return cli_finish(hold->cli, &printer, (int)result.outcome, &result);
}

/* The command has ended; its exit code, if it had the lock until then. */
static int end_command(const struct hold *hold, int code)
{
	const bool was_stopped = hold->is_told && hold->cli->options.lock.on_lost != CLI_LOST_RUN;

	if (!hold->is_lost && !was_stopped && is_sure(hold)) {
		return code;
	}
	if (!hold->is_told) {
		(void)fprintf(stderr, "coffer: %s: the %s was lost before the command ended\n",
		              hold->name, hold->lock != NULL ? "lock" : "session");
	}
	return CLI_LOST;
}

/* A signal came that there is no command for. */
static int end_by_signal(const struct hold *hold, int number)
{
	return hold->is_begun ? CLI_DONE : SIGNALLED + number;
}

static void on_said(void *context, const struct coffer_result *result)
{
	(void)context;
	(void)result; /* refused: it is lost, which is told */
}

/* What the session said of itself before, another process had it say. */
static void say_value(const struct hold *hold)
{
	const struct coffer_claim *claim = &hold->claim;
	struct coffer_txn *txn = coffer_txn_new();
	const struct coffer_request request = {
		.verb = COFFER_TXN, .flags = COFFER_ORDERED, .txn = txn};

	if (txn != NULL) {
		coffer_txn_proclaim(txn, hold->name, claim->data, claim->data_size);
		(void)coffer_submit(hold->cli->coffer, &request, on_said, NULL, NULL);
	}
	coffer_txn_free(txn);
}

/* It waits, or holds: whoever may end that finds in a file what he needs. */
static int keep_session(struct hold *hold)
{
	const char *path = hold->cli->options.lock.session;
	int r;

	if (hold->is_resumed && hold->news.kind != 0) {
		hold->is_resumed = false;
		say_value(hold);
	}
	if (path == NULL || hold->is_kept || hold->is_lost || hold->news.kind == 0) {
		return CLI_GO_ON;
	}
	r = cli_session_file_write(hold->cli->session_fd, hold->cli->coffer);
	if (r < 0) {
		(void)fprintf(stderr, "coffer: --session %s: %s\n", path, strerror(-r));
		return CLI_USAGE;
	}
	hold->is_kept = true;
	return CLI_GO_ON;
}

/* What is to be done now. Returns an exit code, or CLI_GO_ON. */
static int act(struct hold *hold)
{
	const bool has_command = hold->child.pid != 0;
	int r;

	if (hold->news.kind == COFFER_LOCK_REFUSED) {
		return say_refused(hold);
	}
	r = keep_session(hold);
	if (r != CLI_GO_ON) {
		return r;
	}
	if (hold->is_lost && !has_command) {
		say_ends(hold);
		return CLI_LOST;
	}
	if (hold->news.kind == COFFER_LOCK_HELD && !hold->is_begun) {
		return begin(hold);
	}
	if (has_command && !hold->is_told &&
	    (hold->is_lost || hold->news.kind == COFFER_LOCK_WARNING)) {
		tell(hold);
	}
	if (hold->kill_ns != 0 && cli_now_ns() >= hold->kill_ns) {
		/* It may be sure for longer, after all. */
		hold->kill_ns = hold->is_lost ? 0 : sure_ns(hold);
		if (hold->kill_ns <= cli_now_ns()) {
			cli_child_tell(&hold->child, SIGKILL);
			hold->kill_ns = 0;
		}
	}
	return CLI_GO_ON;
}

/* For how long nothing is to be done, if nothing comes. -1: no limit. */
static int wait_ms(const struct hold *hold)
{
	const uint64_t now_ns = cli_now_ns();
	uint64_t due_ns = hold->kill_ns != 0 ? hold->kill_ns : UINT64_MAX;

	if (hold->lock == NULL && !hold->is_begun) {
		return 0; /* a file is held from the start */
	}
	if (hold->lock == NULL && !hold->is_lost) {
		const uint64_t margin_ns = hold->is_told ? 0 : hold->margin_ms * MS_NS;
		const uint64_t file_ns = sure_ns(hold) - margin_ns;

		due_ns = file_ns < due_ns ? file_ns : due_ns;
	}
	if (due_ns == UINT64_MAX) {
		return -1;
	}
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / MS_NS) + 1;
}

static int turn(struct hold *hold)
{
	struct coffer *coffer = hold->cli->coffer;
	int number = 0;
	int ended;
	int code = CLI_GO_ON;

	while (code == CLI_GO_ON) {
		struct pollfd ready[] = {{.fd = coffer_fd(coffer), .events = POLLIN},
		                         {.fd = hold->child.signal_fd, .events = POLLIN}};

		(void)poll(ready, 2, wait_ms(hold)); /* whatever it says, look */
		(void)coffer_process(coffer);
		look_at_file(hold);
		cli_child_sure(&hold->child, sure_ns(hold));
		ended = cli_child_turn(&hold->child, &number);
		if (ended >= 0) {
			code = end_command(hold, ended);
		} else if (number != 0) {
			code = end_by_signal(hold, number);
		} else {
			code = act(hold);
		}
	}
	return code;
}

/* Gives it back, waits for that, and tells if that was in vain. */
static void give_back(const struct hold *hold)
{
	const struct coffer_request end = {.verb = COFFER_CLOSE,
	                                   .timeout_ms = hold->cli->options.timeout_ms};
	const bool is_held = is_sure(hold);
	int r = COFFER_DONE;

	if (hold->lock == NULL && is_held) {
		r = coffer_call(hold->cli->coffer, &end, NULL);
	} else if (is_held) {
		r = coffer_unlock(hold->lock);
	} else {
		coffer_lock_free(hold->lock);
	}
	if (r != COFFER_DONE) {
		(void)fprintf(stderr,
		              "coffer: %s: no server took the %s back; it ends with its session\n",
		              hold->name, hold->lock != NULL ? "lock" : "file");
	}
}

/* --- the verbs -------------------------------------------------------------------------------- */

/* How long before the end the command is told; 0: --margin and --ttl do not fit. */
static uint32_t margin_ms(const struct cli *cli)
{
	const struct cli_lock_options *given = &cli->options.lock;
	struct coffer_options defaults;
	uint32_t ttl_ms, ms;

	coffer_options_default(&defaults);
	ttl_ms = given->ttl_ms != 0 ? given->ttl_ms : defaults.ttl_ms;
	ms = given->margin_ms != 0 ? given->margin_ms : ttl_ms / MARGINS;
	return ms <= ttl_ms / 2 ? ms : 0;
}

/* Says what is wrong with the use. */
static int check(const struct cli *cli, bool is_for_shell)
{
	if (cli->in_shell && !is_for_shell) {
		return cli_fail_usage(cli->options.verb,
		                      "not in the shell: its session is not that of "
		                      "one command");
	}
	return margin_ms(cli) != 0 ? CLI_DONE
	                           : cli_fail_usage("--margin", "must be at most half of --ttl");
}

/* Signals come by a descriptor from here on, until the end. */
static int run(struct hold *hold)
{
	const int code = turn(hold);

	give_back(hold);
	cli_child_unwatch(&hold->child);
	return code;
}

/* What is left of --wait. */
static uint32_t wait_left_ms(const struct cli *cli)
{
	const uint64_t gone_ms = (cli_now_ns() - cli->begun_ns) / MS_NS;
	const uint32_t wait_ms = cli->options.lock.wait_ms;

	return wait_ms == 0 ? 0 : gone_ms < wait_ms ? wait_ms - (uint32_t)gone_ms : 1;
}

/* Goes on with the session of the file, if there is one in it and it lives. */
static int resume(struct hold *hold)
{
	struct cli *cli = hold->cli;
	const uint64_t session = coffer_session(cli->coffer, NULL);
	const struct cli_lock_options *given = &cli->options.lock;
	const uint32_t wait_ms = wait_left_ms(cli);
	const struct coffer_request begin = {
		.verb = COFFER_NOP,
		.timeout_ms = wait_ms != 0 || given->claim.is_try ? wait_ms : FOR_EVER_MS};
	struct coffer_result result;
	struct ctl_printer printer;
	int r;

	if (given->session == NULL || session == 0) {
		return CLI_DONE;
	}
	r = coffer_call(cli->coffer, &begin, &result);
	if (r == COFFER_DONE) {
		const uint64_t now_ns = cli_now_ns();
		const uint64_t sure_ns = coffer_valid_until_ns(cli->coffer);
		const uint64_t left_ms = sure_ns > now_ns ? (sure_ns - now_ns) / MS_NS : 0;

		/* Its time to live is what it was. */
		if (hold->margin_ms > left_ms / 2) {
			hold->margin_ms = (uint32_t)(left_ms / MARGINS);
		}
		hold->is_kept = hold->is_resumed = true;
		cli->session_stays = false; /* when this command has ended */
		return CLI_DONE;
	}
	if (r == COFFER_REFUSED &&
	    (result.answer == COFFER_NO_SESSION || result.answer == COFFER_BAD_SECRET)) {
		(void)fprintf(stderr,
		              "coffer: --session %s: session %" PRIu64
		              " has ended; another one begins\n",
		              given->session, session);
		coffer_renew(cli->coffer);
		cli->session_stays = false;
		return CLI_DONE;
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_NOP, hold->name);
	return cli_finish(cli, &printer, r, &result);
}

int cli_hold(struct cli *cli, const struct coffer_claim *claim)
{
	struct hold hold = {.cli = cli, .claim = *claim, .margin_ms = margin_ms(cli)};
	struct coffer_lock_options options = {.claim = *claim};
	int r = check(cli, false);

	if (r != CLI_DONE) {
		return r;
	}
	if (!cli_lock_name(cli->options.arguments[0], hold.name)) {
		return cli_fail_usage(cli->options.verb, "the name is too long");
	}
	r = resume(&hold);
	if (r != CLI_DONE) {
		return r;
	}
	r = cli_child_watch(&hold.child);
	if (r < 0) {
		return cli_conclude_error(r);
	}
	hold.child.kept_fd = cli->session_fd;
	options.wait_ms = wait_left_ms(cli);
	options.margin_ms = hold.margin_ms;
	r = coffer_lock(cli->coffer, hold.name, &options, on_lock, &hold, &hold.lock);
	if (r < 0) {
		cli_child_unwatch(&hold.child);
		return cli_conclude_error(r);
	}
	return run(&hold);
}

int cli_lock(struct cli *cli)
{
	const struct coffer_claim *claim = &cli->options.lock.claim;

	if (claim->is_shared && claim->permits != 0) {
		return cli_fail_usage("lock", "--shared or --permits, not both");
	}
	return cli_hold(cli, claim);
}

int cli_hold_check(const struct cli *cli)
{
	const bool is_plain =
		cli->options.command == NULL && (cli->options.lock.given & CLI_LOCK_KEEP) == 0;

	return check(cli, is_plain);
}

int cli_hold_file(struct cli *cli, const char *path, int64_t revision)
{
	struct hold hold = {.cli = cli,
	                    .margin_ms = margin_ms(cli),
	                    .session = coffer_session(cli->coffer, NULL),
	                    .news = {.kind = COFFER_LOCK_HELD, .token = revision}};
	const int r = cli_child_watch(&hold.child);

	if (r < 0) {
		return cli_conclude_error(r);
	}
	(void)snprintf(hold.name, sizeof(hold.name), "%s", path);
	return run(&hold);
}
