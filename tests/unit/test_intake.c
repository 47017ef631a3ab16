/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what is fetched changes nothing before it is whole; what answers another question, or
 *         comes from another server, is not taken; a damaged or a lost snapshot is fetched again.
 * Method: answers by hand, and those that an outlet gives; log and store looked at in between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/intake.h"
#include "consensus/outlet.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/entry_fixture.h"

enum {
	GIVER = 1,
	NOW = 1000000000,
};

static const struct paxos_ballot ballot = {.configuration = 1, .round = 3, .node = GIVER};
static const struct paxos_ballot none = {0};

static struct paxos_core core, giver;
static struct paxos_intake intake;
static struct paxos_outlet outlet;

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core_begin(&giver);
	giver.config.node = GIVER;
	core.now_ns = giver.now_ns = NOW;
	core.promised = ballot;
	core_append_nops(&core, 4);
	core_apply(&core, 2);
	assert_int_equal(paxos_intake_init(&intake, &core.config), 0);
	assert_int_equal(paxos_outlet_init(&outlet), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	paxos_intake_deinit(&intake);
	paxos_outlet_deinit(&outlet, giver.store);
	core_end(&core);
	core_end(&giver);
	return 0;
}

static uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];

/* ENTRIES that answer the last question, with `count` entries from `index` on. */
static struct paxos_msg entries(uint64_t index, unsigned count)
{
	struct wire_writer body = wire_writer_make(bytes, sizeof(bytes));

	for (unsigned i = 0; i < count; i++) {
		const struct slice entry = paxos_log_entry(&core.log, 1); /* a good one */

		wire_put_u32(&body, (uint32_t)entry.size);
		wire_put(&body, entry);
	}
	return (struct paxos_msg){.kind = PAXOS_MSG_ENTRIES,
	                          .node = GIVER,
	                          .ballot = ballot,
	                          .transfer = intake.transfer,
	                          .index = index,
	                          .body = wire_written(&body)};
}

static bool tell(struct paxos_msg msg)
{
	return paxos_intake_entries(&core, &intake, &msg);
}

static void begin_sync(uint64_t cut, uint64_t need, bool wants_state)
{
	paxos_intake_begin(&core, &intake, PAXOS_INTAKE_SYNC, GIVER, ballot, cut, need,
	                   wants_state);
}

static void test_log_is_changed_in_one_step(void **state)
{
	(void)state;
	begin_sync(3, 6, false);
	assert_true(tell(entries(4, 2)));
	assert_int_equal(intake.stage.length, 5);
	assert_false(paxos_intake_is_whole(&intake));
	assert_false(tell(entries(4, 2))); /* again */
	assert_false(tell(entries(7, 1))); /* early: it is asked for */
	assert_true(tell(entries(5, 2)));
	assert_true(paxos_intake_is_whole(&intake));
	assert_int_equal(core.log.length, 4);
	assert_true(paxos_ballot_is_none(core.accepted));
	assert_true(paxos_intake_commit(&core, &intake));
	assert_int_equal(core.log.length, 6);
	assert_int_equal(core.decided, 2);
	assert_true(paxos_ballot_equal(core.accepted, ballot));
	assert_int_equal(intake.purpose, PAXOS_INTAKE_NONE);
	assert_false(tell(entries(7, 1)));
}

static void test_answers_to_other_questions_are_not_taken(void **state)
{
	struct paxos_msg msg;

	(void)state;
	begin_sync(4, 9, false);
	begin_sync(4, 9, false);
	msg = entries(5, 1);
	msg.node = 2;
	assert_false(tell(msg));
	msg = entries(5, 1);
	msg.transfer--;
	assert_false(tell(msg));
	msg = entries(5, 1);
	msg.flags = PAXOS_FLAG_REPAIR;
	assert_false(tell(msg));
	assert_int_equal(intake.stage.length, 4);
	assert_true(tell(entries(5, 1)));
	paxos_intake_begin(&core, &intake, PAXOS_INTAKE_REPAIR, 0, core.accepted, 2, 4, false);
	assert_false(tell(entries(3, 1)));
	msg = entries(3, 1);
	msg.flags = PAXOS_FLAG_REPAIR;
	msg.node = 2; /* of anybody */
	assert_true(tell(msg));
}

