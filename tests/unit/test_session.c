/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a request of a session has one effect, whatever is said again, late or out of order
 *         (DESIGN 4.1 l).
 * Method: entries as a log would have them; each answer, the session and the file afterwards. Then
 *         random requests against a plain record of what was answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "tests/unit/store_fixture.h"

/* Field by field: the struct has padding. */
static void assert_same_result(const struct store_result *a, const struct store_result *b)
{
	assert_int_equal(a->answer, b->answer);
	assert_int_equal(a->revision, b->revision);
	assert_int_equal(a->store_revision, b->store_revision);
	assert_int_equal(a->session, b->session);
}

static struct store_op set(const char *value)
{
	return (struct store_op){.verb = STORE_VERB_SET,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .path = slice_text("/a"),
	                         .value = slice_text(value)};
}

static struct store_result ask(struct fixture *fixture, uint64_t number, uint64_t first_unanswered)
{
	return fixture_request(fixture, fixture->session, number, first_unanswered, set("v"));
}

static store_rev_t revision(struct fixture *fixture)
{
	return store_root_revision(fixture_root(fixture));
}

static void test_retry_gets_the_kept_answer_and_has_no_effect(void **state)
{
	struct store_result first, again;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	first = ask(&fixture, 1, 1);
	assert_int_equal(first.answer, STORE_OK);
	assert_int_equal(ask(&fixture, 2, 1).answer, STORE_OK);
	again = ask(&fixture, 1, 1);
	assert_same_result(&first, &again);
	assert_true(revision(&fixture) == 2);
	assert_true(store_session_kept(store_session(fixture.store, 1), 1, &again));
	assert_same_result(&first, &again);
	assert_false(store_session_kept(store_session(fixture.store, 1), 3, &again));
	assert_null(store_session(fixture.store, 2));
	fixture_end(&fixture);
}

static void test_failed_answers_are_kept_too(void **state)
{
	struct store_op add = set("x");
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	add.rev = 0;
	assert_int_equal(ask(&fixture, 1, 1).answer, STORE_OK);
	assert_int_equal(fixture_request(&fixture, 1, 2, 1, add).answer, STORE_MISMATCH);
	(void)fixture_request(&fixture, 1, 3, 1,
	                      (struct store_op){.verb = STORE_VERB_DELETE,
	                                        .rev = STORE_REV_ANY,
	                                        .path = slice_text("/a")});
	/* It would hold now, but it was answered. */
	result = fixture_request(&fixture, 1, 2, 1, add);
	assert_int_equal(result.answer, STORE_MISMATCH);
	assert_true(result.revision == 1);
	assert_true(revision(&fixture) == 2);
	fixture_end(&fixture);
}

static void test_base_rises_by_the_first_unanswered_alone(void **state)
{
	const struct store_session *session;
	struct store_result result;
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	session = store_session(fixture.store, fixture.session);
	assert_non_null(session);
	assert_true(session->base == 1 && session->answered == 0);
	assert_true(session->secret == 99 && session->ttl_ms == 5000);
	for (uint64_t n = 1; n <= 10; n++) {
		assert_int_equal(ask(&fixture, n, 1).answer, STORE_OK);
	}
	session = store_session(fixture.store, fixture.session);
	assert_true(session->base == 1 && session->answered == 1023);
	/* A retry that tells of answers received forgets those. */
	assert_int_equal(ask(&fixture, 10, 9).answer, STORE_OK);
	session = store_session(fixture.store, fixture.session);
	assert_true(session->base == 9 && session->answered == 3);
	assert_true(store_session_kept(session, 9, &result));
	assert_true(result.revision == 9);
	assert_int_equal(ask(&fixture, 8, 1).answer, STORE_STALE);
	assert_int_equal(ask(&fixture, 0, 0).answer, STORE_STALE);
	assert_true(store_session(fixture.store, fixture.session)->base == 9);
	assert_true(revision(&fixture) == 10);
	fixture_end(&fixture);
}

