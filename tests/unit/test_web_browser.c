/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a page gets all files as of one revision, then each event once; what it asks is answered,
 *         with its own number; it never has more due, or waiting for it, than it was told; who
 *         went away leaves nothing behind; and who has to tell a secret first is told nothing.
 * Method: a browser without a socket, over a client inside whose server is the test.
 */
#include "tests/unit/inside_fixture.h"

#include "control/web_browser.h"
#include "control/web_history.h"

static struct store_keys keys;
static struct ctl_web_guard guard;
static struct ctl_web_desk *desk;
static struct ctl_web_browser *browser;
static bool is_wanted;

static void on_wants(void *context)
{
	assert_ptr_equal(context, &browser);
	is_wanted = true;
}

static void open_browser(bool edit, uint64_t timeout_ns)
{
	struct ctl_web_desk_config config = {.guard = &guard, .node = OWN, .edit = edit};

	ctl_web_guard_init(&guard, &keys);
	open_inside(1, timeout_ns);
	config.inside = inside;
	desk = ctl_web_desk_new(&config);
	browser = ctl_web_browser_new(desk, 0, on_wants, &browser);
	assert_non_null(browser);
	is_wanted = false;
}

static int open_all(void **state)
{
	(void)state;
	open_browser(false, 0);
	return 0;
}

static int open_editor(void **state)
{
	(void)state;
	open_browser(true, 0);
	return 0;
}

static int open_hasty(void **state)
{
	(void)state;
	open_browser(true, 20 * (uint64_t)1000000);
	return 0;
}

static int open_shut(void **state)
{
	keys = (struct store_keys){.rw = store_key_of(slice_text("write")),
	                           .ro = store_key_of(slice_text("read"))};
	return open_editor(state);
}

static int open_unlockable(void **state)
{
	keys = (struct store_keys){.rw = store_key_of(slice_text("write"))};
	return open_editor(state);
}

static int close_all(void **state)
{
	(void)state;
	keys = (struct store_keys){0};
	ctl_web_browser_free(browser);
	close_inside();
	ctl_web_desk_free(desk);
	return 0;
}

/* --- what is said ---------------------------------------------------------------------------- */

static void hear(const char *text)
{
	assert_true(ctl_web_browser_receive(browser, slice_text(text)));
}

static bool says(const json_t *object, const char *what)
{
	return strcmp(json_string_value(json_object_get(object, "say")), what) == 0;
}

/* The next message, which is there at once. */
static json_t *take(const char *what)
{
	json_t *object = ctl_web_browser_take(browser);

	assert_non_null(object);
	assert_true(says(object, what));
	return object;
}

/* The next message of this kind; hello, status and notes are passed over. */
static json_t *wait_for(const char *what)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		json_t *object = ctl_web_browser_take(browser);

		if (object != NULL && says(object, what)) {
			return object;
		}
		assert_true(object == NULL || says(object, "hello") || says(object, "status") ||
		            says(object, "note"));
		json_decref(object);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		(void)usleep(100);
	}
	fail_msg("never says %s", what);
	return NULL;
}

static json_int_t number_in(const json_t *object, const char *key)
{
	assert_true(json_is_integer(json_object_get(object, key)));
	return json_integer_value(json_object_get(object, key));
}

static bool is_true_in(const json_t *object, const char *key)
{
	assert_true(json_is_boolean(json_object_get(object, key)));
	return json_is_true(json_object_get(object, key));
}

static const char *text_in(const json_t *object, const char *key)
{
	assert_true(json_is_string(json_object_get(object, key)));
	return json_string_value(json_object_get(object, key));
}

static void say_files(const struct ask *ask, const char *const *names, unsigned count, bool more)
{
	struct proto_answer page = {
		.answer = STORE_OK, .count = count, .has_more = more, .store_revision = 40};
	uint8_t memory[500];
	size_t size = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct proto_page_entry entry = {.revision = 30 + i,
		                                       .name = slice_text(names[i])};

		size = proto_page_put(memory, size, sizeof(memory), &entry);
	}
	page.value = slice_make(memory, size);
	say(ask, &page);
}

