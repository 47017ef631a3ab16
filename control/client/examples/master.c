/* SPDX-License-Identifier: Apache-2.0 */
/*
 * master.c - one master of a database, and a database that refuses all others
 *
 *      cc master.c $(pkg-config --cflags --libs coffer sqlite3)
 *
 * Two candidates; the first is elected, stops for longer than its session lives, and the second is
 * elected. Then the first goes on as if nothing had happened. It could have looked at the clock
 * (coffer_lock_token() is 0 by now), but might have stopped right after the look. So the database
 * itself keeps the highest token it has seen, and refuses older ones, in the transaction that
 * writes: here by two triggers of SQLite, so that no program can forget it.
 */
#include <inttypes.h>
#include <stdio.h>

#include <coffer_lock.h>
#include <sqlite3.h>

enum {
	TTL_MS = 300 /* so long a dead master is waited for */
};

#define ELECTION "/examples/master"

static const char schema[] = "CREATE TABLE fence (token INTEGER NOT NULL);"
			     "INSERT INTO fence VALUES (0);"
			     "CREATE TABLE entry (token INTEGER NOT NULL, text TEXT NOT NULL);"
			     "CREATE TRIGGER refuse BEFORE INSERT ON entry"
			     " WHEN NEW.token < (SELECT token FROM fence)"
			     " BEGIN SELECT RAISE(ABORT, 'there is a newer master'); END;"
			     "CREATE TRIGGER remember AFTER INSERT ON entry"
			     " BEGIN UPDATE fence SET token = NEW.token; END;";

struct candidate {
	const char *name;
	struct coffer *coffer;
	struct coffer_lock *lock;
	int64_t token; /* that it was elected under */
};

static bool open_candidate(struct candidate *candidate, const char *name)
{
	const struct coffer_lock_options options = {.claim = {.data = name, .data_size = 1}};
	struct coffer_options handle;
	int r;

	coffer_options_default(&handle);
	handle.ttl_ms = TTL_MS;
	candidate->name = name;
	r = coffer_open(&candidate->coffer, NULL, &handle);
	if (r == 0) {
		r = coffer_lock(candidate->coffer, ELECTION, &options, NULL, NULL,
		                &candidate->lock);
	}
	if (r < 0) {
		(void)fprintf(stderr, "%s: %s\n", name, coffer_error_text(r));
	}
	return r == 0;
}

static bool is_elected(struct candidate *candidate)
{
	enum coffer_answer answer;

	if (coffer_lock_wait(candidate->lock, &answer) != COFFER_DONE) {
		(void)fprintf(stderr, "%s: %s\n", candidate->name, coffer_answer_text(answer));
		return false;
	}
	candidate->token = coffer_lock_token(candidate->lock);
	(void)printf("%s is master under token %" PRId64 "\n", candidate->name, candidate->token);
	return candidate->token != 0;
}

/* True if the database took it. */
static bool write_as(sqlite3 *db, const struct candidate *candidate, const char *text)
{
	sqlite3_stmt *insert = NULL;
	int r;

	r = sqlite3_prepare_v2(db, "INSERT INTO entry VALUES (?, ?)", -1, &insert, NULL);
	if (r == SQLITE_OK) {
		(void)sqlite3_bind_int64(insert, 1, candidate->token);
		(void)sqlite3_bind_text(insert, 2, text, -1, SQLITE_STATIC);
		r = sqlite3_step(insert);
	}
	(void)printf("%s writes \"%s\": %s\n", candidate->name, text,
	             r == SQLITE_DONE ? "done" : sqlite3_errmsg(db));
	(void)sqlite3_finalize(insert); /* what failed was said above */
	return r == SQLITE_DONE;
}

static bool play(sqlite3 *db, struct candidate *first, struct candidate *second)
{
	if (!open_candidate(first, "A") || !is_elected(first) || !write_as(db, first, "one")) {
		return false;
	}
	/* From here on nobody turns the first: it stops, and its session ends. */
	if (!open_candidate(second, "B") || !is_elected(second) || !write_as(db, second, "two")) {
		return false;
	}
	if (coffer_lock_token(first->lock) != 0 || write_as(db, first, "three")) {
		return false; /* two masters */
	}
	return write_as(db, second, "four");
}

int main(void)
{
	struct candidate first = {0}, second = {0};
	sqlite3 *db = NULL;
	bool good = false;

	if (sqlite3_open(":memory:", &db) == SQLITE_OK &&
	    sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK) {
		good = play(db, &first, &second);
	} else {
		(void)fprintf(stderr, "SQLite: %s\n", sqlite3_errmsg(db));
	}
	coffer_close(second.coffer); /* gives its lock back at once */
	coffer_close(first.coffer);
	(void)sqlite3_close(db);
	return good ? 0 : 1;
}
