/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rights.h - who may do what: the tag of a request, made with one key and checked against two
 *
 *      secret, as people know it -- BLAKE2b-256 --> key -- BLAKE2b-128 over a datagram --> tag
 *
 *      a server's secrets   a request with the tag of rw   of ro     none, or another
 *      none                 is damaged (BAD_TAG)           likewise  all
 *      rw                   all                            -         reads
 *      rw and ro            all                            reads     nothing
 *
 * REV and SELF are for everybody. ro alone is no way to keep writers out, and is not taken.
 *
 * A tag guards rights, not secrecy: answers have none, nothing is hidden, and who sees a datagram
 * can send it once more. That is a read again, or a write whose number was answered.
 *
 * Keys never change while they are used. Pure; sodium_init() only makes it faster. Threads: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/slice.h"
#include "store/datagram.h"
#include "store/proto.h"

enum {
	STORE_KEY_SIZE = 32
};

struct store_key {
	bool is_set;
	uint8_t bytes[STORE_KEY_SIZE];
};

struct store_keys {
	struct store_key rw, ro;
};

/* The key of a secret; of an empty one, none. */
struct store_key store_key_of(struct slice secret);

/*
 * Rights of whoever told a server with these keys the secret of that key itself; no key: of whoever
 * tells none. 0: it is not one of theirs. Time does not tell how much of it was right.
 */
unsigned store_rights_earned(const struct store_keys *keys, const struct store_key *key);

/* Puts the tag of the key on a closed REQUEST of `size` bytes, sums it anew. No key: nothing. */
void store_rights_seal(const struct store_key *key, void *memory, size_t size);

/*
 * As store_datagram_open(), for a server with these keys: `rights` of the datagram are what its
 * tag earns, and no tag of a REQUEST is a fault if there is any key.
 */
enum store_datagram_fault store_rights_open(const struct store_keys *keys, struct slice bytes,
                                            struct store_datagram *ret_datagram);

/* True if these rights (STORE_MAY_ bits) are enough for it. */
bool store_rights_allow(unsigned rights, enum proto_verb verb);
