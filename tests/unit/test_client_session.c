/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a write has one effect or is called UNKNOWN; a session is opened when it is needed, kept
 *         alive, and never mourned silently.
 * Method: servers that say what the test wants; time moved by hand.
 */
#include <errno.h>

#include "tests/unit/client_fake.h"

static void test_first_write_opens_a_session(void **state)
{
	struct fake fake;
	struct fake_sent open, set;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	open = fake_only(&fake, PROTO_OPEN);
	assert_int_equal(open.head.session, 0);
	assert_true(open.head.secret != 0);
	assert_int_equal(open.request.ttl_ms, 10000);
	fake_say(&fake, &open, (struct proto_answer){.session = 77, .ttl_ms = 9000});
	set = fake_only(&fake, PROTO_SET);
	assert_int_equal(client_session(fake.client), 77);
	assert_int_equal(set.head.session, 77);
	assert_true(set.head.secret == open.head.secret);
	assert_int_equal(set.head.number, 1);
	assert_int_equal(set.request.first_unanswered, 1);
	assert_int_equal(set.request.condition, STORE_IF_EQUAL);
	assert_int_equal(set.request.rev, STORE_REV_ANY);
	fake_ok(&fake, &set, 5);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_DONE);
	assert_int_equal(result->answer.revision, 5);
	fake_close(&fake);
}

static void test_retry_keeps_its_number_at_every_server(void **state)
{
	struct fake fake;
	struct fake_sent first, sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	fake_session(&fake);
	first = fake_only(&fake, PROTO_SET);
	for (unsigned i = 0; i < 5; i++) {
		(void)fake_next(&fake);
		sent = fake_only(&fake, PROTO_SET);
		assert_int_equal(sent.head.number, 1);
		assert_int_equal(sent.head.session, 77);
		assert_int_equal(sent.piece_size, first.piece_size);
		assert_memory_equal(sent.piece, first.piece, first.piece_size);
	}
	/* The answer to the very first sending is as good as any. */
	fake_ok(&fake, &first, 5);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	fake_close(&fake);
}

static void test_numbers_follow_submission_and_tell_what_is_unanswered(void **state)
{
	struct fake fake;
	struct fake_sent sent[4];

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned i = 0; i < 3; i++) {
		const char path[] = {'/', (char)('a' + i), 0};

		(void)fake_submit(&fake, PROTO_SET, path, "x");
	}
	fake_session(&fake);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(fake_sent(&fake, &sent[i]));
		assert_int_equal(sent[i].head.number, i + 1);
		assert_int_equal(sent[i].piece[35], 'a' + i);
		assert_int_equal(sent[i].request.first_unanswered, 1);
	}
	fake_ok(&fake, &sent[0], 1);
	fake_ok(&fake, &sent[2], 2);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	sent[3] = fake_only(&fake, PROTO_NOP);
	assert_int_equal(sent[3].head.number, 4);
	assert_int_equal(sent[3].request.first_unanswered, 2);
	fake_close(&fake);
}

static void test_window_holds_what_is_too_far_ahead(void **state)
{
	struct fake_sent sent[CLIENT_REQUESTS_MAX], more;
	struct fake fake;

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		(void)fake_submit(&fake, PROTO_NOP, "", "");
	}
	fake_session(&fake);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		assert_true(fake_sent(&fake, &sent[i]));
	}
	for (unsigned i = 1; i < CLIENT_REQUESTS_MAX; i++) {
		fake_ok(&fake, &sent[i], 0);
	}
	fake_nothing(&fake);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_nothing(&fake); /* number 65 while 1 is unanswered */
	fake_ok(&fake, &sent[0], 0);
	more = fake_only(&fake, PROTO_NOP);
	assert_int_equal(more.head.number, 65);
	assert_int_equal(more.request.first_unanswered, 65);
	fake_close(&fake);
}

static void test_write_never_sent_did_not_happen(void **state)
{
	struct fake fake;
	const struct client_result *result;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	while (client_outstanding(fake.client) != 0) {
		while (fake_sent(&fake, &sent)) {
			assert_int_equal(sent.request.verb, PROTO_OPEN);
			fake_refuse(&fake, &sent, STORE_NO_QUORUM, 0);
		}
		if (client_outstanding(fake.client) != 0) {
			(void)fake_next(&fake);
		}
	}
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_UNREACHED);
	assert_int_equal(result->answer.answer, STORE_NO_QUORUM);
	assert_int_equal(result->sends, 0);
	assert_true(result->heard); /* not of the write, but of the session it waited for */
	fake_close(&fake);
}

