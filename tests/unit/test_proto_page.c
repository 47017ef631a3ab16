/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/proto_page.h"

static uint8_t memory[256];

static void test_page_gives_its_entries_in_order(void **state)
{
	const struct proto_page_entry a = {.revision = 5, .name = slice_text("a")};
	const struct proto_page_entry b = {.is_directory = true, .name = slice_text("bb")};
	struct proto_page_entry out;
	struct slice page;
	bool bad = false;
	size_t size;

	(void)state;
	size = proto_page_put(memory, 0, 40, &a);
	assert_int_equal(size, 12);
	size = proto_page_put(memory, size, 40, &b);
	assert_int_equal(size, 25);
	assert_int_equal(proto_page_put(memory, size, 37, &b), 0);
	assert_int_equal(proto_page_put(memory, size, 38, &b), 38);

	page = slice_make(memory, size);
	assert_true(proto_page_next(&page, &out, &bad));
	assert_int_equal(out.revision, 5);
	assert_false(out.is_directory);
	assert_true(slice_equal(out.name, a.name));
	assert_true(proto_page_next(&page, &out, &bad));
	assert_true(out.is_directory);
	assert_true(slice_equal(out.name, b.name));
	assert_false(proto_page_next(&page, &out, &bad));
	assert_false(bad);

	page = slice_make(memory, size - 1);
	assert_true(proto_page_next(&page, &out, &bad));
	assert_false(proto_page_next(&page, &out, &bad));
	assert_true(bad);
}

static void test_a_page_tells_where_it_goes_on(void **state)
{
	const struct proto_page_entry a = {.revision = 5, .name = slice_text("a")};
	const struct proto_page_mark mark = {.after = slice_text("b/c/"), .offset = UINT32_MAX};
	struct proto_page_mark rest;
	struct proto_page_entry out;
	struct slice page;
	bool bad = false;
	size_t size;

	(void)state;
	assert_false(proto_page_rest(slice_make(memory, 0), &rest));
	size = proto_page_put(memory, 0, 64, &a);
	assert_true(proto_page_rest(slice_make(memory, size), &rest));
	assert_true(slice_equal(rest.after, a.name));
	assert_int_equal(rest.offset, 0);

	assert_int_equal(proto_page_put_mark(memory, size, size + 14, &mark), 0);
	assert_int_equal(proto_page_put_mark(memory, size, size + 15, &mark), size + 15);
	page = slice_make(memory, size + 15);
	assert_true(proto_page_rest(page, &rest));
	assert_true(slice_equal(rest.after, mark.after));
	assert_int_equal(rest.offset, UINT32_MAX);
	assert_true(proto_page_next(&page, &out, &bad));
	assert_false(proto_page_next(&page, &out, &bad)); /* it is no entry */
	assert_false(bad);

	/* Nothing stands behind a mark; no kind is beyond it; an offset has 32 bits. */
	page = slice_make(memory, proto_page_put(memory, size + 15, 64, &a));
	assert_false(proto_page_rest(page, &rest));
	page = slice_make(memory + size, page.size - size);
	assert_false(proto_page_next(&page, &out, &bad));
	assert_true(bad);
	bad = false;
	page = slice_make(memory, size + 15);
	memory[size + 8] = 3;
	assert_false(proto_page_rest(page, &rest));
	memory[size + 8] = 2;
	memory[size + 4] = 1;
	assert_false(proto_page_rest(page, &rest));
	assert_true(proto_page_next(&page, &out, &bad));
	assert_false(proto_page_next(&page, &out, &bad));
	assert_true(bad);
}

