/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * web_guard.h - secrets that are told to the web view, and how fast they are judged
 *
 *      ask(guess, secret) --> waits its turn --turn(now)--> judged(guess, rights), 0: wrong
 *
 * A right secret is judged as soon as its turn comes, and after a wrong one nobody for
 * CTL_WEB_GUESS_MS, whoever asks, by however many connections. So a server takes one wrong guess in
 * that time, and who knows the secret waits for those that came before, of which no source has more
 * than CTL_WEB_GUESSES_OF_ONE. Nothing blocks: who calls turn() has a timer.
 *
 * Secrets are compared by their keys (rights.h), in constant time; they are not kept.
 *
 * Pure. Threads: one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/rights.h"

enum {
	CTL_WEB_GUESS_MS = 1000,
	CTL_WEB_GUESSES_MAX = 16, /* that wait */
	CTL_WEB_GUESSES_OF_ONE = 4,
};

/* Somebody's, in its own memory. All zero: it does not wait. */
struct ctl_web_guess {
	void (*judged)(void *context, unsigned rights); /* STORE_MAY_ bits */
	void *context;
	uint32_t source; /* address of who asks */
	bool waits;
	struct store_key key;
	struct ctl_web_guess *next;
};

struct ctl_web_guard {
	const struct store_keys *keys; /* borrowed */
	struct ctl_web_guess *first;   /* that waits */
	uint64_t next_ns;              /* nobody is judged before */
	uint64_t denied;               /* wrong ones */
};

/* With nobody waiting. Nothing to undo. */
void ctl_web_guard_init(struct ctl_web_guard *guard, const struct store_keys *keys);

/* What may be done by who tells no secret. */
unsigned ctl_web_guard_rights(const struct ctl_web_guard *guard);

/*
 * Puts a guess behind those that wait; its `judged`, `context` and `source` are set. `secret` is
 * borrowed for the call. False: too many wait, or this one does.
 */
bool ctl_web_guard_ask(struct ctl_web_guard *guard, struct ctl_web_guess *guess,
                       struct slice secret);

/* It is not judged any more, if it waits. */
void ctl_web_guard_forget(struct ctl_web_guard *guard, struct ctl_web_guess *guess);

/*
 * Judges whose turn it is; `judged` may ask and forget. Returns in how many ns to come again; 0:
 * nobody waits.
 */
uint64_t ctl_web_guard_turn(struct ctl_web_guard *guard, uint64_t now_ns);
