/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/base/crc32c.h"
#include "store/path.h"
#include "store/proto_page.h"

void ledger_init(struct ledger *ledger, struct scroll *scroll, uint32_t keys, uint32_t counters)
{
	must(keys < LEDGER_KEYS_MAX);
	must(counters <= keys);
	*ledger = (struct ledger){.scroll = scroll,
	                          .operation_count = 1,
	                          .operation_room = 1024,
	                          .change_count = 0,
	                          .change_room = 1024,
	                          .key_count = keys,
	                          .counter_count = counters};
	ledger->operations = calloc(ledger->operation_room, sizeof(*ledger->operations));
	ledger->changes = calloc(ledger->change_room, sizeof(*ledger->changes));
	must(ledger->operations != NULL);
	must(ledger->changes != NULL);
}

void ledger_deinit(struct ledger *ledger)
{
	free(ledger->operations);
	free(ledger->changes);
	ledger->operations = NULL;
	ledger->changes = NULL;
}

struct slice ledger_path(const struct ledger *ledger, uint32_t key, char *memory)
{
	const bool is_counter = key >= ledger->key_count - ledger->counter_count;
	const int size = snprintf(memory, LEDGER_PATH_MAX, "/%c%u/key-%u", is_counter ? 'n' : 'd',
	                          key % 3, key);

	return slice_make(memory, (size_t)size);
}

struct slice ledger_sum(void)
{
	return slice_text("/s/sum");
}

struct slice ledger_value(const struct ledger *ledger, uint64_t operation, uint8_t *memory)
{
	const struct ledger_operation *o = &ledger->operations[operation];
	const size_t size = (size_t)snprintf((char *)memory, 64, "%" PRIu64 " %" PRIu64 " ",
	                                     o->value, operation);

	if (o->value_size <= size) {
		return slice_make(memory, size);
	}
	memset(memory + size, 'x', o->value_size - size);
	return slice_make(memory, o->value_size);
}

/* Reads the two numbers at the head of a value. False if it is not one of ours. */
static bool parse_value(struct slice value, uint64_t *ret_number, uint64_t *ret_operation)
{
	char text[64];
	const size_t size = value.size < sizeof(text) - 1 ? value.size : sizeof(text) - 1;

	if (size == 0) {
		return false;
	}
	memcpy(text, value.data, size);
	text[size] = '\0';
	return sscanf(text, "%" SCNu64 " %" SCNu64, ret_number, ret_operation) == 2;
}

uint64_t ledger_call(struct ledger *ledger, uint64_t now_ns,
                     const struct ledger_operation *operation)
{
	const uint64_t number = ledger->operation_count;
	struct ledger_operation *o;

	if (ledger->operation_count == ledger->operation_room) {
		ledger->operation_room *= 2;
		ledger->operations = realloc(ledger->operations,
		                             ledger->operation_room * sizeof(*ledger->operations));
		must(ledger->operations != NULL);
	}
	ledger->operation_count++;
	ledger->open++;
	o = &ledger->operations[number];
	*o = *operation;
	o->call_ns = now_ns;
	o->floor = ledger->acknowledged;
	scroll_put(ledger->scroll, now_ns, SCROLL_CALL, o->client, 0, number, o->kind);
	return number;
}

static bool is_write(enum ledger_kind kind)
{
	return kind >= LEDGER_SET && kind <= LEDGER_INCREMENT;
}

static bool is_delete(enum ledger_kind kind)
{
	return kind == LEDGER_DELETE || kind == LEDGER_DELETE_IF;
}

/* The change that stands for a key at a revision, 0 if the key is absent then. */
static store_rev_t standing(const struct ledger *ledger, uint32_t key, store_rev_t at)
{
	store_rev_t rev = ledger->last[key];

	while (rev > at) {
		rev = ledger->changes[rev].former;
	}
	return rev != 0 && ledger->changes[rev].is_delete ? 0 : rev;
}

static void fail(const struct ledger *ledger, uint64_t now_ns, uint64_t number, const char *what)
{
	const struct ledger_operation *o = &ledger->operations[number];

	scroll_fail(ledger->scroll, now_ns,
	            "client %u, operation %" PRIu64 " (verb %d, key %u, called at %" PRIu64
	            " ns, condition %" PRId64 ") was told outcome %d, %s, revision %" PRId64
	            " of %" PRId64 ", and knew of %" PRId64 ": %s",
	            o->client, number, (int)o->kind, o->key, o->call_ns, o->rev, (int)o->outcome,
	            store_answer_text(o->answer), o->answer_rev, o->answer_store_rev, o->floor,
	            what);
}

