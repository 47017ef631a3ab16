/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * inside.h - a client inside of the server, for what the control plane serves
 *
 *      ctl_inside_submit(inside, &request, done, context, &tag)     done() is called once
 *      ctl_inside_watch(inside, &request, news, context, &tag)      news() until it is unwatched
 *
 *      inside --- CLIENT ----> own worker           one of the servers is this one
 *             <-- REPLY ------
 *             --- PASS_ON ---> own worker --------> the other servers, as their peer
 *             <-- ANSWERED ---            <--------
 *
 * So the others are where the worker finds them: by the file, by what the log says of members that
 * the file does not know, by links, by ports that the kernel has no way to.
 *
 * store/client and store/watcher, turned by the control thread's loop: their headers say what
 * outcomes mean, what is asked again, and what a watch promises. Requests are linearizable unless
 * flagged PROTO_FLAG_STALE; writes go through one session of this client's own.
 *
 * A request that is not taken (-EAGAIN) is the caller's to keep: at most `window` are
 * outstanding. What is asked after an event was told is not older than that event.
 *
 * Callbacks come from the loop, never from inside a call of this module; they may call all of it
 * but close. What they are given is good until they return.
 *
 * Threads: the control thread.
 */

#include <stdint.h>
#include <uv.h>

#include "consensus/mailbox.h"
#include "control/config.h"
#include "control/reason.h"
#include "store/client.h"
#include "store/watcher.h"

enum {
	CTL_INSIDES_MAX = 4,
	/* Numbers in addresses of other mail, which no client has: */
	CTL_INSIDE_WEB = 254,
	CTL_INSIDE_KEEPER = 255,
};

struct ctl_inside;

/*
 * Those of a server, by number - 1. Empty at first; open and close keep it. They have all rights,
 * so what is served through them has to ask for the secrets itself.
 */
struct ctl_insides {
	struct ctl_inside *list[CTL_INSIDES_MAX];
	uint32_t members;     /* set, as learned */
	struct store_key key; /* that lets them write; not set: nobody needs one */
};

struct ctl_inside_config {
	uv_loop_t *loop;
	struct paxos_mailbox *mailbox;
	struct ctl_insides *insides;
	const struct ctl_config *config; /* who the servers are at first */
	unsigned watches_max;            /* 1 to WATCHER_WATCHES_MAX; touched when used */
	unsigned window; /* requests under way, and asks of watches at each server; 0: the usual */
	uint64_t timeout_ns; /* of a request that names no deadline; 0: the usual */
};

/* How a request ended. */
typedef void ctl_inside_done_fn(void *context, const struct client_result *result);

/* An EVENT, a NOTE or the END of a watch. */
typedef void ctl_inside_news_fn(void *context, const struct watcher_effect *news);

/*
 * What config points to is borrowed until close. Returns 0, or a negative errno and the sentence;
 * then, too, the loop has to run once more.
 */
int ctl_inside_open(struct ctl_inside **ret_inside, const struct ctl_inside_config *config,
                    struct ctl_reason *ret_reason);

/* No callback comes any more. The loop has to run until nothing is left in it. NULL is fine. */
void ctl_inside_close(struct ctl_inside *inside);

/* As client_submit(). ret_tag may be NULL. */
int ctl_inside_submit(struct ctl_inside *inside, const struct client_request *request,
                      ctl_inside_done_fn *done, void *context, uint64_t *ret_tag);

/* As watcher_watch(), but `from` must be at least 1. ret_tag may be NULL. */
int ctl_inside_watch(struct ctl_inside *inside, const struct watcher_request *request,
                     ctl_inside_news_fn *news, void *context, uint64_t *ret_tag);

/* As their namesakes of the watcher; nothing of this watch is told any more (until resumed). */
int ctl_inside_unwatch(struct ctl_inside *inside, uint64_t tag);
int ctl_inside_pause(struct ctl_inside *inside, uint64_t tag);
int ctl_inside_resume(struct ctl_inside *inside, uint64_t tag);

/* The highest revision of the store that was heard of. */
store_rev_t ctl_inside_seen(const struct ctl_inside *inside);

struct ctl_inside_counters {
	struct client_counters client;
	struct watcher_counters watcher;
	uint64_t dropped_mailbox; /* datagrams for the worker that found no room */
	unsigned outstanding, watches;
};
void ctl_inside_counters(const struct ctl_inside *inside, struct ctl_inside_counters *ret_counters);

/*
 * A REPLY of the worker to the client whose number stands in its address; any may be gone. Or what
 * another server ANSWERED, which each of them looks at: a request's number is one client's alone.
 */
void ctl_insides_mail(struct ctl_insides *insides, const struct paxos_mail *mail);

/* Who is in the cluster, a set: those that are news are servers from now on, for all of them. */
void ctl_insides_learn(struct ctl_insides *insides, uint32_t members);
