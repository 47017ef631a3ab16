/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goal:   what a journal holds comes back; from a snapshot and a shortened journal, too; lost
 *         records leave entries unknown; whatever else stands in it, recovery says so and lives.
 * Method: a server alone writes, its records are kept, and then brought back whole, shortened,
 *         with losses, and (many times) spoiled by chance.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <urcu-qsbr.h>

#include "consensus/record.h"
#include "consensus/replica.h"
#include "store/base/check.h"
#include "store/base/prng.h"
#include "store/proto.h"
#include "store/snapshot.h"

enum {
	RECORDS_MAX = 4096,
	BYTES_MAX = 4 << 20,
	SNAPSHOT_MAX = 1 << 20,
};

struct kept {
	size_t at, size;
	struct paxos_mark mark;
};

/* What a server alone has written. */
static struct {
	struct kept records[RECORDS_MAX];
	uint8_t bytes[BYTES_MAX];
	uint64_t count;
	size_t size;
	uint8_t snapshot[SNAPSHOT_MAX];
	size_t snapshot_size;
	struct store_digest digest;
	uint64_t snapshot_index, forgot;
	struct paxos_status last;
} book;

struct one {
	struct store *store;
	struct paxos_replica *replica;
};

static void make_of(struct one *one, uint32_t start, uint32_t founders)
{
	const struct store_config store = {
		.quota_bytes = 1 << 20, .sessions_max = 8, .events_max = 64};
	struct paxos_config config = {
		.founders = founders,
		.cluster = 77,
		.incarnation = (uint64_t)1 << 32 | 5,
		.start = start,
		.founding = start == 1,
		.seed = start,
	};

	paxos_config_default(&config);
	config.durability = PAXOS_DISK;
	config.log_entries = 64;
	config.log_bytes = 1 << 18;
	config.watches_max = 16;
	config.snapshot_bytes = 20000;
	assert_int_equal(store_new(&one->store, &store), 0);
	assert_int_equal(paxos_replica_new(&one->replica, &config, one->store), 0);
}

static void make(struct one *one, uint32_t start)
{
	make_of(one, start, 1);
}

static void unmake(struct one *one)
{
	paxos_replica_free(one->replica);
	store_free(one->store);
}

static void keep(const struct paxos_effect *effect)
{
	struct kept *record = &book.records[effect->record];

	must(effect->record == book.count + 1);
	must(effect->record < RECORDS_MAX);
	must(book.size + effect->bytes.size <= BYTES_MAX);
	*record = (struct kept){book.size, effect->bytes.size, effect->mark};
	memcpy(book.bytes + book.size, effect->bytes.data, effect->bytes.size);
	book.size += effect->bytes.size;
	book.count++;
}

static void turn(struct one *one, uint64_t now_ns)
{
	struct store_snapshot *snapshot = NULL;
	struct paxos_effect effect;

	paxos_replica_durable(one->replica, now_ns, book.count);
	paxos_replica_tick(one->replica, now_ns);
	while (paxos_replica_take(one->replica, &effect)) {
		if (effect.kind == PAXOS_EFFECT_PERSIST) {
			keep(&effect);
		} else if (effect.kind == PAXOS_EFFECT_SNAPSHOT) {
			snapshot = effect.snapshot;
		} else if (effect.kind == PAXOS_EFFECT_FORGET) {
			book.forgot = effect.record;
		}
	}
	if (snapshot != NULL) {
		book.snapshot_index = store_snapshot_index(snapshot);
		book.snapshot_size =
			store_snapshot_read(snapshot, book.snapshot, sizeof(book.snapshot));
		memcpy(&book.digest, book.snapshot + book.snapshot_size - sizeof(book.digest),
		       sizeof(book.digest));
		paxos_replica_snapshot_done(one->replica, now_ns, snapshot, &book.digest);
	}
	store_grace_passed(one->store, store_grace_wanted(one->store));
}

