/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client_session.h - the session of a client: made at the first write, kept alive, found gone
 *
 *      none --(a write is held)--> OPEN sent --OK--> open --CLOSE, NO_SESSION--> none
 *                                                    | ^
 *                                          ALIVE each third of the time to live
 *
 *      resumed --> ALIVE: is it there? --(a write is held)--> NOP: numbers of its own --> open
 *
 * A session that was not confirmed for a whole time to live is in doubt: writes are then held
 * until a keep-alive was answered, so that a write which finds the session gone was most likely
 * sent before that, and only such a one is UNKNOWN.
 *
 * Pure. Threads: one.
 */

#include "store/client_state.h"

/* Nothing open, nothing numbered. */
void client_session_init(struct client *client);

/*
 * Does what the held writes wait for: opens or confirms the session, gives numbers in the order of
 * submission and sends. To be called whenever one of these may have become possible.
 */
void client_session_pump(struct client *client, uint64_t now_ns);

/* Keep-alive and time-outs of the session's own requests. */
void client_session_tick(struct client *client, uint64_t now_ns);

/* When to tick at the latest for the session's own sake. */
uint64_t client_session_deadline_ns(const struct client *client);

/* An answer to client->own came that is no referral or refusal for the moment. */
void client_session_answer(struct client *client, uint64_t now_ns,
                           const struct proto_answer *answer);

/* The servers do not know the session any more: what was sent in it is UNKNOWN. */
void client_session_lost(struct client *client, uint64_t now_ns, enum store_answer answer);

/* Another session may take the place of one that is gone. */
void client_session_renew(struct client *client, uint64_t now_ns);

/* A CLOSE came to its end: what was the session is none of ours. */
void client_session_closed(struct client *client);
