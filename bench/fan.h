/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * fan.h - one writer, many who watch what it writes: how long until they know
 *
 *      write n ------> acknowledged                  commit
 *         \----------> event n at watch 1, 2 ... N   told, each; told_all: at the last of them
 *
 * The same writer is measured twice, first without a watch. Closed loop: the next write when all
 * watches were told of the last one. Open loop: write n is due at start + n / rate, and all its
 * latencies begin then. One thread polls everything, and yields its core after a turn that found
 * nothing; the event of a write tells its number in the first bytes of the value.
 */

#include <jansson.h>
#include <stdint.h>

#include "bench/post.h"

enum {
	FAN_WATCHES_MAX = 65536,
	FAN_VALUE_SIZE_MIN = 8,
};

struct fan_config {
	unsigned watches;    /* 1 to FAN_WATCHES_MAX */
	unsigned value_size; /* at least FAN_VALUE_SIZE_MIN */
	double rate;         /* writes per second; 0: closed loop */
	double warm_up_seconds, seconds;
	uint64_t requests; /* stop after as many writes; 0: after `seconds` */
	uint64_t timeout_ns, seed;
	struct post_config post;
};

/* The report, or NULL; then ret_error: negative errno; -ENETUNREACH: no server answered, or not all
 * watches were kept or told in time. */
json_t *fan_measure(const struct fan_config *config, int *ret_error);
