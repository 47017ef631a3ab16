/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock.c - locks of a handle (coffer_lock.h)
 *
 * A lock asks one thing at a time, by a transaction, and watches one file at a time: its own in
 * the queue, then its own as holder. Both are literal paths, so it hears of nothing else.
 *
 *      LOCK --> a ticket: watch the queue's file; its delete with cause GRANTED at r + 1: token r
 *           `-> a token: watch the holder's file; whatever ends it is LOST
 *
 * A watch that is lost (TOO_LATE) is made good by a transaction that looks whether the file still
 * stands. What must be given back is, however long it takes, unless the session ends before.
 */
#include "control/client/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/claim.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

enum {
	FOR_EVER_MS = 0x7fffffff, /* of requests: they end with the session */
};

/* True from the moment on that it is to be given back. */
static bool is_leaving(const struct coffer_lock *lock)
{
	return lock->want == CTL_WANT_UNLOCK || lock->asked == CTL_WANT_UNLOCK;
}

/* --- news ------------------------------------------------------------------------------------- */

static uint64_t expires_ns(const struct coffer_lock *lock)
{
	struct client *client = lock->coffer->client;

	return lock->token != 0 && client_session(client) == lock->session
	               ? client_valid_until_ns(client)
	               : 0;
}

static void tell(struct coffer_lock *lock, const struct coffer_lock_news *news)
{
	struct coffer *coffer = lock->coffer;
	const bool was_calling_back = coffer->calling_back;

	if (news->kind != COFFER_LOCK_WARNING) {
		lock->told = news->kind;
	}
	if (lock->fn != NULL) {
		coffer->told++;
		coffer->calling_back = true;
		lock->fn(lock->context, lock, news);
		coffer->calling_back = was_calling_back;
	}
}

static void unwatch(struct coffer_lock *lock)
{
	lock->watch_from = 0;
	if (lock->watch != 0) {
		must(coffer_unwatch(lock->coffer, lock->watch) == 0);
		lock->watch = 0;
		lock->coffer->watches_reserved++;
	}
}

/* The last news. What the servers may hold for it is given back. */
static void end(struct coffer_lock *lock, enum coffer_lock_kind kind, enum coffer_cause cause,
                enum coffer_answer answer)
{
	const struct coffer_lock_news news = {
		.kind = kind,
		.ticket = lock->ticket,
		.token = lock->token,
		.cause = cause,
		.answer = answer,
	};

	unwatch(lock);
	lock->answer = answer;
	if (!lock->is_over) {
		lock->is_over = true;
		tell(lock, &news);
	}
}

static void give_back(struct coffer_lock *lock)
{
	unwatch(lock);
	lock->want = CTL_WANT_UNLOCK;
	if (lock->asked == CTL_WANT_LOCK) {
		(void)coffer_cancel(lock->coffer, lock->request); /* it may have ended just now */
	}
}

void ctl_lock_gone(struct coffer_lock *lock, enum coffer_cause cause)
{
	lock->want = CTL_WANT_NOTHING;
	end(lock, cause == COFFER_CAUSE_RELEASED ? COFFER_LOCK_RELEASED : COFFER_LOCK_LOST, cause,
	    COFFER_OK);
	lock->ticket = lock->token = 0;
}

/* --- its file --------------------------------------------------------------------------------- */

static void watch_file(struct coffer_lock *lock);

static void on_event(struct coffer_lock *lock, const struct coffer_event *event)
{
	const bool is_end = event->kind == COFFER_EVENT_DELETE ||
	                    event->cause == COFFER_CAUSE_EXPIRED ||
	                    event->cause == COFFER_CAUSE_REVOKED;

	if (!is_end) {
		return; /* it said something new of itself */
	}
	unwatch(lock);
	if (lock->token == 0 && event->cause == COFFER_CAUSE_GRANTED) {
		lock->token = event->revision - 1;
		lock->watch_from = lock->token + 1;
		watch_file(lock);
	} else {
		ctl_lock_gone(lock, event->cause);
	}
}

static void on_news(void *context, const struct coffer_news *news)
{
	struct coffer_lock *lock = context;

	if (news->kind == COFFER_NEWS_EVENT) {
		on_event(lock, news->event);
	} else if (news->kind == COFFER_NEWS_END) {
		lock->watch = 0;
		lock->coffer->watches_reserved++;
		if (news->answer == COFFER_TOO_LATE) {
			lock->want = CTL_WANT_LOOK;
		} else {
			give_back(lock);
			end(lock, COFFER_LOCK_REFUSED, COFFER_CAUSE_ASKED, news->answer);
		}
	}
}

/* The path of its file, as holder or in the queue. */
static void file_of(const struct coffer_lock *lock, char ret_path[STORE_PATH_SIZE_MAX + 1])
{
	const struct slice name = slice_text(lock->name);
	const struct store_claim_path path =
		lock->token != 0 ? store_claim_holder(name, lock->token)
				 : store_claim_waiter(name, lock->claim.priority, lock->ticket);

	memcpy(ret_path, path.bytes, path.size);
	ret_path[path.size] = '\0';
}

static void watch_file(struct coffer_lock *lock)
{
	char path[STORE_PATH_SIZE_MAX + 1];

	file_of(lock, path);
	lock->coffer->watches_reserved--;
	/* -EAGAIN: the place of one that was ended is not free yet: again with the next turn. */
	if (ctl_watch_begin(lock->coffer, path, lock->watch_from, 1, on_news, lock, &lock->watch) ==
	    0) {
		lock->watch_from = 0;
	} else {
		lock->coffer->watches_reserved++;
	}
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Its place in the queue, or the lock, is there. */
static void stands(struct coffer_lock *lock, enum ctl_want asked,
                   const struct coffer_result *result)
{
	const bool is_new = asked == CTL_WANT_LOCK || result->is_else;

	if (is_new && result->is_queued) {
		lock->ticket = result->number;
	} else if (is_new) {
		lock->token = result->number;
	}
	if (lock->want != CTL_WANT_NOTHING) {
		return; /* too late */
	}
	if (asked == CTL_WANT_LOCK && result->is_queued && result->first == 0) {
		/* The session waited before, maybe at another priority. */
		lock->want = CTL_WANT_LOOK;
		return;
	}
	/* What was granted at once, in the same entry, is seen from the ticket on. */
	lock->watch_from = (asked == CTL_WANT_LOCK ? result->number : result->revision) + 1;
	watch_file(lock);
	if (lock->token == 0 && lock->told == 0) {
		tell(lock, &(struct coffer_lock_news){.kind = COFFER_LOCK_WAITING,
		                                      .ticket = lock->ticket});
	}
}

/* LOCK was refused, or nobody knows. */
static void not_got(struct coffer_lock *lock, const struct coffer_result *result)
{
	if (result->outcome == COFFER_UNKNOWN && lock->session != 0) {
		lock->want = CTL_WANT_UNLOCK; /* it comes after the one that is not known */
	} else if (lock->want == CTL_WANT_UNLOCK) {
		ctl_lock_gone(lock, COFFER_CAUSE_RELEASED); /* before it was ever asked for */
		return;
	}
	if (!lock->is_over && lock->want != CTL_WANT_UNLOCK) {
		end(lock, COFFER_LOCK_REFUSED, COFFER_CAUSE_ASKED, result->answer);
	}
}

/* What was looked for is not there, or (full disks) nobody looked: then it may be there still. */
static void not_seen(struct coffer_lock *lock, enum coffer_answer answer)
{
	if (answer == COFFER_DISK_FULL) {
		give_back(lock);
		end(lock, COFFER_LOCK_REFUSED, COFFER_CAUSE_ASKED, answer);
	} else {
		ctl_lock_gone(lock, lock->want == CTL_WANT_UNLOCK ? COFFER_CAUSE_RELEASED
		                                                  : COFFER_CAUSE_ASKED);
	}
}

static void on_done(void *context, const struct coffer_result *result)
{
	struct coffer_lock *lock = context;
	const enum ctl_want asked = lock->asked;

	lock->asked = CTL_WANT_NOTHING;
	lock->request = 0;
	if (asked == CTL_WANT_LOCK) {
		/* No other one can have come: that takes a round trip. 0: it was lost just now. */
		lock->session = client_session(lock->coffer->client);
	}
	if (asked == CTL_WANT_UNLOCK) {
		ctl_lock_gone(lock, COFFER_CAUSE_RELEASED);
	} else if (result->outcome == COFFER_DONE) {
		stands(lock, asked, result);
	} else if (asked == CTL_WANT_LOCK) {
		not_got(lock, result);
	} else if (result->outcome == COFFER_REFUSED) {
		not_seen(lock, result->answer);
	} else if (lock->want == CTL_WANT_NOTHING) {
		lock->want = CTL_WANT_LOOK; /* or the session is gone, and the next turn tells */
	}
}

/* True if an older one of the same name has not been given back yet. */
static bool is_behind(const struct coffer_lock *lock)
{
	for (const struct coffer_lock *older = lock->next; older != NULL; older = older->next) {
		if ((older->want != CTL_WANT_NOTHING || older->request != 0) &&
		    strcmp(older->name, lock->name) == 0) {
			return true;
		}
	}
	return false;
}

static void put_look(const struct coffer_lock *lock, struct coffer_txn *txn)
{
	struct coffer_claim claim = lock->claim;
	char path[STORE_PATH_SIZE_MAX + 1];

	if (lock->token != 0) {
		coffer_txn_if_token(txn, lock->name, lock->token);
		return;
	}
	file_of(lock, path);
	coffer_txn_if_rev(txn, path, COFFER_AT_LEAST, 1);
	/* It waits no more: it was granted meanwhile, or its place is lost. */
	coffer_txn_or_else(txn);
	claim.is_try = true;
	coffer_txn_lock(txn, lock->name, &claim);
}

/* Asks for what is wanted, unless something is under way. Returns as coffer_submit(). */
static int ask(struct coffer_lock *lock)
{
	struct coffer_txn *txn = lock->coffer->lock_txn;
	const struct coffer_request request = {
		.verb = COFFER_TXN, .flags = COFFER_ORDERED, .timeout_ms = FOR_EVER_MS, .txn = txn};
	int r;

	if (lock->want == CTL_WANT_NOTHING || lock->request != 0 ||
	    (lock->want == CTL_WANT_LOCK && is_behind(lock))) {
		return 0;
	}
	coffer_txn_clear(txn);
	if (lock->want == CTL_WANT_LOCK) {
		coffer_txn_lock(txn, lock->name, &lock->claim);
	} else if (lock->want == CTL_WANT_LOOK) {
		put_look(lock, txn);
	} else {
		coffer_txn_unlock(txn, lock->name, true);
	}
	r = coffer_submit(lock->coffer, &request, on_done, lock, &lock->request);
	if (r == 0) {
		lock->asked = lock->want;
		lock->want = CTL_WANT_NOTHING;
	}
	return r;
}

/* --- turning ---------------------------------------------------------------------------------- */

static bool is_waiting(const struct coffer_lock *lock)
{
	return !lock->is_over && lock->told != COFFER_LOCK_HELD && !is_leaving(lock);
}

static bool is_held(const struct coffer_lock *lock)
{
	return !lock->is_over && lock->told == COFFER_LOCK_HELD && !is_leaving(lock);
}

/* When it is to be looked at next because of time. */
static uint64_t due_ns(const struct coffer_lock *lock)
{
	uint64_t due_ns;

	if (!is_held(lock)) {
		return is_waiting(lock) ? lock->deadline_ns : UINT64_MAX;
	}
	due_ns = expires_ns(lock);
	if (lock->margin_ns == 0 || lock->warned_ns == due_ns) {
		return due_ns;
	}
	return due_ns > lock->margin_ns ? due_ns - lock->margin_ns : 0;
}

static void check_session(struct coffer_lock *lock)
{
	const uint64_t session = client_session(lock->coffer->client);

	if ((lock->ticket != 0 || lock->token != 0) && (session == 0 || session != lock->session)) {
		ctl_lock_gone(lock, lock->want == CTL_WANT_UNLOCK ? COFFER_CAUSE_RELEASED
		                                                  : COFFER_CAUSE_EXPIRED);
	}
}

static void check_time(struct coffer_lock *lock, uint64_t now_ns)
{
	const uint64_t ends_ns = expires_ns(lock);
	struct coffer_lock_news news = {
		.ticket = lock->ticket, .token = lock->token, .expires_ns = ends_ns};

	if (is_waiting(lock) && lock->token != 0 && now_ns < ends_ns) {
		news.kind = COFFER_LOCK_HELD;
		tell(lock, &news);
	} else if (is_waiting(lock) && now_ns >= lock->deadline_ns) {
		give_back(lock);
		end(lock, COFFER_LOCK_REFUSED, COFFER_CAUSE_ASKED,
		    lock->ticket != 0 && lock->token == 0 ? COFFER_LOCKED : COFFER_NO_QUORUM);
	} else if (is_held(lock) && now_ns >= ends_ns) {
		give_back(lock);
		end(lock, COFFER_LOCK_LOST, COFFER_CAUSE_EXPIRED, COFFER_OK);
	} else if (is_held(lock) && now_ns >= due_ns(lock)) {
		news.kind = COFFER_LOCK_WARNING;
		lock->warned_ns = ends_ns;
		tell(lock, &news);
	}
}

void ctl_locks_turn(struct coffer *coffer, uint64_t now_ns)
{
	struct coffer_lock **place = &coffer->locks;
	struct coffer_lock *lock;

	for (lock = coffer->locks; lock != NULL; lock = lock->next) {
		check_session(lock);
		check_time(lock, now_ns);
		(void)ask(lock); /* -EAGAIN: when a request has ended, which is a turn */
		if (lock->watch_from != 0 && lock->watch == 0) {
			watch_file(lock);
		}
	}
	while ((lock = *place) != NULL) {
		if (lock->owners != 0 || lock->want != CTL_WANT_NOTHING || lock->request != 0) {
			place = &lock->next;
			continue;
		}
		must(lock->watch == 0);
		*place = lock->next;
		coffer->watches_reserved--;
		free(lock);
	}
}

uint64_t ctl_locks_deadline_ns(const struct coffer *coffer)
{
	uint64_t first_ns = UINT64_MAX;

	for (const struct coffer_lock *lock = coffer->locks; lock != NULL; lock = lock->next) {
		const uint64_t lock_ns = due_ns(lock);

		first_ns = lock_ns < first_ns ? lock_ns : first_ns;
	}
	return first_ns;
}

void ctl_locks_hush(struct coffer *coffer)
{
	for (struct coffer_lock *lock = coffer->locks; lock != NULL; lock = lock->next) {
		lock->fn = NULL;
		lock->is_over = true;
		lock->watch = 0;
		lock->watch_from = 0;
	}
}

void ctl_locks_free(struct coffer *coffer)
{
	while (coffer->locks != NULL) {
		struct coffer_lock *lock = coffer->locks;

		coffer->locks = lock->next;
		free(lock);
	}
	coffer_txn_free(coffer->lock_txn);
}

/* --- what users call -------------------------------------------------------------------------- */

/* What the handle has of this name already, or NULL. */
static struct coffer_lock *find(const struct coffer *coffer, const char *name)
{
	for (struct coffer_lock *lock = coffer->locks; lock != NULL; lock = lock->next) {
		if (!lock->is_over && !is_leaving(lock) && strcmp(lock->name, name) == 0) {
			return lock;
		}
	}
	return NULL;
}

static int lock_again(struct coffer_lock *lock, const struct coffer_claim *claim,
                      struct coffer_lock **ret_lock)
{
	if (lock->claim.is_shared != claim->is_shared || lock->claim.permits != claim->permits) {
		return -EINVAL;
	}
	lock->owners++;
	*ret_lock = lock;
	return 1;
}

static struct coffer_lock *make(struct coffer *coffer, const char *name, size_t size,
                                const struct coffer_lock_options *options)
{
	const uint64_t wait_ns = options->wait_ms != 0   ? options->wait_ms * NS_PER_MS
	                         : options->claim.is_try ? coffer->timeout_ns
	                                                 : 0;
	struct coffer_lock *lock = calloc(1, sizeof(*lock));

	if (lock == NULL) {
		return NULL;
	}
	lock->coffer = coffer;
	lock->owners = 1;
	lock->deadline_ns = wait_ns != 0 ? ctl_handle_now_ns() + wait_ns : UINT64_MAX;
	lock->margin_ns = options->margin_ms * NS_PER_MS;
	lock->want = CTL_WANT_LOCK;
	lock->claim = options->claim;
	if (options->claim.data_size != 0) {
		memcpy(lock->data, options->claim.data, options->claim.data_size);
	}
	lock->claim.data = lock->data;
	memcpy(lock->name, name, size);
	return lock;
}

int coffer_lock(struct coffer *coffer, const char *name, const struct coffer_lock_options *options,
                coffer_lock_fn *fn, void *context, struct coffer_lock **ret_lock)
{
	static const struct coffer_lock_options plain;
	const size_t size = name == NULL ? 0 : strnlen(name, COFFER_LOCK_NAME_SIZE_MAX + 1);
	struct coffer_lock *lock;
	int r;

	options = options == NULL ? &plain : options;
	if (size == 0 || (options->claim.data == NULL && options->claim.data_size != 0)) {
		return -EINVAL;
	}
	if (size > COFFER_LOCK_NAME_SIZE_MAX ||
	    options->claim.data_size > COFFER_LOCK_DATA_SIZE_MAX) {
		return -E2BIG;
	}
	lock = find(coffer, name);
	if (lock != NULL) {
		return lock_again(lock, &options->claim, ret_lock);
	}
	if (ctl_watch_left(coffer) == 0) {
		return -EAGAIN;
	}
	if (coffer->lock_txn == NULL) {
		coffer->lock_txn = coffer_txn_new();
	}
	lock = coffer->lock_txn == NULL ? NULL : make(coffer, name, size, options);
	if (lock == NULL) {
		return -ENOMEM;
	}
	lock->fn = fn;
	lock->context = context;
	lock->next = coffer->locks;
	r = ask(lock);
	if (r < 0 && r != -EAGAIN) {
		free(lock);
		return r;
	}
	coffer->watches_reserved++;
	coffer->locks = lock;
	ctl_handle_flush(coffer);
	*ret_lock = lock;
	return 0;
}

void coffer_lock_release(struct coffer_lock *lock)
{
	if (!lock->is_over && !is_leaving(lock)) {
		give_back(lock);
		(void)ask(lock); /* -EAGAIN: with the next turn */
		ctl_handle_flush(lock->coffer);
	}
}

void coffer_lock_free(struct coffer_lock *lock)
{
	if (lock == NULL || --lock->owners != 0) {
		return;
	}
	coffer_lock_release(lock);
	lock->fn = NULL;
	lock->is_over = true;
}

/* --- what is seen ----------------------------------------------------------------------------- */

enum coffer_lock_kind coffer_lock_state(const struct coffer_lock *lock)
{
	return lock->told;
}

uint64_t coffer_lock_expires_ns(const struct coffer_lock *lock)
{
	return is_held(lock) ? expires_ns(lock) : 0;
}

int64_t coffer_lock_token(const struct coffer_lock *lock)
{
	return ctl_handle_now_ns() < coffer_lock_expires_ns(lock) ? lock->token : 0;
}

const char *coffer_lock_name(const struct coffer_lock *lock)
{
	return lock->name;
}