/* A write was acknowledged: it stands in the log, and is nobody else's. */
static void check_claim(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	struct ledger_operation *o = &ledger->operations[number];
	struct ledger_change *change = &ledger->changes[o->answer_rev];

	if (o->answer_rev <= 0) {
		fail(ledger, now_ns, number, "a write that was done has no revision");
	} else if (o->answer_rev <= o->floor) {
		fail(ledger, now_ns, number, "its revision was known before it was called");
	} else if (change->is_claimed) {
		fail(ledger, now_ns, number, "its revision was given to another write, too");
	} else if (change->key != o->key || change->is_delete != is_delete(o->kind)) {
		fail(ledger, now_ns, number, "another change stands at its revision");
	} else if (!change->is_delete && change->operation != number) {
		fail(ledger, now_ns, number, "another write stands at its revision");
	}
	change->is_claimed = true;
	o->is_claimed = true;
}

/* --- transactions ---------------------------------------------------------------------------- */

static unsigned list_size(const struct ledger_operation *o, bool ran_else)
{
	return ran_else ? 1 : o->list.count + o->list.has_sum;
}

/* Key and kind of the i-th change. */
static uint32_t list_key(const struct ledger *ledger, const struct ledger_operation *o,
                         bool ran_else, unsigned i, bool *ret_is_delete)
{
	*ret_is_delete = !ran_else && i < o->list.count && o->list.parts[i].is_delete;
	if (ran_else) {
		return o->list.else_key;
	}
	return i < o->list.count ? o->list.parts[i].key : ledger->key_count;
}

/* True if the changes from `first` on are all of the list, and nothing else. */
static bool is_list(const struct ledger *ledger, const struct ledger_operation *o, bool ran_else,
                    store_rev_t first)
{
	const unsigned size = list_size(o, ran_else);

	if (ledger->changes[first].first != first ||
	    ledger->changes[first].last != first + (store_rev_t)size - 1) {
		return false;
	}
	for (unsigned i = 0; i < size; i++) {
		const struct ledger_change *change = &ledger->changes[first + (store_rev_t)i];
		bool is_delete;

		if (change->key != list_key(ledger, o, ran_else, i, &is_delete) ||
		    change->is_delete != is_delete) {
			return false;
		}
	}
	return true;
}

/* How many of its compares held after the change `at`, up to the first that did not. */
static unsigned compares_held(const struct ledger *ledger, const struct ledger_operation *o,
                              store_rev_t at, const struct ledger_part **ret_false)
{
	unsigned held = 0;

	*ret_false = NULL;
	for (unsigned i = 0; i < o->list.count; i++) {
		const struct ledger_part *part = &o->list.parts[i];

		if (part->is_compared && standing(ledger, part->key, at) != part->rev) {
			*ret_false = part;
			break;
		}
		held += part->is_compared;
	}
	return held;
}

/* It was acknowledged: its list stands in the log as one entry, and is nobody else's. */
static void check_list(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	struct ledger_operation *o = &ledger->operations[number];
	const unsigned size = list_size(o, o->ran_else);
	const store_rev_t first = o->answer_first;
	const struct ledger_part *is_false;

	if (first <= o->floor || o->answer_rev != first + (store_rev_t)size - 1) {
		fail(ledger, now_ns, number, "its revisions are not its own");
		return;
	}
	if (!is_list(ledger, o, o->ran_else, first) || ledger->changes[first].operation != number) {
		fail(ledger, now_ns, number, "another entry stands at its revisions");
	}
	(void)compares_held(ledger, o, first - 1, &is_false);
	if ((is_false != NULL) != o->ran_else) {
		fail(ledger, now_ns, number, "the other list was to be run");
	}
	for (store_rev_t rev = first; rev <= o->answer_rev; rev++) {
		if (ledger->changes[rev].is_claimed) {
			fail(ledger, now_ns, number, "its revision was given to another, too");
		}
		ledger->changes[rev].is_claimed = true;
	}
	if (o->list.has_sum && !o->ran_else &&
	    (uint64_t)o->answer_number != ledger->changes[o->answer_rev].number) {
		fail(ledger, now_ns, number, "another sum stands there");
	}
	o->is_claimed = true;
	ledger->txns++;
	ledger->elses += o->ran_else;
}

