/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   a snapshot is the same bytes whoever writes them and however they are read; a store
 *         restored from it is the same store; bytes that are not a snapshot change nothing.
 * Method: stores of random files and sessions; every cut and many flips of a small snapshot; and
 *         snapshots made by hand with a right digest over wrong content.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "store/base/prng.h"
#include "store/base/wire.h"
#include "store/snapshot.h"
#include "tests/unit/store_fixture.h"

enum {
	BYTES_MAX = 8 << 20
};

static uint8_t bytes_a[BYTES_MAX], bytes_b[BYTES_MAX];

/* A whole snapshot in chunks of up to `chunk` bytes, or of random size if `chunk` is 0. */
static struct slice save(struct store *store, uint8_t *memory, size_t chunk)
{
	struct store_snapshot *snapshot;
	struct prng prng;
	size_t size = 0, part, asked;

	prng_init(&prng, 1);
	assert_int_equal(store_snapshot_open(store, &snapshot), 0);
	assert_true(store_snapshot_index(snapshot) == store_root_index(store_root(store)));
	do {
		asked = chunk != 0 ? chunk : 1 + prng_below(&prng, 5000);
		assert_true(size + asked <= BYTES_MAX);
		part = store_snapshot_read(snapshot, memory + size, asked);
		size += part;
	} while (part == asked);
	assert_int_equal(store_snapshot_read(snapshot, memory + size, 100), 0);
	store_snapshot_close(store, snapshot);
	return slice_make(memory, size);
}

static int load(struct store *store, struct slice bytes, size_t chunk)
{
	struct store_restore *restore;
	int r = 0;

	assert_int_equal(store_restore_begin(store, &restore), 0);
	for (size_t at = 0; at < bytes.size && r == 0; at += chunk) {
		const size_t left = bytes.size - at;

		r = store_restore_feed(restore,
		                       slice_make(bytes.data + at, left < chunk ? left : chunk));
	}
	if (r != 0) {
		assert_int_equal(store_restore_end(store, restore), -EBADMSG);
		return r;
	}
	return store_restore_end(store, restore);
}

static void assert_same(struct store *a, struct store *b)
{
	const struct store_digest left = store_digest(a, store_root(a));
	const struct store_digest right = store_digest(b, store_root(b));

	assert_true(left.low == right.low && left.high == right.high);
}

/* A write of some session: mostly its next number, at times one that was asked before. */
static void ask(struct fixture *fixture, struct prng *prng, uint64_t session, uint64_t *number)
{
	static char value[2000];
	const uint64_t n = prng_below(prng, 500), back = prng_below(prng, 10);
	struct store_op op = {.verb = STORE_VERB_SET, .condition = STORE_IF_EQUAL, .rev = -1};
	uint64_t asked;
	char path[64];

	memset(value, 'v', sizeof(value));
	(void)snprintf(path, sizeof(path), "/%u/%u", (unsigned)(n % 13), (unsigned)n);
	op.path = slice_text(path);
	op.value = slice_make(value, prng_below(prng, sizeof(value)));
	if (prng_chance(prng, 1, 4)) {
		op.verb = STORE_VERB_DELETE;
		op.value.size = 0;
	}
	asked = prng_chance(prng, 9, 10) ? ++*number : 1 + prng_below(prng, *number + 80);
	(void)fixture_request(fixture, session, asked, *number > back ? *number - back : 0, op);
}

/* The same entries for whoever asks with the same seed, in sessions of their own. */
static void fill(struct fixture *fixture, uint64_t seed, unsigned steps)
{
	uint64_t sessions[8] = {0}, numbers[8] = {0};
	struct prng prng;

	prng_init(&prng, seed);
	for (unsigned i = 0; i < steps; i++) {
		const uint64_t which = prng_below(&prng, 8);

		if (sessions[which] == 0) {
			sessions[which] = fixture_open(fixture, prng_next(&prng)).session;
		} else if (prng_chance(&prng, 1, 200)) {
			(void)fixture_apply(fixture, &(struct store_entry){
							     .kind = STORE_ENTRY_CLOSE,
							     .session = sessions[which],
							     .number = ++numbers[which],
						     });
			sessions[which] = 0;
			numbers[which] = 0;
		} else {
			ask(fixture, &prng, sessions[which], &numbers[which]);
		}
		if (prng_chance(&prng, 1, 8)) {
			store_publish(fixture->store);
		}
	}
	store_publish(fixture->store);
}

