/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/oracle/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/check.h"
#include "store/path.h"
#include "store/txn.h"

/* A value, kept until the end: what is taken back needs it again. */
struct kept {
	struct kept *next;
	uint8_t bytes[];
};

struct session {
	uint64_t id, base;
	uint32_t ttl_ms;
	uint64_t numbers[STORE_ANSWERS_MAX]; /* by number modulo; 0: none */
	struct store_result answers[STORE_ANSWERS_MAX];
};

/* What is taken back where an operation is refused. */
struct state {
	store_rev_t revision, token; /* the highest token that was given */
	unsigned file_count, claim_count;
	struct oracle_file files[ORACLE_FILES_MAX];
	struct oracle_claim claims[ORACLE_CLAIMS_MAX];
};

struct oracle {
	struct state now, before;
	uint64_t time_ns;
	uint32_t sessions_max;
	unsigned grants, grants_max; /* in one entry */
	unsigned killed_max;         /* files that go with the killed, in one entry */
	unsigned session_count;
	struct session sessions[ORACLE_SESSIONS_MAX];
	unsigned change_count;
	struct oracle_change changes[ORACLE_CHANGES_MAX];
	struct oracle_file shown[ORACLE_FILES_MAX + ORACLE_CLAIMS_MAX];
	struct kept *kept;
	bool is_token_old; /* one that does not grow was given */
};

/* One operation and who asks. */
struct ask {
	struct oracle *oracle;
	uint64_t session;
	store_rev_t before; /* revision ahead of the entry */
	unsigned killed;    /* files of those whom it kills */
	struct store_result *result;
};

struct oracle *oracle_new(uint32_t sessions_max, unsigned grants_max, unsigned killed_max)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));

	must(oracle != NULL);
	must(sessions_max <= ORACLE_SESSIONS_MAX);
	oracle->sessions_max = sessions_max;
	oracle->grants_max = grants_max;
	oracle->killed_max = killed_max;
	return oracle;
}

void oracle_free(struct oracle *oracle)
{
	while (oracle->kept != NULL) {
		struct kept *next = oracle->kept->next;

		free(oracle->kept);
		oracle->kept = next;
	}
	free(oracle);
}

/* --- words ------------------------------------------------------------------------------------ */

static struct slice keep(struct oracle *oracle, struct slice value)
{
	struct kept *kept = malloc(sizeof(*kept) + value.size);

	must(kept != NULL);
	if (value.size != 0) {
		memcpy(kept->bytes, value.data, value.size);
	}
	kept->next = oracle->kept;
	oracle->kept = kept;
	return slice_make(kept->bytes, value.size);
}

static void text_of(struct slice path, char text[ORACLE_PATH_MAX])
{
	must(path.size < ORACLE_PATH_MAX);
	memcpy(text, path.data, path.size);
	text[path.size] = '\0';
}

static bool is_same(struct slice path, const char *text)
{
	return slice_equal(path, slice_text(text));
}

/* True if `path` begins with `front` and a slash. */
static bool is_below(struct slice path, struct slice front)
{
	return path.size > front.size && memcmp(path.data, front.data, front.size) == 0 &&
	       path.data[front.size] == '/';
}

static struct session *session_of(struct oracle *oracle, uint64_t id)
{
	for (unsigned i = 0; i < oracle->session_count; i++) {
		if (oracle->sessions[i].id == id) {
			return &oracle->sessions[i];
		}
	}
	return NULL;
}

bool oracle_has_session(const struct oracle *oracle, uint64_t session)
{
	for (unsigned i = 0; i < oracle->session_count; i++) {
		if (oracle->sessions[i].id == session) {
			return true;
		}
	}
	return false;
}

unsigned oracle_owned(const struct oracle *oracle, uint64_t session)
{
	unsigned count = 0;

	for (unsigned i = 0; i < oracle->now.file_count; i++) {
		count += oracle->now.files[i].owner == session;
	}
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		count += oracle->now.claims[i].session == session &&
		         !oracle->now.claims[i].is_resting;
	}
	return count;
}

/* The next revision is this change's. */
static void change(struct oracle *oracle, const char *path, bool is_delete, enum store_cause cause,
                   struct slice value, uint64_t owner)
{
	struct oracle_change *c = &oracle->changes[oracle->change_count++];

	must(oracle->change_count <= ORACLE_CHANGES_MAX);
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	c->is_delete = is_delete;
	c->cause = cause;
	c->value = value;
	c->owner = owner;
	oracle->now.revision++;
}

/* --- files ------------------------------------------------------------------------------------ */

static struct oracle_file *file_of(struct oracle *oracle, struct slice path)
{
	for (unsigned i = 0; i < oracle->now.file_count; i++) {
		if (is_same(path, oracle->now.files[i].path)) {
			return &oracle->now.files[i];
		}
	}
	return NULL;
}

static void put_by(struct oracle *oracle, struct slice path, struct slice value, uint64_t owner,
                   enum store_cause cause)
{
	struct oracle_file *file = file_of(oracle, path);

