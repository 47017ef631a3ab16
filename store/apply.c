/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply.c - what an entry does to the state (store.h, store_apply)
 *
 * A function of state and entry alone. Nothing here trusts the proposer: what an entry may not
 * say gets the same typed answer on every server. A write that fails takes no revision.
 */
#include "store/base/check.h"
#include "store/base/digits.h"
#include "store/base/mutant.h"
#include "store/change.h"
#include "store/claim.h"
#include "store/file.h"
#include "store/lock.h"
#include "store/store.h"
#include "store/txn.h"

enum {
	NUMBER_MAX = 20, /* a decimal number of 64 bits, with its sign */
};

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

/* A growing write is refused where the quota would be passed; a shrinking one never. */
static bool fits_quota(const struct store *store, size_t path_size, size_t value_size,
                       const struct store_item *former)
{
	const uint64_t now = store_file_cost(path_size, value_size);
	const uint64_t then =
		former == NULL ? 0 : store_file_cost(former->key_size, former->value_size);

	must(store->state.bytes >= then);
	return now <= then || store->state.bytes - then + now <= store->quota_bytes;
}

/* --- operations on files: all but LOCK and what is like it ------------------------------------ */

/* A file that is written: where it stands, if it does. */
struct target {
	struct slice path;
	const struct store_item *found; /* or NULL */
	struct store_place place;       /* of it */
};

/* OK if it may be written. Where the condition is false, result->revision tells what stands. */
static enum store_answer find_target(const struct store *store, const struct store_op *op,
                                     struct target *target, struct store_result *result)
{
	enum store_answer answer;
	store_rev_t current;

	if (store_lock_guards(target->path)) {
		return STORE_GUARDED;
	}
	answer = store_file_find(store->state.files, target->path, &target->found, &target->place);
	if (answer != STORE_OK && answer != STORE_NOT_FOUND) {
		return answer;
	}
	current = target->found == NULL ? 0 : target->found->revision;
	if (op->value.size > STORE_VALUE_SIZE_MAX) {
		return STORE_TOO_LARGE;
	}
	if (!holds(op, current)) {
		result->revision = current;
		return STORE_MISMATCH;
	}
	return STORE_OK;
}

static enum store_answer write_target(struct store *store, const struct target *target,
                                      struct slice value, uint64_t owner,
                                      struct store_result *result)
{
	struct store_item *item;

	if (!fits_quota(store, target->path.size, value.size, target->found)) {
		result->revision = target->found == NULL ? 0 : target->found->revision;
		return STORE_QUOTA;
	}
	item = store_item_new(&store->reclaim, target->path, value.size, store->state.revision + 1);
	item->owner = owner;
	if (value.size != 0) {
		memcpy(store_item_memory(item), value.data, value.size);
	}
	if (target->found == NULL) {
		store_change_put(store, item, STORE_CAUSE_ASKED);
	} else {
		store_change_replace(store, &target->place, item, STORE_CAUSE_ASKED);
	}
	return STORE_OK;
}

static enum store_answer run_set(struct store *store, uint64_t session, const struct store_op *op,
                                 struct store_result *result)
{
	const bool is_ephemeral = (op->flags & STORE_OP_EPHEMERAL) != 0;
	uint8_t name[STORE_PATH_SIZE_MAX + DIGITS_HEX];
	struct target target = {.path = op->path};
	enum store_answer answer;
	uint64_t owner;

	if ((op->flags & STORE_OP_SEQUENCE) != 0 && op->path.size <= STORE_PATH_SIZE_MAX) {
		memcpy(name, op->path.data, op->path.size);
		digits_put_hex(name + op->path.size, (uint64_t)store->state.revision + 1);
		target.path = slice_make(name, op->path.size + DIGITS_HEX);
	}
	answer = find_target(store, op, &target, result);
	if (answer != STORE_OK) {
		return answer;
	}
	owner = target.found == NULL ? 0 : target.found->owner;
	if (is_ephemeral && owner != session) {
		if (store_sessions_find(&store->state.sessions, session)->owned >=
		    STORE_OWNED_MAX) {
			return STORE_SESSION_FULL;
		}
		owner = session;
	}
	return write_target(store, &target, op->value, owner, result);
}

