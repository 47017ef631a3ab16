/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lock.h"

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/change.h"
#include "store/claim.h"
#include "store/file.h"
#include "store/owned.h"

/* A file of a lock, as it stands. */
struct found {
	const struct store_item *item; /* NULL: there is none */
	struct store_claim claim;
};

static bool begins_with(struct slice path, struct slice front)
{
	return path.size > front.size && memcmp(path.data, front.data, front.size) == 0;
}

static struct found found_at(const struct store_item *item)
{
	struct found found = {.item = item};

	if (item != NULL) {
		must(store_claim_read(store_item_value(item), &found.claim));
	}
	return found;
}

/* The session's own file of the lock. */
static struct found own_of(const struct store *store, uint64_t session, struct slice name,
                           enum store_claim_kind kind)
{
	const struct store_claim_path front = store_claim_front(name, kind);
	const struct slice path =
		store_owned_next(store->state.owned, session, store_claim_slice(&front));

	if (path.size == 0 || !begins_with(path, store_claim_slice(&front))) {
		return (struct found){0};
	}
	return found_at(store_tree_get(store->state.files, path));
}

/* What the session has of the lock: it holds it, or waits. */
static struct found claim_of(const struct store *store, uint64_t session, struct slice name,
                             bool *ret_waits)
{
	const struct found own = own_of(store, session, name, STORE_CLAIM_HOLDER);

	*ret_waits = own.item == NULL;
	return *ret_waits ? own_of(store, session, name, STORE_CLAIM_WAITER) : own;
}

/* The first holder, or the first who waits. */
static struct found first_of(const struct store *store, struct slice name,
                             enum store_claim_kind kind)
{
	const struct store_claim_path front = store_claim_front(name, kind);
	const struct store_item *before, *at;

	store_tree_around(store->state.files, store_claim_slice(&front), &before, &at);
	if (at == NULL || !begins_with(store_item_key(at), store_claim_slice(&front))) {
		return (struct found){0};
	}
	return found_at(at);
}

static store_rev_t number_of(const struct store_item *item)
{
	enum store_claim_kind kind;
	struct slice name;
	store_rev_t number;

	must(store_claim_path_read(store_item_key(item), &name, &kind, &number));
	return number;
}

/* Those who hold a lock, as far as others are concerned. */
struct holders {
	uint32_t count, lowest; /* of limits; 0: they share it, and are not counted any further */
};

static void add_holder(struct holders *holders, uint32_t limit)
{
	holders->lowest = holders->count == 0 || limit < holders->lowest ? limit : holders->lowest;
	holders->count++;
}

static struct holders holders_of(const struct store *store, struct slice name)
{
	const struct store_claim_path front = store_claim_front(name, STORE_CLAIM_HOLDER);
	const struct store_item *item;
	struct holders holders = {0};
	struct store_place place;

	store_tree_seek(store->state.files, store_claim_slice(&front), &place);
	while ((holders.count == 0 || holders.lowest != 0) &&
	       (item = store_tree_next(&place)) != NULL &&
	       begins_with(store_item_key(item), store_claim_slice(&front))) {
		add_holder(&holders, found_at(item).claim.limit);
	}
	return holders;
}

/* True if one more can hold it beside those. */
static bool is_room(const struct holders *holders, uint32_t limit)
{
	if (holders->count == 0) {
		return true;
	}
	if (limit == 0 || holders->lowest == 0) {
		/* who holds it shared is like all others */
		return limit == holders->lowest || mutant(62);
	}
	return holders->count < (limit < holders->lowest || mutant(63) ? limit : holders->lowest);
}

static bool can_have(const struct store *store, struct slice name, uint32_t limit)
{
	const struct holders holders = holders_of(store, name);

	return is_room(&holders, limit);
}

/* The number, and whether it is a ticket, are of the last operation that has one. */
static void tell(struct store_result *result, store_rev_t number, bool is_queued)
{
	result->number = number;
	result->flags = is_queued ? STORE_RESULT_QUEUED : 0;
}

/* A file of a lock, whose revision is the next: its value is a head, and data behind it. */
static struct store_item *file_new(struct store *store, struct slice path, struct slice head,
                                   struct slice data, uint64_t owner)
{
	struct store_item *item = store_item_new(&store->reclaim, path, head.size + data.size,
	                                         store->state.revision + 1);
	uint8_t *memory = store_item_memory(item);

	if (head.size != 0) {
		memcpy(memory, head.data, head.size);
	}
	if (data.size != 0) {
		memcpy(memory + head.size, data.data, data.size);
	}
	item->owner = owner;
	return item;
}

