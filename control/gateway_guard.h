/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_guard.h - secrets that are told to the gateway, and how many wrong ones an address has
 *
 *      ACCESS --> judge(now, address, secret) --> rights; 0: wrong, or not judged at all
 *
 * An address has CTL_GATEWAY_GUESSES wrong ones at once, and then one in CTL_GATEWAY_GUESS_MS, by
 * however many connections; beyond that none of its secrets is judged, the right one neither, so
 * that an answer tells nothing. Addresses share places by a secret hash: all together have no more
 * than CTL_GATEWAY_GUESS_PLACES wrong ones in that time, and one that guesses keeps few others out.
 *
 * Nobody waits, as at the door of the web view (web_guard.h): clients of Doozer come by the
 * hundred, all with the right secret, and must not stand in line behind a stranger.
 *
 * Pure. Threads: one.
 */

#include <stdint.h>

#include "store/base/slice.h"
#include "store/rights.h"

enum {
	CTL_GATEWAY_GUESSES = 16,
	CTL_GATEWAY_GUESS_MS = 1000,
	CTL_GATEWAY_GUESS_PLACES = 1024,
};

struct ctl_gateway_guard {
	const struct store_keys *keys; /* borrowed */
	uint64_t seed;
	uint64_t denied;                            /* wrong ones */
	uint64_t unjudged;                          /* after too many of these */
	uint64_t paid_ns[CTL_GATEWAY_GUESS_PLACES]; /* until when its wrong ones are paid for */
};

/* Chance places the addresses. Nothing to undo. */
void ctl_gateway_guard_init(struct ctl_gateway_guard *guard, const struct store_keys *keys,
                            uint64_t seed);

/* STORE_MAY_ bits. An empty secret is nobody's guess: it has what who tells none has. */
unsigned ctl_gateway_guard_judge(struct ctl_gateway_guard *guard, uint64_t now_ns, uint32_t address,
                                 struct slice secret);
