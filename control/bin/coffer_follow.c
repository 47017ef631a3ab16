/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_follow.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "control/client/left.h"

enum {
	TELL_MS = 10000 /* of silence, then it is said; notes come three times as often */
};

#define MS_NS UINT64_C(1000000)

/* --- Ctrl-C ------------------------------------------------------------------------------- */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int number)
{
	(void)number;
	is_interrupted = 1;
}

void cli_interrupt_catch(void)
{
	const struct sigaction action = {.sa_handler = on_interrupt}; /* no SA_RESTART */

	(void)sigaction(SIGINT, &action, NULL); /* fails only for numbers that are none */
}

bool cli_interrupted(void)
{
	const bool was = is_interrupted != 0;

	is_interrupted = 0;
	return was;
}

/* Waits for something to read; the signal is let in while it waits only, so none is missed. */
static bool wait_readable(int fd, const struct timespec *timeout)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};
	sigset_t interrupt, before;
	bool is_readable = false;

	(void)sigemptyset(&interrupt);
	(void)sigaddset(&interrupt, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &interrupt, &before);
	if (is_interrupted == 0) {
		is_readable = ppoll(&readable, 1, timeout, &before) == 1;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return is_readable;
}

bool cli_wait_ready(struct coffer *coffer, int timeout_ms)
{
	const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
	                                 .tv_nsec = timeout_ms % 1000 * (long)MS_NS};

	/* What else it may say, a turn of coffer_process() finds out. */
	(void)wait_readable(coffer_fd(coffer), timeout_ms < 0 ? NULL : &timeout);
	return !cli_interrupted();
}

bool cli_wait_typed(int fd)
{
	bool is_typed = false;

	while (!is_typed && is_interrupted == 0) {
		is_typed = wait_readable(fd, NULL); /* other signals are libedit's */
	}
	return is_typed;
}

/* --- news --------------------------------------------------------------------------------- */

static void on_news(void *context, const struct coffer_news *news)
{
	struct cli_follow *follow = context;

	if (follow->code != CLI_GO_ON) {
		return;
	}
	follow->was_heard = true;
	follow->heard_ns = cli_now_ns();
	if (news->kind == COFFER_NEWS_END) {
		follow->code = CLI_REFUSED;
		follow->answer = news->answer;
		follow->oldest = news->oldest;
		return;
	}
	if (follow->is_told) {
		(void)fprintf(stderr, "coffer: server %u answers again\n", news->node);
		follow->is_told = false;
	}
	follow->next = news->next;
	follow->code = follow->on_news(follow->context, news);
}

/* Returns for how long to wait, after having ended what is over. */
static int look_at_clock(struct cli_follow *follow)
{
	const uint64_t now = cli_now_ns();
	const int left = ctl_left_ms(follow->began_ns, follow->limit_ms, now);
	const int silence = ctl_left_ms(follow->heard_ns, follow->silence_ms, now);
	int tell = ctl_left_ms(follow->heard_ns, TELL_MS, now);

	if (left == 0 && follow->was_heard) {
		follow->code = CLI_NO_EVENT;
	} else if (left == 0 || silence == 0) {
		(void)fprintf(stderr, "coffer: no server answered in time at %s\n",
		              cli_servers(&follow->cli->options));
		follow->code = CLI_NOBODY;
	} else if (tell == 0 && !follow->is_told) {
		(void)fprintf(stderr, "coffer: no server answers at %s; waiting\n",
		              cli_servers(&follow->cli->options));
		follow->is_told = true;
	}
	tell = follow->is_told ? INT_MAX : tell;
	tell = tell < silence ? tell : silence;
	return left < tell ? left : tell;
}

static void say_refused(const struct cli_follow *follow)
{
	const struct coffer_result result = {
		.outcome = COFFER_REFUSED,
		.answer = follow->answer,
		.revision = follow->oldest,
	};
	struct ctl_printer printer;

	ctl_printer_init(&printer, follow->cli->options.is_json, COFFER_NOP, follow->glob);
	(void)cli_finish(follow->cli, &printer, COFFER_REFUSED, &result);
}

int cli_follow(struct cli_follow *follow)
{
	struct coffer *coffer = follow->cli->coffer;
	const int r =
		coffer_watch(coffer, follow->glob, follow->from, on_news, follow, &follow->id);
	int wait_ms;

	if (r < 0) {
		return cli_conclude_error(r);
	}
	follow->code = CLI_GO_ON;
	follow->began_ns = cli_now_ns();
	follow->heard_ns = follow->began_ns;
	while (follow->code == CLI_GO_ON) {
		wait_ms = look_at_clock(follow);
		if (follow->code != CLI_GO_ON) {
			break;
		}
		if (!cli_wait_ready(coffer, wait_ms == INT_MAX ? -1 : wait_ms)) {
			follow->code = CLI_INTERRUPT;
			break;
		}
		(void)coffer_process(coffer);
		if (follow->on_turn != NULL && follow->code == CLI_GO_ON) {
			follow->code = follow->on_turn(follow->context);
		}
	}
	(void)coffer_unwatch(coffer, follow->id); /* it may have ended by itself */
	if (follow->code == CLI_REFUSED &&
	    !(follow->begins_anew && follow->answer == COFFER_TOO_LATE)) {
		say_refused(follow);
	}
	return follow->code;
}
