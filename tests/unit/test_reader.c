/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a worker answers a read under a lease that runs, or where stale is allowed and not older
 *         than what the client has seen; everything else it passes on. The answer is the store's,
 *         at a bounded cost, whatever is asked for.
 * Method: one small store; each verb, and each side of each border. A directory of many files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <urcu-qsbr.h>

#include "consensus/config.h"
#include "consensus/reader.h"
#include "store/proto_page.h"
#include "tests/unit/store_fixture.h"

enum {
	LEASE_END_NS = 1000
};

static struct fixture fixture;
static struct paxos_lease_view view;
static struct paxos_looks looks;
static store_rev_t stands_at;
static uint64_t asked_version;
static uint8_t message[PROTO_MESSAGE_SIZE_MAX];

static int begin(void **state)
{
	(void)state;
	fixture_begin(&fixture);
	assert_int_equal(fixture_set(&fixture, "/a/x", "one").answer, STORE_OK);
	assert_int_equal(fixture_set(&fixture, "/a/y/z", "two").answer, STORE_OK);
	store_publish(fixture.store);
	stands_at = 2;
	looks = (struct paxos_looks){0};
	view = (struct paxos_lease_view){
		.lease_end_ns = LEASE_END_NS, .leader = 2, .role = PAXOS_LEADER};
	return 0;
}

static int end(void **state)
{
	(void)state;
	fixture_end(&fixture);
	return 0;
}

static bool ask(const struct proto_request *request, uint64_t now_ns,
                struct proto_answer *ret_answer)
{
	uint64_t version;
	size_t size;

	if (paxos_read(&view, fixture.store, now_ns, &looks, 4, PAXOS_DISK, request, message, &size,
	               &version) != PAXOS_READ_ANSWERED) {
		return false;
	}
	assert_true(proto_answer_decode(slice_make(message, size), ret_answer));
	assert_int_equal(ret_answer->verb, request->verb);
	assert_int_equal(ret_answer->node, 5);
	assert_int_equal(ret_answer->leader, 2);
	assert_int_equal(ret_answer->role, PAXOS_LEADER);
	assert_int_equal(ret_answer->durability, PAXOS_DISK);
	assert_int_equal(ret_answer->store_revision, stands_at);
	asked_version = version;
	return true;
}

static void test_answers_are_the_stores(void **state)
{
	struct proto_request request = {.verb = PROTO_GET, .path = slice_text("/a/y/z")};
	struct proto_answer answer;

	(void)state;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_OK);
	assert_int_equal(answer.revision, 2);
	assert_true(slice_equal(answer.value, slice_text("two")));
	request.path = slice_text("/a/y");
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_IS_DIRECTORY);
	request.path = slice_text("no path");
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_BAD_PATH);

	request = (struct proto_request){.verb = PROTO_STAT, .path = slice_text("/a")};
	assert_true(ask(&request, 1, &answer));
	assert_true(answer.is_directory);
	assert_int_equal(answer.children, 2);

	request = (struct proto_request){.verb = PROTO_REV};
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.revision, 2);
}

static void test_pages_go_on_where_they_end(void **state)
{
	struct proto_request request = {.verb = PROTO_LIST, .path = slice_text("/a"), .limit = 1};
	struct proto_page_entry entry;
	struct proto_answer answer;
	struct slice page;
	bool bad = false;

	(void)state;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 1);
	assert_true(answer.has_more);
	page = answer.value;
	assert_true(proto_page_next(&page, &entry, &bad));
	assert_true(slice_equal(entry.name, slice_text("x")));
	assert_false(proto_page_next(&page, &entry, &bad));
	request.after = slice_text("x");
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 1);
	assert_false(answer.has_more);
	page = answer.value;
	assert_true(proto_page_next(&page, &entry, &bad));
	assert_true(slice_equal(entry.name, slice_text("y")));
	assert_true(entry.is_directory);
	assert_false(bad);

	request = (struct proto_request){.verb = PROTO_WALK, .path = slice_text("/**")};
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 2);
	assert_false(answer.has_more);
}

/* Asked at a revision; the store stands at 2, where the fixture has put it. */
static void test_former_revision_is_read_as_it_was(void **state)
{
	struct proto_request request = {
		.verb = PROTO_WALK, .rev = 1, .path = slice_text("/**"), .limit = 1};
	struct proto_page_entry entry;
	struct proto_answer answer;
	bool bad = false;

	(void)state;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 1);
	assert_false(answer.has_more);
	assert_true(proto_page_next(&answer.value, &entry, &bad));
	assert_true(slice_equal(entry.name, slice_text("/a/x")));
	request.offset = 1;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 0);
	request.rev = 2;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.count, 1);
	assert_true(proto_page_next(&answer.value, &entry, &bad));
	assert_true(slice_equal(entry.name, slice_text("/a/y/z")));

	request = (struct proto_request){.verb = PROTO_STAT, .rev = 1, .path = slice_text("/a")};
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.children, 1);
	request = (struct proto_request){.verb = PROTO_GET, .rev = 1, .path = slice_text("/a/y/z")};
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_NOT_FOUND);
	request.rev = 3;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_TOO_EARLY);
}

