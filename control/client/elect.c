/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elect.c - who leads: observers of a handle (coffer_lock.h)
 *
 *      LIST of /ctl/lock/NAME/.holder --> GET of the file in it --> a watch from there on
 *              ^          `--- empty ----------------------------------^   |
 *              `----------------- TOO_LATE, or it was gone ----------------'
 *
 * All three are of one story: what stood at the read's store revision, then each change after it.
 *
 * A file that goes, and its successor that comes in the same entry, are two events, and may come
 * in two pages. So it is told that nobody leads when all of the entry has come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/client/coffer_lock.h"
#include "control/client/handle.h"
#include "control/client/left.h"
#include "store/base/check.h"
#include "store/base/digits.h"
#include "store/claim.h"

#define NS_PER_MS ((uint64_t)1000 * 1000)

enum {
	OLD_MS = 5000, /* beyond a time to live; notes come each 3.3 s, or sooner */
};

enum want {
	WANT_NOTHING = 0,
	WANT_LIST,
	WANT_GET,
};

struct coffer_observer {
	struct coffer *coffer;
	struct coffer_observer *next;
	coffer_leader_fn *fn;
	void *context;
	enum want want;     /* to be asked next, or under way */
	int64_t gone;       /* the leader went, in the entry that ends here; 0: it leads */
	uint64_t request;   /* under way; 0: none */
	uint64_t watch;     /* 0: none */
	int64_t watch_from; /* one is wanted from here on; 0: none is */
	bool is_over;       /* it has ended, or nobody is left to be told */
	bool is_freed;      /* when nothing is under way */
	bool was_told;
	uint64_t true_ns;            /* it is all as it was then, or later; 0: not known */
	struct coffer_leader leader; /* its value is this: */
	uint8_t value[COFFER_LOCK_DATA_SIZE_MAX];
	char file[STORE_PATH_SIZE_MAX + 1]; /* of the holder, as it was listed */
	char name[COFFER_LOCK_NAME_SIZE_MAX + 1];
};

/* Somebody heard of it `age_ns` ago. */
static void heard(struct coffer_observer *observer, uint64_t age_ns)
{
	const uint64_t now_ns = ctl_handle_now_ns();

	if (age_ns < now_ns && now_ns - age_ns > observer->true_ns) {
		observer->true_ns = now_ns - age_ns;
	}
}

static void heard_ms(struct coffer_observer *observer, uint32_t age_ms)
{
	if (age_ms != UINT32_MAX) {
		heard(observer, age_ms * NS_PER_MS);
	}
}

static uint32_t age_ms(const struct coffer_observer *observer)
{
	const uint64_t age = (ctl_handle_now_ns() - observer->true_ns + NS_PER_MS - 1) / NS_PER_MS;

	return observer->true_ns != 0 && age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}

/* From when on it is old. */
static uint64_t old_ns(const struct coffer_observer *observer)
{
	return observer->true_ns + (observer->leader.ttl_ms + (uint64_t)OLD_MS) * NS_PER_MS;
}

static void tell(struct coffer_observer *observer)
{
	struct coffer *coffer = observer->coffer;
	const bool was_calling_back = coffer->calling_back;

	observer->was_told = true;
	coffer->told++;
	coffer->calling_back = true;
	observer->fn(observer->context, &observer->leader);
	coffer->calling_back = was_calling_back;
}

static void end(struct coffer_observer *observer, enum coffer_answer answer)
{
	if (!observer->is_over) {
		observer->is_over = true;
		observer->leader = (struct coffer_leader){.answer = answer};
		tell(observer);
	}
}

static bool is_old(const struct coffer_observer *observer)
{
	return ctl_handle_now_ns() >= old_ns(observer);
}

/* What stands now; it is told if that is news. */
static void lead(struct coffer_observer *observer, const struct coffer_leader *leader)
{
	const struct coffer_leader *before = &observer->leader;
	const bool is_same = observer->was_told && before->term == leader->term &&
	                     before->is_resting == leader->is_resting &&
	                     before->value_size == leader->value_size &&
	                     (leader->value_size == 0 ||
	                      memcmp(observer->value, leader->value, leader->value_size) == 0);

	must(leader->value_size <= sizeof(observer->value));
	observer->want = WANT_NOTHING;
	observer->gone = 0;
	if (is_same) {
		return;
	}
	if (leader->value_size != 0) {
		memcpy(observer->value, leader->value, leader->value_size);
	}
	observer->leader = *leader;
	observer->leader.value = observer->value;
	observer->leader.age_ms = age_ms(observer);
	observer->leader.is_old = is_old(observer);
	tell(observer);
}

static void check_age(struct coffer_observer *observer)
{
	if (observer->was_told && !observer->is_over &&
	    is_old(observer) != observer->leader.is_old) {
		observer->leader.is_old = !observer->leader.is_old;
		observer->leader.age_ms = age_ms(observer);
		tell(observer);
	}
}