/* A decimal number as ADD writes it: a sign if it is negative, digits, no more. */
static bool read_number(struct slice text, int64_t *ret_number)
{
	const bool is_negative = text.size > 0 && text.data[0] == '-';
	int64_t number = 0;

	if (text.size <= is_negative || text.size > NUMBER_MAX) {
		return false;
	}
	for (size_t i = is_negative; i < text.size; i++) {
		const int digit = text.data[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_sub_overflow(number, digit, &number)) {
			return false;
		}
	}
	/* Counted below zero, where there is one number more. */
	return is_negative ? (*ret_number = number, true)
	                   : !__builtin_sub_overflow((int64_t)0, number, ret_number);
}

static enum store_answer run_add(struct store *store, const struct store_op *op,
                                 struct store_result *result)
{
	struct target target = {.path = op->path};
	const enum store_answer answer = find_target(store, op, &target, result);
	char text[NUMBER_MAX + 1] = {'-'};
	int64_t number = 0;
	size_t size;

	if (answer != STORE_OK) {
		return answer;
	}
	if ((target.found != NULL && !read_number(store_item_value(target.found), &number)) ||
	    __builtin_add_overflow(number, op->number, &number)) {
		result->revision = target.found == NULL ? 0 : target.found->revision;
		return STORE_NOT_NUMBER;
	}
	size = number < 0 ? 1 + digits_put_decimal(text + 1, -(uint64_t)number)
	                  : digits_put_decimal(text, (uint64_t)number);
	result->number = number;
	result->flags = 0;
	return write_target(store, &target, slice_make(text, size),
	                    target.found == NULL ? 0 : target.found->owner, result);
}

static enum store_answer run_delete(struct store *store, const struct store_op *op,
                                    struct store_result *result)
{
	struct target target = {.path = op->path};
	const enum store_answer answer = find_target(store, op, &target, result);

	if (answer != STORE_OK) {
		return answer;
	}
	if (target.found == NULL) {
		return STORE_NOT_FOUND;
	}
	store_change_remove(store, op->path, STORE_CAUSE_ASKED);
	return STORE_OK;
}

/* --- transactions ----------------------------------------------------------------------------- */

/* What an entry of a session does; a plain operation is a list of one. */
struct run {
	struct store *store;
	uint64_t session;
	store_rev_t before; /* revision ahead of the entry */
	uint64_t killed;    /* files that go with the sessions that it kills */
	struct store_result result;
};

/* All that goes with whom a list kills goes in this entry, and holds up those behind it. */
static enum store_answer run_kill(struct run *run, const struct store_op *op)
{
	const struct store_session *session =
		store_sessions_find(&run->store->state.sessions, (uint64_t)op->number);

	if (session == NULL) {
		return STORE_NOT_FOUND;
	}
	run->killed += session->owned;
	return run->killed <= run->store->killed_max ? STORE_OK : STORE_TOO_LARGE;
}

static enum store_answer run_op(struct run *run, const struct store_op *op)
{
	struct store *store = run->store;

	switch (op->verb) {
	case STORE_VERB_NOP:
		return STORE_OK;
	case STORE_VERB_SET:
		return run_set(store, run->session, op, &run->result);
	case STORE_VERB_DELETE:
		return run_delete(store, op, &run->result);
	case STORE_VERB_ADD:
		return run_add(store, op, &run->result);
	case STORE_VERB_LOCK:
		return store_lock_take(store, run->session, op, &run->result);
	case STORE_VERB_UNLOCK:
		return store_lock_give(store, run->session, op, &run->result);
	case STORE_VERB_PROCLAIM:
		return store_lock_proclaim(store, run->session, op, &run->result);
	case STORE_VERB_BREAK:
		return store_lock_break(store, op, &run->result);
	case STORE_VERB_KILL:
		return run_kill(run, op);
	case STORE_VERB_FULL:
		return STORE_DISK_FULL;
	default:
		return STORE_BAD_VERB;
	}
}

/* Its files go with it. One that has ended in the meantime has none; that is fine. */
static void end_session(struct store *store, uint64_t session, enum store_cause cause,
                        store_rev_t before)
{
	if (store_sessions_find(&store->state.sessions, session) != NULL) {
		if (cause != STORE_CAUSE_EXPIRED || !mutant(58)) {
			store_lock_leave(store, session, cause, before);
		}
		must(store_sessions_remove(&store->state.sessions, &store->reclaim, session));
	}
}

/* What follows once nothing can be refused any more. */
static void settle_op(struct run *run, const struct store_op *op)
{
	if (op->verb == STORE_VERB_LOCK || (op->verb == STORE_VERB_UNLOCK && !mutant(55)) ||
	    op->verb == STORE_VERB_BREAK) {
		store_lock_grant(run->store, op->path);
	} else if (op->verb == STORE_VERB_KILL) {
		end_session(run->store, (uint64_t)op->number, STORE_CAUSE_REVOKED, run->before);
	}
}

