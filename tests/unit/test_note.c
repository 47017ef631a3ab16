/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   only a note with the secret of the start last heard of is believed; it frees from that
 *         start's lease, once, and makes unhappy only who followed it.
 * Method: notes told by hand, right and each wrong in one way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/note.h"
#include "tests/unit/body_fixture.h"

enum {
	SECRET = 4711
};

static int begin(void **state)
{
	struct paxos_peer *peer;

	(void)body_begin(state);
	body_follow(body_ballot(1, 1));
	peer = &core->peers[1];
	peer->incarnation = body_incarnation(1);
	peer->start = 1;
	peer->secret = SECRET;
	paxos_grant_give(&core->grant, core->now_ns, 50 * MS, body_ballot(1, 1));
	return 0;
}

static struct paxos_msg note(void)
{
	struct paxos_msg msg = body_msg(1, PAXOS_MSG_DEAD);

	msg.secret = SECRET;
	return msg;
}

/* From an address that is no member's. */
static void tell(struct paxos_msg msg)
{
	body_hear_from(PAXOS_NOBODY, &msg, 7);
}

static void test_right_note_is_believed_from_any_address(void **state)
{
	const struct paxos_note written = {.cluster = 7,
	                                   .node = 1,
	                                   .incarnation = body_incarnation(1),
	                                   .start = 1,
	                                   .secret = SECRET};
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	const size_t size = paxos_note_encode(&written, bytes);
	const struct paxos_source nobody = {.peer = PAXOS_NOBODY};

	(void)state;
	paxos_replica_receive(replica, core->now_ns, &nobody, slice_make(bytes, size));
	assert_true(paxos_peer_is_dead(&core->peers[1]));
	assert_int_equal(core->leader, PAXOS_NOBODY);
	assert_true(replica->election.bereaved);
	assert_true(replica->election.unhappy);
	assert_int_equal(paxos_grant_left_ns(&core->grant, core->now_ns), 0);
	tell(note()); /* twice */
	assert_int_equal(core->counted.traces[PAXOS_TRACE_REPORTED_DEAD], 1);
	assert_int_equal(core->counted.drops[PAXOS_DROP_NOTE], 0);
}

static void test_wrong_notes_are_dropped(void **state)
{
	struct paxos_msg msg = note();

	(void)state;
	msg.secret++;
	tell(msg);
	msg = note();
	msg.start = 2;
	tell(msg);
	msg = note();
	msg.incarnation++;
	tell(msg);
	msg = note();
	msg.node = 2; /* of whom nothing was heard */
	tell(msg);
	msg.secret = 0; /* as it has none */
	msg.incarnation = 0;
	msg.start = 0;
	tell(msg);
	msg = note();
	msg.node = 0; /* this server's own */
	core->peers[0] = core->peers[1];
	tell(msg);
	assert_int_equal(core->counted.drops[PAXOS_DROP_NOTE], 6);
	body_hear_from(PAXOS_NOBODY, &(struct paxos_msg){.kind = PAXOS_MSG_DEAD}, 8);
	assert_int_equal(core->counted.drops[PAXOS_DROP_CLUSTER], 1);
	assert_false(core->peers[1].is_dead);
	assert_int_equal(core->leader, 1);
	assert_true(paxos_grant_left_ns(&core->grant, core->now_ns) != 0);
}

static void test_next_start_is_not_dead(void **state)
{
	struct paxos_msg heartbeat = body_msg(1, PAXOS_MSG_HEARTBEAT);

	(void)state;
	tell(note());
	heartbeat.mask = 7;
	body_hear(&heartbeat); /* long on its way */
	assert_int_equal(core->counted.drops[PAXOS_DROP_INCARNATION], 1);
	heartbeat.start = 2;
	heartbeat.secret = SECRET + 1;
	body_hear(&heartbeat);
	assert_false(paxos_peer_is_dead(&core->peers[1]));
	tell(note()); /* of the former start, late */
	assert_int_equal(core->counted.drops[PAXOS_DROP_NOTE], 1);
	assert_false(paxos_peer_is_dead(&core->peers[1]));
}

static void test_who_followed_another_stays_happy(void **state)
{
	(void)state;
	core->promised = body_ballot(2, 2);
	core->leader = 2;
	core->grant = (struct paxos_grant){0};
	paxos_grant_give(&core->grant, core->now_ns, 50 * MS, body_ballot(2, 2));
	tell(note());
	assert_true(paxos_peer_is_dead(&core->peers[1]));
	assert_false(replica->election.unhappy);
	assert_int_equal(core->leader, 2);
	assert_true(paxos_grant_left_ns(&core->grant, core->now_ns) != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_right_note_is_believed_from_any_address, begin,
	                                        body_end),
		cmocka_unit_test_setup_teardown(test_wrong_notes_are_dropped, begin, body_end),
		cmocka_unit_test_setup_teardown(test_next_start_is_not_dead, begin, body_end),
		cmocka_unit_test_setup_teardown(test_who_followed_another_stays_happy, begin,
	                                        body_end),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
