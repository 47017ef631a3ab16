/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a write has one effect however often and wherever it is asked; what cannot be done has a
 *         typed answer; a read without a lease waits for a round, and nobody waits for ever.
 * Method: requests as datagrams, answers read back, with the leadership begun and ended by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/desk.h"
#include "consensus/upkeep.h"
#include "store/proto_page.h"
#include "store/txn.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	SECRET = 4711,
	NEXT_ROUND = 5,
};

static struct paxos_core core;
static struct paxos_desk desk;
static struct paxos_leader leader;
static struct paxos_upkeep upkeep;
static bool leads;

static unsigned rights; /* of who says something */

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	core.config.assemblies = 4;
	core.role = PAXOS_LEADER;
	core.leader = 0;
	leads = true;
	rights = STORE_MAY_ALL;
	memset(&leader, 0, sizeof(leader));
	assert_int_equal(paxos_desk_init(&core, &desk), 0);
	desk.alive.epoch = 1;
	paxos_upkeep_reset(&core, &upkeep);
	paxos_desk_lease(&core, &desk, 2000 * MS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_desk_deinit(&desk);
	core_end(&core);
	return 0;
}

static void say_to(struct proto_request *request, uint8_t who, uint64_t cluster)
{
	const struct paxos_address address = {{who}};
	uint8_t message[PROTO_MESSAGE_SIZE_MAX], bytes[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = proto_request_encode(request, message, sizeof(message));
	struct store_datagram datagram;

	assert_true(size != 0);
	request->head.segments = 1;
	assert_int_equal(store_datagram_open(
				 slice_make(bytes, proto_segment_encode(
							   &request->head, STORE_DATAGRAM_REQUEST,
							   request->flags, cluster,
							   slice_make(message, size), bytes)),
				 &datagram),
	                 STORE_DATAGRAM_GOOD);
	datagram.rights = rights;
	paxos_desk_request(&core, &desk, leads ? &leader : NULL, &address, &datagram, NEXT_ROUND);
}

/* The next answer; true if there is one. */
static bool take(struct proto_answer *ret_answer, uint8_t *ret_who)
{
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct proto_head head;
	struct slice piece;

	if (!core_takes(&core, PAXOS_EFFECT_REPLY, &effect)) {
		return false;
	}
	assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_true(proto_answer_decode(piece, ret_answer));
	*ret_who = effect.address.bytes[0];
	return true;
}

static void expect(uint8_t who, enum store_answer answer)
{
	struct proto_answer got;
	uint8_t to;

	assert_true(take(&got, &to));
	assert_int_equal(got.answer, answer);
	assert_int_equal(to, who);
}

static void expect_none(void)
{
	core_expect_none(&core, PAXOS_EFFECT_REPLY);
}

/* What was proposed is decided and applied. */
static void decide(void)
{
	struct store_result result;
	struct store_entry entry;

	while (core.decided < core.log.length) {
		paxos_core_apply(&core, &entry, &result);
		paxos_desk_applied(&core, &desk, core.decided, &entry, &result);
	}
	store_publish(core.store);
}

static void open_session(uint8_t who)
{
	struct proto_request request = {
		.verb = PROTO_OPEN, .ttl_ms = 5000, .head = {.secret = SECRET, .number = 1}};

	say_to(&request, who, 7);
}

/* A session with the id 1. */
static void have_session(void)
{
	open_session(1);
	decide();
	expect(1, STORE_OK);
}

static void set(uint8_t who, uint64_t number, uint64_t first, uint16_t flags)
{
	struct proto_request request = {
		.verb = PROTO_SET,
		.flags = flags,
		.head = {.session = 1, .secret = SECRET, .number = number},
		.first_unanswered = first,
		.condition = STORE_IF_EQUAL,
		.rev = STORE_REV_ANY,
		.path = slice_text("/a"),
		.value = slice_text("v"),
	};

	say_to(&request, who, 7);
}

static void get(uint8_t who, uint16_t flags)
{
	struct proto_request request = {
		.verb = PROTO_GET, .flags = flags, .head = {.number = 9}, .path = slice_text("/a")};

	say_to(&request, who, 7);
}

static void test_one_effect_however_often_it_is_asked(void **state)
{
	uint64_t length;

	(void)state;
	have_session();
	set(1, 1, 1, 0);
	length = core.log.length;
	set(2, 1, 1, 0); /* again, from elsewhere: answered there */
	assert_int_equal(core.log.length, length);
	expect_none();
	decide();
	expect(2, STORE_OK);
	expect_none();
	set(3, 1, 1, 0); /* after it was answered */
	assert_int_equal(core.log.length, length);
	expect(3, STORE_OK);
	assert_int_equal(core.counted.duplicates, 2);
	assert_int_equal(store_root_revision(store_root(core.store)), 1);
	set(1, 2, 2, 0);
	decide();
	expect(1, STORE_OK);
	set(1, 1, 1, 0); /* forgotten: answered long ago */
	expect(1, STORE_STALE);
	assert_int_equal(store_root_revision(store_root(core.store)), 2);
}

static void test_open_sent_again_is_the_same_session(void **state)
{
	uint64_t length;

	(void)state;
	have_session();
	length = core.log.length;
	open_session(2);
	assert_int_equal(core.log.length, length);
	expect(2, STORE_OK);
	assert_int_equal(store_session_count(core.store), 1);
}

static void test_session_is_asked_for_its_secret_and_window(void **state)
{
	struct proto_request close = {.verb = PROTO_CLOSE,
	                              .first_unanswered = 1,
	                              .head = {.session = 1, .secret = SECRET + 1, .number = 1}};

	(void)state;
	set(1, 1, 1, 0);
	expect(1, STORE_NO_SESSION);
	have_session();
	say_to(&close, 1, 7);
	expect(1, STORE_BAD_SECRET);
	set(1, 0, 1, 0);
	expect(1, STORE_BAD_REQUEST);
	set(1, 1, 0, 0);
	expect(1, STORE_BAD_REQUEST);
	set(1, 1, 2, 0);
	expect(1, STORE_BAD_REQUEST);
	set(1, 1 + STORE_ANSWERS_MAX, 1, 0);
	expect(1, STORE_WINDOW);
	set(1, 5 + STORE_ANSWERS_MAX, 5, 0);
	expect(1, STORE_WINDOW);
	assert_int_equal(core.log.length, core.decided);
	set(1, STORE_ANSWERS_MAX, 1, 0);
	decide();
	expect(1, STORE_OK);
}

static void test_ordered_waits_for_lower_numbers(void **state)
{
	(void)state;
	have_session();
	set(1, 3, 1, PROTO_FLAG_ORDERED);
	expect(1, STORE_OVERLOADED);
	set(1, 1, 1, 0);
	set(1, 3, 1, PROTO_FLAG_ORDERED); /* 2 is missing */
	expect(1, STORE_OVERLOADED);
	set(1, 2, 1, 0);
	set(1, 3, 1, PROTO_FLAG_ORDERED);
	expect_none();
	decide();
	expect(1, STORE_OK);
	expect(1, STORE_OK);
	expect(1, STORE_OK);
}

static void test_who_does_not_lead_refers(void **state)
{
	struct proto_answer answer;
	uint8_t who;

	(void)state;
	leads = false;
	core.role = PAXOS_FOLLOWER;
	core.leader = 2;
	paxos_desk_lease(&core, &desk, 0);
	set(1, 1, 1, 0);
	assert_true(take(&answer, &who));
	assert_int_equal(answer.answer, STORE_NOT_LEADER);
	assert_int_equal(answer.leader, 3);
	get(1, 0);
	expect(1, STORE_NOT_LEADER);
	core.leader = PAXOS_NOBODY;
	open_session(1);
	expect(1, STORE_NO_QUORUM);
	get(1, PROTO_FLAG_STALE); /* any state will do */
	expect(1, STORE_NOT_FOUND);
	assert_int_equal(core.counted.reads_stale, 1);
}

static void test_new_leader_says_nothing_of_sessions_it_may_not_know(void **state)
{
	(void)state;
	leader.adopted = 1;
	core_append_nops(&core, 1);
	set(1, 1, 1, 0);
	expect(1, STORE_OVERLOADED);
	decide();
	set(1, 1, 1, 0);
	expect(1, STORE_NO_SESSION);
}

static void test_end_of_a_leadership_refers_who_waits(void **state)
{
	(void)state;
	have_session();
	set(1, 1, 1, 0);
	paxos_desk_lease(&core, &desk, 0);
	get(2, 0);
	expect_none();
	core.role = PAXOS_FOLLOWER;
	core.leader = 1;
	paxos_desk_reset(&core, &desk);
	expect(1, STORE_NOT_LEADER);
	expect(2, STORE_NOT_LEADER);
	expect_none();
	core.role = PAXOS_LEADER;
	decide(); /* it was another leadership's */
	expect_none();
	paxos_desk_rounds(&core, &desk, UINT64_MAX);
	expect_none();
	set(1, 1, 1, 0); /* asked again, it has had its effect */
	expect(1, STORE_OK);
	assert_int_equal(store_root_revision(store_root(core.store)), 1);
}

static void test_read_without_a_lease_waits_for_its_round(void **state)
{
	(void)state;
	core.now_ns = 2000 * MS - 1;
	get(1, 0);
	expect(1, STORE_NOT_FOUND);
	assert_int_equal(core.counted.reads_lease, 1);
	core.now_ns++;
	get(1, 0);
	expect_none();
	assert_true(paxos_desk_wants_round(&desk, NEXT_ROUND - 1));
	assert_false(paxos_desk_wants_round(&desk, NEXT_ROUND));
	paxos_desk_rounds(&core, &desk, NEXT_ROUND - 1);
	expect_none();
	paxos_desk_rounds(&core, &desk, NEXT_ROUND);
	expect(1, STORE_NOT_FOUND);
	assert_false(paxos_desk_wants_round(&desk, 0));
	assert_int_equal(core.counted.reads_quorum, 1);
}

static void test_too_many_waiting_reads_are_refused(void **state)
{
	(void)state;
	paxos_desk_lease(&core, &desk, 0);
	for (unsigned i = 0; i < PAXOS_READS_MAX; i++) {
		get(1, 0);
	}
	expect_none();
	get(2, 0);
	expect(2, STORE_OVERLOADED);
	paxos_desk_rounds(&core, &desk, NEXT_ROUND);
	for (unsigned i = 0; i < PAXOS_READS_MAX; i++) {
		expect(1, STORE_NOT_FOUND);
	}
	get(2, 0);
	expect_none();
}

static void test_full_log_proposes_nothing(void **state)
{
	uint64_t number = 0;

	(void)state;
	have_session();
	while (core.log.length - core.decided < core.log.slots_count / 2) {
		number++;
		set(1, number, 1, 0);
		expect_none();
	}
	set(2, number + 1, 1, 0);
	expect(2, STORE_OVERLOADED);
	decide();
	while (number-- != 0) {
		expect(1, STORE_OK);
	}
}

static void test_nothing_is_appended_after_the_stop_sign(void **state)
{
	uint64_t length;

	(void)state;
	have_session();
	core_append(&core, &(struct store_entry){
				   .kind = STORE_ENTRY_MEMBERS, .configuration = 2, .voters = 7});
	length = core.log.length;
	set(1, 1, 1, 0);
	expect(1, STORE_OVERLOADED);
	assert_int_equal(core.log.length, length);
}

static void test_full_disk_uses_the_number_up(void **state)
{
	(void)state;
	have_session();
	core.is_full = true;
	set(1, 1, 1, 0);
	decide();
	expect(1, STORE_DISK_FULL);
	core.is_full = false;
	set(1, 1, 1, 0); /* a copy that comes when there is room */
	expect(1, STORE_DISK_FULL);
	assert_int_equal(store_root_revision(store_root(core.store)), 0);
}

static void test_keep_alive_tells_the_base(void **state)
{
	struct proto_request alive = {.verb = PROTO_ALIVE,
	                              .head = {.session = 1, .secret = SECRET, .number = 1}};
	const uint64_t life = (uint64_t)1 << 32;
	struct proto_answer answer;
	uint8_t who;

	(void)state;
	have_session();
	say_to(&alive, 1, 7);
	assert_true(take(&answer, &who));
	assert_int_equal(answer.session, 1);
	assert_int_equal(answer.ttl_ms, 5000);
	set(1, life, life, 0); /* of who goes on with the session */
	decide();
	expect(1, STORE_OK);
	set(1, 2, 2, 0); /* what a former process sent */
	expect(1, STORE_STALE);
	say_to(&alive, 1, 7);
	assert_true(take(&answer, &who));
	assert_true(answer.session == life);
	alive.head.secret++;
	say_to(&alive, 1, 7);
	assert_true(take(&answer, &who));
	assert_int_equal(answer.answer, STORE_BAD_SECRET);
	assert_int_equal(answer.session, 0);
}

/* A page of SESSIONS behind an id: how many; the first is written. */
static unsigned sessions_behind(uint64_t after, uint16_t limit, struct proto_session *ret_first,
                                bool *ret_has_more)
{
	struct proto_request request = {.verb = PROTO_SESSIONS,
	                                .rev = (store_rev_t)after,
	                                .limit = limit,
	                                .head = {.number = 5}};
	struct proto_session session;
	struct proto_answer answer;
	unsigned count = 0;
	bool bad = false;
	uint8_t who;

	say_to(&request, 1, 7);
	assert_true(take(&answer, &who));
	assert_int_equal(answer.answer, STORE_OK);
	while (proto_session_next(&answer.value, &session, &bad)) {
		assert_true(session.id > after);
		if (count++ == 0) {
			*ret_first = session;
		}
		after = session.id;
	}
	assert_false(bad);
	assert_int_equal(answer.count, count);
	*ret_has_more = answer.has_more;
	expect_none();
	return count;
}

static void test_sessions_are_told_by_pages(void **state)
{
	struct proto_request request = {.verb = PROTO_SESSIONS, .head = {.number = 5}};
	struct proto_session first;
	bool has_more;

	(void)state;
	assert_int_equal(sessions_behind(0, 0, &first, &has_more), 0);
	assert_false(has_more);
	have_session();
	core.now_ns += 1500 * MS;
	paxos_desk_lease(&core, &desk, core.now_ns + 1);
	for (unsigned i = 0; i < 63; i++) {
		struct proto_request another = {
			.verb = PROTO_OPEN, .ttl_ms = 100, .head = {.secret = 5 + i, .number = 1}};

		say_to(&another, 1, 7);
		decide();
		expect(1, STORE_OK);
	}
	assert_int_equal(sessions_behind(0, 0, &first, &has_more), 63);
	assert_true(has_more);
	assert_int_equal(first.id, 1);
	assert_int_equal(first.ttl_ms, 5000);
	assert_int_equal(first.left_ms, 3500);
	assert_int_equal(first.owned, 0);
	assert_int_equal(sessions_behind(63, 0, &first, &has_more), 1);
	assert_false(has_more);
	assert_int_equal(first.left_ms, 100);
	assert_int_equal(sessions_behind(1, 2, &first, &has_more), 2);
	assert_true(has_more);
	/* Only a leader knows; without its lease it asks a majority. */
	paxos_desk_lease(&core, &desk, 0);
	say_to(&request, 2, 7);
	expect_none();
	paxos_desk_rounds(&core, &desk, NEXT_ROUND);
	expect(2, STORE_OK);
	leads = false;
	core.role = PAXOS_FOLLOWER;
	core.leader = 2;
	request.flags = PROTO_FLAG_STALE;
	say_to(&request, 2, 7);
	expect(2, STORE_NOT_LEADER);
}

/* A page of OWNED behind a path, as names with a blank behind each. */
static bool owned_behind(const char *after, uint16_t limit, char ret_names[256])
{
	struct proto_request request = {.verb = PROTO_OWNED,
	                                .rev = 1,
	                                .after = slice_text(after),
	                                .limit = limit,
	                                .head = {.number = 5}};
	struct proto_page_entry entry;
	struct proto_answer answer;
	unsigned count = 0;
	bool bad = false;
	uint8_t who;

	say_to(&request, 1, 7);
	assert_true(take(&answer, &who));
	assert_int_equal(answer.answer, STORE_OK);
	for (ret_names[0] = '\0'; proto_page_next(&answer.value, &entry, &bad); count++) {
		assert_int_equal(entry.revision, count + 1);
		assert_true(strlen(ret_names) + entry.name.size + 2 < 256);
		(void)strncat(ret_names, (const char *)entry.name.data, entry.name.size);
		(void)strcat(ret_names, " ");
	}
	assert_false(bad);
	assert_int_equal(answer.count, count);
	return answer.has_more;
}

static void test_what_goes_with_a_session_is_told_by_pages(void **state)
{
	static const char *const paths[] = {"/a/b", "/a/c", "/d", "/e"};
	struct proto_request request = {.verb = PROTO_TXN,
	                                .head = {.session = 1, .secret = SECRET, .number = 1},
	                                .first_unanswered = 1};
	struct store_op op = {
		.verb = STORE_VERB_SET, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY};
	struct store_txn_writer writer;
	uint8_t bytes[512];
	char names[256];

	(void)state;
	have_session();
	assert_false(owned_behind("", 0, names));
	assert_string_equal(names, "");
	store_txn_begin(&writer, bytes, sizeof(bytes));
	for (unsigned i = 0; i < 4; i++) {
		op.path = slice_text(paths[i]);
		op.flags = i < 3 ? STORE_OP_EPHEMERAL : 0;
		store_txn_then(&writer, &op);
	}
	request.value = store_txn_end(&writer);
	say_to(&request, 1, 7);
	decide();
	expect(1, STORE_OK);
	assert_false(owned_behind("", 0, names));
	assert_string_equal(names, "/a/b /a/c /d ");
	assert_true(owned_behind("", 2, names));
	assert_string_equal(names, "/a/b /a/c ");
	request = (struct proto_request){.verb = PROTO_OWNED, .rev = 2, .head = {.number = 5}};
	say_to(&request, 1, 7);
	expect(1, STORE_NOT_FOUND);
	request.rev = 1;
	leads = false;
	core.role = PAXOS_FOLLOWER;
	core.leader = 2;
	request.flags = PROTO_FLAG_STALE;
	say_to(&request, 2, 7);
	expect(2, STORE_NOT_LEADER);
}

static void test_session_that_is_being_ended_is_not_told_alive(void **state)
{
	struct proto_request alive = {.verb = PROTO_ALIVE,
	                              .head = {.session = 1, .secret = SECRET, .number = 1}};

	(void)state;
	have_session();
	say_to(&alive, 1, 7);
	expect(1, STORE_OK);
	paxos_upkeep_tick(&core, &upkeep, &desk.alive, &leader);
	assert_int_equal(core.log.length, core.decided);
	core.now_ns += 5006 * MS; /* its time to live and the drift */
	paxos_desk_lease(&core, &desk, core.now_ns + 1);
	paxos_upkeep_tick(&core, &upkeep, &desk.alive, &leader);
	paxos_upkeep_tick(&core, &upkeep, &desk.alive, &leader); /* once */
	assert_int_equal(core.log.length, core.decided + 1);
	say_to(&alive, 1, 7);
	expect_none();
	decide();
	say_to(&alive, 1, 7);
	expect(1, STORE_NO_SESSION);
}

static void test_nonsense_has_a_typed_answer(void **state)
{
	const struct paxos_address address = {{1}};
	const struct proto_head head = {.number = 1, .segments = 1};
	struct proto_request self = {.verb = PROTO_SELF, .head = {.number = 1}};
	struct store_datagram datagram = {.kind = STORE_DATAGRAM_REQUEST};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX], message[256];
	const size_t size = proto_request_encode(&self, message, sizeof(message));

	(void)state;
	say_to(&self, 1, 8);
	expect(1, STORE_WRONG_CLUSTER);
	say_to(&self, 1, 0); /* whichever this is */
	expect(1, STORE_OK);
	message[0] = 200; /* the verb */
	(void)store_datagram_open(
		slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 7,
	                                               slice_make(message, size), bytes)),
		&datagram);
	paxos_desk_request(&core, &desk, &leader, &address, &datagram, NEXT_ROUND);
	expect(1, STORE_BAD_VERB);
	datagram.body = slice_make("short", 5);
	paxos_desk_request(&core, &desk, &leader, &address, &datagram, NEXT_ROUND);
	expect_none();
	assert_int_equal(core.counted.drops[PAXOS_DROP_REQUEST], 2);
	paxos_desk_refuse_version(&core, &desk, &address);
	expect(1, STORE_BAD_VERSION);
}

