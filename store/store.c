/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/change.h"
#include "store/claim.h"
#include "store/lock.h"
#include "store/owned.h"

enum {
	SESSION_BYTES_MAX = 3584, /* a session with 64 kept answers, and its share of the nodes */
	ARENA_EXTRA = 64 << 20,
};

static bool is_valid(const struct store_config *config)
{
	return config->quota_bytes > 0 && config->quota_bytes <= STORE_QUOTA_MAX &&
	       config->sessions_max > 0 && config->sessions_max <= STORE_SESSIONS_MAX &&
	       config->events_max > 0 && (config->events_max & (config->events_max - 1)) == 0;
}

uint64_t store_arena_bytes(const struct store_config *config)
{
	if (config->arena_bytes != 0) {
		return config->arena_bytes;
	}
	/* Twice the files while a snapshot is restored, sizes rounded up, and the ring. */
	return 4 * config->quota_bytes + (uint64_t)config->sessions_max * SESSION_BYTES_MAX +
	       (uint64_t)config->events_max * 128 + ARENA_EXTRA;
}

uint64_t store_bytes_max(const struct store_config *config)
{
	return sizeof(struct store) + store_arena_bytes(config) +
	       (uint64_t)config->events_max * (sizeof(void *) + sizeof(struct store_leap));
}

int store_new(struct store **ret_store, const struct store_config *config)
{
	struct store *store;
	int r;

	if (!is_valid(config)) {
		return -EINVAL;
	}
	store = aligned_alloc(STORE_LINE, sizeof(*store));
	if (store == NULL) {
		return -ENOMEM;
	}
	memset(store, 0, sizeof(*store));
	store->quota_bytes = config->quota_bytes;
	store->sessions_max = config->sessions_max;
	store->grants_max = config->grants_max != 0 ? config->grants_max : STORE_GRANTS_MAX;
	store->killed_max = config->killed_max != 0 ? config->killed_max : STORE_KILLED_MAX;
	/* Former values in the ring may take as much as half of what the files may. */
	r = store_events_init(&store->events, config->events_max, config->quota_bytes / 2);
	if (r < 0) {
		goto free_store;
	}
	r = store_alloc_new(&store->alloc, store_arena_bytes(config));
	if (r < 0) {
		goto free_events;
	}
	store_reclaim_init(&store->reclaim, store->alloc, 1);
	store_state_publish(store);
	*ret_store = store;
	return 0;

free_events:
	store_events_deinit(&store->events);
free_store:
	free(store);
	return r;
}

void store_free(struct store *store)
{
	if (store == NULL) {
		return;
	}
	store->pin_count = 0;
	store_events_clear(&store->events, &store->reclaim, store->state.revision);
	store_tree_list(&store->state.files, &store->reclaim);
	store_tree_list(&store->state.owned, &store->reclaim);
	store_tree_list(&store->state.sessions.root, &store->reclaim);
	store_reclaim_list(&store->reclaim, &((struct store_root *)store->published)->block);
	store->reclaim.passed = store_reclaim_publish(&store->reclaim);
	store_reclaim_collect(&store->reclaim, UINT64_MAX, UINT64_MAX);
	store_events_deinit(&store->events);
	store_alloc_free(store->alloc);
	free(store);
}

/* --- writer ----------------------------------------------------------------------------------- */

void store_publish(struct store *store)
{
	if (store->state.index != store_state_root(store)->state.index) {
		store_state_publish(store);
	}
	store_state_collect(store);
}

/* Nobody is there any more: what was theirs goes, locks that rest, too. */
static void end_sessions(struct store *store)
{
	struct store_sessions *sessions = &store->state.sessions;
	const struct store_session *session;
	struct store_claim_path gone;
	struct slice path;
	uint64_t until_ns;

	store->grants = 0;
	while ((session = store_sessions_next(sessions, 0)) != NULL) {
		const uint64_t id = session->id;

		store_lock_leave(store, id, STORE_CAUSE_RELEASED, store->state.revision);
		must(store_sessions_remove(sessions, &store->reclaim, id));
	}
	while (store_delayed_next(store, slice_make(NULL, 0), &path, &until_ns)) {
		gone.size = (uint16_t)path.size;
		memcpy(gone.bytes, path.data, path.size);
		store_change_remove(store, store_claim_slice(&gone), STORE_CAUSE_RELEASED);
		store_change_commit(store);
	}
}

void store_refound(struct store *store, store_rev_t raise)
{
	struct store_state *state = &store->state;

	must(raise > 0);
	must(state->revision <= INT64_MAX - raise);
	end_sessions(store);
	state->revision += mutant(70) ? 0 : raise;
	memset(&state->members, 0, sizeof(state->members));
	store_events_clear(&store->events, &store->reclaim, state->revision);
	store_state_publish(store);
	store_state_collect(store);
}