/* --- the tree -------------------------------------------------------------------------------- */

static void test_it_greets_and_tells_the_status(void **state)
{
	json_t *status = json_pack("{s:s}", "role", "leader"), *said;

	(void)state;
	said = take("hello");
	assert_int_equal(number_in(said, "node"), OWN);
	assert_int_equal(number_in(said, "asks"), CTL_WEB_ASKS_MAX);
	json_decref(said);
	assert_null(ctl_web_browser_take(browser));
	ctl_web_browser_status(browser, status);
	assert_true(is_wanted);
	ctl_web_browser_status(browser, status); /* the last one alone is told */
	said = take("status");
	assert_string_equal(text_in(json_object_get(said, "status"), "role"), "leader");
	json_decref(said);
	json_decref(status);
	assert_null(ctl_web_browser_take(browser));
}

static void test_files_as_of_one_revision_then_events(void **state)
{
	static const char *const names[] = {"/a", "/b"};
	struct ask ask;
	json_t *said;

	(void)state;
	json_decref(take("hello"));
	hear("{\"do\": \"watch\", \"glob\": \"/**\"}");
	wait_verb(&ask, PROTO_WALK);
	assert_true(slice_equal(ask.request.path, slice_text("/**")));
	assert_int_equal(ask.request.rev, 0);
	say_files(&ask, names, 2, true);
	said = wait_for("page");
	assert_true(is_true_in(said, "first") && is_true_in(said, "more"));
	assert_int_equal(number_in(said, "revision"), 40);
	assert_int_equal(json_array_size(json_object_get(said, "files")), 4);
	json_decref(said);
	wait_verb(&ask, PROTO_WALK);
	assert_int_equal(ask.request.rev, 40); /* the same, though more has happened */
	assert_true(slice_equal(ask.request.after, slice_text("/b")));
	say_files(&ask, names, 0, false);
	said = wait_for("page");
	assert_false(is_true_in(said, "first") || is_true_in(said, "more"));
	json_decref(said);
	wait_verb(&ask, PROTO_WATCH);
	assert_int_equal(ask.request.rev, 41);
	say_events(&ask, "/a", 2, 0, 42);
	said = wait_for("events");
	assert_int_equal(number_in(said, "next"), 43);
	assert_int_equal(json_array_size(json_object_get(said, "events")), 2);
	json_decref(said);
}

static void test_a_page_is_asked_for_when_the_last_was_taken(void **state)
{
	static const char *const names[] = {"/a"};
	json_t *status = json_object();
	struct ask ask;

	(void)state;
	json_decref(take("hello"));
	hear("{\"do\": \"watch\", \"glob\": \"/*\"}");
	wait_verb(&ask, PROTO_WALK);
	is_wanted = false;
	say_files(&ask, names, 1, true);
	turn_until(&is_wanted);
	ctl_web_browser_status(browser, status);
	for (unsigned i = 0; i < 10; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		assert_false(look(&ask));
	}
	json_decref(take("page"));
	wait_verb(&ask, PROTO_WALK);
	json_decref(status);
}

/* A listing whose revision is gone begins again, and so does a watch. */
static void test_what_is_too_late_begins_again(void **state)
{
	static const char *const names[] = {"/a"};
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"watch\", \"glob\": \"/*\"}");
	wait_verb(&ask, PROTO_WALK);
	say_files(&ask, names, 1, true);
	json_decref(wait_for("page"));
	wait_verb(&ask, PROTO_WALK);
	say_no(&ask, STORE_TOO_LATE, 90);
	for (unsigned i = 0; i < 2; i++) {
		wait_rev(&ask, PROTO_WALK, 0);
		say_files(&ask, names, 1, false);
		said = wait_for("page");
		assert_true(is_true_in(said, "first"));
		json_decref(said);
		wait_verb(&ask, PROTO_WATCH);
		say_no(&ask, STORE_TOO_LATE, 90);
	}
}

