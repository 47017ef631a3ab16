/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_lock.c - who holds a lock, who waits, who is next
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "store/claim.h"
#include "store/lock.h"
#include "store/txn.h"
#include "tests/unit/store_fixture.h"

enum {
	CLIENTS = 6,
};

struct world {
	struct fixture fixture;
	uint64_t sessions[CLIENTS], numbers[CLIENTS];
	uint64_t time_ns;
};

static void begin(struct world *world)
{
	*world = (struct world){0};
	fixture_begin(&world->fixture);
	for (unsigned i = 0; i < CLIENTS; i++) {
		world->sessions[i] = fixture_open(&world->fixture, 100 + i).session;
	}
}

static void end(struct world *world)
{
	fixture_end(&world->fixture);
}

static struct store_result ask(struct world *world, unsigned client, struct store_op op)
{
	const uint64_t number = ++world->numbers[client];

	return fixture_request(&world->fixture, world->sessions[client], number, number, op);
}

static struct store_op lock_op(const char *name, uint32_t limit)
{
	return (struct store_op){.verb = STORE_VERB_LOCK, .path = slice_text(name), .limit = limit};
}

static struct store_result lock(struct world *world, unsigned client, const char *name)
{
	return ask(world, client, lock_op(name, 1));
}

static struct store_result unlock(struct world *world, unsigned client, const char *name)
{
	return ask(world, client,
	           (struct store_op){.verb = STORE_VERB_UNLOCK, .path = slice_text(name)});
}

static void expire(struct world *world, unsigned client)
{
	world->time_ns += 1000000000;
	(void)fixture_apply(&world->fixture,
	                    &(struct store_entry){.kind = STORE_ENTRY_EXPIRE,
	                                          .time_ns = world->time_ns,
	                                          .expired_count = 1,
	                                          .expired = {world->sessions[client]}});
}

static store_rev_t now(const struct world *world)
{
	return world->fixture.store->state.revision;
}

/* Who holds the lock under this token; CLIENTS: nobody. */
static unsigned holder(struct world *world, const char *name, store_rev_t token)
{
	const struct store_claim_path path = store_claim_holder(slice_text(name), token);
	struct store_claim claim;
	struct store_file file;

	if (store_get(fixture_root(&world->fixture), store_claim_slice(&path), &file) != STORE_OK) {
		return CLIENTS;
	}
	assert_true(store_claim_read(file.value, &claim));
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (file.owner == world->sessions[i]) {
			assert_true(claim.session == world->sessions[i]);
			return i;
		}
	}
	assert_true(file.owner == STORE_OWNER_DELAYED);
	return CLIENTS;
}

static bool is_held(struct world *world, const char *name, store_rev_t token)
{
	return store_lock_is_held(world->fixture.store, slice_text(name), token);
}

static void test_free_lock_is_granted_at_once(void **state)
{
	struct store_result result;
	struct world world;

	(void)state;
	begin(&world);
	result = lock(&world, 0, "/db");
	assert_int_equal(result.answer, STORE_OK);
	assert_int_equal(result.flags, 0);
	assert_true(result.number == result.revision && result.first == result.revision);
	assert_int_equal(holder(&world, "/db", result.number), 0);
	assert_true(is_held(&world, "/db", result.number));
	assert_false(is_held(&world, "/db", result.number + 1));
	assert_false(is_held(&world, "/db2", result.number));
	assert_int_equal(unlock(&world, 0, "/db").answer, STORE_OK);
	assert_false(is_held(&world, "/db", result.number));
	assert_int_equal(unlock(&world, 0, "/db").answer, STORE_NOT_HELD);
	assert_true(lock(&world, 1, "/db").number > result.number);
	end(&world);
}