static void test_write_sent_without_answer_may_have_happened(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_SET);
	fake_pass(&fake, 4999 * FAKE_MS);
	fake_refuse(&fake, &sent, STORE_NO_QUORUM, 0);
	fake_pass(&fake, 1 * FAKE_MS);
	while (fake_sent(&fake, &sent)) {
	}
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	/* It is waited for no more: what comes next says so. */
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	while (fake_sent(&fake, &sent)) {
		if (sent.request.verb == PROTO_NOP) {
			assert_int_equal(sent.head.number, 2);
			assert_int_equal(sent.request.first_unanswered, 2);
			fake_ok(&fake, &sent, 0);
		}
	}
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	fake_close(&fake);
}

static void test_refusals_that_are_final_had_no_effect(void **state)
{
	static const enum store_answer answers[] = {
		STORE_MISMATCH, STORE_NOT_FOUND, STORE_IS_DIRECTORY, STORE_NOT_DIRECTORY,
		STORE_BAD_PATH, STORE_TOO_LARGE, STORE_QUOTA,        STORE_BAD_REQUEST,
	};
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_NOP);
	fake_ok(&fake, &sent, 0);
	(void)fake_result(&fake);
	for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		(void)fake_submit(&fake, PROTO_SET, "/a", "x");
		sent = fake_only(&fake, PROTO_SET);
		fake_refuse(&fake, &sent, answers[i], 0);
		assert_int_equal(fake_result(&fake)->outcome, CLIENT_REFUSED);
	}
	/* One server's opinion says nothing of an earlier sending to another. */
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	(void)fake_only(&fake, PROTO_SET);
	(void)fake_next(&fake);
	sent = fake_only(&fake, PROTO_SET);
	fake_refuse(&fake, &sent, STORE_BAD_REQUEST, 0);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	fake_close(&fake);
}

static void test_lost_session_leaves_sent_writes_unknown(void **state)
{
	struct fake fake;
	struct fake_sent sent, open, again;
	uint64_t secret;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	(void)fake_submit(&fake, PROTO_SET, "/b", "y");
	fake_session(&fake);
	assert_true(fake_sent(&fake, &sent));
	secret = sent.head.secret;
	assert_true(fake_sent(&fake, &again));
	fake_refuse(&fake, &sent, STORE_NO_SESSION, 0);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	assert_int_equal(client_session(fake.client), 0);
	fake_ok(&fake, &again, 1); /* too late */
	fake_no_result(&fake);

	(void)fake_submit(&fake, PROTO_SET, "/c", "z");
	open = fake_only(&fake, PROTO_OPEN);
	assert_true(open.head.secret != secret);
	fake_say(&fake, &open, (struct proto_answer){.session = 78, .ttl_ms = 9000});
	assert_true(fake_sent(&fake, &sent)); /* in place: its request borrows from its bytes */
	assert_int_equal(sent.head.session, 78);
	assert_int_equal(sent.head.number, 1);
	assert_int_equal(sent.piece[35], 'c');
	fake_close(&fake);
}

static void one_session(struct client_config *config)
{
	config->one_session = true;
}

static void test_one_session_only_if_asked_for(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, one_session);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_SET);
	fake_refuse(&fake, &sent, STORE_NO_SESSION, 0);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	(void)fake_submit(&fake, PROTO_SET, "/b", "x");
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_REFUSED);
	assert_int_equal(result->answer.answer, STORE_NO_SESSION);
	fake_close(&fake);
}

static void submit_owning(struct fake *fake)
{
	static const uint8_t nothing[3]; /* a transaction that asks and does nothing */
	const struct client_request request = {
		.verb = PROTO_TXN,
		.value = slice_make(nothing, sizeof(nothing)),
		.owns = true,
	};

	assert_int_equal(client_submit(fake->client, fake->now_ns, &request, NULL), 0);
}

static void test_session_that_owned_something_is_not_replaced_until_it_is_said(void **state)
{
	const struct proto_answer no_session = {.answer = STORE_NO_SESSION};
	struct fake_sent txn, set, other;
	struct fake fake;

	(void)state;
	fake_open(&fake, 3, NULL);
	submit_owning(&fake);
	fake_session(&fake);
	txn = fake_only(&fake, PROTO_TXN);
	fake_ok(&fake, &txn, 1);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	set = fake_only(&fake, PROTO_SET);
	fake_say(&fake, &set, no_session);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_REFUSED);
	fake_nothing(&fake);
	client_renew(fake.client, fake.now_ns);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	fake_session(&fake);
	other = fake_only(&fake, PROTO_SET);
	/* The new one owns nothing: it is replaced like any other. */
	fake_say(&fake, &other, no_session);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	(void)fake_only(&fake, PROTO_OPEN);
	fake_close(&fake);
}

