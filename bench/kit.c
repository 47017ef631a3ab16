/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <urcu-qsbr.h>

#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/entry.h"
#include "store/proto.h"
#include "store/store.h"

enum {
	KEY_SIZE = sizeof("/bench/0123456789"),
	QUOTA_PER_FILE = 1024, /* beside its value */
};

struct kit_store {
	struct store *store;
	struct prng prng;
	unsigned files, value_size;
	unsigned next_lock;
	uint64_t number; /* of the last request of our session */
	uint8_t value[STORE_VALUE_SIZE_MAX];
};

static struct slice path_of(char path[KEY_SIZE], unsigned file)
{
	const int size = snprintf(path, KEY_SIZE, "/bench/%010u", file);

	return slice_make(path, (size_t)size);
}

static bool apply(struct kit_store *kit, const struct store_entry *entry)
{
	struct store_result result = {.answer = STORE_ANSWER_COUNT};

	store_apply(kit->store, store_applied(kit->store) + 1, entry, &result);
	return result.answer == STORE_OK;
}

static struct store_op set_of(const struct kit_store *kit, struct slice path)
{
	return (struct store_op){.verb = STORE_VERB_SET,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .path = path,
	                         .value = slice_make(kit->value, kit->value_size)};
}

/* The one session is made by the first entry, and is called 1 for that. */
static bool run(struct kit_store *kit, const struct store_op *op)
{
	const uint64_t number = ++kit->number;
	const struct store_entry entry = {.kind = STORE_ENTRY_OP,
	                                  .session = 1,
	                                  .number = number,
	                                  .first_unanswered = number,
	                                  .op = *op};

	return apply(kit, &entry);
}

static bool set(struct kit_store *kit, unsigned file)
{
	char path[KEY_SIZE];
	const struct store_op op = set_of(kit, path_of(path, file));

	return run(kit, &op);
}

static bool remove_file(struct kit_store *kit, unsigned file)
{
	char path[KEY_SIZE];
	const struct store_op op = {.verb = STORE_VERB_DELETE,
	                            .condition = STORE_IF_EQUAL,
	                            .rev = STORE_REV_ANY,
	                            .path = path_of(path, file)};

	return run(kit, &op);
}

static void publish(struct kit_store *kit)
{
	store_publish(kit->store);
	store_grace_passed(kit->store, store_grace_wanted(kit->store));
	rcu_quiescent_state();
}

int kit_store_new(struct kit_store **ret_kit, unsigned files, unsigned value_size)
{
	const struct store_entry open = {.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = 1000};
	const struct store_config config = {
		.quota_bytes = (uint64_t)files * (QUOTA_PER_FILE + value_size),
		.sessions_max = 16,
		.events_max = 1 << 16,
	};
	struct kit_store *kit = calloc(1, sizeof(*kit));
	bool good;

	must(value_size <= STORE_VALUE_SIZE_MAX);
	must(files > 0);
	if (kit == NULL) {
		return -ENOMEM;
	}
	if (store_new(&kit->store, &config) < 0) {
		free(kit);
		return -ENOMEM;
	}
	rcu_register_thread();
	kit->files = files;
	kit->value_size = value_size;
	memset(kit->value, 'a', sizeof(kit->value));
	prng_init(&kit->prng, 1);
	good = apply(kit, &open);
	for (unsigned i = 0; i < files && good; i++) {
		good = set(kit, i);
		if (i % 64 == 0) {
			publish(kit);
		}
	}
	must(good); /* there is room for all of them */
	publish(kit);
	*ret_kit = kit;
	return 0;
}

void kit_store_free(struct kit_store *kit)
{
	if (kit == NULL) {
		return;
	}
	store_free(kit->store);
	rcu_unregister_thread();
	free(kit);
}

bool kit_store_get(struct kit_store *kit)
{
	char path[KEY_SIZE];
	struct store_file file;
	const unsigned which = (unsigned)prng_below(&kit->prng, kit->files);

	return store_get(store_root(kit->store), path_of(path, which), &file) == STORE_OK;
}

bool kit_store_set(struct kit_store *kit, unsigned batch)
{
	bool good = true;

	for (unsigned i = 0; i < batch; i++) {
		good = set(kit, (unsigned)prng_below(&kit->prng, kit->files)) && good;
	}
	publish(kit);
	return good;
}

bool kit_store_remake(struct kit_store *kit, unsigned batch)
{
	bool good = true;

	for (unsigned i = 0; i < batch; i++) {
		const unsigned file = (unsigned)prng_below(&kit->prng, kit->files);

		good = remove_file(kit, file) && set(kit, file) && good;
	}
	publish(kit);
	return good;
}

/* LOCK or UNLOCK of so many, from the lock `first` on. */
static bool claim(struct kit_store *kit, enum store_verb verb, unsigned first, unsigned batch)
{
	char path[KEY_SIZE];
	bool good = true;

	for (unsigned i = 0; i < batch; i++) {
		const struct store_op op = {.verb = verb,
		                            .limit = verb == STORE_VERB_LOCK ? 1 : 0,
		                            .path = path_of(path, (first + i) % kit->files)};

		good = run(kit, &op) && good;
	}
	publish(kit);
	return good;
}

