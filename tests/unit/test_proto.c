/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   requests, answers, pages and segments come back as they went in; nonsense is refused.
 * Method: encode, decode, compare; then damage single bytes whose meaning is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "store/proto.h"

static uint8_t memory[PROTO_MESSAGE_SIZE_MAX];
static uint8_t big[PROTO_MESSAGE_SIZE_MAX];

static const struct proto_request SET = {
	.verb = PROTO_SET,
	.first_unanswered = 7,
	.seen = 99,
	.condition = STORE_IF_AT_MOST,
	.rev = STORE_REV_ANY,
	.path = {(const uint8_t *)"/a/b", 4},
	.value = {(const uint8_t *)"value", 5},
};

static void test_write_comes_back(void **state)
{
	struct proto_request out;
	bool bad_verb;
	const size_t size = proto_request_encode(&SET, memory, sizeof(memory));

	(void)state;
	assert_int_equal(size, PROTO_REQUEST_OVERHEAD + 4 + 5);
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.verb, PROTO_SET);
	assert_int_equal(out.first_unanswered, 7);
	assert_int_equal(out.seen, 99);
	assert_int_equal(out.condition, STORE_IF_AT_MOST);
	assert_int_equal(out.rev, STORE_REV_ANY);
	assert_true(slice_equal(out.path, SET.path));
	assert_true(slice_equal(out.value, SET.value));
	for (size_t cut = 0; cut < size; cut++) {
		assert_false(proto_request_decode(slice_make(memory, cut), &out, &bad_verb));
		assert_false(bad_verb);
		assert_int_equal(proto_request_encode(&SET, big, cut), 0);
	}
}

static void test_stamp_changes_two_fields_only(void **state)
{
	struct proto_request out;
	bool bad_verb;
	const size_t size = proto_request_encode(&SET, memory, sizeof(memory));

	(void)state;
	proto_request_stamp(memory, size, 1234567, 7654321);
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.first_unanswered, 1234567);
	assert_int_equal(out.seen, 7654321);
	out.first_unanswered = SET.first_unanswered;
	out.seen = SET.seen;
	assert_int_equal(proto_request_encode(&out, big, sizeof(big)), size);
	proto_request_stamp(memory, size, SET.first_unanswered, SET.seen);
	assert_memory_equal(big, memory, size);
}

static void test_an_ask_for_sessions_comes_back(void **state)
{
	const struct proto_request in = {
		.verb = PROTO_SESSIONS, .rev = (store_rev_t)1 << 40, .limit = 9, .ttl_ms = 3};
	struct proto_request out;
	bool bad_verb;
	const size_t size = proto_request_encode(&in, memory, sizeof(memory));

	(void)state;
	assert_int_equal(size, PROTO_REQUEST_OVERHEAD);
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.verb, PROTO_SESSIONS);
	assert_true(out.rev == in.rev);
	assert_int_equal(out.limit, 9);
	assert_int_equal(out.ttl_ms, 0); /* it has none */
	memory[4] = 3;
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	memory[4] = 0;
	memory[31] = 0x80;
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
}

static void test_an_ask_for_what_goes_with_a_session_comes_back(void **state)
{
	const struct proto_request in = {.verb = PROTO_OWNED,
	                                 .rev = 77,
	                                 .limit = 9,
	                                 .offset = 3,
	                                 .path = slice_text("/x"),
	                                 .after = slice_text("/a")};
	struct proto_request out;
	bool bad_verb;
	const size_t size = proto_request_encode(&in, memory, sizeof(memory));

	(void)state;
	assert_int_equal(size, PROTO_REQUEST_OVERHEAD + 2);
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.verb, PROTO_OWNED);
	assert_int_equal(out.rev, 77);
	assert_int_equal(out.limit, 9);
	assert_true(slice_equal(out.after, slice_text("/a")));
	assert_int_equal(out.offset + out.path.size, 0); /* it has none */
}

static void test_a_watch_and_its_page_come_back(void **state)
{
	const struct proto_request in = {
		.verb = PROTO_WATCH,
		.rev = 40,
		.last = 30,
		.ttl_ms = 2000,
		.limit = 1,
		.path = slice_text("/a/*"),
	};
	const struct proto_answer news = {
		.verb = PROTO_WATCH,
		.revision = 50,
		.store_revision = 49,
		.from = 40,
		.ttl_ms = 1000,
		.age_ms = 3,
	};
	struct proto_request out;
	struct proto_answer answer;
	bool bad_verb;
	size_t size = proto_request_encode(&in, memory, sizeof(memory));

	(void)state;
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.rev, 40);
	assert_int_equal(out.last, 30);
	assert_int_equal(out.first_unanswered, 0);
	assert_int_equal(out.ttl_ms, 2000);
	assert_int_equal(out.offset, 0);
	assert_int_equal(out.limit, 1);
	memory[31] = 0x80; /* a revision below zero */
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));

	size = proto_answer_encode(&news, memory, sizeof(memory));
	assert_true(proto_answer_decode(slice_make(memory, size), &answer));
	assert_int_equal(answer.from, 40);
	assert_int_equal(answer.revision, 50);
	assert_int_equal(answer.age_ms, 3);
	assert_int_equal(answer.session, 0);
	assert_int_equal(answer.children, 0);
	assert_int_equal(proto_answer_version(&answer), proto_answer_version(&news));
	answer.revision++;
	assert_int_not_equal(proto_answer_version(&answer), proto_answer_version(&news));
}