static void refuse(struct run *run, enum store_answer answer, unsigned op)
{
	if (mutant(69)) {
		store_change_commit(run->store);
	} else {
		store_change_undo(run->store);
	}
	run->result.answer = answer;
	run->result.op = (uint8_t)op;
	run->result.flags = 0;
	run->result.number = 0;
	if (run->result.revision > run->store->state.revision) {
		run->result.revision = 0; /* what stood was of this list's own making */
	}
}

static void run_one(struct run *run, const struct store_op *op)
{
	const enum store_answer answer = run_op(run, op);

	if (answer != STORE_OK) {
		refuse(run, answer, 0);
		return;
	}
	store_change_commit(run->store);
	settle_op(run, op);
}

static void run_list(struct run *run, struct slice ops, unsigned count)
{
	struct wire_reader reader = wire_reader_make(ops);

	run->result.revision = 0; /* what compares looked at */
	for (unsigned i = 0; i < count; i++) {
		const struct store_op op = store_txn_op(&reader);
		const enum store_answer answer = run_op(run, &op);

		if (answer != STORE_OK) {
			refuse(run, answer, i);
			return;
		}
	}
	store_change_commit(run->store);
	reader = wire_reader_make(ops);
	for (unsigned i = 0; i < count; i++) {
		const struct store_op op = store_txn_op(&reader);

		settle_op(run, &op);
	}
}

static bool relates(int64_t a, enum store_relation relation, int64_t b)
{
	switch (relation) {
	case STORE_EQUAL:
		return a == b;
	case STORE_AT_MOST:
		return a <= b;
	case STORE_NOT_EQUAL:
		return a != b;
	case STORE_AT_LEAST:
	default:
		return a >= b;
	}
}

/* OK if it holds, MISMATCH or NOT_HELD if not; else the path has no good form. */
static enum store_answer judge(struct run *run, const struct store_compare *compare)
{
	const struct store_state *state = &run->store->state;
	const struct store_item *item = NULL;
	enum store_answer answer;
	bool is_equal;

	run->result.revision = 0;
	if (compare->kind == STORE_COMPARE_SESSION) {
		is_equal = store_sessions_find(&state->sessions, (uint64_t)compare->number) != NULL;
		return is_equal == (compare->relation == STORE_EQUAL) ? STORE_OK : STORE_MISMATCH;
	}
	if (compare->kind == STORE_COMPARE_TOKEN) {
		return mutant(52) || store_lock_is_held(run->store, compare->path, compare->number)
		               ? STORE_OK
		               : STORE_NOT_HELD;
	}
	answer = store_file_look(state->files, compare->path, &item);
	if (answer == STORE_BAD_PATH || answer == STORE_TOO_LARGE) {
		return answer;
	}
	run->result.revision = item == NULL ? 0 : item->revision;
	if (compare->kind == STORE_COMPARE_REV) {
		return relates(run->result.revision, compare->relation, compare->number)
		               ? STORE_OK
		               : STORE_MISMATCH;
	}
	is_equal = item != NULL && slice_equal(store_item_value(item), compare->value);
	return is_equal == (compare->relation == STORE_EQUAL) ? STORE_OK : STORE_MISMATCH;
}

static void run_txn(struct run *run, struct slice bytes)
{
	struct wire_reader reader;
	struct store_txn txn;

	must(store_txn_decode(bytes, &txn));
	reader = wire_reader_make(txn.compares);
	for (unsigned i = 0; i < txn.compare_count; i++) {
		const struct store_compare compare = store_txn_compare(&reader);
		const enum store_answer answer = judge(run, &compare);

		if (answer == STORE_OK) {
			continue;
		}
		if (txn.else_count == 0 || (answer != STORE_MISMATCH && answer != STORE_NOT_HELD)) {
			refuse(run, answer, i);
			run->result.flags = STORE_RESULT_IF;
			return;
		}
		run_list(run, txn.elses, txn.else_count);
		run->result.flags |= STORE_RESULT_ELSE;
		return;
	}
	run_list(run, txn.thens, txn.then_count);
}

/* What an OP, TXN or CLOSE does once its number is known to be new. */
static struct store_result run_request(struct store *store, const struct store_entry *entry)
{
	struct run run = {
		.store = store,
		.session = entry->session,
		.before = store->state.revision,
	};