static void test_queue_is_served_in_the_order_of_commits(void **state)
{
	struct store_result first, result;
	const struct store_event *event;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	for (unsigned i = 1; i < CLIENTS; i++) {
		result = lock(&world, i, "/db");
		assert_int_equal(result.answer, STORE_OK);
		assert_int_equal(result.flags, STORE_RESULT_QUEUED);
		assert_true(result.number == now(&world));
	}
	for (unsigned i = 1; i < CLIENTS; i++) {
		assert_int_equal(unlock(&world, i - 1, "/db").answer, STORE_OK);
		/* Released, granted, and the waiter's file went: in one entry. */
		assert_int_equal(holder(&world, "/db", now(&world) - 1), i);
		assert_int_equal(store_event(world.fixture.store, now(&world), &event), STORE_OK);
		assert_int_equal(event->kind, STORE_EVENT_DELETE);
		assert_int_equal(event->cause, STORE_CAUSE_GRANTED);
		assert_true(event->first == now(&world) - 2 && event->last == now(&world));
		assert_true(now(&world) - 1 > first.number);
	}
	end(&world);
}

static void test_higher_priority_is_served_first(void **state)
{
	struct store_op op = lock_op("/db", 1);
	struct world world;

	(void)state;
	begin(&world);
	(void)lock(&world, 0, "/db");
	(void)lock(&world, 1, "/db");
	op.priority = 1;
	(void)ask(&world, 2, op);
	op.priority = 255;
	(void)ask(&world, 3, op);
	for (unsigned i = 0; i < 3; i++) {
		static const unsigned order[] = {0, 3, 2, 1};

		(void)unlock(&world, order[i], "/db");
		assert_int_equal(holder(&world, "/db", now(&world) - 1), order[i + 1]);
	}
	end(&world);
}

static void test_shared_holders_and_permits(void **state)
{
	struct store_result result;
	struct world world;

	(void)state;
	begin(&world);
	assert_int_equal(ask(&world, 0, lock_op("/s", 0)).flags, 0);
	assert_int_equal(ask(&world, 1, lock_op("/s", 0)).flags, 0);
	assert_int_equal(ask(&world, 2, lock_op("/s", 1)).flags, STORE_RESULT_QUEUED);
	/* Fair: who comes later waits behind, though it could stand beside the holders. */
	assert_int_equal(ask(&world, 3, lock_op("/s", 0)).flags, STORE_RESULT_QUEUED);
	assert_int_equal(ask(&world, 4, lock_op("/s", 0)).flags, STORE_RESULT_QUEUED);
	(void)unlock(&world, 0, "/s");
	(void)unlock(&world, 1, "/s");
	assert_int_equal(holder(&world, "/s", now(&world) - 1), 2);
	(void)unlock(&world, 2, "/s");
	assert_int_equal(holder(&world, "/s", now(&world) - 3), 3);
	assert_int_equal(holder(&world, "/s", now(&world) - 1), 4);

	for (unsigned i = 0; i < 3; i++) {
		result = ask(&world, i, lock_op("/p", 2));
		assert_int_equal(result.flags, i < 2 ? 0 : STORE_RESULT_QUEUED);
	}
	/* The lowest limit counts: one alone is not beside two. */
	(void)unlock(&world, 0, "/p");
	assert_int_equal(holder(&world, "/p", now(&world) - 1), 2);
	assert_int_equal(ask(&world, 3, lock_op("/p", 1)).flags, STORE_RESULT_QUEUED);
	assert_int_equal(ask(&world, 4, lock_op("/p", 9)).flags, STORE_RESULT_QUEUED);
	(void)unlock(&world, 1, "/p");
	(void)unlock(&world, 2, "/p");
	assert_int_equal(holder(&world, "/p", now(&world) - 1), 3);
	assert_int_equal(ask(&world, 5, lock_op("/p", STORE_PERMITS_MAX + 1)).answer,
	                 STORE_TOO_LARGE);
	end(&world);
}

static void test_lowest_limit_counts_whoever_holds_it(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	(void)ask(&world, 0, lock_op("/p", 2));
	assert_int_equal(ask(&world, 1, lock_op("/p", 3)).flags, 0);
	assert_int_equal(ask(&world, 2, lock_op("/p", 3)).flags, STORE_RESULT_QUEUED);
	(void)unlock(&world, 0, "/p");
	assert_int_equal(holder(&world, "/p", now(&world) - 1), 2);
	end(&world);
}

