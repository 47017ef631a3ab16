/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * client.h - a client without its sockets
 *
 *      client_submit(c, now_ns, &request, &tag)      ask for something
 *      client_receive(c, now_ns, server, bytes)      a datagram came from that server
 *      client_tick(c, now_ns)                        what is overdue
 *      client_take(c, &effect)                       SEND a datagram, or a request is DONE
 *      client_deadline_ns(c)                         when to tick again at the latest
 *
 * Whoever turns a client (libcoffer, coffer-bench, the simulator) calls take() until it says
 * false after each submit, receive or tick. `server` is an index, from 0, into the list of
 * servers that only the shell knows the addresses of.
 *
 * Sessions. Reads need none. The first write opens one through the log; it is kept alive each
 * third of its time to live. Writes are numbered in the order of their submission; a retry keeps
 * session and number, so that it has one effect, whichever server takes it. When the session is
 * gone, a write of it that was ever sent is UNKNOWN and is never sent again under another session;
 * writes that were not yet sent go out under a new one; or they fail, and so do all later ones
 * until client_renew(), if the session owned something (request.owns), or with one_session.
 *
 * Resuming. A client can go on with the session of another that is no more. A keep-alive asks for
 * it; before the first write an empty one (NOP) takes numbers that no former client can have given,
 * and ends theirs for ever. So the last to resume has the session, and whoever had it before finds
 * it gone (STALE). A session that is gone is never replaced by another.
 *
 * Outcomes. Every submitted request comes back once as DONE, at its deadline at the latest:
 *
 *      DONE       a server answered STORE_OK
 *      REFUSED    a server answered something else, and that is final: it had no effect
 *      UNREACHED  nobody gave a final answer in time; it had no effect (a read, or never sent)
 *      UNKNOWN    a write was sent, and nobody gave a final answer: it may have happened, and for
 *                 a while it may still happen
 *
 * Retries. A time-out of a few round trips (measured), doubled at each silence; NOT_LEADER is
 * followed, silent servers are passed over, OVERLOADED waits. Of a request in several segments
 * only those are sent again that the server misses; likewise of an answer.
 *
 * Reads are linearizable, or with PROTO_FLAG_STALE whatever one server has.
 *
 * Pure: time comes in as now_ns (monotonic), chance as a seed, the sessions' secrets as 64 bits
 * of the caller. All memory is taken at start. The same calls give the same effects.
 * Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/client_types.h"

/* Fills in the defaults; servers, seed and secret are left. */
void client_config_default(struct client_config *config);

struct client; /* opaque */

/* Returns 0, -EINVAL (config) or -ENOMEM. Given back to client_free(). */
int client_new(struct client **ret_client, const struct client_config *config);
/* Says nothing to anybody; to end a session first, submit PROTO_CLOSE. NULL is fine. */
void client_free(struct client *client);

/*
 * Takes a request over. CLOSE ends the session when all writes submitted before it are answered;
 * without a session it is done at once.
 *
 * ret_tag  names the request (never 0); may be NULL
 *
 * Returns 0; -EAGAIN: requests_max are outstanding; -EINVAL: no such verb, condition or flag. What
 * does not fit a message comes back as REFUSED, STORE_TOO_LARGE.
 */
int client_submit(struct client *client, uint64_t now_ns, const struct client_request *request,
                  uint64_t *ret_tag);

/* Below requests_max, and that of no other request there is: for tables of the caller. */
static inline unsigned client_index(uint64_t tag)
{
	return (unsigned)(tag & (CLIENT_REQUESTS_MAX - 1));
}

/*
 * Gives up on a request: it comes back as at its deadline, UNREACHED or UNKNOWN.
 * Returns 0 or -ENOENT (no such request, or its result waits already).
 */
int client_cancel(struct client *client, uint64_t now_ns, uint64_t tag);

/* Lets the next write open another session, where one is gone that none may replace. */
void client_renew(struct client *client, uint64_t now_ns);

/* Gives up on all requests. */
void client_cancel_all(struct client *client, uint64_t now_ns);

/*
 * Takes one datagram that came from a server's address; borrowed for the call. What is damaged,
 * unasked or makes no sense is counted and dropped.
 */
void client_receive(struct client *client, uint64_t now_ns, unsigned server, struct slice bytes);

/* One more server, which is that node, from 1; its index is the next. There is room (must). */
void client_add(struct client *client, uint8_t node);

/* The shell was told that nobody listens there (ECONNREFUSED): others are asked in its place. */
void client_unreachable(struct client *client, uint64_t now_ns, unsigned server);

void client_tick(struct client *client, uint64_t now_ns);

/* The next effect, or false if there is none. The request of a DONE is outstanding no more. */
bool client_take(struct client *client, struct client_effect *ret_effect);

/* The next SEND, or false if there is none; leaves results where they are. */
bool client_take_send(struct client *client, struct client_effect *ret_effect);

/* True if a DONE waits to be taken. */
bool client_has_results(const struct client *client);

/* When to tick at the latest; UINT64_MAX: no need. */
uint64_t client_deadline_ns(const struct client *client);

/* --- what can be seen ----------------------------------------------------------------------- */

/* Requests whose result was not taken yet. */
unsigned client_outstanding(const struct client *client);

/*
 * The session as the servers name it, or 0 if none is open; and its secret. With both another
 * client can go on with it (config.resume), when this one is no more.
 */
uint64_t client_session(const struct client *client);
uint64_t client_session_secret(const struct client *client);

/*
 * No server ends the session before this time: what the session owns is still its own. 0: there is
 * no session, or nothing is known of it yet. A keep-alive that is answered moves it on; it counts
 * from its first sending, as does the OPEN, and other answers count for nothing.
 */
uint64_t client_valid_until_ns(const struct client *client);

/* The highest revision of the store that any server told. */
store_rev_t client_seen(const struct client *client);

/* A revision that was told otherwise: what is asked from now on is not older (store/watcher). */
void client_saw(struct client *client, store_rev_t revision);

/* The server that linearizable requests go to now. */
unsigned client_aim(const struct client *client);

void client_counters(const struct client *client, struct client_counters *ret_counters);
