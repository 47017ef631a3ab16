/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gateway_link.h - a connection of the gateway, and what it has asked; private to it
 *
 *      gateway.c        listens; rights; turns; closing
 *      gateway_bytes.c  bytes in and out; frames
 *      gateway_verbs.c  taking requests: rights, form, what is answered at once
 *      gateway_asks.c   what the cluster is asked, and its answers
 *      gateway_lists.c  likewise, of listings
 *
 * What a closed link has asked goes on as an orphan until it comes back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "control/gateway_codec.h"
#include "control/gateway_guard.h"
#include "control/gateway_tls.h"
#include "control/gateway_types.h"
#include "store/limits.h"

/*
 * A listing that goes on: a page of it, at one revision. If that was not named, the next is good
 * only if the store still stands there.
 */
struct ctl_gateway_cursor {
	int32_t verb;
	bool is_named; /* the revision */
	store_rev_t rev;
	uint32_t base, count; /* offsets it holds: base to base + count - 1 */
	bool has_more;
	struct slice path, page, last; /* in `memory`; last: behind which the next page begins */
	uint8_t memory[];
};

/* Bytes that came and were not taken. */
struct ctl_gateway_kept {
	uint8_t *memory; /* owned, or NULL */
	uint32_t size, room;
};

struct ctl_gateway_link {
	struct ctl_gateway *gateway;
	uv_tcp_t tcp;
	struct ctl_tls *tls;                         /* owned, or NULL */
	struct ctl_gateway_link *next, *previous;    /* of all, or of all that shake hands */
	struct ctl_gateway_link *turn, *turn_before; /* others that wait for their turn */
	struct ctl_gateway_ask *asks;
	struct ctl_gateway_cursor *cursor; /* owned, or NULL */
	struct ctl_gateway_kept kept;
	uint32_t ask_count, wait_count;
	unsigned rights; /* STORE_MAY_ bits */
	bool is_member;  /* as the server was when it was accepted */
	bool is_closing;
	bool is_shaking; /* its handshake is not done; of its bytes none is a frame yet */
	bool is_held;    /* waits for its turn */
	bool is_fence;   /* an answer that nothing may overtake is due */
	bool is_reading;
	uint8_t stalled; /* sweeps without an answer taken, or of its handshake */
};

/* The newest first. */
struct ctl_gateway_list {
	struct ctl_gateway_link *first, *last;
	unsigned count;
};

enum ctl_gateway_stage {
	CTL_ASK_REQUEST = 0, /* the request itself is under way */
	CTL_ASK_WATCH,       /* a watch: WAIT, or a read of a revision that has not come */
	CTL_ASK_TURN,        /* that revision came; waits for its turn to be read */
	CTL_ASK_PAGE,        /* WALK, GETDIR: the page is under way, then perhaps the file */
	CTL_ASK_JUDGE,       /* a write that cannot succeed: what stands there is asked for */
};

/* A request of a client that is not answered yet. */
struct ctl_gateway_ask {
	struct ctl_gateway *gateway;
	struct ctl_gateway_link *link;           /* NULL: it is closed, nobody wants the answer */
	struct ctl_gateway_ask *next, *previous; /* of the link, or of those without one */
	struct ctl_gateway_ask *turn;            /* next that waits for its turn */
	enum ctl_gateway_stage stage;
	bool has_tag, has_rev;
	int32_t tag, verb, offset;
	store_rev_t rev;
	bool is_resumed; /* WALK, GETDIR: a page behind the one that is kept */
	bool is_moved;   /* the store's revision has changed from page to page */
	uint32_t left;   /* of the offset, to be passed over */
	uint64_t watch;
	uint16_t path_size, after_size, file_size;
	uint8_t *file; /* WALK: its path; until it is known, as of GETDIR, behind which path the
	                * listing goes on, after_size; behind `path` */
	uint8_t path[];
};

struct ctl_gateway {
	struct ctl_gateway_config config;
	struct ctl_gateway_guard guard;
	struct ctl_inside *inside;
	uv_tcp_t listener;
	uv_timer_t sweep;
	uv_idle_t more; /* active: frames or connections wait for the next turn of the loop */
	unsigned handles_open;              /* listener, sweep, more, links */
	unsigned frames_left, accepts_left; /* until then; 0: `more` is active, or will be */
	bool is_accept_due;
	bool is_full; /* the cluster was asked as much as may be */
	bool is_closing;
	struct ctl_gateway_list links, shaking;
	struct ctl_tls_certificate *certificate; /* owned, or NULL */
	struct ctl_gateway_link *turn_first, *turn_last;
	struct ctl_gateway_ask *ask_first, *ask_last; /* wait for their turn */
	struct ctl_gateway_ask *orphans;              /* under way, and nobody waits for them */
	uint64_t kept_bytes;
	struct ctl_gateway_counters counters;
	uint8_t in[CTL_DOOZER_FRAME_MAX];
	uint8_t out[CTL_DOOZER_REPLY_MAX];
};

