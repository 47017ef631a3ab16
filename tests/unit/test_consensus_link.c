/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a follower behind a bad network gets every entry, the window is never passed, and what
 *         arrived is not sent again without need.
 * Method: a leader's link to an acceptor, with datagrams and acknowledgements lost, doubled and
 *         held back by chance from seeds; borders by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "consensus/acceptor.h"
#include "consensus/link.h"
#include "tests/unit/core_fixture.h"

enum {
	FOLLOWER = 1,
	SEEDS = 200,
	ENTRIES = 400,
	TURNS_MAX = 100000,
	LETTERS_MAX = 512,
};

#define MS ((uint64_t)1000000)

static const struct paxos_ballot ballot = {.configuration = 1, .round = 1};

struct letter {
	bool to_follower;
	size_t size;
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
};

static struct {
	struct paxos_core leader, follower;
	struct paxos_acceptor acceptor;
	struct paxos_link link;
	struct prng prng;
	struct letter letters[LETTERS_MAX];
	unsigned letter_count;
	unsigned loss_percent;
	uint64_t appended, checked;
} world;

static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	core_begin(&world.leader);
	core_begin(&world.follower);
	world.follower.config.node = FOLLOWER;
	world.leader.promised = world.leader.accepted = ballot;
	world.follower.promised = world.follower.accepted = ballot;
	paxos_acceptor_init(&world.acceptor);
	paxos_link_reset(&world.leader, &world.link, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	core_end(&world.leader);
	core_end(&world.follower);
	return 0;
}

static void append(void)
{
	uint8_t bytes[3000];
	const uint64_t index = world.appended + 1;
	const size_t size = 8 + index * 2741 % (sizeof(bytes) - 8);

	memset(bytes, (int)index, size);
	memcpy(bytes, &index, sizeof(index));
	if (paxos_log_append(&world.leader.log, slice_make(bytes, size))) {
		world.appended++;
	}
}

/* What a core wants to send goes into the post, or is lost there. Returns how many there were. */
static unsigned collect(struct paxos_core *core)
{
	struct paxos_effect effect;
	unsigned count = 0;

	while (paxos_outbox_take(&core->outbox, &effect)) {
		struct letter *letter = &world.letters[world.letter_count];

		if (effect.kind != PAXOS_EFFECT_SEND) {
			continue;
		}
		count++;
		if (prng_chance(&world.prng, world.loss_percent, 100) ||
		    world.letter_count == LETTERS_MAX) {
			continue;
		}
		letter->to_follower = core == &world.leader;
		letter->size = effect.bytes.size;
		memcpy(letter->bytes, effect.bytes.data, effect.bytes.size);
		world.letter_count++;
	}
	return count;
}

static void deliver(unsigned at)
{
	const struct letter *letter = &world.letters[at];
	struct store_datagram datagram;
	struct paxos_msg msg;

	assert_int_equal(store_datagram_open(slice_make(letter->bytes, letter->size), &datagram),
	                 STORE_DATAGRAM_GOOD);
	assert_true(paxos_msg_decode(datagram.body, &msg));
	if (letter->to_follower) {
		paxos_acceptor_accept(&world.follower, &world.acceptor, &msg);
	} else {
		paxos_link_acked(&world.leader, &world.link, &msg);
	}
}

/* Delivers some of the post, out of order; now and then twice. */
static void post(void)
{
	while (world.letter_count != 0 && !prng_chance(&world.prng, 1, 4)) {
		const unsigned at = (unsigned)prng_below(&world.prng, world.letter_count);

		deliver(at);
		if (!prng_chance(&world.prng, 1, 10)) {
			world.letters[at] = world.letters[--world.letter_count];
		}
	}
}

static void check_follower(void)
{
	while (world.checked < world.follower.log.length) {
		const uint64_t index = ++world.checked;
		const struct slice entry = paxos_log_entry(&world.follower.log, index);

		assert_true(slice_equal(entry, paxos_log_entry(&world.leader.log, index)));
		assert_memory_equal(entry.data, &index, sizeof(index));
	}
	world.follower.log.trim_to = world.follower.log.length;
}

