/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a request may do what its tag earns, and no more; a tag is of one key and of each byte.
 * Method: requests sealed with the right key, another, none, or damaged, opened by servers of
 *         each set of secrets; BLAKE2b against figures that another program gave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "store/rights.h"

enum {
	BODY_SIZE = 100,
	FAULT = 99 /* not let in at all */
};

static uint8_t memory[STORE_DATAGRAM_SIZE_MAX];

static size_t make(const struct store_key *key, enum store_datagram_kind kind)
{
	size_t size;

	memset(memory, 0xaa, sizeof(memory));
	memset(memory + STORE_DATAGRAM_HEADER, 0x55, BODY_SIZE);
	size = store_datagram_close(memory, BODY_SIZE, kind, 1, 7);
	store_rights_seal(key, memory, size);
	return size;
}

/* Puts the right sum over whatever stands there. */
static void sum_again(size_t size)
{
	uint8_t tag[STORE_DATAGRAM_TAG_SIZE];

	memcpy(tag, memory + STORE_DATAGRAM_TAG, sizeof(tag));
	store_datagram_tag(memory, size, tag);
}

static unsigned rights_of(const struct store_keys *keys, size_t size)
{
	struct store_datagram datagram;

	return store_rights_open(keys, slice_make(memory, size), &datagram) == STORE_DATAGRAM_GOOD
	               ? datagram.rights
	               : FAULT;
}

static void test_tag_earns_its_rights(void **state)
{
	const struct store_key none = store_key_of(slice_text("")),
			       rw = store_key_of(slice_text("w")),
			       ro = store_key_of(slice_text("r")),
			       other = store_key_of(slice_text("x"));
	const struct store_keys open = {0}, writes = {.rw = rw}, both = {.rw = rw, .ro = ro};
	const struct {
		const struct store_keys *keys;
		unsigned by_rw, by_ro, by_other, by_none;
	} table[] = {
		{&open, FAULT, FAULT, FAULT, STORE_MAY_ALL},
		{&writes, STORE_MAY_ALL, STORE_MAY_READ, STORE_MAY_READ, STORE_MAY_READ},
		{&both, STORE_MAY_ALL, STORE_MAY_READ, 0, 0},
	};

	(void)state;
	assert_false(none.is_set);
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct store_keys *keys = table[i].keys;

		assert_int_equal(rights_of(keys, make(&rw, STORE_DATAGRAM_REQUEST)),
		                 table[i].by_rw);
		assert_int_equal(rights_of(keys, make(&ro, STORE_DATAGRAM_REQUEST)),
		                 table[i].by_ro);
		assert_int_equal(rights_of(keys, make(&other, STORE_DATAGRAM_REQUEST)),
		                 table[i].by_other);
		assert_int_equal(rights_of(keys, make(&none, STORE_DATAGRAM_REQUEST)),
		                 table[i].by_none);
	}
}

