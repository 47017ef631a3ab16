/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * stages.h - the cycles of a write, stage by stage, without a network (bench/trio.h)
 */

#include <jansson.h>

struct stages_config {
	unsigned value_size, keys;
	double seconds; /* for each size of batch */
};

/* The report, or NULL; then ret_error says why (a negative errno). */
json_t *stages_measure(const struct stages_config *config, int *ret_error);