static void test_nobody_ends_what_rests_but_its_time(void **state)
{
	struct store_op op = lock_op("/db", 1);
	struct slice path;
	struct world world;
	uint64_t until_ns;

	(void)state;
	begin(&world);
	op.delay_ms = 5000;
	(void)ask(&world, 0, op);
	expire(&world, 0);
	world.sessions[0] = STORE_OWNER_DELAYED;
	expire(&world, 0);
	assert_true(store_delayed_next(world.fixture.store, slice_text(""), &path, &until_ns));
	end(&world);
}

static void test_head_of_the_queue_goes_and_those_behind_it_can_have_it(void **state)
{
	struct world world;

	(void)state;
	begin(&world);
	(void)ask(&world, 0, lock_op("/s", 0));
	(void)ask(&world, 1, lock_op("/s", 1));
	(void)ask(&world, 2, lock_op("/s", 0));
	expire(&world, 1);
	assert_int_equal(holder(&world, "/s", now(&world) - 1), 2);
	end(&world);
}

static void test_lock_is_reentrant(void **state)
{
	struct store_result first, again;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	again = lock(&world, 0, "/db");
	assert_int_equal(again.answer, STORE_OK);
	assert_true(again.number == first.number);
	assert_int_equal(ask(&world, 0, lock_op("/db", 2)).answer, STORE_MISMATCH);
	assert_int_equal(unlock(&world, 0, "/db").answer, STORE_OK);
	assert_true(is_held(&world, "/db", first.number));
	(void)lock(&world, 0, "/db");
	assert_int_equal(ask(&world, 0,
	                     (struct store_op){.verb = STORE_VERB_UNLOCK,
	                                       .flags = STORE_OP_ALL,
	                                       .path = slice_text("/db")})
	                         .answer,
	                 STORE_OK);
	assert_false(is_held(&world, "/db", first.number));
	/* To wait twice is to wait once. */
	(void)lock(&world, 1, "/db");
	first = lock(&world, 2, "/db");
	again = lock(&world, 2, "/db");
	assert_int_equal(again.flags, STORE_RESULT_QUEUED);
	assert_true(again.number == first.number && again.first == 0);
	/* Who waits can leave. */
	assert_int_equal(unlock(&world, 2, "/db").flags, STORE_RESULT_QUEUED);
	(void)unlock(&world, 1, "/db");
	assert_int_equal(store_session(world.fixture.store, world.sessions[2])->owned, 0);
	end(&world);
}

static void test_trying_does_not_wait(void **state)
{
	struct store_op op = lock_op("/db", 1);
	struct store_result first, result;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	op.flags = STORE_OP_TRY;
	result = ask(&world, 1, op);
	assert_int_equal(result.answer, STORE_LOCKED);
	assert_true(result.revision == first.number);
	assert_true(now(&world) == first.number);
	(void)unlock(&world, 0, "/db");
	assert_int_equal(ask(&world, 1, op).answer, STORE_OK);
	end(&world);
}

static void test_holder_dies(void **state)
{
	struct store_op op = lock_op("/db", 1);
	const struct store_event *event;
	struct store_result first;
	struct slice path;
	struct world world;
	uint64_t until_ns;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/quick");
	(void)lock(&world, 1, "/quick");
	op.delay_ms = 5000;
	first = ask(&world, 0, op);
	(void)lock(&world, 1, "/db");
	assert_false(store_delayed_next(world.fixture.store, slice_text(""), &path, &until_ns));
	expire(&world, 0);
	assert_null(store_session(world.fixture.store, world.sessions[0]));
	/* Without a delay the next has it at once, with one nobody. */
	assert_int_equal(holder(&world, "/quick", now(&world) - 1), 1);
	assert_false(is_held(&world, "/db", first.number));
	assert_true(store_delayed_next(world.fixture.store, slice_text(""), &path, &until_ns));
	assert_true(until_ns == world.time_ns + 5000000000);
	assert_false(store_delayed_next(world.fixture.store, path, &path, &until_ns));
	for (unsigned late = 0; late < 2; late++) {
		(void)fixture_apply(&world.fixture,
		                    &(struct store_entry){.kind = STORE_ENTRY_UNDELAY,
		                                          .time_ns = until_ns - 1 + late,
		                                          .op.path = path});
		assert_int_equal(holder(&world, "/db", now(&world) - 1), late == 0 ? CLIENTS : 1);
	}
	assert_int_equal(store_event(world.fixture.store, now(&world) - 2, &event), STORE_OK);
	store_publish(world.fixture.store);
	assert_int_equal(store_event(world.fixture.store, now(&world) - 2, &event), STORE_OK);
	assert_int_equal(event->cause, STORE_CAUSE_RESTED);
	end(&world);
}

