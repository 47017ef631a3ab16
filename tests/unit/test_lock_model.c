/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   transactions, locks and the ends of sessions do what PROTOCOL.md, 10, says, all or
 *         nothing, and locks keep their promises.
 * Method: random entries from seeds on a store and on the plain model of tests/oracle: each answer,
 *         each change with its cause and owner, and now and then the whole tree are compared. Few
 *         names, so that everything gets into everything's way; half of the tokens, revisions and
 *         sessions that are named are true ones. Between them the store is put aside for one that
 *         was restored from its snapshot.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/base/prng.h"
#include "store/claim.h"
#include "store/snapshot.h"
#include "store/txn.h"
#include "tests/oracle/oracle.h"
#include "tests/unit/store_fixture.h"

enum {
	CLIENTS = 6,
	SEEDS = 40,
	TURNS = 1500,
	LISTED_MAX = 6, /* operations in a list */
};

#define ENTRY_NS UINT64_C(50000000)

/* How often each answer was given, and each cause named. */
static unsigned answers[STORE_ANSWER_COUNT], causes[STORE_CAUSE_RESTED + 1];
/* How often more than one entry passed on a lock. */
static unsigned steps;
/* How often a list was refused because too much would have gone with whom it kills. */
static unsigned too_many;

struct world {
	struct fixture fixture;
	struct oracle *oracle;
	struct prng prng;
	uint64_t sessions[CLIENTS], numbers[CLIENTS];
	uint64_t time_ns;
	struct store_entry last; /* an entry of a session, to be applied twice */
	uint8_t last_bytes[STORE_TXN_SIZE_MAX];
	char texts[3 * LISTED_MAX][ORACLE_PATH_MAX]; /* of the entry that is made */
	unsigned text_count;
	bool kills; /* its then list is nothing else */
};

static struct store_config config = {
	.quota_bytes = 16 << 20, .sessions_max = CLIENTS + 2, .events_max = 4096};

/* --- what is compared ------------------------------------------------------------------------- */

static void compare_changes(struct world *world)
{
	const store_rev_t last = oracle_revision(world->oracle);
	const struct oracle_change *changes;
	const unsigned count = oracle_changes(world->oracle, &changes);
	const struct store_event *event;

	store_publish(world->fixture.store);
	assert_true(store_root_revision(store_root(world->fixture.store)) == last);
	for (unsigned i = 0; i < count; i++) {
		const store_rev_t revision = last - count + 1 + i;

		assert_int_equal(store_event(world->fixture.store, revision, &event), STORE_OK);
		assert_true(slice_equal(event->path, slice_text(changes[i].path)));
		assert_int_equal(event->kind == STORE_EVENT_DELETE, changes[i].is_delete);
		assert_int_equal(event->cause, changes[i].cause);
		causes[event->cause]++;
		steps += event->owner == STORE_OWNER_PASSING;
		assert_true(slice_equal(event->value, changes[i].value));
		assert_true(event->owner == changes[i].owner);
		assert_true(event->first == last - count + 1 && event->last == last);
	}
}

static void compare_sessions(struct world *world)
{
	const struct store *store = world->fixture.store;
	unsigned count = 0;

	for (const struct store_session *session = store_session_next(store, 0); session != NULL;
	     session = store_session_next(store, session->id)) {
		assert_true(oracle_has_session(world->oracle, session->id));
		assert_int_equal(session->owned, oracle_owned(world->oracle, session->id));
		count++;
	}
	assert_int_equal(count, store_session_count(store));
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_int_equal(store_session(store, world->sessions[i]) != NULL,
		                 oracle_has_session(world->oracle, world->sessions[i]));
	}
}

/* Locks that rest are all found, in order. */
static void compare_delayed(struct world *world, const struct oracle_file *files, unsigned count)
{
	struct slice path = {0};
	uint64_t until_ns;

	for (unsigned i = 0; i < count; i++) {
		if (files[i].owner == STORE_OWNER_DELAYED) {
			assert_true(
				store_delayed_next(world->fixture.store, path, &path, &until_ns));
			assert_true(slice_equal(path, slice_text(files[i].path)));
		}
	}
	assert_false(store_delayed_next(world->fixture.store, path, &path, &until_ns));
}