	if (file == NULL) {
		file = &oracle->now.files[oracle->now.file_count++];
		must(oracle->now.file_count <= ORACLE_FILES_MAX);
		text_of(path, file->path);
	}
	file->value = keep(oracle, value);
	file->owner = owner;
	change(oracle, file->path, false, cause, file->value, owner);
	file->revision = oracle->now.revision;
}

static void put(struct oracle *oracle, struct slice path, struct slice value, uint64_t owner)
{
	put_by(oracle, path, value, owner, STORE_CAUSE_ASKED);
}

static void take_away(struct oracle *oracle, struct oracle_file *file, enum store_cause cause)
{
	change(oracle, file->path, true, cause, slice_make(NULL, 0), 0);
	*file = oracle->now.files[--oracle->now.file_count];
}

static enum store_answer form_of(struct slice path)
{
	switch (store_path_check(path)) {
	case STORE_PATH_GOOD:
		return STORE_OK;
	case STORE_PATH_LONG:
		return STORE_TOO_LARGE;
	case STORE_PATH_BAD:
	default:
		return STORE_BAD_PATH;
	}
}

/* OK: it is a file; NOT_FOUND, IS_DIRECTORY, NOT_DIRECTORY, BAD_PATH, TOO_LARGE. */
static enum store_answer what_is(struct oracle *oracle, struct slice path)
{
	const enum store_answer form = form_of(path);

	if (form != STORE_OK) {
		return form;
	}
	if (is_same(path, "/") || (oracle->now.claim_count > 0 &&
	                           (is_same(path, "/ctl") || is_same(path, "/ctl/lock")))) {
		return STORE_IS_DIRECTORY;
	}
	for (unsigned i = 0; i < oracle->now.file_count; i++) {
		const struct slice other = slice_text(oracle->now.files[i].path);

		if (slice_equal(path, other)) {
			return STORE_OK;
		}
		if (is_below(other, path)) {
			return STORE_IS_DIRECTORY;
		}
		if (is_below(path, other)) {
			return STORE_NOT_DIRECTORY;
		}
	}
	return STORE_NOT_FOUND;
}

static bool is_guarded(struct slice path)
{
	return is_same(path, "/ctl/lock") || is_below(path, slice_text("/ctl/lock"));
}

/* OK if the operation may write the file; *ret_file: as it stands, NULL if it does not. */
static enum store_answer may_write(struct ask *ask, const struct store_op *op, struct slice path,
                                   struct oracle_file **ret_file)
{
	enum store_answer answer;
	store_rev_t stands;

	*ret_file = NULL;
	if (is_guarded(path)) {
		return STORE_GUARDED;
	}
	answer = what_is(ask->oracle, path);
	if (answer != STORE_OK && answer != STORE_NOT_FOUND) {
		return answer;
	}
	*ret_file = answer == STORE_OK ? file_of(ask->oracle, path) : NULL;
	stands = *ret_file == NULL ? 0 : (*ret_file)->revision;
	if (op->rev == -1 || (op->rev >= 0 && stands == op->rev) ||
	    (op->condition == STORE_IF_AT_MOST && op->rev >= 0 && stands <= op->rev)) {
		return STORE_OK;
	}
	ask->result->revision = stands;
	return STORE_MISMATCH;
}

static enum store_answer do_set(struct ask *ask, const struct store_op *op)
{
	char path[STORE_PATH_SIZE_MAX + 64];
	struct oracle_file *file;
	enum store_answer answer;
	uint64_t owner;

	(void)snprintf(path, sizeof(path), "%.*s", (int)op->path.size, (const char *)op->path.data);
	if ((op->flags & STORE_OP_SEQUENCE) != 0) {
		(void)snprintf(path, sizeof(path), "%.*s%016" PRIx64, (int)op->path.size,
		               (const char *)op->path.data,
		               (uint64_t)ask->oracle->now.revision + 1);
	}
	answer = may_write(ask, op, slice_text(path), &file);
	if (answer != STORE_OK) {
		return answer;
	}
	owner = file == NULL ? 0 : file->owner;
	if ((op->flags & STORE_OP_EPHEMERAL) != 0 && owner != ask->session) {
		if (oracle_owned(ask->oracle, ask->session) >= STORE_OWNED_MAX) {
			return STORE_SESSION_FULL;
		}
		owner = ask->session;
	}
	put(ask->oracle, slice_text(path), op->value, owner);
	return STORE_OK;
}

static enum store_answer do_delete(struct ask *ask, const struct store_op *op)
{
	struct oracle_file *file;
	const enum store_answer answer = may_write(ask, op, op->path, &file);

	if (answer != STORE_OK) {
		return answer;
	}
	if (file == NULL) {
		return STORE_NOT_FOUND;
	}
	take_away(ask->oracle, file, STORE_CAUSE_ASKED);
	return STORE_OK;
}

/* Room for what is too large. */
__extension__ typedef __int128 wide_t;

/* Digits, perhaps behind a minus. */
static bool is_number(struct slice text, wide_t *ret_number)
{
	const size_t sign = text.size > 0 && text.data[0] == '-';
	wide_t number = 0;

	if (text.size == sign || text.size > 20) {
		return false;
	}
	for (size_t i = sign; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return false;
		}
		number = number * 10 + (text.data[i] - '0');
	}
	*ret_number = sign != 0 ? -number : number;
	return *ret_number >= INT64_MIN && *ret_number <= INT64_MAX;
}

