/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/bin/coffer_hold.h"
#include "control/bin/coffer_words.h"
#include "control/client/coffer_txn.h"

enum {
	TOUCHES_MAX = 100 /* until nobody writes in between */
};

/* --- the value ---------------------------------------------------------------------------- */

struct value {
	/* One byte more than is allowed, so that too much is seen. */
	uint8_t bytes[COFFER_VALUE_SIZE_MAX + 1];
	const void *data;
	size_t size;
};

/* text  NULL: none was given. Returns an exit code; what is not CLI_DONE was said. */
static int get_value(const char *text, struct value *value)
{
	const char *name = "standard input";
	int fd = STDIN_FILENO;
	int r = 0;

	value->data = value->bytes;
	value->size = 0;
	if (text == NULL || strcmp(text, "-") == 0) {
		r = cli_read_all(fd, value->bytes, sizeof(value->bytes), &value->size);
	} else if (text[0] == '@') {
		name = text + 1;
		fd = open(name, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno
		           : cli_read_all(fd, value->bytes, sizeof(value->bytes), &value->size);
		if (fd >= 0) {
			(void)close(fd); /* was only read */
		}
	} else {
		value->data = text;
		value->size = strlen(text);
	}
	if (r < 0) {
		(void)fprintf(stderr, "coffer: %s: %s\n", name, strerror(-r));
		return CLI_USAGE;
	}
	if (value->size > COFFER_VALUE_SIZE_MAX) {
		(void)fprintf(stderr, "coffer: the value is larger than %d bytes\n",
		              COFFER_VALUE_SIZE_MAX);
		return CLI_REFUSED;
	}
	return CLI_DONE;
}

/* --- the request -------------------------------------------------------------------------- */

static unsigned set_flags(const struct cli_options *options)
{
	return ((options->given & CLI_TAKES_SEQUENCE) != 0 ? COFFER_SEQUENCE : 0) |
	       ((options->given & CLI_TAKES_EPHEMERAL) != 0 ? COFFER_EPHEMERAL : 0);
}

/* Only a transaction can say it: a lock's token, how a file is made, a sum. */
static bool needs_txn(const struct cli_options *options, const struct coffer_request *request)
{
	return (options->lock.given & CLI_LOCK_FENCE) != 0 || set_flags(options) != 0 ||
	       request->verb == COFFER_TXN;
}

/* As coffer_call(). */
static int call_txn(struct cli *cli, const struct coffer_request *request,
                    struct coffer_result *result)
{
	const struct cli_options *options = &cli->options;
	const int64_t if_rev = request->condition == COFFER_ALWAYS ? COFFER_ANY : request->rev;
	struct coffer_txn *txn = coffer_txn_new();
	int r;

	if (txn == NULL) {
		return -ENOMEM;
	}
	if ((options->lock.given & CLI_LOCK_FENCE) != 0) {
		coffer_txn_if_token(txn, options->lock.fence, options->lock.fence_token);
	}
	if (request->verb == COFFER_SET) {
		coffer_txn_set(txn, request->path, request->value, request->value_size, if_rev,
		               set_flags(options));
	} else if (request->verb == COFFER_DELETE) {
		coffer_txn_delete(txn, request->path, if_rev);
	} else {
		coffer_txn_add(txn, request->path, request->rev);
	}
	r = cli_run_txn(cli, txn, result);
	if (r == -E2BIG) { /* what a plain write is refused with */
		*result = (struct coffer_result){.outcome = COFFER_REFUSED,
		                                 .answer = COFFER_TOO_LARGE};
		r = COFFER_REFUSED;
	}
	return r;
}

/* A file that was made goes with this process. Where there is a command, nothing is printed. */
static int keep(struct cli *cli, struct ctl_printer *printer, const struct coffer_result *result)
{
	if (cli->options.command == NULL) {
		const int code = cli_finish(cli, printer, COFFER_DONE, result);

		if (code != CLI_DONE) {
			return code;
		}
		if (fflush(stdout) != 0) {
			return cli_fail_output();
		}
	}
	return cli_hold_file(cli, printer->path, result->revision);
}

/* Asks, with what all requests have in common filled in, and ends the verb. */
static int ask(struct cli *cli, struct coffer_request *request)
{
	const struct cli_options *options = &cli->options;
	const struct cli_lock_options *lock = &options->lock;
	const bool is_sequence = (options->given & CLI_TAKES_SEQUENCE) != 0;
	const bool is_kept = (options->given & CLI_TAKES_EPHEMERAL) != 0 && !cli->in_shell;
	char path[COFFER_PATH_SIZE_MAX + 1], fence[COFFER_LOCK_NAME_SIZE_MAX + 32];
	struct ctl_printer printer;
	struct coffer_result result;
	int r;

	request->flags = options->is_stale ? COFFER_STALE : 0;
	request->path = options->argument_count != 0 ? options->arguments[0] : NULL;
	request->timeout_ms = options->timeout_ms;
	ctl_printer_init(&printer, options->is_json, request->verb, request->path);
	r = needs_txn(options, request) ? call_txn(cli, request, &result)
	                                : coffer_call(cli->coffer, request, &result);
	if (is_sequence && r == COFFER_DONE) {
		(void)snprintf(path, sizeof(path), "%s%016llx", request->path,
		               (unsigned long long)result.revision);
		printer.path = path;
		printer.is_sequence = true;
	}
	if (r == COFFER_REFUSED && result.answer == COFFER_NOT_HELD) {
		(void)snprintf(fence, sizeof(fence), "%s, token %lld", lock->fence,
		               (long long)lock->fence_token);
		return cli_finish_as(cli, &printer, fence, r, &result);
	}
	if (is_kept && r == COFFER_DONE) {
		return keep(cli, &printer, &result);
	}
	return cli_finish(cli, &printer, r, &result);
}

static int write_value(struct cli *cli, bool has_condition, int64_t if_rev)
{
	static struct value value;
	struct coffer_request request = {
		.verb = COFFER_SET,
		.condition = has_condition ? COFFER_IF_EQUAL : COFFER_ALWAYS,
		.rev = if_rev,
	};
	const char *text = cli->options.argument_count > 1 ? cli->options.arguments[1] : NULL;
	int r = CLI_DONE;

	if ((cli->options.given & CLI_TAKES_EPHEMERAL) != 0) {
		r = cli_hold_check(cli);
	}
	r = r != CLI_DONE ? r : get_value(text, &value);
	if (r != CLI_DONE) {
		return r;
	}
	request.value = value.data;
	request.value_size = value.size;
	return ask(cli, &request);
}

int cli_set(struct cli *cli)
{
	return write_value(cli, (cli->options.given & CLI_TAKES_IF_REV) != 0, cli->options.if_rev);
}

int cli_add(struct cli *cli)
{
	return write_value(cli, true, 0);
}

int cli_del(struct cli *cli)
{
	struct coffer_request request = {
		.verb = COFFER_DELETE,
		.condition = (cli->options.given & CLI_TAKES_IF_REV) != 0 ? COFFER_IF_EQUAL
	                                                                  : COFFER_ALWAYS,
		.rev = cli->options.if_rev,
	};

	return ask(cli, &request);
}

int cli_incr(struct cli *cli)
{
	const char *text = cli->options.argument_count > 1 ? cli->options.arguments[1] : "1";
	struct coffer_request request = {.verb = COFFER_TXN};

	if (!cli_parse_number(text, INT64_MIN, &request.rev)) {
		return cli_fail_usage(text, "must be a whole number");
	}
	return ask(cli, &request);
}

int cli_get(struct cli *cli)
{
	return ask(cli, &(struct coffer_request){.verb = COFFER_GET, .rev = cli->options.rev});
}

int cli_stat(struct cli *cli)
{
	return ask(cli, &(struct coffer_request){.verb = COFFER_STAT, .rev = cli->options.rev});
}

int cli_rev(struct cli *cli)
{
	return ask(cli, &(struct coffer_request){.verb = COFFER_REV});
}

int cli_nop(struct cli *cli)
{
	return ask(cli, &(struct coffer_request){.verb = COFFER_NOP});
}

int cli_self(struct cli *cli)
{
	return ask(cli, &(struct coffer_request){.verb = COFFER_SELF});
}

/* --- touch -------------------------------------------------------------------------------- */

/* Writes what stands, if it still does. Returns as coffer_call(). */
static int touch_once(struct cli *cli, struct coffer_result *result)
{
	static uint8_t value[COFFER_VALUE_SIZE_MAX];
	const struct coffer_request get = {.verb = COFFER_GET,
	                                   .path = cli->options.arguments[0],
	                                   .timeout_ms = cli->options.timeout_ms};
	struct coffer_request set = get;
	int r = coffer_call(cli->coffer, &get, result);

	set.verb = COFFER_SET;
	set.condition = COFFER_IF_EQUAL;
	if (r == COFFER_DONE && result->value_size <= sizeof(value)) {
		if (result->value_size != 0) {
			memcpy(value, result->value, result->value_size);
		}
		set.value = value;
		set.value_size = result->value_size;
		set.rev = result->revision;
	} else if (r != COFFER_REFUSED || result->answer != COFFER_NOT_FOUND) {
		return r == COFFER_DONE ? -EBADMSG : r;
	}
	return coffer_call(cli->coffer, &set, result);
}

int cli_touch(struct cli *cli)
{
	struct ctl_printer printer;
	struct coffer_result result = {0};
	int r;

	for (unsigned i = 0; i < TOUCHES_MAX; i++) {
		r = touch_once(cli, &result);
		if (r != COFFER_REFUSED || result.answer != COFFER_MISMATCH) {
			break;
		}
	}
	ctl_printer_init(&printer, cli->options.is_json, COFFER_SET, cli->options.arguments[0]);
	return cli_finish(cli, &printer, r, &result);
}
