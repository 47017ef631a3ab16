/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   numbers that contradict each other start no replica.
 * Method: the defaults are good; then one number after the other is made wrong, at its border.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/config.h"
#include "consensus/quorum.h"

static struct paxos_config good(void)
{
	struct paxos_config config = {.founders = paxos_first(3),
	                              .cluster = 7,
	                              .incarnation = 1,
	                              .start = 1,
	                              .founding = true};

	paxos_config_default(&config);
	return config;
}

#define CHECK(expected, field, value)                                                              \
	do {                                                                                       \
		struct paxos_config changed = good();                                              \
		changed.field = (value);                                                           \
		assert_int_equal(paxos_config_is_good(&changed), expected);                        \
	} while (0)

static void test_defaults_are_good(void **state)
{
	const struct paxos_config config = good();

	(void)state;
	assert_true(paxos_config_is_good(&config));
}

static void test_secret_to_read_needs_one_to_write(void **state)
{
	(void)state;
	CHECK(true, keys.rw.is_set, true);
	CHECK(true, keys, ((struct store_keys){.rw = {.is_set = true}, .ro = {.is_set = true}}));
	CHECK(false, keys.ro.is_set, true);
}

static void test_founders_are_few_and_who_founds_is_one(void **state)
{
	(void)state;
	CHECK(true, founders, paxos_first(1));
	CHECK(true, founders, paxos_first(STORE_VOTERS_MAX));
	CHECK(true, founders, paxos_bit(0) | paxos_bit(5) | paxos_bit(STORE_NODES_MAX - 1));
	CHECK(false, founders, paxos_first(STORE_VOTERS_MAX + 1));
	CHECK(false, founders, paxos_bit(0) | paxos_bit(1) | paxos_bit(STORE_NODES_MAX));
	CHECK(false, founders, paxos_bit(1));
	CHECK(true, node, 2);
	CHECK(false, node, 3);
	CHECK(false, incarnation, 0);
}

static void test_who_comes_later_is_any_server(void **state)
{
	struct paxos_config config = good();

	(void)state;
	config.founding = false;
	config.node = STORE_NODES_MAX - 1;
	assert_true(paxos_config_is_good(&config));
	config.node = STORE_NODES_MAX;
	assert_false(paxos_config_is_good(&config));
}

static void test_times_fit_each_other(void **state)
{
	const struct paxos_config config = good();

	(void)state;
	CHECK(true, suspicion_ns, config.lease_ns);
	CHECK(false, suspicion_ns, config.lease_ns - 1);
	CHECK(true, heartbeat_ns, config.suspicion_ns / 2);
	CHECK(false, heartbeat_ns, config.suspicion_ns / 2 + 1);
	CHECK(false, heartbeat_ns, 0);
	CHECK(false, resend_ns, 0);
	CHECK(true, lease_ns, 0);
	CHECK(true, drift_ppm, 1000000);
	CHECK(false, drift_ppm, 1000001);
	CHECK(false, session_ttl_ms_min, config.session_ttl_ms_max + 1);
}

static void test_sizes_are_within_bounds(void **state)
{
	(void)state;
	CHECK(true, window, 1);
	CHECK(false, window, 0);
	CHECK(false, window, PAXOS_WINDOW_MAX + 1);
	CHECK(false, assemblies, 0);
	CHECK(true, durability, PAXOS_DISK);
	CHECK(false, durability, (enum paxos_durability)0);
	CHECK(false, durability, (enum paxos_durability)3);
	CHECK(false, undurable_bytes, PAXOS_UNDURABLE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_good),
		cmocka_unit_test(test_secret_to_read_needs_one_to_write),
		cmocka_unit_test(test_founders_are_few_and_who_founds_is_one),
		cmocka_unit_test(test_who_comes_later_is_any_server),
		cmocka_unit_test(test_times_fit_each_other),
		cmocka_unit_test(test_sizes_are_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
