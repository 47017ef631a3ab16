/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - the whole store to bytes
 *
 *      head      magic u64, version u32, index u64, time_ns u64, revision i64, log_bytes u64,
 *                files u64, configuration u32, voters u32,
 *                learners u32, since u64, 16 members, sessions u32
 *      member    incarnation u64, named u64, ip u32, port u16
 *      session   id u64, secret u64, base u64, answered u64, ttl_ms u32, and for each bit of
 *                answered: answer u8, flags u8, op u8, revision i64, first i64,
 *                store_revision i64, number i64
 *      file      revision i64, owner u64, path size u16, value size u32, path, value
 *      digest    low u64, high u64: XXH3-128 of all before
 *
 * Little-endian. Sessions by id, files in tree order. One piece is made at a time and handed out
 * from there, so the size of the reads does not matter. restore.c reads it.
 */
#include "store/snapshot.h"

#include <errno.h>

#define XXH_STATIC_LINKING_ONLY /* the state stands in structs of ours */
#include <xxhash.h>

#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/snapshot_format.h"
#include "store/state.h"

enum stage {
	STAGE_HEAD,
	STAGE_SESSIONS,
	STAGE_FILES,
	STAGE_DIGEST,
	STAGE_END,
};

struct stream {
	XXH3_state_t hash;
	const struct store_state *state;
	struct store_place place; /* in the files */
	uint64_t session;         /* the last one written */
	enum stage stage;         /* of the piece that comes next */
	size_t size, taken;       /* of the piece in hand */
	struct store_digest digest;
	uint8_t piece[SNAPSHOT_PIECE_MAX];
};

struct store_snapshot {
	struct stream stream;
	const struct store_root *root;
	void *memory; /* what was taken; the struct is aligned within */
};

/* What is taken, so that the struct can be aligned within. */
#define MEMORY_SIZE (sizeof(struct store_snapshot) + _Alignof(XXH3_state_t))

static void stream_init(struct stream *stream, const struct store_root *root)
{
	/* The piece itself is not cleared: 33 KiB that are written before they are read. */
	memset(stream, 0, offsetof(struct stream, piece));
	stream->state = &root->state;
	must(XXH3_128bits_reset(&stream->hash) == XXH_OK);
	store_tree_seek(root->state.files, slice_text("/"), &stream->place);
}

static void put_members(struct wire_writer *writer, const struct store_members *members)
{
	wire_put_u32(writer, members->configuration);
	wire_put_u32(writer, members->voters);
	wire_put_u32(writer, members->learners);
	wire_put_u64(writer, members->since);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		wire_put_u64(writer, members->member[i].incarnation);
		wire_put_u64(writer, members->member[i].named);
		wire_put_u32(writer, members->member[i].address.ip);
		wire_put_u16(writer, members->member[i].address.port);
	}
}

static void put_head(struct wire_writer *writer, const struct store_state *state)
{
	wire_put_u64(writer, SNAPSHOT_MAGIC);
	wire_put_u32(writer, SNAPSHOT_VERSION);
	wire_put_u64(writer, state->index);
	wire_put_u64(writer, state->time_ns);
	wire_put_u64(writer, (uint64_t)state->revision);
	wire_put_u64(writer, state->log_bytes);
	wire_put_u64(writer, state->file_count);
	put_members(writer, &state->members);
	wire_put_u32(writer, state->sessions.count);
	must(wire_written(writer).size == SNAPSHOT_HEAD_SIZE);
}

static void put_session(struct wire_writer *writer, const struct store_session *session)
{
	wire_put_u64(writer, session->id);
	wire_put_u64(writer, session->secret);
	wire_put_u64(writer, session->base);
	wire_put_u64(writer, session->answered);
	wire_put_u32(writer, session->ttl_ms);
	for (uint64_t bits = session->answered; bits != 0; bits &= bits - 1) {
		const uint64_t number = session->base + (uint64_t)__builtin_ctzll(bits);
		struct store_result result;

		must(store_session_kept(session, number, &result));
		wire_put_u8(writer, (uint8_t)result.answer);
		wire_put_u8(writer, result.flags);
		wire_put_u8(writer, result.op);
		wire_put_u64(writer, (uint64_t)result.revision);
		wire_put_u64(writer, (uint64_t)result.first);
		wire_put_u64(writer, (uint64_t)result.store_revision);
		wire_put_u64(writer, (uint64_t)result.number);
	}
}

