/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/path.h"
#include "store/proto_page.h"

void ledger_init(struct ledger *ledger, struct scroll *scroll, uint32_t keys, uint32_t counters)
{
	must(keys <= LEDGER_KEYS_MAX);
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

static store_rev_t read_at(const struct ledger_operation *o)
{
	return names_revision(o) ? o->rev : o->answer_store_rev;
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

	for (uint32_t key = 0; key < ledger->key_count; key++) {
		const store_rev_t stood = standing(ledger, key, read_at(o));

		sum += stood != 0 ? weight(key, stood) : 0;
	}
	if (sum != o->read_value) {
		fail(ledger, now_ns, number, "other files stood there");
	}
}

static void check_read(struct ledger *ledger, uint64_t now_ns, uint64_t number)
{
	const struct ledger_operation *o = &ledger->operations[number];
	const store_rev_t stood = standing(ledger, o->key, read_at(o));

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
	ledger->past += names_revision(o) && o->rev < o->answer_store_rev;
	if (o->kind == LEDGER_WALK) {
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
	return LEDGER_KEYS_MAX;
}

/* The files of a walk: in order, ours, and all on one page. */
static void read_walk(struct ledger *ledger, uint64_t now_ns, uint64_t number,
                      const struct proto_answer *answer)
{
	struct ledger_operation *o = &ledger->operations[number];
	struct slice page = answer->value, before = {0};
	struct proto_page_entry entry;
	bool is_bad = answer->has_more;

	while (proto_page_next(&page, &entry, &is_bad)) {
		const uint32_t key = key_of(ledger, entry.name);

		is_bad |= key == LEDGER_KEYS_MAX || entry.is_directory ||
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

/* A write of a client took effect: it is its first effect, and it is what was asked for. */
static void note_effect(struct ledger *ledger, uint64_t now_ns, struct ledger_change *change,
                        struct slice value)
{
	struct ledger_operation *o;

	if (!parse_value(value, &change->number, &change->operation) || change->operation == 0 ||
	    change->operation >= ledger->operation_count) {
		scroll_fail(ledger->scroll, now_ns, "a value was decided that nobody wrote");
		return;
	}
	o = &ledger->operations[change->operation];
	o->effects++;
	if (!is_write(o->kind) || is_delete(o->kind) || o->key != change->key ||
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

void ledger_applied(struct ledger *ledger, uint64_t now_ns, const struct store_entry *entry,
                    const struct store_result *result)
{
	struct ledger_change *change;
	store_rev_t rev;

	check_claims(ledger, now_ns, entry);
	if (entry->kind != STORE_ENTRY_OP || entry->op.verb == STORE_VERB_NOP) {
		return;
	}
	if (result->answer != STORE_OK) {
		return;
	}
	if ((size_t)result->revision <= ledger->change_count) {
		ledger->duplicates++;
		return;
	}
	rev = (store_rev_t)++ledger->change_count;
	if (result->revision != rev) {
		scroll_fail(ledger->scroll, now_ns, "revision %" PRId64 " follows on %" PRId64,
		            result->revision, rev - 1);
		return;
	}
	if (ledger->change_count >= ledger->change_room) {
		ledger->change_room *= 2;
		ledger->changes =
			realloc(ledger->changes, ledger->change_room * sizeof(*ledger->changes));
		must(ledger->changes != NULL);
	}
	change = &ledger->changes[rev];
	*change = (struct ledger_change){.key = key_of(ledger, entry->op.path),
	                                 .is_delete = entry->op.verb == STORE_VERB_DELETE};
	if (change->key == LEDGER_KEYS_MAX) {
		return;
	}
	change->former = ledger->last[change->key];
	ledger->last[change->key] = rev;
	if (!change->is_delete) {
		note_effect(ledger, now_ns, change, entry->op.value);
	}
}

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

		unknown[o->key] += is_delete(o->kind) && o->outcome == CLIENT_UNKNOWN;
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
}

static void write_arguments(const struct ledger_operation *o, uint64_t number, FILE *file)
{
	const char *const rev_name = o->kind == LEDGER_MAX ? "max_rev" : "expect_rev";

	fputs(", \"args\": {", file);
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
	if (o->kind == LEDGER_GET) {
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

void ledger_write(const struct ledger *ledger, FILE *file)
{
	static const char *const names[LEDGER_KIND_COUNT] = {
		[LEDGER_GET] = "get",       [LEDGER_SET] = "set",       [LEDGER_CAS] = "cas",
		[LEDGER_MAX] = "cas",       [LEDGER_ADD] = "add",       [LEDGER_DELETE] = "del",
		[LEDGER_DELETE_IF] = "del", [LEDGER_INCREMENT] = "cas",
	};

	for (size_t i = 1; i < ledger->operation_count; i++) {
		const struct ledger_operation *o = &ledger->operations[i];
		const bool is_unknown = !o->is_returned || o->outcome == CLIENT_UNKNOWN;
		char path[LEDGER_PATH_MAX];

		if (names[o->kind] == NULL || o->is_stale || (!is_unknown && !tells_state(o))) {
			continue;
		}
		(void)ledger_path(ledger, o->key, path);
		fprintf(file, "{\"client\": %u, \"op\": \"%s\", \"key\": \"%s\"", o->client,
		        names[o->kind], path);
		write_arguments(o, i, file);
		if (is_unknown) {
			fprintf(file, ", \"unknown\": true, \"call\": %" PRIu64 "}\n", o->call_ns);
			continue;
		}
		write_result(o, file);
		fprintf(file, ", \"call\": %" PRIu64 ", \"ret\": %" PRIu64 "}\n", o->call_ns,
		        o->return_ns);
	}
}
