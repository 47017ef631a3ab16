/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_cli.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "control/client/coffer_txn.h"

static void say_unreached(const struct cli *cli, const struct coffer_result *result)
{
	if (result->heard) {
		(void)fprintf(stderr,
		              "coffer: no quorum: servers answered, but none could do it "
		              "in time (%s)\n",
		              coffer_answer_text(result->answer));
	} else {
		(void)fprintf(stderr, "coffer: no server answered in time at %s\n",
		              cli_servers(&cli->options));
	}
}

static void say_refused(const char *path, const struct coffer_result *result)
{
	path = path != NULL ? path : "";
	if (result->answer == COFFER_TOO_LATE) {
		(void)fprintf(stderr, "coffer: %s: %s; the oldest that can be read is %lld\n", path,
		              coffer_answer_text(result->answer), (long long)result->revision);
	} else if (result->answer != COFFER_MISMATCH) {
		(void)fprintf(stderr, "coffer: %s%s%s\n", path, path[0] != '\0' ? ": " : "",
		              coffer_answer_text(result->answer));
	} else if (result->revision == 0) {
		(void)fprintf(stderr, "coffer: %s: the condition is false: there is no such file\n",
		              path);
	} else {
		(void)fprintf(stderr, "coffer: %s: the condition is false: its revision is %lld\n",
		              path, (long long)result->revision);
	}
}

static bool is_false(enum coffer_answer answer)
{
	return answer == COFFER_MISMATCH || answer == COFFER_NOT_FOUND || answer == COFFER_LOCKED ||
	       answer == COFFER_NOT_HELD;
}

int cli_conclude(const struct cli *cli, const char *path, const struct coffer_result *result)
{
	switch (result->outcome) {
	case COFFER_DONE:
		return CLI_DONE;
	case COFFER_REFUSED:
		say_refused(path, result);
		return is_false(result->answer) ? CLI_FALSE : CLI_REFUSED;
	case COFFER_UNREACHED:
		say_unreached(cli, result);
		return CLI_NOBODY;
	case COFFER_UNKNOWN:
		break;
	}
	(void)fprintf(stderr, "coffer: no final answer in time (%s): it may have happened or not\n",
	              result->heard ? coffer_answer_text(result->answer) : "nobody answered");
	return CLI_UNKNOWN;
}

int cli_conclude_error(int error)
{
	(void)fprintf(stderr, "coffer: %s\n", coffer_error_text(error));
	return error == -EBADMSG ? CLI_NOBODY : CLI_USAGE;
}

int cli_fail_output(void)
{
	(void)fprintf(stderr, "coffer: cannot write to standard output\n");
	return CLI_USAGE;
}

int cli_finish(const struct cli *cli, struct ctl_printer *printer, int r,
               const struct coffer_result *result)
{
	return cli_finish_as(cli, printer, printer->path, r, result);
}

int cli_finish_as(const struct cli *cli, struct ctl_printer *printer, const char *name, int r,
                  const struct coffer_result *result)
{
	int code;

	if (r < 0) {
		return cli_conclude_error(r);
	}
	code = cli_conclude(cli, name, result);
	if (!ctl_printer_end(printer, result)) {
		const int failed = cli_fail_output();

		return code == CLI_DONE ? failed : code;
	}
	return code;
}

int cli_run_txn(const struct cli *cli, struct coffer_txn *txn, struct coffer_result *ret_result)
{
	const struct coffer_request request = {
		.verb = COFFER_TXN, .txn = txn, .timeout_ms = cli->options.timeout_ms};
	const int r = txn == NULL ? -ENOMEM : coffer_call(cli->coffer, &request, ret_result);

	coffer_txn_free(txn);
	return r;
}

int cli_read_all(int fd, void *bytes, size_t room, size_t *ret_size)
{
	size_t size = 0;

	while (size < room) {
		const ssize_t taken = read(fd, (char *)bytes + size, room - size);

		if (taken < 0 && errno != EINTR) {
			return -errno;
		}
		if (taken == 0) {
			break;
		}
		size += taken > 0 ? (size_t)taken : 0;
	}
	*ret_size = size;
	return 0;
}

uint64_t cli_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now); /* fails only for clocks that are none */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