static void test_nonsense_is_dropped(void **state)
{
	struct paxos_msg msg;

	(void)state;
	begin_sync(4, 9, false);
	msg = entries(5, 1);
	msg.body = slice_make("\0\0\0\0x", 5);
	assert_false(tell(msg));
	assert_int_equal(core.counted.drops[PAXOS_DROP_MESSAGE], 1);
	assert_int_equal(intake.stage.length, 4);
}

static void test_what_is_missing_is_asked_for_again(void **state)
{
	struct paxos_msg msg;

	(void)state;
	begin_sync(4, 9, false);
	paxos_intake_tick(&core, &intake);
	msg = core_expect(&core, GIVER, PAXOS_MSG_FETCH);
	assert_int_equal(msg.index, 5);
	assert_int_equal(msg.transfer, intake.transfer);
	paxos_intake_tick(&core, &intake);
	core_expect_none(&core, PAXOS_EFFECT_SEND);
	core.now_ns = paxos_intake_deadline_ns(&intake);
	assert_int_equal(core.now_ns, NOW + core.config.resend_ns);
	paxos_intake_tick(&core, &intake);
	(void)core_expect(&core, GIVER, PAXOS_MSG_FETCH);
	assert_true(paxos_intake_deadline_ns(&intake) > core.now_ns + core.config.resend_ns);
	msg = entries(5, 2);
	msg.flags = PAXOS_FLAG_LAST; /* a burst's end is not waited for */
	assert_true(tell(msg));
	assert_int_equal(core_expect(&core, GIVER, PAXOS_MSG_FETCH).index, 7);
	assert_true(tell(entries(7, 3)));
	assert_true(paxos_intake_deadline_ns(&intake) == UINT64_MAX);
}

static void test_more_than_the_log_holds_comes_as_a_snapshot(void **state)
{
	struct paxos_msg msg;

	(void)state;
	begin_sync(4, 9, false);
	msg = entries(9, 1);
	msg.base = 8;
	assert_false(tell(msg));
	msg = core_expect(&core, GIVER, PAXOS_MSG_FETCH);
	assert_int_equal(msg.flags, PAXOS_FLAG_STATE);
	assert_int_equal(msg.index, core.decided + 1);
	assert_false(tell(entries(5, 1))); /* not wanted any more */
	begin_sync(4, 40, false);
	for (uint64_t index = 5; index < 40 && !intake.wants_state; index++) {
		(void)tell(entries(index, 1));
	}
	assert_true(intake.wants_state);
	assert_int_equal(core.log.length, 4);
}

/* --- a later configuration ------------------------------------------------------------------ */

static void learn(uint32_t configuration)
{
	struct store_entry stop = {
		.kind = STORE_ENTRY_MEMBERS, .configuration = configuration, .voters = 6};
	struct paxos_msg msg;
	struct wire_writer body = wire_writer_make(bytes, sizeof(bytes));
	uint8_t entry[STORE_ENTRY_SIZE_MAX];
	const size_t size = store_entry_encode(&stop, entry, sizeof(entry));

	paxos_intake_begin(&core, &intake, PAXOS_INTAKE_LEARN, GIVER, none, 2, UINT64_MAX, false);
	msg = entries(3, 0);
	for (unsigned i = 0; i < 3; i++) {
		wire_put_u32(&body, (uint32_t)size);
		wire_put(&body, slice_make(entry, size));
	}
	msg.body = wire_written(&body);
	(void)tell(msg);
}

