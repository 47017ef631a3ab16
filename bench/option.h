/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * option.h - numbers of a command line, for the programs here
 *
 * What is no number, or out of bounds, ends the program with usage (argp_error).
 */

#include <argp.h>

/* `name` is that of the option, without its dashes. */
double option_number(struct argp_state *state, const char *name, const char *argument, double least,
                     double most);

/* Of whole numbers. */
unsigned option_count(struct argp_state *state, const char *name, const char *argument,
                      unsigned least, unsigned most);