static void test_who_comes_back_gets_events_alone(void **state)
{
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"watch\", \"glob\": \"/*\", \"from\": 7}");
	wait_ask(&ask);
	assert_int_equal(ask.request.verb, PROTO_WATCH);
	assert_int_equal(ask.request.rev, 7);
	say_events(&ask, "/a", 1, 0, 7);
	said = wait_for("events");
	assert_int_equal(number_in(said, "next"), 8);
	json_decref(said);
}

static void test_a_refused_glob_is_told(void **state)
{
	static char message[CTL_WEB_MESSAGE_MAX];
	struct ask ask;

	(void)state;
	hear("{\"do\": \"watch\", \"glob\": \"/[\"}");
	wait_verb(&ask, PROTO_WALK);
	say_no(&ask, STORE_BAD_GLOB, 0);
	json_decref(wait_for("end"));
	hear("{\"do\": \"watch\", \"glob\": \"/[\", \"from\": 3}");
	wait_verb(&ask, PROTO_WATCH);
	say_no(&ask, STORE_BAD_GLOB, 0);
	json_decref(wait_for("end"));
	(void)snprintf(message, sizeof(message), "{\"do\": \"watch\", \"glob\": \"%0*d\"}",
	               STORE_PATH_SIZE_MAX + 1, 0);
	hear(message);
	json_decref(wait_for("end"));
}

static void test_a_late_page_of_another_glob_is_dropped(void **state)
{
	static const char *const old[] = {"/old"}, *const fresh[] = {"/new"};
	struct ask first, second;
	json_t *said;

	(void)state;
	hear("{\"do\": \"watch\", \"glob\": \"/o*\"}");
	wait_verb(&first, PROTO_WALK);
	hear("{\"do\": \"watch\", \"glob\": \"/n*\"}");
	wait_verb(&second, PROTO_WALK);
	assert_true(slice_equal(second.request.path, slice_text("/n*")));
	say_files(&first, old, 1, false);
	say_files(&second, fresh, 1, false);
	said = wait_for("page");
	assert_string_equal(json_string_value(json_array_get(json_object_get(said, "files"), 0)),
	                    "/new");
	json_decref(said);
}

/* Twenty events more, if the watch asks for some. */
static void serve_events(store_rev_t *highest)
{
	struct ask ask;

	if (look(&ask) && ask.request.verb == PROTO_WATCH && ask.request.ttl_ms != 0) {
		say_events(&ask, "/a", 20, ask.request.rev - 1, 10000);
		*highest = ask.request.rev + 19 > *highest ? ask.request.rev + 19 : *highest;
	}
	(void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* What waits for a page that does not read is bounded; nothing of it is lost. */
static void test_events_wait_for_who_does_not_read(void **state)
{
	const store_rev_t much = 3 * CTL_WEB_EVENTS_SIZE / CTL_WEB_PREVIEW_MAX;
	store_rev_t highest = 0, seen = 0;

	(void)state;
	json_decref(take("hello"));
	hear("{\"do\": \"watch\", \"glob\": \"/*\", \"from\": 1}");
	for (unsigned i = 0; i < 1000; i++) {
		serve_events(&highest);
	}
	assert_in_range(highest, much / 6, much / 2); /* and there it stopped */
	for (unsigned i = 0; i < TURNS_MAX && seen < much; i++) {
		json_t *said = ctl_web_browser_take(browser);
		json_t *events = said != NULL ? json_object_get(said, "events") : NULL;

		for (size_t n = 0; n < json_array_size(events); n++) {
			assert_int_equal(number_in(json_array_get(events, n), "revision"), ++seen);
		}
		json_decref(said);
		serve_events(&highest);
		(void)usleep(100);
	}
	assert_true(seen >= much);
}

/* --- questions ------------------------------------------------------------------------------- */

static void test_questions_are_answered(void **state)
{
	struct proto_answer file = {.answer = STORE_OK, .revision = 9, .value = slice_text("valu")};
	struct proto_answer folder = {
		.answer = STORE_OK, .is_directory = true, .children = 3, .revision = 2};
	struct proto_answer none = {.answer = STORE_BAD_PATH};
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"get\", \"id\": 5, \"path\": \"/a\", \"most\": 3}");
	wait_verb(&ask, PROTO_GET);
	say(&ask, &file);
	said = wait_for("answer");
	assert_int_equal(number_in(said, "id"), 5);
	assert_true(is_true_in(said, "ok"));
	assert_string_equal(text_in(said, "text"), "val");
	assert_int_equal(number_in(said, "size"), 4);
	assert_int_equal(number_in(said, "revision"), 9);
	json_decref(said);
	hear("{\"do\": \"stat\", \"id\": 6, \"path\": \"/\"}");
	wait_verb(&ask, PROTO_STAT);
	say(&ask, &folder);
	said = wait_for("answer");
	assert_true(is_true_in(said, "is_directory"));
	assert_int_equal(number_in(said, "children"), 3);
	json_decref(said);
	hear("{\"do\": \"get\", \"id\": 7, \"path\": \"a\"}");
	wait_verb(&ask, PROTO_GET);
	say(&ask, &none);
	said = wait_for("answer");
	assert_int_equal(number_in(said, "id"), 7);
	assert_false(is_true_in(said, "ok"));
	assert_int_equal(number_in(said, "code"), STORE_BAD_PATH);
	json_decref(said);
}

static void test_the_history_of_a_file(void **state)
{
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"history\", \"id\": 2, \"path\": \"/a\"}");
	wait_verb(&ask, PROTO_WATCH);
	say_events(&ask, "/a", 2, 0, 2);
	said = wait_for("answer");
	assert_true(is_true_in(said, "ok"));
	assert_int_equal(json_array_size(json_object_get(said, "events")), 2);
	json_decref(said);
	hear("{\"do\": \"history\", \"id\": 3, \"path\": \"no path\"}");
	said = wait_for("answer");
	assert_int_equal(number_in(said, "id"), 3);
	assert_false(is_true_in(said, "ok"));
	json_decref(said);
}

