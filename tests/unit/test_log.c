/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   the log gives back what it took, in order, whatever the ring's wraps, cuts and trims.
 * Method: a plain array as a model, driven by chance from one seed; borders by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/log.h"
#include "store/base/prng.h"
#include "store/limits.h"
#include "tests/unit/entry_fixture.h"

enum {
	ENTRIES = 64,
	BYTES = 1 << 18,
	MODEL_MAX = 20000
};

static void test_chance_agrees_with_a_model(void **state)
{
	static uint32_t model[MODEL_MAX];
	struct paxos_log log;
	struct prng prng;
	uint32_t tag = 1;
	unsigned refused = 0, wraps = 0;

	(void)state;
	prng_init(&prng, 42);
	assert_int_equal(paxos_log_init(&log, ENTRIES, BYTES), 0);
	for (unsigned step = 0; step < 60000 && log.length < MODEL_MAX - 1; step++) {
		const uint64_t kind = prng_below(&prng, 100);

		if (kind == 0) {
			const uint64_t kept = log.length - log.trim_to;

			paxos_log_cut(&log, log.length - prng_below(&prng, kept + 1));
		} else if (kind == 1) {
			log.trim_to += prng_below(&prng, log.length - log.trim_to + 1);
		} else if (paxos_log_append(&log, entry_of(++tag))) {
			model[log.length] = tag;
		} else {
			refused++;
		}
		wraps += log.head > BYTES;
		assert_true(log.base <= log.trim_to);
		for (uint64_t index = log.base + 1; index <= log.length; index++) {
			const struct slice entry = paxos_log_entry(&log, index);

			assert_memory_equal(entry.data, &model[index], sizeof(tag));
			assert_int_equal(entry.size, entry_of(model[index]).size);
			assert_int_equal(entry.data[entry.size - 1], model[index] & 255);
		}
	}
	assert_true(refused > 10);
	assert_true(wraps > 10);
	paxos_log_deinit(&log);
}

static void test_sizes_that_cannot_be_are_refused(void **state)
{
	struct paxos_log log;

	(void)state;
	assert_int_equal(paxos_log_init(&log, 100, BYTES), -EINVAL);
	assert_int_equal(paxos_log_init(&log, ENTRIES, 1 << 16), -EINVAL);
}

static void test_half_full_log_has_room_once_it_is_trimmed(void **state)
{
	struct paxos_log log;

	(void)state;
	assert_int_equal(paxos_log_init(&log, ENTRIES, BYTES), 0);
	assert_false(paxos_log_is_half_full(&log));
	for (uint32_t i = 1; i <= ENTRIES / 2; i++) {
		assert_false(paxos_log_is_half_full(&log));
		assert_true(paxos_log_append(&log, entry_of(1)));
	}
	assert_true(paxos_log_is_half_full(&log));
	log.trim_to = 1;
	assert_false(paxos_log_is_half_full(&log));
	log.trim_to = log.length;
	while (!paxos_log_is_half_full(&log)) { /* now by bytes, wherever the ring wraps */
		assert_true(paxos_log_append(&log, entry_of(17 * 100)));
	}
	assert_true(log.length - log.trim_to < ENTRIES / 2);
	log.trim_to = log.length;
	assert_false(paxos_log_is_half_full(&log));
	assert_true(paxos_log_append(&log, entry_of(17 * 100)));
	paxos_log_deinit(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chance_agrees_with_a_model),
		cmocka_unit_test(test_sizes_that_cannot_be_are_refused),
		cmocka_unit_test(test_half_full_log_has_room_once_it_is_trimmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
