/* SPDX-License-Identifier: Apache-2.0 */
#include "control/bin/coffer_txn_step.h"

#include <stdio.h>
#include <string.h>

enum {
	WORD_SHOWN_MAX = 60 /* of a word in a sentence */
};

/* The words of one line, as they are taken one by one. */
struct line {
	struct txn_text *text;
	const struct cli_word *words;
	unsigned count, next;
	struct txn_step step;
};

static bool fail_word(struct line *line, const struct cli_word *word, const char *why)
{
	return txn_text_fail(line->text, "%.*s: %s", WORD_SHOWN_MAX, word->text, why);
}

/* --- words ------------------------------------------------------------------------------------ */

/* The next word, NULL: it is said that `what` is missing. */
static const struct cli_word *take(struct line *line, const char *what)
{
	if (line->next == line->count) {
		(void)txn_text_fail(line->text, "%s is missing", what);
		return NULL;
	}
	return &line->words[line->next++];
}

/* The next word, if it is this one. */
static bool takes(struct line *line, const char *name)
{
	if (line->next == line->count || !cli_word_is(&line->words[line->next], name)) {
		return false;
	}
	line->next++;
	return true;
}

static bool take_number(struct line *line, const char *what, int64_t minimum, int64_t maximum,
                        int64_t *ret_number)
{
	const struct cli_word *word = take(line, what);
	char why[64];

	if (word == NULL) {
		return false;
	}
	if (strlen(word->text) != word->size ||
	    !cli_parse_number(word->text, minimum, ret_number) || *ret_number > maximum) {
		(void)snprintf(why, sizeof(why), "must be %s", what);
		return fail_word(line, word, why);
	}
	return true;
}

/* A string for libcoffer: a path, or the name of a lock, whose first slash may be left out. */
struct path {
	char text[COFFER_PATH_SIZE_MAX + 1];
};

static bool take_path(struct line *line, bool is_lock, struct path *path)
{
	const struct cli_word *word = take(line, is_lock ? "the name of a lock" : "a path");

	if (word == NULL) {
		return false;
	}
	if (strlen(word->text) != word->size) {
		return fail_word(line, word, "a path has no zero byte");
	}
	if (is_lock) {
		return cli_lock_name(word->text, path->text) ||
		       txn_text_fail(line->text, "the name is longer than %d bytes",
		                     COFFER_LOCK_NAME_SIZE_MAX);
	}
	if (word->size > COFFER_PATH_SIZE_MAX) {
		return txn_text_fail(line->text, "the path is longer than %d bytes",
		                     COFFER_PATH_SIZE_MAX);
	}
	memcpy(path->text, word->text, word->size + 1);
	return true;
}

static const struct cli_word *take_value(struct line *line, size_t max)
{
	const struct cli_word *word = take(line, "a value");

	if (word != NULL && word->size > max) {
		(void)txn_text_fail(line->text, "the value is larger than %zu bytes", max);
		return NULL;
	}
	return word;
}

static bool take_relation(struct line *line, bool has_order, enum coffer_relation *ret_relation)
{
	static const char *const names[] = {"=", "<=", "!=", ">="};
	const char *what = has_order ? "=, !=, <= or >=" : "= or !=";
	const struct cli_word *word = take(line, what);

	if (word == NULL) {
		return false;
	}
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (cli_word_is(word, names[i]) && (has_order || i % 2 == 0)) {
			*ret_relation = (enum coffer_relation)(COFFER_EQUAL + i);
			return true;
		}
	}
	return fail_word(line, word, has_order ? "must be =, !=, <= or >=" : "must be = or !=");
}

/* --- conditions ------------------------------------------------------------------------------- */

static bool read_if_rev(struct line *line)
{
	enum coffer_relation relation = COFFER_EQUAL;
	struct path path;
	int64_t rev;

	if (!take_path(line, false, &path) || !take_relation(line, true, &relation) ||
	    !take_number(line, "a revision, from 0", 0, INT64_MAX, &rev)) {
		return false;
	}
	coffer_txn_if_rev(line->text->txn, path.text, relation, rev);
	return true;
}

static bool read_if_value(struct line *line)
{
	const struct cli_word *value;
	enum coffer_relation relation = COFFER_EQUAL;
	struct path path;

	if (!take_path(line, false, &path) || !take_relation(line, false, &relation)) {
		return false;
	}
	value = take_value(line, COFFER_VALUE_SIZE_MAX);
	if (value == NULL) {
		return false;
	}
	coffer_txn_if_value(line->text->txn, path.text, relation, value->text, value->size);
	return true;
}