static enum store_answer do_add(struct ask *ask, const struct store_op *op)
{
	struct oracle_file *file;
	const enum store_answer answer = may_write(ask, op, op->path, &file);
	wide_t number = 0;
	char text[32];

	if (answer != STORE_OK) {
		return answer;
	}
	if (file != NULL && !is_number(file->value, &number)) {
		ask->result->revision = file->revision;
		return STORE_NOT_NUMBER;
	}
	number += op->number;
	if (number < INT64_MIN || number > INT64_MAX) {
		ask->result->revision = file == NULL ? 0 : file->revision;
		return STORE_NOT_NUMBER;
	}
	(void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)number);
	ask->result->number = (int64_t)number;
	ask->result->flags = 0;
	put(ask->oracle, op->path, slice_text(text), file == NULL ? 0 : file->owner);
	return STORE_OK;
}

/* --- claims ----------------------------------------------------------------------------------- */

static void claim_path(const struct oracle_claim *claim, char path[ORACLE_PATH_MAX])
{
	int size;

	if (claim->is_holder) {
		size = snprintf(path, ORACLE_PATH_MAX, "/ctl/lock%s/.holder/%016" PRIx64,
		                claim->name, (uint64_t)claim->number);
	} else {
		size = snprintf(path, ORACLE_PATH_MAX, "/ctl/lock%s/.queue/%03u-%016" PRIx64,
		                claim->name, 255u - claim->priority, (uint64_t)claim->number);
	}
	must(size < ORACLE_PATH_MAX);
}

static struct slice claim_value(struct oracle *oracle, const struct oracle_claim *claim)
{
	static char text[STORE_LOCK_DATA_MAX + 128];
	const int size = snprintf(text, 128,
	                          "%" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
	                          " %" PRIu64 "\n",
	                          claim->session, claim->limit, claim->count, claim->delay_ms,
	                          claim->ttl_ms, claim->until_ns);

	if (claim->data.size != 0) {
		memcpy(text + size, claim->data.data, claim->data.size);
	}
	return keep(oracle, slice_make(text, (size_t)size + claim->data.size));
}

static uint64_t claim_owner(const struct oracle_claim *claim)
{
	return claim->is_resting ? STORE_OWNER_DELAYED : claim->session;
}

/* It stands from the next revision on, new or as it has changed. */
static void show_claim(struct oracle *oracle, struct oracle_claim *claim, enum store_cause cause)
{
	char path[ORACLE_PATH_MAX];

	claim_path(claim, path);
	change(oracle, path, false, cause, claim_value(oracle, claim), claim_owner(claim));
	claim->revision = oracle->now.revision;
}

static struct oracle_claim *add_claim(struct oracle *oracle, const struct oracle_claim *claim,
                                      enum store_cause cause)
{
	struct oracle_claim *added = &oracle->now.claims[oracle->now.claim_count++];

	must(oracle->now.claim_count <= ORACLE_CLAIMS_MAX);
	*added = *claim;
	added->number = oracle->now.revision + 1;
	if (added->is_holder) {
		oracle->is_token_old |= added->number <= oracle->now.token;
		oracle->now.token = added->number;
	}
	show_claim(oracle, added, cause);
	return added;
}

static void drop_claim(struct oracle *oracle, struct oracle_claim *claim, enum store_cause cause)
{
	char path[ORACLE_PATH_MAX];

	claim_path(claim, path);
	change(oracle, path, true, cause, slice_make(NULL, 0), 0);
	*claim = oracle->now.claims[--oracle->now.claim_count];
}

static bool is_of(const struct oracle_claim *claim, struct slice name, bool is_holder)
{
	return claim->is_holder == is_holder && is_same(name, claim->name);
}

static struct oracle_claim *own_claim(struct oracle *oracle, uint64_t session, struct slice name,
                                      bool is_holder)
{
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		struct oracle_claim *claim = &oracle->now.claims[i];

		if (is_of(claim, name, is_holder) && claim->session == session &&
		    !claim->is_resting) {
			return claim;
		}
	}
	return NULL;
}

static bool is_served_before(const struct oracle_claim *a, const struct oracle_claim *b)
{
	return a->priority != b->priority ? a->priority > b->priority : a->number < b->number;
}

/* Of those that wait who is served first; of those that hold who has the lowest token. */
static struct oracle_claim *first_claim(struct oracle *oracle, struct slice name, bool is_holder)
{
	struct oracle_claim *first = NULL;

	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		struct oracle_claim *claim = &oracle->now.claims[i];

		if (!is_of(claim, name, is_holder) ||
		    (first != NULL && (is_holder ? first->number < claim->number
		                                 : is_served_before(first, claim)))) {
			continue;
		}
		first = claim;
	}
	return first;
}

