/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * route.h - whose answer is it? Many clients share one socket or link
 *
 * An answer names session and number of its request, so what was sent is remembered by these in
 * a table with one place for each hash. What was overwritten there belongs to ROUTE_ALL: every
 * client may look at it, and those that did not ask drop it. Pure; one writer.
 */

#include <stdint.h>

#include "store/base/slice.h"

enum {
	ROUTE_PLACES = 1 << 16,
};

#define ROUTE_ALL UINT32_MAX

struct route {
	struct {
		uint64_t session, number;
		uint32_t client;
	} places[ROUTE_PLACES];
};

/* Makes it empty. */
void route_init(struct route *route);
/* Remembers that `client` sends this datagram. */
void route_sent(struct route *route, uint32_t client, struct slice bytes);
/* Whose answer this is, or ROUTE_ALL. */
uint32_t route_find(const struct route *route, struct slice bytes);
