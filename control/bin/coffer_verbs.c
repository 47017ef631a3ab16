/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_verbs.h"

#include <string.h>

#include "control/bin/coffer_ask.h"
#include "control/bin/coffer_elect.h"
#include "control/bin/coffer_hold.h"
#include "control/bin/coffer_locks.h"
#include "control/bin/coffer_session.h"
#include "control/bin/coffer_sync.h"
#include "control/bin/coffer_tree.h"
#include "control/bin/coffer_txn.h"
#include "control/bin/coffer_watch.h"

static const struct cli_verb VERBS[] = {
	{"set", 1, 2, CLI_TAKES_IF_REV | CLI_TAKES_SEQUENCE | CLI_TAKES_EPHEMERAL,
         CLI_LOCK_FENCE | CLI_LOCK_KEEP, cli_set},
	{"add", 1, 2, CLI_TAKES_EPHEMERAL, CLI_LOCK_FENCE | CLI_LOCK_KEEP, cli_add},
	{"touch", 1, 1, 0, 0, cli_touch},
	{"get", 1, 1, CLI_TAKES_REV, 0, cli_get},
	{"del", 1, 1, CLI_TAKES_IF_REV, CLI_LOCK_FENCE, cli_del},
	{"incr", 1, 2, 0, CLI_LOCK_FENCE, cli_incr},
	{"txn", 0, CLI_ARGUMENTS_MAX, CLI_TAKES_INPUT, 0, cli_txn},
	{"stat", 1, 1, CLI_TAKES_REV, 0, cli_stat},
	{"ls", 1, 1, CLI_TAKES_REV | CLI_TAKES_NULL, 0, cli_ls},
	{"find", 1, 1, CLI_TAKES_REV | CLI_TAKES_NULL, 0, cli_find},
	{"walk", 1, 1, CLI_TAKES_REV | CLI_TAKES_NULL, 0, cli_walk},
	{"wait", 1, 1, CLI_TAKES_FROM, 0, cli_wait},
	{"watch", 1, 1, CLI_TAKES_FROM | CLI_TAKES_EXEC, 0, cli_watch},
	{"log", 0, 1, CLI_TAKES_FROM, 0, cli_log},
	{"sync", 2, 2, CLI_TAKES_EXEC | CLI_TAKES_ONCE, 0, cli_sync},
	{"locks", 0, 1, CLI_TAKES_REV, CLI_LOCK_BREAK | CLI_LOCK_RECORD, cli_locks},
	{"lock", 1, 1, 0, CLI_LOCK_CLAIM | CLI_LOCK_HOLD | CLI_LOCK_KEEP | CLI_LOCK_SESSION,
         cli_lock},
	{"elect", 1, 2, 0,
         CLI_LOCK_HOLD | CLI_LOCK_KEEP | CLI_LOCK_SESSION | CLI_LOCK_LOOK | CLI_LOCK_GIVE |
                 CLI_LOCK_RECORD,
         cli_elect},
	{"session", 1, 2, 0, 0, cli_session},
	{"rev", 0, 0, 0, 0, cli_rev},
	{"nop", 0, 0, 0, 0, cli_nop},
	{"self", 0, 0, 0, 0, cli_self},
};

static const struct not_taken {
	unsigned takes;
	const char *why;
} NOT_TAKEN[] = {
	{CLI_TAKES_IF_REV, "takes no --if-rev"},
	{CLI_TAKES_REV, "takes no --rev"},
	{CLI_TAKES_FROM, "takes no --from"},
	{CLI_TAKES_EXEC, "takes no --exec, no --stop"},
	{CLI_TAKES_NULL, "takes no --null"},
	{CLI_TAKES_ONCE, "takes no --once"},
	{CLI_TAKES_INPUT, "takes no --input"},
	{CLI_TAKES_SEQUENCE, "takes no --sequence"},
	{CLI_TAKES_EPHEMERAL, "takes no --ephemeral"},
};

static const struct not_taken LOCK_NOT_TAKEN[] = {
	{CLI_LOCK_FENCE, "takes no --if-lock"},
	{CLI_LOCK_BREAK, "takes no --break"},
	{CLI_LOCK_RECORD, "takes no --token, --reason"},
	{CLI_LOCK_GIVE, "takes no --resign, --transfer, --proclaim"},
	{CLI_LOCK_SESSION, "takes no --session"},
	{CLI_LOCK_CLAIM, "takes no --shared, --permits, --data"},
	{CLI_LOCK_HOLD, "takes none of the options of lock"},
	{CLI_LOCK_KEEP, "takes no --ttl, --on-lost, --margin"},
	{CLI_LOCK_LOOK, "takes no --observe, no --show"},
};

const struct cli_verb *cli_verb_at(size_t index)
{
	return index < sizeof(VERBS) / sizeof(VERBS[0]) ? &VERBS[index] : NULL;
}

/* What it takes of the options about locks, as it is used here. */
static unsigned lock_takes(const struct cli_verb *verb, const struct cli_options *options)
{
	const bool may_be_plain = (verb->takes & CLI_TAKES_EPHEMERAL) != 0;

	return may_be_plain && (options->given & CLI_TAKES_EPHEMERAL) == 0
	               ? verb->lock_takes & ~(unsigned)CLI_LOCK_KEEP
	               : verb->lock_takes;
}

/* What is wrong with the use of a verb, or NULL. */
static const char *misuse(const struct cli_verb *verb, const struct cli_options *options)
{
	if (options->argument_count < verb->arguments_min) {
		return "an argument is missing";
	}
	if (options->argument_count > verb->arguments_max) {
		return "too many arguments";
	}
	for (size_t i = 0; i < sizeof(NOT_TAKEN) / sizeof(NOT_TAKEN[0]); i++) {
		if ((options->given & ~verb->takes & NOT_TAKEN[i].takes) != 0) {
			return NOT_TAKEN[i].why;
		}
	}
	for (size_t i = 0; i < sizeof(LOCK_NOT_TAKEN) / sizeof(LOCK_NOT_TAKEN[0]); i++) {
		if ((options->lock.given & ~lock_takes(verb, options) & LOCK_NOT_TAKEN[i].takes) !=
		    0) {
			return LOCK_NOT_TAKEN[i].why;
		}
	}
	return options->stops && options->exec == NULL ? "--stop is for --exec" : NULL;
}

const struct cli_verb *cli_verb_find(struct cli_options *options)
{
	const struct cli_verb *verb;
	const char *why;

	if (options->verb == NULL) {
		(void)cli_fail_usage("no verb", "say what to do");
		return NULL;
	}
	for (size_t i = 0; (verb = cli_verb_at(i)) != NULL; i++) {
		if (strcmp(verb->name, options->verb) != 0) {
			continue;
		}
		if (options->command != NULL && (lock_takes(verb, options) & CLI_LOCK_KEEP) != 0) {
			options->argument_count = options->before_command;
		}
		why = misuse(verb, options);
		if (why != NULL) {
			(void)cli_fail_usage(verb->name, why);
			return NULL;
		}
		return verb;
	}
	(void)cli_fail_usage(options->verb, "no such verb");
	return NULL;
}