/* It was refused: a compare was false, or there was no file to delete. */
static void check_list_refusal(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const store_rev_t at = o->answer_store_rev;
	const struct ledger_part *is_false;
	const unsigned held = compares_held(ledger, o, at, &is_false);

	if (o->answer == STORE_MISMATCH) {
		if (o->list.has_else || is_false == NULL || o->refused_at != held ||
		    standing(ledger, is_false->key, at) != o->answer_rev) {
			fail(ledger, now_ns, number, "its compares held, or another was false");
		}
	} else if (is_false != NULL || o->refused_at >= o->list.count ||
	           !o->list.parts[o->refused_at].is_delete ||
	           standing(ledger, o->list.parts[o->refused_at].key, at) != 0) {
		fail(ledger, now_ns, number, "nothing was in its way");
	}
}

/* --- other operations ------------------------------------------------------------------------ */

/* A condition was refused: what stood there must have been as told, and not as asked. */
static void check_refusal(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const store_rev_t stood = standing(ledger, o->key, o->answer_store_rev);

	if (o->answer == STORE_MISMATCH && stood != o->answer_rev) {
		fail(ledger, now_ns, number, "something else stood there");
	}
	if (o->answer == STORE_NOT_FOUND && stood != 0) {
		fail(ledger, now_ns, number, "the file was there");
	}
	if (o->kind == LEDGER_SET || (o->kind == LEDGER_ADD && stood == 0) ||
	    ((o->kind == LEDGER_CAS || o->kind == LEDGER_INCREMENT) && stood == o->rev) ||
	    (o->kind == LEDGER_MAX && stood <= o->rev) ||
	    (o->kind == LEDGER_DELETE && o->answer == STORE_MISMATCH) ||
	    (o->kind == LEDGER_DELETE_IF && stood != 0 && stood == o->rev)) {
		fail(ledger, now_ns, number, "the condition held");
	}
}

/* A read that names the revision it wants. */
static bool names_revision(const struct ledger_operation *o)
{
	return (o->kind == LEDGER_PAST || o->kind == LEDGER_WALK) && o->rev != 0;
}

/* Of a revision amid an entry it is the last of that. */
static store_rev_t read_at(const struct ledger *ledger, const struct ledger_operation *o)
{
	return names_revision(o) ? ledger->changes[o->rev].last : o->answer_store_rev;
}

/* What a file adds to the sum over a walk: files and revisions in any other pairs sum otherwise. */
static uint64_t weight(uint32_t key, store_rev_t rev)
{
	const uint64_t mixed = ((uint64_t)rev << 8 | key) * UINT64_C(0x9e3779b97f4a7c15);

	return mixed ^ mixed >> 29;
}

static void check_walk(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	uint64_t sum = 0;

	for (uint32_t key = 0; key <= ledger->key_count; key++) {
		const store_rev_t stood = (o->covered >> key & 1) != 0
		                                  ? standing(ledger, key, read_at(ledger, o))
		                                  : 0;

		sum += stood != 0 ? weight(key, stood) : 0;
	}
	if (sum != o->read_value) {
		fail(ledger, now_ns, number, "other files stood there");
	}
}

static void check_read(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const store_rev_t stood = standing(ledger, o->key, read_at(ledger, o));

	if (o->answer == STORE_NOT_FOUND) {
		if (stood != 0) {
			fail(ledger, now_ns, number, "the file was there");
		}
	} else if (stood != o->answer_rev) {
		fail(ledger, now_ns, number, "another revision stood there");
	} else if (ledger->changes[stood].operation != o->read_operation ||
	           ledger->changes[stood].number != o->read_value) {
		fail(ledger, now_ns, number, "another value stood there");
	}
}

/* Real time: what was acknowledged before the call is seen. */
static void check_order(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const store_rev_t least = o->is_stale ? o->seen : o->floor;

	if (o->answer_store_rev < least) {
		fail(ledger, now_ns, number, "a higher revision was acknowledged before the call");
	}
	if (o->answer_rev > o->answer_store_rev) {
		fail(ledger, now_ns, number, "its revision is above the store's");
	}
	if (names_revision(o) && o->rev > o->answer_store_rev) {
		fail(ledger, now_ns, number, "it was answered before its time");
	}
}

static bool tells_state(const struct ledger_operation *o)
{
	return (o->outcome == CLIENT_DONE || o->outcome == CLIENT_REFUSED) &&
	       (o->answer == STORE_OK || o->answer == STORE_MISMATCH ||
	        o->answer == STORE_NOT_FOUND);
}

