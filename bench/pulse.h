/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * pulse.h - keep-alives: how many of them a cluster answers each second
 *
 * Sessions take turns, with at most 256 under way: the next is sent when one was answered. What is
 * not answered for a second is sent again. Without store/client, which would send one each third of
 * the time to live.
 *
 * Threads: one.
 */

#include <jansson.h>
#include <stdint.h>

#include "bench/post.h"

enum {
	PULSE_SESSIONS_MAX = 131072,
};

struct pulse_config {
	unsigned sessions; /* 1 to PULSE_SESSIONS_MAX */
	double seconds, warm_up_seconds;
	struct post_config post;
};

/* The report, or NULL; then ret_error: negative errno; -ENETUNREACH: not all sessions opened. */
json_t *pulse_measure(const struct pulse_config *config, int *ret_error);