/* The file of a holder, as it stands. False if it makes no sense. */
static bool read_holder(struct slice path, struct slice value, struct coffer_leader *ret_leader)
{
	enum store_claim_kind kind;
	struct store_claim claim;
	struct slice name;
	store_rev_t token;

	if (!store_claim_path_read(path, &name, &kind, &token) || kind != STORE_CLAIM_HOLDER ||
	    !store_claim_read(value, &claim) || claim.data.size > COFFER_LOCK_DATA_SIZE_MAX) {
		return false;
	}
	*ret_leader = (struct coffer_leader){
		.term = token,
		.is_resting = claim.until_ns != 0,
		.session = claim.session,
		.value = claim.data.data,
		.value_size = claim.data.size,
		.ttl_ms = claim.ttl_ms,
	};
	return true;
}

static const struct coffer_leader NOBODY;

/* --- what stands ------------------------------------------------------------------------------ */

/* The folder of holders without its last slash, and behind it nothing, "/" and a token, or all. */
static void put_folder(const struct coffer_observer *observer, const char *tail, char *memory)
{
	const struct store_claim_path front =
		store_claim_front(slice_text(observer->name), STORE_CLAIM_HOLDER);

	memcpy(memory, front.bytes, front.size - 1u);
	memcpy(memory + front.size - 1, tail, strlen(tail) + 1);
}

static void on_listed(struct coffer_observer *observer, const struct coffer_result *result)
{
	struct coffer_entry entry;
	size_t position = 0;
	char token[1 + DIGITS_HEX + 1] = "/";

	if (result->outcome == COFFER_REFUSED && result->answer == COFFER_NOT_FOUND) {
		observer->watch_from = result->store_revision + 1;
		heard(observer, result->latency_ns);
		lead(observer, &NOBODY);
	} else if (result->outcome == COFFER_DONE &&
	           coffer_page_next(result, &position, &entry) == 1 &&
	           entry.name_size == DIGITS_HEX) {
		memcpy(token + 1, entry.name, DIGITS_HEX);
		put_folder(observer, token, observer->file);
		observer->want = WANT_GET;
	} else if (result->outcome == COFFER_REFUSED) {
		end(observer, result->answer);
	}
}

static void on_got(struct coffer_observer *observer, const struct coffer_result *result)
{
	struct coffer_leader leader;

	if (result->outcome == COFFER_DONE &&
	    read_holder(slice_text(observer->file), slice_make(result->value, result->value_size),
	                &leader)) {
		observer->watch_from = result->store_revision + 1;
		heard(observer, result->latency_ns);
		lead(observer, &leader);
	} else {
		observer->want = WANT_LIST; /* it is gone; or nobody answered */
	}
}

static void unwatch(struct coffer_observer *observer)
{
	if (observer->watch != 0) {
		must(coffer_unwatch(observer->coffer, observer->watch) == 0);
		observer->watch = 0;
		observer->coffer->watches_reserved++;
	}
}

static void on_done(void *context, const struct coffer_result *result)
{
	struct coffer_observer *observer = context;

	observer->request = 0;
	if (observer->is_over) {
		return;
	}
	if (observer->want == WANT_LIST) {
		on_listed(observer, result);
	} else {
		on_got(observer, result);
	}
}

/* Returns as coffer_submit(). */
static int ask(struct coffer_observer *observer)
{
	char folder[STORE_PATH_SIZE_MAX + 1];
	struct coffer_request request = {
		.verb = COFFER_GET,
		.path = observer->file,
	};

	if (observer->is_over || observer->want == WANT_NOTHING || observer->request != 0) {
		return 0;
	}
	if (observer->want == WANT_LIST) {
		put_folder(observer, "", folder);
		request = (struct coffer_request){.verb = COFFER_LIST, .path = folder, .limit = 1};
	}
	return coffer_submit(observer->coffer, &request, on_done, observer, &observer->request);
}

/* --- what changes ----------------------------------------------------------------------------- */

static void on_event(struct coffer_observer *observer, const struct coffer_event *event)
{
	const struct slice path = slice_make(event->path, event->path_size);
	struct coffer_leader leader;
	enum store_claim_kind kind;
	store_rev_t token = 0;
	struct slice name;

	if (event->kind == COFFER_EVENT_SET) {
		if (read_holder(path, slice_make(event->value, event->value_size), &leader)) {
			lead(observer, &leader);
		}
	} else if (store_claim_path_read(path, &name, &kind, &token) &&
	           token == observer->leader.term) {
		observer->gone = event->entry_last;
	}
}

static void on_news(void *context, const struct coffer_news *news)
{
	struct coffer_observer *observer = context;

	if (news->kind != COFFER_NEWS_END) {
		heard_ms(observer, news->age_ms);
	}
	if (news->kind == COFFER_NEWS_EVENT) {
		on_event(observer, news->event);
	}
	if (news->kind != COFFER_NEWS_END && observer->gone != 0 && news->next > observer->gone) {
		lead(observer, &NOBODY);
	}
	if (news->kind == COFFER_NEWS_END) {
		observer->watch = 0;
		observer->coffer->watches_reserved++;
		observer->want = WANT_LIST;
		if (news->answer != COFFER_TOO_LATE) {
			end(observer, news->answer);
		}
	}
}

