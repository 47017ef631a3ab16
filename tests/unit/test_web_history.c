/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the changes of one file that are kept are told once, the last hundred of them; and where
 *         that cannot be, a sentence, in bounded time.
 * Method: a client inside whose server is the test.
 */
#include "tests/unit/inside_fixture.h"

#include "control/web_history.h"

static struct ctl_web_history history;
static struct told {
	bool is_told;
	unsigned times;
	json_t *events;
	char why[100];
} told;

static void on_told(void *context, json_t *events, const char *why)
{
	assert_ptr_equal(context, &told);
	assert_true((events == NULL) == (why != NULL));
	told.is_told = true;
	told.times++;
	told.events = events;
	(void)snprintf(told.why, sizeof(told.why), "%s", why == NULL ? "" : why);
}

static int open_all(void **state)
{
	(void)state;
	open_inside(1, 0);
	told = (struct told){0};
	ctl_web_history_begin(&history, inside, slice_text("/f"), on_told, &told);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	assert_false(ctl_web_history_end(&history)); /* it is over, however it ended */
	json_decref(told.events);
	close_inside();
	return 0;
}

static json_int_t revision_at(size_t index)
{
	return json_integer_value(json_object_get(json_array_get(told.events, index), "revision"));
}

static void test_all_that_is_kept_is_told_once(void **state)
{
	struct ask ask;

	(void)state;
	wait_verb(&ask, PROTO_WATCH);
	assert_int_equal(ask.request.rev, 1);
	assert_true(slice_equal(ask.request.path, slice_text("/f")));
	say_no(&ask, STORE_TOO_LATE, 50);
	wait_rev(&ask, PROTO_WATCH, 50);
	say_events(&ask, "/f", 3, 0, 52);
	turn_until(&told.is_told);
	assert_int_equal(told.times, 1);
	assert_int_equal(json_array_size(told.events), 3);
	assert_int_equal(revision_at(0), 50);
	assert_int_equal(revision_at(2), 52);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(told.events, 0), "text")), "v");
}

static void test_of_many_the_last_hundred(void **state)
{
	store_rev_t next = 1;
	struct ask ask;

	(void)state;
	while (next <= 130) {
		wait_rev(&ask, PROTO_WATCH, next);
		say_events(&ask, "/f", 10, next - 1, 130);
		next += 10;
	}
	turn_until(&told.is_told);
	assert_int_equal(json_array_size(told.events), CTL_WEB_HISTORY_MAX);
	assert_int_equal(revision_at(0), 31);
	assert_int_equal(revision_at(CTL_WEB_HISTORY_MAX - 1), 130);
}

/* What is kept moves on faster than it is read. */
static void test_it_is_not_tried_for_ever(void **state)
{
	unsigned asked = 0;
	struct ask ask;

	(void)state;
	for (store_rev_t from = 1; !told.is_told; from += 10) {
		assert_in_range(++asked, 1, 10);
		wait_rev(&ask, PROTO_WATCH, from);
		say_no(&ask, STORE_TOO_LATE, from + 10);
		for (unsigned i = 0; i < 10; i++) {
			(void)uv_run(&loop, UV_RUN_NOWAIT);
		}
	}
	assert_null(told.events);
	assert_string_equal(told.why, "it cannot be read now; try again");
}

static void test_after_its_time_it_tells_what_it_has(void **state)
{
	struct ask ask;

	(void)state;
	wait_verb(&ask, PROTO_WATCH);
	say_events(&ask, "/f", 2, 0, 9);
	wait_rev(&ask, PROTO_WATCH, 3); /* both came */
	for (unsigned i = 0; i < CTL_WEB_HISTORY_TICKS; i++) {
		ctl_web_history_tick(&history);
		assert_false(told.is_told);
	}
	ctl_web_history_tick(&history);
	assert_int_equal(told.times, 1);
	assert_int_equal(json_array_size(told.events), 2);
	ctl_web_history_tick(&history);
	assert_int_equal(told.times, 1);
}

static void test_a_refusal_is_told_in_words(void **state)
{
	struct ask ask;

	(void)state;
	wait_verb(&ask, PROTO_WATCH);
	say_no(&ask, STORE_BAD_GLOB, 0);
	turn_until(&told.is_told);
	assert_null(told.events);
	assert_int_not_equal(strlen(told.why), 0);
}

static void test_who_is_ended_says_nothing(void **state)
{
	struct ask ask;

	(void)state;
	wait_verb(&ask, PROTO_WATCH);
	assert_true(ctl_web_history_end(&history));
	say_events(&ask, "/f", 2, 0, 2);
	wait_verb(&ask, PROTO_WATCH);
	assert_int_equal(ask.request.ttl_ms, 0); /* the server is told */
	ctl_web_history_tick(&history);
	assert_int_equal(told.times, 0);
}

static void test_an_event_is_cut_to_a_preview(void **state)
{
	uint8_t value[CTL_WEB_PREVIEW_MAX + 1];
	const struct proto_event set = {.revision = 7,
	                                .kind = STORE_EVENT_SET,
	                                .path = slice_text("/f"),
	                                .value = slice_make(value, sizeof(value))};
	const struct proto_event gone = {
		.revision = 8, .kind = STORE_EVENT_DELETE, .path = slice_text("/f")};
	json_t *object;

	(void)state;
	memset(value, 'x', sizeof(value));
	object = ctl_web_event_json(&set);
	assert_int_equal(json_string_length(json_object_get(object, "text")), CTL_WEB_PREVIEW_MAX);
	assert_int_equal(json_integer_value(json_object_get(object, "size")), sizeof(value));
	json_decref(object);
	object = ctl_web_event_json(&gone);
	assert_string_equal(json_string_value(json_object_get(object, "kind")), "delete");
	assert_null(json_object_get(object, "text"));
	json_decref(object);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_that_is_kept_is_told_once),
		TEST(test_of_many_the_last_hundred),
		TEST(test_it_is_not_tried_for_ever),
		TEST(test_after_its_time_it_tells_what_it_has),
		TEST(test_a_refusal_is_told_in_words),
		TEST(test_who_is_ended_says_nothing),
		cmocka_unit_test(test_an_event_is_cut_to_a_preview),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