static void test_who_closes_or_is_granted_while_dying_leaves_no_delay(void **state)
{
	struct store_op op = lock_op("/db", 1);
	struct slice path;
	struct world world;
	uint64_t until_ns;

	(void)state;
	begin(&world);
	op.delay_ms = 5000;
	(void)ask(&world, 0, op);
	(void)ask(&world, 1, op);
	(void)ask(&world, 2, op);
	(void)fixture_apply(&world.fixture,
	                    &(struct store_entry){.kind = STORE_ENTRY_CLOSE,
	                                          .session = world.sessions[0],
	                                          .number = ++world.numbers[0],
	                                          .first_unanswered = world.numbers[0]});
	assert_int_equal(holder(&world, "/db", now(&world) - 1), 1);
	(void)unlock(&world, 1, "/db");
	(void)ask(&world, 3, op);
	(void)fixture_apply(&world.fixture,
	                    &(struct store_entry){
				    .kind = STORE_ENTRY_EXPIRE,
				    .expired_count = 2,
				    .expired = {world.sessions[3], world.sessions[2]},
			    });
	/* One that held it when they died, so it rests. */
	assert_true(store_delayed_next(world.fixture.store, slice_text(""), &path, &until_ns));
	assert_int_equal(store_session_count(world.fixture.store), 1 + 3);
	end(&world);
}

static void test_operator_breaks_a_lock(void **state)
{
	struct store_op op = {.verb = STORE_VERB_BREAK,
	                      .rev = STORE_REV_ANY,
	                      .path = slice_text("/db"),
	                      .value = slice_text("by hand")};
	struct store_claim_path record = store_claim_broken(slice_text("/db"));
	struct store_result first, result;
	struct store_file file;
	struct world world;

	(void)state;
	begin(&world);
	assert_int_equal(ask(&world, 5, op).answer, STORE_NOT_HELD);
	first = lock(&world, 0, "/db");
	(void)lock(&world, 1, "/db");
	op.rev = first.number + 1;
	assert_int_equal(ask(&world, 5, op).answer, STORE_NOT_HELD);
	op.rev = first.number;
	result = ask(&world, 5, op);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(result.number == first.number);
	assert_int_equal(holder(&world, "/db", now(&world) - 1), 1);
	assert_false(is_held(&world, "/db", first.number));
	assert_int_equal(store_get(fixture_root(&world.fixture), store_claim_slice(&record), &file),
	                 STORE_OK);
	assert_true(file.value.size > 7);
	assert_memory_equal(file.value.data + file.value.size - 7, "by hand", 7);
	end(&world);
}

static void test_operator_gives_a_lock_to_one_that_waits(void **state)
{
	struct store_op op = {
		.verb = STORE_VERB_BREAK, .rev = STORE_REV_ANY, .path = slice_text("/db")};
	struct store_result first, result;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	(void)lock(&world, 1, "/db");
	op.number = (int64_t)world.sessions[2];
	assert_int_equal(ask(&world, 5, op).answer, STORE_NOT_FOUND);
	assert_true(is_held(&world, "/db", first.number));
	(void)lock(&world, 2, "/db");
	result = ask(&world, 5, op);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(result.number == first.number);
	assert_int_equal(result.first, now(&world) - 3); /* gone, the record, the heir's two */
	assert_int_equal(holder(&world, "/db", now(&world) - 1), 2);
	end(&world);
}

static void test_operator_ends_a_session(void **state)
{
	struct store_op kill = {.verb = STORE_VERB_KILL};
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	(void)lock(&world, 1, "/db");
	kill.number = (int64_t)world.sessions[0];
	assert_int_equal(ask(&world, 5, kill).answer, STORE_OK);
	assert_int_equal(holder(&world, "/db", now(&world) - 1), 1);
	assert_false(is_held(&world, "/db", first.number));
	assert_int_equal(ask(&world, 5, kill).answer, STORE_NOT_FOUND);
	kill.number = (int64_t)world.sessions[5];
	assert_int_equal(ask(&world, 5, kill).answer, STORE_OK);
	assert_int_equal(ask(&world, 5, kill).answer, STORE_NO_SESSION);
	end(&world);
}