/* All checks of an operation that has returned, as soon as the log is known so far. */
static void check(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	struct ledger_operation *o = &ledger->operations[number];

	if (!tells_state(o) || o->kind == LEDGER_REV || o->kind == LEDGER_NOP) {
		o->is_checked = true;
		return;
	}
	if (o->answer_store_rev < 0 || (size_t)o->answer_store_rev > ledger->change_count ||
	    o->answer_rev < 0 || (size_t)o->answer_rev > ledger->change_count) {
		return; /* ledger_close() looks again */
	}
	o->is_checked = true;
	if (o->answer_store_rev > 0 &&
	    ledger->changes[o->answer_store_rev].last != o->answer_store_rev) {
		fail(ledger, now_ns, number, "the store's revision is amid an entry");
	}
	if (names_revision(o)) {
		ledger->past += o->rev < o->answer_store_rev;
		ledger->amid += ledger->changes[o->rev].last != o->rev;
	}
	if (o->kind == LEDGER_TXN) {
		(o->answer == STORE_OK ? check_list : check_list_refusal)(ledger, now_ns, number);
	} else if (o->kind == LEDGER_WALK) {
		check_walk(ledger, now_ns, number);
	} else if (o->kind == LEDGER_GET || o->kind == LEDGER_PAST) {
		check_read(ledger, now_ns, number);
	} else if (o->answer == STORE_OK) {
		check_claim(ledger, now_ns, number);
	} else {
		check_refusal(ledger, now_ns, number);
	}
}

static uint32_t key_of(const struct ledger *ledger, struct slice path)
{
	char memory[LEDGER_PATH_MAX];

	for (uint32_t key = 0; key < ledger->key_count; key++) {
		if (slice_equal(path, ledger_path(ledger, key, memory))) {
			return key;
		}
	}
	return slice_equal(path, ledger_sum()) ? ledger->key_count : LEDGER_KEYS_MAX;
}

/* The keys up to where a page goes on; all, if it is the last. False: it makes no sense. */
static bool cover(struct ledger *ledger, struct ledger_operation *o,
                  const struct proto_answer *answer)
{
	struct proto_page_mark rest = {0};

	if (answer->has_more && !proto_page_rest(answer->value, &rest)) {
		return false;
	}
	ledger->cut += answer->has_more;
	for (uint32_t key = 0; key <= ledger->key_count; key++) {
		char memory[LEDGER_PATH_MAX];
		const struct slice path =
			key == ledger->key_count ? ledger_sum() : ledger_path(ledger, key, memory);

		if (!answer->has_more || store_path_compare(path, rest.after) <= 0) {
			o->covered |= (uint64_t)1 << key;
		}
	}
	return true;
}

/* The files of a walk: in order, ours, and not behind where it goes on. */
static void read_walk(struct ledger *ledger, uint64_t now_ns, uint64_t number,
                      const struct proto_answer *answer)
{
	struct ledger_operation *o = &ledger->operations[number];
	struct slice page = answer->value, before = {0};
	struct proto_page_entry entry;
	bool is_bad = !cover(ledger, o, answer);

	while (proto_page_next(&page, &entry, &is_bad)) {
		const uint32_t key = key_of(ledger, entry.name);

		is_bad |= key == LEDGER_KEYS_MAX || (o->covered >> key & 1) == 0 ||
		          entry.is_directory ||
		          (before.size != 0 && store_path_compare(before, entry.name) >= 0);
		o->read_value += weight(key, entry.revision);
		before = entry.name;
	}
	if (is_bad) {
		fail(ledger, now_ns, number, "a page that makes no sense");
	}
}

/* A revision is too late only if an older one is not said to be there. */
static void check_too_late(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];

	ledger->too_late++;
	if (!names_revision(o) || o->answer_rev <= o->rev || o->answer_rev > o->answer_store_rev) {
		fail(ledger, now_ns, number, "what is too late is not older than what is kept");
	}
}

static void read_answer(struct ledger *ledger, uint64_t now_ns, uint64_t number,
                        const struct proto_answer *answer)
{
	struct ledger_operation *o = &ledger->operations[number];

	if ((o->kind == LEDGER_GET || o->kind == LEDGER_PAST) &&
	    !parse_value(answer->value, &o->read_value, &o->read_operation)) {
		fail(ledger, now_ns, number, "a value nobody wrote");
	}
	if (o->kind == LEDGER_WALK) {
		read_walk(ledger, now_ns, number, answer);
	}
}