static void test_a_read_names_revision_and_offset(void **state)
{
	const struct proto_request in = {
		.verb = PROTO_WALK,
		.rev = 7,
		.offset = 100000,
		.path = slice_text("/**"),
	};
	struct proto_request out;
	bool bad_verb;
	const size_t size = proto_request_encode(&in, memory, sizeof(memory));

	(void)state;
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.rev, 7);
	assert_int_equal(out.offset, 100000);
	assert_int_equal(out.ttl_ms, 0);
}

static void test_what_a_verb_does_not_use_is_zero(void **state)
{
	struct proto_request in = SET, out;
	bool bad_verb;
	size_t size;

	(void)state;
	in.verb = PROTO_REV;
	in.ttl_ms = 5;
	in.limit = 5;
	in.after = slice_text("x");
	size = proto_request_encode(&in, memory, sizeof(memory));
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.seen, 99);
	assert_int_equal(out.first_unanswered, 0);
	assert_int_equal(out.condition, 0);
	assert_int_equal(out.rev, 0);
	assert_int_equal(out.ttl_ms, 0);
	assert_int_equal(out.limit, 0);
	assert_int_equal(out.after.size, 0);
	assert_int_equal(out.value.size, 0);
	for (unsigned offset = 1; offset < 16; offset++) {
		memory[offset] ^= 1;
		assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
		memory[offset] ^= 1;
	}
}

static void test_unknown_verb_is_told_apart(void **state)
{
	struct proto_request out;
	bool bad_verb = false;
	const size_t size = proto_request_encode(&SET, memory, sizeof(memory));

	(void)state;
	memory[0] = PROTO_VERB_MAX + 1;
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_true(bad_verb);
	memory[0] = 0;
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_true(bad_verb);
	memory[0] = PROTO_SET;
	memory[1] = 3; /* no such condition */
	assert_false(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_false(bad_verb);
}

static void test_over_the_limits_but_within_a_message_is_decoded(void **state)
{
	struct proto_request in = SET, out;
	bool bad_verb;
	size_t size;

	(void)state;
	in.path = slice_make(big, STORE_PATH_SIZE_MAX + 1);
	in.value = slice_make(big, STORE_VALUE_SIZE_MAX + 1);
	size = proto_request_encode(&in, memory, sizeof(memory));
	assert_true(proto_request_decode(slice_make(memory, size), &out, &bad_verb));
	assert_int_equal(out.value.size, STORE_VALUE_SIZE_MAX + 1);
	in.value = slice_make(big, sizeof(big));
	assert_int_equal(proto_request_encode(&in, memory, sizeof(memory)), 0);
	in.path = slice_make(big, UINT16_MAX + 1);
	assert_int_equal(proto_request_encode(&in, memory, sizeof(memory)), 0);
}

static void test_answer_comes_back(void **state)
{
	const struct proto_answer in = {
		.verb = PROTO_STAT,
		.answer = STORE_MISMATCH,
		.node = 1,
		.leader = 3,
		.role = 2,
		.durability = 1,
		.has_more = true,
		.revision = 4,
		.store_revision = 5,
		.session = 6,
		.ttl_ms = 7,
		.children = 8,
		.count = 9,
		.is_directory = true,
		.value = slice_text("xyz"),
	};
	struct proto_answer out;
	const size_t size = proto_answer_encode(&in, memory, sizeof(memory));

	(void)state;
	assert_int_equal(size, PROTO_ANSWER_OVERHEAD + 3);
	assert_true(proto_answer_decode(slice_make(memory, size), &out));
	assert_int_equal(out.verb, in.verb);
	assert_int_equal(out.answer, in.answer);
	assert_int_equal(out.node, 1);
	assert_int_equal(out.leader, 3);
	assert_int_equal(out.role, 2);
	assert_int_equal(out.durability, 1);
	assert_true(out.has_more);
	assert_int_equal(out.revision, 4);
	assert_int_equal(out.store_revision, 5);
	assert_int_equal(out.session, 6);
	assert_int_equal(out.ttl_ms, 7);
	assert_int_equal(out.children, 8);
	assert_int_equal(out.count, 9);
	assert_true(out.is_directory);
	assert_true(slice_equal(out.value, in.value));
	for (size_t cut = 0; cut < size; cut++) {
		assert_false(proto_answer_decode(slice_make(memory, cut), &out));
	}
	memory[1] = STORE_ANSWER_COUNT;
	assert_false(proto_answer_decode(slice_make(memory, size), &out));
	memory[1] = STORE_OK;
	memory[0] = PROTO_NONE;
	assert_false(proto_answer_decode(slice_make(memory, size), &out));
	memory[1] = STORE_BAD_VERB;
	assert_true(proto_answer_decode(slice_make(memory, size), &out));
	memory[15] = 0x80; /* a revision below zero */
	assert_false(proto_answer_decode(slice_make(memory, size), &out));
}

/* Cuts a message of `size` bytes into segments and puts it together from its pieces by hand. */
static void cut_and_join(size_t size)
{
	uint8_t datagram_memory[STORE_DATAGRAM_SIZE_MAX];
	struct proto_head head = {.session = 1, .secret = 2, .number = 3}, out;
	struct store_datagram datagram;
	struct slice piece;
	size_t joined = 0, bytes;

	for (size_t i = 0; i < size; i++) {
		big[i] = (uint8_t)(i * 7 + i / 256);
	}
	head.segments = (uint16_t)proto_segments(size);
	for (; head.segment < head.segments; head.segment++) {
		bytes = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, PROTO_FLAG_ORDERED, 4,
		                             slice_make(big, size), datagram_memory);
		assert_in_range(bytes, 1, STORE_DATAGRAM_SIZE_MAX);
		assert_int_equal(store_datagram_open(slice_make(datagram_memory, bytes), &datagram),
		                 STORE_DATAGRAM_GOOD);
		assert_true(proto_segment_decode(&datagram, &out, &piece));
		assert_int_equal(out.session, 1);
		assert_int_equal(out.secret, 2);
		assert_int_equal(out.number, 3);
		assert_int_equal(out.segment, head.segment);
		assert_int_equal(out.segments, head.segments);
		memcpy(memory + joined, piece.data, piece.size);
		joined += piece.size;
	}
	assert_int_equal(joined, size);
	assert_memory_equal(memory, big, size);
}