static void test_window_is_64_numbers(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(ask(&fixture, 64, 1).answer, STORE_OK);
	assert_int_equal(ask(&fixture, 65, 1).answer, STORE_WINDOW);
	assert_int_equal(ask(&fixture, UINT64_MAX, 1).answer, STORE_WINDOW);
	assert_int_equal(ask(&fixture, 65, 2).answer, STORE_OK);
	assert_int_equal(ask(&fixture, 2, 2).answer, STORE_OK);
	assert_int_equal(ask(&fixture, 1, 2).answer, STORE_STALE);
	assert_true(revision(&fixture) == 3);
	/* Nonsense costs the one who says it: all its numbers are gone. */
	assert_int_equal(ask(&fixture, 70, UINT64_MAX).answer, STORE_STALE);
	assert_int_equal(ask(&fixture, UINT64_MAX, UINT64_MAX).answer, STORE_OK);
	assert_int_equal(ask(&fixture, UINT64_MAX, 0).answer, STORE_OK);
	assert_true(revision(&fixture) == 4);
	fixture_end(&fixture);
}

static void test_closed_and_expired_sessions_are_gone(void **state)
{
	struct store_entry expire = {.kind = STORE_ENTRY_EXPIRE, .expired_count = 3};
	struct store_entry close = {.kind = STORE_ENTRY_CLOSE, .number = 1};
	struct fixture fixture;
	uint64_t second, third;

	(void)state;
	fixture_begin(&fixture);
	second = fixture_open(&fixture, 5).session;
	third = fixture_open(&fixture, 6).session;
	assert_true(second == 2 && third == 3);
	assert_int_equal(store_session_count(fixture.store), 3);
	assert_true(store_session_next(fixture.store, 0)->id == 1);
	assert_true(store_session_next(fixture.store, 2)->id == 3);
	assert_null(store_session_next(fixture.store, 3));
	assert_null(store_session_next(fixture.store, UINT64_MAX));

	close.session = second;
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_OK);
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_NO_SESSION);
	assert_null(store_session(fixture.store, second));
	expire.expired[0] = 77;
	expire.expired[1] = third;
	expire.expired[2] = third;
	(void)fixture_apply(&fixture, &expire);
	assert_null(store_session(fixture.store, third));
	assert_int_equal(store_session_count(fixture.store), 1);
	assert_int_equal(fixture_request(&fixture, third, 1, 1, set("x")).answer, STORE_NO_SESSION);
	assert_true(revision(&fixture) == 0);
	fixture_end(&fixture);
}

/* A store keeps at hand which session changed last. */
static void test_one_session_is_never_taken_for_another(void **state)
{
	struct store_entry close = {.kind = STORE_ENTRY_CLOSE, .number = 2, .first_unanswered = 1};
	struct fixture fixture;
	uint64_t ids[3];

	(void)state;
	fixture_begin(&fixture);
	for (unsigned i = 0; i < 3; i++) {
		ids[i] = fixture_open(&fixture, 10 + i).session;
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fixture_request(&fixture, ids[i], 1, 1, set("v")).answer,
		                 STORE_OK);
		for (unsigned k = 0; k < 3; k++) {
			assert_int_equal(store_session(fixture.store, ids[k])->id, ids[k]);
			assert_int_equal(store_session(fixture.store, ids[k])->answered, k <= i);
		}
	}
	close.session = ids[2];
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_OK);
	assert_null(store_session(fixture.store, ids[2]));
	assert_int_equal(fixture_request(&fixture, ids[2], 3, 1, set("v")).answer,
	                 STORE_NO_SESSION);
	assert_int_equal(store_session(fixture.store, ids[1])->id, ids[1]);
	fixture_end(&fixture);
}

static void test_keys_of_sessions_order_as_their_ids_do(void **state)
{
	uint8_t key[STORE_SESSION_KEY_SIZE];
	struct prng prng;

	(void)state;
	prng_init(&prng, 7);
	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t id = prng_next(&prng) >> i % 64;

		store_session_key(id, key);
		for (unsigned at = 0; at < STORE_SESSION_KEY_SIZE; at++) {
			const unsigned shift = 6 * (STORE_SESSION_KEY_SIZE - 1 - at);

			assert_int_equal(key[at], '0' + (id >> shift & 63));
		}
	}
}

static void test_close_obeys_the_window_like_any_request(void **state)
{
	struct store_entry close = {.kind = STORE_ENTRY_CLOSE, .session = 1, .number = 1};
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	(void)ask(&fixture, 1, 1);
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_OK); /* the kept answer */
	assert_non_null(store_session(fixture.store, 1));
	close.number = 65;
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_WINDOW);
	close.number = 1;
	close.first_unanswered = 2;
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_STALE);
	close.number = 2;
	assert_int_equal(fixture_apply(&fixture, &close).answer, STORE_OK);
	assert_null(store_session(fixture.store, 1));
	fixture_end(&fixture);
}