void ledger_return(struct ledger *ledger, uint64_t now_ns, uint64_t number,
                   const struct client_result *result)
{
	struct ledger_operation *o = &ledger->operations[number];

	must(!o->is_returned);
	ledger->open--;
	o->is_returned = true;
	o->return_ns = now_ns;
	o->outcome = result->outcome;
	o->answer = result->answer.answer;
	o->answer_rev = result->answer.revision;
	o->answer_store_rev = result->answer.store_revision;
	o->answer_first = result->answer.first;
	o->answer_number = result->answer.number;
	o->ran_else = (result->answer.result & STORE_RESULT_ELSE) != 0;
	o->refused_at = result->answer.count;
	scroll_put(ledger->scroll, now_ns, SCROLL_RETURN, o->client, 0, number,
	           (uint64_t)o->outcome << 8 | o->answer);
	switch (o->outcome) {
	case CLIENT_DONE:
		ledger->done++;
		break;
	case CLIENT_REFUSED:
		ledger->refused++;
		break;
	case CLIENT_UNREACHED:
		ledger->unreached++;
		break;
	case CLIENT_UNKNOWN:
	default:
		ledger->unknown++;
		break;
	}
	if ((o->outcome == CLIENT_REFUSED || o->outcome == CLIENT_UNREACHED) && o->effects != 0) {
		fail(ledger, now_ns, number, "it had an effect all the same");
	}
	if (o->outcome == CLIENT_REFUSED && o->answer == STORE_TOO_LATE) {
		check_too_late(ledger, now_ns, number);
	}
	if (!tells_state(o)) {
		o->is_checked = true;
		return;
	}
	if (o->answer == STORE_OK) {
		read_answer(ledger, now_ns, number, &result->answer);
	}
	check_order(ledger, now_ns, number);
	check(ledger, now_ns, number);
	if (o->answer_store_rev > ledger->acknowledged) {
		ledger->acknowledged = o->answer_store_rev;
	}
}

/* --- what was decided ------------------------------------------------------------------------ */

/* What an operation did is its first effect, and it is what was asked for. */
static void note_effect(struct ledger *ledger, uint64_t now_ns, store_rev_t first)
{
	const struct ledger_change *change = &ledger->changes[first];
	struct ledger_operation *o = &ledger->operations[change->operation];

	o->effects++;
	if (o->kind == LEDGER_TXN) {
		if (!is_list(ledger, o, false, first) &&
		    !(o->list.has_else && is_list(ledger, o, true, first))) {
			fail(ledger, now_ns, change->operation, "a part of it was decided");
		}
	} else if (!is_write(o->kind) || is_delete(o->kind) || o->key != change->key ||
	           o->value != change->number) {
		fail(ledger, now_ns, change->operation, "something else was decided for it");
	}
	if (o->effects > 1) {
		fail(ledger, now_ns, change->operation, "it took effect twice");
	}
	if (o->is_returned && (o->outcome == CLIENT_REFUSED || o->outcome == CLIENT_UNREACHED)) {
		fail(ledger, now_ns, change->operation, "it took effect afterwards");
	}
}

void ledger_claim(struct ledger *ledger, uint32_t client, uint64_t session, uint64_t until_ns)
{
	must(client < LEDGER_CLIENTS_MAX);
	if (session == 0) {
		return; /* what it counted on stays, whatever it thinks now */
	}
	if (ledger->claims[client].session != session) {
		ledger->claims[client].session = session;
		ledger->claims[client].until_ns = 0;
	}
	if (until_ns > ledger->claims[client].until_ns) {
		ledger->claims[client].until_ns = until_ns;
	}
}

static void check_claims(struct ledger *ledger, uint64_t now_ns, const struct store_entry *entry)
{
	for (unsigned i = 0; i < entry->expired_count; i++) {
		for (unsigned client = 0; client < LEDGER_CLIENTS_MAX; client++) {
			if (ledger->claims[client].session != entry->expired[i]) {
				continue;
			}
			ledger->claims_checked++;
			if (ledger->claims[client].until_ns > now_ns) {
				scroll_fail(ledger->scroll, now_ns,
				            "session %" PRIu64 " ends %" PRIu64
				            " us before its client thinks so",
				            entry->expired[i],
				            (ledger->claims[client].until_ns - now_ns) / 1000);
			}
		}
	}
}

static struct ledger_change *new_change(struct ledger *ledger)
{
	if (++ledger->change_count >= ledger->change_room) {
		ledger->change_room *= 2;
		ledger->changes =
			realloc(ledger->changes, ledger->change_room * sizeof(*ledger->changes));
		must(ledger->changes != NULL);
	}
	return &ledger->changes[ledger->change_count];
}

/* The number that a value begins with. */
static uint64_t decimal_of(struct slice value)
{
	uint64_t number = 0;

	for (size_t i = 0; i < value.size && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
		number = number * 10 + (uint64_t)(value.data[i] - '0');
	}
	return number;
}