static void test_events_come_back_in_order(void **state)
{
	const struct proto_event set = {.revision = 5,
	                                .previous = 2,
	                                .rest = 70000,
	                                .kind = STORE_EVENT_SET,
	                                .path = slice_text("/a"),
	                                .value = slice_text("value")};
	const struct proto_event deleted = {
		.revision = 9, .previous = 5, .kind = STORE_EVENT_DELETE, .path = slice_text("/a")};
	struct proto_event out;
	struct slice page;
	bool bad = false;
	size_t size;

	(void)state;
	size = proto_event_put(memory, 0, sizeof(memory), &set);
	assert_int_equal(size, PROTO_EVENT_OVERHEAD + 2 + 5);
	assert_int_equal(proto_event_put(memory, size, 2 * size - 6, &deleted), 0);
	size = proto_event_put(memory, size, 2 * size - 5, &deleted);
	assert_int_equal(size, 2 * PROTO_EVENT_OVERHEAD + 2 + 5 + 2);

	page = slice_make(memory, size);
	assert_true(proto_event_next(&page, &out, &bad));
	assert_int_equal(out.revision, 5);
	assert_int_equal(out.previous, 2);
	assert_int_equal(out.rest, 70000);
	assert_int_equal(out.kind, STORE_EVENT_SET);
	assert_true(slice_equal(out.path, set.path));
	assert_true(slice_equal(out.value, set.value));
	assert_true(proto_event_next(&page, &out, &bad));
	assert_int_equal(out.previous, 5);
	assert_int_equal(out.rest, 0);
	assert_int_equal(out.kind, STORE_EVENT_DELETE);
	assert_int_equal(out.value.size, 0);
	assert_false(proto_event_next(&page, &out, &bad));
	assert_false(bad);
}

static void test_an_event_that_makes_no_sense(void **state)
{
	const struct proto_event event = {.revision = 5,
	                                  .previous = 2,
	                                  .kind = STORE_EVENT_SET,
	                                  .path = slice_text("/a"),
	                                  .value = slice_text("v")};
	const size_t size = proto_event_put(memory, 0, sizeof(memory), &event);
	static const struct {
		unsigned offset;
		uint8_t byte;
	} harms[] = {
		{0, 2},                               /* not behind the one before it */
		{15, 0x80},                           /* a revision below zero */
		{20, 0},                              /* no such kind */
		{20, 3},    {20, STORE_EVENT_DELETE}, /* with a value */
		{21, 6},                              /* no such cause */
		{22, 0},                              /* no path */
		{22, 200},                            /* a path longer than the page */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		const uint8_t was = memory[harms[i].offset];
		struct slice page = slice_make(memory, size);
		struct proto_event out;
		bool bad = false;

		memory[harms[i].offset] = harms[i].byte;
		assert_false(proto_event_next(&page, &out, &bad));
		assert_true(bad);
		memory[harms[i].offset] = was;
	}
	for (size_t cut = 1; cut < size; cut++) {
		struct slice page = slice_make(memory, cut);
		struct proto_event out;
		bool bad = false;

		assert_false(proto_event_next(&page, &out, &bad));
		assert_true(bad);
	}
}

static void test_sessions_come_back_in_order(void **state)
{
	const struct proto_session sessions[] = {{1, 10, 10, 0}, {UINT64_MAX, UINT32_MAX, 0, 1024}};
	uint8_t bytes[2 * PROTO_SESSION_SIZE];
	struct proto_session out;
	size_t size = 0;
	struct slice page;
	bool bad = false;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size = proto_session_put(bytes, size, sizeof(bytes), &sessions[i]);
		assert_int_equal(size, (i + 1) * PROTO_SESSION_SIZE);
	}
	assert_int_equal(proto_session_put(bytes, size, sizeof(bytes), &sessions[0]), 0);
	page = slice_make(bytes, size);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(proto_session_next(&page, &out, &bad));
		assert_true(out.id == sessions[i].id);
		assert_int_equal(out.ttl_ms, sessions[i].ttl_ms);
		assert_int_equal(out.left_ms, sessions[i].left_ms);
		assert_int_equal(out.owned, sessions[i].owned);
	}
	assert_false(proto_session_next(&page, &out, &bad));
	assert_false(bad);
	page = slice_make(bytes, size - 1);
	assert_true(proto_session_next(&page, &out, &bad));
	assert_false(proto_session_next(&page, &out, &bad));
	assert_true(bad);
	bad = false;
	bytes[12] = 11; /* more is left than it has */
	page = slice_make(bytes, size);
	assert_false(proto_session_next(&page, &out, &bad));
	assert_true(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page_gives_its_entries_in_order),
		cmocka_unit_test(test_a_page_tells_where_it_goes_on),
		cmocka_unit_test(test_events_come_back_in_order),
		cmocka_unit_test(test_an_event_that_makes_no_sense),
		cmocka_unit_test(test_sessions_come_back_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
