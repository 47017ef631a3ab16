/* SPDX-License-Identifier: Apache-2.0 */
#include "store/session.h"

#include "store/base/check.h"

enum {
	KEY_SIZE = STORE_SESSION_KEY_SIZE,
	KEY_PADDED = (KEY_SIZE + STORE_ITEM_ALIGN - 1) & ~(STORE_ITEM_ALIGN - 1),
	LOW_BITS = 48, /* in the last eight bytes */
	KEY_BASE = '0' /* the 64 bytes from here have no "/" among them, and order as numbers do */
};

struct kept {
	store_rev_t revision;
	store_rev_t store_revision;
	int64_t number;
	uint32_t changes; /* the last one is `revision` */
	uint8_t answer;
	uint8_t flags;
	uint8_t op;
};

/* A session and its kept answers; the one of number n stands at n modulo capacity. */
struct record {
	struct store_session session; /* first: what others hold points here */
	uint32_t capacity;            /* 2, 8 or 64: most clients wait for one answer at a time */
	struct kept kept[];
};

void store_session_key(uint64_t id, uint8_t key[STORE_SESSION_KEY_SIZE])
{
	uint64_t low = id & (((uint64_t)1 << LOW_BITS) - 1);

	for (unsigned i = 0; i < KEY_SIZE - sizeof(low); i++) {
		key[i] = (uint8_t)(KEY_BASE + (id >> (6 * (KEY_SIZE - 1 - i)) & 63));
	}
	/* Eight times six bits, apart by halves; in one store, for they are soon loaded so. */
	low = (low & 0x0000000000ffffff) | (low & 0x0000ffffff000000) << 8;
	low = (low & 0x00000fff00000fff) | (low & 0x00fff00000fff000) << 4;
	low = (low & 0x003f003f003f003f) | (low & 0x0fc00fc00fc00fc0) << 2;
	low = __builtin_bswap64(low + KEY_BASE * 0x0101010101010101u);
	memcpy(key + KEY_SIZE - sizeof(low), &low, sizeof(low));
}

static const struct record *record_of(const struct store_item *item)
{
	return (const struct record *)(const void *)store_item_value(item).data;
}

/* The item a session stands in. */
static const struct store_item *item_of(const struct store_session *session)
{
	const struct store_item *item = (const void *)((const uint8_t *)session - KEY_PADDED -
	                                               offsetof(struct store_item, bytes));

	must(item->key_size == KEY_SIZE);
	must(&record_of(item)->session == session);
	return item;
}

static const struct store_item *find(const struct store_sessions *sessions, uint64_t id)
{
	uint8_t key[KEY_SIZE];

	if (sessions->last != NULL && record_of(sessions->last)->session.id == id) {
		return sessions->last;
	}
	store_session_key(id, key);
	return store_tree_get(sessions->root, slice_make(key, KEY_SIZE));
}

const struct store_session *store_sessions_find(const struct store_sessions *sessions, uint64_t id)
{
	const struct store_item *item = find(sessions, id);

	if (item == NULL) {
		return NULL;
	}
	must(record_of(item)->session.id == id);
	return &record_of(item)->session;
}

const struct store_session *store_sessions_next(const struct store_sessions *sessions,
                                                uint64_t after)
{
	const struct store_item *before, *at;
	uint8_t key[KEY_SIZE];

	if (after == UINT64_MAX) {
		return NULL;
	}
	store_session_key(after + 1, key);
	store_tree_around(sessions->root, slice_make(key, KEY_SIZE), &before, &at);
	if (at == NULL) {
		return NULL;
	}
	must(record_of(at)->session.id > after);
	return &record_of(at)->session;
}

/* True if the number has a kept answer. */
static bool is_answered(const struct store_session *session, uint64_t number)
{
	const uint64_t bit = number - session->base;

	return number >= session->base && bit < STORE_ANSWERS_MAX &&
	       (session->answered >> bit & 1) != 0;
}

bool store_session_kept(const struct store_session *session, uint64_t number,
                        struct store_result *ret_result)
{
	const struct record *record = (const struct record *)(const void *)session;
	const struct kept *kept;

	if (!is_answered(session, number)) {
		return false;
	}
	must((record->capacity & (record->capacity - 1)) == 0);
	kept = &record->kept[number & (record->capacity - 1)];
	*ret_result = (struct store_result){
		.answer = (enum store_answer)kept->answer,
		.flags = kept->flags,
		.op = kept->op,
		.revision = kept->revision,
		.first = kept->changes == 0 ? 0 : kept->revision - kept->changes + 1,
		.store_revision = kept->store_revision,
		.number = kept->number,
	};
	return true;
}

/* Room for `span` numbers from the base on. */
static uint32_t capacity_for(uint64_t span)
{
	must(span <= STORE_ANSWERS_MAX);
	if (span <= 2) {
		return 2;
	}
	return span <= 8 ? 8 : STORE_ANSWERS_MAX;
}

static struct record *record_new(struct store_reclaim *reclaim, uint64_t id, uint32_t capacity,
                                 struct store_item **ret_item)
{
	uint8_t key[KEY_SIZE];
	struct record *record;
	size_t size = sizeof(*record) + capacity * sizeof(record->kept[0]);