static void test_segments_carry_the_whole_message(void **state)
{
	(void)state;
	cut_and_join(1);
	cut_and_join(PROTO_PIECE_SIZE);
	cut_and_join(PROTO_PIECE_SIZE + 1);
	cut_and_join(2 * PROTO_PIECE_SIZE);
	cut_and_join(PROTO_MESSAGE_SIZE_MAX);
}

static void test_segment_nonsense_is_refused(void **state)
{
	uint8_t body[PROTO_HEAD_SIZE + PROTO_PIECE_SIZE] = {0};
	struct store_datagram datagram = {.kind = STORE_DATAGRAM_REQUEST};
	struct proto_head head;
	struct slice piece;

	(void)state;
	body[42] = 1; /* segments */
	datagram.body = slice_make(body, PROTO_HEAD_SIZE + 1);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	datagram.flags = 4; /* no such flag */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	datagram.flags = 0;
	datagram.kind = STORE_DATAGRAM_PEER;
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	datagram.kind = STORE_DATAGRAM_REQUEST;
	datagram.body.size = PROTO_HEAD_SIZE; /* an empty piece */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	datagram.body.size = PROTO_HEAD_SIZE - 1;
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	datagram.body.size = PROTO_HEAD_SIZE + 1;
	body[42] = 2; /* the first of two, but short */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	body[40] = 2; /* the third of two */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	body[40] = 31;
	body[42] = 32; /* ends behind the largest message */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	body[42] = 33;
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	body[40] = 0;
	body[42] = 0; /* a repair note is an answer */
	body[4] = 1;
	datagram.body.size = PROTO_HEAD_SIZE;
	assert_false(proto_segment_decode(&datagram, &head, &piece));
	datagram.kind = STORE_DATAGRAM_ANSWER;
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	body[16] = 1; /* an answer tells no secret */
	assert_false(proto_segment_decode(&datagram, &head, &piece));
}

static void test_repair_note_names_segments(void **state)
{
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	const struct proto_head request = {
		.session = 5, .secret = 6, .number = 7, .segment = 2, .segments = 3};
	struct store_datagram datagram;
	struct proto_head head;
	struct slice piece;
	size_t size;

	(void)state;
	size = proto_repair_encode(&request, 3, 9, bytes);
	assert_int_equal(store_datagram_open(slice_make(bytes, size), &datagram),
	                 STORE_DATAGRAM_GOOD);
	assert_int_equal(datagram.kind, STORE_DATAGRAM_ANSWER);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_true(proto_is_repair(&head));
	assert_int_equal(head.session, 5);
	assert_int_equal(head.secret, 0);
	assert_int_equal(head.number, 7);
	assert_int_equal(head.missing, 3);
	assert_int_equal(piece.size, 0);
	assert_int_equal(proto_segment_bits(1), 1);
	assert_true(proto_segment_bits(32) == UINT32_MAX);
}