static void ask(struct one *one, uint64_t now_ns, struct proto_request *request)
{
	static uint8_t message[PROTO_MESSAGE_SIZE_MAX];
	uint8_t bytes[STORE_DATAGRAM_SIZE_MAX];
	const struct paxos_source source = {.peer = PAXOS_NOBODY};
	const size_t size = proto_request_encode(request, message, sizeof(message));

	must(size != 0);
	request->head.segments = (uint16_t)proto_segments(size);
	for (; request->head.segment < request->head.segments; request->head.segment++) {
		const size_t piece = proto_segment_encode(&request->head, STORE_DATAGRAM_REQUEST, 0,
		                                          77, slice_make(message, size), bytes);

		paxos_replica_receive(one->replica, now_ns, &source, slice_make(bytes, piece));
	}
}

/* A server alone: leads, opens a session, writes values of all sizes. */
static int write_book(void **state)
{
	static uint8_t value[STORE_VALUE_SIZE_MAX];
	struct one one;
	uint64_t now_ns = 1000000;

	(void)state;
	urcu_qsbr_register_thread();
	make(&one, 1);
	assert_int_equal(paxos_replica_recover_end(one.replica), 0);
	paxos_replica_start(one.replica, now_ns);
	for (unsigned i = 0; i < 2000; i++) {
		turn(&one, now_ns += 1000000);
	}
	ask(&one, now_ns,
	    &(struct proto_request){
		    .verb = PROTO_OPEN, .ttl_ms = 60000, .head = {.secret = 4711, .number = 1}});
	turn(&one, now_ns += 1000000);
	turn(&one, now_ns += 1000000);
	for (uint64_t number = 1; number <= 200; number++) {
		const struct store_session *session = store_session_next(one.store, 0);

		assert_non_null(session);
		ask(&one, now_ns,
		    &(struct proto_request){
			    .verb = PROTO_SET,
			    .head = {.session = session->id, .secret = 4711, .number = number},
			    .first_unanswered = number,
			    .condition = STORE_IF_EQUAL,
			    .rev = STORE_REV_ANY,
			    .path = slice_text(number % 2 != 0 ? "/a" : "/b"),
			    .value = slice_make(value, number % 40 == 7 ? sizeof(value) : number),
		    });
		turn(&one, now_ns += 1000000);
		turn(&one, now_ns += 1000000);
	}
	paxos_replica_status(one.replica, &book.last);
	assert_true(book.last.decided >= 200);
	assert_true(book.snapshot_index != 0);
	assert_true(book.forgot > 1);
	unmake(&one);
	return 0;
}

static int close_book(void **state)
{
	(void)state;
	urcu_qsbr_unregister_thread();
	return 0;
}

static struct slice bytes_of(uint64_t number)
{
	return slice_make(book.bytes + book.records[number].at, book.records[number].size);
}

static void load(struct one *one)
{
	struct store_restore *restore;

	assert_int_equal(store_restore_begin(one->store, &restore), 0);
	assert_int_equal(store_restore_feed(restore, slice_make(book.snapshot, book.snapshot_size)),
	                 0);
	assert_int_equal(store_restore_end(one->store, restore), 0);
	assert_int_equal(paxos_replica_recover_snapshot(one->replica, &book.digest), 0);
}

static void assert_as_it_was(struct one *one)
{
	struct paxos_status status;

	assert_int_equal(paxos_replica_recover_end(one->replica), 0);
	paxos_replica_start(one->replica, 1);
	paxos_replica_status(one->replica, &status);
	assert_true(paxos_ballot_equal(status.promised, book.last.promised));
	assert_true(paxos_ballot_equal(status.accepted, book.last.accepted));
	assert_int_equal(status.length, book.last.length);
	assert_int_equal(status.holes, 0);
}

