/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   entries come from one log into another whole and once, in bodies of any size; what is
 *         no body is refused.
 * Method: two logs, and bodies of every small size, each told twice; then gaps and nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/stream.h"
#include "store/limits.h"
#include "tests/unit/entry_fixture.h"

enum {
	ENTRIES = 64,
	BYTES = 1 << 18,
};

static void test_every_entry_comes_through_in_chunks_of_any_size(void **state)
{
	static uint8_t body[STORE_ENTRY_SIZE_MAX];
	struct paxos_log from, to;

	(void)state;
	assert_int_equal(paxos_log_init(&from, ENTRIES, BYTES), 0);
	assert_int_equal(paxos_log_init(&to, ENTRIES, BYTES), 0);
	for (uint32_t tag = 30; tag < 50; tag++) {
		assert_true(paxos_log_append(&from, entry_of(tag)));
	}
	for (size_t room = 5; room < 3000; room += 97) {
		struct paxos_place place = {.index = 1};

		paxos_log_reset(&to, 0);
		while (place.index <= from.length) {
			struct wire_writer writer = wire_writer_make(body, room);
			const struct paxos_place at = place;

			place = paxos_stream_pack(&from, place, from.length, &writer);
			assert_true(paxos_place_before(at, place));
			assert_int_equal(paxos_stream_unpack(&to, at, wire_written(&writer)),
			                 PAXOS_UNPACK_TAKEN);
			/* What came once may come again. */
			assert_int_equal(paxos_stream_unpack(&to, at, wire_written(&writer)),
			                 PAXOS_UNPACK_TAKEN);
		}
		assert_int_equal(to.length, from.length);
		for (uint64_t index = 1; index <= to.length; index++) {
			assert_true(slice_equal(paxos_log_entry(&to, index),
			                        paxos_log_entry(&from, index)));
		}
	}
	paxos_log_deinit(&from);
	paxos_log_deinit(&to);
}

static void test_refuses_gaps_and_nonsense(void **state)
{
	uint8_t body[64] = {4, 0, 0, 0, 'a', 'b', 'c', 'd'};
	struct paxos_log log;

	(void)state;
	assert_int_equal(paxos_log_init(&log, ENTRIES, BYTES), 0);
	assert_int_equal(
		paxos_stream_unpack(&log, (struct paxos_place){.index = 2}, slice_make(body, 8)),
		PAXOS_UNPACK_GAP);
	assert_int_equal(log.length, 0);
	assert_int_equal(
		paxos_stream_unpack(&log, (struct paxos_place){.index = 1}, slice_make(body, 4)),
		PAXOS_UNPACK_BAD);
	body[3] = 0x7f;
	assert_int_equal(
		paxos_stream_unpack(&log, (struct paxos_place){.index = 1}, slice_make(body, 8)),
		PAXOS_UNPACK_BAD);
	body[3] = 0;
	assert_int_equal(paxos_stream_unpack(&log, (struct paxos_place){.index = 1, .offset = 4},
	                                     slice_make(body, 8)),
	                 PAXOS_UNPACK_BAD);
	assert_int_equal(
		paxos_stream_unpack(&log, (struct paxos_place){.index = 1}, slice_make(body, 8)),
		PAXOS_UNPACK_TAKEN);
	assert_int_equal(log.length, 1);
	paxos_log_deinit(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_entry_comes_through_in_chunks_of_any_size),
		cmocka_unit_test(test_refuses_gaps_and_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