static void test_a_view_does_not_write(void **state)
{
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 0, \"text\": \"x\"}");
	said = wait_for("answer");
	assert_false(is_true_in(said, "ok"));
	assert_non_null(strstr(text_in(said, "answer"), "read-only"));
	json_decref(said);
	hear("{\"do\": \"delete\", \"id\": 2, \"path\": \"/a\", \"rev\": 5}");
	json_decref(wait_for("answer"));
	for (unsigned i = 0; i < 10; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		assert_false(look(&ask));
	}
}

static void test_an_editor_writes_only_what_it_saw(void **state)
{
	struct proto_answer opened = {.answer = STORE_OK, .session = 77, .ttl_ms = 60000};
	struct proto_answer mismatch = {.answer = STORE_MISMATCH, .revision = 6};
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 5, \"text\": \"x\"}");
	wait_verb(&ask, PROTO_OPEN);
	say(&ask, &opened);
	wait_verb(&ask, PROTO_SET);
	assert_int_equal(ask.request.condition, STORE_IF_EQUAL);
	assert_int_equal(ask.request.rev, 5);
	assert_true(slice_equal(ask.request.value, slice_text("x")));
	say(&ask, &mismatch);
	said = wait_for("answer");
	assert_false(is_true_in(said, "ok"));
	assert_int_equal(number_in(said, "revision"), 6);
	json_decref(said);
}

static void test_no_answer_is_told_as_such(void **state)
{
	struct proto_answer opened = {.answer = STORE_OK, .session = 77, .ttl_ms = 60000};
	struct ask ask;
	json_t *said;

	(void)state;
	hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}");
	said = wait_for("answer");
	assert_non_null(strstr(text_in(said, "answer"), "nothing was changed"));
	json_decref(said);
	hear("{\"do\": \"delete\", \"id\": 2, \"path\": \"/a\", \"rev\": 5}");
	wait_verb(&ask, PROTO_OPEN);
	say(&ask, &opened);
	wait_verb(&ask, PROTO_DELETE);
	said = wait_for("answer");
	assert_non_null(strstr(text_in(said, "answer"), "it may have happened"));
	json_decref(said);
}

