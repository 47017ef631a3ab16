/* SPDX-License-Identifier: Apache-2.0 */
#include "store/rights.h"

#include <sodium.h>
#include <string.h>

#include "store/base/check.h"

static_assert(STORE_KEY_SIZE <= crypto_generichash_KEYBYTES_MAX, "a key is one of BLAKE2b");

struct store_key store_key_of(struct slice secret)
{
	struct store_key key = {.is_set = secret.size != 0};

	if (key.is_set) {
		must(crypto_generichash(key.bytes, sizeof(key.bytes), secret.data, secret.size,
		                        NULL, 0) == 0);
	}
	return key;
}

static bool is_same(const struct store_key *one, const struct store_key *other)
{
	return one->is_set == other->is_set &&
	       (!one->is_set || sodium_memcmp(one->bytes, other->bytes, sizeof(one->bytes)) == 0);
}

unsigned store_rights_earned(const struct store_keys *keys, const struct store_key *key)
{
	if (is_same(&keys->rw, key)) {
		return STORE_MAY_ALL;
	}
	return is_same(&keys->ro, key) ? STORE_MAY_READ : 0;
}

/* Over all bytes, with those of the sum and of the tag itself taken as zero. */
static void make_tag(const struct store_key *key, struct slice bytes,
                     uint8_t ret_tag[STORE_DATAGRAM_TAG_SIZE])
{
	uint8_t header[STORE_DATAGRAM_HEADER];
	crypto_generichash_state state;

	must(bytes.size >= sizeof(header));
	memcpy(header, bytes.data, sizeof(header));
	memset(header + STORE_DATAGRAM_CRC, 0, STORE_DATAGRAM_CRC_SIZE);
	memset(header + STORE_DATAGRAM_TAG, 0, STORE_DATAGRAM_TAG_SIZE);
	must(crypto_generichash_init(&state, key->bytes, sizeof(key->bytes),
	                             STORE_DATAGRAM_TAG_SIZE) == 0);
	must(crypto_generichash_update(&state, header, sizeof(header)) == 0);
	must(crypto_generichash_update(&state, bytes.data + sizeof(header),
	                               bytes.size - sizeof(header)) == 0);
	must(crypto_generichash_final(&state, ret_tag, STORE_DATAGRAM_TAG_SIZE) == 0);
}

static bool is_by(const struct store_key *key, struct slice bytes)
{
	uint8_t tag[STORE_DATAGRAM_TAG_SIZE];

	if (!key->is_set) {
		return false;
	}
	make_tag(key, bytes, tag);
	return sodium_memcmp(tag, bytes.data + STORE_DATAGRAM_TAG, sizeof(tag)) == 0;
}

void store_rights_seal(const struct store_key *key, void *memory, size_t size)
{
	uint8_t tag[STORE_DATAGRAM_TAG_SIZE];

	if (key->is_set) {
		make_tag(key, slice_make(memory, size), tag);
		store_datagram_tag(memory, size, tag);
	}
}

enum store_datagram_fault store_rights_open(const struct store_keys *keys, struct slice bytes,
                                            struct store_datagram *ret_datagram)
{
	const enum store_datagram_fault fault = store_datagram_open(bytes, ret_datagram);
	const bool is_tagged = fault == STORE_DATAGRAM_BAD_TAG;
	unsigned rights;

	if ((!keys->rw.is_set && !keys->ro.is_set) ||
	    (fault != STORE_DATAGRAM_GOOD && !is_tagged) ||
	    ret_datagram->kind != STORE_DATAGRAM_REQUEST) {
		return fault;
	}
	rights = keys->ro.is_set ? 0 : STORE_MAY_READ;
	if (is_tagged && is_by(&keys->rw, bytes)) {
		rights = STORE_MAY_ALL;
	} else if (is_tagged && is_by(&keys->ro, bytes)) {
		rights = STORE_MAY_READ;
	}
	ret_datagram->rights = rights;
	return STORE_DATAGRAM_GOOD;
}

bool store_rights_allow(unsigned rights, enum proto_verb verb)
{
	switch (verb) {
	case PROTO_REV:
	case PROTO_SELF:
		return true;
	case PROTO_GET:
	case PROTO_STAT:
	case PROTO_LIST:
	case PROTO_WALK:
	case PROTO_WATCH:
	case PROTO_ALIVE:
	case PROTO_SESSIONS:
	case PROTO_OWNED:
		return (rights & STORE_MAY_READ) != 0;
	case PROTO_OPEN:
	case PROTO_CLOSE:
	case PROTO_SET:
	case PROTO_DELETE:
	case PROTO_TXN:
	case PROTO_NOP:
		return (rights & STORE_MAY_WRITE) != 0;
	case PROTO_NONE:
	default:
		return false;
	}
}
