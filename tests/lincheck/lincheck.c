/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lincheck/lincheck.h"

#include <errno.h>
#include <stdlib.h>

#include "store/base/check.h"
#include "tests/lincheck/narrow.h"
#include "tests/lincheck/order.h"
#include "tests/lincheck/records.h"
#include "tests/lincheck/search.h"

enum {
	COUNT_MIN = 64,
	KEY_SHOWN = 600,
	CONDITIONS = LINCHECK_HAS_EXPECT | LINCHECK_HAS_EXPECT_REV | LINCHECK_HAS_MAX_REV,
	TOLD_ALL = LINCHECK_TOLD_OK | LINCHECK_TOLD_FOUND | LINCHECK_TOLD_VALUE |
	           LINCHECK_TOLD_REV | LINCHECK_TOLD_TOKEN | LINCHECK_TOLD_HOLDER |
	           LINCHECK_TOLD_SREV,
	SEEN_IT = LINCHECK_TOLD_FOUND | LINCHECK_TOLD_VALUE | LINCHECK_TOLD_REV,
};

/* Which fields each operation must have and may have. */
static const struct {
	unsigned must_have, may_have;
	bool is_lock;
} rules[LINCHECK_KIND_COUNT] = {
	[LINCHECK_GET] = {0, LINCHECK_HAS_AT_REV | SEEN_IT | LINCHECK_TOLD_SREV, false},
	[LINCHECK_SET] = {LINCHECK_HAS_VALUE, LINCHECK_TOLD_REV | LINCHECK_TOLD_SREV, false},
	[LINCHECK_CAS] = {LINCHECK_HAS_VALUE,
                          CONDITIONS | LINCHECK_TOLD_OK | SEEN_IT | LINCHECK_TOLD_SREV, false},
	[LINCHECK_ADD] = {LINCHECK_HAS_VALUE,
                          CONDITIONS | LINCHECK_TOLD_OK | SEEN_IT | LINCHECK_TOLD_SREV, false},
	[LINCHECK_DEL] = {0, CONDITIONS | LINCHECK_TOLD_OK | LINCHECK_TOLD_REV | LINCHECK_TOLD_SREV,
                          false},
	[LINCHECK_INIT] = {0, LINCHECK_HAS_LIMIT | SEEN_IT | LINCHECK_TOLD_TOKEN, false},
	[LINCHECK_ACQUIRE] = {0,
                              LINCHECK_HAS_LIMIT | LINCHECK_TOLD_OK | LINCHECK_TOLD_TOKEN |
                                      LINCHECK_TOLD_HOLDER | LINCHECK_TOLD_SREV,
                              true},
	[LINCHECK_RELEASE] = {LINCHECK_HAS_TOKEN, LINCHECK_TOLD_OK | LINCHECK_TOLD_SREV, true},
	[LINCHECK_EXPIRE] = {LINCHECK_HAS_TOKEN, LINCHECK_TOLD_SREV, true},
	[LINCHECK_CHECK] = {LINCHECK_HAS_TOKEN, LINCHECK_TOLD_OK | LINCHECK_TOLD_SREV, true},
};

int lincheck_new(struct lincheck **ret_lincheck)
{
	struct lincheck *lincheck = calloc(1, sizeof(*lincheck));

	if (lincheck == NULL) {
		return -ENOMEM;
	}
	names_init(&lincheck->key_names);
	names_init(&lincheck->values);
	names_init(&lincheck->clients);
	*ret_lincheck = lincheck;
	return 0;
}

void lincheck_free(struct lincheck *lincheck)
{
	if (lincheck == NULL) {
		return;
	}
	names_deinit(&lincheck->key_names);
	names_deinit(&lincheck->values);
	names_deinit(&lincheck->clients);
	text_deinit(&lincheck->text);
	text_deinit(&lincheck->text_failures);
	free(lincheck->records);
	free(lincheck->keys);
	free(lincheck);
}

/* Nothing, or the value and the revision of its change: else it says too little to be placed. */
static bool tells_past(const struct lincheck_operation *o)
{
	return (o->has & LINCHECK_TOLD_FOUND) != 0 &&
	       (!o->found || (o->has & LINCHECK_TOLD_REV) != 0);
}