/* All shared, or no more of them than the lowest limit among them. */
static bool may_stand_together(const struct oracle *oracle, struct slice name,
                               const uint32_t *one_more)
{
	uint32_t count = 0, shared = 0, lowest = UINT32_MAX;

	for (unsigned i = 0; i <= oracle->now.claim_count; i++) {
		const struct oracle_claim *claim = &oracle->now.claims[i];
		uint32_t limit;

		if (i == oracle->now.claim_count) {
			if (one_more == NULL) {
				break;
			}
			limit = *one_more;
		} else if (is_of(claim, name, true)) {
			limit = claim->limit;
		} else {
			continue;
		}
		count++;
		shared += limit == 0;
		lowest = limit < lowest ? limit : lowest;
	}
	return shared == count || (shared == 0 && count <= lowest);
}

static enum store_answer name_form(struct slice name)
{
	const enum store_answer form = form_of(name);

	if (name.size > 474) {
		return STORE_TOO_LARGE;
	}
	if (form != STORE_OK) {
		return form;
	}
	for (size_t i = 1; i < name.size; i++) {
		if (name.data[i] == '.' && name.data[i - 1] == '/') {
			return STORE_BAD_PATH;
		}
	}
	return is_same(name, "/") ? STORE_BAD_PATH : STORE_OK;
}

/* --- operations on locks ---------------------------------------------------------------------- */

static void tell(struct ask *ask, const struct oracle_claim *claim)
{
	ask->result->number = claim->number;
	ask->result->flags = claim->is_holder ? 0 : STORE_RESULT_QUEUED;
}

static enum store_answer lock_again(struct ask *ask, const struct store_op *op,
                                    struct oracle_claim *own)
{
	if (own->limit != op->limit) {
		ask->result->revision = own->number;
		return STORE_MISMATCH;
	}
	own->count++;
	tell(ask, own);
	show_claim(ask->oracle, own, STORE_CAUSE_ASKED);
	return STORE_OK;
}

static enum store_answer do_lock(struct ask *ask, const struct store_op *op)
{
	struct oracle *oracle = ask->oracle;
	const struct oracle_claim *holder = first_claim(oracle, op->path, true);
	struct oracle_claim *own = own_claim(oracle, ask->session, op->path, true);
	struct oracle_claim claim = {.is_holder = true};
	const bool tries = (op->flags & STORE_OP_TRY) != 0;

	if (own != NULL) {
		return lock_again(ask, op, own);
	}
	own = own_claim(oracle, ask->session, op->path, false);
	if (own != NULL) {
		tell(ask, own);
		return tries ? STORE_LOCKED : STORE_OK;
	}
	if (oracle_owned(oracle, ask->session) >= STORE_OWNED_MAX) {
		return STORE_SESSION_FULL;
	}
	if (first_claim(oracle, op->path, false) != NULL ||
	    !may_stand_together(oracle, op->path, &op->limit)) {
		if (tries) {
			ask->result->revision = holder == NULL ? 0 : holder->number;
			return STORE_LOCKED;
		}
		claim.is_holder = false;
		claim.priority = op->priority;
	}
	if (file_of(oracle, slice_text("/ctl")) != NULL) {
		return STORE_NOT_DIRECTORY;
	}
	text_of(op->path, claim.name);
	claim.session = ask->session;
	claim.limit = op->limit;
	claim.count = 1;
	claim.delay_ms = op->delay_ms;
	claim.ttl_ms = session_of(oracle, ask->session)->ttl_ms;
	claim.data = keep(oracle, op->value);
	tell(ask, add_claim(oracle, &claim, STORE_CAUSE_ASKED));
	return STORE_OK;
}

/* Who waits holds it: the holder's file, then the other's delete. */
static void pass_to(struct oracle *oracle, struct oracle_claim *waiter)
{
	struct oracle_claim holder = *waiter;
	char path[ORACLE_PATH_MAX];

	claim_path(waiter, path);
	*waiter = oracle->now.claims[--oracle->now.claim_count];
	holder.is_holder = true;
	(void)add_claim(oracle, &holder, STORE_CAUSE_GRANTED);
	change(oracle, path, true, STORE_CAUSE_GRANTED, slice_make(NULL, 0), 0);
}

/* The first in a queue, if it could have the lock; else NULL. */
static struct oracle_claim *next_in(struct oracle *oracle, struct slice name)
{
	struct oracle_claim *first = first_claim(oracle, name, false);

	return first != NULL && may_stand_together(oracle, name, &first->limit) ? first : NULL;
}

static void passing_path(struct slice name, char path[ORACLE_PATH_MAX])
{
	const int size = snprintf(path, ORACLE_PATH_MAX, "/ctl/lock%.*s/.passing", (int)name.size,
	                          (const char *)name.data);

	must(size < ORACLE_PATH_MAX);
}

/* One at any rate, more as long as the entry has granted few; the rest is left to later ones. */
static void pass_on(struct oracle *oracle, struct slice name)
{
	char text[ORACLE_PATH_MAX], mark[ORACLE_PATH_MAX];
	struct oracle_file *marked;
	struct oracle_claim *next;
	bool is_first = true;

	text_of(name, text);
	name = slice_text(text);
	while ((next = next_in(oracle, name)) != NULL &&
	       (is_first || oracle->grants < oracle->grants_max)) {
		pass_to(oracle, next);
		oracle->grants++;
		is_first = false;
	}
	passing_path(name, mark);
	marked = file_of(oracle, slice_text(mark));
	if (next != NULL && marked == NULL) {
		put_by(oracle, slice_text(mark), slice_make(NULL, 0), STORE_OWNER_PASSING,
		       STORE_CAUSE_GRANTED);
	} else if (next == NULL && marked != NULL) {
		take_away(oracle, marked, STORE_CAUSE_GRANTED);
	}
}

