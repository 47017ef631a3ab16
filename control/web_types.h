/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_types.h - bounds and configuration of the web view; web.h is the manual
 *
 * Apart so that what the web view is made of need not include it.
 */

#include <stdbool.h>

#include "consensus/effect.h"
#include "control/config.h"
#include "control/inside.h"
#include "store/rights.h"

enum {
	CTL_WEB_CONNECTIONS_MAX = 256,
	CTL_WEB_BROWSERS_MAX = 64,
	CTL_WEB_STRANGERS_MAX = 16, /* of those, that have not told the secret they need */
	CTL_WEB_PATIENCE_S = 5,
};

struct ctl_web_config {
	const struct ctl_config *config; /* `web` is an address */
	const struct store_keys *keys;   /* what one has to know to see, and to edit */
	struct paxos_mailbox *mailbox;
	struct ctl_insides *insides;
	/* Asks the worker for its status; false: it takes no mail now. */
	bool (*ask)(void *context, const struct paxos_address *address);
	void *context;
};