bool kit_store_lock(struct kit_store *kit, unsigned batch)
{
	const unsigned first = kit->next_lock;

	kit->next_lock = (first + batch) % kit->files;
	return claim(kit, STORE_VERB_LOCK, first, batch) &&
	       claim(kit, STORE_VERB_UNLOCK, first, batch);
}

bool kit_store_set_first(struct kit_store *kit, unsigned times)
{
	bool good = true;

	for (unsigned i = 0; i < times && good; i++) {
		good = set(kit, 0);
		publish(kit);
	}
	return good;
}

bool kit_store_delete_all(struct kit_store *kit)
{
	bool good = true;

	for (unsigned i = 0; i < kit->files && good; i++) {
		good = remove_file(kit, i);
		publish(kit);
	}
	return good;
}

static bool look_back(const struct kit_store *kit, unsigned back, struct store_view *ret_view)
{
	const struct store_root *root = store_root(kit->store);

	return store_past(kit->store, root, store_root_revision(root) - back, ret_view) == STORE_OK;
}

bool kit_store_get_back(struct kit_store *kit, unsigned back)
{
	char path[KEY_SIZE];
	struct store_view view;
	struct store_file file;

	return look_back(kit, back, &view) &&
	       store_get_at(&view, path_of(path, 0), &file) == STORE_OK;
}

bool kit_store_walk_back(struct kit_store *kit, unsigned back, unsigned limit, unsigned expected)
{
	struct store_cursor cursor;
	struct store_view view;
	struct store_file file;
	unsigned count = 0;

	if (!look_back(kit, back, &view) ||
	    store_walk_at(&cursor, &view, slice_text("/bench/*"), (struct slice){0}) != STORE_OK) {
		return false;
	}
	while (count < limit && store_cursor_next(&cursor, &file)) {
		count++;
	}
	return count == expected;
}

/* --- codec ------------------------------------------------------------------------------------ */

struct kit_codec {
	char path[KEY_SIZE];
	struct proto_request request;
	struct store_entry entry;
	size_t datagram_size, entry_size;
	uint8_t value[STORE_DATAGRAM_SIZE_MAX];
	uint8_t message[STORE_DATAGRAM_SIZE_MAX];
	uint8_t datagram[STORE_DATAGRAM_SIZE_MAX];
	uint8_t encoded[STORE_ENTRY_SIZE_MAX];
};

int kit_codec_new(struct kit_codec **ret_kit, unsigned value_size)
{
	struct kit_codec *kit = calloc(1, sizeof(*kit));

	must(value_size <= STORE_DATAGRAM_SIZE_MAX / 2);
	if (kit == NULL) {
		return -ENOMEM;
	}
	kit->request = (struct proto_request){
		.head = {.session = 1, .secret = 2, .number = 3, .segments = 1},
		.verb = PROTO_SET,
		.first_unanswered = 3,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = path_of(kit->path, 7),
		.value = slice_make(kit->value, value_size),
	};
	kit->entry = (struct store_entry){
		.kind = STORE_ENTRY_OP,
		.session = 1,
		.number = 3,
		.first_unanswered = 3,
		.op = {.verb = STORE_VERB_SET,
	               .condition = STORE_IF_EQUAL,
	               .rev = STORE_REV_ANY,
	               .path = kit->request.path,
	               .value = kit->request.value},
	};
	*ret_kit = kit;
	return 0;
}

void kit_codec_free(struct kit_codec *kit)
{
	free(kit);
}

size_t kit_codec_request_encode(struct kit_codec *kit)
{
	const size_t size = proto_request_encode(&kit->request, kit->message, sizeof(kit->message));

	kit->datagram_size =
		size == 0 ? 0
			  : proto_segment_encode(&kit->request.head, STORE_DATAGRAM_REQUEST, 0, 1,
	                                         slice_make(kit->message, size), kit->datagram);
	return kit->datagram_size;
}

bool kit_codec_request_decode(struct kit_codec *kit)
{
	const struct slice bytes = slice_make(kit->datagram, kit->datagram_size);
	struct store_datagram datagram;
	struct proto_request request;
	struct proto_head head;
	struct slice piece;
	bool bad_verb;

	return store_datagram_open(bytes, &datagram) == STORE_DATAGRAM_GOOD &&
	       proto_segment_decode(&datagram, &head, &piece) &&
	       proto_request_decode(piece, &request, &bad_verb) &&
	       request.value.size == kit->request.value.size;
}

size_t kit_codec_entry_encode(struct kit_codec *kit)
{
	kit->entry_size = store_entry_encode(&kit->entry, kit->encoded, sizeof(kit->encoded));
	return kit->entry_size;
}

bool kit_codec_entry_decode(struct kit_codec *kit)
{
	struct store_entry entry;

	return store_entry_decode(slice_make(kit->encoded, kit->entry_size), &entry) &&
	       entry.op.value.size == kit->entry.op.value.size;
}