static void put_file(struct wire_writer *writer, const struct store_item *item)
{
	wire_put_u64(writer, (uint64_t)item->revision);
	wire_put_u64(writer, item->owner);
	wire_put_u16(writer, item->key_size);
	wire_put_u32(writer, item->value_size);
	wire_put(writer, store_item_key(item));
	wire_put(writer, store_item_value(item));
}

static void put_digest(struct wire_writer *writer, struct stream *stream)
{
	const XXH128_hash_t hash = XXH3_128bits_digest(&stream->hash);

	stream->digest = (struct store_digest){.low = hash.low64, .high = hash.high64};
	wire_put_u64(writer, stream->digest.low);
	wire_put_u64(writer, stream->digest.high);
	stream->stage = STAGE_END;
}

/* Makes the next piece. False at the end. */
static bool stream_next(struct stream *stream)
{
	struct wire_writer writer = wire_writer_make(stream->piece, sizeof(stream->piece));
	const struct store_session *session;
	const struct store_item *item;

	must(stream->taken == stream->size);
	switch (stream->stage) {
	case STAGE_HEAD:
		put_head(&writer, stream->state);
		stream->stage = STAGE_SESSIONS;
		break;
	case STAGE_SESSIONS:
		session = store_sessions_next(&stream->state->sessions, stream->session);
		if (session != NULL) {
			put_session(&writer, session);
			stream->session = session->id;
			break;
		}
		stream->stage = STAGE_FILES;
		__attribute__((fallthrough));
	case STAGE_FILES:
		item = store_tree_next(&stream->place);
		if (item != NULL) {
			put_file(&writer, item);
			break;
		}
		stream->stage = STAGE_DIGEST;
		__attribute__((fallthrough));
	case STAGE_DIGEST:
		put_digest(&writer, stream);
		break;
	case STAGE_END:
	default:
		return false;
	}
	must(wire_written_ok(&writer));
	stream->taken = 0;
	stream->size = wire_written(&writer).size;
	must(XXH3_128bits_update(&stream->hash, stream->piece, stream->size) == XXH_OK);
	return true;
}

int store_snapshot_open(struct store *store, struct store_snapshot **ret_snapshot)
{
	struct store_snapshot *snapshot;
	uintptr_t address;
	void *memory;

	memory = store_alloc_take(store->alloc, MEMORY_SIZE);
	if (memory == NULL) {
		return -ENOMEM;
	}
	address = ((uintptr_t)memory + _Alignof(XXH3_state_t) - 1) &
	          ~(uintptr_t)(_Alignof(XXH3_state_t) - 1);
	snapshot = (struct store_snapshot *)address;
	snapshot->memory = memory;
	snapshot->root = store_state_pin(store);
	if (snapshot->root == NULL) {
		store_alloc_give(store->alloc, memory, MEMORY_SIZE);
		return -EBUSY;
	}
	stream_init(&snapshot->stream, snapshot->root);
	*ret_snapshot = snapshot;
	return 0;
}

void store_snapshot_close(struct store *store, struct store_snapshot *snapshot)
{
	if (snapshot == NULL) {
		return;
	}
	store_state_unpin(store, snapshot->root);
	store_alloc_give(store->alloc, snapshot->memory, MEMORY_SIZE);
}

uint64_t store_snapshot_index(const struct store_snapshot *snapshot)
{
	return snapshot->root->state.index;
}

size_t store_snapshot_read(struct store_snapshot *snapshot, void *memory, size_t size)
{
	struct stream *stream = &snapshot->stream;
	uint8_t *out = memory;
	size_t done = 0;

	while (done < size && (stream->taken < stream->size || stream_next(stream))) {
		size_t part = stream->size - stream->taken;

		part = part < size - done ? part : size - done;
		memcpy(out + done, stream->piece + stream->taken, part);
		stream->taken += part;
		done += part;
	}
	must(done <= size);
	return done;
}

struct store_digest store_digest(const struct store *store, const struct store_root *root)
{
	struct stream stream;

	must(store != NULL);
	stream_init(&stream, root);
	while (stream_next(&stream)) {
		stream.taken = stream.size;
	}
	return stream.digest;
}