static void test_session_is_kept_alive_by_thirds(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_NOP);
	fake_ok(&fake, &sent, 0);
	(void)fake_result(&fake);
	for (unsigned i = 0; i < 5; i++) {
		assert_true(fake_next(&fake) == 3000 * FAKE_MS);
		sent = fake_only(&fake, PROTO_ALIVE);
		assert_int_equal(sent.head.session, 77);
		assert_true(sent.head.secret != 0);
		fake_say(&fake, &sent, (struct proto_answer){.ttl_ms = 9000});
		fake_nothing(&fake);
	}
	(void)fake_next(&fake);
	sent = fake_only(&fake, PROTO_ALIVE);
	fake_refuse(&fake, &sent, STORE_NO_SESSION, 0);
	assert_int_equal(client_session(fake.client), 0);
	assert_true(client_deadline_ns(fake.client) == UINT64_MAX);
	fake_close(&fake);
}

static void test_session_in_doubt_is_confirmed_before_a_write(void **state)
{
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_NOP);
	fake_ok(&fake, &sent, 0);
	(void)fake_result(&fake);
	fake.now_ns += 60000 * FAKE_MS; /* the process slept */
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	sent = fake_only(&fake, PROTO_ALIVE);
	fake_refuse(&fake, &sent, STORE_NO_SESSION, 0);
	sent = fake_only(&fake, PROTO_OPEN);
	fake_say(&fake, &sent, (struct proto_answer){.session = 78, .ttl_ms = 9000});
	sent = fake_only(&fake, PROTO_SET);
	assert_int_equal(sent.head.session, 78);
	fake_ok(&fake, &sent, 1);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	fake_close(&fake);
}

static void test_close_waits_for_writes_and_comes_last(void **state)
{
	struct fake fake;
	struct fake_sent set, sent;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_CLOSE, "", "");
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE); /* there was none */

	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	(void)fake_submit(&fake, PROTO_CLOSE, "", "");
	(void)fake_submit(&fake, PROTO_SET, "/b", "x");
	fake_session(&fake);
	set = fake_only(&fake, PROTO_SET);
	fake_ok(&fake, &set, 1);
	sent = fake_only(&fake, PROTO_CLOSE);
	assert_int_equal(fake_result(&fake)->verb, PROTO_SET);
	assert_int_equal(sent.head.number, 2);
	assert_int_equal(sent.request.first_unanswered, 2);
	fake_refuse(&fake, &sent, STORE_NO_SESSION, 0); /* the first CLOSE was taken */
	sent = fake_only(&fake, PROTO_OPEN);            /* for what was submitted after it */
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	fake_close(&fake);
}

static void test_no_room_for_a_session_refuses_what_waits(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	(void)fake_submit(&fake, PROTO_SET, "/b", "x");
	sent = fake_only(&fake, PROTO_OPEN);
	fake_refuse(&fake, &sent, STORE_SESSIONS_FULL, 0);
	for (unsigned i = 0; i < 2; i++) {
		result = fake_result(&fake);
		assert_int_equal(result->outcome, CLIENT_REFUSED);
		assert_int_equal(result->answer.answer, STORE_SESSIONS_FULL);
	}
	fake_close(&fake);
}

static void test_cancelled_write_opens_the_window(void **state)
{
	struct fake_sent sent[CLIENT_REQUESTS_MAX], more;
	struct fake fake;
	uint64_t first = 0;

	(void)state;
	fake_open(&fake, 3, NULL);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		const uint64_t tag = fake_submit(&fake, PROTO_NOP, "", "");

		first = i == 0 ? tag : first;
	}
	fake_session(&fake);
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX; i++) {
		assert_true(fake_sent(&fake, &sent[i]));
	}
	fake_ok(&fake, &sent[1], 0);
	(void)fake_result(&fake);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_nothing(&fake);
	assert_int_equal(client_cancel(fake.client, fake.now_ns, first), 0);
	more = fake_only(&fake, PROTO_NOP);
	assert_int_equal(more.head.number, 65);
	assert_int_equal(more.request.first_unanswered, 3);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	fake_close(&fake);
}

