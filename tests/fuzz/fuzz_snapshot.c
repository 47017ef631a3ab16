/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: a snapshot without its digest, which is added here: a fuzzer does not guess 128 bits.
 * What is taken is written again as the same bytes; what is refused leaves the store as it was.
 */
#include <stdlib.h>

#include <xxhash.h>

#include "store/base/check.h"
#include "store/base/wire.h"
#include "store/snapshot.h"

enum {
	SIZE_MAX_TAKEN = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct store_restore *restore, struct slice bytes, size_t chunk)
{
	int r = 0;

	for (size_t at = 0; at < bytes.size && r == 0; at += chunk) {
		const size_t left = bytes.size - at;

		r = store_restore_feed(restore,
		                       slice_make(bytes.data + at, left < chunk ? left : chunk));
	}
	return r;
}

static void compare(struct store *store, struct slice bytes)
{
	struct store_snapshot *snapshot;
	uint8_t part[777];
	size_t at = 0, got;

	must(store_snapshot_open(store, &snapshot) == 0);
	while ((got = store_snapshot_read(snapshot, part, sizeof(part))) > 0) {
		must(got <= bytes.size - at);
		must(memcmp(part, bytes.data + at, got) == 0);
		at += got;
	}
	must(at == bytes.size);
	store_snapshot_close(store, snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct store_config config = {
		.quota_bytes = 100000, .sessions_max = 8, .events_max = 4};
	static uint8_t memory[SIZE_MAX_TAKEN + 16];
	struct wire_writer writer = wire_writer_make(memory, sizeof(memory));
	struct store_restore *restore;
	struct store *store;
	XXH128_hash_t hash;
	int fed, r;

	if (size > SIZE_MAX_TAKEN) {
		return 0;
	}
	hash = XXH3_128bits(data, size);
	wire_put(&writer, slice_make(data, size));
	wire_put_u64(&writer, hash.low64);
	wire_put_u64(&writer, hash.high64);
	must(store_new(&store, &config) == 0);
	must(store_restore_begin(store, &restore) == 0);
	fed = feed(restore, wire_written(&writer), 1 + size % 97);
	r = store_restore_end(store, restore);
	if (fed != 0) {
		must(r != 0);
	}
	if (r == 0) {
		compare(store, wire_written(&writer));
	} else {
		must(store_applied(store) == 0);
		must(store_root_files(store_root(store)) == 0);
	}
	store_free(store);
	return 0;
}