static void test_bytes_do_not_depend_on_chunks(void **state)
{
	struct fixture fixture;
	struct slice a, b;

	(void)state;
	fixture_begin(&fixture);
	fill(&fixture, 1, 3000);
	a = save(fixture.store, bytes_a, 1 << 20);
	b = save(fixture.store, bytes_b, 0);
	assert_true(slice_equal(a, b));
	b = save(fixture.store, bytes_b, 1);
	assert_true(slice_equal(a, b));
	fixture_end(&fixture);
}

static void test_same_entries_make_the_same_store(void **state)
{
	struct fixture a, b;

	(void)state;
	fixture_begin(&a);
	fixture_begin(&b);
	fill(&a, 2, 2000);
	fill(&b, 2, 2000);
	assert_same(a.store, b.store);
	assert_int_equal(fixture_set(&a, "/x", "1").answer, STORE_OK);
	assert_int_equal(fixture_set(&b, "/x", "2").answer, STORE_OK);
	store_publish(a.store);
	store_publish(b.store);
	assert_true(store_digest(a.store, store_root(a.store)).low !=
	            store_digest(b.store, store_root(b.store)).low);
	fixture_end(&a);
	fixture_end(&b);
}

static void test_restored_store_goes_on_like_the_first(void **state)
{
	struct fixture a, b;
	struct slice bytes;

	(void)state;
	fixture_begin(&a);
	fixture_begin(&b);
	fill(&a, 3, 3000);
	fill(&b, 4, 500);
	bytes = save(a.store, bytes_a, 4096);
	assert_int_equal(load(b.store, bytes, 777), 0);
	assert_same(a.store, b.store);
	assert_true(store_applied(a.store) == store_applied(b.store));
	assert_true(slice_equal(bytes, save(b.store, bytes_b, 4096)));
	assert_true(store_root_bytes(store_root(a.store)) == store_root_bytes(store_root(b.store)));
	fill(&a, 5, 1000);
	fill(&b, 5, 1000);
	assert_same(a.store, b.store);
	fixture_grace(&b);
	fixture_end(&a);
	fixture_end(&b);
}

static void test_events_are_gone_after_a_restore(void **state)
{
	const struct store_event *event;
	struct fixture a, b;
	store_rev_t newest;

	(void)state;
	fixture_begin(&a);
	fixture_begin(&b);
	fill(&a, 3, 300);
	fill(&b, 3, 300);
	newest = store_root_revision(store_root(a.store));
	assert_int_equal(store_event(b.store, newest, &event), STORE_OK);
	assert_int_equal(load(b.store, save(a.store, bytes_a, 4096), 4096), 0);
	assert_int_equal(store_event(b.store, newest, &event), STORE_TOO_LATE);
	assert_int_equal(store_event(b.store, newest + 1, &event), STORE_NOT_FOUND);
	b.session = fixture_open(&b, 5).session;
	(void)fixture_set(&b, "/new", "");
	store_publish(b.store);
	assert_int_equal(store_event(b.store, newest + 1, &event), STORE_OK);
	fixture_end(&a);
	fixture_end(&b);
}

static void test_snapshot_of_a_pinned_root_does_not_move(void **state)
{
	struct store_snapshot *snapshot;
	struct fixture fixture;
	struct slice before;
	size_t size = 0, part;

	(void)state;
	fixture_begin(&fixture);
	fill(&fixture, 6, 1000);
	before = save(fixture.store, bytes_a, 4096);
	assert_int_equal(store_snapshot_open(fixture.store, &snapshot), 0);
	do {
		part = store_snapshot_read(snapshot, bytes_b + size, 10000);
		size += part;
		fill(&fixture, size, 50);
		fixture_grace(&fixture);
	} while (part == 10000);
	assert_true(slice_equal(before, slice_make(bytes_b, size)));
	store_snapshot_close(fixture.store, snapshot);
	fixture_end(&fixture);
}

static void test_sessions_belong_to_the_published_root(void **state)
{
	struct fixture fixture;
	struct slice before;

	(void)state;
	fixture_begin(&fixture);
	fill(&fixture, 7, 100);
	before = save(fixture.store, bytes_a, 4096);
	/* Applied, and not yet published. */
	(void)fixture_open(&fixture, 1);
	(void)fixture_set(&fixture, "/x", "");
	assert_true(slice_equal(before, save(fixture.store, bytes_b, 4096)));
	fixture_end(&fixture);
}