static void with_key(struct client_config *config)
{
	config->key = store_key_of(slice_text("w"));
}

static void test_every_datagram_is_sealed(void **state)
{
	static char value[PROTO_PIECE_SIZE + 100];
	struct fake fake;
	struct fake_sent sent;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	fake_open(&fake, 3, with_key);
	fake.keys.rw = store_key_of(slice_text("w"));
	(void)fake_submit(&fake, PROTO_SET, "/a", value);
	sent = fake_only(&fake, PROTO_OPEN);
	assert_int_equal(sent.rights, STORE_MAY_ALL);
	fake_pass(&fake, fake_next(&fake)); /* sent again: sealed again */
	assert_true(fake_sent(&fake, &sent));
	assert_int_equal(sent.rights, STORE_MAY_ALL);
	fake_say(&fake, &sent, (struct proto_answer){.session = 5, .ttl_ms = 10000});
	for (unsigned i = 0; i < 2; i++) {
		assert_true(fake_sent(&fake, &sent));
		assert_int_equal(sent.head.segments, 2);
		assert_int_equal(sent.rights, STORE_MAY_ALL);
	}
	fake_close(&fake);
}

static void test_who_may_not_write_is_told_once(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	const struct client_result *result;

	(void)state;
	fake_open(&fake, 3, NULL);
	(void)fake_submit(&fake, PROTO_SET, "/a", "v");
	sent = fake_only(&fake, PROTO_OPEN);
	fake_refuse(&fake, &sent, STORE_DENIED, 0);
	result = fake_result(&fake);
	assert_int_equal(result->outcome, CLIENT_REFUSED);
	assert_int_equal(result->answer.answer, STORE_DENIED);
	fake_nothing(&fake);
	fake_close(&fake);
}

/* --- until when the session is sure ---------------------------------------------------------- */

static void test_validity_counts_from_the_first_sending(void **state)
{
	const uint64_t valid_ns = (9000 - 9) * FAKE_MS; /* 1000 ppm are taken off */
	struct fake fake;
	struct fake_sent sent, alive;
	uint64_t from_ns;

	(void)state;
	fake_open(&fake, 3, NULL);
	assert_true(client_valid_until_ns(fake.client) == 0);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	from_ns = fake.now_ns;
	sent = fake_only(&fake, PROTO_OPEN);
	fake_pass(&fake, 40 * FAKE_MS);
	assert_true(client_valid_until_ns(fake.client) == 0);
	fake_say(&fake, &sent, (struct proto_answer){.session = 77, .ttl_ms = 9000});
	assert_true(client_valid_until_ns(fake.client) == from_ns + valid_ns);
	sent = fake_only(&fake, PROTO_SET);
	fake_pass(&fake, 100 * FAKE_MS);
	fake_ok(&fake, &sent, 1); /* may be a kept answer, of a server that was deposed */
	assert_true(client_valid_until_ns(fake.client) == from_ns + valid_ns);
	(void)fake_result(&fake);
	(void)fake_next(&fake);
	assert_true(fake_sent(&fake, &alive));
	from_ns = fake.now_ns;
	for (unsigned i = 0; i < 3; i++) {
		(void)fake_next(&fake); /* sent again: which of them is answered cannot be told */
		alive = fake_only(&fake, PROTO_ALIVE);
	}
	fake_say(&fake, &alive, (struct proto_answer){.ttl_ms = 9000});
	assert_true(client_valid_until_ns(fake.client) == from_ns + valid_ns);
	(void)fake_submit(&fake, PROTO_CLOSE, "", "");
	(void)fake_only(&fake, PROTO_CLOSE);
	assert_true(client_valid_until_ns(fake.client) == 0);
	fake_close(&fake);
}

