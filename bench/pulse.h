/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pulse.h - keep-alives: how many of them a cluster answers each second
 *
 * Each session has one under way, all the time: the next is sent when the last was answered, or was
 * not for a second. Without store/client, which would send one each third of the time to live.
 *
 * Threads: one.
 */

#include <jansson.h>
#include <stdint.h>

#include "bench/post.h"

enum {
	PULSE_SESSIONS_MAX = 4096,
};

struct pulse_config {
	unsigned sessions; /* 1 to PULSE_SESSIONS_MAX */
	double seconds, warm_up_seconds;
	struct post_config post;
};

/* The report, or NULL; then ret_error: negative errno; -ENETUNREACH: not all sessions opened. */
json_t *pulse_measure(const struct pulse_config *config, int *ret_error);