static void test_damaged_bytes_change_nothing(void **state)
{
	struct store_digest before, after;
	struct fixture a, b;
	struct slice bytes;

	(void)state;
	fixture_begin(&a);
	fixture_begin(&b);
	for (unsigned i = 0; i < 10; i++) {
		char path[16];

		(void)snprintf(path, sizeof(path), "/d/%u", i);
		(void)fixture_set(&a, path, "value");
	}
	(void)fixture_set(&b, "/mine", "");
	store_publish(a.store);
	store_publish(b.store);
	before = store_digest(b.store, store_root(b.store));
	bytes = save(a.store, bytes_a, 4096);
	for (size_t cut = 0; cut < bytes.size; cut++) {
		assert_int_equal(load(b.store, slice_make(bytes.data, cut), 64), -EBADMSG);
	}
	for (size_t bit = 0; bit < bytes.size * 8; bit++) {
		bytes_a[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		assert_int_not_equal(load(b.store, bytes, 4096), 0);
		bytes_a[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(load(b.store, slice_make(bytes.data, bytes.size + 1), 4096), -EBADMSG);
	after = store_digest(b.store, store_root(b.store));
	assert_true(before.low == after.low && before.high == after.high);
	assert_int_equal(load(b.store, bytes, 4096), 0);
	fixture_end(&a);
	fixture_end(&b);
}

/* A snapshot by hand: sessions and files as given, the digest right. */
struct hand {
	uint64_t index, revision, files;
	uint32_t voters; /* 0: 1, 2 and 3 */
	uint32_t sessions;
	struct {
		uint64_t id, base, answered;
		uint8_t answer;
	} session[2];
	struct {
		uint64_t revision;
		const char *path;
		uint32_t size;
		uint64_t owner;
		const char *value; /* NULL: of `size` bytes that do not matter */
	} file[2];
};

static struct slice write_hand(const struct hand *hand)
{
	struct wire_writer writer = wire_writer_make(bytes_a, sizeof(bytes_a));
	XXH128_hash_t hash;

	wire_put(&writer, slice_text("CFFRSNAP"));
	wire_put_u32(&writer, 2);
	wire_put_u64(&writer, hand->index);
	wire_put_u64(&writer, 5);
	wire_put_u64(&writer, hand->revision);
	wire_put_u64(&writer, 0); /* log_bytes */
	wire_put_u64(&writer, hand->files);
	wire_put_u32(&writer, 1); /* configuration, voters, learners, since */
	wire_put_u32(&writer, hand->voters != 0 ? hand->voters : 7);
	wire_put_u32(&writer, 1 << 5);
	wire_put_u64(&writer, 1);
	for (unsigned i = 0; i < STORE_NODES_MAX; i++) {
		wire_put_u64(&writer, i);
		wire_put_u64(&writer, 0);
		wire_put_u32(&writer, 0);
		wire_put_u16(&writer, 0);
	}
	wire_put_u32(&writer, hand->sessions);
	for (unsigned i = 0; i < hand->sessions && i < 2; i++) {
		wire_put_u64(&writer, hand->session[i].id);
		wire_put_u64(&writer, 0);
		wire_put_u64(&writer, hand->session[i].base);
		wire_put_u64(&writer, hand->session[i].answered);
		wire_put_u32(&writer, 1000);
		for (uint64_t bits = hand->session[i].answered; bits != 0; bits &= bits - 1) {
			wire_put_u8(&writer, hand->session[i].answer);
			wire_put_u16(&writer, 0); /* flags, op */
			for (unsigned k = 0; k < 4; k++) {
				wire_put_u64(&writer, 1);
			}
		}
	}
	for (unsigned i = 0; i < hand->files && i < 2; i++) {
		const struct slice path = slice_text(hand->file[i].path);

		wire_put_u64(&writer, hand->file[i].revision);
		wire_put_u64(&writer, hand->file[i].owner);
		wire_put_u16(&writer, (uint16_t)path.size);
		wire_put_u32(&writer, hand->file[i].size);
		wire_put(&writer, path);
		wire_put(&writer, slice_make(hand->file[i].value != NULL ? hand->file[i].value
		                                                         : (char *)bytes_b,
		                             hand->file[i].size));
	}
	hash = XXH3_128bits(bytes_a, wire_written(&writer).size);
	wire_put_u64(&writer, hash.low64);
	wire_put_u64(&writer, hash.high64);
	assert_true(wire_written_ok(&writer));
	return wire_written(&writer);
}

static struct hand good_hand(void)
{
	return (struct hand){
		.index = 100,
		.revision = 9,
		.files = 2,
		.sessions = 2,
		.session = {{.id = 3, .base = 1, .answered = 1},
	                    {.id = 7, .base = 5, .answered = 6}},
		.file = {{.revision = 9, .path = "/a/b", .size = 3},
	                 {.revision = 4, .path = "/a-"}},
	};
}

static int load_hand(struct fixture *fixture, const struct hand *hand)
{
	return load(fixture->store, write_hand(hand), 4096);
}

#define HOLDER  "/ctl/lock/a/.holder/0000000000000009"
#define WAITER  "/ctl/lock/a/.queue/255-0000000000000009"
#define PASSING "/ctl/lock/a/.passing"

/* The second file is a lock's. */
static void claim(struct hand *hand, const char *path, const char *value, uint64_t owner)
{
	hand->file[1].path = path;
	hand->file[1].value = value;
	hand->file[1].size = (uint32_t)strlen(value);
	hand->file[1].owner = owner;
}

static void test_wrong_content_is_refused_though_the_digest_is_right(void **state)
{
	struct hand hand = good_hand();
	struct fixture fixture;

	(void)state;
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 100000, .sessions_max = 2, .events_max = 4});
	assert_int_equal(load_hand(&fixture, &hand), 0);
	assert_int_equal(store_session_count(fixture.store), 2);
	assert_true(store_member_incarnation(fixture.store, 6) == 6);
#define REFUSED(change, error)                                                                     \
	do {                                                                                       \
		hand = good_hand();                                                                \
		change;                                                                            \
		assert_int_equal(load_hand(&fixture, &hand), error);                               \
	} while (0)
	REFUSED(hand.file[1].path = "/a/b", -EBADMSG);   /* twice */
	REFUSED(hand.file[1].path = "/a/a", -EBADMSG);   /* out of order */
	REFUSED(hand.file[1].path = "/a/b/c", -EBADMSG); /* below a file */
	REFUSED(hand.file[1].path = "/b/", -EBADMSG);
	REFUSED(hand.file[1].path = "/b*", -EBADMSG);
	REFUSED(hand.file[0].path = "/", -EBADMSG);
	REFUSED(hand.file[0].path = "", -EBADMSG);
	REFUSED(hand.file[0].revision = 10, -EBADMSG);
	REFUSED(hand.file[0].revision = 0, -EBADMSG);
	REFUSED(hand.file[0].revision = ~(uint64_t)0, -EBADMSG);
	REFUSED(hand.file[0].size = STORE_VALUE_SIZE_MAX + 1, -EBADMSG);
	REFUSED(hand.revision = ~(uint64_t)0, -EBADMSG);
	REFUSED(hand.revision = 1, -EBADMSG); /* more files than changes */
	REFUSED(hand.session[1].id = 3, -EBADMSG);
	REFUSED(hand.session[1].id = 2, -EBADMSG);
	REFUSED(hand.session[1].id = 101, -EBADMSG); /* beyond the index */
	REFUSED(hand.session[0].id = 0, -EBADMSG);
	REFUSED(hand.session[0].base = 0, -EBADMSG);
	REFUSED(hand.session[1].base = ~(uint64_t)0, -EBADMSG); /* numbers would wrap */
	REFUSED(hand.session[1].answer = STORE_ANSWER_COUNT, -EBADMSG);
	REFUSED(hand.file[0].owner = 4, -EBADMSG); /* nobody */
	REFUSED(hand.file[0].owner = STORE_OWNER_DELAYED, -EBADMSG);
	REFUSED(hand.file[0].path = "/ctl/lock", -EBADMSG);
	REFUSED(hand.file[0].path = "/ctl/lock/a", -EBADMSG);
	REFUSED(claim(&hand, HOLDER, "3 1 1 0 1000 0\n", 0), -EBADMSG);
	REFUSED(claim(&hand, HOLDER, "3 1 1 0 1000 0\n", 7), -EBADMSG);
	REFUSED(claim(&hand, HOLDER, "3 1 1 0 1000 0", 3), -EBADMSG);
	REFUSED(claim(&hand, HOLDER, "3 1025 1 0 1000 0\n", 3), -EBADMSG);
	REFUSED(claim(&hand, WAITER, "3 1 1 0 1000 0\n", STORE_OWNER_DELAYED), -EBADMSG);
	REFUSED(claim(&hand, HOLDER, "3 1 1 0 1000 0\n", 3), 0);
	REFUSED(claim(&hand, WAITER, "3 1 1 0 1000 0\n", 3), 0);
	REFUSED(claim(&hand, HOLDER, "9 1 0 5 1000 77\n", STORE_OWNER_DELAYED), 0);
	REFUSED(claim(&hand, PASSING, "", 0), -EBADMSG);
	REFUSED(claim(&hand, PASSING, "x", STORE_OWNER_PASSING), -EBADMSG);
	REFUSED(claim(&hand, PASSING, "", STORE_OWNER_PASSING), 0);
	REFUSED(hand.file[0].owner = 3, 0);
	REFUSED(hand.sessions = 3, -EDQUOT);
	REFUSED(hand.files = 3, -EBADMSG);
	REFUSED(hand.voters = 1 << 5, -EBADMSG); /* a learner, too */
	REFUSED(hand.voters = 255, -EBADMSG);
	REFUSED(hand.voters = 1 << 16, -EBADMSG);
	fixture_end(&fixture);
}

static void test_content_over_the_quota_is_refused(void **state)
{
	struct hand hand = good_hand();
	struct fixture fixture;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		hand.file[i].size = STORE_VALUE_SIZE_MAX;
	}
	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 100000, .sessions_max = 2, .events_max = 4});
	assert_int_equal(load_hand(&fixture, &hand), 0);
	fixture_end(&fixture);

	fixture_begin_with(
		&fixture,
		&(struct store_config){.quota_bytes = 50000, .sessions_max = 2, .events_max = 4});
	assert_int_equal(load_hand(&fixture, &hand), -EDQUOT);
	assert_int_equal(load(fixture.store, slice_text("CFFRSNAQ"), 1), -EBADMSG);
	fixture_end(&fixture);
}