/* A piece of a request that would be longer. */
static void say_piece(uint16_t segment)
{
	const struct proto_head head = {
		.session = 1, .secret = SECRET, .number = 1, .segment = segment, .segments = 2};
	static uint8_t message[PROTO_PIECE_SIZE + 1];
	const struct paxos_address address = {{1}};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	struct store_datagram datagram;

	assert_int_equal(
		store_datagram_open(
			slice_make(bytes, proto_segment_encode(&head, STORE_DATAGRAM_REQUEST, 0, 7,
	                                                       slice_make(message, sizeof(message)),
	                                                       bytes)),
			&datagram),
		STORE_DATAGRAM_GOOD);
	datagram.rights = rights;
	paxos_desk_request(&core, &desk, &leader, &address, &datagram, NEXT_ROUND);
}

static void test_who_has_no_right_is_told(void **state)
{
	struct proto_request get = {.verb = PROTO_GET,
	                            .head = {.number = 1},
	                            .path = slice_text("/a")},
			     watch = {.verb = PROTO_WATCH,
	                              .head = {.number = (uint64_t)1 << 62},
	                              .rev = 1,
	                              .ttl_ms = 1000,
	                              .path = slice_text("/a")},
			     rev = {.verb = PROTO_REV, .head = {.number = 2}};

	(void)state;
	have_session();
	rights = STORE_MAY_READ;
	set(1, 1, 1, 0);
	expect(1, STORE_DENIED);
	open_session(2);
	expect(2, STORE_DENIED);
	say_to(&get, 1, 7);
	expect(1, STORE_NOT_FOUND);
	say_to(&watch, 1, 7);
	expect(1, STORE_OK);
	rights = 0;
	say_to(&get, 1, 7);
	expect(1, STORE_DENIED);
	say_to(&watch, 1, 7);
	expect(1, STORE_DENIED);
	say_to(&rev, 1, 7);
	expect(1, STORE_OK);
	assert_int_equal(core.counted.drops[PAXOS_DROP_DENIED], 4);
	assert_int_equal(core.log.length, core.decided); /* nothing was proposed */
}