uint64_t store_applied(const struct store *store)
{
	return store->state.index;
}

uint64_t store_time_ns(const struct store *store)
{
	return store->state.time_ns;
}

uint64_t store_log_bytes(const struct store *store)
{
	return store->state.log_bytes;
}

uint64_t store_grace_wanted(const struct store *store)
{
	return store->reclaim.wanted;
}

void store_grace_passed(struct store *store, uint64_t number)
{
	must(number <= store->reclaim.wanted);
	if (number > store->reclaim.passed) {
		store->reclaim.passed = number;
	}
	store_state_collect(store);
}

const struct store_root *store_pin(struct store *store)
{
	return store_state_pin(store);
}

void store_unpin(struct store *store, const struct store_root *root)
{
	store_state_unpin(store, root);
}

const struct store_session *store_session(const struct store *store, uint64_t id)
{
	return store_sessions_find(&store->state.sessions, id);
}

const struct store_session *store_session_next(const struct store *store, uint64_t after)
{
	return store_sessions_next(&store->state.sessions, after);
}

uint32_t store_session_count(const struct store *store)
{
	return store->state.sessions.count;
}

/* What an owner has behind the path `after`, or NULL. */
static const struct store_item *owned_behind(const struct store *store, uint64_t owner,
                                             struct slice after)
{
	uint8_t from[STORE_PATH_SIZE_MAX + 1] = {'/'};
	struct slice path;

	if (after.size > 0) {
		must(after.size <= STORE_PATH_SIZE_MAX);
		memcpy(from, after.data, after.size);
		from[after.size] = 0; /* before everything that begins with it */
	}
	path = store_owned_next(store->state.owned, owner, slice_make(from, after.size + 1));
	return path.size == 0 ? NULL : store_tree_get(store->state.files, path);
}

bool store_owned_behind(const struct store *store, uint64_t session, struct slice after,
                        struct slice *ret_path, store_rev_t *ret_revision)
{
	const struct store_item *item = owned_behind(store, session, after);

	if (item == NULL) {
		return false;
	}
	*ret_path = store_item_key(item);
	*ret_revision = item->revision;
	return true;
}

bool store_delayed_next(const struct store *store, struct slice after, struct slice *ret_path,
                        uint64_t *ret_until_ns)
{
	const struct store_item *item = owned_behind(store, STORE_OWNER_DELAYED, after);
	struct store_claim claim;

	if (item == NULL) {
		return false;
	}
	must(store_claim_read(store_item_value(item), &claim));
	*ret_path = store_item_key(item);
	*ret_until_ns = claim.until_ns;
	return true;
}

bool store_passing_next(const struct store *store, struct slice *ret_path)
{
	if (store->state.passing == 0) {
		return false;
	}
	*ret_path = store_owned_next(store->state.owned, STORE_OWNER_PASSING, slice_text("/"));
	must(ret_path->size != 0);
	return true;
}

const struct store_members *store_members(const struct store *store)
{
	return &store->state.members;
}

uint64_t store_member_incarnation(const struct store *store, unsigned node)
{
	must(node < STORE_NODES_MAX);
	return store->state.members.member[node].incarnation;
}

/* --- readers ---------------------------------------------------------------------------------- */

const struct store_root *store_root(const struct store *store)
{
	return store_state_root(store);
}

store_rev_t store_root_revision(const struct store_root *root)
{
	return root->state.revision;
}

uint64_t store_root_index(const struct store_root *root)
{
	return root->state.index;
}

uint64_t store_root_bytes(const struct store_root *root)
{
	return root->state.bytes;
}

uint64_t store_root_files(const struct store_root *root)
{
	return root->state.file_count;
}

enum store_answer store_event(const struct store *store, store_rev_t revision,
                              const struct store_event **ret_event)
{
	return store_events_get(&store->events, revision, ret_event);
}

store_rev_t store_event_last(const struct store *store)
{
	return store_events_last(&store->events);
}

store_rev_t store_event_first(const struct store *store)
{
	return store_events_first(&store->events);
}

void store_counters(const struct store *store, struct store_counters *ret_counters)
{
	ret_counters->applied = atomic_load_explicit(&store->tally.applied, memory_order_relaxed);
	for (unsigned i = 0; i < STORE_ANSWER_COUNT; i++) {
		ret_counters->answers[i] =
			atomic_load_explicit(&store->tally.answers[i], memory_order_relaxed);
	}
	ret_counters->memory_bytes = store_alloc_bytes(store->alloc);
	ret_counters->memory_waiting = store_reclaim_waiting(&store->reclaim);
}