static void test_who_asks_more_than_it_was_told_is_hung_up(void **state)
{
	struct proto_answer good = {.answer = STORE_OK};
	struct ask ask;

	(void)state;
	for (unsigned i = 0; i < CTL_WEB_ASKS_MAX; i++) {
		hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}");
	}
	assert_false(ctl_web_browser_receive(
		browser, slice_text("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}")));
	assert_false(ctl_web_browser_receive(browser, slice_text("nonsense")));
	wait_verb(&ask, PROTO_GET);
	say(&ask, &good);
	json_decref(wait_for("answer"));
	hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}"); /* one has room again */
}

/* Pages that go while their questions are under way: the desk has room again when they return. */
static void test_who_went_away_leaves_nothing(void **state)
{
	struct proto_answer good = {.answer = STORE_OK};
	unsigned answered = 0;
	struct ask ask;
	json_t *said;

	(void)state;
	for (unsigned i = 0; i < CLIENT_REQUESTS_MAX / CTL_WEB_ASKS_MAX; i++) {
		for (unsigned n = 0; n < CTL_WEB_ASKS_MAX; n++) {
			hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/gone\"}");
		}
		ctl_web_browser_free(browser);
		browser = ctl_web_browser_new(desk, 0, on_wants, &browser);
	}
	hear("{\"do\": \"get\", \"id\": 9, \"path\": \"/a\"}");
	said = wait_for("answer");
	assert_false(is_true_in(said, "ok")); /* there is no room now */
	json_decref(said);
	for (unsigned i = 0; i < TURNS_MAX && answered < CLIENT_REQUESTS_MAX; i++) {
		if (look(&ask) && ask.request.verb == PROTO_GET) {
			say(&ask, &good);
			answered++;
		}
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(answered, CLIENT_REQUESTS_MAX);
	assert_null(ctl_web_browser_take(browser)); /* nothing of theirs is told to another */
	hear("{\"do\": \"history\", \"id\": 8, \"path\": \"/a\"}");
	ctl_web_browser_free(browser); /* with a history, and a watch */
	browser = ctl_web_browser_new(desk, 0, on_wants, &browser);
	hear("{\"do\": \"watch\", \"glob\": \"/*\", \"from\": 7}");
	hear("{\"do\": \"get\", \"id\": 9, \"path\": \"/a\"}");
	wait_verb(&ask, PROTO_GET);
	say(&ask, &good);
	said = wait_for("answer");
	assert_true(is_true_in(said, "ok"));
	json_decref(said);
}

/* --- secrets --------------------------------------------------------------------------------- */

static void expect_secret(const char *why)
{
	json_t *said = take("secret");

	assert_string_equal(text_in(said, "why"), why);
	json_decref(said);
}

static void expect_hello(bool edit, bool unlock)
{
	json_t *said = take("hello");

	assert_int_equal(is_true_in(said, "edit"), edit);
	assert_int_equal(is_true_in(said, "unlock"), unlock);
	json_decref(said);
}

/* Whatever it asks, nobody is asked for it, and it is hung up. */
static void test_a_shut_page_is_told_nothing(void **state)
{
	static const char *const asks[] = {
		"{\"do\": \"watch\", \"glob\": \"/**\"}",
		"{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}",
		"{\"do\": \"stat\", \"id\": 1, \"path\": \"/\"}",
		"{\"do\": \"history\", \"id\": 1, \"path\": \"/a\"}",
		"{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 0, \"text\": \"x\"}",
		"{\"do\": \"delete\", \"id\": 1, \"path\": \"/a\", \"rev\": 5}",
	};
	json_t *status = json_object();
	struct ask ask;

	(void)state;
	expect_secret("");
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		assert_false(ctl_web_browser_receive(browser, slice_text(asks[i])));
	}
	ctl_web_browser_status(browser, status);
	json_decref(status);
	for (unsigned i = 0; i < 10; i++) {
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		assert_false(look(&ask));
	}
	assert_null(ctl_web_browser_take(browser));
}

