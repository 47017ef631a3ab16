/* SPDX-License-Identifier: Apache-2.0 */
#include "store/change.h"

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/file.h"

/* What is counted of files, as `former` gives way to `item`. */
static void count(struct store_state *state, const struct store_item *item,
                  const struct store_item *former)
{
	if (former != NULL) {
		state->bytes -= store_file_cost(former->key_size, former->value_size);
		state->file_count--;
	}
	if (item != NULL) {
		state->bytes += store_file_cost(item->key_size, item->value_size);
		state->file_count++;
	}
}

static void follow(struct store *store, const struct store_item *item,
                   const struct store_item *former, bool owns)
{
	count(&store->state, item, former);
	if (owns && (item == NULL || former == NULL || item->owner != former->owner)) {
		store_state_own(&store->state, &store->reclaim, former, -1);
		store_state_own(&store->state, &store->reclaim, item, 1);
	}
}

static void note(struct store *store, struct store_item *item, struct store_item *former,
                 enum store_cause cause)
{
	struct store_stage *stage = &store->stage;

	must(stage->count < STORE_STAGE_MAX);
	store->state.revision++;
	if (item != NULL) {
		must(item->revision == store->state.revision);
	}
	follow(store, item, former, true);
	stage->changes[stage->count].item = item;
	stage->changes[stage->count].former = former;
	stage->changes[stage->count].cause = cause;
	stage->count++;
}

void store_change_put(struct store *store, struct store_item *item, enum store_cause cause)
{
	note(store, item, store_tree_put(&store->state.files, &store->reclaim, item), cause);
}

void store_change_replace(struct store *store, const struct store_place *place,
                          struct store_item *item, enum store_cause cause)
{
	note(store, item, store_tree_replace(&store->state.files, &store->reclaim, place, item),
	     cause);
}

void store_change_remove(struct store *store, struct slice path, enum store_cause cause)
{
	struct store_item *former = store_tree_remove(&store->state.files, &store->reclaim, path);

	must(former != NULL);
	note(store, NULL, former, cause);
}

void store_change_undo(struct store *store)
{
	struct store_stage *stage = &store->stage;

	while (stage->count > 0) {
		struct store_item *item = stage->changes[--stage->count].item;
		struct store_item *former = stage->changes[stage->count].former;
		struct store_item *out;

		out = former != NULL ? store_tree_put(&store->state.files, &store->reclaim, former)
		                     : store_tree_remove(&store->state.files, &store->reclaim,
		                                         store_item_key(item));
		must(out == item);
		follow(store, former, item, !mutant(57));
		store->state.revision--;
		if (item != NULL) {
			store_reclaim_list(&store->reclaim, &item->block);
		}
	}
}

void store_change_commit(struct store *store)
{
	struct store_stage *stage = &store->stage;
	store_rev_t revision = store->state.revision - stage->count;

	for (unsigned i = 0; i < stage->count; i++) {
		store_events_add(&store->events, &store->reclaim, ++revision,
		                 stage->changes[i].item, stage->changes[i].former,
		                 stage->changes[i].cause);
	}
	stage->count = 0;
}
