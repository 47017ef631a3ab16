/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * handle.h - what a handle of the client library is made of; private to it
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/client/coffer.h"
#include "store/client.h"
#include "store/watcher.h"

struct ctl_pending {
	coffer_done_fn *done; /* NULL: free */
	void *context;
};

struct ctl_watch {
	coffer_news_fn *fn; /* NULL: free */
	void *context;
	uint64_t id;
	uint64_t turn;  /* of the REV that tells where it begins; 0: it began */
	bool is_paused; /* before it began */
};

struct coffer {
	struct client *client;     /* owned */
	struct watcher *watcher;   /* owned */
	struct ctl_watch *watches; /* owned: by watcher_index() */
	unsigned watches_max;
	unsigned unbegun;  /* watches that wait for a REV */
	uint64_t rev_turn; /* REVs asked on behalf of watches, so far */
	bool rev_is_asked; /* one is under way */
	unsigned server_count;
	int sockets[COFFER_SERVERS_MAX]; /* owned; -1: none */
	int epoll_fd, timer_fd;          /* owned */
	uint64_t timer_ns;               /* what the timer is set to; UINT64_MAX: off */
	bool calling_back;
	bool keeps_session; /* when it is closed */
	struct ctl_pending pending[COFFER_REQUESTS_MAX];
	uint8_t value[PROTO_MESSAGE_SIZE_MAX]; /* of the last waiting call's result */
};

enum {
	CTL_PENDING_REV = COFFER_REQUESTS_MAX /* context of a request that asks for watches */
};

/* --- watch.c -------------------------------------------------------------------------------- */

/* As coffer_watch(), with at most `limit` events in a page; 0: as many as fit. */
int ctl_watch_begin(struct coffer *coffer, const char *glob, int64_t from, uint16_t limit,
                    coffer_news_fn *fn, void *context, uint64_t *ret_id);

/* Calls back one effect of the watcher that is not a SEND. */
void ctl_watch_news(struct coffer *coffer, const struct watcher_effect *effect);

/* Asks for the present revision, if watches wait for it and may be helped by another ask. */
void ctl_watch_ask_rev(struct coffer *coffer, uint64_t now_ns);

/* What the ask of CTL_PENDING_REV came to. Returns how many callbacks were called. */
int ctl_watch_on_rev(struct coffer *coffer, uint64_t now_ns, const struct client_result *result);

/* Ends all watches, without a word to their owners. */
void ctl_watch_end_all(struct coffer *coffer, uint64_t now_ns);

/* --- handle.c ------------------------------------------------------------------------------- */

/* Sends what a call outside of coffer_process() gave rise to, and sets the timer. */
void ctl_handle_flush(struct coffer *coffer);

/* CLOCK_BOOTTIME, which never jumps and counts the time the machine was suspended. */
uint64_t ctl_handle_now_ns(void);