static void turn(void)
{
	world.leader.now_ns += MS;
	world.follower.now_ns = world.leader.now_ns;
	if (world.appended < ENTRIES) {
		append();
	}
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_true(world.link.next_number - world.link.first <= world.leader.config.window);
	(void)collect(&world.leader);
	post();
	check_follower();
	paxos_core_flush(&world.follower);
	paxos_acceptor_flush(&world.follower, &world.acceptor);
	(void)collect(&world.follower);
	world.leader.log.trim_to = world.link.length;
}

static void run(uint64_t seed, unsigned loss_percent)
{
	unsigned turns = 0;

	prng_init(&world.prng, seed);
	world.loss_percent = loss_percent;
	world.leader.config.window = 1 + (uint32_t)prng_below(&world.prng, PAXOS_WINDOW_MAX);
	while (world.link.length < ENTRIES) {
		turn();
		assert_true(++turns < TURNS_MAX);
	}
	assert_int_equal(world.follower.log.length, ENTRIES);
	assert_int_equal(world.checked, ENTRIES);
}

static void test_every_entry_comes_through_a_bad_network(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(seed, (unsigned)(seed % 4) * 10);
		assert_true(seed % 4 == 0 || world.link.resent > 0);
		(void)end(state);
		(void)begin(state);
	}
}

static void test_window_closes_and_time_out_probes(void **state)
{
	uint64_t deadline_ns;

	(void)state;
	world.leader.config.window = 4;
	world.leader.now_ns = 100 * MS;
	paxos_link_reset(&world.leader, &world.link, 0);
	assert_int_equal(paxos_link_deadline_ns(&world.link), UINT64_MAX);
	for (unsigned i = 0; i < 10; i++) {
		append();
	}
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_int_equal(collect(&world.leader), 4);
	deadline_ns = paxos_link_deadline_ns(&world.link);
	assert_int_equal(deadline_ns, world.leader.now_ns + world.leader.config.resend_ns);
	world.leader.now_ns = deadline_ns - 1;
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_int_equal(collect(&world.leader), 0);
	/* Two probes, and the next time-out is twice as long. */
	world.leader.now_ns = deadline_ns;
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_int_equal(collect(&world.leader), 2);
	assert_int_equal(world.link.resent, 2);
	assert_int_equal(paxos_link_deadline_ns(&world.link),
	                 deadline_ns + 2 * world.leader.config.resend_ns);
}

static void test_what_three_later_ones_passed_is_lost(void **state)
{
	/* Of 1 to 4 the second, third and fourth were taken; then of those only two. */
	const struct paxos_msg three = {.number = 4, .mask = 3};
	const struct paxos_msg two = {.number = 3, .mask = 1};

	(void)state;
	world.leader.config.window = 4;
	for (unsigned i = 0; i < 10; i++) {
		append();
	}
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	paxos_link_acked(&world.leader, &world.link, &two);
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_int_equal(world.link.resent, 0);
	paxos_link_acked(&world.leader, &world.link, &three);
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	assert_int_equal(world.link.resent, 1);
}

static void test_what_the_log_has_forgotten_needs_a_snapshot(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		append();
	}
	paxos_log_reset(&world.leader.log, 20);
	assert_false(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	paxos_link_reset(&world.leader, &world.link, 20);
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
}

static void test_acknowledgement_of_another_stream_is_left(void **state)
{
	const struct paxos_msg never_sent = {.number = 1000, .mask = UINT64_MAX, .length = 5};

	(void)state;
	append();
	assert_true(paxos_link_send(&world.leader, &world.link, FOLLOWER));
	paxos_link_acked(&world.leader, &world.link, &never_sent);
	assert_int_equal(world.link.length, 0);
	assert_true(world.link.first != world.link.next_number);
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_every_entry_comes_through_a_bad_network),
		WITH_WORLD(test_window_closes_and_time_out_probes),
		WITH_WORLD(test_what_three_later_ones_passed_is_lost),
		WITH_WORLD(test_what_the_log_has_forgotten_needs_a_snapshot),
		WITH_WORLD(test_acknowledgement_of_another_stream_is_left),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