static struct store_item *item_new(struct store *store, struct slice path,
                                   const struct store_claim *claim, uint64_t owner)
{
	char head[STORE_CLAIM_HEAD_MAX];
	const size_t size = store_claim_write(claim, head);

	return file_new(store, path, slice_make(head, size), claim->data, owner);
}

/* --- LOCK ------------------------------------------------------------------------------------- */

/* Locked once more by who holds it. */
static enum store_answer take_again(struct store *store, const struct found *own,
                                    const struct store_op *op, struct store_result *result)
{
	struct store_claim claim = own->claim;

	tell(result, number_of(own->item), false);
	if (claim.limit != op->limit) {
		result->revision = result->number;
		return STORE_MISMATCH;
	}
	if (claim.count == UINT32_MAX) {
		return STORE_TOO_LARGE;
	}
	claim.count++;
	store_change_put(store, item_new(store, store_item_key(own->item), &claim, claim.session),
	                 STORE_CAUSE_ASKED);
	return STORE_OK;
}

static enum store_answer put_claim(struct store *store, const struct store_claim_path *path,
                                   const struct store_claim *claim)
{
	const struct slice key = store_claim_slice(path);
	const struct store_item *item;
	const enum store_answer answer = store_file_look(store->state.files, key, &item);
	struct store_item *put;
	uint64_t cost;

	if (answer != STORE_NOT_FOUND) {
		must(answer != STORE_OK);
		return answer;
	}
	cost = store_file_cost(key.size, STORE_CLAIM_HEAD_MAX + claim->data.size);
	if (store->state.bytes + cost > store->quota_bytes) {
		return STORE_QUOTA;
	}
	put = item_new(store, key, claim, claim->session);
	store_change_put(store, put, STORE_CAUSE_ASKED);
	return STORE_OK;
}

/* By one who neither holds it nor waits. */
static enum store_answer take_new(struct store *store, const struct store_session *session,
                                  const struct store_op *op, struct store_result *result)
{
	const store_rev_t next = store->state.revision + 1;
	const struct store_claim claim = {
		.session = session->id,
		.limit = op->limit,
		.count = 1,
		.delay_ms = op->delay_ms,
		.ttl_ms = session->ttl_ms,
		.data = op->value,
	};
	struct store_claim_path path;

	tell(result, next, false);
	if ((first_of(store, op->path, STORE_CLAIM_WAITER).item == NULL || mutant(54)) &&
	    can_have(store, op->path, op->limit)) {
		path = store_claim_holder(op->path, next);
		return put_claim(store, &path, &claim);
	}
	if ((op->flags & STORE_OP_TRY) != 0) {
		const struct found holder = first_of(store, op->path, STORE_CLAIM_HOLDER);

		result->revision = holder.item == NULL ? 0 : number_of(holder.item);
		return STORE_LOCKED;
	}
	tell(result, next, true);
	path = store_claim_waiter(op->path, mutant(67) ? 0 : op->priority, next);
	return put_claim(store, &path, &claim);
}

enum store_answer store_lock_take(struct store *store, uint64_t session, const struct store_op *op,
                                  struct store_result *result)
{
	const enum store_answer answer = store_lock_check_name(op->path);
	const struct store_session *asker;
	struct found own;
	bool waits;

	if (answer != STORE_OK) {
		return answer;
	}
	if (op->limit > STORE_PERMITS_MAX || op->value.size > STORE_LOCK_DATA_MAX) {
		return STORE_TOO_LARGE;
	}
	own = claim_of(store, session, op->path, &waits);
	if (own.item != NULL && !waits) {
		return take_again(store, &own, op, result);
	}
	if (own.item != NULL) {
		tell(result, number_of(own.item), true);
		return (op->flags & STORE_OP_TRY) != 0 ? STORE_LOCKED : STORE_OK;
	}
	asker = store_sessions_find(&store->state.sessions, session);
	if (asker->owned >= STORE_OWNED_MAX) {
		return STORE_SESSION_FULL;
	}
	return take_new(store, asker, op, result);
}

/* --- passing on ------------------------------------------------------------------------------- */

/* Who waits at `waiter` holds it from now on: first the holder's file, then the other goes. */
static void pass_to(struct store *store, struct slice name, const struct store_item *waiter)
{
	const store_rev_t token = mutant(56) ? number_of(waiter) : store->state.revision + 1;
	const struct store_claim_path path = store_claim_holder(name, token);
	const struct found found = found_at(waiter);

	store_change_put(
		store, item_new(store, store_claim_slice(&path), &found.claim, found.claim.session),
		STORE_CAUSE_GRANTED);
	store_change_remove(store, store_item_key(waiter), STORE_CAUSE_GRANTED);
}