/* The holder has gone; if it was said who shall have it next, it has it. */
static enum store_answer hand_over(struct oracle *oracle, const struct store_op *op)
{
	struct oracle_claim *heir;

	if (op->number == 0) {
		return STORE_OK;
	}
	heir = own_claim(oracle, (uint64_t)op->number, op->path, false);
	if (heir == NULL) {
		return STORE_NOT_FOUND;
	}
	if (!may_stand_together(oracle, op->path, &heir->limit)) {
		return STORE_LOCKED;
	}
	pass_to(oracle, heir);
	return STORE_OK;
}

static enum store_answer do_unlock(struct ask *ask, const struct store_op *op)
{
	struct oracle *oracle = ask->oracle;
	struct oracle_claim *own = own_claim(oracle, ask->session, op->path, true);

	if (own == NULL && op->number == 0) {
		own = own_claim(oracle, ask->session, op->path, false);
	}
	if (own == NULL) {
		return STORE_NOT_HELD;
	}
	tell(ask, own);
	if (own->count > 1 && (op->flags & STORE_OP_ALL) == 0 && op->number == 0) {
		own->count--;
		show_claim(oracle, own, STORE_CAUSE_ASKED);
		return STORE_OK;
	}
	drop_claim(oracle, own, STORE_CAUSE_RELEASED);
	return hand_over(oracle, op);
}

/* Who holds the lock under this token, or did so and rests. */
static struct oracle_claim *claim_of_token(struct oracle *oracle, struct slice name,
                                           store_rev_t token)
{
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		if (is_of(&oracle->now.claims[i], name, true) &&
		    oracle->now.claims[i].number == token) {
			return &oracle->now.claims[i];
		}
	}
	return NULL;
}

static enum store_answer do_proclaim(struct ask *ask, const struct store_op *op)
{
	struct oracle_claim *own = own_claim(ask->oracle, ask->session, op->path, true);

	if (op->rev != -1) {
		own = claim_of_token(ask->oracle, op->path, op->rev);
		own = own != NULL && own->is_resting ? NULL : own;
	} else if (own == NULL) {
		own = own_claim(ask->oracle, ask->session, op->path, false);
	}
	if (own == NULL) {
		return STORE_NOT_HELD;
	}
	tell(ask, own);
	own->data = keep(ask->oracle, op->value);
	show_claim(ask->oracle, own, STORE_CAUSE_ASKED);
	return STORE_OK;
}

static enum store_answer do_break(struct ask *ask, const struct store_op *op)
{
	static char record[STORE_LOCK_DATA_MAX + 128];
	struct oracle *oracle = ask->oracle;
	struct oracle_claim *holder = first_claim(oracle, op->path, true);
	char path[ORACLE_PATH_MAX + 32];
	int size;

	if (op->rev != -1) {
		holder = claim_of_token(oracle, op->path, op->rev);
	}
	if (holder == NULL) {
		return STORE_NOT_HELD;
	}
	tell(ask, holder);
	(void)snprintf(path, sizeof(path), "/ctl/lock%s/.broken", holder->name);
	size = snprintf(record, 128, "%" PRId64 " %" PRIu64 " %" PRIu64 "\n", holder->number,
	                holder->session, oracle->time_ns);
	if (op->value.size != 0) {
		memcpy(record + size, op->value.data, op->value.size);
	}
	drop_claim(oracle, holder, STORE_CAUSE_REVOKED);
	put(oracle, slice_text(path), slice_make(record, (size_t)size + op->value.size), 0);
	return hand_over(oracle, op);
}

/* What all operations on locks ask for, then the operation. */
static enum store_answer do_lock_op(struct ask *ask, const struct store_op *op)
{
	const enum store_answer form = name_form(op->path);

	if (form != STORE_OK) {
		return form;
	}
	if (op->value.size > STORE_LOCK_DATA_MAX ||
	    (op->verb == STORE_VERB_LOCK && op->limit > STORE_PERMITS_MAX)) {
		return STORE_TOO_LARGE;
	}
	return op->verb == STORE_VERB_LOCK       ? do_lock(ask, op)
	       : op->verb == STORE_VERB_UNLOCK   ? do_unlock(ask, op)
	       : op->verb == STORE_VERB_PROCLAIM ? do_proclaim(ask, op)
	                                         : do_break(ask, op);
}

/* --- the end of sessions ---------------------------------------------------------------------- */

/* Of all that goes with the session, what stands first in the tree. */
static void first_owned(const struct oracle *oracle, uint64_t session, struct oracle_file **file,
                        struct oracle_claim **claim)
{
	struct state *now = (struct state *)(uintptr_t)&oracle->now;
	char first[ORACLE_PATH_MAX] = "", path[ORACLE_PATH_MAX];

