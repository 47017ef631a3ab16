/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * coffer_verbs.h - the verbs of `coffer`: their names, arguments and options
 */

#include <stddef.h>

#include "control/bin/coffer_cli.h"

struct cli_verb {
	const char *name;
	unsigned arguments_min, arguments_max;
	unsigned takes;      /* CLI_TAKES_... */
	unsigned lock_takes; /* CLI_LOCK_... */
	int (*run)(struct cli *cli);
};

/*
 * The verb that `options` names, or NULL: then it was said why. If it runs a command, words of
 * that are no arguments any more.
 */
const struct cli_verb *cli_verb_find(struct cli_options *options);

/* The verb number `index`, or NULL. */
const struct cli_verb *cli_verb_at(size_t index);
