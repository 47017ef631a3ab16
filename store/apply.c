/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply.c - what an entry does to the state (store.h, store_apply)
 *
 * A function of state and entry alone. Nothing here trusts the proposer: what an entry may not
 * say gets the same typed answer on every server. A write that fails takes no revision.
 */
#include "store/base/check.h"
#include "store/file.h"
#include "store/state.h"
#include "store/store.h"

static struct store_result result_of(const struct store *store, enum store_answer answer,
                                     store_rev_t revision)
{
	return (struct store_result){
		.answer = answer,
		.revision = revision,
		.store_revision = store->state.revision,
	};
}

/* `current` is the file's revision, 0 if it is absent. */
static bool holds(const struct store_op *op, store_rev_t current)
{
	if (op->rev == STORE_REV_ANY) {
		return true;
	}
	if (op->rev < 0) {
		return false;
	}
	return op->condition == STORE_IF_AT_MOST ? current <= op->rev : current == op->rev;
}

/* A change took effect: revision, quota, event. One of both items may be NULL. */
static struct store_result changed(struct store *store, const struct store_item *item,
                                   struct store_item *former)
{
	struct store_state *state = &store->state;

	if (former != NULL) {
		state->bytes -= store_file_cost(former->key_size, former->value_size);
		state->file_count--;
	}
	if (item != NULL) {
		state->bytes += store_file_cost(item->key_size, item->value_size);
		state->file_count++;
	}
	state->revision++;
	store_events_add(&store->events, &store->reclaim, state->revision, item, former);
	return result_of(store, STORE_OK, state->revision);
}

/* A growing write is refused where the quota would be passed; a shrinking one never. */
static bool fits_quota(const struct store *store, const struct store_op *op,
                       const struct store_item *former)
{
	const uint64_t now = store_file_cost(op->path.size, op->value.size);
	const uint64_t then =
		former == NULL ? 0 : store_file_cost(former->key_size, former->value_size);

	must(store->state.bytes >= then);
	return now <= then || store->state.bytes - then + now <= store->quota_bytes;
}

static struct store_result apply_set(struct store *store, const struct store_op *op)
{
	const struct store_item *found = NULL;
	struct store_place place;
	const enum store_answer answer =
		store_file_find(store->state.files, op->path, &found, &place);
	const store_rev_t current = found == NULL ? 0 : found->revision;
	struct store_item *item, *former;

	if (answer != STORE_OK && answer != STORE_NOT_FOUND) {
		return result_of(store, answer, 0);
	}
	if (op->value.size > STORE_VALUE_SIZE_MAX) {
		return result_of(store, STORE_TOO_LARGE, 0);
	}
	if (!holds(op, current)) {
		return result_of(store, STORE_MISMATCH, current);
	}
	if (!fits_quota(store, op, found)) {
		return result_of(store, STORE_QUOTA, current);
	}
	item = store_item_new(&store->reclaim, op->path, op->value.size, store->state.revision + 1);
	if (op->value.size != 0) {
		memcpy(store_item_memory(item), op->value.data, op->value.size);
	}
	former = found == NULL
	                 ? store_tree_put(&store->state.files, &store->reclaim, item)
	                 : store_tree_replace(&store->state.files, &store->reclaim, &place, item);
	must(former == found);
	return changed(store, item, former);
}

static struct store_result apply_delete(struct store *store, const struct store_op *op)
{
	const struct store_item *found = NULL;
	const enum store_answer answer = store_file_look(store->state.files, op->path, &found);
	const store_rev_t current = found == NULL ? 0 : found->revision;
	struct store_item *former;

	if (answer != STORE_OK && answer != STORE_NOT_FOUND) {
		return result_of(store, answer, 0);
	}
	if (!holds(op, current)) {
		return result_of(store, STORE_MISMATCH, current);
	}
	if (found == NULL) {
		return result_of(store, STORE_NOT_FOUND, 0);
	}
	former = store_tree_remove(&store->state.files, &store->reclaim, op->path);
	must(former == found);
	return changed(store, NULL, former);
}

static struct store_result apply_op(struct store *store, const struct store_op *op)
{
	switch (op->verb) {
	case STORE_VERB_NOP:
		return result_of(store, STORE_OK, store->state.revision);
	case STORE_VERB_SET:
		return apply_set(store, op);
	case STORE_VERB_DELETE:
		return apply_delete(store, op);
	case STORE_VERB_FULL:
		return result_of(store, STORE_DISK_FULL, 0);
	default:
		return result_of(store, STORE_BAD_VERB, 0);
	}
}

