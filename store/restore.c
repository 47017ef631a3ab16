/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.c - a store out of the bytes of a snapshot (snapshot.h; the format is in snapshot.c)
 *
 *      HEAD -> (SESSION -> ANSWERS)* -> (FILE -> BODY)* -> DIGEST -> WHOLE
 *
 * The bytes may come from anybody: every stage says how many it needs and judges them before
 * anything is made of them. What is made stands beside the store until the end.
 */
#include <errno.h>

#define XXH_STATIC_LINKING_ONLY /* the state stands in structs of ours */
#include <xxhash.h>

#include "store/base/check.h"
#include "store/base/mutant.h"
#include "store/base/wire.h"
#include "store/claim.h"
#include "store/file.h"
#include "store/path.h"
#include "store/snapshot.h"
#include "store/snapshot_format.h"
#include "store/state.h"

enum {
	ROOM_MIN = 64 * 1024, /* more than one step takes beside the value: nodes, separators */
};

enum stage {
	STAGE_HEAD,
	STAGE_SESSION,
	STAGE_ANSWERS,
	STAGE_FILE,
	STAGE_BODY,
	STAGE_DIGEST,
	STAGE_WHOLE,
};

struct store_restore {
	XXH3_state_t hash;
	void *memory; /* what was taken; the struct is aligned within */
	struct store *store;
	struct store_reclaim reclaim; /* its blocks are its own until the end */
	struct store_state state;
	uint64_t files_left;
	uint32_t sessions_left;
	struct store_session session; /* whose answers come next */
	const struct store_item *last;
	store_rev_t file_revision;
	uint64_t owner;
	size_t path_size, value_size;
	enum stage stage;
	int error; /* sticks */
	size_t have, need;
	uint8_t piece[SNAPSHOT_PIECE_MAX];
};

/* What is taken, so that the struct can be aligned within. */
#define MEMORY_SIZE (sizeof(struct store_restore) + _Alignof(XXH3_state_t))

int store_restore_begin(struct store *store, struct store_restore **ret_restore)
{
	struct store_restore *restore;
	uintptr_t address;
	void *memory;

	memory = store_alloc_take(store->alloc, MEMORY_SIZE);
	if (memory == NULL) {
		return -ENOMEM;
	}
	address = ((uintptr_t)memory + _Alignof(XXH3_state_t) - 1) &
	          ~(uintptr_t)(_Alignof(XXH3_state_t) - 1);
	restore = (struct store_restore *)address;
	memset(restore, 0, offsetof(struct store_restore, piece));
	restore->memory = memory;
	restore->store = store;
	/* A stamp that no batch of the store has: neither takes the other's blocks for its own. */
	store_reclaim_init(&restore->reclaim, store->alloc, ++store->reclaim.batch);
	store->reclaim.batch++;
	restore->stage = STAGE_HEAD;
	restore->need = SNAPSHOT_HEAD_SIZE;
	must(XXH3_128bits_reset(&restore->hash) == XXH_OK);
	*ret_restore = restore;
	return 0;
}

static void expect(struct store_restore *restore, enum stage stage, size_t need)
{
	must(need <= SNAPSHOT_PIECE_MAX);
	restore->stage = stage;
	restore->have = 0;
	restore->need = need;
}

/* What comes after a head, a session or a file. */
static void expect_next(struct store_restore *restore)
{
	if (restore->sessions_left > 0) {
		expect(restore, STAGE_SESSION, SNAPSHOT_SESSION_SIZE);
	} else if (restore->files_left > 0) {
		expect(restore, STAGE_FILE, SNAPSHOT_FILE_SIZE);
	} else {
		expect(restore, STAGE_DIGEST, SNAPSHOT_DIGEST_SIZE);
	}
}

static bool has_room(const struct store_restore *restore, size_t size)
{
	return store_alloc_room(restore->store->alloc) >= size + ROOM_MIN;
}

static bool take_members(struct wire_reader *reader, struct store_members *members, uint64_t index)
{
	members->configuration = wire_u32(reader);
	members->voters = wire_u32(reader);
	members->learners = wire_u32(reader);
	members->since = wire_u64(reader);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		members->member[i].incarnation = wire_u64(reader);
		members->member[i].named = wire_u64(reader);
		members->member[i].address.ip = wire_u32(reader);
		members->member[i].address.port = wire_u16(reader);
	}
	return store_members_is_good(members, index);
}

static int take_head(struct store_restore *restore, struct wire_reader *reader)
{
	struct store_state *state = &restore->state;

	if (wire_u64(reader) != SNAPSHOT_MAGIC || wire_u32(reader) != SNAPSHOT_VERSION) {
		return -EBADMSG;
	}
	state->index = wire_u64(reader);
	state->time_ns = wire_u64(reader);
	state->revision = (store_rev_t)wire_u64(reader);
	state->log_bytes = wire_u64(reader);
	restore->files_left = wire_u64(reader);
	if (!take_members(reader, &state->members, state->index)) {
		return -EBADMSG;
	}
	restore->sessions_left = wire_u32(reader);
	if (state->revision < 0 || restore->files_left > (uint64_t)state->revision) {
		return -EBADMSG;
	}
	if (restore->sessions_left > restore->store->sessions_max) {
		return -EDQUOT;
	}
	expect_next(restore);
	return 0;
}