static void test_restore_can_be_given_up(void **state)
{
	struct store_restore *restore;
	struct fixture fixture;
	struct slice bytes;

	(void)state;
	fixture_begin(&fixture);
	fill(&fixture, 9, 1000);
	bytes = save(fixture.store, bytes_a, 4096);
	assert_int_equal(store_restore_begin(fixture.store, &restore), 0);
	assert_int_equal(store_restore_feed(restore, slice_make(bytes.data, bytes.size / 2)), 0);
	fill(&fixture, 10, 200); /* the store goes on in the meantime */
	store_restore_abort(restore);
	store_restore_abort(NULL);
	assert_int_equal(store_restore_begin(fixture.store, &restore), 0);
	fill(&fixture, 11, 100);
	assert_int_equal(store_restore_feed(restore, bytes), 0);
	fill(&fixture, 12, 100);
	assert_int_equal(store_restore_end(fixture.store, restore), 0);
	assert_true(slice_equal(bytes, save(fixture.store, bytes_b, 4096)));
	fixture_end(&fixture);
}

static void test_small_arena_refuses_instead_of_stopping(void **state)
{
	struct fixture a, b;
	struct slice bytes;

	(void)state;
	fixture_begin(&a);
	fill(&a, 13, 3000);
	bytes = save(a.store, bytes_a, 4096);
	fixture_begin_with(&b, &(struct store_config){.quota_bytes = 16 << 20,
	                                              .sessions_max = 64,
	                                              .events_max = 16,
	                                              .arena_bytes = 256 << 10});
	assert_int_equal(load(b.store, bytes, 4096), -ENOMEM);
	(void)fixture_set(&b, "/still", "here");
	fixture_end(&a);
	fixture_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_do_not_depend_on_chunks),
		cmocka_unit_test(test_same_entries_make_the_same_store),
		cmocka_unit_test(test_restored_store_goes_on_like_the_first),
		cmocka_unit_test(test_events_are_gone_after_a_restore),
		cmocka_unit_test(test_snapshot_of_a_pinned_root_does_not_move),
		cmocka_unit_test(test_sessions_belong_to_the_published_root),
		cmocka_unit_test(test_damaged_bytes_change_nothing),
		cmocka_unit_test(test_wrong_content_is_refused_though_the_digest_is_right),
		cmocka_unit_test(test_content_over_the_quota_is_refused),
		cmocka_unit_test(test_restore_can_be_given_up),
		cmocka_unit_test(test_small_arena_refuses_instead_of_stopping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
