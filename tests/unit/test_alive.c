/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a session is ended when it was silent for its time to live and the drift, never before,
 *         and in the first turn after; a new leadership counts afresh; what is gone costs nothing.
 * Method: a clock moved to each border by hand; a long random life beside a plain list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "consensus/alive.h"
#include "consensus/lease.h"
#include "store/base/hash.h"
#include "tests/unit/core_fixture.h"

#define MS ((uint64_t)1000000)

enum {
	TTL_MS = 5000,
	SESSIONS = 50,
};

static struct paxos_core core;
static struct paxos_alive alive;
static uint64_t limit_ns, last_id;

static uint64_t open_one(uint32_t ttl_ms)
{
	struct store_result result;

	last_id++;
	store_apply(core.store, last_id,
	            &(struct store_entry){
			    .kind = STORE_ENTRY_OPEN, .secret = last_id, .ttl_ms = ttl_ms},
	            &result);
	return result.answer == STORE_OK ? last_id : 0;
}

static void end_one(uint64_t id)
{
	const struct store_entry entry = {
		.kind = STORE_ENTRY_EXPIRE, .expired_count = 1, .expired = {id}};
	struct store_result result;

	store_apply(core.store, ++last_id, &entry, &result);
}

static int begin(void **state)
{
	(void)state;
	core_begin(&core);
	core.now_ns = 1000 * MS;
	last_id = 0;
	limit_ns = paxos_lease_with_drift(TTL_MS * MS, core.config.drift_ppm);
	for (uint64_t i = 1; i <= SESSIONS; i++) {
		assert_int_equal(open_one(TTL_MS), i);
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

static void touch(uint64_t id)
{
	paxos_alive_touch(&core, &alive, store_session(core.store, id));
}

/* One turn. Returns how many are to end. */
static unsigned turn(void)
{
	struct store_entry entry;
	const bool any = paxos_alive_turn(&core, &alive, &entry);

	assert_int_equal(entry.kind, STORE_ENTRY_EXPIRE);
	assert_int_equal(any, entry.expired_count != 0);
	return entry.expired_count;
}

static void test_silence_ends_at_its_border(void **state)
{
	(void)state;
	assert_true(paxos_alive_deadline_ns(&alive) == 0); /* it knows no session yet */
	assert_int_equal(turn(), 0);
	assert_true(paxos_alive_deadline_ns(&alive) == core.now_ns + limit_ns);
	core.now_ns += limit_ns - 1;
	assert_int_equal(turn(), 0);
	core.now_ns++;
	assert_int_equal(turn(), SESSIONS);
	assert_true(paxos_alive_is_expiring(&alive, 1));
	assert_true(alive.late_ns == 0);
	/* Proposed once. */
	assert_int_equal(turn(), 0);
	assert_true(paxos_alive_deadline_ns(&alive) == UINT64_MAX);
}

static void test_who_is_heard_lives_on(void **state)
{
	(void)state;
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns / 2;
	touch(7);
	assert_int_equal(paxos_alive_left_ms(&core, &alive, store_session(core.store, 7)), TTL_MS);
	assert_int_equal(paxos_alive_left_ms(&core, &alive, store_session(core.store, 8)),
	                 TTL_MS - limit_ns / 2 / MS);
	core.now_ns += limit_ns - limit_ns / 2 + 3;
	assert_int_equal(turn(), SESSIONS - 1);
	assert_true(alive.late_ns == 3);
	assert_false(paxos_alive_is_expiring(&alive, 7));
	assert_true(paxos_alive_deadline_ns(&alive) == core.now_ns - 3 + limit_ns / 2);
	core.now_ns += limit_ns / 2;
	assert_int_equal(turn(), 1);
	assert_true(paxos_alive_is_expiring(&alive, 7));
	assert_int_equal(paxos_alive_left_ms(&core, &alive, store_session(core.store, 7)), 0);
}

static void test_new_leadership_counts_afresh(void **state)
{
	(void)state;
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns;
	assert_int_equal(turn(), SESSIONS);
	paxos_alive_reset(&alive);
	assert_false(paxos_alive_is_expiring(&alive, 1));
	touch(3); /* while the grants to the one before may run: it may be told so, too */
	core.now_ns += 100 * MS;
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns - 1;
	assert_int_equal(turn(), 0);
	core.now_ns++;
	assert_int_equal(turn(), SESSIONS);
	assert_true(paxos_alive_is_expiring(&alive, 3));
}

static void test_who_comes_later_is_known_at_once(void **state)
{
	uint64_t id;

	(void)state;
	assert_int_equal(turn(), 0);
	id = open_one(10);
	touch(id);
	assert_true(paxos_alive_deadline_ns(&alive) ==
	            core.now_ns + paxos_lease_with_drift(10 * MS, core.config.drift_ppm));
	end_one(id);
	paxos_alive_forget(&alive, id);
	assert_true(paxos_alive_deadline_ns(&alive) == core.now_ns + limit_ns);
	paxos_alive_forget(&alive, id); /* twice is no harm */
	id = open_one(10);
	touch(id);
	end_one(id); /* and nobody told */
	core.now_ns += 20 * MS;
	assert_int_equal(turn(), 0);
	assert_int_equal(alive.count, SESSIONS);
}

static void test_what_cannot_be_proposed_waits(void **state)
{
	(void)state;
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns;
	paxos_alive_wait(&core, &alive);
	assert_true(paxos_alive_deadline_ns(&alive) == core.now_ns + PAXOS_ALIVE_RETRY_NS);
	assert_int_equal(turn(), 0);
	core.now_ns += PAXOS_ALIVE_RETRY_NS;
	assert_int_equal(turn(), SESSIONS);
	assert_true(alive.late_ns == PAXOS_ALIVE_RETRY_NS);
}

static void test_after_a_sleep_what_waits_is_heard_first(void **state)
{
	const uint64_t most_ns = core.config.suspicion_ns / 2;

	(void)state;
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns;
	paxos_alive_gap(&alive, PAXOS_ALIVE_GAP_NS); /* the usual */
	paxos_alive_gap(&alive, most_ns + 1);
	assert_int_equal(turn(), 0);
	assert_true(paxos_alive_deadline_ns(&alive) == core.now_ns + most_ns);
	core.now_ns += most_ns - 1;
	touch(9);
	paxos_alive_gap(&alive, most_ns + 1); /* the same sleep, told again */
	assert_int_equal(turn(), 0);
	core.now_ns++;
	assert_int_equal(turn(), SESSIONS - 1);
}

/* As late as it can be: due right after it fell asleep, and then what came meanwhile is heard. */
static void test_it_is_late_by_twice_a_sleep_at_most(void **state)
{
	const uint64_t most_ns = core.config.suspicion_ns / 2;
	const uint64_t slept_ns[] = {PAXOS_ALIVE_GAP_NS + 1, most_ns / 2, most_ns, 5 * most_ns};
	const uint64_t heard_ns = core.now_ns;

	(void)state;
	for (unsigned i = 0; i < sizeof(slept_ns) / sizeof(slept_ns[0]); i++) {
		const uint64_t hold_ns = slept_ns[i] < most_ns ? slept_ns[i] : most_ns;

		paxos_alive_reset(&alive);
		alive.late_ns = 0;
		core.now_ns = heard_ns;
		while (!alive.is_filled) {
			assert_int_equal(turn(), 0);
		}
		core.now_ns += limit_ns - 1;
		paxos_alive_gap(&alive, 0);
		assert_int_equal(turn(), 0);
		core.now_ns += slept_ns[i];
		paxos_alive_gap(&alive, slept_ns[i]);
		assert_int_equal(turn(), 0);
		core.now_ns = paxos_alive_deadline_ns(&alive);
		assert_int_equal(turn(), SESSIONS);
		assert_true(alive.late_ns == slept_ns[i] - 1 + hold_ns);
		assert_true(alive.late_ns < 2 * slept_ns[i]);
	}
}

static void own_files(uint64_t id, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char path[32];
		struct store_result result;
		struct store_entry entry = {
			.kind = STORE_ENTRY_OP,
			.session = id,
			.number = i + 1,
			.first_unanswered = i + 1,
			.op = {.verb = STORE_VERB_SET,
		               .condition = STORE_IF_EQUAL,
		               .rev = STORE_REV_ANY,
		               .flags = STORE_OP_EPHEMERAL},
		};

		(void)snprintf(path, sizeof(path), "/%u/%u", (unsigned)id, i);
		entry.op.path = slice_text(path);
		store_apply(core.store, ++last_id, &entry, &result);
		assert_int_equal(result.answer, STORE_OK);
	}
}

static void test_one_entry_removes_so_many_files(void **state)
{
	(void)state;
	own_files(1, STORE_OWNED_MAX);
	own_files(2, STORE_OWNED_MAX);
	own_files(3, 10);
	assert_int_equal(turn(), 0);
	core.now_ns += limit_ns;
	for (unsigned named = 0, turns = 0; named < SESSIONS; turns++) {
		struct store_entry entry;
		uint64_t files = 0;

		assert_in_range(turns, 0, 3);
		assert_true(paxos_alive_deadline_ns(&alive) <= core.now_ns);
		assert_true(paxos_alive_turn(&core, &alive, &entry));
		for (unsigned i = 0; i < entry.expired_count; i++) {
			files += store_session(core.store, entry.expired[i])->owned;
		}
		assert_in_range(files, 0, STORE_OWNED_MAX);
		named += entry.expired_count;
	}
	assert_true(paxos_alive_deadline_ns(&alive) == UINT64_MAX);
}

/* --- a long life --------------------------------------------------------------------------- */

enum {
	LIVES = 64, /* sessions_max of the fixture */
	STEPS = 200000,
};

struct life {
	uint64_t id, due_ns;
	uint32_t ttl_ms;
	bool is_expiring;
};

static struct life lives[LIVES];
static unsigned lives_count;

static struct life *life_of(uint64_t id)
{
	for (unsigned i = 0; i < lives_count; i++) {
		if (lives[i].id == id) {
			return &lives[i];
		}
	}
	return NULL;
}

static void life_heard(struct life *life)
{
	touch(life->id);
	life->due_ns =
		core.now_ns + paxos_lease_with_drift(life->ttl_ms * MS, core.config.drift_ppm);
}

static void life_ends(struct life *life)
{
	end_one(life->id);
	paxos_alive_forget(&alive, life->id);
	*life = lives[--lives_count];
}

/* Who is named is over, and nobody else is. Some entries are decided at once, some later. */
static void life_turn(struct prng *prng)
{
	struct store_entry entry;

	(void)paxos_alive_turn(&core, &alive, &entry);
	for (unsigned i = 0; i < entry.expired_count; i++) {
		struct life *life = life_of(entry.expired[i]);

		assert_non_null(life);
		assert_true(core.now_ns >= life->due_ns);
		assert_false(life->is_expiring);
		life->is_expiring = true;
		if (prng_chance(prng, 1, 2)) {
			life_ends(life);
		}
	}
	for (unsigned i = 0; i < lives_count; i++) {
		assert_int_equal(lives[i].is_expiring, core.now_ns >= lives[i].due_ns);
		assert_int_equal(lives[i].is_expiring,
		                 paxos_alive_is_expiring(&alive, lives[i].id));
	}
}

static void test_a_long_life_beside_a_plain_list(void **state)
{
	struct prng prng;
	unsigned ended = 0, most = 0;

	(void)state;
	prng_init(&prng, 7);
	for (uint64_t id = 1; id <= SESSIONS; id++) {
		end_one(id);
	}
	lives_count = 0;
	assert_int_equal(turn(), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		struct life *life =
			lives_count == 0 ? NULL : &lives[prng_below(&prng, lives_count)];

		core.now_ns += prng_below(&prng, MS);
		if (lives_count < LIVES && prng_chance(&prng, 1, 8)) {
			life = &lives[lives_count++];
			*life = (struct life){.ttl_ms = 1 + (uint32_t)prng_below(&prng, 100)};
			life->id = open_one(life->ttl_ms);
			assert_true(life->id != 0);
			life_heard(life);
		} else if (life != NULL && (life->is_expiring || prng_chance(&prng, 1, 100))) {
			life_ends(life);
			ended++;
		} else if (life != NULL) {
			life_heard(life);
		}
		life_turn(&prng);
		most = lives_count > most ? lives_count : most;
	}
	assert_true(ended > 1000);
	assert_true(most > LIVES / 2);
	assert_true(alive.late_ns < MS);
}

/* --- the table ----------------------------------------------------------------------------- */

enum {
	CROWD = 48,
	TABLE_SIZE = 2 * STORE_SESSIONS_MAX,
};

/* Ids whose places in the table are next to each other, around its end. */
static void find_crowd(struct store_session crowd[CROWD])
{
	uint64_t id = 0;

	for (unsigned i = 0; i < CROWD; i++) {
		do {
			id++;
		} while (((hash_pair(id, 0) + 4) & (TABLE_SIZE - 1)) >= 8);
		crowd[i] = (struct store_session){.id = id, .ttl_ms = 1000 * 1000};
	}
}

static void test_crowded_places_are_told_apart(void **state)
{
	struct store_session crowd[CROWD];
	uint64_t heard_ns[CROWD] = {0}; /* 0: it has no node */
	struct prng prng;

	(void)state;
	prng_init(&prng, 11);
	find_crowd(crowd);
	for (unsigned step = 0; step < 20000; step++) {
		const unsigned one = (unsigned)prng_below(&prng, CROWD);

		core.now_ns += MS;
		if (prng_chance(&prng, 1, 2)) {
			paxos_alive_touch(&core, &alive, &crowd[one]);
			heard_ns[one] = core.now_ns;
		} else {
			paxos_alive_forget(&alive, crowd[one].id);
			heard_ns[one] = 0;
		}
		if (step % 1000 == 999) {
			paxos_alive_reset(&alive);
			memset(heard_ns, 0, sizeof(heard_ns));
		}
		for (unsigned i = 0; i < CROWD; i++) {
			const uint64_t past_ms =
				heard_ns[i] == 0 ? 0 : (core.now_ns - heard_ns[i]) / MS;

			assert_int_equal(paxos_alive_left_ms(&core, &alive, &crowd[i]),
			                 crowd[i].ttl_ms - past_ms);
		}
	}
}

static void test_what_is_gone_makes_room(void **state)
{
	struct store_session session = {.id = 1000, .ttl_ms = 24 * 3600 * 1000};

	(void)state;
	assert_int_equal(turn(), 0);
	for (; alive.count < STORE_SESSIONS_MAX; session.id++) {
		paxos_alive_touch(&core, &alive, &session); /* the store does not know it */
	}
	session.id = open_one(10);
	touch(session.id);
	assert_int_equal(alive.count, STORE_SESSIONS_MAX);
	core.now_ns += 11 * MS;
	assert_int_equal(turn(), 1);
	assert_true(paxos_alive_is_expiring(&alive, session.id));
	core.now_ns += limit_ns;
	assert_int_equal(turn(), SESSIONS);
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CORE(test_silence_ends_at_its_border),
		WITH_CORE(test_who_is_heard_lives_on),
		WITH_CORE(test_new_leadership_counts_afresh),
		WITH_CORE(test_who_comes_later_is_known_at_once),
		WITH_CORE(test_what_cannot_be_proposed_waits),
		WITH_CORE(test_after_a_sleep_what_waits_is_heard_first),
		WITH_CORE(test_it_is_late_by_twice_a_sleep_at_most),
		WITH_CORE(test_one_entry_removes_so_many_files),
		WITH_CORE(test_a_long_life_beside_a_plain_list),
		WITH_CORE(test_crowded_places_are_told_apart),
		WITH_CORE(test_what_is_gone_makes_room),
	};

	return cmocka_run_group_tests(tests, core_register, core_unregister);
}
