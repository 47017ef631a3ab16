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
	bool keeps_session;                /* when it is closed */
	int told;                          /* callbacks of locks and observers, in this turn */
	uint64_t timeout_ns;               /* of what names none */
	struct coffer_lock *locks;         /* owned */
	struct coffer_observer *observers; /* owned */
	struct coffer_txn *lock_txn;       /* owned: what locks put together; NULL: no lock yet */
	unsigned watches_reserved;         /* of locks and observers that have none now */
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

/* How many more there can be. */
unsigned ctl_watch_left(const struct coffer *coffer);

/* Calls back one effect of the watcher that is not a SEND. */
void ctl_watch_news(struct coffer *coffer, const struct watcher_effect *effect);

/* Asks for the present revision, if watches wait for it and may be helped by another ask. */
void ctl_watch_ask_rev(struct coffer *coffer, uint64_t now_ns);

/* What the ask of CTL_PENDING_REV came to. Returns how many callbacks were called. */
int ctl_watch_on_rev(struct coffer *coffer, uint64_t now_ns, const struct client_result *result);

/* Ends all watches, without a word to their owners. */
void ctl_watch_end_all(struct coffer *coffer, uint64_t now_ns);

/* --- lock.c --------------------------------------------------------------------------------- */

/* What time, and what came, ask for. */
void ctl_locks_turn(struct coffer *coffer, uint64_t now_ns);
/* When to turn at the latest; UINT64_MAX: no need. */
uint64_t ctl_locks_deadline_ns(const struct coffer *coffer);
/* From here on their owners are told nothing. */
void ctl_locks_hush(struct coffer *coffer);
/* What they asked for has ended: frees them. */
void ctl_locks_free(struct coffer *coffer);

/* --- elect.c: the same for observers -------------------------------------------------------- */

void ctl_observers_turn(struct coffer *coffer);
uint64_t ctl_observers_deadline_ns(const struct coffer *coffer);
void ctl_observers_hush(struct coffer *coffer);
void ctl_observers_free(struct coffer *coffer);

/* --- handle.c ------------------------------------------------------------------------------- */

/* Sends what a call outside of coffer_process() gave rise to, and sets the timer. */
void ctl_handle_flush(struct coffer *coffer);

/* CLOCK_BOOTTIME, which never jumps and counts the time the machine was suspended. */
uint64_t ctl_handle_now_ns(void);

/* --- wait.c --------------------------------------------------------------------------------- */

/* Waits until there is something to do, for timeout_ms at most (-1: no limit), and does it. */
void ctl_handle_wait(struct coffer *coffer, int timeout_ms);