/* The file that says that the lock is being passed on comes, goes, or is as it has to be. */
static void show_passing(struct store *store, struct slice name, bool is_passing)
{
	const struct store_claim_path path = store_claim_passing(name);
	const struct slice key = store_claim_slice(&path);
	bool stands;

	if (!is_passing && store->state.passing == 0) {
		return;
	}
	stands = store_tree_get(store->state.files, key) != NULL;
	if (is_passing && !stands) {
		store_change_put(store,
		                 file_new(store, key, slice_make(NULL, 0), slice_make(NULL, 0),
		                          STORE_OWNER_PASSING),
		                 STORE_CAUSE_GRANTED);
	} else if (!is_passing && stands) {
		store_change_remove(store, key, STORE_CAUSE_GRANTED);
	}
	store_change_commit(store);
}

void store_lock_grant(struct store *store, struct slice name)
{
	struct holders holders = holders_of(store, name);
	bool is_passing = false;

	for (unsigned i = 0;; i++) {
		const struct found first = first_of(store, name, STORE_CLAIM_WAITER);

		if (first.item == NULL || (!is_room(&holders, first.claim.limit) && !mutant(64))) {
			break;
		}
		is_passing = i > 0 && store->grants >= store->grants_max;
		if (is_passing) {
			break;
		}
		add_holder(&holders, first.claim.limit);
		pass_to(store, name, first.item);
		store_change_commit(store);
		store->grants++;
		if (mutant(65)) {
			break;
		}
	}
	show_passing(store, name, is_passing && !mutant(72));
}

/* The holder has gone; who of those that wait shall have it, was said. */
static enum store_answer hand_over(struct store *store, const struct store_op *op)
{
	const struct found heir = own_of(store, (uint64_t)op->number, op->path, STORE_CLAIM_WAITER);

	if (heir.item == NULL) {
		return STORE_NOT_FOUND;
	}
	if (!can_have(store, op->path, heir.claim.limit)) {
		return STORE_LOCKED;
	}
	pass_to(store, op->path, heir.item);
	return STORE_OK;
}

enum store_answer store_lock_give(struct store *store, uint64_t session, const struct store_op *op,
                                  struct store_result *result)
{
	const enum store_answer answer = store_lock_check_name(op->path);
	struct found own;
	bool waits;

	if (answer != STORE_OK) {
		return answer;
	}
	own = claim_of(store, session, op->path, &waits);
	if (own.item == NULL || (op->number != 0 && waits)) {
		return STORE_NOT_HELD;
	}
	tell(result, number_of(own.item), waits);
	if (own.claim.count > 1 && !mutant(66) && (op->flags & STORE_OP_ALL) == 0 &&
	    op->number == 0) {
		own.claim.count--;
		store_change_put(store,
		                 item_new(store, store_item_key(own.item), &own.claim, session),
		                 STORE_CAUSE_ASKED);
		return STORE_OK;
	}
	store_change_remove(store, store_item_key(own.item), STORE_CAUSE_RELEASED);
	return op->number != 0 ? hand_over(store, op) : STORE_OK;
}

/* Its holder under this token, if only at rest. */
static struct found held_under(const struct store *store, struct slice name, store_rev_t token)
{
	const struct store_claim_path path = store_claim_holder(name, token);

	return found_at(store_tree_get(store->state.files, store_claim_slice(&path)));
}

enum store_answer store_lock_proclaim(struct store *store, uint64_t session,
                                      const struct store_op *op, struct store_result *result)
{
	const enum store_answer answer = store_lock_check_name(op->path);
	struct found own;
	bool waits;

	if (answer != STORE_OK) {
		return answer;
	}
	if (op->value.size > STORE_LOCK_DATA_MAX) {
		return STORE_TOO_LARGE;
	}
	if (op->rev == STORE_REV_ANY) {
		own = claim_of(store, session, op->path, &waits);
	} else {
		own = held_under(store, op->path, op->rev);
		waits = false;
	}
	if (own.item == NULL || own.item->owner == STORE_OWNER_DELAYED) {
		return STORE_NOT_HELD;
	}
	tell(result, number_of(own.item), waits);
	if (op->value.size > own.claim.data.size &&
	    store->state.bytes + op->value.size > store->quota_bytes) {
		return STORE_QUOTA;
	}
	own.claim.data = op->value;
	store_change_put(store,
	                 item_new(store, store_item_key(own.item), &own.claim, own.claim.session),
	                 STORE_CAUSE_ASKED);
	return STORE_OK;
}

/* --- BREAK ------------------------------------------------------------------------------------ */

