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
	OPTION_SHARED,
	OPTION_PERMITS,
	OPTION_DATA,
	OPTION_TTL,
	OPTION_WAIT,
	OPTION_TRY,
	OPTION_DELAY,
	OPTION_PRIORITY,
	OPTION_ON_LOST,
	OPTION_MARGIN,
	OPTION_OBSERVE,
	OPTION_SHOW,
	OPTION_RESIGN,
	OPTION_TRANSFER,
	OPTION_PROCLAIM,
	OPTION_SESSION,
};

static const struct argp_option OPTIONS[] = {
	{"if-lock", OPTION_IF_LOCK, "NAME:TOKEN", 0,
         "set, add, del, incr: only while TOKEN is the present one of lock NAME", 0},
	{"break", OPTION_BREAK, NULL, 0, "locks: take the lock NAME from who holds it", 0},
	{"token", OPTION_TOKEN, "T", 0,
         "--break, --reason: from the holder with this token (the first)", 0},
	{"reason", OPTION_REASON, "TEXT", 0,
         "--break, --resign, --transfer: why, for those who look later", 0},
	{"shared", OPTION_SHARED, NULL, 0, "lock: beside others who share it", 0},
	{"permits", OPTION_PERMITS, "N", 0, "lock: beside others, up to N in all", 0},
	{"data", OPTION_DATA, "VALUE", 0, "lock: what the holder says of itself", 0},
	{"ttl", OPTION_TTL, "DURATION", 0,
         "lock, elect, --ephemeral: who is silent so long holds it no more (10s)", 0},
	{"wait", OPTION_WAIT, "DURATION", 0, "lock, elect: wait so long at most", 0},
	{"try", OPTION_TRY, NULL, 0, "lock, elect: do not wait", 0},
	{"delay", OPTION_DELAY, "DURATION", 0,
         "lock, elect: nobody has it so long, when its holder died", 0},
	{"priority", OPTION_PRIORITY, "N", 0,
         "lock, elect: 0 to 255, the higher is served before the lower (0)", 0},
	{"on-lost", OPTION_ON_LOST, "term|kill|run:CMD", 0,
         "lock, elect, --ephemeral: what becomes of the command when it ends (term)", 0},
	{"margin", OPTION_MARGIN, "DURATION", 0,
         "lock, elect, --ephemeral: the command is told so long before (a quarter of --ttl)", 0},
	{"observe", OPTION_OBSERVE, NULL, 0, "elect: tell who leads, and each change", 0},
	{"show", OPTION_SHOW, NULL, 0, "elect: tell who leads", 0},
	{"resign", OPTION_RESIGN, NULL, 0,
         "elect: end who leads, or who waits with --session; the next one leads", 0},
	{"transfer", OPTION_TRANSFER, NULL, 0,
         "elect: likewise, and who waits with this VALUE or session leads", 0},
	{"proclaim", OPTION_PROCLAIM, NULL, 0,
         "elect: who leads under --token (COFFER_TOKEN) says VALUE from now on", 0},
	{"session", OPTION_SESSION, "FILE", 0,
         "lock, elect: keep the session there, for --resign, --transfer, or to go on with it", 0},
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

static error_t parse_number(const struct argp_state *state, const char *option,
                            const char *argument, int64_t minimum, int64_t maximum,
                            int64_t *ret_number)
{
	char why[64];

	if (cli_parse_number(argument, minimum, ret_number) && *ret_number <= maximum) {
		return 0;
	}
	(void)snprintf(why, sizeof(why), "must be a number, %lld to %lld", (long long)minimum,
	               (long long)maximum);
	return fail(state, option, argument, why);
}

static error_t parse_duration(const struct argp_state *state, const char *option,
                              const char *argument, uint32_t *ret_ms)
{
	return cli_parse_duration(argument, ret_ms)
	               ? 0
	               : fail(state, option, argument,
	                      "must be a duration, such as 500ms, 10s or 2m");
}

static error_t parse_on_lost(const struct argp_state *state, const char *argument)
{
	static const char run[] = "run:";
	struct cli_lock_options *options = state->input;

	if (strcmp(argument, "term") == 0) {
		options->on_lost = CLI_LOST_TERM;
	} else if (strcmp(argument, "kill") == 0) {
		options->on_lost = CLI_LOST_KILL;
	} else if (strncmp(argument, run, sizeof(run) - 1) == 0 && argument[sizeof(run) - 1] != 0) {
		options->on_lost = CLI_LOST_RUN;
		options->on_lost_command = argument + sizeof(run) - 1;
	} else {
		return fail(state, "--on-lost ", argument, "must be term, kill or run:COMMAND");
	}
	return 0;
}

/* How a lock is wanted and kept. */
static error_t parse_hold(int key, const char *argument, const struct argp_state *state)
{
	struct cli_lock_options *options = state->input;
	int64_t number = 0;
	error_t error;

	switch (key) {
	case OPTION_TTL:
		return parse_duration(state, "--ttl ", argument, &options->ttl_ms);
	case OPTION_WAIT:
		return parse_duration(state, "--wait ", argument, &options->wait_ms);
	case OPTION_TRY:
		options->claim.is_try = true;
		return 0;
	case OPTION_DELAY:
		return parse_duration(state, "--delay ", argument, &options->claim.delay_ms);
	case OPTION_MARGIN:
		return parse_duration(state, "--margin ", argument, &options->margin_ms);
	case OPTION_PRIORITY:
		error = parse_number(state, "--priority ", argument, 0, UINT8_MAX, &number);
		options->claim.priority = (uint8_t)number;
		return error;
	case OPTION_ON_LOST:
	default:
		return parse_on_lost(state, argument);
	}
}

static error_t parse_claim(int key, const char *argument, const struct argp_state *state)
{
	struct cli_lock_options *options = state->input;
	int64_t number = 0;
	error_t error;

	switch (key) {
	case OPTION_SHARED:
		options->claim.is_shared = true;
		return 0;
	case OPTION_PERMITS:
		error = parse_number(state, "--permits ", argument, 1, COFFER_LOCK_PERMITS_MAX,
		                     &number);
		options->claim.permits = (unsigned)number;
		return error;
	case OPTION_DATA:
	default:
		options->claim.data = argument;
		options->claim.data_size = strlen(argument);
		return 0;
	}
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
		options->given |= CLI_LOCK_RECORD;
		return parse_number(state, "--token ", argument, 1, INT64_MAX, &options->token);
	case OPTION_REASON:
		options->given |= CLI_LOCK_RECORD;
		options->reason = argument;
		return 0;
	case OPTION_OBSERVE:
		options->given |= CLI_LOCK_LOOK;
		options->observes = true;
		return 0;
	case OPTION_SHOW:
		options->given |= CLI_LOCK_LOOK;
		options->shows = true;
		return 0;
	case OPTION_RESIGN:
		options->given |= CLI_LOCK_GIVE;
		options->resigns = true;
		return 0;
	case OPTION_TRANSFER:
		options->given |= CLI_LOCK_GIVE;
		options->transfers = true;
		return 0;
	case OPTION_PROCLAIM:
		options->given |= CLI_LOCK_GIVE;
		options->proclaims = true;
		return 0;
	case OPTION_SESSION:
		options->given |= CLI_LOCK_SESSION;
		options->session = argument;
		return 0;
	case OPTION_SHARED:
	case OPTION_PERMITS:
	case OPTION_DATA:
		options->given |= CLI_LOCK_CLAIM;
		return parse_claim(key, argument, state);
	case OPTION_TTL:
	case OPTION_ON_LOST:
	case OPTION_MARGIN:
		options->given |= CLI_LOCK_KEEP;
		return parse_hold(key, argument, state);
	case OPTION_WAIT:
	case OPTION_TRY:
	case OPTION_DELAY:
	case OPTION_PRIORITY:
		options->given |= CLI_LOCK_HOLD;
		return parse_hold(key, argument, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cli_lock_argp = {OPTIONS, parse, NULL, NULL, NULL, NULL, NULL};