static void test_learns_up_to_the_stop_sign(void **state)
{
	struct paxos_stop stop;

	(void)state;
	learn(3); /* does not follow on this one */
	assert_false(paxos_intake_is_whole(&intake));
	learn(2);
	assert_true(paxos_intake_is_whole(&intake));
	assert_int_equal(intake.stage.length, 3); /* what follows is of the next */
	assert_false(tell(entries(4, 1)));
	assert_int_equal(intake.stage.length, 3);
	assert_true(paxos_intake_stop(&core, &intake, &stop));
	assert_int_equal(stop.configuration, 2);
	assert_int_equal(stop.voters, 6);
	assert_true(paxos_intake_enter(&core, &intake, &stop));
	assert_int_equal(core.configuration, 2);
	assert_int_equal(core.voters, 6);
	assert_int_equal(core.log.length, 3);
	assert_int_equal(core.known, 3);
	assert_true(paxos_ballot_is_none(core.promised));
}

static void test_stop_sign_that_comes_too_late_is_left(void **state)
{
	struct paxos_stop stop;

	(void)state;
	learn(2);
	core_apply(&core, 3); /* it got on by itself */
	assert_false(paxos_intake_stop(&core, &intake, &stop));
	assert_int_equal(intake.purpose, PAXOS_INTAKE_NONE);
	assert_int_equal(core.configuration, 1);
}

/* --- snapshots ------------------------------------------------------------------------------ */

static void fill_giver(void)
{
	static uint8_t value[30000];

	core_append(&giver,
	            &(struct store_entry){.kind = STORE_ENTRY_OPEN, .secret = 1, .ttl_ms = 1});
	core_apply(&giver, 1);
	for (unsigned i = 1; i <= 12; i++) {
		const char path[] = {'/', (char)('a' + i), 0};

		core_append_set(&giver, i, path, slice_make(value, sizeof(value)));
		core_apply(&giver, giver.log.length);
	}
}

/* The giver hears the next question. False if there is none. */
static bool hear_question(void)
{
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct paxos_msg msg;

	if (!core_takes(&core, PAXOS_EFFECT_SEND, &effect)) {
		return false;
	}
	assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
	assert_true(paxos_msg_decode(datagram.body, &msg));
	if ((msg.flags & PAXOS_FLAG_STATE) != 0) {
		paxos_outlet_state(&giver, &outlet, &msg);
	} else {
		paxos_outlet_entries(&giver, &msg, ballot, giver.log.length, giver.decided, 0);
	}
	return true;
}

/* And what it says is heard. `damaged`: with a wrong byte in the middle of it. */
static void hear_answer(bool damaged)
{
	struct store_datagram datagram;
	struct paxos_effect effect;
	struct paxos_msg msg;

	while (core_takes(&giver, PAXOS_EFFECT_SEND, &effect)) {
		assert_int_equal(store_datagram_open(effect.bytes, &datagram), STORE_DATAGRAM_GOOD);
		assert_true(paxos_msg_decode(datagram.body, &msg));
		if (damaged) {
			memcpy(bytes, msg.body.data, msg.body.size);
			bytes[msg.body.size / 2] ^= 1;
			msg.body.data = bytes;
		}
		(void)(msg.kind == PAXOS_MSG_STATE ? paxos_intake_state(&core, &intake, &msg)
		                                   : paxos_intake_entries(&core, &intake, &msg));
	}
}

/* Question and answer until it is whole, or `position` bytes of the snapshot are here. */
static void run(uint64_t position)
{
	for (unsigned i = 0; i < 200; i++) {
		core.now_ns += core.config.heartbeat_ns;
		giver.now_ns = core.now_ns;
		paxos_intake_tick(&core, &intake);
		while (hear_question()) {
			hear_answer(false);
			if (!intake.has_state && intake.state_position >= position) {
				return;
			}
		}
	}
}

static void test_snapshot_takes_the_place_of_the_log(void **state)
{
	(void)state;
	fill_giver();
	core_append_nops(&giver, 2);
	begin_sync(0, giver.log.length, true);
	run(UINT64_MAX);
	assert_true(paxos_intake_is_whole(&intake));
	assert_int_equal(store_applied(core.store), 2);
	assert_true(paxos_intake_commit(&core, &intake));
	assert_int_equal(core.decided, 13);
	assert_int_equal(core.log.base, 13);
	assert_int_equal(core.log.length, 15);
	assert_int_equal(store_digest(core.store, store_root(core.store)).low,
	                 store_digest(giver.store, store_root(giver.store)).low);
}