static int take_session(struct store_restore *restore, struct wire_reader *reader)
{
	struct store_session *session = &restore->session;
	const uint64_t last = session->id;
	uint64_t answered;

	session->id = wire_u64(reader);
	session->secret = wire_u64(reader);
	session->base = wire_u64(reader);
	answered = wire_u64(reader);
	session->ttl_ms = wire_u32(reader);
	session->answered = 0;
	if (session->id <= last || session->id > restore->state.index || session->base == 0) {
		return -EBADMSG;
	}
	if (answered != 0 &&
	    session->base > UINT64_MAX - (63 - (uint64_t)__builtin_clzll(answered))) {
		return -EBADMSG;
	}
	if (!has_room(restore, 0)) {
		return -ENOMEM;
	}
	store_sessions_add(&restore->state.sessions, &restore->reclaim, session);
	restore->sessions_left--;
	session->answered = answered;
	expect(restore, STAGE_ANSWERS,
	       (size_t)__builtin_popcountll(answered) * SNAPSHOT_ANSWER_SIZE);
	return 0;
}

static bool is_past(store_rev_t revision, store_rev_t newest)
{
	return revision >= 0 && revision <= newest;
}

static int take_answers(struct store_restore *restore, struct wire_reader *reader)
{
	const struct store_session *session = &restore->session;
	const store_rev_t newest = restore->state.revision;

	for (uint64_t bits = session->answered; bits != 0; bits &= bits - 1) {
		struct store_result result = {0};

		result.answer = (enum store_answer)wire_u8(reader);
		result.flags = wire_u8(reader);
		result.op = wire_u8(reader);
		result.revision = (store_rev_t)wire_u64(reader);
		result.first = (store_rev_t)wire_u64(reader);
		result.store_revision = (store_rev_t)wire_u64(reader);
		result.number = (int64_t)wire_u64(reader);
		if ((unsigned)result.answer >= STORE_ANSWER_COUNT ||
		    !is_past(result.revision, newest) || !is_past(result.first, result.revision) ||
		    !is_past(result.store_revision, newest)) {
			return -EBADMSG;
		}
		store_sessions_keep(&restore->state.sessions, &restore->reclaim,
		                    store_sessions_find(&restore->state.sessions, session->id),
		                    session->base + (uint64_t)__builtin_ctzll(bits), &result);
	}
	expect_next(restore);
	return 0;
}

static int take_file(struct store_restore *restore, struct wire_reader *reader)
{
	restore->file_revision = (store_rev_t)wire_u64(reader);
	restore->owner = wire_u64(reader);
	restore->path_size = wire_u16(reader);
	restore->value_size = wire_u32(reader);
	if (restore->file_revision < 1 || restore->file_revision > restore->state.revision ||
	    restore->path_size < 2 || restore->path_size > STORE_PATH_SIZE_MAX ||
	    restore->value_size > STORE_VALUE_SIZE_MAX) {
		return -EBADMSG;
	}
	expect(restore, STAGE_BODY, restore->path_size + restore->value_size);
	return 0;
}

/* True if the file's owner is one that it may have. */
static bool is_owner(const struct store_restore *restore, struct slice path, struct slice value)
{
	const uint64_t owner = restore->owner;
	const struct store_session *session = store_sessions_find(&restore->state.sessions, owner);
	enum store_claim_kind kind;
	struct store_claim claim;
	struct slice name;
	store_rev_t number;

	if (session != NULL && session->owned >= STORE_OWNED_MAX) {
		return false;
	}
	if (!store_lock_guards(path)) {
		return owner == 0 || session != NULL;
	}
	if (!store_claim_path_read(path, &name, &kind, &number) ||
	    store_lock_check_name(name) != STORE_OK) {
		return false;
	}
	if (kind == STORE_CLAIM_BROKEN) {
		return owner == 0;
	}
	if (kind == STORE_CLAIM_PASSING) {
		return owner == STORE_OWNER_PASSING && value.size == 0;
	}
	return store_claim_read(value, &claim) && claim.limit <= STORE_PERMITS_MAX &&
	       claim.data.size <= STORE_LOCK_DATA_MAX &&
	       (owner == STORE_OWNER_DELAYED ? kind == STORE_CLAIM_HOLDER
	                                     : session != NULL && claim.session == owner);
}