enum {
	FILES = 20000
};

/* Many files in one directory, and each fiftieth is one of another kind. */
static void fill(void)
{
	char path[32];

	for (unsigned i = 0; i < FILES; i++) {
		(void)snprintf(path, sizeof(path), "/many/%06u%s", i, i % 50 == 49 ? "-x" : "");
		assert_int_equal(fixture_set(&fixture, path, "").answer, STORE_OK);
	}
	store_publish(fixture.store);
	stands_at += FILES;
}

/* Asks page by page, each in a turn of its own, as a client does. Returns how many entries came. */
static unsigned ask_on(struct proto_request *request, uint64_t *now_ns, unsigned *pages,
                       uint32_t turn_left)
{
	static uint8_t after[STORE_PATH_SIZE_MAX + 1];
	struct proto_page_mark rest;
	struct proto_answer answer;
	unsigned count = 0;

	request->after.size = 0;
	*pages = 0;
	do {
		looks = (struct paxos_looks){.turn_ns = ++*now_ns, .left = turn_left};
		assert_true(ask(request, *now_ns, &answer));
		assert_int_equal(answer.answer, STORE_OK);
		count += answer.count;
		++*pages;
		if (answer.has_more) {
			assert_true(proto_page_rest(answer.value, &rest));
			assert_true(rest.after.size > request->after.size ||
			            memcmp(rest.after.data, after, rest.after.size) > 0);
			memcpy(after, rest.after.data, rest.after.size);
			request->after = slice_make(after, rest.after.size);
			request->offset = rest.offset;
		}
	} while (answer.has_more);
	return count;
}

static void test_a_page_looks_at_no_more_than_it_may(void **state)
{
	struct proto_request request = {.verb = PROTO_WALK, .path = slice_text("/many/*-x")};
	struct proto_answer answer;
	uint64_t now_ns = 1;
	unsigned pages;

	(void)state;
	fill();
	view.lease_end_ns = UINT64_MAX;
	assert_int_equal(ask_on(&request, &now_ns, &pages, PAXOS_LOOKS_MAX), FILES / 50);
	assert_in_range(pages, FILES / PAXOS_LOOKS_MAX, FILES / PAXOS_LOOKS_MAX + 2);
	/* In a turn that others have used up each still gets on. */
	assert_int_equal(ask_on(&request, &now_ns, &pages, 0), FILES / 50);
	assert_in_range(pages, FILES / PAXOS_LOOKS_MIN, FILES / PAXOS_LOOKS_MIN * 5 / 4);
	request.path = slice_text("/**/nothing");
	assert_int_equal(ask_on(&request, &now_ns, &pages, 0), 0);
	assert_in_range(pages, FILES / PAXOS_LOOKS_MIN, FILES / PAXOS_LOOKS_MIN + 2);

	/* What is asked in one turn shares what that has. */
	request.after.size = 0;
	now_ns++;
	assert_true(ask(&request, now_ns, &answer));
	assert_int_equal(looks.left, 0);
	assert_true(ask(&request, now_ns, &answer));
	assert_int_equal(answer.count, 0);
	assert_true(answer.has_more);
}

static void test_an_offset_is_passed_over_in_steps(void **state)
{
	struct proto_request request = {.verb = PROTO_LIST, .path = slice_text("/many")};
	uint64_t now_ns = 1;
	unsigned pages;

	(void)state;
	fill();
	view.lease_end_ns = UINT64_MAX;
	for (unsigned i = 0; i < 2; i++) {
		request.verb = i == 0 ? PROTO_LIST : PROTO_WALK;
		request.path = slice_text(i == 0 ? "/many" : "/many/**");
		request.offset = FILES - 7;
		assert_int_equal(ask_on(&request, &now_ns, &pages, PAXOS_LOOKS_MAX), 7);
		assert_in_range(pages, FILES / PAXOS_LOOKS_MAX,
		                FILES * (STORE_LOOKS_SEARCH + 1) / PAXOS_LOOKS_MAX + 2);
		request.offset = FILES;
		assert_int_equal(ask_on(&request, &now_ns, &pages, 0), 0);
		request.offset = UINT32_MAX;
		assert_int_equal(ask_on(&request, &now_ns, &pages, 0), 0);
		request.offset = 0;
		assert_int_equal(ask_on(&request, &now_ns, &pages, 0), FILES);
	}
}

