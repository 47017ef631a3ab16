/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what waits for the disk is counted and has an age; what a snapshot makes unnecessary is
 *         never more than that.
 * Method: records given and reached; logs that grow, are cut and staged, with the answer worked
 *         out by hand; and a random history in which no needed record may be forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/durable.h"
#include "store/base/prng.h"

static void test_bytes_and_age(void **state)
{
	struct paxos_durable durable = {0};

	(void)state;
	assert_int_equal(paxos_durable_age_ns(&durable, 100), 0);
	paxos_durable_gave(&durable, 1, 10, 100);
	paxos_durable_gave(&durable, 2, 20, 200);
	assert_int_equal(paxos_durable_waiting(&durable), 30);
	assert_int_equal(paxos_durable_age_ns(&durable, 250), 150);
	paxos_durable_reached(&durable, 1);
	assert_int_equal(paxos_durable_waiting(&durable), 20);
	assert_int_equal(paxos_durable_age_ns(&durable, 250), 50);
	paxos_durable_reached(&durable, 2);
	assert_int_equal(paxos_durable_waiting(&durable), 0);
	assert_int_equal(paxos_durable_age_ns(&durable, 1000), 0);
}

static void test_more_than_it_can_tell_apart(void **state)
{
	struct paxos_durable durable = {0};

	(void)state;
	for (uint64_t record = 1; record <= 1000; record++) {
		paxos_durable_gave(&durable, record, 1, record);
	}
	assert_int_equal(paxos_durable_waiting(&durable), 1000);
	paxos_durable_reached(&durable, 10);
	assert_int_equal(paxos_durable_waiting(&durable), 990);
	/* The last mark speaks for all that came after it: never too early. */
	paxos_durable_reached(&durable, 999);
	assert_true(paxos_durable_waiting(&durable) >= 1);
	paxos_durable_reached(&durable, 1000);
	assert_int_equal(paxos_durable_waiting(&durable), 0);
}

static void test_snapshot_says_what_is_needed(void **state)
{
	struct paxos_durable durable = {0};

	(void)state;
	assert_true(paxos_durable_from(&durable, 7) == UINT64_MAX);
	paxos_durable_retain(&durable, 1, 3);
	paxos_durable_retain(&durable, 11, 4);
	paxos_durable_retain(&durable, 21, 8);
	assert_int_equal(paxos_durable_from(&durable, 5), 3);
	assert_int_equal(paxos_durable_from(&durable, 10), 4);
	assert_int_equal(paxos_durable_from(&durable, 19), 4);
	assert_int_equal(paxos_durable_from(&durable, 20), 8);
	assert_int_equal(paxos_durable_from(&durable, 100), 8);
	/* An intake under way is needed from its beginning. */
	durable.stage_record = 6;
	assert_int_equal(paxos_durable_from(&durable, 100), 6);
}

static void test_cut_and_stage(void **state)
{
	struct paxos_durable durable = {0};

	(void)state;
	paxos_durable_retain(&durable, 1, 3);
	paxos_durable_retain(&durable, 11, 4);
	paxos_durable_retain(&durable, 21, 8);
	/* Staged from record 6 on, while 21 and later were written: they go with the stage. */
	paxos_durable_cut(&durable, 30, 6);
	assert_int_equal(paxos_durable_from(&durable, 15), 4);
	assert_int_equal(paxos_durable_from(&durable, 20), 6);
	assert_int_equal(paxos_durable_from(&durable, 40), 6);
	paxos_durable_retain(&durable, 31, 12);
	paxos_durable_cut(&durable, 25, 14);
	assert_int_equal(paxos_durable_from(&durable, 24), 6);
	assert_int_equal(paxos_durable_from(&durable, 25), 14);
}

/* truth[i]: the record in which entry i of the present log stands, at the latest. */
static void test_nothing_needed_is_forgotten(void **state)
{
	static uint64_t truth[20000];
	struct paxos_durable durable = {0};
	uint64_t length = 0, record = 0, snapshot = 0;
	struct prng prng;

	(void)state;
	prng_init(&prng, 1);
	for (unsigned step = 0; step < 5000; step++) {
		const uint64_t chance = prng_below(&prng, 100);

		if (chance < 80) {
			paxos_durable_retain(&durable, length + 1, ++record);
			for (uint64_t more = 1 + prng_below(&prng, 3); more > 0; more--) {
				truth[++length] = record;
			}
		} else if (chance < 95) {
			const uint64_t cut = snapshot + prng_below(&prng, length - snapshot + 1);
			const uint64_t stage = ++record;

			paxos_durable_cut(&durable, cut, stage);
			length = cut + prng_below(&prng, 3);
			for (uint64_t index = cut + 1; index <= length; index++) {
				truth[index] = stage;
			}
			record++;
		} else {
			uint64_t from;

			snapshot += prng_below(&prng, length - snapshot + 1);
			from = paxos_durable_from(&durable, snapshot);
			for (uint64_t index = snapshot + 1; index <= length; index++) {
				assert_true(from <= truth[index]);
			}
		}
	}
	assert_true(paxos_durable_from(&durable, length) > record / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_and_age),
		cmocka_unit_test(test_more_than_it_can_tell_apart),
		cmocka_unit_test(test_snapshot_says_what_is_needed),
		cmocka_unit_test(test_cut_and_stage),
		cmocka_unit_test(test_nothing_needed_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