static void test_damaged_snapshot_changes_nothing(void **state)
{
	(void)state;
	core_append_nops(&giver, 3);
	core_apply(&giver, 3);
	begin_sync(0, 3, true);
	paxos_intake_tick(&core, &intake);
	assert_true(hear_question());
	hear_answer(true);
	if (paxos_intake_is_whole(&intake)) {
		assert_false(paxos_intake_commit(&core, &intake));
	}
	assert_true(intake.wants_state);
	assert_int_equal(intake.state_position, 0);
	assert_int_equal(core.decided, 2);
	assert_int_equal(store_applied(core.store), 2);
	run(UINT64_MAX);
	assert_true(paxos_intake_commit(&core, &intake));
	assert_int_equal(core.decided, 3);
}

static void test_snapshot_of_another_configuration_is_no_log(void **state)
{
	(void)state;
	for (uint32_t number = 1; number <= 2; number++) {
		core_append(&giver, &(struct store_entry){.kind = STORE_ENTRY_MEMBERS,
		                                          .configuration = number,
		                                          .voters = 7});
	}
	core_append_nops(&giver, 1);
	core_apply(&giver, 3);
	begin_sync(0, 3, true);
	run(UINT64_MAX);
	assert_true(paxos_intake_is_whole(&intake));
	assert_false(paxos_intake_commit(&core, &intake));
	assert_int_equal(core.decided, 2);
	assert_true(intake.wants_state);
}

static void test_snapshot_from_before_is_not_taken(void **state)
{
	(void)state;
	core_append_nops(&giver, 1);
	core_apply(&giver, 1);
	begin_sync(0, 3, true);
	run(UINT64_MAX);
	assert_null(intake.restore);
	assert_false(paxos_intake_is_whole(&intake));
}

static void test_outsider_takes_a_snapshot_at_once(void **state)
{
	(void)state;
	fill_giver();
	core.takes_part = false;
	paxos_intake_begin(&core, &intake, PAXOS_INTAKE_CATCHUP, GIVER, none, 4, 0, true);
	run(UINT64_MAX);
	assert_int_equal(core.decided, 13);
	assert_int_equal(store_applied(core.store), 13);
	assert_false(paxos_intake_is_whole(&intake)); /* it goes on for ever */
}

/* Its window has gone by: a FETCH that was long on its way has it begin anew. */
static void test_giver_that_lost_the_place_is_followed_back(void **state)
{
	(void)state;
	fill_giver();
	begin_sync(0, giver.log.length, true);
	run(PAXOS_STATE_WINDOW + 100000);
	assert_false(paxos_intake_is_whole(&intake));
	paxos_outlet_deinit(&outlet, giver.store);
	assert_int_equal(paxos_outlet_init(&outlet), 0);
	run(UINT64_MAX);
	assert_true(paxos_intake_is_whole(&intake));
	assert_true(paxos_intake_commit(&core, &intake));
	assert_int_equal(core.decided, giver.decided);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_log_is_changed_in_one_step, begin, end),
		cmocka_unit_test_setup_teardown(test_answers_to_other_questions_are_not_taken,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_nonsense_is_dropped, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_missing_is_asked_for_again, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_more_than_the_log_holds_comes_as_a_snapshot,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_learns_up_to_the_stop_sign, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_sign_that_comes_too_late_is_left, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_snapshot_takes_the_place_of_the_log, begin,
	                                        end),
		cmocka_unit_test_setup_teardown(test_damaged_snapshot_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_snapshot_of_another_configuration_is_no_log,
	                                        begin, end),
		cmocka_unit_test_setup_teardown(test_snapshot_from_before_is_not_taken, begin, end),
		cmocka_unit_test_setup_teardown(test_outsider_takes_a_snapshot_at_once, begin, end),
		cmocka_unit_test_setup_teardown(test_giver_that_lost_the_place_is_followed_back,
	                                        begin, end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