/* Else a client could put pieces of both together. */
static void test_pages_cut_elsewhere_are_other_versions(void **state)
{
	struct proto_request request = {.verb = PROTO_LIST, .path = slice_text("/many")};
	struct proto_answer answer;
	uint64_t versions[3];

	(void)state;
	fill();
	for (unsigned i = 0; i < 3; i++) {
		looks = (struct paxos_looks){.turn_ns = 1, .left = 1000 + 500 * (i / 2)};
		assert_true(ask(&request, 1, &answer));
		assert_true(answer.has_more);
		versions[i] = asked_version;
	}
	assert_true(versions[0] == versions[1]);
	assert_true(versions[0] != versions[2]);
	request.path = slice_text("/a");
	assert_true(ask(&request, 1, &answer));
	assert_true(asked_version == (uint64_t)stands_at);
}

static void test_stat_counts_as_far_as_it_may(void **state)
{
	struct proto_request request = {.verb = PROTO_STAT, .path = slice_text("/many")};
	struct proto_answer answer;

	(void)state;
	fill();
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_OK);
	assert_true(answer.has_more);
	assert_int_equal(answer.children, PAXOS_LOOKS_MAX);
	/* Not now: a count that is too low says nothing. */
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_OVERLOADED);
	assert_int_equal(answer.children, 0);
	assert_false(answer.has_more);
	request.path = slice_text("/a");
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_OK);
	assert_int_equal(answer.children, 2);
	assert_false(answer.has_more);
}

static void test_too_late_tells_the_oldest(void **state)
{
	struct proto_request request = {.verb = PROTO_LIST, .rev = 1, .path = slice_text("/a")};
	struct proto_answer answer;

	(void)state;
	/* A store whose past is gone stands at 2 like the other. */
	fixture_end(&fixture);
	fixture_begin(&fixture);
	store_refound(fixture.store, 2);
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_TOO_LATE);
	assert_int_equal(answer.revision, 2);
	assert_int_equal(answer.count, 0);
	request.rev = answer.revision;
	assert_true(ask(&request, 1, &answer));
	assert_int_equal(answer.answer, STORE_NOT_FOUND);
}

static void test_lease_allows_to_its_end(void **state)
{
	struct proto_request request = {.verb = PROTO_GET, .path = slice_text("/a/x")};
	struct proto_answer answer;

	(void)state;
	assert_true(ask(&request, LEASE_END_NS - 1, &answer));
	assert_false(ask(&request, LEASE_END_NS, &answer));
	view.lease_end_ns = 0;
	assert_false(ask(&request, 0, &answer));
	request.verb = PROTO_SELF;
	assert_true(ask(&request, LEASE_END_NS, &answer));
}

static void test_stale_is_never_older_than_what_was_seen(void **state)
{
	struct proto_request request = {.verb = PROTO_GET,
	                                .flags = PROTO_FLAG_STALE,
	                                .path = slice_text("/a/x"),
	                                .seen = 2};
	struct proto_answer answer;

	(void)state;
	assert_true(ask(&request, LEASE_END_NS, &answer));
	request.seen = 3;
	assert_false(ask(&request, LEASE_END_NS, &answer));
	assert_true(ask(&request, LEASE_END_NS - 1, &answer));
}

static void test_what_is_no_read_is_passed_on(void **state)
{
	static const enum proto_verb verbs[] = {PROTO_OPEN, PROTO_CLOSE,  PROTO_ALIVE,
	                                        PROTO_SET,  PROTO_DELETE, PROTO_NOP};
	struct proto_answer answer;

	(void)state;
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct proto_request request = {
			.verb = verbs[i], .flags = PROTO_FLAG_STALE, .path = slice_text("/a/x")};

		assert_false(ask(&request, 1, &answer));
	}
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(test_answers_are_the_stores),
		WITH_STORE(test_pages_go_on_where_they_end),
		WITH_STORE(test_former_revision_is_read_as_it_was),
		WITH_STORE(test_a_page_looks_at_no_more_than_it_may),
		WITH_STORE(test_an_offset_is_passed_over_in_steps),
		WITH_STORE(test_pages_cut_elsewhere_are_other_versions),
		WITH_STORE(test_stat_counts_as_far_as_it_may),
		WITH_STORE(test_too_late_tells_the_oldest),
		WITH_STORE(test_lease_allows_to_its_end),
		WITH_STORE(test_stale_is_never_older_than_what_was_seen),
		WITH_STORE(test_what_is_no_read_is_passed_on),
	};
	int failed;

	urcu_qsbr_register_thread();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	urcu_qsbr_unregister_thread();
	return failed;
}