static void test_whole(void **state)
{
	struct one one;

	(void)state;
	make(&one, 2);
	for (uint64_t number = 1; number <= book.count; number++) {
		assert_int_equal(paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
	}
	assert_as_it_was(&one);
	unmake(&one);
}

/* The last word on it, maybe: what was adopted behind a BASE may have counted on that room. */
static void test_base_tells_what_is_decided(void **state)
{
	uint8_t bytes[PAXOS_RECORD_HEADER];
	struct paxos_record record;
	struct paxos_status status;
	uint64_t number = 1;
	struct one one;

	(void)state;
	make(&one, 2);
	for (; paxos_record_decode(bytes_of(number), &record) && record.kind != PAXOS_RECORD_BASE;
	     number++) {
		assert_int_equal(paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
	}
	assert_int_equal(record.kind, PAXOS_RECORD_BASE);
	assert_true(record.decided < record.length);
	record.decided = record.length;
	paxos_record_encode(&record, bytes);
	assert_int_equal(
		paxos_replica_recover(one.replica, number, slice_make(bytes, sizeof(bytes))), 0);
	assert_int_equal(paxos_replica_recover_end(one.replica), 0);
	paxos_replica_start(one.replica, 1);
	paxos_replica_status(one.replica, &status);
	assert_int_equal(status.decided, record.length);
	unmake(&one);
}

/* With the snapshot every beginning up to what may be forgotten will do. */
static void test_shortened(void **state)
{
	(void)state;
	for (uint64_t first = 1; first <= book.forgot; first += 1 + book.forgot / 50) {
		struct one one;

		make(&one, 2);
		load(&one);
		for (uint64_t number = first; number <= book.count; number++) {
			assert_int_equal(
				paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
		}
		assert_as_it_was(&one);
		unmake(&one);
	}
}

static void test_too_short_is_refused(void **state)
{
	struct one one;
	int r = 0;

	(void)state;
	/* No snapshot, and the journal does not begin at its beginning. */
	make(&one, 2);
	for (uint64_t number = book.forgot; number <= book.count && r == 0; number++) {
		r = paxos_replica_recover(one.replica, number, bytes_of(number));
	}
	assert_true(r < 0 || paxos_replica_recover_end(one.replica) < 0);
	unmake(&one);
	/* A snapshot, and no journal: what was promised is not known. */
	make(&one, 2);
	load(&one);
	assert_int_equal(paxos_replica_recover_end(one.replica), -EBADMSG);
	unmake(&one);
}

static void test_lost_records_leave_their_entries_unknown(void **state)
{
	const uint64_t from = book.count - 8, to = book.count - 6;
	struct paxos_mark mark = book.records[to].mark;
	struct paxos_status status;
	struct one one;

	(void)state;
	for (uint64_t number = from; number < to; number++) {
		const uint64_t low = book.records[number].mark.low;

		mark.low = low < mark.low ? low : mark.low;
	}
	make(&one, 2);
	for (uint64_t number = 1; number <= book.count; number++) {
		if (number == from) {
			assert_int_equal(paxos_replica_recover_lost(one.replica, from, to, &mark),
			                 0);
			number = to;
		} else {
			assert_int_equal(
				paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
		}
	}
	assert_int_equal(paxos_replica_recover_end(one.replica), 0);
	paxos_replica_start(one.replica, 1);
	paxos_replica_status(one.replica, &status);
	assert_int_equal(status.length, book.last.length);
	assert_int_equal(status.holes, mark.length - mark.low);
	assert_int_equal(status.role, PAXOS_OUTSIDER);
	assert_int_equal(status.decided, mark.low);
	unmake(&one);
}

/* What was acknowledged behind the step must not be cut by taking it again. */
static void test_lost_step_into_a_later_configuration_is_no_hole(void **state)
{
	const uint64_t from = book.count - 2;

	(void)state;
	for (uint32_t later = 0; later < 2; later++) {
		struct paxos_mark mark = book.records[book.count].mark;
		struct one one;

		mark.low = book.records[from].mark.low;
		mark.promised.configuration += later;
		mark.accepted.configuration += later;
		make(&one, 2);
		for (uint64_t number = 1; number < from; number++) {
			assert_int_equal(
				paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
		}
		assert_int_equal(paxos_replica_recover_lost(one.replica, from, book.count, &mark),
		                 0);
		assert_int_equal(paxos_replica_recover_end(one.replica), later == 0 ? 0 : -EBADMSG);
		unmake(&one);
	}
}

/* The step of one that joined later, or so long ago that the snapshot alone tells of it. */
static void test_losses_behind_a_step_that_is_known_leave_holes(void **state)
{
	const uint64_t from = book.count - 2;

	(void)state;
	for (unsigned with_snapshot = 0; with_snapshot < 2; with_snapshot++) {
		struct paxos_mark mark = book.records[book.count].mark;
		struct paxos_status status;
		struct one one;

		mark.low = book.records[from].mark.low;
		make_of(&one, 2, 0);
		if (with_snapshot != 0) {
			load(&one);
		}
		for (uint64_t number = with_snapshot != 0 ? book.forgot : 1; number < from;
		     number++) {
			assert_int_equal(
				paxos_replica_recover(one.replica, number, bytes_of(number)), 0);
		}
		assert_int_equal(paxos_replica_recover_lost(one.replica, from, book.count, &mark),
		                 0);
		assert_int_equal(paxos_replica_recover_end(one.replica), 0);
		paxos_replica_start(one.replica, 1);
		paxos_replica_status(one.replica, &status);
		assert_int_equal(status.configuration, 1);
		assert_int_equal(status.holes, mark.length - mark.low);
		assert_true(status.holes != 0);
		unmake(&one);
	}
}

/* One record, or the mark of lost ones, with something in it that chance put there. */
static int bring_spoiled(struct one *one, struct prng *prng, uint64_t number, uint64_t from)
{
	uint8_t bytes[PAXOS_RECORD_SIZE_MAX];
	struct slice record = bytes_of(from);
	struct paxos_mark mark = book.records[from].mark;

	if (prng_chance(prng, 1, 4)) {
		mark.low = prng_chance(prng, 1, 2) ? mark.low : prng_below(prng, 300);
		mark.length += prng_chance(prng, 1, 2) ? 0 : prng_below(prng, 100);
		mark.decided = prng_chance(prng, 1, 2) ? mark.decided : prng_below(prng, 300);
		return paxos_replica_recover_lost(one->replica, number, number, &mark);
	}
	memcpy(bytes, record.data, record.size);
	record.data = bytes;
	for (unsigned flips = (unsigned)prng_below(prng, 3); flips > 0; flips--) {
		bytes[prng_below(prng,
		                 prng_chance(prng, 1, 2) ? PAXOS_RECORD_HEADER : record.size)] ^=
			(uint8_t)(1u << prng_below(prng, 8));
	}
	bytes[0] = prng_chance(prng, 1, 8) ? (uint8_t)prng_below(prng, 9) : bytes[0];
	record.size -= prng_chance(prng, 1, 8) ? prng_below(prng, record.size + 1) : 0;
	return paxos_replica_recover(one->replica, number, record);
}

static void test_spoiled_is_survived(void **state)
{
	unsigned refused = 0, taken = 0;
	struct prng prng;

	(void)state;
	prng_init(&prng, 3);
	for (unsigned round = 0; round < 1500; round++) {
		const uint64_t first = prng_chance(&prng, 1, 2) ? 1 : book.forgot;
		uint64_t number = first, from = first;
		struct one one;
		int r = 0;

		make(&one, 2);
		if (first != 1 || prng_chance(&prng, 1, 2)) {
			load(&one);
		}
		while (from <= book.count && r == 0) {
			if (prng_chance(&prng, 1, 100)) {
				from = first + prng_below(&prng, book.count - first + 1);
				r = bring_spoiled(&one, &prng, number++, from++);
			} else {
				r = paxos_replica_recover(one.replica, number++, bytes_of(from++));
			}
		}
		r = r == 0 ? paxos_replica_recover_end(one.replica) : r;
		if (r == 0) {
			paxos_replica_start(one.replica, 1);
			paxos_replica_tick(one.replica, 2);
		}
		refused += r != 0;
		taken += r == 0;
		unmake(&one);
	}
	assert_true(refused > 100);
	assert_true(taken > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_base_tells_what_is_decided),
		cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_too_short_is_refused),
		cmocka_unit_test(test_lost_records_leave_their_entries_unknown),
		cmocka_unit_test(test_lost_step_into_a_later_configuration_is_no_hole),
		cmocka_unit_test(test_losses_behind_a_step_that_is_known_leave_holes),
		cmocka_unit_test(test_spoiled_is_survived),
	};

	return cmocka_run_group_tests(tests, write_book, close_book);
}