static bool read_if_token(struct line *line)
{
	struct path lock;
	int64_t token;

	if (!take_path(line, true, &lock) ||
	    !take_number(line, "a token, from 1", 1, INT64_MAX, &token)) {
		return false;
	}
	coffer_txn_if_token(line->text->txn, lock.text, token);
	return true;
}

static bool read_if_session(struct line *line)
{
	int64_t session;
	bool is_there;

	if (!take_number(line, "a session, from 1", 1, INT64_MAX, &session)) {
		return false;
	}
	is_there = takes(line, "alive");
	if (!is_there && !takes(line, "gone")) {
		return txn_text_fail(line->text, "a session is alive or gone");
	}
	coffer_txn_if_session(line->text->txn, (uint64_t)session, is_there);
	line->step.is_session = true;
	return true;
}

/* --- operations ------------------------------------------------------------------------------- */

static bool take_if_rev(struct line *line, int64_t *ret_rev)
{
	return take_number(line, "a revision, from 0", 0, INT64_MAX, ret_rev);
}

static bool read_set(struct line *line)
{
	const struct cli_word *value;
	int64_t if_rev = COFFER_ANY;
	unsigned flags = 0;
	struct path path;

	if (!take_path(line, false, &path)) {
		return false;
	}
	value = take_value(line, COFFER_VALUE_SIZE_MAX);
	if (value == NULL) {
		return false;
	}
	for (;;) {
		if (takes(line, "if-rev")) {
			if (!take_if_rev(line, &if_rev)) {
				return false;
			}
		} else if (takes(line, "ephemeral")) {
			flags |= COFFER_EPHEMERAL;
		} else if (takes(line, "sequence")) {
			flags |= COFFER_SEQUENCE;
		} else {
			break;
		}
	}
	coffer_txn_set(line->text->txn, path.text, value->text, value->size, if_rev, flags);
	return true;
}

static bool read_del(struct line *line)
{
	int64_t if_rev = COFFER_ANY;
	struct path path;

	if (!take_path(line, false, &path) ||
	    (takes(line, "if-rev") && !take_if_rev(line, &if_rev))) {
		return false;
	}
	coffer_txn_delete(line->text->txn, path.text, if_rev);
	return true;
}

static bool read_add(struct line *line)
{
	struct path path;
	int64_t number;

	if (!take_path(line, false, &path) ||
	    !take_number(line, "a whole number", INT64_MIN, INT64_MAX, &number)) {
		return false;
	}
	coffer_txn_add(line->text->txn, path.text, number);
	line->step.counts = true;
	return true;
}

static bool take_delay(struct line *line, uint32_t *ret_ms)
{
	const struct cli_word *word = take(line, "a duration");

	if (word == NULL) {
		return false;
	}
	return (strlen(word->text) == word->size && cli_parse_duration(word->text, ret_ms)) ||
	       fail_word(line, word, "must be a duration, such as 500ms or 10s");
}

/* What stands behind a lock's name. */
static bool read_claim(struct line *line, struct coffer_claim *claim)
{
	const struct cli_word *data;
	int64_t number;

	while (line->next < line->count) {
		if (takes(line, "shared")) {
			claim->is_shared = true;
		} else if (takes(line, "try")) {
			claim->is_try = true;
		} else if (takes(line, "permits")) {
			if (!take_number(line, "permits, 1 to 1024", 1, COFFER_LOCK_PERMITS_MAX,
			                 &number)) {
				return false;
			}
			claim->permits = (unsigned)number;
		} else if (takes(line, "priority")) {
			if (!take_number(line, "a priority, 0 to 255", 0, UINT8_MAX, &number)) {
				return false;
			}
			claim->priority = (uint8_t)number;
		} else if (takes(line, "delay")) {
			if (!take_delay(line, &claim->delay_ms)) {
				return false;
			}
		} else if (takes(line, "data")) {
			data = take_value(line, COFFER_LOCK_DATA_SIZE_MAX);
			if (data == NULL) {
				return false;
			}
			claim->data = data->text;
			claim->data_size = data->size;
		} else {
			break;
		}
	}
	return !(claim->is_shared && claim->permits != 0) ||
	       txn_text_fail(line->text, "a lock is shared or has permits, not both");
}