/* The first lock that is being passed on is found. */
static void compare_passing(struct world *world, const struct oracle_file *files, unsigned count)
{
	struct slice path;

	for (unsigned i = 0; i < count; i++) {
		if (files[i].owner == STORE_OWNER_PASSING) {
			assert_true(store_passing_next(world->fixture.store, &path));
			assert_true(slice_equal(path, slice_text(files[i].path)));
			return;
		}
	}
	assert_false(store_passing_next(world->fixture.store, &path));
}

static void compare_tree(struct world *world)
{
	const struct store_root *root = fixture_root(&world->fixture);
	const struct oracle_file *files;
	const unsigned count = oracle_files(world->oracle, &files);
	struct store_cursor cursor;
	struct store_file file;

	assert_int_equal(store_walk(&cursor, root, slice_text("/**"), (struct slice){0}), STORE_OK);
	for (unsigned i = 0; i < count; i++) {
		assert_true(store_cursor_next(&cursor, &file));
		assert_true(slice_equal(file.path, slice_text(files[i].path)));
		assert_true(slice_equal(file.value, files[i].value));
		assert_true(file.revision == files[i].revision);
		assert_true(file.owner == files[i].owner);
	}
	assert_false(store_cursor_next(&cursor, &file));
	compare_delayed(world, files, count);
	compare_passing(world, files, count);
	compare_sessions(world);
}

static void compare_results(const struct store_result *got, const struct store_result *want)
{
	if (got->answer != want->answer || got->op != want->op || got->flags != want->flags ||
	    got->revision != want->revision || got->first != want->first ||
	    got->store_revision != want->store_revision || got->number != want->number ||
	    got->session != want->session) {
		fail_msg("%s, op %u, flags %u, revision %" PRId64 " from %" PRId64 " of %" PRId64
		         ", number %" PRId64 "; not %s, op %u, flags %u, revision "
		         "%" PRId64 " from %" PRId64 " of %" PRId64 ", number %" PRId64,
		         store_answer_text(got->answer), got->op, got->flags, got->revision,
		         got->first, got->store_revision, got->number,
		         store_answer_text(want->answer), want->op, want->flags, want->revision,
		         want->first, want->store_revision, want->number);
	}
}

/* To both of them. */
static struct store_result apply(struct world *world, struct store_entry *entry)
{
	struct store_result got, want;
	const char *broken;

	world->time_ns += prng_below(&world->prng, ENTRY_NS);
	entry->time_ns = world->time_ns;
	oracle_apply(world->oracle, store_applied(world->fixture.store) + 1, entry, &want);
	got = fixture_apply(&world->fixture, entry);
	if (entry->kind != STORE_ENTRY_EXPIRE && entry->kind != STORE_ENTRY_UNDELAY) {
		compare_results(&got, &want);
		answers[got.answer]++;
	}
	compare_changes(world);
	broken = oracle_broken(world->oracle);
	if (broken != NULL) {
		fail_msg("%s", broken);
	}
	return got;
}

/* --- what is drawn ---------------------------------------------------------------------------- */

static uint64_t below(struct world *world, uint64_t bound)
{
	return prng_below(&world->prng, bound);
}

static bool chance(struct world *world, uint64_t part, uint64_t whole)
{
	return prng_chance(&world->prng, part, whole);
}

static struct slice draw(struct world *world, const char *const *names, size_t count)
{
	return slice_text(names[below(world, count)]);
}