/* --- gateway.c -------------------------------------------------------------------------------- */

/* Closes a link, and counts it, if it is not closing already. */
void ctl_gateway_drop(struct ctl_gateway_link *link);
void ctl_gateway_drop_counted(struct ctl_gateway_link *link, uint64_t *counter);

/* The rest of the loop has its turn; then it goes on here. */
void ctl_gateway_pause(struct ctl_gateway *gateway);

/* Its handshake is done. */
void ctl_gateway_shaken(struct ctl_gateway_link *link);

/* Rights for a secret that is told: true if it is one, and was judged. */
bool ctl_gateway_access(struct ctl_gateway_link *link, struct slice secret);

/* --- gateway_bytes.c -------------------------------------------------------------------------- */

/* Sends a reply; may close the link. */
void ctl_gateway_reply(struct ctl_gateway_link *link, const Doozer__Response *response);

/* Something of the cluster came back: whoever waits may go on. */
void ctl_gateway_go_on(struct ctl_gateway *gateway);

/* Reads a link, or stops it, as it may take more or not. */
void ctl_gateway_update(struct ctl_gateway_link *link);

/* Goes on with the bytes of a link that nothing holds any more. */
void ctl_gateway_resume(struct ctl_gateway_link *link);

/* Forgets what came and was not taken, as it is closed. */
void ctl_gateway_stop(struct ctl_gateway_link *link);

/* Bytes that its client has not taken. */
static inline size_t ctl_gateway_out_size(const struct ctl_gateway_link *link)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&link->tcp);
}

/* --- gateway_verbs.c -------------------------------------------------------------------------- */

/* Takes a request. False: not now; it is to come again when the link has its turn. */
bool ctl_gateway_take(struct ctl_gateway_link *link, const Doozer__Request *request);

/* --- gateway_asks.c --------------------------------------------------------------------------- */

/* Asks the cluster on behalf of a request that was judged. 0, -EAGAIN: not now; or -ENOMEM. */
int ctl_gateway_ask(struct ctl_gateway_link *link, const Doozer__Request *request);

/* What waits for its turn inside of the gateway. False: there still is some. */
bool ctl_gateway_take_turns(struct ctl_gateway *gateway);

/* Gives up what a link has asked, as it is closed. */
void ctl_gateway_forget(struct ctl_gateway_link *link);

/* Frees the orphans, when the client inside is closed. */
void ctl_gateway_free_orphans(struct ctl_gateway *gateway);

/* Answers an ask, or tells an error with a detail or NULL, and ends it. */
void ctl_gateway_answer(struct ctl_gateway_ask *ask, Doozer__Response *response);
void ctl_gateway_refuse(struct ctl_gateway_ask *ask, enum ctl_doozer_error error,
                        const char *detail);

/* Asks the cluster for it. Returns as ctl_inside_submit(). */
int ctl_gateway_submit(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                       const struct client_request *request);

static inline struct slice ctl_gateway_path_of(const struct ctl_gateway_ask *ask)
{
	return slice_make(ask->path, ask->path_size);
}

/* --- gateway_lists.c -------------------------------------------------------------------------- */

/* Begins a WALK or GETDIR. Returns 0 or -EAGAIN. */
int ctl_gateway_list(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask);

/* Its page has come: OK, or the path is none. */
void ctl_gateway_listed(struct ctl_gateway *gateway, struct ctl_gateway_ask *ask,
                        const struct proto_answer *page);

/* The file that a WALK found was read. */
void ctl_gateway_walked(struct ctl_gateway_ask *ask, const struct proto_answer *got);

/* --- parts of a reply ------------------------------------------------------------------------- */

static inline ProtobufCBinaryData ctl_doozer_bytes(struct slice bytes)
{
	return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static inline void ctl_doozer_set_error(Doozer__Response *response, enum ctl_doozer_error error,
                                        struct slice detail)
{
	response->has_err_code = true;
	response->err_code = (int32_t)error;
	response->has_err_detail = detail.size != 0;
	response->err_detail = ctl_doozer_bytes(detail);
}

static inline void ctl_doozer_set_rev(Doozer__Response *response, store_rev_t rev)
{
	response->has_rev = true;
	response->rev = rev;
}

static inline void ctl_doozer_set_value(Doozer__Response *response, struct slice value)
{
	response->has_value = true;
	response->value = ctl_doozer_bytes(value);
}

static inline void ctl_doozer_set_len(Doozer__Response *response, uint32_t len)
{
	response->has_len = true;
	response->len = (int32_t)len;
}

/* As WAIT and WALK tell a file. */
static inline void ctl_doozer_set_event(Doozer__Response *response, int32_t flags, store_rev_t rev,
                                        struct slice path, struct slice value)
{
	response->has_flags = true;
	response->flags = flags;
	ctl_doozer_set_rev(response, rev);
	response->has_path = true;
	response->path = ctl_doozer_bytes(path);
	ctl_doozer_set_value(response, value);
}