/* What an OP or CLOSE does once its number is known to be new. */
static struct store_result run(struct store *store, const struct store_session *session,
                               const struct store_entry *entry)
{
	struct store_sessions *sessions = &store->state.sessions;
	struct store_result result;

	if (entry->kind == STORE_ENTRY_CLOSE) {
		must(store_sessions_remove(sessions, &store->reclaim, entry->session));
		return result_of(store, STORE_OK, store->state.revision);
	}
	result = apply_op(store, &entry->op);
	store_sessions_keep(sessions, &store->reclaim, session, entry->number, &result);
	return result;
}

/* 4.1 l: a number below the base is stale, an answered one gets its answer, any other runs. */
static struct store_result apply_request(struct store *store, const struct store_entry *entry)
{
	struct store_sessions *sessions = &store->state.sessions;
	const struct store_session *session = store_sessions_find(sessions, entry->session);
	struct store_result kept;

	if (session == NULL) {
		/* A leader's own NOP has no session; it is there to be counted. */
		if (entry->kind == STORE_ENTRY_OP && entry->op.verb == STORE_VERB_NOP &&
		    entry->session == 0) {
			return result_of(store, STORE_OK, store->state.revision);
		}
		return result_of(store, STORE_NO_SESSION, 0);
	}
	switch (store_sessions_turn(sessions, &store->reclaim, &session, entry->number,
	                            entry->first_unanswered, &kept)) {
	case STORE_TURN_KEPT:
		return kept;
	case STORE_TURN_STALE:
		return result_of(store, STORE_STALE, 0);
	case STORE_TURN_WINDOW:
		return result_of(store, STORE_WINDOW, 0);
	case STORE_TURN_RUN:
	default:
		return run(store, session, entry);
	}
}

static struct store_result apply_open(struct store *store, uint64_t index,
                                      const struct store_entry *entry)
{
	struct store_result result;

	if (store->state.sessions.count >= store->sessions_max) {
		return result_of(store, STORE_SESSIONS_FULL, 0);
	}
	store_sessions_add(&store->state.sessions, &store->reclaim,
	                   &(struct store_session){
				   .id = index,
				   .secret = entry->secret,
				   .base = 1,
				   .ttl_ms = entry->ttl_ms,
			   });
	result = result_of(store, STORE_OK, store->state.revision);
	result.session = index;
	return result;
}

static void apply_expire(struct store *store, const struct store_entry *entry)
{
	for (unsigned i = 0; i < entry->expired_count && i < STORE_EXPIRE_MAX; i++) {
		/* One that was closed in the meantime is no longer there; that is fine. */
		(void)store_sessions_remove(&store->state.sessions, &store->reclaim,
		                            entry->expired[i]);
	}
}

/* About what an entry takes in a journal, by its fields: alike on all servers. */
static uint64_t weight(const struct store_entry *entry)
{
	return STORE_ENTRY_HEADER_MAX + entry->op.path.size + entry->op.value.size +
	       (uint64_t)entry->expired_count * sizeof(entry->expired[0]);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
	                      memory_order_relaxed);
}

void store_apply(struct store *store, uint64_t index, const struct store_entry *entry,
                 struct store_result *ret_result)
{
	struct store_result result;

	must(index == store->state.index + 1);
	store->state.index = index;
	store->state.log_bytes += weight(entry);
	if (entry->time_ns > store->state.time_ns) {
		store->state.time_ns = entry->time_ns;
	}
	count(&store->tally.applied);

	switch (entry->kind) {
	case STORE_ENTRY_OP:
	case STORE_ENTRY_CLOSE:
		result = apply_request(store, entry);
		break;
	case STORE_ENTRY_OPEN:
		result = apply_open(store, index, entry);
		break;
	case STORE_ENTRY_EXPIRE:
		apply_expire(store, entry);
		return;
	case STORE_ENTRY_REJOIN:
	case STORE_ENTRY_MEMBERS:
	case STORE_ENTRY_LEARNER:
		store_members_apply(&store->state.members, index, entry);
		return;
	default:
		return;
	}
	count(&store->tally.answers[result.answer]);
	*ret_result = result;
}