	*file = NULL;
	*claim = NULL;
	for (unsigned i = 0; i < now->file_count; i++) {
		if (now->files[i].owner == session &&
		    (first[0] == '\0' ||
		     store_path_compare(slice_text(now->files[i].path), slice_text(first)) < 0)) {
			*file = &now->files[i];
			(void)snprintf(first, sizeof(first), "%s", now->files[i].path);
		}
	}
	for (unsigned i = 0; i < now->claim_count; i++) {
		claim_path(&now->claims[i], path);
		if (claim_owner(&now->claims[i]) == session &&
		    (first[0] == '\0' ||
		     store_path_compare(slice_text(path), slice_text(first)) < 0)) {
			*claim = &now->claims[i];
			*file = NULL;
			memcpy(first, path, sizeof(first));
		}
	}
}

static void leave_claim(struct oracle *oracle, struct oracle_claim *claim, enum store_cause cause,
                        store_rev_t before)
{
	char name[ORACLE_PATH_MAX];

	memcpy(name, claim->name, sizeof(name));
	if (claim->is_holder && claim->delay_ms > 0 && claim->number <= before &&
	    (cause == STORE_CAUSE_EXPIRED || cause == STORE_CAUSE_REVOKED)) {
		claim->is_resting = true;
		claim->count = 0;
		claim->until_ns = oracle->time_ns + (uint64_t)claim->delay_ms * 1000000;
		show_claim(oracle, claim, cause);
		return;
	}
	drop_claim(oracle, claim, cause);
	pass_on(oracle, slice_text(name));
}

static void end_session(struct oracle *oracle, uint64_t id, enum store_cause cause,
                        store_rev_t before)
{
	struct session *session = session_of(oracle, id);
	struct oracle_claim *claim;
	struct oracle_file *file;

	if (session == NULL) {
		return;
	}
	for (first_owned(oracle, id, &file, &claim); file != NULL || claim != NULL;
	     first_owned(oracle, id, &file, &claim)) {
		if (file != NULL) {
			take_away(oracle, file, cause);
		} else {
			leave_claim(oracle, claim, cause, before);
		}
	}
	*session = oracle->sessions[--oracle->session_count];
}

static void undelay(struct oracle *oracle, struct slice path)
{
	char text[ORACLE_PATH_MAX], name[ORACLE_PATH_MAX];
	const struct oracle_file *file = file_of(oracle, path);

	if (file != NULL && file->owner == STORE_OWNER_PASSING) {
		const char *end = strstr(file->path, "/.passing");

		pass_on(oracle, slice_make(file->path + 9, (size_t)(end - file->path) - 9));
		return;
	}
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		struct oracle_claim *claim = &oracle->now.claims[i];

		claim_path(claim, text);
		if (is_same(path, text) && claim->is_resting &&
		    claim->until_ns <= oracle->time_ns) {
			memcpy(name, claim->name, sizeof(name));
			drop_claim(oracle, claim, STORE_CAUSE_RESTED);
			pass_on(oracle, slice_text(name));
			return;
		}
	}
}

/* --- transactions ----------------------------------------------------------------------------- */

static bool is_so(int64_t a, enum store_relation relation, int64_t b)
{
	return relation == STORE_EQUAL       ? a == b
	       : relation == STORE_NOT_EQUAL ? a != b
	       : relation == STORE_AT_MOST   ? a <= b
	                                     : a >= b;
}

/* OK, MISMATCH, NOT_HELD; or the path has no good form. */
static enum store_answer judge(struct ask *ask, const struct store_compare *compare)
{
	struct oracle *oracle = ask->oracle;
	const bool wants = compare->relation == STORE_EQUAL;
	const struct oracle_file *file;
	struct slice value = {0};
	store_rev_t revision = 0;
	char path[ORACLE_PATH_MAX];
	bool holds = false;

	ask->result->revision = 0;
	if (compare->kind == STORE_COMPARE_SESSION) {
		return oracle_has_session(oracle, (uint64_t)compare->number) == wants
		               ? STORE_OK
		               : STORE_MISMATCH;
	}
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		const struct oracle_claim *claim = &oracle->now.claims[i];

		holds |= is_of(claim, compare->path, true) && !claim->is_resting &&
		         claim->number == compare->number;
		claim_path(claim, path);
		if (is_same(compare->path, path)) {
			revision = claim->revision;
			value = claim_value(oracle, claim);
		}
	}
	if (compare->kind == STORE_COMPARE_TOKEN) {
		return holds ? STORE_OK : STORE_NOT_HELD;
	}
	if (form_of(compare->path) != STORE_OK) {
		return form_of(compare->path);
	}
	file = file_of(oracle, compare->path);
	revision = file != NULL ? file->revision : revision;
	value = file != NULL ? file->value : value;
	ask->result->revision = revision;
	holds = compare->kind == STORE_COMPARE_REV
	                ? is_so(revision, compare->relation, compare->number)
	                : (revision != 0 && slice_equal(value, compare->value)) == wants;
	return holds ? STORE_OK : STORE_MISMATCH;
}