#define DRAW(world, ...)                                                                           \
	draw(world, (const char *const[]){__VA_ARGS__},                                            \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static struct slice draw_lock(struct world *world)
{
	if (chance(world, 1, 40)) {
		return DRAW(world, "/", "/.a", "/a/", "", "/ctl/lock/a");
	}
	return DRAW(world, "/a", "/a", "/a/b", "/b", "/b-", "/c/d");
}

static struct slice draw_claim_path(struct world *world)
{
	const struct oracle_file *files;
	const unsigned count = oracle_files(world->oracle, &files);
	char *text = world->texts[world->text_count++];

	(void)snprintf(text, sizeof(world->texts[0]), "%s",
	               count == 0 ? "/ctl/lock" : files[below(world, count)].path);
	return slice_text(text);
}

static struct slice draw_path(struct world *world)
{
	if (chance(world, 1, 20)) {
		return DRAW(world, "/", "/ctl", "/ctl", "/ctl/lock", "x", "/x/", "/ctl/lock/x");
	}
	return chance(world, 1, 10) ? draw_claim_path(world)
	                            : DRAW(world, "/x", "/x/y", "/z", "/n", "/m", "/q/r", "/q/s");
}

static uint64_t draw_session(struct world *world)
{
	if (chance(world, 1, 30)) {
		return STORE_OWNER_DELAYED; /* what rests is nobody's to end */
	}
	return chance(world, 1, 8) ? below(world, 40) : world->sessions[below(world, CLIENTS)];
}

/* A token or ticket of the lock, mostly; else any number. */
static int64_t draw_token(struct world *world, struct slice name)
{
	const struct oracle_claim *claims;
	const unsigned count = oracle_claims(world->oracle, &claims);

	for (unsigned tries = 0; count > 0 && tries < 8; tries++) {
		const struct oracle_claim *claim = &claims[below(world, count)];

		if (slice_equal(name, slice_text(claim->name))) {
			return claim->number;
		}
	}
	return (int64_t)below(world, 60) - 2;
}

static store_rev_t draw_rev(struct world *world, struct slice path)
{
	const struct oracle_file *files;
	const unsigned count = oracle_files(world->oracle, &files);

	for (unsigned i = 0; i < count && chance(world, 3, 4); i++) {
		if (slice_equal(path, slice_text(files[i].path))) {
			return files[i].revision;
		}
	}
	return (store_rev_t)below(world, (uint64_t)oracle_revision(world->oracle) + 3) - 2;
}

static struct slice draw_value(struct world *world)
{
	return DRAW(world, "", "a", "17", "-3", "9223372036854775807", "-9223372036854775808",
	            "0x");
}

static struct store_op draw_file_op(struct world *world)
{
	struct store_op op = {
		.verb = STORE_VERB_SET, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY};

	op.path = draw_path(world);
	if (chance(world, 1, 4)) {
		op.condition = chance(world, 1, 2) ? STORE_IF_EQUAL : STORE_IF_AT_MOST;
		op.rev = draw_rev(world, op.path);
	}
	switch (below(world, 4)) {
	case 0:
		op.verb = STORE_VERB_DELETE;
		break;
	case 1:
		op.verb = STORE_VERB_ADD;
		op.number = chance(world, 1, 8) ? INT64_MAX : (int64_t)below(world, 9) - 4;
		break;
	default:
		op.flags = (uint8_t)below(world, 4);
		if (chance(world, 1, 2)) {
			op.flags &= (uint8_t)~STORE_OP_SEQUENCE;
		}
		op.value = draw_value(world);
		break;
	}
	return op;
}

static struct store_op draw_lock_op(struct world *world)
{
	struct store_op op = {
		.verb = STORE_VERB_LOCK, .condition = STORE_IF_EQUAL, .rev = STORE_REV_ANY};

	op.path = draw_lock(world);
	switch (below(world, 12)) {
	case 0:
		op.verb = STORE_VERB_PROCLAIM;
		op.rev = chance(world, 1, 2) ? -1 : draw_token(world, op.path);
		op.value = draw_value(world);
		break;
	case 1:
		op.verb = STORE_VERB_BREAK;
		op.value = draw_value(world);
		op.rev = chance(world, 1, 2) ? -1 : draw_token(world, op.path);
		op.number = chance(world, 1, 2) ? (int64_t)draw_session(world) : 0;
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		op.verb = STORE_VERB_UNLOCK;
		op.flags = chance(world, 1, 4) ? STORE_OP_ALL : 0;
		op.number = chance(world, 1, 4) ? (int64_t)draw_session(world) : 0;
		break;
	default:
		op.limit = chance(world, 1, 60)  ? STORE_PERMITS_MAX + 1
		           : chance(world, 1, 2) ? 0
		                                 : (uint32_t)below(world, 4);
		op.flags = chance(world, 1, 8) ? STORE_OP_TRY : 0;
		op.delay_ms = chance(world, 1, 3) ? (uint32_t)below(world, 2000) : 0;
		op.priority = chance(world, 1, 3) ? (uint8_t)below(world, 256) : 0;
		op.value = draw_value(world);
		break;
	}
	return op;
}

static struct store_op draw_kill(struct world *world)
{
	return (struct store_op){.verb = STORE_VERB_KILL,
	                         .condition = STORE_IF_EQUAL,
	                         .rev = STORE_REV_ANY,
	                         .number = (int64_t)draw_session(world)};
}

static struct store_op draw_op(struct world *world)
{
	if (chance(world, 1, 60)) {
		return draw_kill(world);
	}
	return chance(world, 1, 3) ? draw_file_op(world) : draw_lock_op(world);
}

static struct store_compare draw_compare(struct world *world)
{
	struct store_compare compare = {
		.kind = (enum store_compare_kind)(1 + below(world, 4)),
		.relation = chance(world, 1, 2) ? STORE_EQUAL : STORE_NOT_EQUAL,
	};

	switch (compare.kind) {
	case STORE_COMPARE_REV:
		compare.path = draw_path(world);
		compare.relation = (enum store_relation)(1 + below(world, 4));
		compare.number = draw_rev(world, compare.path);
		break;
	case STORE_COMPARE_VALUE:
		compare.path = draw_path(world);
		compare.value = draw_value(world);
		break;
	case STORE_COMPARE_TOKEN:
		compare.path = draw_lock(world);
		compare.relation = STORE_EQUAL;
		compare.number = draw_token(world, compare.path);
		break;
	case STORE_COMPARE_SESSION:
	default:
		compare.number = (int64_t)draw_session(world);
		break;
	}
	return compare;
}

static struct slice draw_txn(struct world *world)
{
	struct store_txn_writer writer;
	struct slice bytes;

	world->kills = chance(world, 1, 20);
	store_txn_begin(&writer, world->last_bytes, sizeof(world->last_bytes));
	for (uint64_t n = below(world, 3); n > 0; n--) {
		const struct store_compare compare = draw_compare(world);

		store_txn_if(&writer, &compare);
	}
	for (uint64_t n = below(world, LISTED_MAX); n > 0; n--) {
		const struct store_op op = world->kills ? draw_kill(world) : draw_op(world);

		store_txn_then(&writer, &op);
	}
	for (uint64_t n = chance(world, 1, 2) ? below(world, LISTED_MAX) : 0; n > 0; n--) {
		const struct store_op op = draw_op(world);

		store_txn_else(&writer, &op);
	}
	bytes = store_txn_end(&writer);
	assert_true(bytes.size != 0);
	return bytes;
}

/* --- entries ---------------------------------------------------------------------------------- */

static void open_session(struct world *world, unsigned client)
{
	struct store_entry entry = {.kind = STORE_ENTRY_OPEN,
	                            .secret = 7,
	                            .ttl_ms = 1000 + (uint32_t)below(world, 1000)};

	world->sessions[client] = apply(world, &entry).session;
	world->numbers[client] = 0;
}

static void ask(struct world *world, unsigned client)
{
	struct store_entry *entry = &world->last;
	const uint64_t number = ++world->numbers[client];
	struct store_result result;

	world->text_count = 0;
	*entry = (struct store_entry){.kind = STORE_ENTRY_TXN,
	                              .session = world->sessions[client],
	                              .number = number,
	                              .first_unanswered = number > 3 ? number - 3 : 1};
	if (chance(world, 1, 2)) {
		entry->txn = draw_txn(world);
	} else if (chance(world, 1, 60)) {
		entry->kind = STORE_ENTRY_CLOSE;
	} else {
		const struct store_op op = draw_op(world);

		entry->kind = STORE_ENTRY_OP;
		entry->op = store_op_plain(&op);
	}
	result = apply(world, entry);
	too_many += entry->kind == STORE_ENTRY_TXN && world->kills && result.op > 0 &&
	            result.answer == STORE_TOO_LARGE;
	if (chance(world, 1, 10)) {
		(void)apply(world, entry); /* has no second effect */
	}
}

static void expire(struct world *world)
{
	struct store_entry entry = {.kind = STORE_ENTRY_EXPIRE};

	for (uint64_t n = 1 + below(world, 3); n > 0; n--) {
		entry.expired[entry.expired_count++] = draw_session(world);
	}
	(void)apply(world, &entry);
}

/* A lock that is passed on, or the first that rests; or a path of something else, or too early. */
static void undelay(struct world *world)
{
	struct store_entry entry = {.kind = STORE_ENTRY_UNDELAY};
	uint64_t until_ns;

	world->text_count = 0;
	if (chance(world, 1, 2) && store_passing_next(world->fixture.store, &entry.op.path)) {
		(void)apply(world, &entry);
		return;
	}
	if (chance(world, 1, 4) || !store_delayed_next(world->fixture.store, slice_make(NULL, 0),
	                                               &entry.op.path, &until_ns)) {
		entry.op.path = draw_claim_path(world);
	} else if (chance(world, 1, 2) && until_ns > world->time_ns) {
		world->time_ns = until_ns;
	}
	(void)apply(world, &entry);
}

/* The store gives way to one that its snapshot makes. */
static void restore(struct world *world)
{
	struct store *store = world->fixture.store;
	struct store_snapshot *snapshot;
	struct store_restore *restore;
	struct store_digest a, b;
	uint8_t bytes[1000];
	struct store *other;
	size_t size;

	store_publish(store);
	assert_int_equal(store_new(&other, &config), 0);
	assert_int_equal(store_snapshot_open(store, &snapshot), 0);
	assert_int_equal(store_restore_begin(other, &restore), 0);
	while ((size = store_snapshot_read(snapshot, bytes, sizeof(bytes))) > 0) {
		assert_int_equal(store_restore_feed(restore, slice_make(bytes, size)), 0);
	}
	assert_int_equal(store_restore_end(other, restore), 0);
	store_snapshot_close(store, snapshot);
	a = store_digest(store, store_root(store));
	b = store_digest(other, store_root(other));
	assert_true(a.low == b.low && a.high == b.high);
	store_free(store);
	world->fixture.store = other;
	compare_tree(world);
}

static void turn(struct world *world)
{
	const unsigned client = (unsigned)below(world, CLIENTS);

	if (!oracle_has_session(world->oracle, world->sessions[client]) && chance(world, 3, 4)) {
		open_session(world, client);
	} else if (chance(world, 1, 25)) {
		expire(world);
	} else if (chance(world, 1, 10)) {
		undelay(world);
	} else {
		ask(world, client);
	}
}

static void play(uint64_t seed, unsigned turns)
{
	static struct world world;

	memset(&world, 0, sizeof(world));
	prng_init(&world.prng, seed);
	config.grants_max = (uint32_t)(1 + seed % 3);
	config.killed_max = (uint32_t)(2 + seed % 3);
	assert_int_equal(store_new(&world.fixture.store, &config), 0);
	world.oracle = oracle_new(config.sessions_max, config.grants_max, config.killed_max);
	for (unsigned i = 0; i < turns; i++) {
		turn(&world);
		if (i % 16 == 0) {
			compare_tree(&world);
			fixture_grace(&world.fixture);
		}
		if (i % 400 == 399) {
			restore(&world);
		}
	}
	oracle_free(world.oracle);
	store_free(world.fixture.store);
}

static void test_store_does_what_a_plain_model_does(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		play(seed, TURNS);
	}
	for (unsigned i = 0; i <= STORE_CAUSE_RESTED; i++) {
		assert_true(causes[i] >= SEEDS * TURNS / 120);
	}
	assert_true(answers[STORE_OK] >= SEEDS * TURNS / 5);
	assert_true(answers[STORE_LOCKED] >= SEEDS * TURNS / 120);
	assert_true(steps >= SEEDS / 2);
	assert_true(too_many >= SEEDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_store_does_what_a_plain_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