/* The number that a key of ours now has, and who wrote it. */
static void read_change(struct ledger *ledger, uint64_t now_ns, struct ledger_change *change,
                        struct slice value)
{
	const struct ledger_change *before = &ledger->changes[ledger->last[change->key]];

	change->former = ledger->last[change->key];
	if (change->key == ledger->key_count) {
		change->number = decimal_of(value);
		if (change->number != (change->former == 0 ? 0 : before->number) + 1) {
			scroll_fail(ledger->scroll, now_ns, "the sum goes to %" PRIu64,
			            change->number);
		}
	} else if (!change->is_delete &&
	           (!parse_value(value, &change->number, &change->operation) ||
	            change->operation == 0 || change->operation >= ledger->operation_count)) {
		scroll_fail(ledger->scroll, now_ns, "a value was decided that nobody wrote");
		change->operation = 0;
	}
}

static void note_change(struct ledger *ledger, uint64_t now_ns, const struct store_event *event)
{
	struct ledger_change *change = new_change(ledger);
	const store_rev_t rev = (store_rev_t)ledger->change_count;

	*change = (struct ledger_change){.key = key_of(ledger, event->path),
	                                 .is_delete = event->kind == STORE_EVENT_DELETE,
	                                 .cause = event->cause,
	                                 .size = (uint32_t)event->value.size,
	                                 .crc = crc32c(0, event->value),
	                                 .first = event->first,
	                                 .last = event->last};
	must(event->revision == rev);
	must(event->path.size < sizeof(change->path));
	memcpy(change->path, event->path.data, event->path.size);
	if (change->key != LEDGER_KEYS_MAX) {
		read_change(ledger, now_ns, change, event->value);
		ledger->last[change->key] = rev;
	} else {
		change->number = decimal_of(event->value);
	}
}

/* All that one entry changed says so. */
static void check_bounds(struct ledger *ledger, uint64_t now_ns, store_rev_t before)
{
	const store_rev_t last = (store_rev_t)ledger->change_count;

	for (store_rev_t rev = before + 1; rev <= last; rev++) {
		if (ledger->changes[rev].first != before + 1 || ledger->changes[rev].last != last) {
			scroll_fail(ledger->scroll, now_ns,
			            "revisions %" PRId64 " to %" PRId64 " are not of one entry",
			            before + 1, last);
			return;
		}
	}
}

void ledger_applied(struct ledger *ledger, uint64_t now_ns, const struct store_entry *entry,
                    const struct store_result *result, const struct store *store)
{
	const store_rev_t before = (store_rev_t)ledger->change_count;
	const struct store_event *event;

	check_claims(ledger, now_ns, entry);
	while (store_event(store, (store_rev_t)ledger->change_count + 1, &event) == STORE_OK) {
		note_change(ledger, now_ns, event);
	}
	check_bounds(ledger, now_ns, before);
	if ((store_rev_t)ledger->change_count > before) {
		if (ledger->changes[before + 1].operation != 0) {
			note_effect(ledger, now_ns, before + 1);
		}
	} else {
		ledger->duplicates +=
			(entry->kind == STORE_ENTRY_OP || entry->kind == STORE_ENTRY_TXN) &&
			result->answer == STORE_OK && result->first != 0;
	}
}

/* --- the end --------------------------------------------------------------------------------- */

/* Deletes carry no name of who did them: those that nobody claims need as many unknown ones. */
static void close_deletes(struct ledger *ledger, uint64_t now_ns)
{
	uint64_t unclaimed[LEDGER_KEYS_MAX + 1] = {0};
	uint64_t unknown[LEDGER_KEYS_MAX + 1] = {0};

	for (size_t rev = 1; rev <= ledger->change_count; rev++) {
		const struct ledger_change *change = &ledger->changes[rev];

		unclaimed[change->key] += change->is_delete && !change->is_claimed;
	}
	for (size_t i = 1; i < ledger->operation_count; i++) {
		const struct ledger_operation *o = &ledger->operations[i];

		if (o->outcome != CLIENT_UNKNOWN) {
			continue;
		}
		unknown[o->key] += is_delete(o->kind);
		for (unsigned j = 0; j < o->list.count; j++) {
			unknown[o->list.parts[j].key] += o->list.parts[j].is_delete;
		}
	}
	for (uint32_t key = 0; key < ledger->key_count; key++) {
		if (unclaimed[key] > unknown[key]) {
			scroll_fail(ledger->scroll, now_ns,
			            "key %u was deleted %" PRIu64
			            " times more than anybody asked for",
			            key, unclaimed[key] - unknown[key]);
		}
	}
}