	store_session_key(id, key);
	*ret_item = store_item_new(reclaim, slice_make(key, KEY_SIZE), size, 0);
	record = store_item_memory(*ret_item);
	memset(record, 0, size);
	record->capacity = capacity;
	return record;
}

void store_sessions_add(struct store_sessions *sessions, struct store_reclaim *reclaim,
                        const struct store_session *session)
{
	struct store_item *item, *former;
	struct record *record = record_new(reclaim, session->id, capacity_for(0), &item);

	must(session->answered == 0);
	record->session = *session;
	former = store_tree_put(&sessions->root, reclaim, item);
	must(former == NULL);
	sessions->count++;
}

bool store_sessions_remove(struct store_sessions *sessions, struct store_reclaim *reclaim,
                           uint64_t id)
{
	uint8_t key[KEY_SIZE];
	struct store_item *former;

	store_session_key(id, key);
	sessions->last = NULL;
	former = store_tree_remove(&sessions->root, reclaim, slice_make(key, KEY_SIZE));
	if (former == NULL) {
		return false;
	}
	must(sessions->count > 0);
	sessions->count--;
	store_reclaim_list(reclaim, &former->block);
	return true;
}

/* The numbers from the base up to the highest answered one. */
static uint64_t span_of(const struct store_session *session)
{
	return session->answered == 0 ? 0 : 64 - (uint64_t)__builtin_clzll(session->answered);
}

/* Copies a record into one of this batch that has room for `span` numbers. */
static struct record *renew(struct store_sessions *sessions, struct store_reclaim *reclaim,
                            const struct record *record, uint64_t span)
{
	struct store_item *item, *former;
	struct record *copy;

	copy = record_new(reclaim, record->session.id, capacity_for(span), &item);
	copy->session = record->session;
	for (uint64_t bits = record->session.answered; bits != 0; bits &= bits - 1) {
		const uint64_t number = record->session.base + (uint64_t)__builtin_ctzll(bits);

		copy->kept[number & (copy->capacity - 1)] =
			record->kept[number & (record->capacity - 1)];
	}
	former = store_tree_put(&sessions->root, reclaim, item);
	must(former != NULL);
	store_reclaim_list(reclaim, &former->block);
	sessions->last = item;
	return copy;
}

/* The record, to be changed, with room for `span` numbers. */
static struct record *own(struct store_sessions *sessions, struct store_reclaim *reclaim,
                          const struct store_session *session, uint64_t span)
{
	const struct store_item *item = item_of(session);
	const struct record *record = record_of(item);

	if (span < span_of(&record->session)) {
		span = span_of(&record->session);
	}
	if (!store_reclaim_owns(reclaim, &item->block) || record->capacity < span) {
		return renew(sessions, reclaim, record, span);
	}
	sessions->last = item;
	return (struct record *)(uintptr_t)record; /* this batch's: no reader has seen it */
}

void store_sessions_own(struct store_sessions *sessions, struct store_reclaim *reclaim, uint64_t id,
                        int more)
{
	const struct store_session *session = store_sessions_find(sessions, id);
	struct record *record;

	must(session != NULL);
	must(more > 0 || session->owned > 0);
	record = own(sessions, reclaim, session, 0);
	record->session.owned = more > 0 ? record->session.owned + 1 : record->session.owned - 1;
}

static void raise_base(struct store_session *session, uint64_t base)
{
	const uint64_t shift = base - session->base;

	must(base >= session->base);
	session->answered = shift < 64 ? session->answered >> shift : 0;
	session->base = base;
}

enum store_turn store_sessions_turn(struct store_sessions *sessions, struct store_reclaim *reclaim,
                                    const struct store_session **session, uint64_t number,
                                    uint64_t first_unanswered, struct store_result *ret_result)
{
	if (first_unanswered > (*session)->base) {
		struct record *record = own(sessions, reclaim, *session, 0);

		raise_base(&record->session, first_unanswered);
		*session = &record->session;
	}
	if (number < (*session)->base) {
		return STORE_TURN_STALE;
	}
	if (number - (*session)->base >= STORE_ANSWERS_MAX) {
		return STORE_TURN_WINDOW;
	}
	if (store_session_kept(*session, number, ret_result)) {
		return STORE_TURN_KEPT;
	}
	return STORE_TURN_RUN;
}

void store_sessions_keep(struct store_sessions *sessions, struct store_reclaim *reclaim,
                         const struct store_session *session, uint64_t number,
                         const struct store_result *result)
{
	struct record *record;
	uint64_t bit;

	must(number >= session->base);
	bit = number - session->base;
	must(bit < STORE_ANSWERS_MAX);
	must(!is_answered(session, number));
	record = own(sessions, reclaim, session, bit + 1);
	record->session.answered |= (uint64_t)1 << bit;
	record->kept[number & (record->capacity - 1)] = (struct kept){
		.revision = result->revision,
		.store_revision = result->store_revision,
		.number = result->number,
		.changes =
			result->first == 0 ? 0 : (uint32_t)(result->revision - result->first + 1),
		.answer = (uint8_t)result->answer,
		.flags = result->flags,
		.op = result->op,
	};
}
