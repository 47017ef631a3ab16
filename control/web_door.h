/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_door.h - what one page may do, and the secret that it tells for more
 *
 *      {"say": "secret", "why"}     "" it needs one; "wrong"; "busy": again, later
 *      {"say": "hello", "node", "edit", "unlock", "asks"}   what it may do; unlock: a secret lets
 *                                                           it edit; asks: so many at once
 *
 * A page whose door is shut sees nothing. One that may read may tell another secret, to write; what
 * it may do never gets less.
 *
 * Threads: the control thread's.
 */

#include <jansson.h>

#include "control/web_guard.h"

struct ctl_web_door_config {
	struct ctl_web_guard *guard;  /* borrowed */
	uint32_t source;              /* address of the page */
	unsigned node, asks;          /* to be told */
	bool edit;                    /* who may write may edit */
	void (*wants)(void *context); /* there is something to take */
	void *context;
};

struct ctl_web_door {
	struct ctl_web_door_config config;
	struct ctl_web_guess guess;
	unsigned rights; /* STORE_MAY_ bits */
	bool greets;     /* hello is to be said */
	const char *why; /* of secret, to be said; or NULL */
};

/* In place: it is known by where it lies. */
void ctl_web_door_init(struct ctl_web_door *door, const struct ctl_web_door_config *config);
void ctl_web_door_deinit(struct ctl_web_door *door);

bool ctl_web_door_is_open(const struct ctl_web_door *door);
bool ctl_web_door_may_edit(const struct ctl_web_door *door);

/* The page tells a secret. False: it did already, and was not answered. */
bool ctl_web_door_ask(struct ctl_web_door *door, struct slice secret);

/* The next of those messages; given. NULL: there is none. */
json_t *ctl_web_door_take(struct ctl_web_door *door);