static void test_sessions_are_bounded(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_begin(&fixture);
	for (unsigned i = 1; i < 64; i++) {
		assert_int_equal(fixture_open(&fixture, i).answer, STORE_OK);
	}
	assert_int_equal(fixture_open(&fixture, 64).answer, STORE_SESSIONS_FULL);
	assert_int_equal(store_session_count(fixture.store), 64);
	assert_int_equal(ask(&fixture, 1, 1).answer, STORE_OK);
	fixture_end(&fixture);
}

enum {
	NUMBERS = 3000
};

/* What the random test remembers of one session. */
struct memory {
	uint64_t base;
	bool is_known[NUMBERS];
	struct store_result results[NUMBERS];
};

static void check_answer(struct memory *memory, uint64_t number, uint64_t first_unanswered,
                         struct store_result result, store_rev_t before, store_rev_t now)
{
	if (first_unanswered > memory->base) {
		memory->base = first_unanswered;
	}
	if (number < memory->base) {
		assert_int_equal(result.answer, STORE_STALE);
		assert_true(now == before);
	} else if (number >= memory->base + STORE_ANSWERS_MAX) {
		assert_int_equal(result.answer, STORE_WINDOW);
		assert_true(now == before);
	} else if (memory->is_known[number]) {
		assert_same_result(&result, &memory->results[number]);
		assert_true(now == before);
	} else {
		assert_int_equal(result.answer, STORE_OK);
		assert_true(now == before + 1);
		memory->is_known[number] = true;
		memory->results[number] = result;
	}
}

static void test_random_requests_have_one_effect_each(void **state)
{
	static struct memory memory;
	struct fixture fixture;
	store_rev_t before = 0;
	struct prng prng;
	unsigned kept = 0;

	(void)state;
	prng_init(&prng, 17);
	memset(&memory, 0, sizeof(memory));
	memory.base = 1;
	fixture_begin(&fixture);
	for (unsigned i = 0; i < 30000; i++) {
		const uint64_t number = 1 + prng_below(&prng, 70) + i / 15;
		const uint64_t first = prng_below(&prng, i / 15 + 1);
		struct store_result result;
		store_rev_t now;

		kept += number >= memory.base && memory.is_known[number];
		result = ask(&fixture, number, first);
		now = result.answer == STORE_OK && !memory.is_known[number] ? result.store_revision
		                                                            : before;
		check_answer(&memory, number, first, result, before, now);
		before = now;
		if (prng_chance(&prng, 1, 5)) {
			assert_true(revision(&fixture) == now);
			fixture_grace(&fixture);
		}
	}
	assert_true(kept > 1000);
	assert_true(before > 1000);
	fixture_end(&fixture);
}

/* A doubled datagram may come long after its twin was refused, when there is room again. */
static void test_number_refused_for_want_of_disk_is_used_up(void **state)
{
	const struct store_op set = {.verb = STORE_VERB_SET,
	                             .condition = STORE_IF_EQUAL,
	                             .rev = STORE_REV_ANY,
	                             .path = slice_text("/a"),
	                             .value = slice_text("one")};
	struct fixture fixture;
	struct store_file file;

	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(fixture_op(&fixture, (struct store_op){.verb = STORE_VERB_FULL}).answer,
	                 STORE_DISK_FULL);
	assert_int_equal(
		fixture_request(&fixture, fixture.session, fixture.number, fixture.number, set)
			.answer,
		STORE_DISK_FULL);
	assert_int_equal(store_get(fixture_root(&fixture), slice_text("/a"), &file),
	                 STORE_NOT_FOUND);
	assert_int_equal(fixture_op(&fixture, set).answer, STORE_OK);
	fixture_end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_refused_for_want_of_disk_is_used_up),
		cmocka_unit_test(test_retry_gets_the_kept_answer_and_has_no_effect),
		cmocka_unit_test(test_failed_answers_are_kept_too),
		cmocka_unit_test(test_base_rises_by_the_first_unanswered_alone),
		cmocka_unit_test(test_window_is_64_numbers),
		cmocka_unit_test(test_closed_and_expired_sessions_are_gone),
		cmocka_unit_test(test_one_session_is_never_taken_for_another),
		cmocka_unit_test(test_keys_of_sessions_order_as_their_ids_do),
		cmocka_unit_test(test_close_obeys_the_window_like_any_request),
		cmocka_unit_test(test_sessions_are_bounded),
		cmocka_unit_test(test_random_requests_have_one_effect_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
