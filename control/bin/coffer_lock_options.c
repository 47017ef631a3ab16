/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_lock_options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "control/bin/coffer_words.h"

enum {
	OPTION_IF_LOCK = 512,
	OPTION_BREAK,
	OPTION_TOKEN,
	OPTION_REASON,
};

static const struct argp_option OPTIONS[] = {
	{"if-lock", OPTION_IF_LOCK, "NAME:TOKEN", 0,
         "set, add, del, incr: only while TOKEN is the present one of lock NAME", 0},
	{"break", OPTION_BREAK, NULL, 0, "locks: take the lock NAME from who holds it", 0},
	{"token", OPTION_TOKEN, "T", 0, "--break: from the holder with this token (the first)", 0},
	{"reason", OPTION_REASON, "TEXT", 0, "--break: why, for those who look later", 0},
	{0},
};

static error_t fail(const struct argp_state *state, const char *option, const char *argument,
                    const char *why)
{
	argp_error(state, "%s%s: %s", option, argument, why);
	return EINVAL; /* where argp_error() comes back */
}

/* NAME:TOKEN; names may have colons. */
static error_t parse_fence(const struct argp_state *state, const char *argument)
{
	struct cli_lock_options *options = state->input;
	const char *colon = strrchr(argument, ':');
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];

	if (colon == NULL || colon == argument ||
	    !cli_parse_number(colon + 1, 1, &options->fence_token)) {
		return fail(state, "--if-lock ", argument, "must be NAME:TOKEN");
	}
	if ((size_t)(colon - argument) > COFFER_LOCK_NAME_SIZE_MAX) {
		return fail(state, "--if-lock ", argument, "the name is too long");
	}
	(void)snprintf(name, sizeof(name), "%.*s", (int)(colon - argument), argument);
	return cli_lock_name(name, options->fence)
	               ? 0
	               : fail(state, "--if-lock ", argument, "the name is too long");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct cli_lock_options *options = state->input;

	switch (key) {
	case OPTION_IF_LOCK:
		options->given |= CLI_LOCK_FENCE;
		return parse_fence(state, argument);
	case OPTION_BREAK:
		options->given |= CLI_LOCK_BREAK;
		options->breaks = true;
		return 0;
	case OPTION_TOKEN:
		options->given |= CLI_LOCK_BREAK;
		return cli_parse_number(argument, 1, &options->token)
		               ? 0
		               : fail(state, "--token ", argument, "must be a token, from 1");
	case OPTION_REASON:
		options->given |= CLI_LOCK_BREAK;
		options->reason = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_lock_argp = {OPTIONS, parse, NULL, NULL, NULL, NULL, NULL};
