/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a session is ended when it was silent for its time to live and the drift, and never
 *         before; a new leadership counts afresh; a proposal taken back is made again.
 * Method: a clock moved to each border by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/alive.h"
#include "consensus/lease.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	TTL_MS = 5000,
	SESSIONS = 50, /* more than one scan looks at */
};

static struct paxos_core core;
static struct paxos_alive alive;
static uint64_t limit_ns;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	limit_ns = paxos_lease_with_drift(TTL_MS * MS, core.config.drift_ppm);
	for (uint64_t i = 1; i <= SESSIONS; i++) {
		struct store_result result;

		store_apply(core.store, i,
		            &(struct store_entry){
				    .kind = STORE_ENTRY_OPEN, .secret = i, .ttl_ms = TTL_MS},
		            &result);
		assert_int_equal(result.answer, STORE_OK);
	}
	assert_int_equal(paxos_alive_init(&alive), 0);
	paxos_alive_reset(&alive);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_alive_deinit(&alive);
	core_end(&core);
	return 0;
}

/* Scans until all sessions were looked at. Returns how many are to end. */
static unsigned scan_all(void)
{
	const unsigned scans = 2 * (SESSIONS / PAXOS_EXPIRE_SCAN + 1);
	struct store_entry entry;
	unsigned count = 0;

	for (unsigned i = 0; i < scans; i++) {
		if (paxos_alive_scan(&core, &alive, &entry)) {
			assert_int_equal(entry.kind, STORE_ENTRY_EXPIRE);
			count += entry.expired_count;
		} else {
			assert_int_equal(entry.expired_count, 0);
		}
	}
	return count;
}

static void test_silence_ends_at_its_border(void **state)
{
	(void)state;
	assert_int_equal(scan_all(), 0);
	core.now_ns += limit_ns - 1;
	assert_int_equal(scan_all(), 0);
	core.now_ns++;
	assert_int_equal(scan_all(), SESSIONS);
	assert_true(paxos_alive_is_expiring(&alive, 1));
	/* Proposed once. */
	assert_int_equal(scan_all(), 0);
}

static void test_who_is_heard_lives_on(void **state)
{
	(void)state;
	assert_int_equal(scan_all(), 0);
	core.now_ns += limit_ns / 2;
	paxos_alive_touch(&core, &alive, 7);
	core.now_ns += limit_ns - limit_ns / 2;
	assert_int_equal(scan_all(), SESSIONS - 1);
	assert_false(paxos_alive_is_expiring(&alive, 7));
	core.now_ns += limit_ns / 2;
	assert_int_equal(scan_all(), 1);
	assert_true(paxos_alive_is_expiring(&alive, 7));
}

static void test_new_leadership_counts_afresh(void **state)
{
	(void)state;
	assert_int_equal(scan_all(), 0);
	core.now_ns += limit_ns;
	assert_int_equal(scan_all(), SESSIONS);
	paxos_alive_reset(&alive);
	assert_false(paxos_alive_is_expiring(&alive, 1));
	assert_int_equal(scan_all(), 0);
	core.now_ns += limit_ns - 1;
	assert_int_equal(scan_all(), 0);
	core.now_ns++;
	assert_int_equal(scan_all(), SESSIONS);
}

static void test_what_is_taken_back_is_proposed_again(void **state)
{
	struct store_entry entry;
	unsigned taken_back;

	(void)state;
	assert_int_equal(scan_all(), 0);
	core.now_ns += limit_ns;
	assert_true(paxos_alive_scan(&core, &alive, &entry));
	taken_back = entry.expired_count;
	assert_true(taken_back <= PAXOS_EXPIRE_SCAN);
	paxos_alive_take_back(&alive, &entry);
	assert_false(paxos_alive_is_expiring(&alive, entry.expired[0]));
	assert_int_equal(scan_all(), SESSIONS);
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CORE(test_silence_ends_at_its_border),
		WITH_CORE(test_who_is_heard_lives_on),
		WITH_CORE(test_new_leadership_counts_afresh),
		WITH_CORE(test_what_is_taken_back_is_proposed_again),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
