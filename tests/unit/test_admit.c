/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a write that can never be done is refused before it is proposed; on full disks only what
 *         makes a file larger is.
 * Method: requests at each border, with one file in the store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/admit.h"
#include "tests/unit/core_fixture.h"
static struct paxos_core core;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core_append(&core,
	            &(struct store_entry){.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = 1});
	core_append_set(&core, 1, "/file", slice_text("12345"));
	core_apply(&core, 2);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&core);
	return 0;
}

static enum store_answer ask(enum proto_verb verb, const char *path, size_t value_size)
{
	static uint8_t value[STORE_VALUE_SIZE_MAX + 1];
	const struct proto_request request = {
		.verb = verb, .path = slice_text(path), .value = slice_make(value, value_size)};

	return paxos_admit(&core, &request);
}

static void test_limits_are_held(void **state)
{
	char path[STORE_PATH_SIZE_MAX + 2] = "";

	(void)state;
	assert_int_equal(ask(PROTO_SET, "/a", STORE_VALUE_SIZE_MAX), STORE_OK);
	assert_int_equal(ask(PROTO_SET, "/a", STORE_VALUE_SIZE_MAX + 1), STORE_TOO_LARGE);
	assert_int_equal(ask(PROTO_SET, "a", 1), STORE_BAD_PATH);
	assert_int_equal(ask(PROTO_DELETE, "/a/", 0), STORE_BAD_PATH);
	for (size_t i = 0; i < STORE_PATH_SIZE_MAX; i++) {
		path[i] = i % 100 == 0 ? '/' : 'p';
	}
	assert_int_equal(ask(PROTO_DELETE, path, 0), STORE_OK);
	path[STORE_PATH_SIZE_MAX] = 'p';
	assert_int_equal(ask(PROTO_DELETE, path, 0), STORE_TOO_LARGE);
	/* These have none. */
	assert_int_equal(ask(PROTO_NOP, "", 0), STORE_OK);
	assert_int_equal(ask(PROTO_CLOSE, "", 0), STORE_OK);
}

static void test_full_disks_refuse_what_grows(void **state)
{
	(void)state;
	assert_int_equal(ask(PROTO_SET, "/new", 0), STORE_OK);
	core.is_full = true;
	assert_int_equal(ask(PROTO_SET, "/new", 0), STORE_DISK_FULL);
	assert_int_equal(ask(PROTO_SET, "/file", 6), STORE_DISK_FULL);
	assert_int_equal(core.counted.disk_refusals, 2);
	assert_int_equal(ask(PROTO_SET, "/file", 5), STORE_OK);
	assert_int_equal(ask(PROTO_DELETE, "/file", 0), STORE_OK);
	assert_int_equal(ask(PROTO_NOP, "", 0), STORE_OK);
	/* Room would not help these. */
	assert_int_equal(ask(PROTO_SET, "new", 0), STORE_BAD_PATH);
	assert_int_equal(ask(PROTO_SET, "/file", STORE_VALUE_SIZE_MAX + 1), STORE_TOO_LARGE);
	assert_int_equal(core.counted.disk_refusals, 2);
}

static uint32_t granted(uint32_t asked_ms)
{
	const struct proto_request request = {.verb = PROTO_OPEN, .ttl_ms = asked_ms};
	struct store_entry entry = {0};

	paxos_admit_entry(&core, &request, false, &entry);
	return entry.ttl_ms;
}

static void test_time_to_live_is_what_can_be_kept(void **state)
{
	(void)state;
	core.config.session_ttl_ms_min = 10;
	core.config.session_ttl_ms_max = 1000;
	core.config.suspicion_ns = 80000000;
	assert_int_equal(granted(0), 10);
	assert_int_equal(granted(11), 11);
	assert_int_equal(granted(1001), 1000);
	core.poll_gap_ns = 2500000;
	assert_int_equal(granted(0), 10);
	core.poll_gap_ns++;
	assert_int_equal(granted(0), 11);
	assert_int_equal(granted(500), 500);
	core.poll_gap_ns = UINT64_MAX; /* it was stopped: that ends leaderships by itself */
	assert_int_equal(granted(0), 320);
	core.config.session_ttl_ms_max = 100;
	assert_int_equal(granted(0), 100);
	core.poll_gap_ns = 0;
	assert_int_equal(granted(0), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limits_are_held, begin, end),
		cmocka_unit_test_setup_teardown(test_full_disks_refuse_what_grows, begin, end),
		cmocka_unit_test_setup_teardown(test_time_to_live_is_what_can_be_kept, begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