static void test_short_life_is_kept_whatever_is_lost(void **state)
{
	struct fake fake;
	struct fake_sent sent;
	uint64_t begun_ns;

	(void)state;
	fake_open(&fake, 1, NULL);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	sent = fake_only(&fake, PROTO_OPEN);
	(void)fake_next(&fake); /* no round trip is measured: time-outs are long */
	sent = fake_only(&fake, PROTO_OPEN);
	fake_say(&fake, &sent, (struct proto_answer){.session = 77, .ttl_ms = 12});
	/* Older than its time to live: asked for, before anything is written. */
	for (unsigned i = 0; i < 100; i++) {
		sent = fake_only(&fake, PROTO_ALIVE);
		begun_ns = fake.now_ns;
		for (unsigned j = 0; j < 3; j++) {
			(void)fake_next(&fake); /* the write's time-outs come between */
			while (fake_sent(&fake, &sent) && sent.request.verb != PROTO_ALIVE) {
			}
			assert_int_equal(sent.request.verb, PROTO_ALIVE);
		}
		assert_in_range(fake.now_ns - begun_ns, 1, 10 * FAKE_MS);
		fake_refuse(&fake, &sent, STORE_NO_QUORUM, 0);
		(void)fake_next(&fake);
		assert_in_range(fake.now_ns - begun_ns, 1, 10 * FAKE_MS);
		assert_true(fake_sent(&fake, &sent));
		fake_say(&fake, &sent, (struct proto_answer){.ttl_ms = 12});
		if (i == 0) {
			sent = fake_only(&fake, PROTO_NOP);
			fake_ok(&fake, &sent, 0);
			(void)fake_result(&fake);
		}
		(void)fake_next(&fake);
		assert_true(fake.now_ns - begun_ns <= 10 * FAKE_MS);
	}
	fake_close(&fake);
}

/* --- resuming -------------------------------------------------------------------------------- */

static void resumes(struct client_config *config)
{
	config->resume = 77;
	config->resume_secret = 4711;
}

static uint64_t life_of(uint64_t number)
{
	return number >> 32;
}

/* Up to its NOP, in the life behind that of `base`. */
static struct fake_sent resume(struct fake *fake, uint64_t base)
{
	struct fake_sent sent;

	fake_open(fake, 3, resumes);
	assert_true(client_deadline_ns(fake->client) <= fake->now_ns);
	fake_pass(fake, 0);
	sent = fake_only(fake, PROTO_ALIVE);
	assert_int_equal(sent.head.session, 77);
	assert_int_equal(sent.head.secret, 4711);
	(void)fake_submit(fake, PROTO_SET, "/a", "x");
	fake_nothing(fake);
	assert_true(client_valid_until_ns(fake->client) == 0);
	fake_say(fake, &sent, (struct proto_answer){.session = base, .ttl_ms = 9000});
	assert_true(client_valid_until_ns(fake->client) > fake->now_ns);
	sent = fake_only(fake, PROTO_NOP);
	assert_int_equal(life_of(sent.head.number), life_of(base) + 1);
	assert_true(sent.request.first_unanswered == sent.head.number);
	return sent;
}

static void test_resumed_session_goes_on_with_numbers_of_its_own(void **state)
{
	struct fake fake;
	struct fake_sent nop, set;

	(void)state;
	nop = resume(&fake, 500);
	fake_ok(&fake, &nop, 4);
	set = fake_only(&fake, PROTO_SET);
	assert_int_equal(set.head.session, 77);
	assert_int_equal(set.head.secret, 4711);
	assert_true(set.head.number == nop.head.number + 1);
	assert_true(set.request.first_unanswered == set.head.number);
	fake_ok(&fake, &set, 5);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_DONE);
	assert_int_equal(client_session(fake.client), 77);
	assert_int_equal(client_session_secret(fake.client), 4711);
	assert_true(fake_next(&fake) == 3000 * FAKE_MS);
	set = fake_only(&fake, PROTO_ALIVE);
	fake_say(&fake, &set, (struct proto_answer){.session = nop.head.number, .ttl_ms = 9000});
	fake_nothing(&fake);
	fake_close(&fake);
}

static void test_resumed_session_is_never_replaced(void **state)
{
	static const enum store_answer answers[] = {STORE_NO_SESSION, STORE_BAD_SECRET};
	const struct client_result *result;
	struct fake_sent sent;
	struct fake fake;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		fake_open(&fake, 3, resumes);
		(void)fake_submit(&fake, PROTO_SET, "/a", "x");
		sent = fake_only(&fake, PROTO_ALIVE);
		fake_refuse(&fake, &sent, answers[i], 0);
		(void)fake_submit(&fake, PROTO_SET, "/b", "x");
		for (unsigned j = 0; j < 2; j++) {
			result = fake_result(&fake);
			assert_int_equal(result->outcome, CLIENT_REFUSED);
			assert_int_equal(result->answer.answer, answers[i]);
		}
		assert_int_equal(client_session(fake.client), 0);
		assert_true(client_valid_until_ns(fake.client) == 0);
		assert_true(client_deadline_ns(fake.client) == UINT64_MAX);
		fake_close(&fake);
	}
}