static void test_stranger_adds_no_piece(void **state)
{
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct proto_head head;
	struct slice piece;

	(void)state;
	rights = STORE_MAY_READ;
	say_piece(0);
	expect(1, STORE_DENIED);
	rights = STORE_MAY_ALL;
	say_piece(1); /* asks for the other: it was not kept */
	assert_true(core_takes(&core, PAXOS_EFFECT_REPLY, &effect));
	assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(proto_segment_decode(&datagram, &head, &piece));
	assert_true(proto_is_repair(&head));
	assert_int_equal(head.missing, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_effect_however_often_it_is_asked, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_open_sent_again_is_the_same_session, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_session_is_asked_for_its_secret_and_window,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_ordered_waits_for_lower_numbers, begin, end),
		cmocka_unit_test_setup_teardown(test_who_does_not_lead_refers, begin, end),
		cmocka_unit_test_setup_teardown(
			test_new_leader_says_nothing_of_sessions_it_may_not_know, begin, end),
		cmocka_unit_test_setup_teardown(test_end_of_a_leadership_refers_who_waits, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_read_without_a_lease_waits_for_its_round,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_too_many_waiting_reads_are_refused, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_full_log_proposes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_is_appended_after_the_stop_sign, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_full_disk_uses_the_number_up, begin, end),
		cmocka_unit_test_setup_teardown(test_keep_alive_tells_the_base, begin, end),
		cmocka_unit_test_setup_teardown(test_sessions_are_told_by_pages, begin, end),
		cmocka_unit_test_setup_teardown(test_what_goes_with_a_session_is_told_by_pages,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_session_that_is_being_ended_is_not_told_alive,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_nonsense_has_a_typed_answer, begin, end),
		cmocka_unit_test_setup_teardown(test_who_has_no_right_is_told, begin, end),
		cmocka_unit_test_setup_teardown(test_stranger_adds_no_piece, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