/* The number in a counter is the number of increments since it was made or set. */
static void close_counters(struct ledger *ledger, uint64_t now_ns)
{
	for (uint32_t key = ledger->key_count - ledger->counter_count; key < ledger->key_count;
	     key++) {
		uint64_t count = 0, definite = 0, unknown = 0;

		for (store_rev_t rev = ledger->last[key]; rev != 0;
		     rev = ledger->changes[rev].former) {
			count++;
		}
		for (size_t i = 1; i < ledger->operation_count; i++) {
			const struct ledger_operation *o = &ledger->operations[i];

			if (o->key == key && is_write(o->kind)) {
				definite += o->outcome == CLIENT_DONE;
				unknown += o->outcome == CLIENT_UNKNOWN;
			}
		}
		if (count < definite || count > definite + unknown ||
		    (count > 0 && ledger->changes[ledger->last[key]].number != count)) {
			scroll_fail(ledger->scroll, now_ns,
			            "counter %u was raised %" PRIu64 " times; acknowledged %" PRIu64
			            ", unknown %" PRIu64,
			            key, count, definite, unknown);
		}
	}
}

/* So is the sum; who raised it was told so once. */
static void close_sum(struct ledger *ledger, uint64_t now_ns)
{
	const store_rev_t last = ledger->last[ledger->key_count];
	const uint64_t sum = last == 0 ? 0 : ledger->changes[last].number;
	uint64_t done = 0, unknown = 0;

	for (size_t i = 1; i < ledger->operation_count; i++) {
		const struct ledger_operation *o = &ledger->operations[i];

		done += o->list.has_sum && o->outcome == CLIENT_DONE && !o->ran_else;
		unknown += o->list.has_sum && o->outcome == CLIENT_UNKNOWN;
	}
	if (sum < done || sum > done + unknown) {
		scroll_fail(ledger->scroll, now_ns,
		            "the sum is %" PRIu64 "; acknowledged %" PRIu64 ", unknown %" PRIu64,
		            sum, done, unknown);
	}
}

void ledger_close(struct ledger *ledger, uint64_t now_ns)
{
	for (size_t i = 1; i < ledger->operation_count; i++) {
		const struct ledger_operation *o = &ledger->operations[i];

		if (!o->is_returned) {
			fail(ledger, now_ns, i, "it never came to an end");
			return;
		}
		if (!o->is_checked) {
			check(ledger, now_ns, i);
		}
		if (!o->is_checked) {
			fail(ledger, now_ns, i, "its revision was never decided");
		}
	}
	close_deletes(ledger, now_ns);
	close_counters(ledger, now_ns);
	close_sum(ledger, now_ns);
}

static void write_arguments(const struct ledger_operation *o, uint64_t number, store_rev_t at_rev,
                            FILE *file)
{
	const char *const rev_name = o->kind == LEDGER_MAX ? "max_rev" : "expect_rev";

	fputs(", \"args\": {", file);
	if (at_rev != 0) {
		fprintf(file, "\"at_rev\": %" PRId64, at_rev);
	}
	if (is_write(o->kind) && !is_delete(o->kind)) {
		fprintf(file, "\"value\": \"%" PRIu64 "\"", number);
	}
	if (o->kind == LEDGER_CAS || o->kind == LEDGER_INCREMENT || o->kind == LEDGER_MAX) {
		fprintf(file, ", \"%s\": %" PRId64, rev_name, o->rev);
	} else if (o->kind == LEDGER_DELETE_IF) {
		fprintf(file, "\"%s\": %" PRId64, rev_name, o->rev);
	}
	fputs("}", file);
}

static void write_result(const struct ledger_operation *o, FILE *file)
{
	const bool is_ok = o->answer == STORE_OK;

	fprintf(file, ", \"result\": {\"srev\": %" PRId64, o->answer_store_rev);
	if (o->kind == LEDGER_GET || o->kind == LEDGER_PAST) {
		fprintf(file, ", \"found\": %s", is_ok ? "true" : "false");
		if (is_ok) {
			fprintf(file, ", \"value\": \"%" PRIu64 "\", \"rev\": %" PRId64,
			        o->read_operation, o->answer_rev);
		}
	} else if (o->kind == LEDGER_SET) {
		fprintf(file, ", \"rev\": %" PRId64, o->answer_rev);
	} else {
		fprintf(file, ", \"ok\": %s", is_ok ? "true" : "false");
		if (is_ok) {
			fprintf(file, ", \"rev\": %" PRId64, o->answer_rev);
		} else if (o->answer == STORE_MISMATCH && !is_delete(o->kind)) {
			fprintf(file, ", \"found\": %s, \"rev\": %" PRId64,
			        o->answer_rev != 0 ? "true" : "false", o->answer_rev);
		}
	}
	fputs("}", file);
}

