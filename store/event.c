/* SPDX-License-Identifier: Apache-2.0 */
#include "store/event.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/publish.h"

enum {
	AHEAD = 4,       /* revisions: a turn of one write is worth a cache miss */
	GONE_SHARE = 64, /* bytes: of a node, head and pointer where it is a quarter full */
};

struct entry {
	struct store_block block;
	struct store_event event;
	struct store_item *former; /* owned, or NULL */
};

static void free_arrays(struct store_events *events)
{
	free(events->slots);
	free(events->leaps);
	events->slots = NULL;
	events->leaps = NULL;
}

int store_events_init(struct store_events *events, uint32_t size, uint64_t bytes_max)
{
	must(size > 0);
	must((size & (size - 1)) == 0);
	*events = (struct store_events){.size = size, .bytes_max = bytes_max, .oldest = 1};
	events->slots = calloc(size, sizeof(events->slots[0]));
	events->leaps = calloc(size, sizeof(events->leaps[0]));
	if (events->slots == NULL || events->leaps == NULL) {
		free_arrays(events);
		return -ENOMEM;
	}
	return 0;
}

void store_events_deinit(struct store_events *events)
{
	must(events->newest < events->oldest);
	must(events->bytes == 0);
	must(events->gone == NULL);
	free_arrays(events);
}

static void **slot_of(const struct store_events *events, store_rev_t revision)
{
	return &events->slots[(uint64_t)revision & (events->size - 1)];
}

/* What an event costs as long as it is in the ring. */
static uint64_t cost_of(const struct entry *entry)
{
	uint64_t cost = store_block_size(&entry->block);

	if (entry->former != NULL) {
		cost += store_block_size(&entry->former->block);
	}
	if (entry->event.kind == STORE_EVENT_DELETE) {
		cost += sizeof(struct store_item) + entry->event.path.size + GONE_SHARE;
	}
	return cost;
}

/* The path is there again, or the event of its delete leaves. 0 if it was not gone. */
static store_rev_t take_gone(struct store_events *events, struct store_reclaim *reclaim,
                             struct slice path)
{
	struct store_item *item = store_tree_remove(&events->gone, reclaim, path);
	store_rev_t revision;

	if (item == NULL) {
		return 0;
	}
	revision = item->revision;
	store_reclaim_list(reclaim, &item->block);
	return revision;
}

/* The path was gone by this event, and may be there again, or gone by a later one. */
static void forget_gone(struct store_events *events, struct store_reclaim *reclaim,
                        const struct store_event *event)
{
	const struct store_item *item = store_tree_get(events->gone, event->path);

	if (item != NULL && item->revision == event->revision) {
		(void)take_gone(events, reclaim, event->path);
	}
}

static void drop_oldest(struct store_events *events, struct store_reclaim *reclaim)
{
	void **slot = slot_of(events, events->oldest);
	struct entry *entry = *slot;

	must(events->oldest <= events->newest);
	must(entry->event.revision == events->oldest);
	/*
	 * What will be dropped next was last touched a whole ring ago, and is in no cache any more:
	 * the event is asked for, and later, when it is there, the former item that it owns. (Not
	 * in a function of its own: GCC takes one that only prefetches for one without effect.)
	 */
	if (events->newest - events->oldest >= 2 * AHEAD) {
		const struct entry *far = *slot_of(events, events->oldest + 2 * AHEAD);
		const struct entry *near = *slot_of(events, events->oldest + AHEAD);

		__builtin_prefetch(&far->block, 1);
		__builtin_prefetch(&far->former);
		__builtin_prefetch(near->former, 1);
	}
	store_publish_pointer(slot, NULL);
	events->bytes -= cost_of(entry);
	events->oldest++;
	if (entry->event.kind == STORE_EVENT_DELETE) {
		forget_gone(events, reclaim, &entry->event);
	}
	if (entry->former != NULL) {
		store_reclaim_list(reclaim, &entry->former->block);
	}
	store_reclaim_list(reclaim, &entry->block);
}

static bool is_full(const struct store_events *events)
{
	const uint64_t count = (uint64_t)(events->newest - events->oldest + 1);

	return count == events->size || (count > 0 && events->bytes > events->bytes_max);
}

static struct store_leap *leap_of(const struct store_events *events, store_rev_t revision)
{
	return &events->leaps[(uint64_t)revision & (events->size - 1)];
}

static bool is_kept(const struct store_events *events, store_rev_t revision)
{
	return revision >= events->oldest && revision <= events->newest;
}

/* How far the event of `revision` leaps, before which its path had that of `earlier`. */
static struct store_leap leap_from(const struct store_events *events, store_rev_t revision,
                                   store_rev_t earlier)
{
	struct store_leap one, two;
	store_rev_t target;

	if (!is_kept(events, earlier)) {
		return (struct store_leap){0};
	}
	one = *leap_of(events, earlier);
	target = earlier - one.revisions;
	if (one.revisions != 0 && is_kept(events, target)) {
		two = *leap_of(events, target);
		target -= two.revisions;
		if (two.events == one.events && is_kept(events, target)) {
			return (struct store_leap){.revisions = (uint32_t)(revision - target),
			                           .events = one.events + two.events + 1};
		}
	}
	return (struct store_leap){.revisions = (uint32_t)(revision - earlier), .events = 1};
}