static void own_files(struct world *world, unsigned client, unsigned count)
{
	char path[32];

	for (unsigned i = 0; i < count; i++) {
		const size_t size = (size_t)snprintf(path, sizeof(path), "/%u/%u", client, i);

		assert_int_equal(ask(world, client,
		                     (struct store_op){.verb = STORE_VERB_SET,
		                                       .condition = STORE_IF_EQUAL,
		                                       .rev = STORE_REV_ANY,
		                                       .flags = STORE_OP_EPHEMERAL,
		                                       .path = slice_make(path, size)})
		                         .answer,
		                 STORE_OK);
	}
}

/* A list that ends these clients' sessions, in order. */
static struct store_result kill_all(struct world *world, const unsigned *clients, unsigned count)
{
	uint8_t memory[1024];
	struct store_txn_writer writer;
	struct store_entry entry = {.kind = STORE_ENTRY_TXN, .session = world->sessions[5]};

	store_txn_begin(&writer, memory, sizeof(memory));
	for (unsigned i = 0; i < count; i++) {
		const struct store_op op = {.verb = STORE_VERB_KILL,
		                            .condition = STORE_IF_EQUAL,
		                            .rev = STORE_REV_ANY,
		                            .number = (int64_t)world->sessions[clients[i]]};

		store_txn_then(&writer, &op);
	}
	entry.txn = store_txn_end(&writer);
	entry.number = entry.first_unanswered = ++world->numbers[5];
	return fixture_apply(&world->fixture, &entry);
}

/* Else one entry could be 128 sessions of 1,024 files, and nobody else's write would move. */
static void test_list_ends_sessions_with_so_many_files_in_all(void **state)
{
	struct store_result result;
	struct world world;
	store_rev_t before;

	(void)state;
	begin(&world);
	own_files(&world, 0, STORE_OWNED_MAX);
	own_files(&world, 1, STORE_KILLED_MAX / 2);
	own_files(&world, 2, STORE_KILLED_MAX / 2);
	own_files(&world, 3, 1);
	before = now(&world);

	result = kill_all(&world, (const unsigned[]){1, 2, 3}, 3);
	assert_int_equal(result.answer, STORE_TOO_LARGE);
	assert_int_equal(result.op, 2);
	assert_true(now(&world) == before);
	result = kill_all(&world, (const unsigned[]){3, 0}, 2);
	assert_int_equal(result.answer, STORE_TOO_LARGE);
	assert_int_equal(result.op, 1);

	/* Just so many, and who has none; then one that has as many as it may. */
	result = kill_all(&world, (const unsigned[]){4, 1, 2}, 3);
	assert_int_equal(result.answer, STORE_OK);
	assert_true(now(&world) == before + STORE_KILLED_MAX);
	assert_int_equal(kill_all(&world, (const unsigned[]){0}, 1).answer, STORE_OK);
	assert_true(now(&world) == before + STORE_KILLED_MAX + STORE_OWNED_MAX);
	end(&world);
}

static void test_holder_hands_over_to_whom_it_names(void **state)
{
	struct store_op op = {.verb = STORE_VERB_UNLOCK, .path = slice_text("/db")};
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	(void)lock(&world, 1, "/db");
	(void)lock(&world, 2, "/db");
	op.number = (int64_t)world.sessions[4];
	assert_int_equal(ask(&world, 0, op).answer, STORE_NOT_FOUND);
	assert_true(is_held(&world, "/db", first.number));
	assert_int_equal(ask(&world, 1, op).answer, STORE_NOT_HELD);
	op.number = (int64_t)world.sessions[2];
	assert_int_equal(ask(&world, 0, op).answer, STORE_OK);
	assert_int_equal(holder(&world, "/db", now(&world) - 1), 2);
	end(&world);
}