	if (entry->kind == STORE_ENTRY_CLOSE) {
		end_session(store, entry->session, STORE_CAUSE_RELEASED, run.before);
	} else if (entry->kind == STORE_ENTRY_TXN) {
		run_txn(&run, entry->txn);
	} else {
		run_one(&run, &entry->op);
	}
	run.result.store_revision = store->state.revision;
	if (run.result.answer == STORE_OK) {
		run.result.revision = store->state.revision;
		run.result.first = store->state.revision > run.before ? run.before + 1 : 0;
	}
	return run.result;
}

/* 4.1 l: a number below the base is stale, an answered one gets its answer, any other runs. */
static struct store_result apply_request(struct store *store, const struct store_entry *entry)
{
	struct store_sessions *sessions = &store->state.sessions;
	const struct store_session *session = store_sessions_find(sessions, entry->session);
	struct store_result result;

	if (session == NULL) {
		/* A leader's own NOP has no session; it is there to be counted. */
		if (entry->kind == STORE_ENTRY_OP && entry->op.verb == STORE_VERB_NOP &&
		    entry->session == 0) {
			return result_of(store, STORE_OK, store->state.revision);
		}
		return result_of(store, STORE_NO_SESSION, 0);
	}
	switch (store_sessions_turn(sessions, &store->reclaim, &session, entry->number,
	                            entry->first_unanswered, &result)) {
	case STORE_TURN_KEPT:
		return result;
	case STORE_TURN_STALE:
		return result_of(store, STORE_STALE, 0);
	case STORE_TURN_WINDOW:
		return result_of(store, STORE_WINDOW, 0);
	case STORE_TURN_RUN:
	default:
		break;
	}
	result = run_request(store, entry);
	session = store_sessions_find(sessions, entry->session);
	if (session != NULL) { /* it may have ended itself */
		store_sessions_keep(sessions, &store->reclaim, session, entry->number, &result);
	}
	return result;
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
	const store_rev_t before = store->state.revision;

	for (unsigned i = 0; i < entry->expired_count && i < STORE_EXPIRE_MAX; i++) {
		end_session(store, entry->expired[i], STORE_CAUSE_EXPIRED, before);
	}
}

/* About what an entry takes in a journal, by its fields: alike on all servers. */
static uint64_t weight(const struct store_entry *entry)
{
	return STORE_ENTRY_HEADER_MAX + entry->op.path.size + entry->op.value.size +
	       entry->txn.size + (uint64_t)entry->expired_count * sizeof(entry->expired[0]);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
	                      memory_order_relaxed);
}

void store_apply_ahead(const struct store *store, struct slice bytes)
{
	const struct slice path = store_entry_path(bytes);
	const struct store_item *item =
		path.size != 0 ? store_tree_guess(store->state.files, path) : NULL;

	if (item != NULL) {
		__builtin_prefetch(&item->block, 1);
		__builtin_prefetch((const char *)&item->block + STORE_LINE, 1);
	}
}

void store_apply(struct store *store, uint64_t index, const struct store_entry *entry,
                 struct store_result *ret_result)
{
	const store_rev_t before = store->state.revision;
	struct store_result result = {.answer = STORE_OK};

	must(index == store->state.index + 1);
	store->state.index = index;
	store->grants = 0;
	store->state.log_bytes += weight(entry);
	if (entry->time_ns > store->state.time_ns) {
		store->state.time_ns = entry->time_ns;
	}
	count(&store->tally.applied);

	switch (entry->kind) {
	case STORE_ENTRY_OP:
	case STORE_ENTRY_TXN:
	case STORE_ENTRY_CLOSE:
		result = apply_request(store, entry);
		break;
	case STORE_ENTRY_OPEN:
		result = apply_open(store, index, entry);
		break;
	case STORE_ENTRY_EXPIRE:
		apply_expire(store, entry);
		break;
	case STORE_ENTRY_UNDELAY:
		store_lock_undelay(store, entry->op.path);
		break;
	case STORE_ENTRY_REJOIN:
	case STORE_ENTRY_MEMBERS:
	case STORE_ENTRY_LEARNER:
		store_members_apply(&store->state.members, index, entry);
		return;
	default:
		return;
	}
	if (store->state.revision > before + 1) {
		store_events_bind(&store->events, before + 1, store->state.revision);
	}
	if (entry->kind != STORE_ENTRY_EXPIRE && entry->kind != STORE_ENTRY_UNDELAY) {
		count(&store->tally.answers[result.answer]);
		*ret_result = result;
	}
}