void store_events_add(struct store_events *events, struct store_reclaim *reclaim,
                      store_rev_t revision, const struct store_item *item,
                      struct store_item *former, enum store_cause cause)
{
	struct entry *entry = store_reclaim_take(reclaim, sizeof(*entry));
	struct store_leap leap;

	must(revision == events->newest + 1);
	must(item != NULL || former != NULL);
	entry->former = former;
	entry->event = (struct store_event){
		.revision = revision,
		.kind = item != NULL ? STORE_EVENT_SET : STORE_EVENT_DELETE,
		.cause = cause,
		.first = revision,
		.last = revision,
		.path = store_item_key(item != NULL ? item : former),
	};
	if (item != NULL) {
		entry->event.value = store_item_value(item);
		entry->event.owner = item->owner;
	}
	if (former != NULL) {
		entry->event.former_revision = former->revision;
		entry->event.earlier = former->revision;
		entry->event.former_value = store_item_value(former);
		entry->event.former_owner = former->owner;
	} else if (events->gone != NULL) {
		const store_rev_t earlier = take_gone(events, reclaim, entry->event.path);

		entry->event.earlier = mutant(44) ? 0 : earlier;
	}
	leap = leap_from(events, revision, entry->event.earlier);
	entry->event.leap = leap.revisions != 0 ? revision - leap.revisions : 0;
	while (is_full(events)) {
		drop_oldest(events, reclaim);
	}
	if (item == NULL) {
		struct store_item *gone = store_item_new(reclaim, entry->event.path, 0, revision);

		gone = store_tree_put(&events->gone, reclaim, gone);
		must(gone == NULL);
	}
	store_publish_pointer(slot_of(events, revision), entry);
	*leap_of(events, revision) = leap;
	events->newest = revision;
	events->bytes += cost_of(entry);
}

void store_events_bind(struct store_events *events, store_rev_t first, store_rev_t last)
{
	must(last == events->newest);
	for (store_rev_t revision = first > events->oldest ? first : events->oldest;
	     revision <= last; revision++) {
		struct entry *entry = *slot_of(events, revision);

		entry->event.first = first;
		entry->event.last = last;
	}
}

void store_events_publish(struct store_events *events)
{
	atomic_store_explicit(&events->head, events->newest, memory_order_release);
}

void store_events_clear(struct store_events *events, struct store_reclaim *reclaim,
                        store_rev_t revision)
{
	store_tree_list(&events->gone, reclaim);
	while (events->oldest <= events->newest) {
		drop_oldest(events, reclaim);
	}
	events->oldest = revision + 1;
	events->newest = revision;
}

const struct store_event *store_events_find(const struct store_events *events, store_rev_t revision)
{
	const struct entry *entry = store_load_pointer(slot_of(events, revision));

	/* The slot may already have an event of the batch under way. */
	return entry == NULL || entry->event.revision != revision ? NULL : &entry->event;
}

const struct store_event *store_events_behind(const struct store_events *events, store_rev_t last,
                                              store_rev_t rev, uint32_t *steps,
                                              store_rev_t *ret_lost)
{
	const struct store_event *event;

	must(last > rev);
	for (;;) {
		event = store_events_find(events, last);
		if (event == NULL) {
			*ret_lost = last;
			return NULL;
		}
		(*steps)++;
		if (event->earlier <= rev) {
			return event;
		}
		must(event->earlier < last);
		must(event->leap <= event->earlier);
		last = event->leap > rev ? event->leap : event->earlier;
	}
}

enum store_answer store_events_get(const struct store_events *events, store_rev_t revision,
                                   const struct store_event **ret_event)
{
	const struct store_event *event;

	if (revision > atomic_load_explicit(&events->head, memory_order_acquire)) {
		return STORE_NOT_FOUND;
	}
	if (revision < 1) {
		return STORE_TOO_LATE;
	}
	event = store_events_find(events, revision);
	if (event == NULL) {
		return STORE_TOO_LATE;
	}
	*ret_event = event;
	return STORE_OK;
}

store_rev_t store_events_last(const struct store_events *events)
{
	return atomic_load_explicit(&events->head, memory_order_acquire);
}

store_rev_t store_events_first(const struct store_events *events)
{
	store_rev_t high = store_events_last(events) + 1;
	store_rev_t low = high > (store_rev_t)events->size ? high - (store_rev_t)events->size : 1;
	const struct store_event *event;

	while (low < high) {
		const store_rev_t middle = low + (high - low) / 2;

		if (store_events_get(events, middle, &event) == STORE_OK) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return high;
}