/* What the holder under this token says of itself. */
static void assert_says(struct world *world, struct slice name, store_rev_t token,
                        struct slice data)
{
	const struct store_claim_path path = store_claim_holder(name, token);
	struct store_claim claim;
	struct store_file file;

	assert_int_equal(store_get(fixture_root(&world->fixture), store_claim_slice(&path), &file),
	                 STORE_OK);
	assert_true(store_claim_read(file.value, &claim));
	assert_true(slice_equal(claim.data, data));
}

static void test_holder_says_something_new(void **state)
{
	struct store_op op = {.verb = STORE_VERB_PROCLAIM,
	                      .rev = STORE_REV_ANY,
	                      .path = slice_text("/db"),
	                      .value = slice_text("here")};
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	assert_int_equal(ask(&world, 0, op).answer, STORE_NOT_HELD);
	first = lock(&world, 0, "/db");
	assert_true(ask(&world, 0, op).number == first.number);
	assert_says(&world, op.path, first.number, op.value);
	end(&world);
}

/* The token is all that one needs to speak for its holder. */
static void test_who_knows_the_token_says_something_new(void **state)
{
	struct store_op op = {.verb = STORE_VERB_PROCLAIM,
	                      .path = slice_text("/db"),
	                      .value = slice_text("there")};
	struct store_op take = lock_op("/db", 1);
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	take.delay_ms = 1000;
	first = ask(&world, 0, take);
	(void)lock(&world, 1, "/db");
	op.rev = first.number + 1;
	assert_int_equal(ask(&world, 2, op).answer, STORE_NOT_HELD);
	assert_int_equal(ask(&world, 1, op).answer, STORE_NOT_HELD); /* it waits */
	op.rev = first.number;
	first = ask(&world, 2, op);
	assert_int_equal(first.answer, STORE_OK);
	assert_true(first.number == op.rev && first.flags == 0);
	assert_int_equal(holder(&world, "/db", op.rev), 0);
	assert_says(&world, op.path, op.rev, op.value);
	expire(&world, 0);
	assert_int_equal(ask(&world, 2, op).answer, STORE_NOT_HELD); /* it rests */
	end(&world);
}

static void test_nobody_else_changes_what_locks_keep(void **state)
{
	struct store_claim_path path;
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	first = lock(&world, 0, "/db");
	path = store_claim_holder(slice_text("/db"), first.number);
	for (unsigned verb = STORE_VERB_SET; verb <= STORE_VERB_ADD; verb++) {
		const struct store_op op = {.verb = (enum store_verb)verb,
		                            .condition = STORE_IF_EQUAL,
		                            .rev = STORE_REV_ANY,
		                            .path = store_claim_slice(&path)};

		if (verb != STORE_VERB_FULL) {
			assert_int_equal(ask(&world, 0, op).answer, STORE_GUARDED);
		}
	}
	assert_int_equal(fixture_set(&world.fixture, "/ctl/lock", "x").answer, STORE_GUARDED);
	assert_true(is_held(&world, "/db", first.number));
	/* Nor does a file in their way stop anything. */
	(void)unlock(&world, 0, "/db");
	assert_int_equal(fixture_set(&world.fixture, "/ctl", "x").answer, STORE_OK);
	assert_int_equal(lock(&world, 0, "/db").answer, STORE_NOT_DIRECTORY);
	assert_int_equal(lock(&world, 0, "/.db").answer, STORE_BAD_PATH);
	end(&world);
}

static void test_limits_are_told(void **state)
{
	static char data[STORE_LOCK_DATA_MAX + 1];
	struct store_op op = lock_op("/db", 1);
	struct world world;
	char name[32];

	(void)state;
	begin(&world);
	op.value = slice_make(data, sizeof(data));
	assert_int_equal(ask(&world, 0, op).answer, STORE_TOO_LARGE);
	op.value.size--;
	assert_int_equal(ask(&world, 0, op).answer, STORE_OK);
	for (unsigned i = 1; i < STORE_OWNED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "/many/%u", i);
		assert_int_equal(lock(&world, 0, name).answer, STORE_OK);
	}
	assert_int_equal(lock(&world, 0, "/more").answer, STORE_SESSION_FULL);
	assert_int_equal(lock(&world, 0, "/db").answer, STORE_OK);
	expire(&world, 0);
	assert_true(now(&world) >= 2 * STORE_OWNED_MAX);
	assert_int_equal(world.fixture.store->state.file_count, 0);
	end(&world);
}