/* Why the operation makes no sense by itself, or NULL. */
static const char *fault_of(const struct lincheck_operation *o)
{
	const unsigned told = o->unknown ? 0 : o->has & TOLD_ALL;
	const unsigned has = (o->has & ~(unsigned)TOLD_ALL) | told;

	if (o->kind >= LINCHECK_KIND_COUNT) {
		return "unknown op";
	}
	if ((has & rules[o->kind].must_have) != rules[o->kind].must_have) {
		return "an argument is missing";
	}
	if ((has & ~(rules[o->kind].must_have | rules[o->kind].may_have)) != 0) {
		return "an argument or a result that this op does not have";
	}
	if (o->kind == LINCHECK_CAS && (has & CONDITIONS) == 0) {
		return "a cas without a condition";
	}
	if ((has & LINCHECK_HAS_MAX_REV) != 0 && o->max_rev < -1) {
		return "max_rev is below -1";
	}
	if ((has & LINCHECK_TOLD_FOUND) != 0 && !o->found && (has & LINCHECK_TOLD_VALUE) != 0) {
		return "not found, and a value all the same";
	}
	if (o->kind == LINCHECK_INIT && (o->unknown || (has & TOLD_ALL) == 0)) {
		return "an init without a result";
	}
	if (o->kind == LINCHECK_INIT && (has & LINCHECK_TOLD_TOKEN) != 0 &&
	    (has & (LINCHECK_TOLD_REV | LINCHECK_TOLD_VALUE)) != 0) {
		return "an init of a file and a lock at once";
	}
	if (o->kind == LINCHECK_INIT && (has & LINCHECK_HAS_LIMIT) != 0 &&
	    (has & LINCHECK_TOLD_TOKEN) == 0) {
		return "a limit of a file";
	}
	if ((has & LINCHECK_HAS_AT_REV) != 0 && o->at_rev == 0) {
		return "at_rev is 0";
	}
	if ((has & LINCHECK_HAS_AT_REV) != 0 && !o->unknown && !tells_past(o)) {
		return "a read at a revision that does not tell whose value it is";
	}
	if (o->kind != LINCHECK_INIT && !o->unknown && o->ret_ns < o->call_ns) {
		return "ret is before call";
	}
	return NULL;
}

/* Finds or makes the key, and sees that file and lock do not mix. */
static int take_key(struct lincheck *lincheck, const struct lincheck_operation *o,
                    uint32_t *ret_key, const char **ret_reason)
{
	const bool is_init = o->kind == LINCHECK_INIT;
	const bool is_lock = rules[o->kind].is_lock || (o->has & LINCHECK_TOLD_TOKEN) != 0;
	const bool is_file =
		is_init ? (o->has & (LINCHECK_TOLD_REV | LINCHECK_TOLD_VALUE)) != 0 : !is_lock;
	uint32_t number;
	struct key *key;

	if (names_number(&lincheck->key_names, o->key, &number) != 0) {
		return -ENOMEM;
	}
	if (number >= lincheck->keys_room) {
		const uint32_t room =
			lincheck->keys_room == 0 ? COUNT_MIN : 2 * lincheck->keys_room;
		struct key *keys = realloc(lincheck->keys, room * sizeof(*keys));

		if (keys == NULL) {
			return -ENOMEM;
		}
		for (uint32_t i = lincheck->keys_room; i < room; i++) {
			keys[i] = (struct key){.init = RECORD_NONE};
		}
		lincheck->keys = keys;
		lincheck->keys_room = room;
	}
	key = &lincheck->keys[number];
	if ((is_lock && key->is_file) || (is_file && key->is_lock)) {
		*ret_reason = "a file and a lock under one key";
		return -EINVAL;
	}
	if (is_init && key->init != RECORD_NONE) {
		*ret_reason = "a second init of this key";
		return -EINVAL;
	}
	key->is_lock = key->is_lock || is_lock;
	key->is_file = key->is_file || is_file;
	*ret_key = number;
	return 0;
}

static int take_values(struct lincheck *lincheck, const struct lincheck_operation *o,
                       struct record *record)
{
	int r = names_number(&lincheck->clients, o->client, &record->client);

	if (r == 0 && (record->op.has & LINCHECK_HAS_VALUE) != 0) {
		r = names_number(&lincheck->values, o->value, &record->op.value);
	}
	if (r == 0 && (record->op.has & LINCHECK_HAS_EXPECT) != 0 && !o->expect_absent) {
		r = names_number(&lincheck->values, o->expect, &record->op.expect);
	}
	if (r == 0 && (record->op.has & LINCHECK_TOLD_VALUE) != 0) {
		r = names_number(&lincheck->values, o->told_value, &record->op.told_value);
	}
	return r;
}

/*
 * For an acknowledged change the store's revision is its own; a read at one shows that it has come.
 * 0 = not told.
 */
