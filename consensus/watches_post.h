/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watches_post.h - the pages of the replica's own watches, on their way out
 *
 * They are answers like others: REPLY effects. What finds no room is dropped, and sent again.
 * `message` has PROTO_MESSAGE_SIZE_MAX bytes.
 *
 * Private to consensus/. Pure. Threads: the replica's.
 */

#include "consensus/core.h"
#include "consensus/reader.h"
#include "consensus/watches.h"

/* A WATCH that came. */
void paxos_watches_post_ask(struct paxos_core *core, const struct paxos_lease_view *view,
                            void *message, struct paxos_watches *watches,
                            const struct paxos_address *address,
                            const struct proto_request *request);

/* What watches are owed; the last of a turn. */
void paxos_watches_post_turn(struct paxos_core *core, const struct paxos_lease_view *view,
                             void *message, struct paxos_watches *watches);