static void test_refounded_store_knows_no_holders_and_gives_higher_tokens(void **state)
{
	struct store_op op = lock_op("/db", 1);
	struct store_result first;
	struct world world;

	(void)state;
	begin(&world);
	op.delay_ms = 1000;
	(void)ask(&world, 0, op);
	(void)lock(&world, 1, "/other");
	(void)lock(&world, 2, "/other");
	expire(&world, 0);
	first = lock(&world, 3, "/third");
	store_refound(world.fixture.store, 1000);
	assert_int_equal(world.fixture.store->state.file_count, 0);
	assert_null(world.fixture.store->state.owned);
	world.sessions[0] = fixture_open(&world.fixture, 7).session;
	world.numbers[0] = 0;
	assert_true(lock(&world, 0, "/db").number > first.number + 1000);
	end(&world);
}

/* --- very many -------------------------------------------------------------------------------- */

enum {
	WAITERS = 3 * STORE_GRANTS_MAX + 10,
	HALF = STORE_GRANTS_MAX / 2,
};

/* Granted by the last entry, one after the other: where the next was granted before. */
struct row {
	unsigned granted;
	store_rev_t ticket; /* of the last one */
	store_rev_t looked;
};

/* Looks at what the last entry changed; it granted so many, each in turn. */
static void check_granted(struct world *world, struct row *row, unsigned count)
{
	const struct store_event *event;
	enum store_claim_kind kind;
	store_rev_t number;
	struct slice name;

	store_publish(world->fixture.store);
	while (store_event(world->fixture.store, row->looked + 1, &event) == STORE_OK) {
		row->looked++;
		assert_true(store_claim_path_read(event->path, &name, &kind, &number));
		if (kind == STORE_CLAIM_WAITER && event->kind == STORE_EVENT_DELETE) {
			assert_true(number > row->ticket);
			row->ticket = number;
			row->granted++;
			count--;
		}
	}
	assert_int_equal(count, 0);
}

static bool go_on(struct world *world)
{
	struct store_entry entry = {.kind = STORE_ENTRY_UNDELAY};

	if (!store_passing_next(world->fixture.store, &entry.op.path)) {
		return false;
	}
	(void)fixture_apply(&world->fixture, &entry);
	return true;
}

/* One session with an exclusive lock, and very many others that would share it. */
static void begin_many(struct world *world, uint64_t *sessions, const char *name)
{
	*world = (struct world){0};
	fixture_begin_with(&world->fixture, &(struct store_config){.quota_bytes = 16 << 20,
	                                                           .sessions_max = WAITERS + 2,
	                                                           .events_max = 4096});
	world->sessions[0] = fixture_open(&world->fixture, 1).session;
	assert_int_equal(lock(world, 0, name).flags, 0);
	for (unsigned i = 0; i < WAITERS; i++) {
		sessions[i] = fixture_open(&world->fixture, 100 + i).session;
		assert_int_equal(
			fixture_request(&world->fixture, sessions[i], 1, 1, lock_op(name, 0)).flags,
			STORE_RESULT_QUEUED);
	}
}

static void test_very_many_are_granted_in_steps(void **state)
{
	static uint64_t sessions[WAITERS];
	struct row row = {0};
	struct store_file file;
	struct world world;
	unsigned steps = 0;

	(void)state;
	begin_many(&world, sessions, "/db");
	row.looked = now(&world);
	assert_false(go_on(&world));
	(void)unlock(&world, 0, "/db");
	check_granted(&world, &row, STORE_GRANTS_MAX);
	assert_int_equal(
		store_get(fixture_root(&world.fixture), slice_text("/ctl/lock/db/.passing"), &file),
		STORE_OK);
	assert_true(file.owner == STORE_OWNER_PASSING && file.value.size == 0);
	/* Who comes now waits behind them, and brings them on. */
	assert_int_equal(lock(&world, 0, "/db").flags, STORE_RESULT_QUEUED);
	check_granted(&world, &row, STORE_GRANTS_MAX);
	while (go_on(&world)) {
		steps++;
		check_granted(&world, &row,
		              steps == 1 ? STORE_GRANTS_MAX : WAITERS - 3 * STORE_GRANTS_MAX);
	}
	assert_int_equal(steps, 2);
	assert_int_equal(row.granted, WAITERS);
	assert_int_equal(
		store_get(fixture_root(&world.fixture), slice_text("/ctl/lock/db/.passing"), &file),
		STORE_NOT_FOUND);
	end(&world);
}