static uint64_t srev_of(const struct record *record, const struct lincheck_operation *o)
{
	if ((record->op.has & LINCHECK_HAS_AT_REV) != 0) {
		return (o->has & LINCHECK_TOLD_SREV) != 0 && o->srev > o->at_rev ? o->srev
		                                                                 : o->at_rev;
	}
	if ((record->op.has & LINCHECK_TOLD_SREV) != 0) {
		return o->srev;
	}
	if ((record->op.has & LINCHECK_TOLD_REV) != 0 && record_is_change(record)) {
		return o->rev;
	}
	return 0;
}

static int append(struct lincheck *lincheck, const struct record *record)
{
	if (lincheck->count == lincheck->room) {
		const uint32_t room = lincheck->room == 0 ? COUNT_MIN : 2 * lincheck->room;
		struct record *records = realloc(lincheck->records, room * sizeof(*records));

		if (records == NULL || room >= UINT32_MAX / 4) {
			lincheck->records = records != NULL ? records : lincheck->records;
			return -ENOMEM;
		}
		lincheck->records = records;
		lincheck->room = room;
	}
	lincheck->records[lincheck->count++] = *record;
	return 0;
}

int lincheck_add(struct lincheck *lincheck, const struct lincheck_operation *operation,
                 const char **ret_reason)
{
	const struct lincheck_operation *o = operation;
	const char *reason = fault_of(o);
	struct record record = {0};
	int r = reason == NULL ? 0 : -EINVAL;

	if (r == 0) {
		r = take_key(lincheck, o, &record.key, &reason);
	}
	if (r != 0) {
		if (ret_reason != NULL) {
			*ret_reason = r == -ENOMEM ? "out of memory" : reason;
		}
		return r;
	}
	record.op = (struct model_op){
		.kind = o->kind,
		.unknown = o->unknown,
		.has = o->unknown ? o->has & ~(unsigned)TOLD_ALL : o->has,
		.expect_absent = o->expect_absent,
		.ok = o->ok,
		.found = o->found,
		.expect_rev = o->expect_rev,
		.token = o->token,
		.at_rev = o->at_rev,
		.limit = (o->has & LINCHECK_HAS_LIMIT) != 0 ? o->limit : 1,
		.max_rev = o->max_rev,
		.rev = o->rev,
		.told_token = o->told_token,
		.holder = o->holder,
	};
	record.call_ns = o->call_ns;
	record.ret_ns = o->ret_ns;
	record.line = o->line;
	lincheck->unknown += o->unknown;
	if (o->unknown && (o->kind == LINCHECK_GET || o->kind == LINCHECK_CHECK)) {
		lincheck->dropped++;
		return 0;
	}
	r = take_values(lincheck, o, &record);
	record.srev = o->unknown ? 0 : srev_of(&record, o);
	if (r == 0) {
		r = append(lincheck, &record);
	}
	if (r == 0 && o->kind == LINCHECK_INIT) {
		lincheck->keys[record.key].init = lincheck->count - 1;
	}
	return r;
}

void lincheck_counts(const struct lincheck *lincheck, struct lincheck_counts *ret_counts)
{
	*ret_counts = (struct lincheck_counts){
		.operations = lincheck->count + lincheck->dropped,
		.unknown = lincheck->unknown,
		.keys = lincheck->key_names.count,
	};
}

/* --- the check ----------------------------------------------------------------------------- */

/* Whether somebody wrote, or tried to write, the value that the stuck operation was told. */
static bool was_written(const struct lincheck *lincheck, const struct record *stuck)
{
	for (uint32_t i = 0; i < lincheck->count; i++) {
		const struct record *record = &lincheck->records[i];

		if (record->key != stuck->key) {
			continue;
		}
		if ((record->op.has & LINCHECK_HAS_VALUE) != 0 &&
		    record->op.value == stuck->op.told_value) {
			return true;
		}
		if (record->op.kind == LINCHECK_INIT &&
		    (record->op.has & LINCHECK_TOLD_VALUE) != 0 &&
		    record->op.told_value == stuck->op.told_value) {
			return true;
		}
	}
	return false;
}

static void put_failure(struct text *text, const struct lincheck *lincheck,
                        const struct search_failure *failure)
{
	const struct record *stuck = &lincheck->records[failure->stuck];
	const struct key *key = &lincheck->keys[stuck->key];

	text_put(text, "  cannot be placed: ");
	record_put(text, lincheck, stuck);
	text_put(text, "\n");
	if ((stuck->op.has & LINCHECK_TOLD_VALUE) != 0 && !was_written(lincheck, stuck)) {
		text_put(text, "  nobody wrote this value\n");
	}
	text_put(text, "  the order that comes furthest places %u before it", failure->placed);
	text_put(text, failure->tail_count == 0 ? "\n" : ", at last:\n");
	for (unsigned i = 0; i < failure->tail_count; i++) {
		text_put(text, "    ");
		record_put(text, lincheck, &lincheck->records[failure->tail[i]]);
		text_put(text, "\n");
	}
	text_put(text, "  and then stands: ");
	record_put_state(text, lincheck, key->is_lock, &failure->state);
	text_put(text, "\n");
}