static struct store_item *record_new(struct store *store, const struct store_op *op,
                                     uint64_t session, store_rev_t token)
{
	const struct store_claim_path path = store_claim_broken(op->path);
	const uint64_t fields[] = {(uint64_t)token, session, store->state.time_ns};
	char head[STORE_CLAIM_HEAD_MAX];
	const size_t size = store_claim_line(head, fields, 3);

	return file_new(store, store_claim_slice(&path), slice_make(head, size), op->value, 0);
}

enum store_answer store_lock_break(struct store *store, const struct store_op *op,
                                   struct store_result *result)
{
	const enum store_answer answer = store_lock_check_name(op->path);
	struct found holder;
	uint64_t session;

	if (answer != STORE_OK) {
		return answer;
	}
	if (op->value.size > STORE_LOCK_DATA_MAX) {
		return STORE_TOO_LARGE;
	}
	if (op->rev == STORE_REV_ANY) {
		holder = first_of(store, op->path, STORE_CLAIM_HOLDER);
	} else {
		holder = held_under(store, op->path, op->rev);
	}
	if (holder.item == NULL) {
		return STORE_NOT_HELD;
	}
	tell(result, number_of(holder.item), false);
	session = holder.claim.session;
	store_change_remove(store, store_item_key(holder.item), STORE_CAUSE_REVOKED);
	store_change_put(store, record_new(store, op, session, result->number), STORE_CAUSE_ASKED);
	return op->number != 0 ? hand_over(store, op) : STORE_OK;
}

bool store_lock_is_held(const struct store *store, struct slice name, int64_t token)
{
	struct store_claim_path path;
	const struct store_item *item;

	if (token <= 0 || store_lock_check_name(name) != STORE_OK) {
		return false;
	}
	path = store_claim_holder(name, token);
	item = store_tree_get(store->state.files, store_claim_slice(&path));
	return item != NULL && (item->owner != STORE_OWNER_DELAYED || mutant(68));
}

/* --- the end of sessions ---------------------------------------------------------------------- */

/* The holder is dead, or thought to be: nobody has the lock for its delay. */
static void rest(struct store *store, const struct store_claim_path *path,
                 struct store_claim *claim, enum store_cause cause)
{
	claim->count = 0;
	claim->until_ns = store->state.time_ns + (uint64_t)claim->delay_ms * 1000000;
	store_change_put(
		store, item_new(store, store_claim_slice(path), claim, STORE_OWNER_DELAYED), cause);
}

static void leave_one(struct store *store, const struct store_claim_path *path,
                      enum store_cause cause, store_rev_t before)
{
	const struct slice key = store_claim_slice(path);
	enum store_claim_kind kind;
	struct slice name;
	store_rev_t number;

	if (!store_claim_path_read(key, &name, &kind, &number)) {
		store_change_remove(store, key, cause);
		store_change_commit(store);
		return;
	}
	if (kind == STORE_CLAIM_HOLDER && cause != STORE_CAUSE_RELEASED && number <= before &&
	    !mutant(60)) {
		struct found found = found_at(store_tree_get(store->state.files, key));

		if (found.claim.delay_ms > 0) {
			rest(store, path, &found.claim, cause);
			store_change_commit(store);
			return;
		}
	}
	store_change_remove(store, key, cause);
	store_change_commit(store);
	if (kind == STORE_CLAIM_HOLDER || !mutant(74)) {
		store_lock_grant(store, name);
	}
}

void store_lock_leave(struct store *store, uint64_t session, enum store_cause cause,
                      store_rev_t before)
{
	for (;;) {
		const struct slice next =
			store_owned_next(store->state.owned, session, slice_text("/"));
		struct store_claim_path path = {.size = (uint16_t)next.size};

		if (next.size == 0) {
			return;
		}
		must(next.size <= sizeof(path.bytes));
		memcpy(path.bytes, next.data, next.size);
		leave_one(store, &path, cause, before);
	}
}

void store_lock_undelay(struct store *store, struct slice path)
{
	const struct store_item *item = store_tree_get(store->state.files, path);
	enum store_claim_kind kind;
	struct slice name;
	store_rev_t number;

	if (item != NULL && item->owner == STORE_OWNER_PASSING) {
		must(store_claim_path_read(path, &name, &kind, &number));
		store_lock_grant(store, name);
		return;
	}
	if (item == NULL || item->owner != STORE_OWNER_DELAYED ||
	    found_at(item).claim.until_ns > store->state.time_ns) {
		return;
	}
	must(store_claim_path_read(path, &name, &kind, &number));
	store_change_remove(store, path, STORE_CAUSE_RESTED);
	store_change_commit(store);
	store_lock_grant(store, name);
}