/* However many an entry has granted, each lock that is given back has its next holder. */
static void test_each_lock_has_its_next_holder_at_once(void **state)
{
	static uint64_t sessions[WAITERS];
	struct row row = {0};
	struct store_file file;
	struct world world;
	char name[16];

	(void)state;
	begin_many(&world, sessions, "/a");
	world.sessions[1] = sessions[0];
	world.numbers[1] = 1;
	for (unsigned i = 0; i < HALF; i++) {
		(void)snprintf(name, sizeof(name), "/b/%02u", i);
		assert_int_equal(lock(&world, 0, name).flags, 0);
		assert_int_equal(lock(&world, 1, name).flags, STORE_RESULT_QUEUED);
	}
	row.looked = now(&world);
	expire(&world, 0);
	check_granted(&world, &row, STORE_GRANTS_MAX + HALF);
	while (go_on(&world)) {
	}
	assert_int_equal(
		store_stat(fixture_root(&world.fixture), slice_text("/ctl/lock/a/.holder"), &file),
		STORE_OK);
	assert_int_equal(file.children, WAITERS);
	end(&world);
}

/* Whoever leaves meanwhile, .passing goes with the last who waits. */
static void test_passing_ends_where_nobody_waits(void **state)
{
	static uint64_t sessions[WAITERS];
	struct store_file file;
	struct world world;

	(void)state;
	begin_many(&world, sessions, "/db");
	(void)unlock(&world, 0, "/db");
	for (unsigned i = 0; i < WAITERS; i++) {
		world.sessions[1] = sessions[WAITERS - 1 - i];
		expire(&world, 1);
	}
	assert_false(go_on(&world));
	assert_int_equal(store_stat(fixture_root(&world.fixture), slice_text("/ctl"), &file),
	                 STORE_NOT_FOUND);
	end(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_lock_is_granted_at_once),
		cmocka_unit_test(test_queue_is_served_in_the_order_of_commits),
		cmocka_unit_test(test_higher_priority_is_served_first),
		cmocka_unit_test(test_shared_holders_and_permits),
		cmocka_unit_test(test_lowest_limit_counts_whoever_holds_it),
		cmocka_unit_test(test_nobody_ends_what_rests_but_its_time),
		cmocka_unit_test(test_head_of_the_queue_goes_and_those_behind_it_can_have_it),
		cmocka_unit_test(test_lock_is_reentrant),
		cmocka_unit_test(test_trying_does_not_wait),
		cmocka_unit_test(test_holder_dies),
		cmocka_unit_test(test_who_closes_or_is_granted_while_dying_leaves_no_delay),
		cmocka_unit_test(test_operator_breaks_a_lock),
		cmocka_unit_test(test_operator_gives_a_lock_to_one_that_waits),
		cmocka_unit_test(test_operator_ends_a_session),
		cmocka_unit_test(test_list_ends_sessions_with_so_many_files_in_all),
		cmocka_unit_test(test_holder_hands_over_to_whom_it_names),
		cmocka_unit_test(test_holder_says_something_new),
		cmocka_unit_test(test_who_knows_the_token_says_something_new),
		cmocka_unit_test(test_nobody_else_changes_what_locks_keep),
		cmocka_unit_test(test_limits_are_told),
		cmocka_unit_test(test_refounded_store_knows_no_holders_and_gives_higher_tokens),
		cmocka_unit_test(test_very_many_are_granted_in_steps),
		cmocka_unit_test(test_each_lock_has_its_next_holder_at_once),
		cmocka_unit_test(test_passing_ends_where_nobody_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
