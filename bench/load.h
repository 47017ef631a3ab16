/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * load.h - many clients on one thread, and how long each request took
 *
 *      credits (who may ask)  --> client_submit --> post --> servers
 *            ^                                                 |
 *            +---- a request came to its end <-- client <------+
 *
 * Closed loop: each client keeps `outstanding` requests under way; a latency begins when the
 * request is handed to the client. Open loop: request number n is meant to be sent at start +
 * n / rate, and its latency begins then, whether or not anybody was free to send it (so a stall
 * counts in every request it delayed: no coordinated omission).
 *
 * One thread polls everything; after a turn that found nothing it yields its core.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/post.h"
#include "store/limits.h"

enum load_kind {
	LOAD_WRITE = 1,
	LOAD_READ,
	LOAD_MIXED,
};

enum {
	LOAD_CLIENTS_MAX = 1024,
	LOAD_KEYS_MAX = 10000000,
};

struct load_config {
	enum load_kind kind;
	unsigned clients;      /* 1 to LOAD_CLIENTS_MAX, each with a session of its own */
	unsigned outstanding;  /* of each client, 1 to CLIENT_REQUESTS_MAX */
	bool stale;            /* reads ask whichever server is near */
	double rate;           /* per second; 0: closed loop */
	unsigned read_percent; /* LOAD_MIXED */
	unsigned value_size, keys;
	double warm_up_seconds; /* not counted */
	double seconds;
	uint64_t requests; /* stop after as many; 0: after `seconds` */
	uint64_t timeout_ns;
	uint64_t seed;
	struct post_config post;
};

/* The report, or NULL; then ret_error: negative errno; -ENETUNREACH: no server answered. */
json_t *load_measure(const struct load_config *config, int *ret_error);
