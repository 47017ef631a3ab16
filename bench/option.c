/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/option.h"

#include <stdlib.h>

double option_number(struct argp_state *state, const char *name, const char *argument, double least,
                     double most)
{
	char *end;
	const double number = strtod(argument, &end);

	if (*argument == '\0' || *end != '\0' || !(number >= least && number <= most)) {
		argp_error(state, "--%s %s: want a number from %.10g to %.10g", name, argument,
		           least, most);
	}
	return number;
}

unsigned option_count(struct argp_state *state, const char *name, const char *argument,
                      unsigned least, unsigned most)
{
	const double number = option_number(state, name, argument, least, most);

	if (number != (double)(unsigned)number) {
		argp_error(state, "--%s %s: want a whole number", name, argument);
	}
	return (unsigned)number;
}