static void test_tag_is_of_each_byte(void **state)
{
	const struct store_key rw = store_key_of(slice_text("w"));
	const struct store_keys keys = {.rw = rw, .ro = store_key_of(slice_text("r"))};
	const size_t size = make(&rw, STORE_DATAGRAM_REQUEST);

	(void)state;
	for (size_t bit = 0; bit < size * 8; bit++) {
		unsigned rights;

		if (bit / 8 >= STORE_DATAGRAM_CRC && bit / 8 < 8) {
			continue; /* the sum is of the tag, not the other way */
		}
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		sum_again(size);
		rights = rights_of(&keys, size);
		assert_true(rights == 0 || rights == FAULT);
		memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	sum_again(size);
	assert_int_equal(rights_of(&keys, size), STORE_MAY_ALL);
}

static void test_only_requests_have_tags(void **state)
{
	const struct store_key rw = store_key_of(slice_text("w"));
	const struct store_keys keys = {.rw = rw};
	const struct store_key none = {0};
	struct store_datagram datagram;

	(void)state;
	for (int kind = STORE_DATAGRAM_ANSWER; kind <= STORE_DATAGRAM_PEER; kind++) {
		size_t size = make(&rw, (enum store_datagram_kind)kind);

		assert_int_equal(store_rights_open(&keys, slice_make(memory, size), &datagram),
		                 STORE_DATAGRAM_BAD_TAG);
		size = make(&none, (enum store_datagram_kind)kind);
		assert_int_equal(store_rights_open(&keys, slice_make(memory, size), &datagram),
		                 STORE_DATAGRAM_GOOD);
	}
}

static void test_secret_earns_its_rights(void **state)
{
	const struct store_key rw = store_key_of(slice_text("wide")), none = {0},
			       ro = store_key_of(slice_text("narrow")),
			       other = store_key_of(slice_text("wide "));
	const struct store_keys open = {0}, one = {.rw = rw}, both = {.rw = rw, .ro = ro};

	(void)state;
	assert_int_equal(store_rights_earned(&open, &none), STORE_MAY_ALL);
	assert_int_equal(store_rights_earned(&open, &rw), 0);
	assert_int_equal(store_rights_earned(&one, &none), STORE_MAY_READ);
	assert_int_equal(store_rights_earned(&one, &rw), STORE_MAY_ALL);
	assert_int_equal(store_rights_earned(&one, &other), 0);
	assert_int_equal(store_rights_earned(&both, &none), 0);
	assert_int_equal(store_rights_earned(&both, &ro), STORE_MAY_READ);
	assert_int_equal(store_rights_earned(&both, &rw), STORE_MAY_ALL);
	assert_int_equal(store_rights_earned(&both, &other), 0);
}

static void test_verbs_need_rights(void **state)
{
	static const enum proto_verb free[] = {PROTO_REV, PROTO_SELF},
				     reads[] = {PROTO_GET,      PROTO_STAT,  PROTO_LIST,
	                                        PROTO_WALK,     PROTO_WATCH, PROTO_ALIVE,
	                                        PROTO_SESSIONS, PROTO_OWNED},
				     writes[] = {PROTO_OPEN,   PROTO_CLOSE, PROTO_SET,
	                                         PROTO_DELETE, PROTO_NOP,   PROTO_TXN};

	(void)state;
	for (unsigned i = 0; i < sizeof(free) / sizeof(free[0]); i++) {
		assert_true(store_rights_allow(0, free[i]));
	}
	for (unsigned i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		assert_false(store_rights_allow(0, reads[i]));
		assert_true(store_rights_allow(STORE_MAY_READ, reads[i]));
		assert_true(store_rights_allow(STORE_MAY_ALL, reads[i]));
	}
	for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		assert_false(store_rights_allow(0, writes[i]));
		assert_false(store_rights_allow(STORE_MAY_READ, writes[i]));
		assert_true(store_rights_allow(STORE_MAY_ALL, writes[i]));
	}
	assert_false(store_rights_allow(STORE_MAY_ALL, PROTO_NONE));
	assert_false(store_rights_allow(STORE_MAY_ALL, (enum proto_verb)(PROTO_VERB_MAX + 1)));
}

/* The example of PROTOCOL.md, by Python's hashlib.blake2b. */
static void test_known_figures(void **state)
{
	static const uint8_t key_of_secret[8] = {0xae, 0x4a, 0xaf, 0xb3, 0xc7, 0xd8, 0x61, 0x6b};
	static const uint8_t tag[STORE_DATAGRAM_TAG_SIZE] = {0x28, 0x53, 0x61, 0x2b, 0xe5, 0x8c,
	                                                     0x4b, 0x49, 0xc1, 0x30, 0x21, 0x45,
	                                                     0x81, 0x52, 0xb5, 0x9f};
	const struct store_key key = store_key_of(slice_text("secret"));

	(void)state;
	assert_memory_equal(key.bytes, key_of_secret, sizeof(key_of_secret));
	memory[STORE_DATAGRAM_HEADER] = 'x';
	store_rights_seal(&key, memory,
	                  store_datagram_close(memory, 1, STORE_DATAGRAM_REQUEST, 0, 0));
	assert_memory_equal(memory + STORE_DATAGRAM_TAG, tag, sizeof(tag));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tag_earns_its_rights),
		cmocka_unit_test(test_tag_is_of_each_byte),
		cmocka_unit_test(test_only_requests_have_tags),
		cmocka_unit_test(test_secret_earns_its_rights),
		cmocka_unit_test(test_verbs_need_rights),
		cmocka_unit_test(test_known_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