/* One key of a transaction that was done, or may have been. */
static void write_part(const struct ledger *ledger, const struct ledger_operation *o,
                       uint64_t number, unsigned i, bool is_else, bool is_unknown, FILE *file)
{
	const struct ledger_part *part = is_else ? NULL : &o->list.parts[i];
	const bool is_compared = part != NULL && part->is_compared;
	char path[LEDGER_PATH_MAX];

	(void)ledger_path(ledger, is_else ? o->list.else_key : part->key, path);
	fprintf(file, "{\"client\": %u, \"op\": \"%s\", \"key\": \"%s\", \"args\": {", o->client,
	        part != NULL && part->is_delete ? "del"
	        : is_compared                   ? "cas"
	                                        : "set",
	        path);
	if (part == NULL || !part->is_delete) {
		fprintf(file, "\"value\": \"%" PRIu64 "\"%s", number, is_compared ? ", " : "");
	}
	if (is_compared) {
		fprintf(file, "\"expect_rev\": %" PRId64, part->rev);
	}
	if (is_unknown) {
		fprintf(file, "}, \"unknown\": true, \"call\": %" PRIu64 "}\n", o->call_ns);
		return;
	}
	fprintf(file,
	        "}, \"result\": {%s\"rev\": %" PRId64 "}, \"call\": %" PRIu64 ", \"ret\": %" PRIu64
	        "}\n",
	        is_compared || (part != NULL && part->is_delete) ? "\"ok\": true, " : "",
	        o->answer_first + (store_rev_t)i, o->call_ns, o->return_ns);
}

/* A line for each key. What was refused is left out: it had no effect. */
static void write_list(const struct ledger *ledger, uint64_t number, FILE *file)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const bool is_unknown = !o->is_returned || o->outcome == CLIENT_UNKNOWN;

	if (!is_unknown && o->outcome != CLIENT_DONE) {
		return;
	}
	for (unsigned i = 0; i < o->list.count && (is_unknown || !o->ran_else); i++) {
		write_part(ledger, o, number, i, false, is_unknown, file);
	}
	if (is_unknown ? o->list.has_else : o->ran_else) {
		write_part(ledger, o, number, 0, true, is_unknown, file);
	}
}

void ledger_write(const struct ledger *ledger, FILE *file)
{
	static const char *const names[LEDGER_KIND_COUNT] = {
		[LEDGER_GET] = "get",       [LEDGER_SET] = "set",       [LEDGER_CAS] = "cas",
		[LEDGER_MAX] = "cas",       [LEDGER_ADD] = "add",       [LEDGER_DELETE] = "del",
		[LEDGER_DELETE_IF] = "del", [LEDGER_INCREMENT] = "cas", [LEDGER_PAST] = "get",
	};

	for (size_t i = 1; i < ledger->operation_count; i++) {
		const struct ledger_operation *o = &ledger->operations[i];
		const bool is_unknown = !o->is_returned || o->outcome == CLIENT_UNKNOWN;
		char path[LEDGER_PATH_MAX];
		store_rev_t at_rev;

		if (o->kind == LEDGER_TXN) {
			write_list(ledger, i, file);
			continue;
		}
		if (names[o->kind] == NULL || (o->is_stale && !names_revision(o)) ||
		    (names_revision(o) && (size_t)o->rev > ledger->change_count) ||
		    (!is_unknown && !tells_state(o))) {
			continue;
		}
		at_rev = names_revision(o) && !is_unknown ? read_at(ledger, o) : 0;
		(void)ledger_path(ledger, o->key, path);
		fprintf(file, "{\"client\": %u, \"op\": \"%s\", \"key\": \"%s\"", o->client,
		        names[o->kind], path);
		write_arguments(o, i, at_rev, file);
		if (is_unknown) {
			fprintf(file, ", \"unknown\": true, \"call\": %" PRIu64 "}\n", o->call_ns);
			continue;
		}
		write_result(o, file);
		fprintf(file, ", \"call\": %" PRIu64 ", \"ret\": %" PRIu64 "}\n", o->call_ns,
		        o->return_ns);
	}
}
