/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * lock.h - what a lock of a handle is made of; private to the client library
 */

#include <stdbool.h>
#include <stdint.h>

#include "control/client/coffer_lock.h"
#include "control/client/handle.h"

/* What a lock asks of the servers. */
enum ctl_want {
	CTL_WANT_NOTHING = 0,
	CTL_WANT_LOCK,
	CTL_WANT_LOOK, /* does its file still stand? */
	CTL_WANT_UNLOCK,
};

struct coffer_lock {
	struct coffer *coffer;
	struct coffer_lock *next; /* an older one */
	unsigned owners;          /* 0: freed when nothing is left to be asked */
	coffer_lock_fn *fn;
	void *context;
	uint64_t deadline_ns; /* of waiting; UINT64_MAX: none */
	uint64_t margin_ns;
	uint64_t warned_ns;         /* the end that was warned of */
	uint64_t session;           /* it is asked for in; 0: no answer yet */
	int64_t ticket, token;      /* 0: none */
	enum ctl_want want;         /* to be asked next */
	enum ctl_want asked;        /* of the request under way, if any */
	uint64_t request;           /* its id */
	uint64_t watch;             /* 0: none */
	int64_t watch_from;         /* one is wanted from here on; 0: none is */
	enum coffer_lock_kind told; /* the last, but WARNING */
	enum coffer_answer answer;  /* told: REFUSED */
	bool is_over;               /* the last news was told, or nobody is left to be told */
	struct coffer_claim claim;  /* its data are these: */
	uint8_t data[COFFER_LOCK_DATA_SIZE_MAX];
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];
};

/* The servers have nothing of it any more: RELEASED or LOST, if that was not told yet. */
void ctl_lock_gone(struct coffer_lock *lock, enum coffer_cause cause);