static int take_body(struct store_restore *restore, struct wire_reader *reader)
{
	const struct slice path = wire_bytes(reader, restore->path_size);
	const struct slice value = wire_bytes(reader, restore->value_size);
	struct store_item *item, *former;

	if (store_path_check(path) != STORE_PATH_GOOD) {
		return -EBADMSG;
	}
	if (restore->last != NULL) {
		const struct slice last = store_item_key(restore->last);

		/* In order, and no file below another: that one would come right before. */
		if (store_path_compare(last, path) >= 0 || store_path_is_below(path, last)) {
			return -EBADMSG;
		}
	}
	if (!is_owner(restore, path, value)) {
		return -EBADMSG;
	}
	restore->state.bytes += store_file_cost(path.size, value.size);
	if (restore->state.bytes > restore->store->quota_bytes) {
		return -EDQUOT;
	}
	if (!has_room(restore, value.size)) {
		return -ENOMEM;
	}
	item = store_item_new(&restore->reclaim, path, value.size, restore->file_revision);
	if (value.size != 0) {
		memcpy(store_item_memory(item), value.data, value.size);
	}
	item->owner = restore->owner;
	former = store_tree_put(&restore->state.files, &restore->reclaim, item);
	must(former == NULL);
	store_state_own(&restore->state, &restore->reclaim, item, 1);
	restore->last = item;
	restore->state.file_count++;
	restore->files_left--;
	expect_next(restore);
	return 0;
}

static int take_digest(struct store_restore *restore, struct wire_reader *reader)
{
	const XXH128_hash_t hash = XXH3_128bits_digest(&restore->hash);
	const uint64_t low = wire_u64(reader), high = wire_u64(reader);

	if (low != hash.low64 || high != hash.high64) {
		return -EBADMSG;
	}
	expect(restore, STAGE_WHOLE, 1);
	return 0;
}

static int take_piece(struct store_restore *restore)
{
	const struct slice piece = slice_make(restore->piece, restore->need);
	struct wire_reader reader = wire_reader_make(piece);
	const enum stage stage = restore->stage;
	int r;

	must(restore->have == restore->need);
	switch (stage) {
	case STAGE_HEAD:
		r = take_head(restore, &reader);
		break;
	case STAGE_SESSION:
		r = take_session(restore, &reader);
		break;
	case STAGE_ANSWERS:
		r = take_answers(restore, &reader);
		break;
	case STAGE_FILE:
		r = take_file(restore, &reader);
		break;
	case STAGE_BODY:
		r = take_body(restore, &reader);
		break;
	case STAGE_DIGEST:
		return take_digest(restore, &reader);
	case STAGE_WHOLE: /* a byte behind the end */
	default:
		return -EBADMSG;
	}
	if (r == 0) {
		must(wire_done(&reader));
		must(XXH3_128bits_update(&restore->hash, piece.data, piece.size) == XXH_OK);
	}
	return r;
}

int store_restore_feed(struct store_restore *restore, struct slice bytes)
{
	size_t at = 0;

	while (restore->error == 0 && at < bytes.size) {
		size_t part = restore->need - restore->have;

		part = part < bytes.size - at ? part : bytes.size - at;
		memcpy(restore->piece + restore->have, bytes.data + at, part);
		restore->have += part;
		at += part;
		/* A session without answers needs nothing of the bytes. */
		while (restore->error == 0 && restore->have == restore->need) {
			restore->error = take_piece(restore);
		}
	}
	return restore->error;
}

static void discard(struct store_restore *restore)
{
	struct store_alloc *alloc = restore->store->alloc;

	store_tree_list(&restore->state.files, &restore->reclaim);
	store_tree_list(&restore->state.owned, &restore->reclaim);
	store_tree_list(&restore->state.sessions.root, &restore->reclaim);
	must(store_reclaim_waiting(&restore->reclaim) == 0);
	store_alloc_give(alloc, restore->memory, MEMORY_SIZE);
}

int store_restore_end(struct store *store, struct store_restore *restore)
{
	must(restore->store == store);
	if (restore->error != 0 || restore->stage != STAGE_WHOLE) {
		discard(restore);
		return -EBADMSG;
	}
	must(restore->sessions_left == 0);
	must(restore->files_left == 0);

	store_tree_list(&store->state.files, &store->reclaim);
	store_tree_list(&store->state.owned, &store->reclaim);
	store_tree_list(&store->state.sessions.root, &store->reclaim);
	store_events_clear(&store->events, &store->reclaim, restore->state.revision);
	store->state = restore->state;
	if (mutant(15)) {
		store->state.sessions = (struct store_sessions){0};
	}
	store_alloc_give(store->alloc, restore->memory, MEMORY_SIZE);
	store_state_publish(store);
	store_state_collect(store);
	return 0;
}

void store_restore_abort(struct store_restore *restore)
{
	if (restore != NULL) {
		discard(restore);
	}
}

uint64_t store_restore_index(const struct store_restore *restore)
{
	return restore->state.index;
}

const struct store_members *store_restore_members(const struct store_restore *restore)
{
	return &restore->state.members;
}