static void watch_holders(struct coffer_observer *observer)
{
	char glob[STORE_PATH_SIZE_MAX + 1];

	if (observer->is_over || observer->watch_from == 0) {
		return;
	}
	put_folder(observer, "/*", glob);
	observer->coffer->watches_reserved--;
	/* -EAGAIN: the place of one that was ended is not free yet: again with the next turn. */
	if (coffer_watch(observer->coffer, glob, observer->watch_from, on_news, observer,
	                 &observer->watch) == 0) {
		observer->watch_from = 0;
	} else {
		observer->coffer->watches_reserved++;
	}
}

/* --- turning ---------------------------------------------------------------------------------- */

void ctl_observers_turn(struct coffer *coffer)
{
	struct coffer_observer **place = &coffer->observers;
	struct coffer_observer *observer;

	while ((observer = *place) != NULL) {
		(void)ask(observer); /* -EAGAIN: when a request has ended, which is a turn */
		watch_holders(observer);
		check_age(observer);
		if (!observer->is_freed || observer->request != 0) {
			place = &observer->next;
			continue;
		}
		*place = observer->next;
		coffer->watches_reserved--;
		free(observer);
	}
}

uint64_t ctl_observers_deadline_ns(const struct coffer *coffer)
{
	uint64_t first_ns = UINT64_MAX;

	for (const struct coffer_observer *observer = coffer->observers; observer != NULL;
	     observer = observer->next) {
		if (observer->was_told && !observer->is_over && !observer->leader.is_old &&
		    old_ns(observer) < first_ns) {
			first_ns = old_ns(observer);
		}
	}
	return first_ns;
}

void ctl_observers_hush(struct coffer *coffer)
{
	for (struct coffer_observer *observer = coffer->observers; observer != NULL;
	     observer = observer->next) {
		observer->is_over = true;
	}
}

void ctl_observers_free(struct coffer *coffer)
{
	while (coffer->observers != NULL) {
		struct coffer_observer *observer = coffer->observers;

		coffer->observers = observer->next;
		free(observer);
	}
}

/* --- what users call -------------------------------------------------------------------------- */

int coffer_observe(struct coffer *coffer, const char *election, coffer_leader_fn *fn, void *context,
                   struct coffer_observer **ret_observer)
{
	const size_t size = election == NULL ? 0 : strnlen(election, COFFER_LOCK_NAME_SIZE_MAX + 1);
	struct coffer_observer *observer;
	int r;

	if (size == 0 || fn == NULL) {
		return -EINVAL;
	}
	if (size > COFFER_LOCK_NAME_SIZE_MAX) {
		return -E2BIG;
	}
	if (ctl_watch_left(coffer) == 0) {
		return -EAGAIN;
	}
	observer = calloc(1, sizeof(*observer));
	if (observer == NULL) {
		return -ENOMEM;
	}
	observer->coffer = coffer;
	observer->fn = fn;
	observer->context = context;
	observer->want = WANT_LIST;
	memcpy(observer->name, election, size);
	r = ask(observer);
	if (r < 0 && r != -EAGAIN) {
		free(observer);
		return r;
	}
	observer->next = coffer->observers;
	coffer->observers = observer;
	coffer->watches_reserved++;
	*ret_observer = observer;
	return 0;
}

void coffer_unobserve(struct coffer_observer *observer)
{
	if (observer == NULL) {
		return;
	}
	observer->is_over = true;
	observer->is_freed = true;
	unwatch(observer);
	if (observer->request != 0) {
		(void)coffer_cancel(observer->coffer, observer->request);
	}
}

/* --- one look --------------------------------------------------------------------------------- */

struct look {
	struct coffer *coffer;
	struct coffer_leader leader;
	bool is_told;
};

static void on_look(void *context, const struct coffer_leader *leader)
{
	struct look *look = context;

	if (look->is_told) {
		return; /* the first is what was asked for */
	}
	look->is_told = true;
	look->leader = *leader;
	look->leader.value = look->coffer->value;
	if (leader->value_size != 0) {
		memcpy(look->coffer->value, leader->value, leader->value_size);
	}
}

int coffer_leader(struct coffer *coffer, const char *election, uint32_t timeout_ms,
                  struct coffer_leader *ret_leader)
{
	const uint64_t since_ns = ctl_handle_now_ns();
	struct look look = {.coffer = coffer};
	struct coffer_observer *observer;
	int r, left_ms = 1;

	if (coffer->calling_back) {
		return -EBUSY;
	}
	if (timeout_ms == 0) {
		timeout_ms = (uint32_t)(coffer->timeout_ns / NS_PER_MS);
	}
	r = coffer_observe(coffer, election, on_look, &look, &observer);
	if (r < 0) {
		return r;
	}
	while (!look.is_told && left_ms > 0) {
		left_ms = ctl_left_ms(since_ns, timeout_ms, ctl_handle_now_ns());
		ctl_handle_wait(coffer, left_ms);
	}
	coffer_unobserve(observer);
	if (!look.is_told) {
		return COFFER_UNREACHED;
	}
	*ret_leader = look.leader;
	return look.leader.answer == COFFER_OK ? COFFER_DONE : COFFER_REFUSED;
}
