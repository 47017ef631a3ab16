/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_types.h - bounds, configuration and counters of the gateway; gateway.h is the manual
 *
 * Apart so that what the gateway is made of need not include it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/inside.h"
#include "store/rights.h"

enum {
	CTL_GATEWAY_WAITS_MAX = 1024, /* of one connection */
	CTL_GATEWAY_ASKS_MAX = 2048,  /* outstanding of one connection, waits too */
	CTL_GATEWAY_WINDOW = 16,      /* requests under way, and asks of watches at each server */
	CTL_GATEWAY_WATCHES_MAX = 16384,  /* of all connections: waits, and reads that wait */
	CTL_GATEWAY_KEPT_FREE = 4096,     /* bytes of a half frame that any may keep */
	CTL_GATEWAY_KEPT_MAX = 64 << 20,  /* what is kept beyond that, of all together */
	CTL_GATEWAY_OUT_PAUSE = 64 << 10, /* answers not taken: nothing is read meanwhile */
	CTL_GATEWAY_OUT_MAX = 2 << 20,    /* answers not taken: closed */
	CTL_GATEWAY_SHAKING_MAX = 256, /* TLS handshakes not done; beyond: the oldest is closed */
};

struct ctl_gateway;

struct ctl_gateway_config {
	struct ctl_inside_config inside;
	struct ctl_address listen;
	unsigned connections_max;
	uint64_t patience_ms;           /* without an answer taken, or of a handshake; 6 at least */
	const char *tls_cert, *tls_key; /* PEM files; NULL: no TLS */
	const struct store_keys *keys;  /* what one has to know to read, and to write */
	uint64_t incarnation;           /* of this server, for its name */
	bool member;                    /* it has been let in */
};

struct ctl_gateway_counters {
	uint64_t connections; /* open now */
	uint64_t accepted, requests, answers;
	uint64_t refused;     /* connections: there were as many as may be */
	uint64_t malformed;   /* closed: no message */
	uint64_t long_frames; /* closed */
	uint64_t kept;        /* closed: no room for its half frame */
	uint64_t unread;      /* closed: it does not take its answers */
	uint64_t waits;       /* outstanding now */
	uint64_t denied;      /* wrong secrets */
	uint64_t unjudged;    /* secrets told after too many of those */
	uint64_t tls;         /* handshakes done */
	uint64_t tls_bad;     /* closed: no TLS, or broken */
	uint64_t tls_slow;    /* closed: its handshake took too long, or too many were not done */
};