static void test_version_of_a_file_is_its_revision(void **state)
{
	struct proto_answer answer = {.verb = PROTO_GET, .revision = 3, .store_revision = 8};

	(void)state;
	assert_int_equal(proto_answer_version(&answer), 3);
	answer.verb = PROTO_LIST;
	assert_int_equal(proto_answer_version(&answer), 8);
}

static void test_every_answer_has_its_own_words(void **state)
{
	(void)state;
	for (unsigned a = 0; a < STORE_ANSWER_COUNT; a++) {
		for (unsigned b = 0; b < a; b++) {
			assert_string_not_equal(store_answer_text((enum store_answer)a),
			                        store_answer_text((enum store_answer)b));
		}
	}
	assert_non_null(store_answer_text(STORE_ANSWER_COUNT));
}

static void test_an_answer_is_repaired_only_in_its_own_version(void **state)
{
	const struct proto_head asked = {
		.session = 1, .secret = 2, .number = 3, .version = 4, .missing = 2};
	const struct proto_head all = {.number = 3, .version = 4};
	const struct proto_head head = proto_answer_head(&asked, 5, 4, PROTO_PIECE_SIZE + 1);

	(void)state;
	assert_int_equal(head.configuration, 5);
	assert_int_equal(head.session, 1);
	assert_int_equal(head.secret, 0);
	assert_int_equal(head.number, 3);
	assert_int_equal(head.version, 4);
	assert_int_equal(head.missing, 0);
	assert_int_equal(head.segment, 0);
	assert_int_equal(head.segments, 2);
	assert_false(proto_is_wanted(&asked, 4, 0));
	assert_true(proto_is_wanted(&asked, 4, 1));
	assert_true(proto_is_wanted(&asked, 6, 0)); /* other bytes: all of them */
	assert_true(proto_is_wanted(&all, 4, 0));
}

/* The bytes that PROTOCOL.md shows, by which a stranger's client is checked. */
static void test_request_is_as_the_manual_shows_it(void **state)
{
	static const char shown[] =
		"434652316341f8fa010100007f000000000000000000000000000000000000000000000000000000"
		"00000000000000000500000000000000060000000000000007000000000000000000000000000000"
		"00000100040100000000000007000000000000000800000000000000ffffffffffffffff02002f61"
		"00000100000078";
	const struct proto_request set = {
		.verb = PROTO_SET,
		.first_unanswered = 7,
		.seen = 8,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = {(const uint8_t *)"/a", 2},
		.value = {(const uint8_t *)"x", 1},
	};
	const struct proto_head head = {.session = 5, .secret = 6, .number = 7, .segments = 1};
	const size_t message_size = proto_request_encode(&set, memory, sizeof(memory));
	const size_t size = proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 0,
	                                         slice_make(memory, message_size), big);
	char text[sizeof(shown)];

	(void)state;
	assert_int_equal(2 * size, sizeof(shown) - 1);
	for (size_t i = 0; i < size; i++) {
		(void)snprintf(text + 2 * i, 3, "%02x", big[i]);
	}
	assert_string_equal(text, shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_comes_back),
		cmocka_unit_test(test_request_is_as_the_manual_shows_it),
		cmocka_unit_test(test_stamp_changes_two_fields_only),
		cmocka_unit_test(test_an_ask_for_sessions_comes_back),
		cmocka_unit_test(test_an_ask_for_what_goes_with_a_session_comes_back),
		cmocka_unit_test(test_a_watch_and_its_page_come_back),
		cmocka_unit_test(test_a_read_names_revision_and_offset),
		cmocka_unit_test(test_what_a_verb_does_not_use_is_zero),
		cmocka_unit_test(test_unknown_verb_is_told_apart),
		cmocka_unit_test(test_over_the_limits_but_within_a_message_is_decoded),
		cmocka_unit_test(test_answer_comes_back),
		cmocka_unit_test(test_segments_carry_the_whole_message),
		cmocka_unit_test(test_segment_nonsense_is_refused),
		cmocka_unit_test(test_repair_note_names_segments),
		cmocka_unit_test(test_version_of_a_file_is_its_revision),
		cmocka_unit_test(test_every_answer_has_its_own_words),
		cmocka_unit_test(test_an_answer_is_repaired_only_in_its_own_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