static enum store_answer do_op(struct ask *ask, const struct store_op *op)
{
	switch (op->verb) {
	case STORE_VERB_NOP:
		return STORE_OK;
	case STORE_VERB_SET:
		return do_set(ask, op);
	case STORE_VERB_DELETE:
		return do_delete(ask, op);
	case STORE_VERB_ADD:
		return do_add(ask, op);
	case STORE_VERB_FULL:
		return STORE_DISK_FULL;
	case STORE_VERB_KILL:
		if (!oracle_has_session(ask->oracle, (uint64_t)op->number)) {
			return STORE_NOT_FOUND;
		}
		ask->killed += oracle_owned(ask->oracle, (uint64_t)op->number);
		return ask->killed > ask->oracle->killed_max ? STORE_TOO_LARGE : STORE_OK;
	case STORE_VERB_LOCK:
	case STORE_VERB_UNLOCK:
	case STORE_VERB_PROCLAIM:
	case STORE_VERB_BREAK:
	default:
		return do_lock_op(ask, op);
	}
}

static void copy(struct state *to, const struct state *from)
{
	to->revision = from->revision;
	to->token = from->token;
	to->file_count = from->file_count;
	to->claim_count = from->claim_count;
	memcpy(to->files, from->files, from->file_count * sizeof(from->files[0]));
	memcpy(to->claims, from->claims, from->claim_count * sizeof(from->claims[0]));
}

static void refuse(struct ask *ask, enum store_answer answer, unsigned op)
{
	copy(&ask->oracle->now, &ask->oracle->before);
	ask->oracle->change_count = 0;
	ask->result->answer = answer;
	ask->result->op = (uint8_t)op;
	ask->result->flags = 0;
	ask->result->number = 0;
	if (ask->result->revision > ask->oracle->now.revision) {
		ask->result->revision = 0;
	}
}

/* All of a list or nothing; then those who wait get what has become free. */
static void do_list(struct ask *ask, const struct store_op *ops, unsigned count)
{
	ask->result->revision = 0;
	for (unsigned i = 0; i < count; i++) {
		const enum store_answer answer = do_op(ask, &ops[i]);

		if (answer != STORE_OK) {
			refuse(ask, answer, i);
			return;
		}
	}
	for (unsigned i = 0; i < count; i++) {
		if (ops[i].verb == STORE_VERB_KILL) {
			end_session(ask->oracle, (uint64_t)ops[i].number, STORE_CAUSE_REVOKED,
			            ask->before);
		} else if (ops[i].verb == STORE_VERB_LOCK || ops[i].verb == STORE_VERB_UNLOCK ||
		           ops[i].verb == STORE_VERB_BREAK) {
			pass_on(ask->oracle, ops[i].path);
		}
	}
}

static unsigned read_ops(struct slice bytes, unsigned count, struct store_op *ops)
{
	struct wire_reader reader = wire_reader_make(bytes);

	for (unsigned i = 0; i < count; i++) {
		ops[i] = store_txn_op(&reader);
	}
	return count;
}