static void test_a_secret_opens_what_it_may(void **state)
{
	struct ask ask;
	json_t *said;

	(void)state;
	expect_secret("");
	hear("{\"do\": \"access\", \"secret\": \"guess\"}");
	assert_false(ctl_web_browser_receive(
		browser, slice_text("{\"do\": \"access\", \"secret\": \"another\"}")));
	assert_null(ctl_web_browser_take(browser));
	assert_int_not_equal(ctl_web_guard_turn(&guard, 1), 1);
	expect_secret("wrong");
	assert_null(ctl_web_browser_take(browser));
	hear("{\"do\": \"access\", \"secret\": \"read\"}");
	assert_int_not_equal(ctl_web_guard_turn(&guard, 2), 0); /* not so soon */
	assert_null(ctl_web_browser_take(browser));
	(void)ctl_web_guard_turn(&guard, UINT64_MAX);
	expect_hello(false, true);
	hear("{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 0, \"text\": \"x\"}");
	said = wait_for("answer");
	assert_false(is_true_in(said, "ok"));
	json_decref(said);
	hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}");
	wait_verb(&ask, PROTO_GET);
	hear("{\"do\": \"access\", \"secret\": \"write\"}");
	(void)ctl_web_guard_turn(&guard, UINT64_MAX);
	expect_hello(true, false);
	hear("{\"do\": \"set\", \"id\": 1, \"path\": \"/a\", \"rev\": 0, \"text\": \"x\"}");
	wait_verb(&ask, PROTO_OPEN);
}

static void test_reads_are_open_with_a_secret_to_write(void **state)
{
	struct ask ask;

	(void)state;
	expect_hello(false, true);
	hear("{\"do\": \"get\", \"id\": 1, \"path\": \"/a\"}");
	wait_verb(&ask, PROTO_GET);
	hear("{\"do\": \"access\", \"secret\": \"\"}");
	(void)ctl_web_guard_turn(&guard, 1);
	expect_secret("wrong");
	hear("{\"do\": \"access\", \"secret\": \"write\"}");
	(void)ctl_web_guard_turn(&guard, UINT64_MAX);
	expect_hello(true, false);
}

/* A page that goes takes its guess along. */
static void test_who_goes_is_not_judged(void **state)
{
	(void)state;
	hear("{\"do\": \"access\", \"secret\": \"guess\"}");
	ctl_web_browser_free(browser);
	assert_int_equal(ctl_web_guard_turn(&guard, 1), 0);
	assert_int_equal(guard.denied, 0);
	browser = ctl_web_browser_new(desk, 0, on_wants, &browser);
	assert_non_null(browser);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_greets_and_tells_the_status),
		TEST(test_files_as_of_one_revision_then_events),
		TEST(test_a_page_is_asked_for_when_the_last_was_taken),
		TEST(test_what_is_too_late_begins_again),
		TEST(test_who_comes_back_gets_events_alone),
		TEST(test_a_refused_glob_is_told),
		TEST(test_a_late_page_of_another_glob_is_dropped),
		TEST(test_events_wait_for_who_does_not_read),
		TEST(test_questions_are_answered),
		TEST(test_the_history_of_a_file),
		TEST(test_a_view_does_not_write),
		cmocka_unit_test_setup_teardown(test_an_editor_writes_only_what_it_saw, open_editor,
	                                        close_all),
		cmocka_unit_test_setup_teardown(test_no_answer_is_told_as_such, open_hasty,
	                                        close_all),
		TEST(test_who_asks_more_than_it_was_told_is_hung_up),
		TEST(test_who_went_away_leaves_nothing),
		cmocka_unit_test_setup_teardown(test_a_shut_page_is_told_nothing, open_shut,
	                                        close_all),
		cmocka_unit_test_setup_teardown(test_a_secret_opens_what_it_may, open_shut,
	                                        close_all),
		cmocka_unit_test_setup_teardown(test_reads_are_open_with_a_secret_to_write,
	                                        open_unlockable, close_all),
		cmocka_unit_test_setup_teardown(test_who_goes_is_not_judged, open_shut, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