static bool read_lock(struct line *line)
{
	struct coffer_claim claim = {0};
	struct path lock;

	if (!take_path(line, true, &lock) || !read_claim(line, &claim)) {
		return false;
	}
	coffer_txn_lock(line->text->txn, lock.text, &claim);
	line->step.counts = true;
	return true;
}

static bool read_unlock(struct line *line)
{
	struct path lock;

	if (!take_path(line, true, &lock)) {
		return false;
	}
	coffer_txn_unlock(line->text->txn, lock.text, takes(line, "all"));
	line->step.counts = true;
	return true;
}

static bool read_transfer(struct line *line)
{
	struct path lock;
	int64_t session;

	if (!take_path(line, true, &lock) ||
	    !take_number(line, "a session, from 1", 1, INT64_MAX, &session)) {
		return false;
	}
	coffer_txn_transfer(line->text->txn, lock.text, (uint64_t)session);
	line->step.counts = true;
	return true;
}

static bool read_proclaim(struct line *line)
{
	const struct cli_word *data;
	int64_t token = COFFER_ANY;
	struct path lock;

	if (!take_path(line, true, &lock)) {
		return false;
	}
	data = take_value(line, COFFER_LOCK_DATA_SIZE_MAX);
	if (data == NULL ||
	    (takes(line, "token") && !take_number(line, "a token, from 1", 1, INT64_MAX, &token))) {
		return false;
	}
	coffer_txn_proclaim_under(line->text->txn, lock.text, token, data->text, data->size);
	line->step.counts = true;
	return true;
}

static bool read_break(struct line *line)
{
	const struct cli_word *record;
	int64_t token = COFFER_ANY, heir = 0;
	struct path lock;

	if (!take_path(line, true, &lock) ||
	    (!takes(line, "any") &&
	     !take_number(line, "a token, from 1, or any", 1, INT64_MAX, &token))) {
		return false;
	}
	record = take_value(line, COFFER_LOCK_DATA_SIZE_MAX);
	if (record == NULL ||
	    (takes(line, "to") && !take_number(line, "a session, from 1", 1, INT64_MAX, &heir))) {
		return false;
	}
	coffer_txn_break(line->text->txn, lock.text, token, (uint64_t)heir, record->text,
	                 record->size);
	line->step.counts = true;
	return true;
}

static bool read_kill(struct line *line)
{
	int64_t session;

	if (!take_number(line, "a session, from 1", 1, INT64_MAX, &session)) {
		return false;
	}
	coffer_txn_kill(line->text->txn, (uint64_t)session);
	return true;
}

/* --- which one ------------------------------------------------------------------------------- */

static const struct rule {
	const char *name;
	bool (*read)(struct line *line);
} CONDITIONS[] =
	{
		{"rev", read_if_rev},
		{"value", read_if_value},
		{"token", read_if_token},
		{"session", read_if_session},
		{NULL, NULL},
},
  OPERATIONS[] = {
	  {"set", read_set},           {"del", read_del},
	  {"add", read_add},           {"lock", read_lock},
	  {"unlock", read_unlock},     {"transfer", read_transfer},
	  {"proclaim", read_proclaim}, {"break", read_break},
	  {"kill", read_kill},         {NULL, NULL},
};

bool txn_text_step(struct txn_text *text, const struct cli_word *words, unsigned count)
{
	const bool is_condition = text->list == TXN_CONDITIONS;
	const struct rule *rule = is_condition ? CONDITIONS : OPERATIONS;
	struct line line = {.text = text, .words = words, .count = count};
	const struct cli_word *name =
		take(&line, is_condition ? "rev, value, token or session" : "an operation");

	if (name == NULL) {
		return false;
	}
	if (text->counts[text->list] == COFFER_TXN_OPS_MAX) {
		return txn_text_fail(text, "there are more than %d of them", COFFER_TXN_OPS_MAX);
	}
	while (rule->name != NULL && !cli_word_is(name, rule->name)) {
		rule++;
	}
	if (rule->name == NULL) {
		return fail_word(&line, name, is_condition ? "is no condition" : "is no operation");
	}
	line.step = (struct txn_step){.line = text->line};
	if (!rule->read(&line)) {
		return false;
	}
	if (line.next != count) {
		return fail_word(&line, &words[line.next], "is too much");
	}
	text->steps[text->list][text->counts[text->list]++] = line.step;
	return true;
}