static void do_txn(struct ask *ask, struct slice bytes)
{
	static struct store_op ops[STORE_TXN_OPS_MAX];
	struct wire_reader reader;
	struct store_txn txn;

	must(store_txn_decode(bytes, &txn));
	reader = wire_reader_make(txn.compares);
	for (unsigned i = 0; i < txn.compare_count; i++) {
		const struct store_compare compare = store_txn_compare(&reader);
		const enum store_answer answer = judge(ask, &compare);

		if (answer == STORE_MISMATCH || answer == STORE_NOT_HELD) {
			if (txn.else_count == 0) {
				refuse(ask, answer, i);
				ask->result->flags = STORE_RESULT_IF;
				return;
			}
			do_list(ask, ops, read_ops(txn.elses, txn.else_count, ops));
			ask->result->flags |= STORE_RESULT_ELSE;
			return;
		}
		if (answer != STORE_OK) {
			refuse(ask, answer, i);
			ask->result->flags = STORE_RESULT_IF;
			return;
		}
	}
	do_list(ask, ops, read_ops(txn.thens, txn.then_count, ops));
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Done for the first time. */
static void run(struct oracle *oracle, const struct store_entry *entry, struct store_result *result)
{
	struct ask ask = {.oracle = oracle,
	                  .session = entry->session,
	                  .before = oracle->now.revision,
	                  .result = result};

	copy(&oracle->before, &oracle->now);
	if (entry->kind == STORE_ENTRY_CLOSE) {
		end_session(oracle, entry->session, STORE_CAUSE_RELEASED, ask.before);
	} else if (entry->kind == STORE_ENTRY_TXN) {
		do_txn(&ask, entry->txn);
	} else {
		do_list(&ask, &entry->op, 1);
	}
	if (result->answer == STORE_OK) {
		result->revision = oracle->now.revision;
		result->first = oracle->now.revision > ask.before ? ask.before + 1 : 0;
	}
}

static void request(struct oracle *oracle, const struct store_entry *entry,
                    struct store_result *result)
{
	struct session *session = session_of(oracle, entry->session);
	unsigned slot = (unsigned)(entry->number % STORE_ANSWERS_MAX);

	result->store_revision = oracle->now.revision;
	if (session == NULL) {
		const bool is_leaders = entry->kind == STORE_ENTRY_OP && entry->session == 0 &&
		                        entry->op.verb == STORE_VERB_NOP;

		result->answer = is_leaders ? STORE_OK : STORE_NO_SESSION;
		result->revision = is_leaders ? oracle->now.revision : 0;
		return;
	}
	if (entry->first_unanswered > session->base) {
		session->base = entry->first_unanswered;
	}
	if (entry->number < session->base) {
		result->answer = STORE_STALE;
	} else if (entry->number >= session->base + STORE_ANSWERS_MAX) {
		result->answer = STORE_WINDOW;
	} else if (session->numbers[slot] == entry->number) {
		*result = session->answers[slot];
	} else {
		run(oracle, entry, result);
		result->store_revision = oracle->now.revision;
		session = session_of(oracle, entry->session);
		if (session != NULL) {
			session->numbers[slot] = entry->number;
			session->answers[slot] = *result;
		}
	}
}

static void open_session(struct oracle *oracle, uint64_t index, const struct store_entry *entry,
                         struct store_result *result)
{
	result->revision = oracle->now.revision;
	result->store_revision = oracle->now.revision;
	if (oracle->session_count >= oracle->sessions_max) {
		result->answer = STORE_SESSIONS_FULL;
		result->revision = 0;
		return;
	}
	result->session = index;
	oracle->sessions[oracle->session_count++] =
		(struct session){.id = index, .base = 1, .ttl_ms = entry->ttl_ms};
}

void oracle_apply(struct oracle *oracle, uint64_t index, const struct store_entry *entry,
                  struct store_result *ret_result)
{
	const store_rev_t before = oracle->now.revision;

	*ret_result = (struct store_result){.answer = STORE_OK};
	oracle->change_count = 0;
	oracle->grants = 0;
	if (entry->time_ns > oracle->time_ns) {
		oracle->time_ns = entry->time_ns;
	}
	if (entry->kind == STORE_ENTRY_OP || entry->kind == STORE_ENTRY_TXN ||
	    entry->kind == STORE_ENTRY_CLOSE) {
		request(oracle, entry, ret_result);
	} else if (entry->kind == STORE_ENTRY_OPEN) {
		open_session(oracle, index, entry, ret_result);
	} else if (entry->kind == STORE_ENTRY_EXPIRE) {
		for (unsigned i = 0; i < entry->expired_count; i++) {
			end_session(oracle, entry->expired[i], STORE_CAUSE_EXPIRED, before);
		}
	} else if (entry->kind == STORE_ENTRY_UNDELAY) {
		undelay(oracle, entry->op.path);
	}
}

/* --- what can be seen ------------------------------------------------------------------------- */

unsigned oracle_changes(const struct oracle *oracle, const struct oracle_change **ret_changes)
{
	*ret_changes = oracle->changes;
	return oracle->change_count;
}

store_rev_t oracle_revision(const struct oracle *oracle)
{
	return oracle->now.revision;
}

unsigned oracle_claims(const struct oracle *oracle, const struct oracle_claim **ret_claims)
{
	*ret_claims = oracle->now.claims;
	return oracle->now.claim_count;
}

static int compare_files(const void *a, const void *b)
{
	return store_path_compare(slice_text(((const struct oracle_file *)a)->path),
	                          slice_text(((const struct oracle_file *)b)->path));
}

unsigned oracle_files(struct oracle *oracle, const struct oracle_file **ret_files)
{
	unsigned count = oracle->now.file_count;

	memcpy(oracle->shown, oracle->now.files, count * sizeof(oracle->shown[0]));
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		const struct oracle_claim *claim = &oracle->now.claims[i];
		struct oracle_file *file = &oracle->shown[count++];

		claim_path(claim, file->path);
		file->value = claim_value(oracle, claim);
		file->revision = claim->revision;
		file->owner = claim_owner(claim);
	}
	qsort(oracle->shown, count, sizeof(oracle->shown[0]), compare_files);
	*ret_files = oracle->shown;
	return count;
}

const char *oracle_broken(const struct oracle *oracle)
{
	struct oracle *seen = (struct oracle *)(uintptr_t)oracle; /* searched, not changed */
	unsigned passing = 0;

	if (oracle->is_token_old) {
		return "a token does not grow";
	}
	for (unsigned i = 0; i < oracle->now.claim_count; i++) {
		const struct oracle_claim *claim = &oracle->now.claims[i];
		const struct slice name = slice_text(claim->name);

		if (!claim->is_resting && !oracle_has_session(oracle, claim->session)) {
			return "a session that has gone holds a lock, or waits";
		}
		if (claim->is_holder && !may_stand_together(oracle, name, NULL)) {
			return "two hold a lock that may not";
		}
		if (!claim->is_holder && claim == next_in(seen, name)) {
			char mark[ORACLE_PATH_MAX];

			passing_path(name, mark);
			if (file_of(seen, slice_text(mark)) == NULL) {
				return "the first that waits could have the lock";
			}
			passing++;
		}
	}
	for (unsigned i = 0; i < oracle->now.file_count; i++) {
		passing -= oracle->now.files[i].owner == STORE_OWNER_PASSING;
	}
	if (passing != 0) {
		return "a lock is being passed on to nobody";
	}
	return NULL;
}