static void test_last_to_resume_has_the_session(void **state)
{
	const uint64_t later = (uint64_t)2 << 32 | 7;
	struct fake_sent sent;
	struct fake fake;

	(void)state;
	sent = resume(&fake, 500);
	fake_refuse(&fake, &sent, STORE_STALE, 0); /* another one was quicker: a later life, then */
	sent = fake_only(&fake, PROTO_ALIVE);
	assert_true(client_valid_until_ns(fake.client) == 0);
	fake_say(&fake, &sent, (struct proto_answer){.session = later, .ttl_ms = 9000});
	sent = fake_only(&fake, PROTO_NOP);
	assert_int_equal(life_of(sent.head.number), 3);
	fake_ok(&fake, &sent, 4);
	sent = fake_only(&fake, PROTO_SET);
	/* And now another is later than this one. */
	fake_refuse(&fake, &sent, STORE_STALE, 0);
	assert_int_equal(fake_result(&fake)->outcome, CLIENT_UNKNOWN);
	(void)fake_submit(&fake, PROTO_SET, "/b", "x");
	assert_int_equal(fake_result(&fake)->answer.answer, STORE_STALE);
	fake_close(&fake);
}

static void test_keep_alive_tells_that_another_has_resumed(void **state)
{
	struct fake_sent sent;
	struct fake fake;

	(void)state;
	fake_open(&fake, 3, one_session);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	fake_session(&fake);
	sent = fake_only(&fake, PROTO_NOP);
	fake_ok(&fake, &sent, 0);
	(void)fake_result(&fake);
	(void)fake_next(&fake);
	sent = fake_only(&fake, PROTO_ALIVE);
	fake_say(&fake, &sent, (struct proto_answer){.session = 2, .ttl_ms = 9000}); /* our own */
	(void)fake_next(&fake);
	sent = fake_only(&fake, PROTO_ALIVE);
	fake_say(&fake, &sent, (struct proto_answer){.session = (uint64_t)1 << 32, .ttl_ms = 9000});
	assert_int_equal(client_session(fake.client), 0);
	(void)fake_submit(&fake, PROTO_NOP, "", "");
	assert_int_equal(fake_result(&fake)->answer.answer, STORE_STALE);
	fake_close(&fake);
}

static void test_lives_come_to_an_end(void **state)
{
	struct fake_sent sent;
	struct fake fake;

	(void)state;
	fake_open(&fake, 3, resumes);
	(void)fake_submit(&fake, PROTO_SET, "/a", "x");
	sent = fake_only(&fake, PROTO_ALIVE);
	fake_say(&fake, &sent, (struct proto_answer){.session = UINT64_MAX, .ttl_ms = 9000});
	assert_int_equal(fake_result(&fake)->answer.answer, STORE_WINDOW);
	fake_close(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_write_opens_a_session),
		cmocka_unit_test(test_retry_keeps_its_number_at_every_server),
		cmocka_unit_test(test_numbers_follow_submission_and_tell_what_is_unanswered),
		cmocka_unit_test(test_window_holds_what_is_too_far_ahead),
		cmocka_unit_test(test_write_never_sent_did_not_happen),
		cmocka_unit_test(test_write_sent_without_answer_may_have_happened),
		cmocka_unit_test(test_refusals_that_are_final_had_no_effect),
		cmocka_unit_test(test_lost_session_leaves_sent_writes_unknown),
		cmocka_unit_test(test_one_session_only_if_asked_for),
		cmocka_unit_test(
			test_session_that_owned_something_is_not_replaced_until_it_is_said),
		cmocka_unit_test(test_session_is_kept_alive_by_thirds),
		cmocka_unit_test(test_session_in_doubt_is_confirmed_before_a_write),
		cmocka_unit_test(test_close_waits_for_writes_and_comes_last),
		cmocka_unit_test(test_no_room_for_a_session_refuses_what_waits),
		cmocka_unit_test(test_cancelled_write_opens_the_window),
		cmocka_unit_test(test_every_datagram_is_sealed),
		cmocka_unit_test(test_who_may_not_write_is_told_once),
		cmocka_unit_test(test_validity_counts_from_the_first_sending),
		cmocka_unit_test(test_short_life_is_kept_whatever_is_lost),
		cmocka_unit_test(test_resumed_session_goes_on_with_numbers_of_its_own),
		cmocka_unit_test(test_resumed_session_is_never_replaced),
		cmocka_unit_test(test_last_to_resume_has_the_session),
		cmocka_unit_test(test_keep_alive_tells_that_another_has_resumed),
		cmocka_unit_test(test_lives_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
