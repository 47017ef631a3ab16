/* SPDX-License-Identifier: Apache-2.0 */
#include "store/state.h"

#include "store/base/check.h"
#include "store/owned.h"
#include "store/publish.h"

enum {
	COLLECT_MIN = 256,
};

const struct store_root *store_state_root(const struct store *store)
{
	return store_load_pointer(&store->published);
}

static uint64_t oldest_pin(const struct store *store)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; i < store->pin_count; i++) {
		if (store->pins[i]->number < oldest) {
			oldest = store->pins[i]->number;
		}
	}
	return oldest;
}

void store_state_collect(struct store *store)
{
	const uint64_t blocks = 2 * store->reclaim.listed + COLLECT_MIN;

	store_reclaim_collect(&store->reclaim, oldest_pin(store), blocks);
}

void store_state_own(struct store_state *state, struct store_reclaim *reclaim,
                     const struct store_item *item, int more)
{
	if (item == NULL || item->owner == 0) {
		return;
	}
	if (more > 0) {
		store_owned_add(&state->owned, reclaim, item->owner, store_item_key(item));
	} else {
		store_owned_remove(&state->owned, reclaim, item->owner, store_item_key(item));
	}
	if (item->owner == STORE_OWNER_PASSING) {
		state->passing += (uint32_t)more;
	} else if (item->owner != STORE_OWNER_DELAYED) {
		store_sessions_own(&state->sessions, reclaim, item->owner, more);
	}
}

void store_state_publish(struct store *store)
{
	struct store_root *former = store->published;
	struct store_root *root = store_reclaim_take(&store->reclaim, sizeof(*root));

	root->state = store->state;
	root->gone = store->events.gone;
	root->oldest = store->events.oldest;
	if (former != NULL) {
		must(former->block.stamp < store->reclaim.batch);
		store_reclaim_list(&store->reclaim, &former->block);
	}
	root->number = store_reclaim_publish(&store->reclaim);
	store_publish_pointer(&store->published, root);
	store_events_publish(&store->events);
}

const struct store_root *store_state_pin(struct store *store)
{
	const struct store_root *root = store->published;

	if (store->pin_count == STORE_PINS_MAX) {
		return NULL;
	}
	store->pins[store->pin_count++] = root;
	return root;
}

void store_state_unpin(struct store *store, const struct store_root *root)
{
	unsigned i = 0;

	while (i < store->pin_count && store->pins[i] != root) {
		i++;
	}
	must(i < store->pin_count);
	store->pins[i] = store->pins[--store->pin_count];
	store_state_collect(store);
}
