/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_follow.h - a watch of `coffer`, turned until it ends
 *
 *      cli_follow() --> on_news ... on_news, on_turn --> ... --> an exit code
 *
 * Servers that are silent are waited for, and that is said once each time.
 */

#include "control/bin/coffer_cli.h"

enum {
	CLI_GO_ON = -1 /* what a callback returns that ends nothing; else an exit code */
};

struct cli_follow {
	struct cli *cli;
	const char *glob;
	int64_t from;        /* 0: after the present revision */
	uint32_t limit_ms;   /* in all: then CLI_NO_EVENT, or CLI_NOBODY; 0: none */
	uint32_t silence_ms; /* without news: then CLI_NOBODY; 0: never */
	bool begins_anew;    /* the caller does, after TOO_LATE, which is not said then */
	int (*on_news)(void *context, const struct coffer_news *news); /* EVENT, NOTE */
	int (*on_turn)(void *context); /* after some of them; NULL: none */
	void *context;

	/* What came of it. */
	int code;
	uint64_t id, began_ns, heard_ns;
	bool was_heard, is_told;
	enum coffer_answer answer; /* CLI_REFUSED */
	int64_t oldest, next;
};

/* Watches, and returns an exit code. What is not CLI_DONE or CLI_NO_EVENT was said. */
int cli_follow(struct cli_follow *follow);

/* In the shell: Ctrl-C ends what goes on, not the program. */
void cli_interrupt_catch(void);

/* True, once, if there was a Ctrl-C. */
bool cli_interrupted(void);

/* Waits for the handle, -1: without limit. False, once, if there was a Ctrl-C. */
bool cli_wait_ready(struct coffer *coffer, int timeout_ms);

/* Waits for something to read. False at Ctrl-C, which cli_interrupted() tells then. */
bool cli_wait_typed(int fd);