static int check_key(struct lincheck *lincheck, uint32_t number, struct search_op *ops,
                     const struct lincheck_bounds *bounds, enum lincheck_verdict *ret_verdict)
{
	static const char *const verdicts[] = {"true", "false", "unknown"};
	const struct key *key = &lincheck->keys[number];
	struct text *texts[] = {&lincheck->text, &lincheck->text_failures};
	struct model_state start = model_start();
	struct search_failure failure;
	int r;

	if (key->init != RECORD_NONE) {
		start = model_init(&lincheck->records[key->init].op);
	}
	r = narrow(ops, key->count);
	if (r == 0) {
		r = search_run(ops, key->count, &start, bounds, ret_verdict, &failure);
	}
	if (r != 0) {
		return r;
	}
	for (unsigned i = 0; i < 2; i++) {
		if (i == 1 && *ret_verdict == LINCHECK_TRUE) {
			continue;
		}
		text_put_bytes(texts[i], names_get(&lincheck->key_names, number), KEY_SHOWN);
		text_put(texts[i], ": %s\n", verdicts[*ret_verdict]);
		if (*ret_verdict == LINCHECK_FALSE) {
			put_failure(texts[i], lincheck, &failure);
		}
	}
	return 0;
}

/* Gathers the operations of each key, one key after the other. */
static void gather(struct lincheck *lincheck, struct search_op *ops)
{
	const uint32_t key_count = lincheck->key_names.count;
	uint32_t first = 0;

	for (uint32_t k = 0; k < key_count; k++) {
		lincheck->keys[k].count = 0;
	}
	for (uint32_t i = 0; i < lincheck->count; i++) {
		lincheck->keys[lincheck->records[i].key].count +=
			lincheck->records[i].op.kind != LINCHECK_INIT;
	}
	for (uint32_t k = 0; k < key_count; k++) {
		lincheck->keys[k].first = first;
		first += lincheck->keys[k].count;
		lincheck->keys[k].count = 0;
	}
	for (uint32_t i = 0; i < lincheck->count; i++) {
		const struct record *record = &lincheck->records[i];
		struct key *key = &lincheck->keys[record->key];

		if (record->op.kind != LINCHECK_INIT) {
			ops[key->first + key->count++] = (struct search_op){
				.op = record->op,
				.call_ns = record->call_ns,
				.ret_ns = record->ret_ns,
				.number = i,
			};
		}
	}
}

int lincheck_check(struct lincheck *lincheck, const struct lincheck_bounds *bounds,
                   enum lincheck_verdict *ret_verdict)
{
	static const struct lincheck_bounds none;
	struct search_op *ops = calloc((size_t)lincheck->count + 1, sizeof(*ops));
	enum lincheck_verdict all = LINCHECK_TRUE;
	int r = ops == NULL ? -ENOMEM : 0;

	bounds = bounds != NULL ? bounds : &none;
	text_clear(&lincheck->text);
	text_clear(&lincheck->text_failures);
	if (r == 0) {
		gather(lincheck, ops);
	}
	for (uint32_t k = 0; r == 0 && k < lincheck->key_names.count; k++) {
		enum lincheck_verdict one = LINCHECK_UNKNOWN;

		r = check_key(lincheck, k, ops + lincheck->keys[k].first, bounds, &one);
		if (one == LINCHECK_FALSE || (one == LINCHECK_UNKNOWN && all == LINCHECK_TRUE)) {
			all = one;
		}
	}
	free(ops);
	if (r == 0 && !bounds->no_rev_order) {
		bool is_good = true;

		r = order_check(lincheck, &is_good);
		all = is_good ? all : LINCHECK_FALSE;
	}
	if (r == 0 && !(text_ok(&lincheck->text) && text_ok(&lincheck->text_failures))) {
		r = -ENOMEM;
	}
	if (r == 0) {
		*ret_verdict = all;
	}
	return r;
}

const char *lincheck_text(const struct lincheck *lincheck, bool failures_only)
{
	return text_get(failures_only ? &lincheck->text_failures : &lincheck->text);
}
